//! What a service may mount: volumes of the file, paths of the checkout, memory.

use serde_json::Value;

use super::Want;
use super::judge::{Judge, any, driver_options};
use super::violation::Wrong;
use crate::domain::yaml::tree::shown;

pub(super) fn volumes(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, mount| {
        let kind = mount.get("type").and_then(Value::as_str).unwrap_or_default();
        judge.mapping(
            place,
            mount,
            &[
                ("bind", bind_options),
                ("consistency", any),
                ("image", driver_options),
                ("read_only", any),
                ("source", any),
                ("target", any),
                ("tmpfs", |judge, place, value| judge.mapping(place, value, &[("mode", any), ("size", any)])),
                ("type", any),
                ("volume", |judge, place, value| judge.mapping(place, value, &[("nocopy", any)])),
            ],
        );
        if !mount.is_object() {
            return;
        }
        match kind {
            "volume" | "tmpfs" => {}
            "bind" => bind(judge, place, mount.get("source").and_then(Value::as_str).unwrap_or_default()),
            other => {
                let message = format!("a mount of type `{}` is not allowed: use a volume", shown(other));
                judge.refuse(place, Wrong::Driver, message);
            }
        }
    });
}

fn bind(judge: &mut Judge<'_>, place: &str, source: &str) {
    if source.ends_with("docker.sock") {
        return judge.refuse(place, Wrong::Privilege, "Docker's socket gives the whole host: remove it");
    }
    judge.path(place, source, Want::Something);
}

fn bind_options(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(
        place,
        value,
        &[
            ("create_host_path", any),
            ("propagation", |judge, place, value| {
                if !matches!(judge.text(place, value), "" | "private" | "rprivate") {
                    judge.refuse(place, Wrong::Namespace, "mounts may not spread to the host: remove it");
                }
            }),
            ("selinux", any),
        ],
    );
}

/// Options of a tmpfs that only concern the container; how large it may be is the overlay's to say.
const HARMLESS: [&str; 14] = [
    "rw",
    "ro",
    "exec",
    "noexec",
    "nosuid",
    "nodev",
    "atime",
    "noatime",
    "sync",
    "size",
    "mode",
    "uid",
    "gid",
    "nr_inodes",
];

/// `/path` or `/path:option,option=value`.
pub(super) fn tmpfs(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, value| {
        let text = judge.text(place, value);
        let Some((_, options)) = text.split_once(':') else { return };
        let unknown = options.split(',').find(|option| {
            !HARMLESS.contains(&option.split('=').next().unwrap_or_default().trim()) && !option.is_empty()
        });
        if let Some(unknown) = unknown {
            let message = format!("option `{}` is not known to be harmless: remove it", shown(unknown));
            judge.refuse(place, Wrong::Unknown, message);
        }
    });
}
