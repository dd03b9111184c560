//! A document as a tree that keeps where each node stands and how each scalar was written.
//!
//! Anchors are shared, not copied, so a small file cannot unfold to a large tree; whoever walks it bounds the walk.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

/// Largest text that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Deepest nesting that is read; also bounds every recursive walk over a tree.
pub const MAX_DEPTH: usize = 64;

const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// Faults that one document is told of.
const MAX_FAULTS: usize = 100;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1.
    pub column: u64,
}

/// One node with its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins; for an alias, where the node that it stands for begins.
    pub position: Position,
    /// Behind its last character.
    pub end: Position,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// Text as written, escapes and folding done.
    Scalar {
        /// The text.
        text: String,
        /// Neither quoted nor a block nor tagged as a string: may mean a number, a boolean or null.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// Keys and values in the order of the file, merge keys (`<<`) as written.
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// What a text says, and what is wrong with it although it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// `None` when there is no document.
    pub root: Option<Rc<Node>>,
    /// Keys that appear twice (the first counts), keys that are no text, tags that are not known.
    pub faults: Vec<TreeError>,
}

/// A text that is not a document, or something in it that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TreeError {
    /// Where, when known.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
}

impl Node {
    /// Whether the node says nothing: empty, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether this is the merge key `<<`.
    #[must_use]
    pub fn is_merge_key(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if text == "<<")
    }
}

/// Reads the first document of a stream.
///
/// # Errors
/// Where reading cannot go on: bad syntax, unknown anchors, or a text beyond [`MAX_BYTES`] or [`MAX_DEPTH`].
pub fn read(text: &str) -> Result<Document, TreeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(TreeError { position: None, message: format!("the file is larger than {MAX_BYTES} bytes") });
    }
    if let Some((line, column)) = text.lines().enumerate().find_map(|(n, line)| Some((n, line.find('\0')?))) {
        let position = Position { line: line as u64 + 1, column: column as u64 + 1 };
        return Err(fault(position, "the file contains a zero byte"));
    }
    let mut builder = Builder::default();
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| syntax_error(&e))?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        builder.accept(event, position(&span.start), position(&span.end))?;
    }
    Ok(Document { root: builder.root, faults: builder.faults })
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line() as u64, column: marker.col() as u64 + 1 }
}

fn fault(position: Position, message: impl Into<String>) -> TreeError {
    TreeError { position: Some(position), message: message.into() }
}

fn syntax_error(error: &ScanError) -> TreeError {
    fault(position(error.marker()), format!("not valid YAML: {}", error.info()))
}

/// Text from a file, fit for a message: short and without control characters.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

/// A collection whose end has not been seen.
struct Frame {
    position: Position,
    anchor: usize,
    items: Items,
}

enum Items {
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Vec<(Rc<Node>, Rc<Node>)>, key: Key, lines: HashMap<String, u64> },
}

