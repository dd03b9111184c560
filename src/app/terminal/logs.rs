//! `logs`: what the hooks of an environment printed, and what they print.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use super::session::Session;
use crate::domain::environment::Environment;
use crate::domain::job::JobState;
use crate::domain::ports::{JobFilter, JobQueue};
use crate::domain::redact::Redactor;
use crate::inbound::cli::arguments::StepLogsArguments;
use crate::inbound::cli::running;
use crate::outbound::supervisor::{KeptRun, Lines, Veil, kept_runs};

/// How often to look for more.
const LOOK: Duration = Duration::from_millis(200);

/// Where reading stands: step, when its run began, and which output.
type Place = (String, SystemTime, &'static str);

/// An output that is read to a position, and what was not shown of it yet.
#[derive(Default)]
struct Read {
    position: u64,
    lines: Lines,
}

impl Read {
    /// Reads a piece; false when there was nothing new.
    fn piece(&mut self, run: &KeptRun, name: &str) -> bool {
        let bytes = run.read(name, self.position).unwrap_or_default();
        self.position += bytes.len() as u64;
        self.lines.add(&bytes);
        !bytes.is_empty()
    }
}

impl Session {
    pub(super) async fn step_logs(&self, arguments: &StepLogsArguments) -> anyhow::Result<()> {
        let environment = self.existing(arguments.name.as_deref(), &arguments.target).await?;
        let mode = self.mode_of(Some(&environment.called())).await?;
        // What still runs is not masked in its files yet.
        let secrets = self.project.secrets(&self.project.recalled(&mode).await?).unwrap_or_default();
        let redactor = Redactor::of_secrets(&secrets);
        let mut read: HashMap<Place, Read> = HashMap::new();
        loop {
            // Asked first, so that what was printed until the end is still seen.
            let working = self.is_worked_on(&environment).await?;
            for run in kept_runs(&self.tools.folders.previews(), environment.life)? {
                if arguments.step.as_ref().is_none_or(|step| *step == run.step) {
                    print_news(&run, &redactor, !working || run.has_ended, &mut read)?;
                }
            }
            if !working || !arguments.follow {
                return Ok(());
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Ok(()),
                () = self.tools.clock.sleep(LOOK) => {}
            }
        }
    }

    async fn is_worked_on(&self, environment: &Environment) -> anyhow::Result<bool> {
        let filter = JobFilter {
            states: vec![JobState::Running],
            environment: Some(environment.name.to_string()),
            limit: 0,
        };
        let jobs = JobQueue::list(&self.tools.store, &filter).await?;
        Ok(jobs.iter().any(|job| job.environment_id == Some(environment.id)))
    }
}

/// With `all`, a line without an end is one all the same. Else it is waited for: half of a secret is not masked.
fn print_news(
    run: &KeptRun,
    redactor: &Redactor,
    all: bool,
    read: &mut HashMap<Place, Read>,
) -> std::io::Result<()> {
    let veil = Veil { redactor, hides_values: run.prints_values };
    let mut out = std::io::stdout().lock();
    for name in ["stdout", "stderr"] {
        let place = read.entry((run.step.clone(), run.began, name)).or_default();
        loop {
            let is_new = place.piece(run, name);
            for line in place.lines.take(veil, all && !is_new) {
                writeln!(out, "{} | {}", run.step, running::line(&line))?;
            }
            if !is_new {
                break;
            }
        }
    }
    Ok(())
}
