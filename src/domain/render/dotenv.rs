//! How node's dotenv reads the env files that we write: a model of its one expression, enough for our own lines.

use std::collections::BTreeMap;

use super::env_file;

/// Lines that may follow in the file.
const AFTER: &str = "NEXT='x'\nLAST=\"y\"\n";

/// Whether node's dotenv gives this value back from the file that [`env_file::render`] writes.
#[must_use]
pub fn reads_the_same(key: &str, value: &str) -> bool {
    read(&file(key, value)).get(key).is_some_and(|read| read == value)
}

/// The file with this one variable and others behind it, where a quote that seems escaped is looked for.
#[must_use]
pub fn file(key: &str, value: &str) -> String {
    env_file::render(&BTreeMap::from([(key.to_owned(), value.to_owned())])) + AFTER
}

/// The variables of a file.
fn read(text: &str) -> BTreeMap<String, String> {
    // It knows one line end only, also within a value.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut found = BTreeMap::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let line_end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let Some((key, after)) = assignment(rest) else {
            rest = &rest[line_end..];
            continue;
        };
        let length = value_length(after);
        found.insert(key.to_owned(), unquoted(&after[..length]));
        rest = &after[length..];
        rest = &rest[rest.find('\n').map_or(rest.len(), |end| end + 1)..];
    }
    found
}

/// The name before the `=` and what follows it.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, after) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (!key.is_empty() && key.chars().all(is_name)).then_some((key, after))
}

/// Bytes of the value: a quoted one where its end fits, else all up to a `#` or the end of the line.
fn value_length(text: &str) -> usize {
    let quote = text.chars().next().filter(|first| "'\"`".contains(*first));
    let quoted =
        quote.and_then(|quote| ends_of_quoted(text, quote).into_iter().find(|end| ends_well(&text[*end..])));
    quoted.unwrap_or_else(|| text.find(['#', '\n']).unwrap_or(text.len()))
}

/// Where a quoted value may end, best first: at the first quote without a backslash, else at one with.
fn ends_of_quoted(text: &str, quote: char) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut escaped = Vec::new();
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] == b'\\' && bytes.get(at + 1) == Some(&(quote as u8)) {
            escaped.push(at + 2);
            at += 2;
        } else if bytes[at] == quote as u8 {
            escaped.push(at + 1);
            break;
        } else {
            at += 1;
        }
    }
    escaped.reverse();
    escaped
}

/// Nothing but a comment may follow in the line.
fn ends_well(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with(['\n', '#'])
}

fn unquoted(written: &str) -> String {
    let value = written.trim();
    let Some(quote) = value.chars().next().filter(|first| "'\"`".contains(*first)) else {
        return value.to_owned();
    };
    let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).unwrap_or(value);
    if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::yaml;

    #[derive(serde::Deserialize)]
    struct Recorded {
        value: String,
        same: bool,
    }

    #[test]
    fn the_model_says_what_dotenv_itself_said() {
        let recorded: Vec<Recorded> =
            yaml::from_str(include_str!("../../../fixtures/project/dotenv.yaml")).unwrap();
        assert!(recorded.iter().any(|r| r.same) && recorded.iter().any(|r| !r.same));
        for Recorded { value, same } in recorded {
            assert_eq!(reads_the_same("KEY", &value), same, "{value:?}");
        }
    }
}
