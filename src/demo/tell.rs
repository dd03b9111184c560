//! The demo's voice: one line a step, with what happened and how long it took.

use std::io::{IsTerminal, Stdout, Write};
use std::time::{Duration, Instant};

/// Speaks to standard output; in colours only to a terminal.
pub(super) struct Teller {
    colours: bool,
    started: Instant,
    out: Stdout,
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Teller {
    /// Starts the clock.
    pub(super) fn new() -> Self {
        let out = std::io::stdout();
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours, started: Instant::now(), out }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// A line as it is.
    pub(super) fn say(&self, text: &str) {
        // Nobody listening (a closed pipe) is no reason to leave previews behind.
        let _ = writeln!(self.out.lock(), "{text}");
    }

    /// A line in the background.
    pub(super) fn whisper(&self, text: &str) {
        self.say(&self.paint(DIM, text));
    }

    /// A step that went well.
    pub(super) fn done(&self, step: &str, seen: &str, took: Duration) {
        let (tick, took) = (self.paint(GREEN, "✓"), self.paint(DIM, &format!("({})", length(took))));
        self.say(&format!("{tick} {step}: {seen} {took}"));
    }

    /// A step that did not.
    pub(super) fn failed(&self, step: &str, seen: &str, took: Duration) {
        let (cross, took) = (self.paint(RED, "✗"), self.paint(DIM, &format!("({})", length(took))));
        self.say(&format!("{cross} {step}: {seen} {took}"));
    }

    /// How long it has been talking.
    pub(super) fn elapsed(&self) -> String {
        length(self.started.elapsed())
    }
}

/// `240 ms`, `3.2 s`.
fn length(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_to_read() {
        assert_eq!(length(Duration::from_millis(240)), "240 ms");
        assert_eq!(length(Duration::from_millis(3_249)), "3.2 s");
    }
}
