//! Topics `resolve_cwd`, `dotenv_load` and `status_markdown`: what the command line finds and shows.

use std::collections::{BTreeMap, BTreeSet};

use previewbot::domain::cwd::{CwdError, resolve_cwd};
use previewbot::domain::dotenv::{self, EnvFileNotFound};
use previewbot::domain::entry::{ComputeAccessInfo, EnvironmentEntry};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::wording::{StatusTable, status_markdown};
use serde_json::{Value, json};

use super::checks::{Outcome, Verdict, compare, ensure, is_dns_label};
use super::vectors::{Answer, Vector};

fn entry(name: String, kind: &str, path: Option<String>) -> EnvironmentEntry {
    let compute = path.filter(|path| path != "-");
    let compute = compute.map(|path| ComputeAccessInfo {
        kind: kind.to_owned(),
        path: Some(path),
        ..ComputeAccessInfo::default()
    });
    EnvironmentEntry { name, compute, ..EnvironmentEntry::default() }
}

pub(super) fn resolving(vector: &Vector, answer: &Answer) -> Verdict {
    let of_kind = |key: &str, kind: &'static str| {
        let places: BTreeMap<String, Option<String>> = vector.part_or_default(key);
        places.into_iter().map(move |(name, path)| entry(name, kind, path))
    };
    let entries: Vec<EnvironmentEntry> = of_kind("envs", "local").chain(of_kind("ssh", "ssh")).collect();
    let found = resolve_cwd(vector.text("cwd"), &entries, &str::to_owned);
    let outcome = found.map(|entry| json!(entry.name)).map_err(|error| match &error {
        CwdError::NotInside(_) => ("not_inside_environment", error.to_string()),
        CwdError::Ambiguous { .. } => ("ambiguous_environment", error.to_string()),
    });
    compare(answer, outcome, |_, outcome| {
        let Ok(Value::String(name)) = outcome else { return Ok(()) };
        let known = entries.iter().find(|entry| entry.name == *name);
        ensure(known.is_some_and(|entry| entry.worktree_path().is_some()), format!("{name} has no folder"))
    })
}

pub(super) fn dotenv_load(vector: &Vector, answer: &Answer) -> Verdict {
    let files: BTreeMap<String, String> = vector.part_or_default("files");
    let preset: BTreeMap<String, String> = vector.part_or_default("preset");
    let queried: Vec<String> = vector.part_or_default("query");
    let mut read = |name: &str| Ok::<_, EnvFileNotFound>(files.get(name).cloned());
    let loaded = dotenv::load(vector.text("extra"), &|name| preset.contains_key(name), &mut read);
    let outcome: Outcome = match loaded {
        Ok(loaded) => {
            let value = |name: &String| (name.clone(), json!(preset.get(name).or_else(|| loaded.get(name))));
            Ok(Value::Object(queried.iter().map(value).collect()))
        }
        Err(error) => Err(("env_file_not_found", error.to_string())),
    };
    // Whatever else is asked for: what the process had stays as it was.
    compare(answer, outcome, |_, outcome| {
        let Ok(values) = outcome else { return Ok(()) };
        let kept = |name: &&String| preset.get(*name).is_none_or(|value| values[name.as_str()] == json!(value));
        ensure(queried.iter().all(|name| kept(&name)), format!("{values}"))
    })
}

pub(super) fn status_table(vector: &Vector, answer: &Answer) -> Verdict {
    let ports: PortMap = vector.part_or_default("ports");
    let infrastructure: BTreeSet<String> = vector.part_or_default("infrastructure");
    let table = status_markdown(&StatusTable {
        environment: vector.text("env"),
        ports: &ports,
        infrastructure: &infrastructure,
        proxy_domain: vector.text("proxy_domain"),
    });
    let rows = ports.keys().filter(|name| !infrastructure.contains(*name)).count();
    compare(answer, Ok(json!(table)), |_, _| {
        ensure(table.lines().count() == rows + 2, "a row for each service")?;
        let hosts = table.split("https://").skip(1).filter_map(|link| link.split([')', '/']).next());
        let illegal: Vec<&str> = hosts.filter(|host| !host.split('.').all(is_dns_label)).collect();
        ensure(illegal.is_empty(), format!("{illegal:?} are no legal hosts"))
    })
}
