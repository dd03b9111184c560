//! Runs hooks on this machine: begin or adopt, wait, end.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::fence::{Fence, Held};
use super::follow::Follower;
use super::owner::{UserIds, make_folder};
use super::run::Run;
use super::{environment, life_folder, output};
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{HookCommand, HookOutcome, HookOutput, HookRunner, SystemRandom};
use crate::domain::redact::Redactor;
use crate::outbound::clock::OsRandom;

/// What starts a hook and records how it ended, on whatever machine.
pub(in crate::outbound) const SUPERVISOR: &str = include_str!("supervisor.sh");
/// How often an adopted run is looked at: it is nobody's child, so nothing tells of its end.
const ADOPTED_LOOK: Duration = Duration::from_millis(50);
/// How often the size of a run's output is looked at.
const SIZE_LOOK: Duration = Duration::from_millis(100);

/// For whom hooks are run.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// Folder above all environments of this machine; `.previewbot` is made in it.
    pub root: PathBuf,
    /// The life that the hooks belong to.
    pub life: LifeId,
    /// The claim's epoch.
    pub epoch: i64,
    /// The account that hooks run as; `None`: the bot's own.
    pub run_as: Option<UserIds>,
    /// The commit that is to be deployed: runs that were started for it may be adopted. `None`: nothing is adopted.
    pub commit: Option<String>,
}

/// Runs the hooks of one environment's life, as long as no newer epoch takes it over.
pub struct LocalHookRunner {
    options: RunnerOptions,
    folder: PathBuf,
    fence: Fence,
    /// Runs of former epochs whose results nobody collected.
    inherited: Mutex<Vec<Run>>,
    /// Masks the project's secrets in outputs that are kept.
    redactor: Redactor,
    /// Who is shown what hooks print while they run.
    output: Option<Arc<dyn HookOutput>>,
    /// A person's own variables, for hooks that run in that person's name; `None`: the allowlist alone.
    inherited_variables: Option<BTreeMap<String, String>>,
}

impl std::fmt::Debug for LocalHookRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalHookRunner").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How a run that was waited for came to its end.
enum Ending {
    Itself,
    Stop(PortError),
}

impl LocalHookRunner {
    /// Takes the life over: whoever had a lower epoch changes nothing any more. Runs that were started for another
    /// commit are ended; those for this one stay until their step is asked for, or until [`HookRunner::settle`].
    ///
    /// # Errors
    /// `Fenced` when a newer epoch has it, `Unavailable` when its folder cannot be used or a run cannot be ended.
    pub async fn take_over(options: RunnerOptions) -> PortResult<Self> {
        let folder = life_folder(&options.root, options.life);
        let prepare = || {
            std::fs::create_dir_all(&options.root)?;
            // Others may pass through, since hooks may run as another account, but nobody may look around.
            make_folder(&options.root.join(".previewbot"), 0o711, None)?;
            make_folder(&folder, 0o711, None)?;
            make_folder(&folder.join("runs"), 0o711, None)?;
            make_folder(&folder.join("home"), 0o700, options.run_as)?;
            make_folder(&folder.join("tmp"), 0o700, options.run_as)
        };
        prepare().map_err(|error| unusable(&folder, error))?;
        let (fence, _held) = Fence::raise(&folder, options.epoch).await?;
        let mut inherited = Run::uncollected(&folder.join("runs")).map_err(|error| unusable(&folder, error))?;
        let commit = options.commit.as_deref();
        end_unless(&mut inherited, |run| run.exit().is_some() || run.is_for(commit)).await?;
        Ok(Self {
            options,
            folder,
            fence,
            inherited: Mutex::new(inherited),
            redactor: Redactor::new([]),
            output: None,
            inherited_variables: None,
        })
    }

