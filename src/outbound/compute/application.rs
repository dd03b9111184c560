//! The parts of an environment's compose project: the user's infrastructure and the generated application.

use std::fs;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::compose::{self, Compose, words};
use super::local::LocalCompute;
use super::patch::Patch;
use crate::domain::compose::ComposeContainer;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{ContainerTarget, Containers, LineSink, LogRequest, Part, UpRequest};
use crate::domain::render::compose::COMPOSE_FILE;
use crate::outbound::supervisor::end_orphaned_tools;

/// What a service's containers were made from; another value makes Compose make them anew.
const REVISION_LABEL: &str = "previewbot.revision";
/// Largest generated file that is read, in bytes.
const READ_LIMIT: u64 = 16 * 1024 * 1024;

impl LocalCompute {
    async fn resolve_part(
        &self,
        compose: &Compose,
        request: &UpRequest<'_>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let target = &request.target;
        let labels = self.labels(target.environment);
        let bind = &self.options.bind;
        let patch = Patch { name: &compose.name, ports: request.ports, bind, labels: &labels };
        let root = self.path(target.info);
        match (target.part, &self.options.compose_file) {
            (Part::Infrastructure, Some(file)) => compose.resolve((&root, file), &patch, cancel).await,
            (Part::Infrastructure, None) => Err(PortError::new(
                ErrorKind::NotFound,
                "there is no infrastructure: infrastructure.compose_file is not set",
            )),
            (Part::Application, _) => resolve_application(compose, &root, (request, &patch), cancel).await,
        }
    }
}

/// Resolves the generated file, adds labels, and writes what is going to be run.
async fn resolve_application(
    compose: &Compose,
    root: &Path,
    (request, patch): (&UpRequest<'_>, &Patch<'_>),
    cancel: &CancellationToken,
) -> PortResult<()> {
    let staged = compose.resolved.with_file_name("application-generated.json");
    let generated = read_generated(root)?;
    compose::write_private(&staged, &generated).map_err(|error| compose::unwritable(&staged, error))?;
    let mut resolved = compose.config(&compose.docker, (root, &staged), COMPOSE_FILE, cancel).await?;
    patch.apply(&mut resolved);
    for (service, revision) in request.revisions {
        if let Some(labels) = resolved.pointer_mut(&format!("/services/{}/labels", pointer(service))) {
            labels[REVISION_LABEL] = json!(revision);
        }
    }
    refuse_clash(compose, &resolved)?;
    compose.write(Part::Application, &resolved)
}

/// A service's name as a part of a JSON pointer.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Two services of one compose project cannot have one name: Compose would take them for the same one.
fn refuse_clash(compose: &Compose, application: &Value) -> PortResult<()> {
    if !compose.has(Part::Infrastructure) {
        return Ok(());
    }
    let infrastructure = compose.services(Part::Infrastructure)?;
    let names = application["services"].as_object().into_iter().flat_map(|services| services.keys());
    let both: Vec<&str> = names.filter(|name| infrastructure.contains(*name)).map(String::as_str).collect();
    if both.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} is a service of the infrastructure's compose file and one with a start command: rename one of them",
        both.join(", ")
    );
    Err(PortError::new(ErrorKind::Invalid, message))
}

/// The generated file with those of its env files that are there: Compose refuses missing ones.
fn read_generated(root: &Path) -> PortResult<Value> {
    let path = compose::beneath(root, COMPOSE_FILE)?;
    let unreadable = |error: io::Error| {
        let message = format!("{COMPOSE_FILE} is not as it was generated: run the step generate_compose");
        PortError::with_source(ErrorKind::Invalid, message, error)
    };
    if fs::metadata(&path).map_err(unreadable)?.len() > READ_LIMIT {
        return Err(unreadable(io::Error::other("it is larger than 16 MiB")));
    }
    let text = fs::read(&path).map_err(unreadable)?;
    let mut file: Value = serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))?;
    let services = file.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        let Some(files) = service.get_mut("env_file").and_then(Value::as_array_mut) else { continue };
        let mut there = Vec::new();
        for file in files.iter().filter_map(Value::as_str) {
            // `$$` is Compose's dollar sign, as in every text of the file.
            if is_there(root, &file.replace("$$", "$"))? {
                there.push(json!(file));
            }
        }
        *files = there;
    }
    Ok(file)
}

/// Compose reads env files with the bot's own rights: a link out of the checkout must not lead it anywhere.
fn is_there(root: &Path, file: &str) -> PortResult<bool> {
    if fs::symlink_metadata(root.join(file)).is_err() {
        return Ok(false);
    }
    let outside = |error: io::Error| {
        PortError::with_source(ErrorKind::Invalid, format!("env file {file} cannot be used"), error)
    };
    let (path, root) = (root.join(file).canonicalize().map_err(outside)?, root.canonicalize().map_err(outside)?);
    if !path.starts_with(root) {
        return Err(outside(io::Error::other("it leads out of the environment's folder")));
    }
    Ok(path.is_file())
}

#[async_trait]
impl Containers for LocalCompute {
    async fn up(&self, request: &UpRequest<'_>, cancel: &CancellationToken) -> PortResult<()> {
        end_orphaned_tools(self.options.life).await;
        let compose = self.compose(request.target.environment);
        self.resolve_part(&compose, request, cancel).await?;
        compose.up_services(request.target.part, request.target.services, cancel).await
    }

    async fn halt(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()> {
        end_orphaned_tools(self.options.life).await;
        let compose = self.compose(target.environment);
        if !compose.has(target.part) {
            return Ok(());
        }
        compose.stop_services(target.part, target.services, cancel).await
    }

    async fn restart(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()> {
        end_orphaned_tools(self.options.life).await;
        let compose = self.compose(target.environment);
        require_started(&compose, target.part)?;
        compose.restart_services(target.part, target.services, cancel).await
    }

    async fn containers(&self, target: &ContainerTarget<'_>) -> PortResult<Vec<ComposeContainer>> {
        let compose = self.compose(target.environment);
        if !compose.has(target.part) {
            return Ok(Vec::new());
        }
        let known = compose.services(target.part)?;
        let meant = |service: &String| {
            known.contains(service) && (target.services.is_empty() || target.services.contains(service))
        };
        Ok(compose.containers().await?.into_iter().filter(|container| meant(&container.service)).collect())
    }

    async fn logs(
        &self,
        environment: &str,
        _info: &ComputeAccessInfo,
        request: &LogRequest,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let compose = self.compose(environment);
        require_started(&compose, request.part)?;
        compose.logs(request, sink, cancel).await
    }
}

fn require_started(compose: &Compose, part: Part) -> PortResult<()> {
    if compose.has(part) {
        return Ok(());
    }
    Err(PortError::new(ErrorKind::NotFound, format!("{} was never started here", words(part))))
}
