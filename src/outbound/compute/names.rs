//! Names and addresses that two environments of one machine would fight for, made one environment's own.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::patch::entries;
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};

/// Option of a network that fixes the name of its device.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// Changes a resolved file, before container names are taken from it.
///
/// # Errors
/// For fixed addresses, which only one environment can have.
pub(super) fn make_own(file: &mut Value, life: LifeId) -> PortResult<()> {
    refuse_fixed_addresses(file)?;
    own_addresses(file);
    own_containers(file);
    own_images(file, life);
    Ok(())
}

fn refuse_fixed_addresses(file: &mut Value) -> PortResult<()> {
    for (name, service) in entries(file, "services") {
        let networks = service.get("networks").and_then(Value::as_object);
        for (network, options) in networks.into_iter().flatten() {
            let fixed = ["ipv4_address", "ipv6_address"].into_iter().find(|key| options.get(key).is_some());
            if let Some(key) = fixed {
                let message = format!(
                    "services.{name}.networks.{network}.{key}: two previews of one machine cannot have the same \
                     address: remove it and use the service's name"
                );
                return Err(PortError::new(ErrorKind::Invalid, message));
            }
        }
    }
    Ok(())
}

/// Docker chooses subnets and devices.
fn own_addresses(file: &mut Value) {
    for (_, network) in entries(file, "networks") {
        if let Some(ipam) = network.get_mut("ipam").and_then(Value::as_object_mut) {
            ipam.remove("config");
        }
        if let Some(options) = network.get_mut("driver_opts").and_then(Value::as_object_mut) {
            options.remove(BRIDGE_NAME);
        }
    }
}

/// What names a container of this file names its service instead, since its container gets another name.
fn own_containers(file: &mut Value) {
    let mut services = entries(file, "services");
    let named = services.iter().filter_map(|(name, service)| {
        Some((service.get("container_name")?.as_str()?.to_owned(), (*name).to_owned()))
    });
    let named: BTreeMap<String, String> = named.collect();
    let service_of = |container: &str| named.get(container);
    for (_, service) in &mut services {
        for key in ["network_mode", "pid", "ipc"] {
            let text = service.get(key).and_then(Value::as_str).unwrap_or_default();
            if let Some(own) = text.strip_prefix("container:").and_then(service_of) {
                service.insert(key.to_owned(), json!(format!("service:{own}")));
            }
        }
        if let Some(sources) = service.get_mut("volumes_from").and_then(Value::as_array_mut) {
            for source in sources {
                let text = source.as_str().and_then(|text| text.strip_prefix("container:")).unwrap_or_default();
                let (container, mode) =
                    text.split_once(':').map_or((text, None), |(name, mode)| (name, Some(mode)));
                if let Some(own) = service_of(container) {
                    *source = json!(mode.map_or_else(|| own.clone(), |mode| format!("{own}:{mode}")));
                }
            }
        }
        own_links(service, &named);
    }
}

fn own_links(service: &mut Map<String, Value>, named: &BTreeMap<String, String>) {
    let Some(external) = service.get_mut("external_links").and_then(Value::as_array_mut) else { return };
    let mut own = Vec::new();
    external.retain(|link| {
        let text = link.as_str().unwrap_or_default();
        let (container, alias) = text.split_once(':').unwrap_or((text, text));
        let found = named.get(container);
        own.extend(found.map(|service| json!(format!("{service}:{alias}"))));
        found.is_none()
    });
    if own.is_empty() {
        return;
    }
    if let Some(links) = service.entry("links").or_insert_with(|| json!([])).as_array_mut() {
        links.extend(own);
    }
}

/// What is built is named by the environment's life, and whoever runs it follows.
fn own_images(file: &mut Value, life: LifeId) {
    let mut services = entries(file, "services");
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for (name, service) in &mut services {
        let Some(build) = service.get_mut("build").and_then(Value::as_object_mut) else { continue };
        let tags = build.remove("tags");
        // A tag may not begin with these.
        let safe = if name.starts_with(['.', '-']) { "_" } else { "" };
        let own = format!("previewbot/{life}:{safe}{name}");
        let tags = tags.as_ref().and_then(Value::as_array).into_iter().flatten();
        for old in tags.chain(service.get("image")).filter_map(Value::as_str) {
            renamed.entry(whole_name(old)).or_insert_with(|| own.clone());
        }
        service.insert("image".to_owned(), json!(own));
    }
    for (_, service) in services.iter_mut().filter(|(_, service)| service.get("build").is_none()) {
        let image = service.get("image").and_then(Value::as_str).unwrap_or_default();
        if let Some(own) = renamed.get(&whole_name(image)) {
            service.insert("image".to_owned(), json!(own));
        }
    }
}

/// An image's name with the tag that it has anyway.
fn whole_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life() -> LifeId {
        LifeId(uuid::Uuid::nil())
    }

    #[test]
    fn images_that_are_built_are_named_by_the_life() {
        let mut file = json!({"services": {
            "web": {"build": {"context": "/r", "tags": ["shop:dev"]}, "image": "shop"},
            "-odd": {"build": {"context": "/r"}, "image": "shop"},
            "worker": {"image": "shop:latest"},
            "dev": {"image": "shop:dev"},
            "db": {"image": "registry.example:5000/shop"}
        }});
        make_own(&mut file, life()).unwrap();
        let own = "previewbot/00000000-0000-0000-0000-000000000000";
        // The first in order of names gives its image to those that only run it.
        let expected = json!({"services": {
            "web": {"build": {"context": "/r"}, "image": format!("{own}:web")},
            "-odd": {"build": {"context": "/r"}, "image": format!("{own}:_-odd")},
            "worker": {"image": format!("{own}:_-odd")},
            "dev": {"image": format!("{own}:web")},
            "db": {"image": "registry.example:5000/shop"}
        }});
        assert_eq!(file, expected);
    }

    #[test]
    fn containers_of_the_file_are_found_by_their_service() {
        let mut file = json!({"services": {
            "db": {"container_name": "the-db"},
            "web": {
                "network_mode": "container:the-db",
                "pid": "container:elsewhere",
                "volumes_from": ["container:the-db:ro", "db", "container:elsewhere"],
                "external_links": ["the-db:database", "elsewhere"]
            }
        }});
        make_own(&mut file, life()).unwrap();
        let expected = json!({
            "network_mode": "service:db",
            "pid": "container:elsewhere",
            "volumes_from": ["db:ro", "db", "container:elsewhere"],
            "external_links": ["elsewhere"],
            "links": ["db:database"]
        });
        assert_eq!(file["services"]["web"], expected);
    }

    #[test]
    fn subnets_and_devices_are_dockers_to_choose_and_fixed_addresses_are_refused() {
        let mut file = json!({"networks": {"back": {
            "ipam": {"driver": "default", "config": [{"subnet": "172.20.0.0/16"}]},
            "driver_opts": {BRIDGE_NAME: "br-shop", "com.docker.network.driver.mtu": "1400"}
        }}});
        make_own(&mut file, life()).unwrap();
        let expected = json!({"networks": {"back": {
            "ipam": {"driver": "default"},
            "driver_opts": {"com.docker.network.driver.mtu": "1400"}
        }}});
        assert_eq!(file, expected);
        let mut file = json!({"services": {"db": {"networks": {"back": {"ipv4_address": "172.20.0.5"}}}}});
        let error = make_own(&mut file, life()).unwrap_err();
        assert!(error.to_string().contains("services.db.networks.back.ipv4_address"), "{error}");
    }
}
