//! What is known of services that run in containers, as rows that people are shown.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::compose::ComposeContainer;

/// One service of the infrastructure (`infra status`). Several containers of one service are several rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct InfraRow {
    /// Its name in the compose file.
    pub service: String,
    /// `running`, `stopped`, `missing`, or the container's state as docker says it.
    pub status: String,
    /// The container's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The container's state as docker says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// docker's own sentence, `Up 2 hours (healthy)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// `healthy`, `unhealthy` or `starting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// One service of the project (`service list`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ServiceRow {
    /// Its name.
    pub service: String,
    /// Whether it is to run.
    pub enabled: bool,
    /// `running`, `stopped`, `missing`, or the container's state; absent for a service that runs in no container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// The word for a container's state.
#[must_use]
pub fn status_word(state: &str) -> &str {
    match state {
        "exited" | "dead" | "removing" => "stopped",
        state => state,
    }
}

/// One row for every container of these services, and one for each service that has none; in byte order.
#[must_use]
pub fn infra_rows(services: &BTreeSet<String>, containers: &[ComposeContainer]) -> Vec<InfraRow> {
    let mut rows: Vec<InfraRow> =
        containers.iter().filter(|container| services.contains(&container.service)).map(row).collect();
    let missing = services.iter().filter(|service| !containers.iter().any(|c| c.service == **service));
    rows.extend(missing.map(|service| InfraRow {
        service: service.clone(),
        status: "missing".to_owned(),
        ..InfraRow::default()
    }));
    rows.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
    rows
}

fn row(container: &ComposeContainer) -> InfraRow {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    InfraRow {
        service: container.service.clone(),
        status: status_word(&container.state).to_owned(),
        name: some(&container.name),
        state: some(&container.state),
        image: some(&container.image),
        detail: some(&container.status),
        health: some(&container.health),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_a_row() {
        let services = ["db", "gone", "mq"].map(str::to_owned).into();
        let container = |service: &str, state: &str| ComposeContainer {
            service: service.to_owned(),
            name: format!("p-{service}-1"),
            state: state.to_owned(),
            ..ComposeContainer::default()
        };
        let containers = [container("mq", "exited"), container("web", "running"), container("db", "restarting")];
        let rows = infra_rows(&services, &containers);
        let shown: Vec<(&str, &str)> = rows.iter().map(|r| (r.service.as_str(), r.status.as_str())).collect();
        assert_eq!(shown, [("db", "restarting"), ("gone", "missing"), ("mq", "stopped")]);
        assert_eq!(serde_json::to_string(&rows[1]).unwrap(), r#"{"service":"gone","status":"missing"}"#);
    }
}
