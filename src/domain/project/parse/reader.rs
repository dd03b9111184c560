//! What every block needs to be read: the file's name for errors, a bound on the work, merge keys.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{ConfigError, kind};
use crate::domain::yaml::tree::{Content, MAX_DEPTH, Node, Position, TreeError, shown};

/// Nodes that may be visited while one file is read. Aliases make a file's meaning larger than its text; this
/// bounds how much, far above what a configuration needs.
const MAX_VISITS: u32 = 100_000;

/// Reads one file.
pub(super) struct Reader<'a> {
    file: &'a str,
    visits: Cell<u32>,
}

/// A key and its value.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    pub(super) key: &'t Node,
    pub(super) value: &'t Node,
}

/// Entries by key, in byte order.
pub(super) type Entries<'t> = BTreeMap<&'t str, Entry<'t>>;

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, visits: Cell::new(0) }
    }

    /// An error at a place of this file.
    pub(super) fn error(&self, kind: &'static str, at: Position, message: impl Into<String>) -> ConfigError {
        let (line, column) = (Some(at.line), Some(at.column));
        ConfigError { kind, file: self.file.to_owned(), line, column, message: message.into() }
    }

    /// An error of the tree below, told as one of this file.
    pub(super) fn tree_error(&self, error: TreeError) -> ConfigError {
        let (line, column) = (error.position.map(|p| p.line), error.position.map(|p| p.column));
        ConfigError { kind: kind::INVALID, file: self.file.to_owned(), line, column, message: error.message }
    }

    /// `place: expected <wanted>, found <node>`.
    pub(super) fn mismatch(&self, node: &Node, place: &str, wanted: &str) -> ConfigError {
        let found = match &node.content {
            Content::Scalar { .. } if node.is_null() => "nothing".to_owned(),
            Content::Scalar { text, .. } => format!("`{}`", shown(text)),
            Content::Sequence(_) => "a list".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
        };
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        self.error(kind::INVALID, node.position, format!("{place}expected {wanted}, found {found}"))
    }

    /// Counts one visit.
    pub(super) fn visit(&self, node: &Node) -> Result<(), ConfigError> {
        self.visits.set(self.visits.get() + 1);
        if self.visits.get() > MAX_VISITS {
            let message = "too large once its aliases are followed; repeat less";
            return Err(self.error(kind::INVALID, node.position, message));
        }
        Ok(())
    }

    /// The entries of a mapping with merge keys followed; null has none.
    pub(super) fn entries<'t>(&self, node: &'t Node, place: &str) -> Result<Entries<'t>, ConfigError> {
        let mut entries = Entries::new();
        if !node.is_null() {
            self.collect(node, place, &mut entries, 0)?;
        }
        Ok(entries)
    }

    /// Adds the entries that are not there yet: what is written beside a merge key wins over what it merges.
    fn collect<'t>(
        &self,
        node: &'t Node,
        place: &str,
        entries: &mut Entries<'t>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        self.visit(node)?;
        let Content::Mapping(fields) = &node.content else {
            return Err(self.mismatch(node, place, "a mapping"));
        };
        if depth > MAX_DEPTH {
            return Err(self.error(kind::INVALID, node.position, "merge keys are nested too deeply"));
        }
        for (key, value) in fields.iter().filter(|(key, _)| !key.is_merge_key()) {
            self.visit(value)?;
            if let Some(text) = key.scalar() {
                entries.entry(text).or_insert(Entry { key, value });
            }
        }
        for (_, merged) in fields.iter().filter(|(key, _)| key.is_merge_key()) {
            for source in merge_sources(merged) {
                self.collect(source, place, entries, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The items of a list; null has none.
    pub(super) fn items<'t>(&self, node: &'t Node, place: &str) -> Result<Vec<&'t Node>, ConfigError> {
        let Content::Sequence(items) = &node.content else {
            let nothing = node.is_null().then(Vec::new);
            return nothing.ok_or_else(|| self.mismatch(node, place, "a list"));
        };
        items.iter().map(|item| self.visit(item).map(|()| item.as_ref())).collect()
    }
}

fn merge_sources(merged: &Rc<Node>) -> Vec<&Node> {
    match &merged.content {
        Content::Sequence(sources) => sources.iter().map(AsRef::as_ref).collect(),
        _ => vec![merged.as_ref()],
    }
}
