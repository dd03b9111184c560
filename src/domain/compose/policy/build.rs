//! What a build may read and how it may run; and which secrets and configs are given to whom.

use serde_json::Value;

use super::judge::{Judge, Rule, any, labels, must_be_false, outside, privilege};
use super::path::{from_root, is_remote};
use super::violation::{Wrong, child};
use super::{Want, address, resources};
use crate::domain::yaml::tree::shown;

const BUILD: &[Rule] = &[
    ("additional_contexts", additional_contexts),
    ("args", any),
    ("cache_from", cache_from),
    ("cache_to", outside),
    ("context", context),
    // Judged with the context, which it starts from.
    ("dockerfile", any),
    ("dockerfile_inline", any),
    ("entitlements", privilege),
    ("extra_hosts", address::hosts),
    ("isolation", privilege),
    ("labels", labels),
    ("network", network),
    ("no_cache", any),
    ("platforms", any),
    ("privileged", must_be_false),
    ("pull", any),
    ("secrets", grants),
    ("shm_size", any),
    ("ssh", |judge, place, _| judge.refuse(place, Wrong::Foreign, "the host's keys cannot be used: remove it")),
    // Names are given by the overlay.
    ("tags", any),
    ("target", any),
    ("ulimits", resources::ulimits),
];

pub(super) fn build(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(place, value, BUILD);
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(context) = text("context").and_then(|context| from_root(judge.root, context).ok()) else { return };
    // Not all builders stay in the context, and each follows links for these files.
    let beside = |name: &str| format!("{}/{context}/{name}", judge.root.trim_end_matches('/'));
    let ignore = beside(".dockerignore");
    let file = text("dockerfile").unwrap_or("Dockerfile");
    let file = if file.starts_with('/') { file.to_owned() } else { beside(file) };
    judge.path(place, &ignore, Want::FileIfAny);
    if text("dockerfile_inline").is_none() {
        let at = child(place, "dockerfile");
        if judge.path(&at, &file, Want::FileIfAny).is_some() {
            judge.path(&at, &format!("{file}.dockerignore"), Want::FileIfAny);
        }
    }
}

fn context(judge: &mut Judge<'_>, place: &str, value: &Value) {
    let path = judge.text(place, value);
    judge.path(place, path, Want::Something);
}

/// A folder of the checkout, another service's image or an image, as in `FROM`.
fn additional_contexts(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.each(place, value, |judge, place, value| {
        let text = judge.text(place, value);
        if judge.is_own_service(text) || text.starts_with("docker-image://") {
            return;
        }
        if is_remote(text) {
            let message = format!("`{}` would be fetched: put a copy in the repository", shown(text));
            judge.refuse(place, Wrong::Remote, message);
        } else {
            judge.path(place, text, Want::Something);
        }
    });
}

/// Images only: the other forms (`type=local,src=…`) reach files and servers.
fn cache_from(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, value| {
        if judge.text(place, value).contains('=') {
            judge.refuse(place, Wrong::Outside, "only an image can be a cache: name one");
        }
    });
}

fn network(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !matches!(judge.text(place, value), "" | "none" | "default") {
        judge.refuse(place, Wrong::Namespace, "a build has a network of its own or none: remove it");
    }
}

/// Secrets or configs of the file, which are judged there.
pub(super) fn grants(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, grant| {
        if !grant.is_string() {
            judge.mapping(
                place,
                grant,
                &[("gid", any), ("mode", any), ("source", any), ("target", any), ("uid", any)],
            );
        }
    });
}
