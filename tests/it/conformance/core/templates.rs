//! Templates and the manifest that is made of them.

use previewbot::domain::entry::ProvisionerOutputs;
use previewbot::domain::manifest::{Manifest, ManifestInputs, build};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::project::parse::parse;
use previewbot::domain::project::template::{TemplateContext, TemplateError, render, render_map};
use serde::Deserialize;
use serde_json::Value;

use super::{json, part, text_map};
use crate::conformance::vectors::{Binding, Vector, check_topic, compare};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Context {
    current: Option<String>,
    services: PortMap,
    infrastructure: PortMap,
    provisioner: ProvisionerOutputs,
    env_name: String,
    store: std::collections::BTreeMap<String, String>,
    proxy_domain: String,
}

impl From<Context> for TemplateContext {
    fn from(context: Context) -> Self {
        Self {
            current: context.current,
            services: context.services,
            infrastructure: context.infrastructure,
            provisioner: context.provisioner,
            environment: context.env_name,
            store: context.store,
            proxy_domain: context.proxy_domain,
            ..Self::default()
        }
    }
}

fn failure(error: &TemplateError) -> (&'static str, String) {
    (error.kind, error.to_string())
}

#[test]
fn templates() {
    check_topic("templates", |vector, binding| {
        let context = part::<Context>(vector, "context").into();
        let rendered = match vector.op.as_deref() {
            Some("template") => render(vector.text("template"), &context).map(json),
            Some("template_map") => render_map(&text_map(vector, "env"), &context).map(json),
            other => return Err(format!("unknown operation {other:?}")),
        };
        compare(binding, rendered.map_err(|e| failure(&e)))
    });
}

fn built(vector: &Vector) -> Result<Value, TemplateError> {
    let mut config = parse(vector.text("config"), "previewctl.yaml").unwrap();
    vector.text("mode").clone_into(&mut config.mode);
    let (ports, outputs): (Option<PortMap>, Option<_>) = (part(vector, "ports"), part(vector, "outputs"));
    let store = text_map(vector, "store");
    let inputs = ManifestInputs {
        environment: vector.text("env"),
        branch: vector.text("branch"),
        ports: ports.as_ref(),
        outputs: outputs.as_ref(),
        store: Some(&store),
        enabled_services: &[],
    };
    let manifest = build(&config, &inputs)?;
    Ok(if part(vector, "text") {
        json(manifest.to_text() + "\n")
    } else if part(vector, "env_paths") {
        json(manifest.env_files())
    } else {
        serde_json::from_str(&manifest.to_text()).unwrap()
    })
}

#[test]
fn manifest() {
    check_topic("manifest", |vector, binding| {
        if vector.op.as_deref() == Some("manifest") {
            return compare(binding, built(vector).map_err(|e| failure(&e)));
        }
        let read = Manifest::from_text(vector.text("json"));
        match binding {
            // A strict reader is fine: keys of another case are unknown keys.
            Binding::Requirement(_) if read.as_ref().is_ok_and(|m| *m == Manifest::default()) => Ok(()),
            _ => compare(binding, read.map(json).map_err(|e| ("manifest_invalid_json", e.to_string()))),
        }
    });
}
