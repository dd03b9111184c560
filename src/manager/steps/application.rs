//! What the application's steps share: which services are to run, in which order, made from what.

use std::collections::BTreeMap;

use super::{build_services, generate_nginx};
use crate::domain::change::Sha;
use crate::domain::project::ProjectConfig;
use crate::domain::project::graph::{CycleError, topological_sort};
use crate::domain::render::compose::{self, PROXY_SERVICE};
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::StepFailure;

/// Stands for all services where they are built together; no service has this name.
pub(super) const ALL: &str = "";

/// Services that are to run, in the order in which they were enabled: those of the entry; without an entry those of
/// the manifest, or those that start by themselves.
pub(in crate::manager) async fn enabled(context: &Context<'_>) -> Vec<String> {
    let config = &context.dependencies.config;
    let facts = context.facts().await;
    let of_manifest = || facts.manifest.as_ref().map(|manifest| manifest.enabled_services.clone());
    let enabled = match &facts.entry {
        Some(entry) => entry.enabled_services.clone(),
        None => of_manifest().filter(|enabled| !enabled.is_empty()).unwrap_or_else(|| autostart(config)),
    };
    enabled.into_iter().filter(|name| config.services.contains_key(name)).collect()
}

/// Services that start by themselves.
pub(in crate::manager) fn autostart(config: &ProjectConfig) -> Vec<String> {
    let compose = config.runner.as_ref().and_then(|runner| runner.compose.as_ref());
    compose.map(|compose| compose.autostart.clone()).unwrap_or_default()
}

/// The services, each after those that it depends on.
pub(super) fn in_order(config: &ProjectConfig, services: &[String]) -> Result<Vec<String>, CycleError> {
    let graph = config.services.iter().map(|(name, service)| (name.clone(), service.depends_on.clone()));
    let mut order = topological_sort(&graph.collect())?;
    order.retain(|name| services.contains(name));
    Ok(order)
}

/// What is to run in containers: the enabled services that have a start command, behind the proxy where it is on.
pub(in crate::manager) async fn to_run(context: &Context<'_>) -> Result<Vec<String>, StepFailure> {
    let config = &context.dependencies.config;
    let starts = |name: &String| config.services.get(name).is_some_and(|service| !service.start.is_empty());
    let enabled: Vec<String> = enabled(context).await.into_iter().filter(starts).collect();
    if enabled.is_empty() {
        return Ok(Vec::new());
    }
    let services = in_order(config, &enabled)?;
    let proxy = compose::proxy(config)?.map(|_| PROXY_SERVICE.to_owned());
    Ok(proxy.into_iter().chain(services).collect())
}

/// What each container is made from that its compose file does not tell: code and build, for the proxy its files.
pub(super) async fn revisions(
    context: &Context<'_>,
    services: &[String],
) -> Result<BTreeMap<String, String>, StepFailure> {
    let built = context.record("build_services").await.as_ref().map(build_services::built).unwrap_or_default();
    let commit = context.dependencies.commit.as_ref().map(Sha::as_str);
    let mut revisions = BTreeMap::new();
    for service in services {
        let mut fingerprint = Fingerprint::of(service);
        if service == PROXY_SERVICE {
            for file in generate_nginx::generated(context).await? {
                fingerprint = fingerprint.with(&file.path, file.data.unwrap_or_default());
            }
        } else {
            let build = built.get(service).or_else(|| built.get(ALL));
            fingerprint = fingerprint.with_optional("commit", commit).with_optional("build", build);
        }
        let hash = fingerprint.finish();
        revisions.insert(service.clone(), hash[..16].to_owned());
    }
    Ok(revisions)
}
