//! `allocate_ports`: one TCP port for every service and every infrastructure service.

use async_trait::async_trait;

use crate::domain::checkpoint::StepRecord;
use crate::domain::port_map::PortMap;
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct AllocatePorts;

/// Ports that the configuration fixes.
fn fixed(context: &Context<'_>) -> impl Iterator<Item = (String, u16)> {
    let services = context.dependencies.config.services.iter();
    services.filter(|(_, service)| service.port != 0).map(|(name, service)| (name.clone(), service.port))
}

#[async_trait]
impl Step for AllocatePorts {
    fn name(&self) -> &'static str {
        "allocate_ports"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        let names = context.dependencies.config.service_names().join("\n");
        let mut fingerprint = Fingerprint::of(self.name()).with("names", names);
        for (name, port) in fixed(context) {
            fingerprint = fingerprint.with(&format!("services.{name}.port"), port.to_string());
        }
        fingerprint.inputs()
    }

    async fn restore(&self, context: &Context<'_>, record: &StepRecord) -> bool {
        let recorded = record.outputs.get("ports").and_then(|v| serde_json::from_value::<PortMap>(v.clone()).ok());
        let mut facts = context.facts().await;
        let stored = facts.entry.as_ref().and_then(|entry| entry.ports.clone());
        let Some(ports) = recorded.or(stored) else {
            return false;
        };
        facts.ports = ports;
        true
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let names = context.dependencies.config.service_names();
        let fixed: PortMap = fixed(context).collect();
        // On a machine of its own an environment meets no other.
        let is_alone = context.facts().await.compute.as_ref().is_some_and(|info| info.host.is_some());
        let leased = if is_alone { PortMap::new() } else { fixed.clone() };
        let networking = &context.dependencies.networking;
        let mut ports = networking.allocate_ports(&context.environment, &names, &leased).await?;
        ports.extend(fixed);
        let outputs = Outputs::from([("ports".to_owned(), serde_json::json!(ports))]);
        context.facts().await.ports = ports;
        Ok(outputs)
    }
}
