//! A strict reader of nginx's grammar: words, quoted words, `;` and blocks.

use serde_json::{Map, Value, json};

/// One directive with its arguments and, where it has one, its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) words: Vec<String>,
    pub(crate) block: Option<Vec<Directive>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => {}
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            ';' => found.push(Token::End),
            '{' => found.push(Token::Open),
            '}' => found.push(Token::Close),
            '"' => {
                let mut word = String::new();
                loop {
                    match rest.next().unwrap() {
                        '"' => break,
                        '\\' => word.push(rest.next().unwrap()),
                        c => word.push(c),
                    }
                }
                let follows = rest.peek().copied().unwrap();
                assert!(follows.is_whitespace() || follows == ';' || follows == '{', "{word:?} then {follows:?}");
                found.push(Token::Word(word));
            }
            c => {
                assert!(!matches!(c, '\'' | '\\'), "an odd beginning of a word: {c:?}");
                let mut word = c.to_string();
                while let Some(c) = rest.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '{' | '}')) {
                    assert!(!matches!(c, '"' | '\'' | '\\' | '#'), "{word}{c}");
                    word.push(c);
                }
                found.push(Token::Word(word));
            }
        }
    }
    found
}

fn block(tokens: &mut std::iter::Peekable<std::vec::IntoIter<Token>>, inner: bool) -> Vec<Directive> {
    let mut directives = Vec::new();
    let mut words = Vec::new();
    loop {
        match tokens.next() {
            Some(Token::Word(word)) => words.push(word),
            Some(Token::End) => {
                directives.push(Directive { words: std::mem::take(&mut words), block: None });
            }
            Some(Token::Open) => {
                let block = Some(block(tokens, true));
                directives.push(Directive { words: std::mem::take(&mut words), block });
            }
            Some(Token::Close) => {
                assert!(inner && words.is_empty(), "a block ends after {words:?}");
                return directives;
            }
            None => {
                assert!(!inner && words.is_empty(), "the file ends after {words:?}");
                return directives;
            }
        }
    }
}

/// The directives of a file; panics where nginx would refuse it.
pub(crate) fn parse(text: &str) -> Vec<Directive> {
    block(&mut tokens(text).into_iter().peekable(), false)
}

fn location(directives: &[Directive]) -> Value {
    let mut shown = Map::new();
    let mut headers = Map::new();
    for Directive { words, .. } in directives {
        match (words[0].as_str(), &words[1..]) {
            ("proxy_set_header", [name, value]) => drop(headers.insert(name.clone(), json!(value))),
            ("internal", []) => drop(shown.insert("internal".to_owned(), json!(true))),
            ("return", [code, text]) => {
                drop(shown.insert("return".to_owned(), json!(format!("{code} \"{text}\""))));
            }
            (name, [value]) => drop(shown.insert(name.to_owned(), json!(value))),
            other => panic!("unexpected {other:?}"),
        }
    }
    if !headers.is_empty() {
        shown.insert("headers".to_owned(), headers.into());
    }
    shown.into()
}

fn server(directives: &[Directive]) -> Value {
    let mut shown = Map::new();
    let (mut pages, mut locations) = (Map::new(), Map::new());
    for Directive { words, block } in directives {
        match (words[0].as_str(), &words[1..], block) {
            ("error_page", [code, page], None) => drop(pages.insert(code.clone(), json!(page))),
            ("location", path, Some(block)) => {
                assert!(locations.insert(path.join(" "), location(block)).is_none(), "{path:?} stands twice");
            }
            (name, values, None) => drop(shown.insert(name.to_owned(), json!(values.join(" ")))),
            other => panic!("unexpected {other:?}"),
        }
    }
    shown.insert("error_pages".to_owned(), pages.into());
    shown.insert("locations".to_owned(), locations.into());
    shown.into()
}

/// A file in the shape of the recorded answers.
pub(crate) fn structure(text: &str) -> Value {
    let (servers, top): (Vec<Directive>, Vec<Directive>) =
        parse(text).into_iter().partition(|directive| directive.words == ["server"]);
    let top: Vec<String> = top.into_iter().map(|directive| directive.words.join(" ")).collect();
    let servers: Vec<Value> = servers.iter().map(|d| server(d.block.as_deref().unwrap())).collect();
    json!({"top_level": top, "servers": servers})
}
