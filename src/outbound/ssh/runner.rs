//! Runs hooks on a host under the same supervisor as on the bot's own machine: they go on when the connection is lost,
//! and are found again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::chamber::{self, Chamber};
use super::host::SshHost;
use super::legacy::{Found, Legacy};
use super::machine::{READ_FILES, files};
use super::quote;
use super::request::Request;
use super::sight::Sight;
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{HookCommand, HookOutcome, HookRunner, SystemRandom as _};
use crate::domain::redact::Redactor;
use crate::outbound::clock::OsRandom;
use crate::outbound::machine::LARGEST_FILE;
use crate::outbound::supervisor::{KEPT, RUNNING_LIMIT, Record, SUPERVISOR, folder_name, life_folder};

const TAKE_OVER: &str = concat!(include_str!("scripts/runs.sh"), include_str!("scripts/take_over.sh"));
const BEGIN: &str =
    concat!(include_str!("scripts/runs.sh"), include_str!("scripts/begin.sh"), include_str!("scripts/look.sh"),);
const LOOK: &str = concat!(
    include_str!("scripts/runs.sh"),
    include_str!("scripts/look_again.sh"),
    include_str!("scripts/look.sh"),
);
const END: &str = concat!(include_str!("scripts/runs.sh"), include_str!("scripts/end_runs.sh"));
const COLLECT: &str = include_str!("scripts/collect.sh");

/// How long the host itself waits for a hook's end at one look, in seconds; between looks others get their turn.
const LOOK_SECONDS: u64 = 2;
/// Before a host that is away is asked again.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// How long a host may be away while a hook runs on it, before the job lets go of its slot; the hook runs on and is
/// adopted when the job is taken up again.
const AWAY: Duration = Duration::from_secs(20);

/// For whom hooks are run on a host.
#[derive(Debug, Clone)]
pub struct SshRunnerOptions {
    /// Folder above all environments of the host, absolute.
    pub root: String,
    /// The life that the hooks belong to.
    pub life: LifeId,
    /// The claim's epoch.
    pub epoch: i64,
    /// The commit that is to be deployed: runs that were started for it may be adopted. `None`: nothing is adopted.
    pub commit: Option<String>,
    /// What hooks of untrusted code run in; `None`: they run as the account itself.
    pub chamber: Option<Chamber>,
}

impl SshRunnerOptions {
    /// What is known of the life on the host: `<root>/.previewbot/<life>`.
    #[must_use]
    pub fn folder(&self) -> String {
        life_folder(Path::new(&self.root), self.life).to_string_lossy().into_owned()
    }
}

/// Runs the hooks of one environment's life on a host, as long as no newer epoch takes it over.
pub struct SshRunner {
    host: Arc<SshHost>,
    options: SshRunnerOptions,
    folder: String,
    boot: String,
    account: Option<(u32, u32)>,
    /// Runs of former epochs whose results nobody collected.
    inherited: Mutex<Vec<Found>>,
    redactor: Redactor,
    /// Whether the life's folder was removed, and with it all that there was.
    is_cleared: AtomicBool,
}

impl SshRunner {
    /// Takes the life over: whoever had a lower epoch changes nothing any more. Runs that were started for another
    /// commit are ended; those for this one stay until their step is asked for, or until [`HookRunner::settle`].
    ///
    /// # Errors
    /// `Fenced` when a newer epoch has it, `Unavailable` when the host is away or a run cannot be ended.
    pub async fn take_over(host: Arc<SshHost>, options: SshRunnerOptions, redactor: Redactor) -> PortResult<Self> {
        let folder = options.folder();
        let arguments = [options.root.clone(), folder.clone(), options.epoch.to_string()];
        let answer = host.done("cannot take the environment over", &Request::new(TAKE_OVER, arguments)).await?;
        let Legacy { boot, account, runs } = Legacy::parse(&answer.text());
        let commit = options.commit.clone();
        let inherited = Mutex::new(runs);
        let runner =
            Self { host, options, folder, boot, account, inherited, redactor, is_cleared: AtomicBool::new(false) };
        let may_stay = |run: &Found| run.has_ended || run.record.is_for(commit.as_deref());
        runner.end_unless(&mut *runner.inherited.lock().await, may_stay).await?;
        Ok(runner)
    }