    /// Masks these secrets in the outputs that are kept of ended hooks.
    #[must_use]
    pub fn hiding(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// Shows what hooks print while they run.
    #[must_use]
    pub fn shown_to(self, output: Arc<dyn HookOutput>) -> Self {
        Self { output: Some(output), ..self }
    }

    /// Hooks get these variables, `HOME` and `TMPDIR` among them, in place of the bot's allowlist: for a person who
    /// runs hooks of a project that is the person's own.
    #[must_use]
    pub fn inheriting(self, variables: BTreeMap<String, String>) -> Self {
        Self { inherited_variables: Some(variables), ..self }
    }

    /// Shortens and masks the outputs of an ended run, and marks it as handed on.
    fn put_away(&self, run: &Run) -> io::Result<()> {
        output::shorten(run.folder())?;
        output::redact(run.folder(), &self.redactor)?;
        run.collect()
    }

    /// Adopts the run that is asked for where there is one, else ends the step's former run and begins it anew.
    async fn begin(&self, command: &HookCommand) -> PortResult<(Run, Option<Child>)> {
        let _held = self.fence.hold().await?;
        let mut inherited = self.inherited.lock().await;
        let adoptable = |run: &Run| run.is_of(command) && (run.exit().is_some() || run.is_supervised());
        let adopted = inherited.iter().position(adoptable).map(|at| inherited.swap_remove(at));
        // Runs of other steps may go side by side with this one, as they did before. One that nobody supervises any
        // more cannot be adopted.
        let may_stay = |run: &Run| run.step() != command.step && (run.exit().is_some() || run.is_supervised());
        end_unless(&mut inherited, may_stay).await?;
        drop(inherited);
        if let Some(run) = adopted {
            tracing::info!(step = %command.step, "adopting the run of a former epoch");
            return Ok((run, None));
        }
        self.spawn(command).map(|(run, child)| (run, Some(child)))
    }

    fn spawn(&self, command: &HookCommand) -> PortResult<(Run, Child)> {
        if !std::path::Path::new(&command.directory).is_dir() {
            let message = format!("step {}: its folder {} is missing", command.step, command.directory);
            return Err(PortError::new(ErrorKind::Invalid, message));
        }
        let start = || {
            let id = OsRandom.uuid();
            let run = Run::prepare(&self.folder.join("runs"), command, id, self.options.run_as)?;
            let own = self.inherited_variables.as_ref();
            let place = environment::Place { folder: &self.folder, life: self.options.life, run: run.id() };
            let variables = environment::of_run(own, &command.environment, &place);
            let mut process = Command::new("/bin/sh");
            process.args(["-c", SUPERVISOR, "previewbot-supervisor"]).current_dir(&command.directory);
            process.env_clear().envs(variables).env("PREVIEWBOT_SUPERVISOR", run.folder());
            process.stdin(Stdio::null()).stdout(run.output("stdout")?).stderr(run.output("stderr")?);
            process.process_group(0);
            if let Some(owner) = self.options.run_as {
                process.uid(owner.uid).gid(owner.gid);
            }
            Ok((run, process.spawn()?))
        };
        start().map_err(|error: io::Error| {
            PortError::with_source(
                ErrorKind::Unavailable,
                format!("step {} cannot be started", command.step),
                error,
            )
        })
    }

    /// Waits until the hook has ended by itself or must be stopped.
    async fn wait(
        &self,
        run: &Run,
        child: Option<Child>,
        command: &HookCommand,
        cancel: &CancellationToken,
    ) -> Ending {
        let ended = ended(run, child);
        let timeout = sleep(command.timeout);
        tokio::pin!(ended, timeout);
        let follow = |output| Follower::new(run.folder(), output, &self.redactor, command);
        let mut follower = self.output.as_ref().map(follow);
        let mut look = interval(SIZE_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ending = loop {
            tokio::select! {
                biased;
                () = &mut ended => break Ending::Itself,
                () = cancel.cancelled(), if command.killable => break Ending::Stop(cancelled(command)),
                () = &mut timeout => break Ending::Stop(timed_out(command)),
                _ = look.tick() => if output::size(run.folder()) > output::RUNNING_LIMIT {
                    break Ending::Stop(too_much(command));
                },
            }
            if let Some(follower) = &mut follower {
                follower.look();
            }
        };
        if let Some(follower) = follower {
            follower.finish();
        }
        ending
    }
}

impl LocalHookRunner {
    /// The result of a run that ended by itself.
    async fn outcome(&self, run: &Run, _held: &Held) -> PortResult<HookOutcome> {
        let Some(exit) = run.exit() else {
            end_processes(run).await?;
            let message = format!("step {}: its supervisor was killed from outside", run.step());
            return Err(PortError::new(ErrorKind::Unavailable, message));
        };
        let read = || {
            let (stdout, truncated) = output::standard_output(run.folder())?;
            let outcome = HookOutcome { exit, stdout, truncated, tail: output::tail(run.folder())? };
            self.put_away(run)?;
            Ok(outcome)
        };
        read().map_err(|error: io::Error| {
            PortError::with_source(
                ErrorKind::Unavailable,
                format!("cannot read what step {} left", run.step()),
                error,
            )
        })
    }
}

#[async_trait]
impl HookRunner for LocalHookRunner {
    /// The time of an adopted run begins anew. A step that is not killable ends first when it is cancelled and
    /// returns its outcome.
    async fn run(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        if cancel.is_cancelled() {
            return Err(cancelled(command));
        }
        let (run, child) = self.begin(command).await?;
        let ending = self.wait(&run, child, command, cancel).await;
        // Who lost the life meanwhile touches the run no more: it was adopted or ended by somebody else.
        let held = self.fence.hold().await?;
        match ending {
            Ending::Itself => self.outcome(&run, &held).await,
            Ending::Stop(why) => {
                end_processes(&run).await?;
                self.put_away(&run).map_err(|e| unusable(run.folder(), e))?;
                Err(why)
            }
        }
    }

    async fn settle(&self) -> PortResult<()> {
        let _held = self.fence.hold().await?;
        end_unless(&mut *self.inherited.lock().await, |run| run.exit().is_some()).await
    }
}

/// Ends the runs that may not stay. Those that could not be ended are still on the list then.
async fn end_unless(runs: &mut Vec<Run>, may_stay: impl Fn(&Run) -> bool) -> PortResult<()> {
    let mut at = 0;
    while let Some(run) = runs.get(at) {
        if may_stay(run) {
            at += 1;
            continue;
        }
        if run.exit().is_none() {
            tracing::info!(step = run.step(), "ending the run of a former epoch");
            end_processes(run).await?;
        }
        runs.swap_remove(at);
    }
    Ok(())
}

/// Returns when the supervisor is gone or has recorded the hook's end.
async fn ended(run: &Run, child: Option<Child>) {
    if let Some(mut child) = child {
        // Whether it could be waited for does not matter: the run's files tell how it ended.
        let _ = child.wait().await;
        return;
    }
    while run.exit().is_none() && run.is_supervised() {
        sleep(ADOPTED_LOOK).await;
    }
}

async fn end_processes(run: &Run) -> PortResult<()> {
    let left = run.processes().end().await;
    if left.is_empty() {
        return Ok(());
    }
    let left: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
    let message = format!("step {}: processes {} cannot be ended", run.step(), left.join(", "));
    Err(PortError::new(ErrorKind::Unavailable, message))
}

fn cancelled(command: &HookCommand) -> PortError {
    PortError::new(ErrorKind::Cancelled, format!("step {} was cancelled", command.step))
}

fn timed_out(command: &HookCommand) -> PortError {
    let message = format!("step {} took longer than {:?} and was killed", command.step, command.timeout);
    PortError::new(ErrorKind::TimedOut, message)
}

fn too_much(command: &HookCommand) -> PortError {
    let message = format!("step {} printed more than 64 MiB and was killed: let it write to a file", command.step);
    PortError::new(ErrorKind::Invalid, message)
}

fn unusable(folder: &std::path::Path, error: io::Error) -> PortError {
    PortError::with_source(ErrorKind::Unavailable, format!("cannot use {}", folder.display()), error)
}
