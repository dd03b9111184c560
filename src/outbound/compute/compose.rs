//! One environment's compose project: resolved once, made its own, and exactly those bytes are run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::docker::{self, Docker};
use super::patch::Patch;
use crate::domain::compose::{self, ComposeContainer, parse_ps};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::port_map::PortMap;
use crate::domain::project::{InfraService, PublishedPort};

/// How long a command may take that starts nothing.
const QUICK: Duration = Duration::from_mins(1);
/// How long images may take to be pulled and built and services to become healthy.
const START: Duration = Duration::from_mins(20);
/// Between two looks at services that are not ready yet.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);
/// Looks after which they are given up: five minutes.
const LOOKS: u32 = 1_000;

/// A compose project and the file that it is run from.
#[derive(Debug, Clone)]
pub(super) struct Compose {
    /// The compose project's name.
    pub(super) name: String,
    /// The file that is run: ours, outside the checkout.
    pub(super) resolved: PathBuf,
    /// docker for this environment.
    pub(super) docker: Docker,
    /// How long a container may take to stop by itself, in seconds.
    pub(super) stop_seconds: u64,
}

impl Compose {
    /// Whether the project was ever started.
    pub(super) fn is_resolved(&self) -> bool {
        self.resolved.exists()
    }

    /// Resolves the user's file beneath `root`, makes it this environment's own and writes what is going to be run.
    pub(super) async fn resolve(
        &self,
        (root, file): (&Path, &str),
        patch: &Patch<'_>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let path = beneath(root, file)?;
        let docker = self.docker.clone().with(port_variables(&path, patch.ports));
        let (path, root) = (path.to_string_lossy(), root.to_string_lossy());
        let arguments =
            ["compose", "-f", &path, "-p", &self.name, "--project-directory", &root, "config", "--format", "json"];
        let what = format!("compose file {file}");
        let output = docker.run(&what, &arguments, QUICK, cancel).await?;
        let mut resolved: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
            let message = format!("{what}: `docker compose config` did not print JSON: is it Compose v2?");
            PortError::with_source(ErrorKind::Invalid, message, error)
        })?;
        patch.apply(&mut resolved);
        self.write(&resolved).map_err(|error| {
            PortError::with_source(
                ErrorKind::Unavailable,
                format!("cannot write {}", self.resolved.display()),
                error,
            )
        })
    }

    fn write(&self, file: &Value) -> std::io::Result<()> {
        let new = self.resolved.with_extension("json.new");
        let mut options = fs::OpenOptions::new();
        let mut target = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        // It may hold secrets, and one that a crash left may be of any mode.
        target.write_all(&serde_json::to_vec_pretty(file)?)?;
        fs::rename(&new, &self.resolved)
    }

    /// Starts it and waits until every service is ready: runs and is healthy, or was a job that ended well.
    ///
    /// # Errors
    /// Naming the service at fault with its last log lines.
    pub(super) async fn up(&self, cancel: &CancellationToken) -> PortResult<()> {
        // Its own `--wait` takes a job that ended well for a failure and stops waiting for the others.
        let mut arguments = vec!["up", "-d", "--remove-orphans"];
        if self.builds() {
            arguments.push("--build");
        }
        let output = self.compose(&arguments, START, cancel).await?;
        if output.succeeded() {
            return self.ready(cancel).await;
        }
        let error = docker::classify("infrastructure did not start", &output.complaint());
        if error.kind() == ErrorKind::Unavailable {
            return Err(error);
        }
        let Ok(containers) = self.containers().await else { return Err(error) };
        let at_fault: Vec<_> = containers.iter().filter(|container| has_failed(container)).collect();
        Err(self.explain(error, &at_fault).await)
    }

    /// Waits until every service is ready in two looks running: one without a health check may end right after it
    /// began.
    async fn ready(&self, cancel: &CancellationToken) -> PortResult<()> {
        let services = self.services()?;
        let mut seen_ready = false;
        for _ in 0..LOOKS {
            let containers = self.containers().await?;
            let at_fault: Vec<_> = containers.iter().filter(|container| has_failed(container)).collect();
            if !at_fault.is_empty() {
                let error = PortError::new(ErrorKind::Invalid, "infrastructure did not start");
                return Err(self.explain(error, &at_fault).await);
            }
            let all_ready = services.iter().all(|service| {
                let mut own = containers.iter().filter(|container| container.service == *service).peekable();
                own.peek().is_some() && own.all(is_ready)
            });
            if all_ready && (seen_ready || containers.iter().all(|c| c.health == "healthy")) {
                return Ok(());
            }
            seen_ready = all_ready;
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_LOOKS) => {}
                () = cancel.cancelled() => {
                    return Err(PortError::new(ErrorKind::Cancelled, "waiting for the infrastructure was cancelled"));
                }
            }
        }
        let containers = self.containers().await?;
        let waiting: Vec<_> = containers.iter().filter(|container| !is_ready(container)).collect();
        let message = format!("infrastructure was not ready after {} s", (BETWEEN_LOOKS * LOOKS).as_secs());
        Err(self.explain(PortError::new(ErrorKind::Invalid, message), &waiting).await)
    }

    async fn explain(&self, error: PortError, at_fault: &[&ComposeContainer]) -> PortError {
        let mut message = error.to_string();
        for container in at_fault {
            message = format!("{message}\nservice {}: {}", container.service, container.status);
            let arguments = ["logs", "--no-color", "--no-log-prefix", "--tail", "15", &container.service];
            if let Ok(logs) = self.compose(&arguments, QUICK, &CancellationToken::new()).await {
                message.push('\n');
                message.push_str(&docker::last_lines(&logs.text()));
            }
        }
        PortError::new(error.kind(), docker::whole(message))
    }

    /// Stops the containers, keeping them and their data.
    pub(super) async fn stop(&self) -> PortResult<()> {
        let seconds = self.stop_seconds.to_string();
        self.succeed("cannot stop the infrastructure", &["stop", "-t", &seconds]).await
    }

    /// Removes containers, networks and volumes.
    pub(super) async fn down(&self) -> PortResult<()> {
        let seconds = self.stop_seconds.to_string();
        let arguments = ["down", "-v", "-t", &seconds, "--remove-orphans"];
        self.succeed("cannot remove the infrastructure", &arguments).await
    }

    /// Whether every service of the file runs, or was a job that ended well.
    pub(super) async fn is_running(&self) -> PortResult<bool> {
        let containers = self.containers().await?;
        Ok(self.services()?.iter().all(|service| {
            let mut own = containers.iter().filter(|container| container.service == *service).peekable();
            own.peek().is_some() && own.all(is_well)
        }))
    }

    async fn containers(&self) -> PortResult<Vec<ComposeContainer>> {
        let output = self.compose(&["ps", "-a", "--format", "json"], QUICK, &CancellationToken::new()).await?;
        if !output.succeeded() {
            return Err(docker::classify("cannot list containers", &output.complaint()));
        }
        parse_ps(&output.text()).map_err(|error| {
            PortError::with_source(ErrorKind::Invalid, "cannot read the list of containers", error)
        })
    }

    fn file(&self) -> PortResult<Value> {
        let read = || Ok::<_, std::io::Error>(serde_json::from_slice(&fs::read(&self.resolved)?)?);
        read().map_err(|error| {
            PortError::with_source(
                ErrorKind::Unavailable,
                format!("cannot read {}", self.resolved.display()),
                error,
            )
        })
    }

    fn services(&self) -> PortResult<BTreeSet<String>> {
        let file = self.file()?;
        let Some(services) = file["services"].as_object() else { return Ok(BTreeSet::new()) };
        let wanted = |service: &Value| service["scale"] != 0 && service["deploy"]["replicas"] != 0;
        Ok(services.iter().filter(|(_, service)| wanted(service)).map(|(name, _)| name.clone()).collect())
    }

    fn builds(&self) -> bool {
        let file = self.file().unwrap_or_default();
        file["services"].as_object().is_some_and(|services| services.values().any(|s| s.get("build").is_some()))
    }

    async fn succeed(&self, what: &str, arguments: &[&str]) -> PortResult<()> {
        let output = self.compose(arguments, START, &CancellationToken::new()).await?;
        if output.succeeded() { Ok(()) } else { Err(docker::classify(what, &output.complaint())) }
    }

    async fn compose(
        &self,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> PortResult<crate::outbound::tool::Output> {
        let file = self.resolved.to_string_lossy();
        let all =
            [&["compose", "--ansi", "never", "--progress", "quiet", "-f", &file, "-p", &self.name], arguments]
                .concat();
        self.docker.output(&all, timeout, cancel).await
    }
}