/// The key whose value comes next.
enum Key {
    None,
    /// Its value is dropped.
    Refused,
    Taken(Rc<Node>),
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    faults: Vec<TreeError>,
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, position: Position, end: Position) -> Result<(), TreeError> {
        match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| fault(position, "an alias stands inside the node that it names"))?;
                self.add(node, position);
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = is_plain(style, tag.as_deref(), position).unwrap_or_else(|fault| {
                    self.complain(fault);
                    false
                });
                let content = Content::Scalar { text: text.into_owned(), plain };
                self.finish(Node { position, end, content }, anchor);
                Ok(())
            }
            Event::SequenceStart(anchor, _) => self.open(position, anchor, Items::Sequence(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let items = Items::Mapping { entries: Vec::new(), key: Key::None, lines: HashMap::new() };
                self.open(position, anchor, items)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(end);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn complain(&mut self, fault: TreeError) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    fn open(&mut self, position: Position, anchor: usize, items: Items) -> Result<(), TreeError> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(fault(position, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.frames.push(Frame { position, anchor, items });
        Ok(())
    }

    fn close(&mut self, end: Position) {
        let Some(frame) = self.frames.pop() else { return };
        let content = match frame.items {
            Items::Sequence(items) => Content::Sequence(items),
            Items::Mapping { entries, .. } => Content::Mapping(entries),
        };
        self.finish(Node { position: frame.position, end, content }, frame.anchor);
    }

    fn finish(&mut self, node: Node, anchor: usize) {
        let position = node.position;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node, position);
    }

    /// `position` is where the node is used, which for an alias differs from where it is written.
    fn add(&mut self, node: Rc<Node>, position: Position) {
        let mut complaint = None;
        match self.frames.last_mut().map(|frame| &mut frame.items) {
            None => self.root = Some(node),
            Some(Items::Sequence(items)) => items.push(node),
            Some(Items::Mapping { entries, key, lines }) => match std::mem::replace(key, Key::None) {
                Key::Taken(key) => entries.push((key, node)),
                Key::Refused => {}
                Key::None => {
                    complaint = note_key(lines, &node, position).err();
                    *key = if complaint.is_none() { Key::Taken(node) } else { Key::Refused };
                }
            },
        }
        if let Some(complaint) = complaint {
            self.complain(complaint);
        }
    }
}

fn note_key(lines: &mut HashMap<String, u64>, key: &Node, position: Position) -> Result<(), TreeError> {
    let text = key.scalar().ok_or_else(|| fault(position, "a key must be text, not a list or a mapping"))?;
    if let Some(first) = lines.get(text) {
        let message = format!("key `{}` appears twice, first in line {first}", shown(text));
        return Err(fault(position, message));
    }
    lines.insert(text.to_owned(), position.line);
    Ok(())
}

fn is_plain(style: ScalarStyle, tag: Option<&Tag>, position: Position) -> Result<bool, TreeError> {
    let Some(tag) = tag else { return Ok(style == ScalarStyle::Plain) };
    let name = format!("{}{}", tag.handle, tag.suffix);
    match name.strip_prefix(CORE_TAGS) {
        Some("str") => Ok(false),
        Some("int" | "float" | "bool" | "null" | "merge") => Ok(true),
        Some(other) => Err(fault(position, format!("tag `!!{}` is not supported", shown(other)))),
        None => Ok(style == ScalarStyle::Plain && name != "!"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(node: &Node) -> &[(Rc<Node>, Rc<Node>)] {
        let Content::Mapping(entries) = &node.content else { panic!("no mapping: {node:?}") };
        entries
    }

    fn root(text: &str) -> Rc<Node> {
        read(text).unwrap().root.unwrap()
    }

    #[test]
    fn nodes_know_their_place_and_their_source_text() {
        let root = root("a: 1e3\r\nb:\r\n  - '0o14'\r\n");
        let fields = entries(&root);
        assert_eq!(fields[0].1.content, Content::Scalar { text: "1e3".to_owned(), plain: true });
        assert_eq!(fields[0].1.position, Position { line: 1, column: 4 });
        assert_eq!(fields[0].1.end, Position { line: 1, column: 7 });
        let Content::Sequence(items) = &fields[1].1.content else { panic!("no list") };
        assert_eq!(items[0].content, Content::Scalar { text: "0o14".to_owned(), plain: false });
        assert_eq!(items[0].position, Position { line: 3, column: 5 });
    }

    #[test]
    fn tags_decide_what_a_scalar_may_mean() {
        for (text, plain) in [("!!str 1", false), ("! 1", false), ("!!int '1'", true), ("!ours 1", true)] {
            let root = root(text);
            assert!(matches!(root.content, Content::Scalar { plain: is, .. } if is == plain), "{text}: {root:?}");
        }
        assert_eq!(read("!!binary aGk=").unwrap().faults.len(), 1);
    }

    #[test]
    fn a_key_that_appears_twice_is_refused_wherever_it_stands() {
        let document = read("x-own:\n  deep: {a: 1,\n    a: 2}\n? [list]\n: as key\nb: 1\nb: 2\n").unwrap();
        assert_eq!(document.faults.len(), 3, "{document:?}");
        let error = &document.faults[0];
        assert_eq!(error.position.map(|p| p.line), Some(3));
        assert!(error.message.contains("`a`") && error.message.contains("line 2"), "{error}");
    }

    #[test]
    fn hostile_shapes_are_refused() {
        for text in [
            "[".repeat(MAX_DEPTH + 1),
            "[".repeat(300_000),
            "{a: ".repeat(100_000),
            "- ".repeat(100_000),
            "a: &self {b: *self}".to_owned(),
            "a: *nobody".to_owned(),
            "a: b\0c".to_owned(),
            " ".repeat(MAX_BYTES + 1),
        ] {
            assert!(read(&text).is_err(), "{}", shown(&text));
        }
    }

    #[test]
    fn an_empty_stream_has_no_document() {
        for text in ["", "\u{feff}", "# only a comment\n"] {
            assert_eq!(read(text).unwrap().root, None, "{text:?}");
        }
        assert!(read("first: 1\n---\nsecond: [\n").unwrap().root.is_some(), "only the first document is read");
    }

    #[test]
    fn shown_text_is_short_and_tame() {
        assert_eq!(shown("a'\n\u{1b}[0m\""), "a'\\n\\u{1b}[0m\"");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }
}
