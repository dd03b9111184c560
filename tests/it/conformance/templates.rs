//! Templates and the manifest that is made of them.

use std::collections::BTreeMap;

use previewbot::domain::entry::ProvisionerOutputs;
use previewbot::domain::manifest::{Manifest, ManifestInputs, build};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::project::template::{TemplateContext, TemplateError, render, render_map};
use serde::Deserialize;

use super::checks::{Outcome, Verdict, compare, ensure, json, told, unknown_operation};
use super::project::parsed;
use super::vectors::{Answer, Vector};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Context {
    current: Option<String>,
    services: Option<PortMap>,
    infrastructure: Option<PortMap>,
    provisioner: Option<ProvisionerOutputs>,
    env_name: Option<String>,
    store: Option<BTreeMap<String, String>>,
    proxy_domain: Option<String>,
}

impl From<Context> for TemplateContext {
    fn from(context: Context) -> Self {
        Self {
            // An empty name is no service.
            current: context.current.filter(|name| !name.is_empty()),
            services: context.services.unwrap_or_default(),
            infrastructure: context.infrastructure.unwrap_or_default(),
            provisioner: context.provisioner.unwrap_or_default(),
            environment: context.env_name.unwrap_or_default(),
            store: context.store.unwrap_or_default(),
            proxy_domain: context.proxy_domain.unwrap_or_default(),
            ..Self::default()
        }
    }
}

fn failure(error: &TemplateError) -> (&'static str, String) {
    (error.kind, error.to_string())
}

pub(super) fn templates(vector: &Vector, answer: &Answer) -> Verdict {
    let context = vector.part_or_default::<Context>("context").into();
    let rendered = match vector.op.as_deref() {
        None | Some("template") => render(vector.text("template"), &context).map(json),
        Some("template_map") => {
            let values: BTreeMap<String, String> = vector.part_or_default("env");
            render_map(&values, &context).map(json)
        }
        other => return unknown_operation(other),
    };
    compare(answer, rendered.map_err(|e| failure(&e)), told)
}

fn built(vector: &Vector) -> Outcome {
    let mut config = parsed(vector.text("config"));
    vector.text("mode").clone_into(&mut config.mode);
    let (ports, outputs): (Option<PortMap>, Option<ProvisionerOutputs>) =
        (vector.part("ports"), vector.part("outputs"));
    let store: BTreeMap<String, String> = vector.part_or_default("store");
    let enabled: Vec<String> = vector.part_or_default("enabled_services");
    let inputs = ManifestInputs {
        environment: vector.text("env"),
        branch: vector.text("branch"),
        ports: ports.as_ref(),
        outputs: outputs.as_ref(),
        store: Some(&store),
        enabled_services: &enabled,
    };
    let manifest = build(&config, &inputs).map_err(|e| failure(&e))?;
    Ok(if vector.part_or_default("text") {
        json(manifest.to_text() + "\n")
    } else if vector.part_or_default("env_paths") {
        json(manifest.env_files())
    } else {
        serde_json::from_str(&manifest.to_text()).unwrap()
    })
}

pub(super) fn manifest(vector: &Vector, answer: &Answer) -> Verdict {
    match vector.op.as_deref() {
        None | Some("manifest") => compare(answer, built(vector), told),
        Some("manifest_read") => {
            let read = Manifest::from_text(vector.text("json"));
            let text = read.as_ref().map(Manifest::to_text).unwrap_or_default();
            let outcome = read.map(json).map_err(|error| ("manifest_invalid_json", error.to_string()));
            // Whatever is made of odd input: what is written of it must mean the same to the next reader.
            compare(answer, outcome, |_, outcome| {
                let again = || Manifest::from_text(&text).map(|manifest| manifest.to_text());
                ensure(outcome.is_err() || again().is_ok_and(|again| again == text), text.clone())
            })
        }
        other => unknown_operation(other),
    }
}
