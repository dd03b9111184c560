//! Plain lines, for logs and for programs that read along.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{End, Show};
use crate::domain::progress::StepStatus;

type Out = Mutex<Box<dyn Write + Send>>;

fn held<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `[OK] seed_db (3.2 s)`
fn verdict(step: &str, end: &End<'_>) -> String {
    let word = match end.status {
        StepStatus::Failed => "FAIL",
        StepStatus::Skipped => "SKIP",
        _ => "OK",
    };
    let took = if end.took.is_empty() { String::new() } else { format!(" ({})", end.took) };
    let message = if end.message.is_empty() { String::new() } else { format!(": {}", end.message) };
    format!("[{word}] {step}{took}{message}")
}

/// One line for each thing that happens.
pub(super) struct Plain(Out);

impl Plain {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(out))
    }

    fn print(&self, text: &str) {
        // Whoever reads along may have gone away; the work goes on.
        let _ = writeln!(held(&self.0), "{text}");
    }
}

impl Show for Plain {
    fn started(&self, step: &str) {
        self.print(&format!("...  {step}"));
    }

    fn line(&self, step: &str, line: &str) {
        self.print(&format!("     {step} | {line}"));
    }

    fn ended(&self, step: &str, end: &End<'_>) {
        self.print(&verdict(step, end));
    }
}

/// Workflow commands of GitHub Actions: the output of a step is a group, a failure an annotation. Steps that run side
/// by side are kept apart, so a group is printed when its step ends.
pub(super) struct Actions {
    out: Out,
    printed: Mutex<HashMap<String, Vec<String>>>,
}

/// Lines of one step that are kept until it ends; of more, the first are left out.
const KEPT_LINES: usize = 10_000;

impl Actions {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out), printed: Mutex::default() }
    }
}

/// Text of a workflow command, with what would end or begin one escaped.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value, in which `:` and `,` have a meaning too.
fn escaped_property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

impl Show for Actions {
    fn started(&self, _step: &str) {}

    fn line(&self, step: &str, line: &str) {
        let mut printed = held(&self.printed);
        let lines = printed.entry(step.to_owned()).or_default();
        if lines.len() == KEPT_LINES {
            lines.remove(0);
        }
        // A line that looks like a command must not be one.
        lines.push(if line.trim_start().starts_with("::") { format!("| {line}") } else { line.to_owned() });
    }

    fn ended(&self, step: &str, end: &End<'_>) {
        let lines = held(&self.printed).remove(step).unwrap_or_default();
        let mut text = String::new();
        if !lines.is_empty() {
            text = format!("::group::{}\n{}\n::endgroup::\n", escaped(step), lines.join("\n"));
        }
        text.push_str(&verdict(step, end).replace("\n::", "\n| ::"));
        if end.status == StepStatus::Failed {
            let title = escaped_property(&format!("previewbot: {step} failed"));
            text = format!("{text}\n::error title={title}::{}", escaped(end.message));
        }
        let _ = writeln!(held(&self.out), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            held(&self.0).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn played(show: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Show>) -> String {
        let kept = Kept::default();
        let show = show(Box::new(kept.clone()));
        show.started("seed_db");
        show.started("seed_mq");
        show.line("seed_db", "URL=********");
        show.line("seed_mq", "::error::not a command");
        show.ended("seed_mq", &End { status: StepStatus::Completed, took: "3.2 s".to_owned(), message: "" });
        let message = "hook failed:\n100 %";
        show.ended("seed_db", &End { status: StepStatus::Failed, took: "1 ms".to_owned(), message });
        show.ended("start_infra", &End { status: StepStatus::Skipped, took: String::new(), message: "" });
        String::from_utf8(held(&kept.0).clone()).unwrap()
    }

    #[test]
    fn plain_lines() {
        let expected = "...  seed_db\n...  seed_mq\n     seed_db | URL=********\n     seed_mq | ::error::not a command\n\
                        [OK] seed_mq (3.2 s)\n[FAIL] seed_db (1 ms): hook failed:\n100 %\n[SKIP] start_infra\n";
        assert_eq!(played(|out| Box::new(Plain::new(out))), expected);
    }

    #[test]
    fn groups_and_annotations() {
        let expected = "::group::seed_mq\n| ::error::not a command\n::endgroup::\n[OK] seed_mq (3.2 s)\n\
                        ::group::seed_db\nURL=********\n::endgroup::\n[FAIL] seed_db (1 ms): hook failed:\n100 %\n\
                        ::error title=previewbot%3A seed_db failed::hook failed:%0A100 %25\n[SKIP] start_infra\n";
        assert_eq!(played(|out| Box::new(Actions::new(out))), expected);
    }
}
