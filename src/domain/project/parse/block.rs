//! A mapping with known keys, and typed access to its values.

use std::collections::BTreeMap;

use super::kind;
use super::reader::{Entries, Entry, Reader, brief};
use super::scalar;
use crate::domain::project::places::{self, Span};
use crate::domain::yaml::tree::{Node, shown};

/// A node with the reader and its place (`services.web`), ready to be read as something.
pub(in crate::domain) struct Child<'r, 't> {
    pub(super) reader: &'r Reader<'r>,
    pub(in crate::domain) node: &'t Node,
    pub(in crate::domain) place: String,
}

/// A mapping all of whose keys are known.
pub(super) struct Block<'r, 't> {
    reader: &'r Reader<'r>,
    place: String,
    entries: Entries<'t>,
}

impl<'r> Reader<'r> {
    /// Reads a mapping with these keys; `x-…` keys are everybody's own and are ignored.
    pub(super) fn block<'t>(&'r self, node: &'t Node, place: String, known: &[&str]) -> Block<'r, 't> {
        let entries = self.entries(node, &place);
        for (key, entry) in &entries {
            if known.contains(key) {
                self.note(&places::child(&place, key), *entry, false);
            } else if !key.starts_with("x-") {
                self.unknown_key(key, *entry, &place, (known, &entries));
            }
        }
        Block { reader: self, place, entries }
    }

    fn unknown_key(&self, key: &str, entry: Entry<'_>, place: &str, (known, entries): (&[&str], &Entries<'_>)) {
        let within = if place.is_empty() { String::new() } else { format!(" in `{}`", brief(place)) };
        let message = format!("unknown key `{}`{within}", shown(key));
        let meant = nearest(key, known.iter().copied());
        let help = meant
            .map_or_else(|| format!("known here: {}", known.join(", ")), |name| format!("did you mean `{name}`?"));
        let at = places::child(place, key);
        self.report(self.problem(kind::UNKNOWN_FIELD, Span::of(entry.key), &at, message).with_help(help));
        // What was meant is not missing as well.
        if let Some(meant) = meant.filter(|meant| !entries.contains_key(meant)) {
            self.break_at(&places::child(place, meant));
        }
    }
}

/// The known name that is most like this one, when it is alike at all.
pub(in crate::domain) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const ALIKE: f64 = 0.5;
    let name: String = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let scored = known.into_iter().map(|known| {
        let lower: String = known.chars().take(64).flat_map(char::to_lowercase).collect();
        (strsim::normalized_damerau_levenshtein(&name, &lower), known)
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

impl<'r, 't> Child<'r, 't> {
    /// Reads it as a mapping with known keys.
    pub(super) fn block(&self, known: &[&str]) -> Block<'r, 't> {
        self.reader.block(self.node, self.place.clone(), known)
    }

    /// Reads it as text.
    pub(super) fn text(&self) -> Option<String> {
        scalar::text(self)
    }

    /// Tells that this value is not what is wanted.
    pub(super) fn mismatch<T>(&self, wanted: &str) -> Option<T> {
        self.reader.mismatch(self.node, &self.place, wanted);
        None
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Vec<Child<'r, 't>> {
        let numbered = self.reader.items(self.node, &self.place).into_iter().enumerate();
        numbered
            .map(|(index, node)| {
                let place = places::item(&self.place, index);
                self.reader.note_item(&place, node);
                Child { reader: self.reader, node, place }
            })
            .collect()
    }
}

impl<'r, 't> Block<'r, 't> {
    /// The entry of a key, also when it says nothing.
    pub(super) fn entry(&self, key: &str) -> Option<Entry<'t>> {
        self.entries.get(key).copied()
    }

    /// The value of a key, unless it is absent or null.
    pub(super) fn child(&self, key: &str) -> Option<Child<'r, 't>> {
        let entry = self.entries.get(key).filter(|entry| !entry.value.is_null())?;
        Some(Child { reader: self.reader, node: entry.value, place: places::child(&self.place, key) })
    }

    /// A value read by a function, unless it is absent, null or not readable.
    pub(super) fn parsed<T>(&self, key: &str, read: impl FnOnce(&Child<'r, 't>) -> Option<T>) -> Option<T> {
        self.child(key).and_then(|child| read(&child))
    }

    /// Text; empty when absent.
    pub(super) fn text(&self, key: &str) -> String {
        self.parsed(key, Child::text).unwrap_or_default()
    }

    /// A whole number; 0 when absent.
    pub(super) fn integer(&self, key: &str) -> i64 {
        self.parsed(key, scalar::integer).unwrap_or_default()
    }

    /// A TCP port; 0 when absent.
    pub(super) fn port(&self, key: &str) -> u16 {
        let port = self.parsed(key, |child| {
            let number = scalar::integer(child)?;
            u16::try_from(number).ok().or_else(|| child.mismatch("a port from 0 to 65535"))
        });
        port.unwrap_or_default()
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        self.parsed(key, scalar::boolean)
    }

    /// A list of texts; empty when absent.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.list(key, Child::text)
    }

    /// A list without the items that cannot be read; empty when absent.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&Child<'r, 't>) -> Option<T>) -> Vec<T> {
        let items = self.child(key).map(|child| child.items()).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| {
                let value = read(item);
                if value.is_none() {
                    self.reader.break_at(&places::child(&self.place, key));
                }
                value
            })
            .collect()
    }

    /// A mapping whose keys are names that the user chose. A name stays even when its value is null or cannot be
    /// read. `always` for values that an overlay sets even when they are empty.
    pub(super) fn named<T: Default>(
        &self,
        key: &str,
        always: bool,
        read: impl Fn(&Child<'r, 't>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let Some(names) = self.child(key) else { return BTreeMap::new() };
        let entries = self.reader.entries(names.node, &names.place);
        let values = entries.into_iter().map(|(name, entry)| {
            let place = places::child(&names.place, name);
            self.reader.note(&place, entry, always);
            let child = Child { reader: self.reader, node: entry.value, place };
            (name.to_owned(), read(&child).unwrap_or_default())
        });
        values.collect()
    }
}
