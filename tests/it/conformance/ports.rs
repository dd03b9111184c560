//! Which ports an environment gets, and for which names.

use std::collections::BTreeSet;

use previewbot::domain::compose;
use previewbot::domain::port_map::{PortMapError, block_start, choose};
use previewbot::domain::project::InfrastructureConfig;

use super::checks::{Outcome, Verdict, compare, ensure, json, unknown_operation};
use super::project::parsed;
use super::vectors::{Answer, Vector};

fn names(vector: &Vector) -> Vec<String> {
    match vector.part::<u64>("count") {
        Some(count) => (0..count).map(|index| format!("svc{index:03}")).collect(),
        None => vector.part_or_default("services"),
    }
}

fn service_names(vector: &Vector) -> Vec<String> {
    let mut config = parsed(vector.text("config"));
    if vector.input.get("compose").is_some() {
        let services = compose::read(vector.text("compose"), "compose.yaml").services;
        config.infrastructure = Some(InfrastructureConfig { compose_file: "compose.yaml".to_owned(), services });
    }
    config.service_names()
}

pub(super) fn ports(vector: &Vector, answer: &Answer) -> Verdict {
    match vector.op.as_deref() {
        Some("service_names") => {
            let names = service_names(vector);
            let distinct: BTreeSet<&String> = names.iter().collect();
            compare(answer, Ok(json(&names)), |_, _| ensure(distinct.len() == names.len(), format!("{names:?}")))
        }
        None | Some("ports") => allocation(vector, answer),
        other => unknown_operation(other),
    }
}

fn allocation(vector: &Vector, answer: &Answer) -> Verdict {
    let (environment, names) = (vector.text("env"), names(vector));
    let occupied: Vec<u16> = vector.part_or_default("occupied");
    let chosen = choose(environment, &names, &mut |port| !occupied.contains(&port));
    let outcome: Outcome = match &chosen {
        Ok(ports) => Ok(json(ports)),
        Err(error @ PortMapError::TooManyServices { .. }) => Err(("port_block_too_small", error.to_string())),
        Err(error @ PortMapError::NoFreePort { .. }) => Err(("port_block_exhausted", error.to_string())),
    };
    compare(answer, outcome, |_, _| {
        let Ok(ports) = &chosen else { return Ok(()) };
        let first = block_start(environment);
        let distinct: BTreeSet<&u16> = ports.values().collect();
        ensure(
            distinct.len() == ports.len() && names.iter().all(|name| ports.contains_key(name)),
            "each name its port",
        )?;
        ensure(distinct.iter().all(|port| (first..first + 100).contains(port)), "a port outside of the block")?;
        ensure(!distinct.iter().any(|port| occupied.contains(port)), "a port that is in use")
    })
}
