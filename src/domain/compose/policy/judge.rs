//! The walk over a file as Compose understood it: every mapping against its list of keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::from_root;
use super::violation::{Violation, Wrong, child, item};
use super::{Claim, Want, service, stores};
use crate::domain::compose::Confinement;
use crate::domain::yaml::tree::shown;

/// Ports that one file may publish: each is a process of Docker's and a port of the host.
const MOST_PORTS: usize = 32;

/// What a resolved file asks for.
#[derive(Debug, Default)]
pub struct ResolvedJudgement {
    /// What is refused.
    pub violations: Vec<Violation>,
    /// What is to be looked at in the checkout.
    pub claims: Vec<Claim>,
}

/// Judges a file as `docker compose config --format json` prints it; `root` is the checkout as it was named to Compose.
#[must_use]
pub fn judge_resolved(file: &Value, root: &str, confinement: &Confinement) -> ResolvedJudgement {
    let names = file.get("services").and_then(Value::as_object);
    let services = names.into_iter().flat_map(|services| services.keys().map(String::as_str)).collect();
    let mut judge = Judge { root, confinement, services, found: ResolvedJudgement::default() };
    judge.mapping("", file, TOP);
    judge.bound_numbers(file);
    judge.found
}

const TOP: &[Rule] = &[
    ("name", any),
    ("version", any),
    ("services", service::services),
    ("networks", stores::networks),
    ("volumes", stores::volumes),
    ("secrets", stores::files),
    ("configs", stores::files),
];

/// Judges the value of a key.
pub(super) type Check = fn(&mut Judge<'_>, &str, &Value);

/// A key that is known, and how its value is judged.
pub(super) type Rule = (&'static str, Check);

pub(super) struct Judge<'a> {
    pub(super) root: &'a str,
    pub(super) confinement: &'a Confinement,
    pub(super) services: BTreeSet<&'a str>,
    pub(super) found: ResolvedJudgement,
}

impl Judge<'_> {
    pub(super) fn refuse(&mut self, place: &str, wrong: Wrong, message: impl Into<String>) {
        self.found.violations.push(Violation::new(place, wrong, message));
    }

    /// Every key of a mapping, by these rules. `x-…` keys are nobody's, and what is null says nothing.
    pub(super) fn mapping(&mut self, place: &str, value: &Value, rules: &[Rule]) {
        let Some(entries) = self.object(place, value) else { return };
        for (key, value) in entries.iter().filter(|(key, value)| !key.starts_with("x-") && !value.is_null()) {
            let at = child(place, key);
            match rules.iter().find(|(known, _)| known == key) {
                Some((_, check)) => check(self, &at, value),
                None => self.refuse(&at, Wrong::Unknown, "it is not known to be harmless: remove it"),
            }
        }
    }

    /// Each named item of a section.
    pub(super) fn each(&mut self, place: &str, value: &Value, check: Check) {
        let Some(entries) = self.object(place, value) else { return };
        entries.iter().filter(|(_, value)| !value.is_null()).for_each(|(key, value)| {
            check(self, &child(place, key), value);
        });
    }

    /// Each item of a list; a single text stands for a list of one.
    pub(super) fn items(&mut self, place: &str, value: &Value, check: Check) {
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| check(self, &item(place, index), value));
            }
            Value::String(_) => check(self, place, value),
            _ => self.refuse(place, Wrong::Unknown, "a list was expected"),
        }
    }

    /// A text.
    pub(super) fn text<'v>(&mut self, place: &str, value: &'v Value) -> &'v str {
        value.as_str().unwrap_or_else(|| {
            self.refuse(place, Wrong::Unknown, "a text was expected");
            ""
        })
    }

    fn object<'v>(&mut self, place: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let found = value.as_object();
        if found.is_none() {
            self.refuse(
                if place.is_empty() { "the file" } else { place },
                Wrong::Unknown,
                "a mapping was expected",
            );
        }
        found
    }

    /// A path that Compose made absolute; it must lie in the checkout.
    pub(super) fn path(&mut self, place: &str, path: &str, want: Want) -> Option<String> {
        match from_root(self.root, path) {
            Ok(path) => {
                self.found.claims.push(Claim { place: place.to_owned(), path: path.clone(), want });
                Some(path)
            }
            Err((wrong, why)) => {
                self.refuse(place, wrong, format!("`{}`: {why}", shown(path)));
                None
            }
        }
    }

    /// Whether a text is `service:<name>` of this file.
    pub(super) fn is_own_service(&self, text: &str) -> bool {
        text.strip_prefix("service:").is_some_and(|name| self.services.contains(name))
    }

    fn bound_numbers(&mut self, file: &Value) {
        let services = file.get("services").and_then(Value::as_object).into_iter().flat_map(Map::values);
        let (mut containers, mut ports) = (0_u64, 0);
        for service in services {
            containers = containers.saturating_add(replicas(service));
            ports += service.get("ports").and_then(Value::as_array).map_or(0, Vec::len);
        }
        let most = u64::from(self.confinement.containers);
        if containers > most {
            let message = format!("{containers} containers are more than the {most} that a preview may have");
            self.refuse("services", Wrong::Limit, message);
        }
        if ports > MOST_PORTS {
            let message =
                format!("{ports} published ports are more than the {MOST_PORTS} that a preview may have");
            self.refuse("services", Wrong::Limit, message);
        }
    }
}

