use std::time::Duration;

use jiff::Timestamp;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `350 ms`, `41 s`, `2 min 5 s`, `3 h 2 min`, `6 days`; parts of the smallest unit are left out.
#[must_use]
pub fn duration(milliseconds: i64) -> String {
    let ms = milliseconds.max(0);
    match ms {
        ..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => two(ms / MINUTE, "min", ms % MINUTE / SECOND, "s"),
        HOUR..DAY => two(ms / HOUR, "h", ms % HOUR / MINUTE, "min"),
        DAY.. => days(ms / DAY),
    }
}

/// `350ms`, `41.5s`, `2m5s`: how long a step took, in the columns of a terminal (spec §20). Never `1m60s`.
#[must_use]
pub fn short_duration(milliseconds: u64) -> String {
    let took = Duration::from_millis(milliseconds).as_secs_f64();
    let in_tenths = format!("{took:.1}");
    if milliseconds < 1_000 {
        return format!("{milliseconds}ms");
    }
    if took < 60.0 && in_tenths != "60.0" {
        return format!("{in_tenths}s");
    }
    // In whole seconds first, so that 59.9 s of a minute become the next minute.
    let seconds = Duration::from_millis(milliseconds.saturating_add(500)).as_secs();
    format!("{}m{}s", seconds / 60, seconds % 60)
}

/// The same in one unit, for "… ago" and "in …".
pub(super) fn about(milliseconds: i64) -> String {
    match milliseconds.max(0) {
        ..MINUTE => "a moment".to_owned(),
        ms @ MINUTE..HOUR => format!("{} min", ms / MINUTE),
        ms @ HOUR..DAY => format!("{} h", ms / HOUR),
        ms @ DAY.. => days(ms / DAY),
    }
}

/// The day, `2026-11-20`, in UTC; empty for a time out of range.
pub(super) fn date(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map(|t| t.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
}

fn days(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_two_units_at_most() {
        let told = [
            (-5, "0 ms"),
            (350, "350 ms"),
            (41_000, "41 s"),
            (120_000, "2 min"),
            (125_000, "2 min 5 s"),
            (3 * HOUR + 2 * MINUTE + 5, "3 h 2 min"),
            (DAY, "1 day"),
            (6 * DAY + HOUR, "6 days"),
        ];
        for (ms, text) in told {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn short_durations_never_show_sixty_seconds() {
        let told = [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (1_549, "1.5s"),
            (59_949, "59.9s"),
            (59_999, "1m0s"),
            (60_000, "1m0s"),
            (61_500, "1m2s"),
            (119_900, "2m0s"),
            (3_600_000, "60m0s"),
        ];
        for (ms, text) in told {
            assert_eq!(short_duration(ms), text);
        }
    }

    #[test]
    fn days_are_those_of_utc() {
        assert_eq!(date(1_795_132_800_000), "2026-11-20");
        assert_eq!(about(2 * HOUR + 5), "2 h");
    }
}
