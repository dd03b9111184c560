//! Where each value of a merged configuration was set: a table from dotted places to lines and columns, laid over
//! like the files themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::source::Sources;
use super::validate::ValidationError;
use crate::domain::yaml::tree::{Content, Node, Position};

/// Places of blocks that an overlay replaces as a whole.
const REPLACED_WHOLE: [&str; 2] = ["provisioner.compute.ssh", "runner.compose"];

/// The place of a key or name in a place; names that would be taken for two are quoted.
#[must_use]
pub fn child(place: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_/@+".contains(c));
    let name = if plain { name.to_owned() } else { format!("{name:?}") };
    if place.is_empty() { name } else { format!("{place}.{name}") }
}

/// The place of an item in a list.
#[must_use]
pub fn item(place: &str, index: usize) -> String {
    format!("{place}[{index}]")
}

/// From a node's first character to behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// Behind its last character.
    pub end: Position,
}

impl Span {
    pub(in crate::domain) fn of(node: &Node) -> Self {
        Self { start: node.position, end: node.end }
    }

    /// Characters, where it ends in the line in which it begins.
    pub(in crate::domain) fn length(self) -> Option<u64> {
        let length = self.end.column.checked_sub(self.start.column)?;
        (self.end.line == self.start.line && length > 0).then_some(length)
    }
}

/// Where one value stands.
#[derive(Debug, Clone)]
struct Spot {
    file: usize,
    key: Option<Span>,
    value: Span,
    /// Whether an overlay that says this replaces the base's value and everything below it.
    set: bool,
    /// Whether it is a mapping.
    block: bool,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct Places {
    files: Vec<String>,
    spots: BTreeMap<String, Spot>,
    /// Places whose values could not be read: what depends on them is not told as well.
    broken: BTreeSet<String>,
}

impl Places {
    /// An empty table of one file.
    pub(in crate::domain) fn of_file(file: &str) -> Self {
        Self { files: vec![file.to_owned()], ..Self::default() }
    }

    /// Notes where a value stands. `always` for values that an overlay sets even when they are empty.
    pub(in crate::domain) fn note(&mut self, place: &str, key: Option<&Node>, value: &Node, always: bool) {
        let set = match &value.content {
            Content::Scalar { text, .. } => always || (!text.is_empty() && !value.is_null()),
            Content::Sequence(items) => !items.is_empty(),
            Content::Mapping(_) => REPLACED_WHOLE.contains(&place),
        };
        let block = matches!(value.content, Content::Mapping(_));
        let spot = Spot { file: 0, key: key.map(Span::of), value: Span::of(value), set, block };
        self.spots.insert(place.to_owned(), spot);
    }

    /// Notes that a value could not be read.
    pub(in crate::domain) fn break_at(&mut self, place: &str) {
        self.broken.insert(place.to_owned());
    }

    /// Whether nothing of a file could be used.
    pub(super) fn is_given_up(&self) -> bool {
        self.broken.contains("")
    }

    /// Lays a later file's table over this one.
    pub(super) fn lay_over(&mut self, over: Self) {
        let shift = self.files.len();
        self.files.extend(over.files);
        self.broken.extend(over.broken);
        for (place, spot) in &over.spots {
            if spot.set {
                self.forget_below(place);
            }
        }
        for (place, spot) in over.spots {
            if spot.set || !self.spots.contains_key(&place) {
                self.spots.insert(place, Spot { file: spot.file + shift, ..spot });
            }
        }
    }

    fn forget_below(&mut self, place: &str) {
        for next in ['.', '['] {
            let from = format!("{place}{next}");
            let below: Vec<String> = self
                .spots
                .range(from.clone()..)
                .map(|(place, _)| place)
                .take_while(|place| place.starts_with(&from))
                .cloned()
                .collect();
            for place in below {
                self.spots.remove(&place);
            }
        }
    }

    /// Whether the value at this place, or what it is part of, could not be read.
    fn is_broken(&self, place: &str) -> bool {
        !self.broken.is_empty() && (self.broken.contains("") || upwards(place).any(|p| self.broken.contains(p)))
    }

    /// A validation error with the place of what is at fault; nothing when it only follows from a value that
    /// could not be read, which was told already.
    pub(super) fn locate(&self, error: ValidationError, sources: &Sources) -> Option<Problem> {
        if self.is_broken(&error.place) || error.needs.iter().any(|place| self.is_broken(place)) {
            return None;
        }
        let found = upwards(&error.place).find_map(|place| Some((place, self.spots.get(place)?)));
        let file = found.map_or(0, |(_, spot)| spot.file);
        let file = self.files.get(file).map_or("", String::as_str);
        let (at, length) = match found {
            Some((place, spot)) if place == error.place && !spot.is_missing() => spot.focus(file, &error, sources),
            Some((_, spot)) => {
                let span = spot.key.unwrap_or(spot.value);
                (span.start, span.length())
            }
            None => (Position { line: 1, column: 1 }, None),
        };
        Some(Problem {
            kind: error.kind,
            severity: error.severity,
            file: file.to_owned(),
            line: Some(at.line),
            column: Some(at.column),
            length,
            place: error.place,
            message: error.message,
            help: error.help,
        })
    }
}

impl Spot {
    /// Nothing can be shown of a value that is empty or a block; its key is shown instead.
    fn is_missing(&self) -> bool {
        self.value.start == self.value.end || self.block
    }

    fn focus(&self, file: &str, error: &ValidationError, sources: &Sources) -> (Position, Option<u64>) {
        let inside = error.focus.as_ref().and_then(|(text, nth)| {
            let at = sources.get(file)?.find(text, *nth, (self.value.start, self.value.end))?;
            Some((at, Some(text.chars().count() as u64)))
        });
        inside.unwrap_or((self.value.start, self.value.length()))
    }
}

/// A place and all that it is part of, from within.
fn upwards(place: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(place), |place| place.rfind(['.', '[']).map(|at| &place[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_dots_is_one_step() {
        assert_eq!(child("services", "web"), "services.web");
        assert_eq!(child("services", "a.b"), "services.\"a.b\"");
        assert_eq!(child("", "\u{1b}[31m"), "\"\\u{1b}[31m\"");
        assert_eq!(
            upwards("services.web.proxy[0].to").collect::<Vec<_>>(),
            [
                "services.web.proxy[0].to",
                "services.web.proxy[0]",
                "services.web.proxy",
                "services.web",
                "services",
            ]
        );
    }
}
