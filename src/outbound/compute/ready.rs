//! Waiting for containers, and telling whose fault it is when they do not come up.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::compose::{Compose, QUICK, words};
use super::docker;
use crate::domain::compose::ComposeContainer;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::Part;

/// Between two looks at services that take their time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);
/// Looks after which they are given up: five minutes.
const LOOKS: u32 = 1_000;
/// In how many looks docker may be seen starting a container again before its service is given up.
const RESTARTS_SEEN: u32 = 13;

impl Compose {
    /// Waits until every one of these services is ready in two looks running: one without a health check may end right
    /// after it began. The pause between the first two is `watch`, and every other is twice the one before.
    pub(super) async fn ready(
        &self,
        part: Part,
        services: &[String],
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let mut seen_ready = false;
        let mut restarts = Restarts::default();
        let mut pause = self.place.watch;
        for _ in 0..LOOKS {
            let containers = self.containers_of(services).await?;
            restarts.look(&containers);
            let at_fault: Vec<_> = containers.iter().filter(|c| has_failed(c) || restarts.goes_on(c)).collect();
            if !at_fault.is_empty() {
                let error = PortError::new(ErrorKind::Invalid, format!("{} did not start", words(part)));
                return Err(self.explain(error, &at_fault).await);
            }
            let all_ready = services.iter().all(|service| each(&containers, service, is_ready));
            if all_ready && (seen_ready || containers.iter().all(|c| c.health == "healthy" || is_settled(c))) {
                return Ok(());
            }
            seen_ready = all_ready;
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(BETWEEN_LOOKS),
                () = cancel.cancelled() => {
                    let message = format!("waiting for {} was cancelled", words(part));
                    return Err(PortError::new(ErrorKind::Cancelled, message));
                }
            }
        }
        let containers = self.containers_of(services).await?;
        let waiting: Vec<_> = containers.iter().filter(|container| !is_ready(container)).collect();
        let message = format!("{} was not ready after {} s", words(part), (BETWEEN_LOOKS * LOOKS).as_secs());
        Err(self.explain(PortError::new(ErrorKind::Invalid, message), &waiting).await)
    }

    async fn containers_of(&self, services: &[String]) -> PortResult<Vec<ComposeContainer>> {
        let containers = self.containers().await?;
        Ok(containers.into_iter().filter(|container| services.contains(&container.service)).collect())
    }

    /// The error with what the failed containers of a part printed last.
    pub(super) async fn explain_failed(
        &self,
        error: PortError,
        containers: &[ComposeContainer],
        part: Part,
    ) -> PortError {
        let own = self.services(part);
        let at_fault: Vec<_> = containers.iter().filter(|c| own.contains(&c.service) && has_failed(c)).collect();
        self.explain(error, &at_fault).await
    }

    async fn explain(&self, error: PortError, at_fault: &[&ComposeContainer]) -> PortError {
        let mut message = error.to_string();
        for container in at_fault {
            message = format!("{message}\nservice {}: {}", container.service, container.status);
            if self.ran_out_of_memory(container).await {
                message.push_str("\nit was ended because it used more memory than it may have");
            }
            let arguments = ["logs", "--no-color", "--no-log-prefix", "--tail", "15", &container.service];
            if let Ok(logs) = self.compose(&arguments, QUICK, &CancellationToken::new()).await {
                message.push('\n');
                message.push_str(&docker::last_lines(&logs.text()));
            }
        }
        PortError::new(error.kind(), docker::whole(message))
    }
}

impl Compose {
    /// The kernel ends what has more than its limit without a word.
    async fn ran_out_of_memory(&self, container: &ComposeContainer) -> bool {
        let arguments = ["inspect", "--type", "container", "-f", "{{.State.OOMKilled}}", &container.name];
        let output = self.place.docker.output(&arguments, QUICK, &CancellationToken::new()).await;
        output.is_ok_and(|output| output.succeeded() && output.text().trim() == "true")
    }
}

/// How often each container was seen being started again: one that ends as often as it begins never becomes ready.
#[derive(Default)]
struct Restarts(BTreeMap<String, u32>);

impl Restarts {
    fn look(&mut self, containers: &[ComposeContainer]) {
        for container in containers.iter().filter(|container| container.state == "restarting") {
            *self.0.entry(container.name.clone()).or_default() += 1;
        }
    }

    fn goes_on(&self, container: &ComposeContainer) -> bool {
        self.0.get(&container.name).is_some_and(|seen| *seen >= RESTARTS_SEEN)
    }
}

fn each(containers: &[ComposeContainer], service: &str, holds: fn(&ComposeContainer) -> bool) -> bool {
    let mut own = containers.iter().filter(|container| container.service == service).peekable();
    own.peek().is_some() && own.all(holds)
}

/// Whether a service runs, or was a job that ended well.
pub(super) fn runs(containers: &[ComposeContainer], service: &str) -> bool {
    each(containers, service, is_well)
}

/// Runs, or was a job that ended well; its health is still open.
fn is_well(container: &ComposeContainer) -> bool {
    match container.state.as_str() {
        "running" => container.health != "unhealthy",
        "exited" => container.exit_code == 0,
        _ => false,
    }
}

/// Has run for a while, as docker tells it (`Up 5 minutes`).
fn is_settled(container: &ComposeContainer) -> bool {
    let since = container.status.strip_prefix("Up ");
    since.is_some_and(|since| !since.starts_with("Less than a second") && !since.starts_with("1 second"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_runs_for_a_while_is_settled() {
        let container =
            |status: &str| ComposeContainer { status: status.to_owned(), ..ComposeContainer::default() };
        let cases = [
            ("Up 5 seconds", true),
            ("Up About a minute", true),
            ("Up 12 seconds", true),
            ("Up 1 second", false),
            ("Up Less than a second", false),
            ("Exited (0) 2 hours ago", false),
            ("Restarting (1) 3 seconds ago", false),
            ("", false),
        ];
        for (status, settled) in cases {
            assert_eq!(is_settled(&container(status)), settled, "{status}");
        }
    }

    #[test]
    fn a_container_that_is_started_again_and_again_is_given_up() {
        let container = |state: &str| ComposeContainer {
            name: "a".to_owned(),
            state: state.to_owned(),
            ..ComposeContainer::default()
        };
        let mut restarts = Restarts::default();
        for look in 0..RESTARTS_SEEN {
            assert!(!restarts.goes_on(&container("running")), "{look}");
            restarts.look(&[container("running"), container("restarting")]);
        }
        assert!(restarts.goes_on(&container("running")));
    }
}
