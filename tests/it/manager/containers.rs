//! Containers, as the made-up world plays them: a service runs or it does not.

use std::collections::BTreeSet;

use async_trait::async_trait;
use previewbot::domain::compose::ComposeContainer;
use previewbot::domain::entry::ComputeAccessInfo;
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::ports::{ContainerTarget, Containers, LineSink, LogRequest, Part, UpRequest};
use tokio_util::sync::CancellationToken;

use super::world::{Container, World};

fn word(part: Part) -> &'static str {
    match part {
        Part::Infrastructure => "infrastructure",
        Part::Application => "application",
    }
}

fn call(verb: &str, target: &ContainerTarget<'_>) -> String {
    format!("{verb} {} {}", word(target.part), target.services.join(" ")).trim_end().to_owned()
}

#[async_trait]
impl Containers for World {
    async fn up(&self, request: &UpRequest<'_>, cancel: &CancellationToken) -> PortResult<()> {
        let target = &request.target;
        self.call(call("up", target));
        self.check("up", "up")?;
        if self.failing.lock().unwrap().contains("up_hangs") {
            cancel.cancelled().await;
            return Err(PortError::new(ErrorKind::Cancelled, "cancelled"));
        }
        let mut containers = self.containers.lock().unwrap();
        for service in target.services {
            let revision = request.revisions.get(service).cloned().unwrap_or_default();
            let container = containers.entry((target.part, service.clone())).or_default();
            if container.state != "running" || container.revision != revision {
                self.made_anew.lock().unwrap().push(service.clone());
            }
            *container = Container { state: "running".to_owned(), revision };
        }
        Ok(())
    }

    async fn halt(&self, target: &ContainerTarget<'_>, _cancel: &CancellationToken) -> PortResult<()> {
        self.call(call("halt", target));
        self.check("halt", "halt")?;
        let mut containers = self.containers.lock().unwrap();
        for ((part, service), container) in containers.iter_mut() {
            if *part == target.part && (target.services.is_empty() || target.services.contains(service)) {
                container.state = "exited".to_owned();
            }
        }
        Ok(())
    }

    async fn restart(&self, target: &ContainerTarget<'_>, _cancel: &CancellationToken) -> PortResult<()> {
        self.call(call("restart", target));
        self.check("restart", "restart")
    }

    async fn containers(&self, target: &ContainerTarget<'_>) -> PortResult<Vec<ComposeContainer>> {
        self.check("containers", "containers")?;
        let wanted: BTreeSet<&String> = target.services.iter().collect();
        let containers = self.containers.lock().unwrap();
        let own = containers.iter().filter(|((part, service), _)| {
            *part == target.part && (wanted.is_empty() || wanted.contains(service))
        });
        let shown = own.map(|((_, service), container)| ComposeContainer {
            service: service.clone(),
            name: format!("demo-{service}-1"),
            state: container.state.clone(),
            ..ComposeContainer::default()
        });
        Ok(shown.collect())
    }

    async fn logs(
        &self,
        _environment: &str,
        _info: &ComputeAccessInfo,
        request: &LogRequest,
        sink: &dyn LineSink,
        _cancel: &CancellationToken,
    ) -> PortResult<()> {
        self.call(format!("logs {}", word(request.part)));
        for line in ["one", "two secret-value", "three"] {
            if !sink.line(line) {
                break;
            }
        }
        Ok(())
    }
}