    /// The life's folder on the host.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Which boot of the host this is.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// The numbers of the account on the host and of its group.
    pub(super) fn account(&self) -> Option<(u32, u32)> {
        self.account
    }

    /// The life that the hooks belong to.
    pub(super) fn life(&self) -> LifeId {
        self.options.life
    }

    /// Says that the life's folder is no more.
    pub(super) fn has_cleared(&self) {
        self.is_cleared.store(true, Ordering::Relaxed);
    }

    /// Whether the life's folder was removed already.
    pub(super) fn is_cleared(&self) -> bool {
        self.is_cleared.load(Ordering::Relaxed)
    }

    /// The claim's epoch.
    pub(super) fn epoch(&self) -> i64 {
        self.options.epoch
    }

    /// The host that it runs on.
    pub(super) fn host(&self) -> &Arc<SshHost> {
        &self.host
    }

    /// The commit that is deployed.
    pub(super) fn commit(&self) -> Option<&str> {
        self.options.commit.as_deref()
    }

    /// The name of the container that hooks run in, where they do.
    pub(super) fn chamber(&self) -> Option<String> {
        self.options.chamber.as_ref().map(|_| chamber::name_of(self.options.life))
    }

    /// Ends the runs that may not stay.
    async fn end_unless(&self, runs: &mut Vec<Found>, may_stay: impl Fn(&Found) -> bool) -> PortResult<()> {
        let ending: Vec<String> =
            runs.iter().filter(|run| !may_stay(run) && !run.has_ended).map(|run| run.name.clone()).collect();
        if !ending.is_empty() {
            tracing::info!(?ending, "ending runs of a former epoch");
            self.end(&ending).await?;
        }
        runs.retain(may_stay);
        Ok(())
    }

    async fn end(&self, names: &[String]) -> PortResult<()> {
        let chamber = self.chamber().unwrap_or_default();
        let own = [self.folder.clone(), self.options.epoch.to_string(), chamber];
        let arguments = [&own[..], names].concat();
        let answer = self.host.done("cannot end what runs", &Request::new(END, arguments)).await?;
        let left: Vec<String> = answer.text().split_whitespace().map(str::to_owned).collect();
        if left.is_empty() {
            return Ok(());
        }
        let message = format!("host {}: processes {} cannot be ended", self.host.options().name, left.join(", "));
        Err(PortError::new(ErrorKind::Unavailable, message))
    }

    /// Adopts the run that is asked for where there is one.
    async fn adopt(&self, command: &HookCommand, which: Adopted) -> PortResult<Option<Found>> {
        let mut inherited = self.inherited.lock().await;
        let adoptable = |run: &Found| {
            let ended = run.has_ended && which == Adopted::Any;
            run.record.is_of(command) && (ended || run.is_supervised && !run.has_ended)
        };
        let adopted = inherited.iter().position(adoptable).map(|at| inherited.swap_remove(at));
        let may_stay = |run: &Found| run.record.step() != command.step && (run.has_ended || run.is_supervised);
        self.end_unless(&mut inherited, may_stay).await?;
        Ok(adopted)
    }

    fn beginning(&self, command: &HookCommand, record: &Record) -> PortResult<Request> {
        let text = serde_json::to_string(record)
            .map_err(|error| PortError::with_source(ErrorKind::Invalid, "the run cannot be recorded", error))?;
        let own = [("HOME", format!("{}/home", self.folder)), ("TMPDIR", format!("{}/tmp", self.folder))];
        let variables = command.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables = quote::exports(variables.chain(own.iter().map(|(name, value)| (*name, value.as_str()))))?;
        let arguments = [
            self.folder.clone(),
            self.options.epoch.to_string(),
            folder_name(&command.step),
            record.run().to_string(),
            command.directory.clone(),
            self.options.life.to_string(),
            text.len().to_string(),
            command.script.len().to_string(),
            SUPERVISOR.to_owned(),
            LOOK_SECONDS.to_string(),
            RUNNING_LIMIT.to_string(),
        ];
        Ok(Request::new(BEGIN, arguments).data([text, command.script.clone(), variables].concat().into_bytes()))
    }

