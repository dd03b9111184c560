//! Which ports an environment gets, and for which names.

use previewbot::domain::compose::parse_infrastructure;
use previewbot::domain::port_map::{PortMapError, choose};
use previewbot::domain::project::InfrastructureConfig;
use previewbot::domain::project::parse::parse;

use super::{json, part};
use crate::conformance::vectors::{Vector, check_topic, compare};

fn names(vector: &Vector) -> Vec<String> {
    match vector.input.get("count").and_then(serde_json::Value::as_u64) {
        Some(count) => (0..count).map(|index| format!("svc{index:03}")).collect(),
        None => part(vector, "services"),
    }
}

fn service_names(vector: &Vector) -> Vec<String> {
    let mut config = parse(vector.text("config"), "previewctl.yaml").unwrap();
    let services = parse_infrastructure(vector.text("compose")).unwrap();
    config.infrastructure = Some(InfrastructureConfig { compose_file: "compose.yaml".to_owned(), services });
    config.service_names()
}

#[test]
fn ports() {
    check_topic("ports", |vector, binding| {
        if vector.op.as_deref() == Some("service_names") {
            return compare(binding, Ok(json(service_names(vector))));
        }
        let occupied: Vec<u16> = part(vector, "occupied");
        let chosen = choose(vector.text("env"), &names(vector), &mut |port| !occupied.contains(&port));
        let failure = |error: PortMapError| match error {
            PortMapError::TooManyServices { .. } => ("port_block_too_small", error.to_string()),
            PortMapError::NoFreePort { .. } => ("port_block_exhausted", error.to_string()),
        };
        compare(binding, chosen.map(json).map_err(failure))
    });
}
