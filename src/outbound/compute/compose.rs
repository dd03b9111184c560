//! One environment's compose project: each of its two files is resolved once, made its own, and exactly those bytes are
//! run. Compose is always given both, so that neither looks like a leftover of the other, and only services are named
//! that are meant.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::confine::Warden;
use super::docker::{self, Docker};
use super::generated;
use super::known::{Files, Known};
use super::patch::Patch;
use super::ready;
use super::variables::{confined, port_variables};
use crate::domain::compose::{ComposeContainer, Confinement, PS_FORMAT, parse_ps};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::Part;
use crate::outbound::machine::{Machine, Whereabouts};

/// How long a command may take that starts nothing.
pub(super) const QUICK: Duration = Duration::from_mins(1);
/// How long images may take to be pulled and built and services to become healthy.
const START: Duration = Duration::from_mins(20);

/// Where a compose project's files are, and how it is run.
pub(super) struct ComposePlace {
    /// The compose project's name.
    pub(super) name: String,
    /// The file that the infrastructure is run from: ours, outside the checkout. The application's is beside it.
    pub(super) resolved: PathBuf,
    /// Where it runs.
    pub(super) machine: Arc<dyn Machine>,
    /// docker for this environment.
    pub(super) docker: Docker,
    /// How long a container may take to stop by itself, in seconds.
    pub(super) stop_seconds: u64,
    /// How long services without a health check are watched after their start.
    pub(super) watch: Duration,
    /// Whether it is not trusted.
    pub(super) is_confined: bool,
}

/// A compose project and the files that it is run from.
pub(super) struct Compose {
    pub(super) place: ComposePlace,
    files: Files,
    known: Arc<Known>,
}

impl Compose {
    /// The project as it was left.
    pub(super) async fn open(place: ComposePlace, known: Arc<Known>) -> PortResult<Self> {
        let mut compose = Self { place, files: Files::default(), known };
        if let Some(files) = compose.known.get() {
            compose.files = files;
            return Ok(compose);
        }
        let files = [Part::Infrastructure, Part::Application].map(|part| compose.file_of(part));
        let found = compose.place.machine.read(&[&files[0], &files[1]]).await?;
        let mut values = files.iter().zip(found).map(|(path, text)| parse(path, text));
        let infrastructure = values.next().transpose()?.flatten();
        compose.files = Files::new(infrastructure, values.next().transpose()?.flatten());
        compose.known.set(Some(compose.files.clone()));
        Ok(compose)
    }

    /// Whether any part of the project was ever started.
    pub(super) fn is_resolved(&self) -> bool {
        [Part::Infrastructure, Part::Application].into_iter().any(|part| self.has(part))
    }

    /// Whether a part was ever started.
    pub(super) fn has(&self, part: Part) -> bool {
        self.file(part).is_some()
    }

    /// The file that a part is run from.
    pub(super) fn file_of(&self, part: Part) -> PathBuf {
        match part {
            Part::Infrastructure => self.place.resolved.clone(),
            Part::Application => self.place.resolved.with_file_name("application.json"),
        }
    }

    fn file(&self, part: Part) -> Option<&Value> {
        self.files.get(part)
    }

    fn set(&mut self, part: Part, file: Option<Value>) {
        self.files.set(part, file);
        self.known.set(Some(self.files.clone()));
    }

    /// Resolves the user's file beneath `root`, makes it this environment's own and writes what is going to be run.
    pub(super) async fn resolve(
        &mut self,
        (root, file): (&Path, &str),
        patch: &Patch<'_>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let machine = &self.place.machine;
        let path = beneath(&**machine, root, file).await?;
        let text = machine.read(&[&path]).await?.into_iter().next().flatten().unwrap_or_default();
        let variables = port_variables(&String::from_utf8_lossy(&text), patch.ports);
        let docker = self.place.docker.clone().with(variables);
        let what = format!("compose file {file}");
        let resolved = self.understood(&docker, (root, &path, &text), &what, patch, cancel).await?;
        self.write(Part::Infrastructure, resolved).await?;
        self.forget_clashing_application().await
    }

    /// A generated file of an earlier configuration may have a service that is the infrastructure's now.
    async fn forget_clashing_application(&mut self) -> PortResult<()> {
        if self.services(Part::Application).is_disjoint(&self.services(Part::Infrastructure)) {
            return Ok(());
        }
        self.place.machine.remove(&self.file_of(Part::Application)).await?;
        self.set(Part::Application, None);
        Ok(())
    }

    /// A file as Compose understands it, judged where the preview is confined, and made this environment's own.
    pub(super) async fn understood(
        &self,
        docker: &Docker,
        (root, path, text): (&Path, &Path, &[u8]),
        what: &str,
        patch: &Patch<'_>,
        cancel: &CancellationToken,
    ) -> PortResult<Value> {
        let mut docker = docker.clone();
        let warden = patch.confinement.map(|confinement| self.warden(root, what, confinement));
        if let Some(warden) = &warden {
            warden.judge_written(text).await?;
            docker = docker.with(confined());
        }
        let mut resolved = self.config(&docker, (root, path), what, cancel).await?;
        if patch.lodging.is_some() {
            generated::recognise(&mut resolved, root)?;
        }
        if let Some(warden) = &warden {
            warden.judge_resolved(&resolved).await?;
        }
        patch.apply(&mut resolved)?;
        Ok(resolved)
    }

