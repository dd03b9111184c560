//! How scalars become values (spec §2): text keeps its source, numbers and booleans must be plain.

use std::time::Duration;

use super::block::Child;
use crate::domain::length::length_of_time;
use crate::domain::yaml::tree::{Content, Node};

/// Any scalar as it was written; null is empty.
pub(super) fn text(child: &Child<'_, '_>) -> Option<String> {
    if child.node.is_null() {
        return Some(String::new());
    }
    child.node.scalar().map(str::to_owned).or_else(|| child.mismatch("text"))
}

/// A whole number: decimal, `0x`, `0o` or `0b`, or a decimal number without a fraction (`1.0`).
pub(super) fn integer(child: &Child<'_, '_>) -> Option<i64> {
    plain(child.node).and_then(whole_number).or_else(|| child.mismatch("a whole number"))
}

/// `true` or `false`, also in the words of YAML 1.1, which the Go tool takes here.
pub(super) fn boolean(child: &Child<'_, '_>) -> Option<bool> {
    match plain(child.node).map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "yes" | "on" | "y") => Some(true),
        Some("false" | "no" | "off" | "n") => Some(false),
        _ => child.mismatch("true or false"),
    }
}

/// A length of time such as `7d`, `60s` or `2h30m`: units w, d, h, m, s from large to small, each once.
pub(super) fn duration(child: &Child<'_, '_>) -> Option<Duration> {
    let wanted = "a length of time such as `60s`, `2h30m` or `7d`";
    child.node.scalar().and_then(length_of_time).or_else(|| child.mismatch(wanted))
}

fn plain(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar { text, plain: true } => Some(text),
        _ => None,
    }
}

fn whole_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let signed = |number: i64| if negative { -number } else { number };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return rest
                .bytes()
                .all(|b| b.is_ascii_hexdigit())
                .then(|| i64::from_str_radix(rest, radix).ok())?
                .map(signed);
        }
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        // `010` is eight for some readers and ten for others.
        let ambiguous = digits.len() > 1 && digits.starts_with('0');
        return if ambiguous { None } else { digits.parse().ok().map(signed) };
    }
    without_fraction(digits).map(signed)
}

/// Floats are exact to 2^53; beyond that the text and the number would differ.
fn without_fraction(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    if number.fract() != 0.0 || number > EXACT {
        return None;
    }
    format!("{number:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_as_people_write_them() {
        for (text, number) in [
            ("0", 0),
            ("42", 42),
            ("-3", -3),
            ("+7", 7),
            ("0x1F", 31),
            ("-0x10", -16),
            ("0o17", 15),
            ("0b101", 5),
            ("1.0", 1),
            ("3.", 3),
            ("3e3", 3000),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(whole_number(text), Some(number), "{text}");
        }
        for text in [
            "",
            "one",
            "1.9",
            "-",
            "0x",
            "0xg",
            "0o8",
            "010",
            "--1",
            "0x-1",
            ".inf",
            ".nan",
            "inf",
            "1e400",
            "9223372036854775808",
            "1_000",
            "1 2",
        ] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }
}