/// Runs, or was a job that ended well; its health is still open.
fn is_well(container: &ComposeContainer) -> bool {
    match container.state.as_str() {
        "running" => container.health != "unhealthy",
        "exited" => container.exit_code == 0,
        _ => false,
    }
}

fn is_ready(container: &ComposeContainer) -> bool {
    is_well(container) && container.health != "starting"
}

/// Waiting longer will not help. One that docker starts again (`restarting`) may come up yet.
fn has_failed(container: &ComposeContainer) -> bool {
    match container.state.as_str() {
        "running" => container.health == "unhealthy",
        "exited" => container.exit_code != 0,
        state => state == "dead",
    }
}

/// The user's file, which must not lie outside the checkout, links included.
fn beneath(root: &Path, file: &str) -> PortResult<PathBuf> {
    let invalid = |why: &str| PortError::new(ErrorKind::Invalid, format!("compose file {file}: {why}"));
    let real = |path: &Path| path.canonicalize().map_err(|_| invalid("it is not there"));
    let path = real(&root.join(file))?;
    if path.starts_with(real(root)?) { Ok(path) } else { Err(invalid("it lies outside the repository")) }
}

/// `<NAME>_PORT` for every name, and the variables that the file itself takes a service's port from.
fn port_variables(path: &Path, ports: &PortMap) -> BTreeMap<String, String> {
    let variable = |name: &str| format!("{}_PORT", name.to_uppercase().replace('-', "_"));
    let mut variables: BTreeMap<String, String> =
        ports.iter().map(|(name, port)| (variable(name), port.to_string())).collect();
    // A file that does not parse is compose's to complain about.
    let text = fs::read_to_string(path).unwrap_or_default();
    for (name, service) in compose::read(&text, "").services {
        if let Some(port) = ports.get(&name) {
            variables.extend(own_variables(&service).map(|variable| (variable.to_owned(), port.to_string())));
        }
    }
    variables
}

