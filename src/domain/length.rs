//! Lengths of time as people write them: `7d`, `60s`, `2h30m`.

use std::time::Duration;

/// Nobody means more than that: ten years.
const LONGEST: u64 = 10 * 366 * 86_400;

/// Units from large to small, each once.
const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a length of time; `None` when it is none, or nothing, or more than ten years.
#[must_use]
pub fn length_of_time(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(*length)?)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    (1..=LONGEST).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("60s", 60), ("7d", 604_800), ("2h30m", 9_000), ("1w1s", 604_801), ("90m", 5_400)]
        {
            assert_eq!(length_of_time(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "7",
            "d",
            "0s",
            "-1d",
            "1.5h",
            "30m2h",
            "1h1h",
            "1 d",
            "1y",
            "1é",
            "99999999999999999999s",
            "18446744073709551615w",
            "4000d",
        ] {
            assert_eq!(length_of_time(text), None, "{text}");
        }
    }
}