/// Containers that a service asks for.
fn replicas(service: &Value) -> u64 {
    let number = |value: Option<&Value>| {
        let value = value.filter(|value| !value.is_null())?;
        // What is no count is told by nobody else.
        Some(value.as_u64().unwrap_or(u64::MAX))
    };
    let scale = number(service.get("scale"));
    let replicas = number(service.pointer("/deploy/replicas"));
    scale.into_iter().chain(replicas).max().unwrap_or(1)
}

/// Nothing that it can say does harm.
pub(super) fn any(_: &mut Judge<'_>, _: &str, _: &Value) {}

/// Only `false` is harmless.
pub(super) fn must_be_false(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if value != &Value::Bool(false) {
        judge.refuse(place, Wrong::Privilege, "it gives the rights of the host: remove it");
    }
}

/// It gives rights, whatever it says.
pub(super) fn privilege(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !is_empty(value) {
        judge.refuse(place, Wrong::Privilege, "it gives rights on the host: remove it");
    }
}

/// It takes from what neighbours need, whatever it says.
pub(super) fn limit(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !is_empty(value) {
        judge.refuse(place, Wrong::Limit, "limits are the host's to set: remove it");
    }
}

/// It names something that is not the preview's own.
pub(super) fn foreign(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !is_empty(value) && value != &Value::Bool(false) {
        judge.refuse(place, Wrong::Foreign, "only what this file makes itself can be used: remove it");
    }
}

/// It says how something is driven.
pub(super) fn driver_options(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !is_empty(value) {
        judge.refuse(place, Wrong::Driver, "options of drivers are not allowed: remove it");
    }
}

/// It reaches files of the host that are none of the repository's.
pub(super) fn outside(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !is_empty(value) {
        judge.refuse(place, Wrong::Outside, "it reaches files of the host: remove it");
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// Beginnings of labels that programs on a host obey: proxies, updaters, schedulers, Docker's own and ours.
const OBEYED: [&str; 18] = [
    "autoheal",
    "caddy",
    "com.centurylinklabs.",
    "com.docker.",
    "com.github.",
    "coolify.",
    "diun.",
    "docker-volume-backup.",
    "dokku.",
    "io.containerd.",
    "io.podman.",
    "io.portainer.",
    "ofelia.",
    "previewbot.",
    "sablier.",
    "swarm.",
    "traefik.",
    "tsdproxy.",
];

pub(super) fn labels(judge: &mut Judge<'_>, place: &str, value: &Value) {
    let keys: Vec<&str> = match value {
        Value::Object(entries) => entries.keys().map(String::as_str).collect(),
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap_or_default()).collect(),
        _ => return judge.refuse(place, Wrong::Unknown, "a mapping was expected"),
    };
    for key in keys {
        let lower = key.trim().to_ascii_lowercase();
        if OBEYED.iter().any(|start| lower.starts_with(start) || lower == start.trim_end_matches('.')) {
            let message = "other programs on the host obey this label: remove it";
            judge.refuse(&child(place, key), Wrong::Label, message);
        }
    }
}
