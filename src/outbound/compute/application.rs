//! The parts of an environment's compose project: the user's infrastructure and the generated application.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::compose::{self, Compose, words};
use super::on_machine::MachineCompute;
use super::patch::Patch;
use crate::domain::compose::ComposeContainer;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{ContainerTarget, Containers, LineSink, LogRequest, Part, UpRequest};
use crate::domain::render::compose::COMPOSE_FILE;
use crate::outbound::machine::{Machine, Whereabouts};

/// What a service's containers were made from; another value makes Compose make them anew.
const REVISION_LABEL: &str = "previewbot.revision";

impl MachineCompute {
    async fn resolve_part(
        &self,
        compose: &mut Compose,
        request: &UpRequest<'_>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let target = &request.target;
        let labels = self.labels(target.environment);
        let name = compose.place.name.clone();
        let patch = self.patch(&name, request.ports, &labels);
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
    compose: &mut Compose,
    root: &Path,
    (request, patch): (&UpRequest<'_>, &Patch<'_>),
    cancel: &CancellationToken,
) -> PortResult<()> {
    let machine = compose.place.machine.clone();
    let staged = compose.place.resolved.with_file_name("application-generated.json");
    let generated = read_generated(&*machine, root).await?;
    machine.write(&staged, &generated).await?;
    let docker = compose.place.docker.clone();
    let lodging = machine.lodging().filter(|_| patch.confinement.is_some());
    let patch = &Patch { lodging: lodging.as_ref(), ..*patch };
    let understood = compose.understood(&docker, (root, &staged, &generated), COMPOSE_FILE, patch, cancel).await;
    let mut resolved =
        understood.map_err(|error| if patch.confinement.is_some() { hint(error) } else { error })?;
    for (service, revision) in request.revisions {
        if let Some(labels) = resolved.pointer_mut(&format!("/services/{}/labels", pointer(service))) {
            labels[REVISION_LABEL] = json!(revision);
        }
    }
    refuse_clash(compose, &resolved)?;
    compose.write(Part::Application, resolved).await
}

/// The file is generated: what is to be changed is not in it.
fn hint(error: PortError) -> PortError {
    match error.kind() {
        ErrorKind::Invalid => error
            .context("the application of `runner.compose` (in a sandbox it can run on a host of the pool alone)"),
        _ => error,
    }
}

/// A service's name as a part of a JSON pointer.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Two services of one compose project cannot have one name: Compose would take them for the same one.
fn refuse_clash(compose: &Compose, application: &Value) -> PortResult<()> {
    let infrastructure = compose.services(Part::Infrastructure);
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
async fn read_generated(machine: &dyn Machine, root: &Path) -> PortResult<Vec<u8>> {
    let unreadable = |error: io::Error| {
        let message = format!("{COMPOSE_FILE} is not as it was generated: run the step generate_compose");
        PortError::with_source(ErrorKind::Invalid, message, error)
    };
    let path = compose::beneath(machine, root, COMPOSE_FILE).await?;
    let read = machine.read(&[&path]).await;
    let text = read.map_err(|error| unreadable(io::Error::other(error.chain())))?;
    let text = text.into_iter().next().flatten().unwrap_or_default();
    let mut file: Value = serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))?;
    let there = env_files_there(machine, root, &file).await?;
    let services = file.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        if let Some(files) = service.get_mut("env_file").and_then(Value::as_array_mut) {
            files.retain(|file| file.as_str().is_some_and(|file| there.contains(file)));
        }
    }
    serde_json::to_vec_pretty(&file).map_err(|error| unreadable(error.into()))
}

/// Those of a file's env files that are there. Compose reads them with the bot's own rights: a link out of the checkout
/// must not lead it anywhere.
async fn env_files_there(machine: &dyn Machine, root: &Path, file: &Value) -> PortResult<BTreeSet<String>> {
    let services = file["services"].as_object().into_iter().flat_map(|services| services.values());
    let files = services.filter_map(|service| service["env_file"].as_array()).flatten();
    let named: BTreeSet<&str> = files.filter_map(Value::as_str).collect();
    // `$$` is Compose's dollar sign, as in every text of the file.
    let paths: Vec<String> = named.iter().map(|name| name.replace("$$", "$")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    if paths.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut there = BTreeSet::new();
    for (name, found) in named.into_iter().zip(machine.find(root, &paths).await?) {
        match found {
            Whereabouts::File(_) => {
                there.insert(name.to_owned());
            }
            Whereabouts::Outside => {
                let message = format!("env file {name} cannot be used: it leads out of the environment's folder");
                return Err(PortError::new(ErrorKind::Invalid, message));
            }
            Whereabouts::Missing | Whereabouts::Other => {}
        }
    }
    Ok(there)
}

#[async_trait]
impl Containers for MachineCompute {
    async fn up(&self, request: &UpRequest<'_>, cancel: &CancellationToken) -> PortResult<()> {
        self.machine.end_tools(self.options.life).await?;
        let mut compose = self.compose(request.target.environment).await?;
        let part = request.target.part;
        if part == Part::Application {
            // All that its services mount is beyond the reach of whoever writes in the checkout.
            self.undisturbed(self.resolve_part(&mut compose, request, cancel)).await?;
            return compose.up_services(part, request.target.services, cancel).await;
        }
        let start = async {
            self.resolve_part(&mut compose, request, cancel).await?;
            compose.up_services(part, request.target.services, cancel).await
        };
        self.undisturbed(start).await
    }

    async fn halt(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()> {
        self.machine.end_tools(self.options.life).await?;
        let compose = self.compose(target.environment).await?;
        if !compose.has(target.part) {
            return Ok(());
        }
        compose.stop_services(target.part, target.services, cancel).await
    }

    async fn restart(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()> {
        self.machine.end_tools(self.options.life).await?;
        let compose = self.compose(target.environment).await?;
        require_started(&compose, target.part)?;
        if self.options.confinement.is_some() && target.part == Part::Infrastructure {
            // It would follow what is mounted to wherever it leads now.
            let message =
                "infrastructure of a sandbox is not restarted but deployed again, which looks at what it mounts";
            return Err(PortError::new(ErrorKind::Invalid, message));
        }
        compose.restart_services(target.part, target.services, cancel).await
    }

    async fn containers(&self, target: &ContainerTarget<'_>) -> PortResult<Vec<ComposeContainer>> {
        let compose = self.compose(target.environment).await?;
        if !compose.has(target.part) {
            return Ok(Vec::new());
        }
        let known = compose.services(target.part);
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
        let compose = self.compose(environment).await?;
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
