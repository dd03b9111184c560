//! Lines of an output that is read piece by piece, as people may see them.

use crate::domain::hook;
use crate::domain::redact::Redactor;

/// How long a line may become before it is shown in pieces, in bytes.
const LONGEST: usize = 16 * 1024;

/// What people are not shown of a run's output.
#[derive(Debug, Clone, Copy)]
pub struct Veil<'a> {
    /// Masks the project's secrets.
    pub redactor: &'a Redactor,
    /// Whether the hook prints `NAME=value` outputs, whose values nobody is shown.
    pub hides_values: bool,
}

/// The part of an output that was read, but not shown yet: a line without an end.
#[derive(Debug, Default)]
pub struct Lines {
    unfinished: Vec<u8>,
    /// The beginning of this line was shown without its value, whose rest is to come.
    within_value: bool,
}

impl Lines {
    /// Adds what was read.
    pub fn add(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
    }

    /// Takes the lines that have an end or are too long to wait for it; with `all`, what is left too.
    pub fn take(&mut self, veil: Veil<'_>, all: bool) -> Vec<String> {
        let bytes = std::mem::take(&mut self.unfinished);
        let mut rest = bytes.as_slice();
        let mut shown = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            shown.extend(self.show(&rest[..end], veil));
            self.within_value = false;
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() && (all || rest.len() > LONGEST) {
            shown.extend(self.show(rest, veil));
            rest = &[];
        }
        self.unfinished = rest.to_vec();
        shown
    }

    fn show(&mut self, line: &[u8], veil: Veil<'_>) -> Option<String> {
        if self.within_value {
            return None;
        }
        let line = veil.redactor.redact(String::from_utf8_lossy(line).trim_end_matches('\r'));
        self.within_value = veil.hides_values && line.contains('=');
        Some(if veil.hides_values { hook::display_line(&line) } else { line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &mut Lines, text: &str, hides_values: bool, all: bool) -> Vec<String> {
        lines.add(text.as_bytes());
        lines.take(Veil { redactor: &Redactor::new(["hidden-value".to_owned()]), hides_values }, all)
    }

    #[test]
    fn a_line_is_shown_when_it_has_its_end_or_when_nothing_follows() {
        let mut lines = Lines::default();
        assert_eq!(shown(&mut lines, "one\r\nA=b\nhid", false, false), ["one", "A=b"]);
        assert_eq!(shown(&mut lines, "den-value", false, false), [""; 0]);
        assert_eq!(shown(&mut lines, "", false, true), ["********"]);
        assert_eq!(shown(&mut lines, "", false, true), [""; 0]);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(shown(&mut lines, &long, true, false), [long.as_str()]);
        assert_eq!(shown(&mut lines, "rest\n", true, false), ["rest"]);
    }

    #[test]
    fn the_rest_of_a_long_value_is_hidden_too() {
        let mut lines = Lines::default();
        let long = format!("KEY={}", "x".repeat(LONGEST));
        assert_eq!(shown(&mut lines, &long, true, false), ["KEY=********"]);
        assert_eq!(shown(&mut lines, &"x".repeat(LONGEST + 1), true, false), [""; 0]);
        assert_eq!(shown(&mut lines, "end of value\nafter\n", true, false), ["after"]);
    }
}
