//! Which services run with values that a reset changed (spec §21, Propagation).

use std::collections::{BTreeMap, BTreeSet};

use super::project::template::references;
use super::project::{ProjectConfig, ServiceConfig};

/// What a change reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affected {
    /// Services to restart, in byte order.
    pub services: Vec<String>,
    /// Whether a start command is among what must be rendered anew.
    pub regenerate_compose: bool,
}

/// What new outputs of a provisioner service and new values of these store keys reach: services whose variables or
/// start command refer to them, and services in the same folder as one of those.
#[must_use]
pub fn affected(config: &ProjectConfig, provisioner: &str, store_keys: &[String]) -> Affected {
    let refers = |text: &str| {
        references(text).iter().any(|reference| match reference[..] {
            ["provisioner", service, ..] => service == provisioner,
            ["store", key] => store_keys.iter().any(|changed| changed == key),
            _ => false,
        })
    };
    let env = |service: &ServiceConfig| service.env.iter().flat_map(BTreeMap::values).any(|value| refers(value));
    let direct: Vec<&ServiceConfig> =
        config.services.values().filter(|service| env(service) || refers(&service.start)).collect();
    let folders: BTreeSet<String> = direct.iter().map(|service| folder(service)).collect();
    let reached = config.services.iter().filter(|(_, service)| folders.contains(&folder(service)));
    Affected {
        services: reached.map(|(name, _)| name.clone()).collect(),
        regenerate_compose: direct.iter().any(|service| refers(&service.start)),
    }
}

/// The folder without what does not matter: `./apps//web/` is `apps/web`.
fn folder(service: &ServiceConfig) -> String {
    let parts: Vec<&str> = service.path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

/// Keys whose values differ, that were added or removed; in byte order.
#[must_use]
pub fn store_diff(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}