    fn looking(&self, name: &str, record: &Record) -> Request {
        let arguments = [
            self.folder.clone(),
            name.to_owned(),
            record.run().to_string(),
            LOOK_SECONDS.to_string(),
            RUNNING_LIMIT.to_string(),
        ];
        Request::new(LOOK, arguments)
    }

    /// Looks until the run has ended or must be stopped. A host that is away for a while does not end it.
    async fn wait(&self, first: Request, watched: &Watched<'_>, cancel: &CancellationToken) -> PortResult<Sight> {
        let Watched { command, deadline, .. } = *watched;
        let killing = if command.killable { cancel.clone() } else { CancellationToken::new() };
        let mut request = first;
        let mut away_since = None;
        loop {
            // What asks is ended first when it is cancelled: it must not begin the hook behind our back.
            let looked = timeout_at(deadline, self.host.ask(&request, &killing)).await;
            let Ok(looked) = looked else { return Ok(Sight::TooSlow) };
            let what = format!("step {}", command.step);
            match looked.and_then(|answer| answer.good(&what).map_err(|error| self.host.named(error))) {
                Ok(answer) => match Sight::parse(&answer.stdout) {
                    Sight::Running => away_since = None,
                    seen => return Ok(seen),
                },
                Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(Sight::Cancelled),
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    if away_since.get_or_insert_with(Instant::now).elapsed() > AWAY {
                        return Err(error);
                    }
                    let pause = killing.run_until_cancelled(tokio::time::sleep(BETWEEN_TRIES));
                    if pause.await.is_none() {
                        return Ok(Sight::Cancelled);
                    }
                }
                Err(error) => return Err(error),
            }
            // A first request that never arrived is made again as it is.
            if away_since.is_none() {
                request = self.looking(watched.name, watched.record);
            }
        }
    }

    /// Puts the outputs of a run away; `NotFound` when it never came to be.
    async fn collect(&self, name: &str, masked: Option<(String, String)>) -> PortResult<()> {
        let size = |text: Option<&String>| text.map_or("-".to_owned(), |text| text.len().to_string());
        let arguments = [
            self.folder.clone(),
            self.options.epoch.to_string(),
            name.to_owned(),
            KEPT.to_string(),
            size(masked.as_ref().map(|(out, _)| out)),
            size(masked.as_ref().map(|(_, errors)| errors)),
        ];
        let data = masked.map(|(out, errors)| (out + &errors).into_bytes()).unwrap_or_default();
        let request = Request::new(COLLECT, arguments).data(data);
        self.host.done("cannot put the run's outputs away", &request).await.map(drop)
    }

    /// The same of outputs that nobody has read yet: they are cut first, and read to mask what is in them.
    async fn collect_whole(&self, name: &str) -> PortResult<()> {
        self.collect(name, None).await?;
        let paths = ["stdout", "stderr"].map(|output| format!("{}/runs/{name}/{output}", self.folder));
        let arguments = [LARGEST_FILE.to_string()].into_iter().chain(paths);
        let answer = self.host.done("cannot read the run's outputs", &Request::new(READ_FILES, arguments)).await?;
        let mut texts = files(&answer.stdout, 2)
            .into_iter()
            .flatten()
            .map(|text| String::from_utf8_lossy(&text.unwrap_or_default()).into_owned());
        let (Some(output), Some(errors)) = (texts.next(), texts.next()) else { return Ok(()) };
        let masked = (self.redactor.redact(&output), self.redactor.redact(&errors));
        if masked.0 == output && masked.1 == errors {
            return Ok(());
        }
        self.collect(name, Some(masked)).await
    }

    /// What a run that was waited for led to.
    async fn conclude(&self, seen: Sight, watched: &Watched<'_>) -> PortResult<HookOutcome> {
        let Watched { command, name, .. } = *watched;
        let step = &command.step;
        let why = match seen {
            Sight::Ended { exit, outputs } => {
                let collected = if outputs.partial {
                    self.collect_whole(name).await
                } else {
                    self.collect(name, outputs.masked(&self.redactor)).await
                };
                collected.map_err(vanished)?;
                return Ok(outputs.outcome(exit));
            }
            Sight::Cancelled => PortError::new(ErrorKind::Cancelled, format!("step {step} was cancelled")),
            Sight::TooSlow => {
                let message = format!("step {step} took longer than {:?} and was killed", command.timeout);
                PortError::new(ErrorKind::TimedOut, message)
            }
            Sight::TooLarge => {
                let message =
                    format!("step {step} printed more than 64 MiB and was killed: let it write to a file");
                PortError::new(ErrorKind::Invalid, message)
            }
            Sight::Gone | Sight::Running => {
                let message = format!("step {step}: its supervisor was killed from outside");
                PortError::new(ErrorKind::Unavailable, message)
            }
        };
        self.end(&[name.to_owned()]).await?;
        match self.collect_whole(name).await {
            // It was stopped before it reached the host.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(why),
            collected => collected.and(Err(why)),
        }
    }
}

