//! A compose file as it was written, before Compose reads it: Compose reads the files that it names with the rights of
//! whoever runs it.
//!
//! What is judged must be what Compose reads. Its parser descends from libyaml, and so does ours; what the two families
//! of YAML parsers read differently is refused.

use std::collections::HashMap;
use std::rc::Rc;

use super::path::{below, folder_of};
use super::violation::{Violation, Wrong, child, item};
use super::{Claim, Want};
use crate::domain::yaml::tree::{self, Content, Node, shown};
use crate::domain::yaml::{self, Mapping, Value};

/// Nodes that a file may have once its aliases are written out.
const MOST_NODES: u64 = 100_000;
/// How deep they may be nested then.
const DEEPEST: usize = 100;
/// What Compose's own tags do; it reads nothing because of them.
const COMPOSE_TAGS: [&str; 2] = ["reset", "override"];

/// Another compose file that Compose would read because of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// Where it is named.
    pub place: String,
    /// Its path from the checkout.
    pub path: String,
    /// The folder, from the checkout, that its own paths start from.
    pub base: String,
}

/// What a file as it was written asks Compose to read.
#[derive(Debug, Default)]
pub struct RawJudgement {
    /// What is refused.
    pub violations: Vec<Violation>,
    /// What is to be looked at in the checkout.
    pub claims: Vec<Claim>,
    /// What is to be judged too.
    pub follows: Vec<Follow>,
}

/// Judges a compose file whose relative paths start from `base`, a folder of the checkout.
#[must_use]
pub fn judge_raw(text: &[u8], base: &str) -> RawJudgement {
    let mut judge = Judge { base, found: RawJudgement::default() };
    match read(text) {
        Ok(root) => {
            judge.walk("", &root);
            // Compose takes variables from there.
            judge.claim(base, "the project's folder", ".env");
        }
        Err(why) => judge.found.violations.push(Violation::new("the file", Wrong::Unclear, why)),
    }
    judge.found
}

/// The file's only document, where every parser reads the same.
fn read(text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8: save it as UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((line, why)) = text.lines().enumerate().find_map(|(n, line)| Some((n + 1, ambiguity(line)?))) {
        return Err(format!("line {line}: {why}"));
    }
    let document = tree::read(text).map_err(|error| placed(error.position, &error.message))?;
    if let Some(fault) = document.faults.first() {
        return Err(placed(fault.position, &fault.message));
    }
    if let Some(root) = &document.root {
        expanded(root, 0, &mut HashMap::new())
            .filter(|(nodes, _)| *nodes <= MOST_NODES)
            .ok_or_else(|| "it becomes too large once its aliases are written out: write less".to_owned())?;
    }
    let mut documents = yaml::documents(text).map_err(|error| format!("it does not parse: {error}"))?;
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.remove(0)),
        _ => Err("it has several documents: keep one".to_owned()),
    }
}

fn placed(position: Option<tree::Position>, message: &str) -> String {
    position.map_or_else(|| message.to_owned(), |position| format!("line {}: {message}", position.line))
}

/// What parsers of YAML 1.1 and 1.2 read differently, in one line.
fn ambiguity(line: &str) -> Option<&'static str> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let odd =
        |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') || (c.is_control() && c != '\t');
    if line.contains(odd) {
        return Some("a control character or an unusual line break is not allowed: remove it");
    }
    line.starts_with('%').then_some("a YAML directive is not allowed: remove it")
}

/// How many nodes and levels there are once aliases are written out; `None` beyond what is walked.
fn expanded(
    node: &Rc<Node>,
    depth: usize,
    known: &mut HashMap<*const Node, (u64, usize)>,
) -> Option<(u64, usize)> {
    if let Some(found) = known.get(&Rc::as_ptr(node)) {
        return Some(*found);
    }
    if depth > DEEPEST {
        return None;
    }
    let children: Vec<&Rc<Node>> = match &node.content {
        Content::Scalar { .. } => Vec::new(),
        Content::Sequence(items) => items.iter().collect(),
        Content::Mapping(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
    };
    let (mut nodes, mut height) = (1_u64, 0);
    for child in children {
        let (inner, levels) = expanded(child, depth + 1, known)?;
        nodes = nodes.saturating_add(inner);
        height = height.max(levels + 1);
    }
    (height <= DEEPEST).then(|| {
        known.insert(Rc::as_ptr(node), (nodes, height));
        (nodes, height)
    })
}

struct Judge<'a> {
    base: &'a str,
    found: RawJudgement,
}

