//! Services that the bot generates, where the preview is not trusted. They are to reach each other and what the compose
//! file publishes at `localhost:<port>`, as everywhere, and so share the host's network; what keeps hooks of the same code
//! within bounds there keeps them: the account, whose connections the host's rules judge, and no right of any other.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::patch::{CHECKOUT_LABEL, entries};
use crate::domain::compose::MIB;
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::render::compose::{CHECKOUT, COMPOSE_FILE};
use crate::outbound::machine::Lodging;

/// What a service says that was generated, as Compose prints it.
const KEYS: [&str; 9] = [
    "command",
    "depends_on",
    "entrypoint",
    "environment",
    "image",
    "network_mode",
    "restart",
    "volumes",
    "working_dir",
];
/// What may be kept in `/tmp`, as in the container of the hooks; it counts as memory.
const TEMPORARY: u64 = 128 * MIB;

/// Looks whether a file is as the bot generates it, since hooks may write where it lies, and takes the host's network out,
/// so that all the rest can be judged like any other file.
///
/// # Errors
/// `Invalid` naming what was not generated.
pub(super) fn recognise(file: &mut Value, root: &Path) -> PortResult<()> {
    for (name, service) in entries(file, "services") {
        let strange = service.iter().find(|(key, value)| !value.is_null() && !is_ours(key, value, root));
        if let Some((key, _)) = strange {
            let message = format!(
                "{COMPOSE_FILE} is not as it was generated (services.{name}.{key}): a hook must not change it"
            );
            return Err(PortError::new(ErrorKind::Invalid, message));
        }
        service.remove("network_mode");
    }
    Ok(())
}

fn is_ours(key: &str, value: &Value, root: &Path) -> bool {
    match key {
        "entrypoint" => false,
        "network_mode" => value == "host",
        // The whole checkout: of a folder in it, a link could be made before Docker gets there.
        "volumes" => value.as_array().is_some_and(|mounts| mounts.len() == 1 && is_checkout(&mounts[0], root)),
        _ => KEYS.contains(&key),
    }
}

fn is_checkout(mount: &Value, root: &Path) -> bool {
    let text = |key: &str| mount[key].as_str().unwrap_or_default();
    text("type") == "bind" && Path::new(text("source")) == root && text("target") == CHECKOUT
}

/// Makes a service, bounded like every other, one that shares the host's network as the account and nobody else.
pub(super) fn lodge(service: &mut Map<String, Value>, lodging: &Lodging, (life, memory): (LifeId, u64)) {
    let home = lodging.home.to_string_lossy();
    service.insert("network_mode".to_owned(), json!("host"));
    service.insert("user".to_owned(), json!(format!("{}:{}", lodging.user, lodging.group)));
    service.insert("cap_drop".to_owned(), json!(["ALL"]));
    let (size, (user, group)) = (TEMPORARY.min(memory), (lodging.user, lodging.group));
    // Where the image has such a folder, its mode counts.
    let owner = format!("mode=1777,uid={user},gid={group}");
    service.insert("tmpfs".to_owned(), json!([format!("/tmp:rw,nosuid,nodev,exec,{owner},size={size}")]));
    if let Some(mounts) = service.get_mut("volumes").and_then(Value::as_array_mut) {
        for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
            mount.remove("read_only");
        }
        mounts.push(json!({"type": "bind", "source": home, "target": home}));
    }
    for (section, key, value) in [("environment", "HOME", &*home), ("labels", CHECKOUT_LABEL, &life.to_string())] {
        let section = service.entry(section).or_insert_with(|| json!({}));
        if let Some(section) = section.as_object_mut() {
            section.entry(key).or_insert_with(|| json!(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated() -> Value {
        json!({
            "command": ["run"],
            "entrypoint": null,
            "environment": {"A": "1"},
            "image": "x",
            "network_mode": "host",
            "restart": "unless-stopped",
            "volumes": [{"type": "bind", "source": "/r/c", "target": "/app", "bind": {"create_host_path": true}}],
            "working_dir": "/app/web"
        })
    }

    #[test]
    fn what_was_generated_is_recognised_and_loses_its_network() {
        let mut file = json!({"services": {"web": generated()}});
        recognise(&mut file, Path::new("/r/c")).unwrap();
        assert_eq!(file["services"]["web"].get("network_mode"), None);
        assert_eq!(file["services"]["web"]["image"], "x");
    }

    #[test]
    fn what_was_put_in_is_refused_by_its_place() {
        let inner = json!([{"type": "bind", "source": "/r/c/web", "target": "/app"}]);
        let elsewhere = json!([{"type": "bind", "source": "/r/c", "target": "/etc"}]);
        let second = json!([generated()["volumes"][0], {"type": "volume", "source": "x", "target": "/x"}]);
        for (key, value) in [
            ("user", json!("0")),
            ("privileged", json!(true)),
            ("cap_add", json!(["SETUID"])),
            ("group_add", json!(["docker"])),
            ("build", json!({"context": "/r/c"})),
            ("entrypoint", json!(["/bin/sh"])),
            ("network_mode", json!("container:x")),
            ("secrets", json!([{"source": "x"}])),
            ("volumes", inner),
            ("volumes", elsewhere),
            ("volumes", second),
            ("volumes", json!("x")),
            ("x-new", json!("x")),
        ] {
            let mut file = json!({"services": {"web": generated()}});
            file["services"]["web"][key] = value.clone();
            let error = recognise(&mut file, Path::new("/r/c")).unwrap_err().to_string();
            assert!(error.contains(&format!("services.web.{key})")), "{key}: {value}: {error}");
        }
    }

    #[test]
    fn a_lodger_has_the_account_its_home_and_the_checkout() {
        let mut service = generated();
        let lodging = Lodging { user: 1000, group: 1001, home: "/r/home".into() };
        service["volumes"][0]["read_only"] = json!(true);
        lodge(service.as_object_mut().unwrap(), &lodging, (LifeId(uuid::Uuid::nil()), 64 * MIB));
        assert_eq!((&service["user"], &service["cap_drop"]), (&json!("1000:1001"), &json!(["ALL"])));
        assert_eq!(
            service["tmpfs"],
            json!(["/tmp:rw,nosuid,nodev,exec,mode=1777,uid=1000,gid=1001,size=67108864"])
        );
        assert_eq!(service["environment"], json!({"A": "1", "HOME": "/r/home"}));
        assert_eq!(service["volumes"][0].get("read_only"), None);
        assert_eq!(service["volumes"][1], json!({"type": "bind", "source": "/r/home", "target": "/r/home"}));
        assert_eq!(service["labels"][CHECKOUT_LABEL], "00000000-0000-0000-0000-000000000000");
    }
}
