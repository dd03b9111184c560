//! What every block needs to be read: where problems are collected, a bound on the work, merge keys.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::domain::project::places::{Places, Span};
use crate::domain::project::problem::Problem;
use crate::domain::yaml::tree::{Content, MAX_DEPTH, Node, TreeError, shown};

/// Nodes that may be visited while one file is read. Aliases make a file's meaning larger than its text; this
/// bounds how much, far above what a configuration needs.
const MAX_VISITS: u32 = 100_000;

/// Problems that are collected from one file.
const MAX_PROBLEMS: usize = 1_000;

/// Longest text of a place in a message, in characters.
const LONGEST_PLACE: usize = 120;

/// Reads one file and collects what is wrong with it.
pub(in crate::domain) struct Reader<'a> {
    file: &'a str,
    /// Kind of a problem with syntax or types in this file.
    invalid: &'static str,
    visits: Cell<u32>,
    problems: RefCell<Vec<Problem>>,
    places: RefCell<Places>,
}

/// A key and its value.
#[derive(Clone, Copy)]
pub(in crate::domain) struct Entry<'t> {
    pub(in crate::domain) key: &'t Node,
    pub(in crate::domain) value: &'t Node,
}

/// Entries by key, in byte order.
pub(in crate::domain) type Entries<'t> = BTreeMap<&'t str, Entry<'t>>;

/// Too much to read; it was told.
struct Exhausted;

impl<'a> Reader<'a> {
    pub(in crate::domain) fn new(file: &'a str, invalid: &'static str) -> Self {
        Self {
            file,
            invalid,
            visits: Cell::new(0),
            problems: RefCell::default(),
            places: RefCell::new(Places::of_file(file)),
        }
    }

    /// What was collected.
    pub(in crate::domain) fn finish(self) -> (Vec<Problem>, Places) {
        (self.problems.into_inner(), self.places.into_inner())
    }

    /// An error about a span of this file.
    pub(in crate::domain) fn problem(
        &self,
        kind: &'static str,
        at: Span,
        place: &str,
        message: impl Into<String>,
    ) -> Problem {
        Problem {
            line: Some(at.start.line),
            column: Some(at.start.column),
            length: at.length(),
            place: place.to_owned(),
            ..Problem::of_file(kind, self.file, message)
        }
    }

    pub(in crate::domain) fn report(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(problem);
        }
    }

    /// What the tree below says is wrong.
    pub(in crate::domain) fn tree_error(&self, error: TreeError) {
        let (line, column) = (error.position.map(|p| p.line), error.position.map(|p| p.column));
        self.report(Problem { line, column, ..Problem::of_file(self.invalid, self.file, error.message) });
    }

    /// Nothing of the file can be used.
    pub(in crate::domain) fn give_up(&self) {
        self.break_at("");
    }

    /// What depends on this place is not told as well.
    pub(in crate::domain) fn break_at(&self, place: &str) {
        self.places.borrow_mut().break_at(place);
    }

    /// Notes where a value stands; `always` for one that an overlay sets even when it is empty.
    pub(in crate::domain) fn note(&self, place: &str, entry: Entry<'_>, always: bool) {
        self.places.borrow_mut().note(place, Some(entry.key), entry.value, always);
    }

    /// `place: expected <wanted>, found <node>`.
    pub(in crate::domain) fn mismatch(&self, node: &Node, place: &str, wanted: &str) {
        let found = match &node.content {
            Content::Scalar { .. } if node.is_null() => "nothing".to_owned(),
            Content::Scalar { text, .. } => format!("`{}`", shown(text)),
            Content::Sequence(_) => "a list".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
        };
        let colon = if place.is_empty() { "" } else { ": " };
        let message = format!("{}{colon}expected {wanted}, found {found}", brief(place));
        self.report(self.problem(self.invalid, Span::of(node), place, message));
        self.break_at(place);
    }

    fn visit(&self, node: &Node) -> Result<(), Exhausted> {
        let visits = self.visits.get() + 1;
        self.visits.set(visits.min(MAX_VISITS + 1));
        if visits == MAX_VISITS + 1 {
            // Told once; from here on every visit fails.
            let message = "too large once its aliases are followed";
            let problem = self.problem(self.invalid, Span::of(node), "", message);
            self.problems.borrow_mut().push(problem.with_help("repeat less"));
            self.give_up();
        }
        if visits > MAX_VISITS { Err(Exhausted) } else { Ok(()) }
    }

    /// The entries of a mapping with merge keys followed; null has none.
    pub(in crate::domain) fn entries<'t>(&self, node: &'t Node, place: &str) -> Entries<'t> {
        let mut entries = Entries::new();
        if !node.is_null() {
            // What was found before the work became too much is of no use: the file was given up.
            let _ = self.collect(node, place, &mut entries, 0);
        }
        entries
    }

    /// Adds the entries that are not there yet: what is written beside a merge key wins over what it merges.
    fn collect<'t>(
        &self,
        node: &'t Node,
        place: &str,
        entries: &mut Entries<'t>,
        depth: usize,
    ) -> Result<(), Exhausted> {
        self.visit(node)?;
        let Content::Mapping(fields) = &node.content else {
            self.mismatch(node, place, "a mapping");
            return Ok(());
        };
        if depth > MAX_DEPTH {
            let message = "merge keys are nested too deeply";
            self.report(self.problem(self.invalid, Span::of(node), place, message));
            self.break_at(place);
            return Ok(());
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
    pub(in crate::domain) fn items<'t>(&self, node: &'t Node, place: &str) -> Vec<&'t Node> {
        let Content::Sequence(items) = &node.content else {
            if !node.is_null() {
                self.mismatch(node, place, "a list");
            }
            return Vec::new();
        };
        items.iter().map_while(|item| self.visit(item).ok().map(|()| item.as_ref())).collect()
    }

    /// Notes where an item of a list stands.
    pub(in crate::domain) fn note_item(&self, place: &str, node: &Node) {
        self.places.borrow_mut().note(place, None, node, true);
    }
}

/// A place, short enough for a message.
pub(in crate::domain) fn brief(place: &str) -> String {
    match place.char_indices().nth(LONGEST_PLACE) {
        Some((end, _)) => format!("{}…", &place[..end]),
        None => place.to_owned(),
    }
}

fn merge_sources(merged: &Rc<Node>) -> Vec<&Node> {
    match &merged.content {
        Content::Sequence(sources) => sources.iter().map(AsRef::as_ref).collect(),
        _ => vec![merged.as_ref()],
    }
}
