//! Live lines: a spinner for each running step, which becomes ✓, ✗ or ∘.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{End, Show};
use crate::domain::progress::StepStatus;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);

pub(super) struct Live {
    lines: MultiProgress,
    running: Mutex<HashMap<String, ProgressBar>>,
    spinner: ProgressStyle,
}

impl Live {
    pub(super) fn new() -> Self {
        let spinner = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ");
        Self { lines: MultiProgress::new(), running: Mutex::default(), spinner }
    }

    /// Above the spinners, where it stays.
    fn print(&self, text: &str) {
        // A terminal that is gone cannot be told about it.
        let _ = self.lines.println(text);
    }
}

fn dim(text: &str) -> String {
    format!("\u{1b}[2m{text}\u{1b}[0m")
}

impl Show for Live {
    fn started(&self, step: &str) {
        let bar = self.lines.add(ProgressBar::new_spinner().with_style(self.spinner.clone()));
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(TURN);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(step.to_owned(), bar);
    }

    fn line(&self, _step: &str, line: &str) {
        self.print(&format!("  {} {line}", dim("│")));
    }

    fn ended(&self, step: &str, end: &End<'_>) {
        if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(step) {
            bar.finish_and_clear();
        }
        let took = dim(&end.took);
        match end.status {
            StepStatus::Failed => {
                self.print(&format!(
                    "\u{1b}[31m✗\u{1b}[0m {step} {took}\n  {}",
                    end.message.replace('\n', "\n  ")
                ));
            }
            StepStatus::Skipped => {
                let why = if end.message.is_empty() { "unchanged" } else { end.message };
                self.print(&dim(&format!("∘ {step}  {why}")));
            }
            _ => self.print(&format!("\u{1b}[32m✓\u{1b}[0m {step} {took}")),
        }
    }
}
