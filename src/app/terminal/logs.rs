//! `logs`: what the hooks of an environment printed, and what they print.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use super::session::Session;
use crate::domain::environment::Environment;
use crate::domain::hook;
use crate::domain::job::JobState;
use crate::domain::ports::{JobFilter, JobQueue};
use crate::domain::redact::Redactor;
use crate::inbound::cli::arguments::StepLogsArguments;
use crate::inbound::cli::running;
use crate::outbound::supervisor::kept_runs;

/// How often to look for more.
const LOOK: Duration = Duration::from_millis(200);

/// Where reading stands: step, when its run began, and which output.
type Place = (String, SystemTime, &'static str);

/// An output that is read to a position, with the line that has no end yet.
#[derive(Default)]
struct Read {
    position: u64,
    unfinished: Vec<u8>,
}

/// Whether the step's hooks print outputs, whose values nobody is shown.
fn prints_values(step: &str) -> bool {
    step.starts_with("seed_")
        || step.starts_with("destroy_")
        || step.starts_with("core_")
        || step == "create_compute"
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
            let working = arguments.follow && self.is_worked_on(&environment).await?;
            self.print_news(&environment, arguments.step.as_deref(), &redactor, &mut read)?;
            if !working {
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

    fn print_news(
        &self,
        environment: &Environment,
        step: Option<&str>,
        redactor: &Redactor,
        read: &mut HashMap<Place, Read>,
    ) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for run in kept_runs(&self.tools.folders.previews(), environment.life)? {
            if step.is_some_and(|step| step != run.step) {
                continue;
            }
            for name in ["stdout", "stderr"] {
                let place = read.entry((run.step.clone(), run.began, name)).or_default();
                let bytes = run.read(name, place.position).unwrap_or_default();
                place.position += bytes.len() as u64;
                place.unfinished.extend(bytes);
                while let Some(end) = place.unfinished.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = place.unfinished.drain(..=end).collect();
                    let text = redactor.redact(String::from_utf8_lossy(&line[..end]).trim_end_matches('\r'));
                    let text = if prints_values(&run.step) { hook::display_line(&text) } else { text };
                    writeln!(out, "{} | {}", run.step, running::line(&text))?;
                }
            }
        }
        Ok(())
    }
}
