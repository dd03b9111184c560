//! Makes a resolved compose file one environment's own: leased ports, labels, no name that two could fight for.

use serde_json::{Map, Value, json};

use super::{generated, limits, names};
use crate::domain::compose::Confinement;
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;
use crate::domain::port_map::PortMap;
use crate::outbound::machine::Lodging;

/// Marks everything of one bot.
pub const INSTALLATION_LABEL: &str = "previewbot.installation";
/// Marks everything of one environment's life.
pub const ENVIRONMENT_LABEL: &str = "previewbot.environment";
/// Marks, by its life, what untrusted code in may write to the checkout of an environment.
pub const CHECKOUT_LABEL: &str = "previewbot.checkout";
/// Names the project, for people.
pub(super) const PROJECT_LABEL: &str = "previewbot.project";
/// Names the environment, for people.
pub(super) const NAME_LABEL: &str = "previewbot.name";

/// What a compose project becomes.
pub(super) struct Patch<'a> {
    /// The compose project's name.
    pub(super) name: &'a str,
    /// Ports by service.
    pub(super) ports: &'a PortMap,
    /// Address that published ports listen on.
    pub(super) bind: &'a str,
    /// Labels for all that is made.
    pub(super) labels: &'a [(&'static str, String)],
    /// The environment's life, which its images are named by.
    pub(super) life: LifeId,
    /// Bounds for what is not trusted.
    pub(super) confinement: Option<&'a Confinement>,
    /// What services have that the bot generated, where they are not trusted.
    pub(super) lodging: Option<&'a Lodging>,
}

impl Patch<'_> {
    /// Changes a file as `docker compose config --format json` gives it.
    ///
    /// # Errors
    /// When it asks for what two environments cannot both have.
    pub(super) fn apply(&self, file: &mut Value) -> PortResult<()> {
        names::make_own(file, self.life)?;
        for (name, service) in entries(file, "services") {
            service.remove("container_name");
            self.label(service);
            if let Some(build) = service.get_mut("build").and_then(Value::as_object_mut) {
                self.label(build);
            }
            self.publish(name, service);
        }
        for section in ["networks", "volumes"] {
            for (key, item) in entries(file, section) {
                if item.get("external").and_then(Value::as_bool) == Some(true) {
                    continue;
                }
                // A name that the file fixes would be shared by all environments.
                item.insert("name".to_owned(), json!(format!("{}_{key}", self.name)));
                self.label(item);
            }
        }
        if let Some(confinement) = self.confinement {
            for (_, service) in entries(file, "services") {
                limits::impose(service, confinement);
                if let Some(lodging) = self.lodging {
                    generated::lodge(service, lodging, (self.life, confinement.memory));
                }
            }
        }
        Ok(())
    }

    fn label(&self, item: &mut Map<String, Value>) {
        let labels = item.entry("labels").or_insert_with(|| json!({}));
        if !labels.is_object() {
            *labels = json!({});
        }
        if let Some(labels) = labels.as_object_mut() {
            labels.extend(self.labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        }
    }

    /// The first port of a service with a lease is published there; docker chooses all others.
    fn publish(&self, name: &str, service: &mut Map<String, Value>) {
        let Some(ports) = service.get_mut("ports").and_then(Value::as_array_mut) else { return };
        for (index, port) in ports.iter_mut().filter_map(Value::as_object_mut).enumerate() {
            port.insert("host_ip".to_owned(), json!(self.bind));
            match self.ports.get(name).filter(|_| index == 0) {
                Some(leased) => port.insert("published".to_owned(), json!(leased.to_string())),
                None => port.remove("published"),
            };
        }
    }
}

/// The named mappings of a section. One that is `null` (a volume without any option) becomes an empty mapping.
pub(super) fn entries<'a>(file: &'a mut Value, section: &str) -> Vec<(&'a str, &'a mut Map<String, Value>)> {
    let Some(section) = file.get_mut(section).and_then(Value::as_object_mut) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, item) in section.iter_mut() {
        if item.is_null() {
            *item = json!({});
        }
        if let Some(item) = item.as_object_mut() {
            found.push((name.as_str(), item));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_names_and_labels_become_the_environments_own() {
        let mut file = json!({
            "name": "shop-pr-1",
            "services": {
                "db": {
                    "container_name": "the-db",
                    "labels": {"theirs": "x"},
                    "ports": [
                        {"target": 5432, "published": "5432", "protocol": "tcp"},
                        {"target": 9000, "published": "9000", "host_ip": "127.0.0.1"}
                    ]
                },
                "job": {"image": "x", "ports": [{"target": 80, "published": "8080"}]}
            },
            "networks": {"default": {"name": "shop-pr-1_default"}, "out": {"name": "proxy", "external": true}},
            "volumes": {"data": {"name": "shared-data"}, "plain": null}
        });
        let ports = PortMap::from([("db".to_owned(), 61000)]);
        let labels = [(ENVIRONMENT_LABEL, "life".to_owned())];
        let life = LifeId(uuid::Uuid::nil());
        let (bind, name) = ("0.0.0.0", "shop-pr-1");
        let patch = Patch { name, ports: &ports, bind, labels: &labels, life, confinement: None, lodging: None };
        patch.apply(&mut file).unwrap();
        let own = json!({"previewbot.environment": "life"});
        let expected = json!({
            "name": "shop-pr-1",
            "services": {
                "db": {
                    "labels": {"theirs": "x", "previewbot.environment": "life"},
                    "ports": [
                        {"target": 5432, "published": "61000", "protocol": "tcp", "host_ip": "0.0.0.0"},
                        {"target": 9000, "host_ip": "0.0.0.0"}
                    ]
                },
                "job": {"image": "x", "labels": own, "ports": [{"target": 80, "host_ip": "0.0.0.0"}]}
            },
            "networks": {
                "default": {"name": "shop-pr-1_default", "labels": own},
                "out": {"name": "proxy", "external": true}
            },
            "volumes": {
                "data": {"name": "shop-pr-1_data", "labels": own},
                "plain": {"name": "shop-pr-1_plain", "labels": own}
            }
        });
        assert_eq!(file, expected);
    }
}
