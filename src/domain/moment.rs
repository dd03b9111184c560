//! A point in time as records keep it: RFC 3339 with the offset that it was written with.

use std::fmt;
use std::ops::Deref;

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time stamp that is written again as it was read: up to nanoseconds, with its offset from UTC.
///
/// The Go tool writes local times. Two moments are the same only when their offsets are, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    at: Timestamp,
    offset: Offset,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC }
    }
}

impl Default for Moment {
    fn default() -> Self {
        Timestamp::UNIX_EPOCH.into()
    }
}

impl Deref for Moment {
    type Target = Timestamp;

    fn deref(&self) -> &Timestamp {
        &self.at
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offset == Offset::UTC { self.at.fmt(f) } else { self.at.display_with_offset(self.offset).fmt(f) }
    }
}

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time such as 2026-01-31T12:00:00Z")]
pub struct InvalidMoment(String);

impl std::str::FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let invalid = || InvalidMoment(text.chars().take(80).flat_map(char::escape_debug).collect());
        let at: Timestamp = text.parse().map_err(|_| invalid())?;
        // What follows the seconds: a fraction and the offset, of which the former holds no sign.
        let offset =
            text.rfind(['+', '-']).filter(|place| *place > "2026-01-31T".len()).map(|place| &text[place..]);
        let offset = offset.map_or(Some(Offset::UTC), written_offset).ok_or_else(invalid)?;
        Ok(Self { at, offset })
    }
}

/// `+01:00`
fn written_offset(text: &str) -> Option<Offset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text[1..].split_once(':')?;
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Offset::from_seconds(sign * seconds).ok()
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_were_read() {
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.1Z",
            "2026-01-02T03:04:05.123456789+01:00",
            "2026-12-31T23:59:59.000000001-11:30",
            "1969-12-31T23:59:59+05:45",
            "0001-01-01T00:00:00Z",
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.to_string(), text);
            assert_eq!(*moment, text.parse::<Timestamp>().unwrap());
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05+1", "12\u{1b}[0m"]
        {
            let error = text.parse::<Moment>().unwrap_err().to_string();
            assert!(error.contains("is no time") && !error.contains('\u{1b}'), "{text}: {error}");
        }
    }
}
