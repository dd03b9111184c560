//! What a service may take: what can be lowered to the limit is left to the overlay, the rest is judged here.

use serde_json::Value;

use super::judge::{Judge, any, labels, limit, privilege};
use super::violation::{Wrong, child};

pub(super) fn deploy(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(
        place,
        value,
        &[
            ("endpoint_mode", any),
            ("labels", labels),
            ("mode", any),
            ("placement", any),
            ("replicas", any),
            ("resources", |judge, place, value| {
                judge.mapping(place, value, &[("limits", amounts), ("reservations", amounts)]);
            }),
            ("restart_policy", any),
            ("rollback_config", any),
            ("update_config", any),
        ],
    );
}

fn amounts(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(
        place,
        value,
        &[("cpus", any), ("devices", privilege), ("generic_resources", limit), ("memory", any), ("pids", any)],
    );
}

/// A container may be the first to go when memory is short, never the last.
pub(super) fn oom_score(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !value.as_i64().is_some_and(|score| (0..=1000).contains(&score)) {
        judge.refuse(place, Wrong::Limit, "it must be 0 to 1000: others would be ended instead");
    }
}

/// The most that each of these may be; what is not here is refused.
const ULIMITS: [(&str, u64); 4] = [("core", 0), ("nofile", 1 << 20), ("nproc", 1 << 20), ("memlock", 0)];

pub(super) fn ulimits(judge: &mut Judge<'_>, place: &str, value: &Value) {
    let Some(entries) = value.as_object() else {
        return judge.refuse(place, Wrong::Unknown, "a mapping was expected");
    };
    for (key, value) in entries {
        let at = child(place, key);
        let Some((_, most)) = ULIMITS.iter().find(|(known, _)| known == key) else {
            judge.refuse(&at, Wrong::Unknown, "it is not known to be harmless: remove it");
            continue;
        };
        let most = if key == "memlock" { judge.confinement.memory } else { *most };
        let within = |value: &Value| value.as_u64().is_some_and(|value| value <= most);
        let fits = match value {
            Value::Object(both) => both.values().all(within),
            single => within(single),
        };
        if !fits {
            judge.refuse(&at, Wrong::Limit, format!("it must be 0 to {most}"));
        }
    }
}