/// A run that was seen to end and is gone now is no run that never was.
fn vanished(error: PortError) -> PortError {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    PortError::with_source(ErrorKind::Unavailable, "the run is gone, although it was seen to end", error)
}

/// Which runs of a former epoch stand for the one that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adopted {
    /// Also one that ended: a hook's effect lasts.
    Any,
    /// One that still goes on: what it did when it ended may have been undone since.
    Running,
}

/// A run that is waited for.
#[derive(Clone, Copy)]
struct Watched<'a> {
    command: &'a HookCommand,
    name: &'a str,
    record: &'a Record,
    deadline: Instant,
}

#[async_trait]
impl HookRunner for SshRunner {
    async fn run(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        let confined = match &self.options.chamber {
            Some(chamber) => Some(chamber.confine(command, self.options.life, &self.folder)?),
            None => None,
        };
        let begun = confined.as_ref().unwrap_or(command);
        self.run_or_adopt((command, begun), Adopted::Any, cancel).await
    }

    async fn settle(&self) -> PortResult<()> {
        self.end_unless(&mut *self.inherited.lock().await, |run| run.has_ended).await
    }
}

impl SshRunner {
    /// Runs a command, as the one that is `begun` for it. The time of an adopted run begins anew. A step that is not
    /// killable ends first when it is cancelled and returns its outcome.
    pub(super) async fn run_or_adopt(
        &self,
        (command, begun): (&HookCommand, &HookCommand),
        which: Adopted,
        cancel: &CancellationToken,
    ) -> PortResult<HookOutcome> {
        if cancel.is_cancelled() {
            return Err(PortError::new(ErrorKind::Cancelled, format!("step {} was cancelled", command.step)));
        }
        let name = folder_name(&command.step);
        let deadline = Instant::now() + command.timeout;
        if let Some(run) = self.adopt(command, which).await? {
            let watched = Watched { command, name: &name, record: &run.record, deadline };
            tracing::info!(step = %command.step, "adopting the run of a former epoch");
            match self.wait(self.looking(&name, &run.record), &watched, cancel).await? {
                // It ended between the look at it and now, and nobody saw how.
                Sight::Gone => self.end(std::slice::from_ref(&name)).await?,
                seen => return self.conclude(seen, &watched).await,
            }
        }
        let record = Record::of(command, OsRandom.uuid()).for_commit(self.commit());
        let watched = Watched { command, name: &name, record: &record, deadline };
        let seen = self.wait(self.beginning(begun, &record)?, &watched, cancel).await?;
        self.conclude(seen, &watched).await
    }
}