impl Judge<'_> {
    fn refuse(&mut self, place: &str, wrong: Wrong, message: impl Into<String>) {
        self.found.violations.push(Violation::new(place, wrong, message));
    }

    /// Takes note of every path, wherever its key stands: what Compose reads there is not ours to guess.
    fn walk(&mut self, place: &str, value: &Value) {
        match value {
            Value::Tagged(tagged) => {
                self.judge_tag(place, &tagged.tag.to_string());
                self.walk(place, &tagged.value);
            }
            Value::Sequence(items) => {
                items.iter().enumerate().for_each(|(index, value)| self.walk(&item(place, index), value));
            }
            Value::Mapping(entries) => entries.iter().for_each(|(key, value)| self.entry(place, key, value)),
            _ => {}
        }
    }

    fn entry(&mut self, place: &str, key: &Value, value: &Value) {
        if let Value::Tagged(tagged) = key {
            self.judge_tag(place, &tagged.tag.to_string());
        }
        let key = text_of(key).unwrap_or_default();
        // What is merged stands where it is merged.
        let at = if key == "<<" { place.to_owned() } else { child(place, &key) };
        match key.as_str() {
            "include" if place.is_empty() => self.includes(&at, value),
            "include" | "env_file" | "label_file" => self.files(&at, value),
            "extends" => self.extends(&at, value),
            _ => {}
        }
        self.walk(&at, value);
    }

    fn judge_tag(&mut self, place: &str, tag: &str) {
        if !COMPOSE_TAGS.contains(&tag.trim_start_matches('!')) {
            let message = format!("tag `{}` is not known: remove it", shown(tag));
            self.refuse(if place.is_empty() { "the file" } else { place }, Wrong::Unclear, message);
        }
    }

    /// A path that Compose would read if it is there.
    fn claim(&mut self, base: &str, place: &str, path: &str) -> Option<String> {
        match below(base, path) {
            Ok(path) => {
                self.found.claims.push(Claim {
                    place: place.to_owned(),
                    path: path.clone(),
                    want: Want::FileIfAny,
                });
                Some(path)
            }
            Err((wrong, why)) => {
                self.refuse(place, wrong, format!("`{}`: {why}", shown(path)));
                None
            }
        }
    }

    fn files(&mut self, place: &str, value: &Value) {
        let base = self.base;
        for (at, path) in texts(place, value, &["required", "format"]) {
            self.claim(base, &at, &path);
        }
    }

    fn extends(&mut self, place: &str, value: &Value) {
        let base = self.base;
        for (at, path) in under(place, value, "file") {
            if let Some(path) = self.claim(base, &at, &path) {
                self.found.follows.push(Follow { place: at, base: folder_of(&path), path });
            }
        }
    }

    fn includes(&mut self, place: &str, value: &Value) {
        match value {
            Value::Tagged(tagged) => self.includes(place, &tagged.value),
            Value::Sequence(items) => {
                items.iter().enumerate().for_each(|(index, value)| self.include(&item(place, index), value));
            }
            other => self.include(place, other),
        }
    }

    /// One included project: its files, its folder and its own variables.
    fn include(&mut self, place: &str, value: &Value) {
        let base = self.base;
        if let Some(path) = value.as_str() {
            self.follow_all(vec![(place.to_owned(), path.to_owned())], None);
            return;
        }
        for (at, path) in under(place, value, "env_file") {
            self.claim(base, &at, &path);
        }
        let mut folders = under(place, value, "project_directory");
        if folders.len() > 1 {
            self.refuse(place, Wrong::Unclear, "it has more than one project_directory: write it once");
        }
        let folder = match folders.pop() {
            None => None,
            Some((at, path)) => match below(base, &path) {
                Ok(path) => Some(path),
                Err((wrong, why)) => return self.refuse(&at, wrong, format!("`{}`: {why}", shown(&path))),
            },
        };
        self.follow_all(under(place, value, "path"), folder);
    }

    fn follow_all(&mut self, paths: Vec<(String, String)>, mut folder: Option<String>) {
        let base = self.base;
        for (at, path) in paths {
            let Some(path) = self.claim(base, &at, &path) else { continue };
            let base = folder.get_or_insert_with(|| folder_of(&path)).clone();
            self.found.follows.push(Follow { place: at, path, base });
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Tagged(tagged) => text_of(&tagged.value),
        _ => None,
    }
}

/// Every text in a value, save below these keys.
fn texts(place: &str, value: &Value, save: &[&str]) -> Vec<(String, String)> {
    match value {
        Value::String(text) => vec![(place.to_owned(), text.clone())],
        Value::Tagged(tagged) => texts(place, &tagged.value, save),
        Value::Sequence(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, value)| texts(&item(place, index), value, save)).collect()
        }
        Value::Mapping(entries) => {
            let wanted = keyed(entries).filter(|(key, _)| !save.contains(&key.as_str()));
            wanted.flat_map(|(key, value)| texts(&child(place, &key), value, save)).collect()
        }
        _ => Vec::new(),
    }
}

/// Every text below a key, however deep the key stands.
fn under(place: &str, value: &Value, wanted: &str) -> Vec<(String, String)> {
    match value {
        Value::Tagged(tagged) => under(place, &tagged.value, wanted),
        Value::Sequence(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, value)| under(&item(place, index), value, wanted)).collect()
        }
        Value::Mapping(entries) => keyed(entries)
            .flat_map(|(key, value)| match key.as_str() {
                key if key == wanted => texts(&child(place, key), value, &[]),
                key => under(&child(place, key), value, wanted),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn keyed(entries: &Mapping) -> impl Iterator<Item = (String, &Value)> {
    entries.iter().map(|(key, value)| (text_of(key).unwrap_or_default(), value))
}