    fn warden<'a>(&'a self, root: &'a Path, what: &'a str, confinement: &'a Confinement) -> Warden<'a> {
        Warden { machine: &*self.place.machine, root, what, confinement }
    }

    /// A file as Compose understands it.
    async fn config(
        &self,
        docker: &Docker,
        (root, path): (&Path, &Path),
        what: &str,
        cancel: &CancellationToken,
    ) -> PortResult<Value> {
        let (path, root) = (path.to_string_lossy(), root.to_string_lossy());
        let arguments = [
            "compose",
            "-f",
            &path,
            "-p",
            &self.place.name,
            "--project-directory",
            &root,
            "config",
            "--format",
            "json",
        ];
        let output = docker.run(what, &arguments, QUICK, cancel).await?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let message = format!("{what}: `docker compose config` did not print JSON: is it Compose v2?");
            PortError::with_source(ErrorKind::Invalid, message, error)
        })
    }

    /// Writes what a part is run from, unless that is what is there.
    pub(super) async fn write(&mut self, part: Part, file: Value) -> PortResult<()> {
        if self.file(part) == Some(&file) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&file).map_err(|error| {
            PortError::with_source(ErrorKind::Invalid, "the compose file cannot be written", error)
        })?;
        self.place.machine.write(&self.file_of(part), &text).await?;
        self.set(part, Some(file));
        Ok(())
    }

    /// Starts the infrastructure and waits until every service is ready.
    ///
    /// # Errors
    /// Naming the service at fault with its last log lines.
    pub(super) async fn up(&self, cancel: &CancellationToken) -> PortResult<()> {
        self.up_services(Part::Infrastructure, &[], cancel).await
    }

    /// Starts services of a part, or all of it, and waits until each is ready: runs and is healthy, or was a job that
    /// ended well.
    ///
    /// # Errors
    /// Naming the service at fault with its last log lines.
    pub(super) async fn up_services(
        &self,
        part: Part,
        services: &[String],
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let services = self.named(part, services)?;
        if services.is_empty() {
            // Without any name Compose would start all that the project has.
            return Ok(());
        }
        // Its own `--wait` takes a job that ended well for a failure and stops waiting for the others.
        let mut arguments = vec!["up", "-d"];
        // An orphan that stands still goes on for a moment before it ends, and one of the application could then lay links
        // that Docker follows for the infrastructure: it is removed with the application's own start.
        if part == Part::Application || !self.place.is_confined || !self.has(Part::Application) {
            arguments.push("--remove-orphans");
        }
        if self.builds(part) {
            arguments.push("--build");
        }
        arguments.extend(services.iter().map(String::as_str));
        let output = self.compose(&arguments, START, cancel).await?;
        if output.succeeded() {
            return self.ready(part, &services, cancel).await;
        }
        let error = docker::classify(&format!("{} did not start", words(part)), &output.complaint());
        if error.kind() == ErrorKind::Unavailable {
            return Err(error);
        }
        let Ok(containers) = self.containers().await else { return Err(error) };
        Err(self.explain_failed(error, &containers, part).await)
    }

    /// Stops services and starts them again as they are, and waits until each is ready.
    pub(super) async fn restart_services(
        &self,
        part: Part,
        services: &[String],
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let services = self.named(part, services)?;
        if services.is_empty() {
            return Ok(());
        }
        let seconds = self.place.stop_seconds.to_string();
        let mut arguments = vec!["restart", "-t", &seconds];
        arguments.extend(services.iter().map(String::as_str));
        let output = self.compose(&arguments, START, cancel).await?;
        if !output.succeeded() {
            return Err(docker::classify(&format!("cannot restart {}", words(part)), &output.complaint()));
        }
        self.ready(part, &services, cancel).await
    }

    /// Stops services of a part, or all of it; those that the part does not know were never started.
    pub(super) async fn stop_services(
        &self,
        part: Part,
        services: &[String],
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let known = self.services(part);
        let meant: Vec<&str> = match services {
            [] => known.iter().map(String::as_str).collect(),
            named => named.iter().filter(|name| known.contains(*name)).map(String::as_str).collect(),
        };
        if meant.is_empty() {
            return Ok(());
        }
        let seconds = self.place.stop_seconds.to_string();
        let arguments = [&["stop", "-t", &seconds][..], &meant].concat();
        let output = self.compose(&arguments, START, cancel).await?;
        let what = format!("cannot stop {}", words(part));
        if output.succeeded() { Ok(()) } else { Err(docker::classify(&what, &output.complaint())) }
    }

    /// Services of a part, in the order in which they were asked for; without any, all that are to have a container.
    pub(super) fn named(&self, part: Part, services: &[String]) -> PortResult<Vec<String>> {
        let known = self.services(part);
        if services.is_empty() {
            return Ok(known.into_iter().collect());
        }
        match services.iter().find(|service| !known.contains(*service)) {
            None => Ok(services.to_vec()),
            Some(unknown) => {
                let known: Vec<String> = known.into_iter().collect();
                let message = format!("{} has no service `{unknown}`; it has {}", words(part), known.join(", "));
                Err(PortError::new(ErrorKind::NotFound, message))
            }
        }
    }

    /// Stops the containers, keeping them and their data.
    pub(super) async fn stop(&self) -> PortResult<()> {
        let seconds = self.place.stop_seconds.to_string();
        self.succeed("cannot stop the infrastructure", &["stop", "-t", &seconds]).await
    }

    /// Removes containers, networks and volumes.
    pub(super) async fn down(&self) -> PortResult<()> {
        let seconds = self.place.stop_seconds.to_string();
        let arguments = ["down", "-v", "-t", &seconds, "--remove-orphans"];
        self.succeed("cannot remove the infrastructure", &arguments).await
    }

    /// Whether every service of the infrastructure runs, or was a job that ended well.
    pub(super) async fn is_running(&self) -> PortResult<bool> {
        if !self.has(Part::Infrastructure) {
            return Ok(false);
        }
        let containers = self.containers().await?;
        Ok(self.services(Part::Infrastructure).iter().all(|service| ready::runs(&containers, service)))
    }

    /// All containers of the project, stopped ones included.
    pub(super) async fn containers(&self) -> PortResult<Vec<ComposeContainer>> {
        let project = format!("label=com.docker.compose.project={}", self.place.name);
        let arguments = ["ps", "-a", "--filter", &project, "--format", PS_FORMAT];
        let output =
            self.place.docker.run("cannot list containers", &arguments, QUICK, &CancellationToken::new()).await?;
        let containers = parse_ps(&output.text()).map_err(|error| {
            PortError::with_source(ErrorKind::Invalid, "cannot read the list of containers", error)
        })?;
        Ok(containers.into_iter().map(ComposeContainer::completed).collect())
    }

    /// Services of a part that are to have a container; none where it was never started.
    pub(super) fn services(&self, part: Part) -> BTreeSet<String> {
        let services = self.file(part).and_then(|file| file["services"].as_object());
        let wanted = |service: &Value| service["scale"] != 0 && service["deploy"]["replicas"] != 0;
        let wanted = services.into_iter().flatten().filter(|(_, service)| wanted(service));
        wanted.map(|(name, _)| name.clone()).collect()
    }

    fn builds(&self, part: Part) -> bool {
        let services = self.file(part).and_then(|file| file["services"].as_object());
        services.is_some_and(|services| services.values().any(|service| service.get("build").is_some()))
    }

    async fn succeed(&self, what: &str, arguments: &[&str]) -> PortResult<()> {
        let output = self.compose(arguments, START, &CancellationToken::new()).await?;
        if output.succeeded() { Ok(()) } else { Err(docker::classify(what, &output.complaint())) }
    }

    /// Runs `docker compose` with every file that the project has.
    pub(super) async fn compose(
        &self,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> PortResult<crate::outbound::tool::Output> {
        let files = self.file_arguments();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let before = ["compose", "--ansi", "never", "--progress", "quiet"];
        self.place.docker.output(&[&before, &files[..], arguments].concat(), timeout, cancel).await
    }

    /// `-f` for every file that the project has, and its name.
    pub(super) fn file_arguments(&self) -> Vec<String> {
        let parts = [Part::Infrastructure, Part::Application].into_iter().filter(|part| self.has(*part));
        let files = parts.flat_map(|part| ["-f".to_owned(), self.file_of(part).to_string_lossy().into_owned()]);
        files.chain(["-p".to_owned(), self.place.name.clone()]).collect()
    }
}

/// A part as people are told of it.
pub(super) const fn words(part: Part) -> &'static str {
    match part {
        Part::Infrastructure => "infrastructure",
        Part::Application => "the application",
    }
}

fn parse(path: &Path, text: Option<Vec<u8>>) -> PortResult<Option<Value>> {
    text.map(|text| serde_json::from_slice(&text)).transpose().map_err(|error| {
        PortError::with_source(ErrorKind::Unavailable, format!("cannot read {}", path.display()), error)
    })
}

/// The user's file, which must not lie outside the checkout, links included.
pub(super) async fn beneath(machine: &dyn Machine, root: &Path, file: &str) -> PortResult<PathBuf> {
    let invalid = |why: &str| PortError::new(ErrorKind::Invalid, format!("compose file {file}: {why}"));
    match machine.find(root, &[file]).await?.into_iter().next() {
        Some(Whereabouts::File(path)) => Ok(path),
        Some(Whereabouts::Outside) => Err(invalid("it lies outside the repository")),
        Some(Whereabouts::Other) => Err(invalid("it is no file")),
        Some(Whereabouts::Missing) | None => Err(invalid("it is not there")),
    }
}
