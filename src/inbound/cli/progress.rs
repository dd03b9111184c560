//! What a person sees while steps run: live lines on a terminal, plain ones elsewhere, groups on GitHub Actions.

mod lines;
mod live;

use std::io::IsTerminal as _;

use async_trait::async_trait;

use crate::domain::ports::{HookOutput, ProgressReporter};
use crate::domain::progress::{StepEvent, StepStatus};
use crate::domain::wording;
use lines::{Actions, Plain};
use live::Live;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Lines that move: a spinner becomes ✓ or ✗.
    Live,
    /// One line for each thing that happens.
    Plain,
    /// Plain lines in groups, and failures as annotations.
    Actions,
}

impl Style {
    /// The style for this process: `ci` asks for plain lines; so do `CI` and an output that is no terminal.
    #[must_use]
    pub fn of_process(ci: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty() && value != "false");
        if set("GITHUB_ACTIONS") {
            Self::Actions
        } else if ci
            || set("CI")
            || variable("TERM").as_deref() == Some("dumb")
            || !std::io::stderr().is_terminal()
        {
            Self::Plain
        } else {
            Self::Live
        }
    }
}

/// One of the styles at work.
trait Show: Send + Sync {
    fn started(&self, step: &str);
    fn line(&self, step: &str, line: &str);
    fn ended(&self, step: &str, end: &End<'_>);
}

/// How a step ended, in words.
struct End<'a> {
    status: StepStatus,
    took: String,
    message: &'a str,
}

/// Shows steps and what their hooks print on standard error.
pub struct TerminalProgress {
    shown: Box<dyn Show>,
}

impl TerminalProgress {
    /// Progress in this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        let errors = || Box::new(std::io::stderr());
        let shown: Box<dyn Show> = match style {
            Style::Live => Box::new(Live::new()),
            Style::Plain => Box::new(Plain::new(errors())),
            Style::Actions => Box::new(Actions::new(errors())),
        };
        Self { shown }
    }
}

/// How long something took, in ms, for the columns of a terminal.
pub(super) fn took(milliseconds: i64) -> String {
    wording::short_duration(milliseconds.max(0).unsigned_abs())
}

/// Steps that only keep the books are not worth a line unless they fail.
fn is_bookkeeping(step: &str) -> bool {
    matches!(step, "save_state" | "load_state" | "remove_state")
}

#[async_trait]
impl ProgressReporter for TerminalProgress {
    async fn on_step(&self, event: &StepEvent) {
        let quiet = is_bookkeeping(&event.step);
        match event.status {
            StepStatus::Started if !quiet => self.shown.started(&event.step),
            StepStatus::Started | StepStatus::Streaming => {}
            StepStatus::Completed | StepStatus::Skipped if quiet => {}
            status => {
                let took = event.duration_ms.map(took).unwrap_or_default();
                self.shown.ended(&event.step, &End { status, took, message: &event.message });
            }
        }
    }
}

impl HookOutput for TerminalProgress {
    fn line(&self, step: &str, line: &str) {
        self.shown.line(step, &super::output::plain(line));
    }
}