/// Variables of a service's ports that its one leased port can be given to: the first port's, and those of ports that
/// stand for the same one (TCP and UDP of one number). Docker chooses all other ports, whatever their variables say.
fn own_variables(service: &InfraService) -> impl Iterator<Item = &str> {
    let first = service.ports.first();
    let same = move |port: &&PublishedPort| first.is_some_and(|first| port.host == first.host && port.host != 0);
    let others = service.ports.iter().skip(1).filter(same).map(|port| port.env_var.as_str());
    std::iter::once(service.env_var.as_str()).chain(others).filter(|variable| !variable.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_that_can_be_given_the_leased_port_is_given_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "services:\n  dns:\n    ports: ['${dns_port:-53}:53/tcp', '${DNS_UDP:-53}:53/udp', '${UI:-80}:80']\n  \
                    db-1: {ports: ['${WANTED:?say}:5432']}\n  other: {ports: ['${OTHER:-1}:1']}\n";
        fs::write(file.path(), text).unwrap();
        let ports = PortMap::from([("dns".to_owned(), 61_001), ("db-1".to_owned(), 61_002)]);
        let variables = port_variables(file.path(), &ports);
        let found: Vec<(&str, &str)> =
            variables.iter().map(|(name, port)| (name.as_str(), port.as_str())).collect();
        assert_eq!(
            found,
            [
                ("DB_1_PORT", "61002"),
                ("DNS_PORT", "61001"),
                ("DNS_UDP", "61001"),
                ("WANTED", "61002"),
                ("dns_port", "61001"),
            ]
        );
    }
}
