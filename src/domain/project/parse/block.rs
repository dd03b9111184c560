//! A mapping with known keys, and typed access to its values.

use std::collections::BTreeMap;

use super::error::{ConfigError, kind};
use super::reader::{Entries, Reader};
use super::scalar;
use crate::domain::yaml::tree::{Node, Position, shown};

/// A node with the reader and its place (`services.web`), ready to be read as something.
pub(super) struct Child<'r, 't> {
    pub(super) reader: &'r Reader<'r>,
    pub(super) node: &'t Node,
    pub(super) place: String,
}

/// A mapping all of whose keys are known.
pub(super) struct Block<'r, 't> {
    reader: &'r Reader<'r>,
    place: String,
    entries: Entries<'t>,
}

impl<'r> Reader<'r> {
    /// Reads a mapping with these keys; `x-…` keys are everybody's own and are ignored.
    pub(super) fn block<'t>(
        &'r self,
        node: &'t Node,
        place: String,
        known: &[&str],
    ) -> Result<Block<'r, 't>, ConfigError> {
        let entries = self.entries(node, &place)?;
        let strange = entries.iter().filter(|(key, _)| !known.contains(key) && !key.starts_with("x-"));
        if let Some((key, entry)) =
            strange.min_by_key(|(_, entry)| (entry.key.position.line, entry.key.position.column))
        {
            let message = unknown_key(key, &place, known);
            return Err(self.error(kind::UNKNOWN_FIELD, entry.key.position, message));
        }
        Ok(Block { reader: self, place, entries })
    }
}

fn unknown_key(key: &str, place: &str, known: &[&str]) -> String {
    let place = if place.is_empty() { String::new() } else { format!(" in `{place}`") };
    let hint = nearest(key, known)
        .map_or_else(|| format!("known here: {}", known.join(", ")), |name| format!("did you mean `{name}`?"));
    format!("unknown key `{}`{place}; {hint}", shown(key))
}

/// The known name that is most like this one, when it is alike at all.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    const ALIKE: f64 = 0.5;
    let name: String = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let scored = known.iter().map(|known| (strsim::normalized_damerau_levenshtein(&name, known), *known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

impl<'r, 't> Child<'r, 't> {
    /// Reads it as a mapping with known keys.
    pub(super) fn block(&self, known: &[&str]) -> Result<Block<'r, 't>, ConfigError> {
        self.reader.block(self.node, self.place.clone(), known)
    }

    /// Reads it as text.
    pub(super) fn text(&self) -> Result<String, ConfigError> {
        scalar::text(self.reader, self.node, &self.place)
    }

    /// An error about this value.
    pub(super) fn mismatch(&self, wanted: &str) -> ConfigError {
        self.reader.mismatch(self.node, &self.place, wanted)
    }

    fn items(&self) -> Result<Vec<Child<'r, 't>>, ConfigError> {
        let items = self.reader.items(self.node, &self.place)?;
        let numbered = items.into_iter().enumerate();
        Ok(numbered
            .map(|(index, node)| Child { reader: self.reader, node, place: format!("{}[{index}]", self.place) })
            .collect())
    }
}

impl<'r, 't> Block<'r, 't> {
    fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { shown(key) } else { format!("{}.{}", self.place, shown(key)) }
    }

    /// The value of a key, unless it is absent or null.
    pub(super) fn child(&self, key: &str) -> Option<Child<'r, 't>> {
        let entry = self.entries.get(key).filter(|entry| !entry.value.is_null())?;
        Some(Child { reader: self.reader, node: entry.value, place: self.place_of(key) })
    }

    /// A value read by a function, unless it is absent or null.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Child<'r, 't>) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.child(key).map(|child| read(&child)).transpose()
    }

    /// Text; empty when absent.
    pub(super) fn text(&self, key: &str) -> Result<String, ConfigError> {
        Ok(self.parsed(key, Child::text)?.unwrap_or_default())
    }

    /// A whole number; 0 when absent.
    pub(super) fn integer(&self, key: &str) -> Result<i64, ConfigError> {
        let number = self.parsed(key, |child| scalar::integer(child.reader, child.node, &child.place))?;
        Ok(number.unwrap_or_default())
    }

    /// A TCP port; 0 when absent.
    pub(super) fn port(&self, key: &str) -> Result<u16, ConfigError> {
        let number = self.integer(key)?;
        let child = self.child(key);
        u16::try_from(number).or_else(|_| child.map_or(Ok(0), |c| Err(c.mismatch("a port from 0 to 65535"))))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.parsed(key, |child| scalar::boolean(child.reader, child.node, &child.place))
    }

    /// A list of texts; empty when absent.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        self.list(key, Child::text)
    }

    /// A list; empty when absent.
    pub(super) fn list<T>(
        &self,
        key: &str,
        read: impl Fn(&Child<'r, 't>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let items = self.parsed(key, Child::items)?.unwrap_or_default();
        items.iter().map(read).collect()
    }

    /// A mapping whose keys are names that the user chose; a null value is read too, so that its name stays.
    pub(super) fn named<T>(
        &self,
        key: &str,
        read: impl Fn(&Child<'r, 't>) -> Result<T, ConfigError>,
    ) -> Result<BTreeMap<String, T>, ConfigError> {
        let Some(names) = self.child(key) else { return Ok(BTreeMap::new()) };
        let entries = self.reader.entries(names.node, &names.place)?;
        let values = entries.into_iter().map(|(name, entry)| {
            let place = format!("{}.{}", names.place, shown(name));
            let child = Child { reader: self.reader, node: entry.value, place };
            Ok((name.to_owned(), read(&child)?))
        });
        values.collect()
    }

    /// Where the names of such a mapping stand.
    pub(super) fn key_positions(&self, key: &str) -> Result<BTreeMap<String, Position>, ConfigError> {
        let Some(names) = self.child(key) else { return Ok(BTreeMap::new()) };
        let entries = self.reader.entries(names.node, &names.place)?;
        Ok(entries.into_iter().map(|(name, entry)| (name.to_owned(), entry.key.position)).collect())
    }
}
