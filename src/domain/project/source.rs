//! Texts of the files that were read, for excerpts and for places inside of a value.

use std::collections::BTreeMap;

use crate::domain::yaml::tree::Position;

/// One file's text with its lines found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    text: String,
    starts: Vec<usize>,
}

impl Source {
    /// Finds the lines of a text; a byte order mark is no part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let bytes = text.as_bytes();
        let breaks = bytes.iter().enumerate().filter(|(at, byte)| {
            // A lone carriage return also ends a line.
            **byte == b'\n' || (**byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
        });
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text: text.to_owned(), starts }
    }

    /// A line, counted from 1, without its end.
    #[must_use]
    pub fn line(&self, number: u64) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        Some(self.text[start..end].trim_end_matches(['\n', '\r']))
    }

    fn offset(&self, at: Position) -> Option<usize> {
        let line = self.line(at.line)?;
        let start = self.starts[usize::try_from(at.line).ok()? - 1];
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        Some(start + line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte))
    }

    fn position(&self, offset: usize) -> Position {
        let index = self.starts.partition_point(|start| *start <= offset).max(1) - 1;
        let column = self.text[self.starts[index]..offset].chars().count();
        Position { line: index as u64 + 1, column: column as u64 + 1 }
    }

    /// Where a text stands for the `nth` time (from 0) between two places.
    #[must_use]
    pub fn find(&self, text: &str, nth: usize, (from, to): (Position, Position)) -> Option<Position> {
        let (from, to) = (self.offset(from)?, self.offset(to)?);
        let (found, _) = self.text.get(from..to)?.match_indices(text).nth(nth)?;
        Some(self.position(from + found))
    }
}

/// The files that were read, by path from the project root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// Keeps a file's text.
    pub fn insert(&mut self, file: &str, text: &str) {
        self.0.insert(file.to_owned(), Source::new(text));
    }

    /// A file that was read.
    #[must_use]
    pub fn get(&self, file: &str) -> Option<&Source> {
        self.0.get(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_places_are_found_whatever_ends_a_line() {
        let source = Source::new("\u{feff}é: 1\r\nb: {{x}} {{x}}\rc\n");
        assert_eq!(
            [source.line(1), source.line(2), source.line(3)],
            [Some("é: 1"), Some("b: {{x}} {{x}}"), Some("c")]
        );
        assert_eq!((source.line(0), source.line(5)), (None, None));
        let whole = (Position { line: 1, column: 1 }, Position { line: 3, column: 2 });
        assert_eq!(source.find("{{x}}", 1, whole), Some(Position { line: 2, column: 10 }));
        assert_eq!(source.find("{{x}}", 2, whole), None);
    }
}
