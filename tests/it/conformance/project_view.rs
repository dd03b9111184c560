//! A configuration as the vectors write it: empty values left out.

use previewbot::domain::project::{Hook, ProjectConfig, RunnerConfig, ServiceConfig};
use serde_json::{Map, Value, json};

/// The whole configuration.
pub(super) fn view(config: &ProjectConfig) -> Value {
    let services: Map<String, Value> = config.services.iter().map(|(n, s)| (n.clone(), service(s))).collect();
    without_empty(json!({
        "version": config.version,
        "name": config.name,
        "mode": config.mode,
        "provisioner": provisioner(config),
        "infrastructure": config.infrastructure.as_ref().map(|i| json!({ "compose_file": i.compose_file })),
        "services": services,
        "runner": config.runner.as_ref().map(runner),
    }))
}

fn provisioner(config: &ProjectConfig) -> Value {
    let provisioner = &config.provisioner;
    let services: Map<String, Value> = provisioner
        .services
        .iter()
        .map(|(name, s)| {
            let value = json!({
                "outputs": s.outputs, "init": s.init, "seed": s.seed, "reset": s.reset, "destroy": s.destroy,
            });
            (name.clone(), value)
        })
        .collect();
    let compute = provisioner.compute.as_ref().map(|c| {
        let ssh = c.ssh.as_ref().map(|s| {
            json!({
                "proxy_command": s.proxy_command, "user": s.user, "user_command": s.user_command,
                "identity_file": s.identity_file, "root": s.root,
            })
        });
        json!({ "create": c.create, "destroy": c.destroy, "find": c.find, "outputs": c.outputs, "ssh": ssh })
    });
    json!({
        "before": provisioner.before, "after": provisioner.after, "compute": compute, "services": services,
    })
}

fn service(service: &ServiceConfig) -> Value {
    let proxy: Vec<Value> = service
        .proxy
        .iter()
        .map(|rule| json!({ "path": rule.path, "target_path": rule.target_path, "to": { "service": rule.to_service } }))
        .collect();
    json!({
        "path": service.path, "command": service.command, "depends_on": service.depends_on, "env": service.env,
        "env_file": service.env_file, "port": service.port, "build": service.build, "start": service.start,
        "proxy": proxy,
    })
}

fn runner(runner: &RunnerConfig) -> Value {
    let compose = runner.compose.as_ref().map(|c| {
        let proxy = c.proxy.as_ref().map(|p| json!({ "enabled": p.enabled, "domain": p.domain, "type": p.kind }));
        json!({ "image": c.image, "autostart": c.autostart, "proxy": proxy })
    });
    json!({
        "before": hook(&runner.before), "build": hook(&runner.build), "deploy": hook(&runner.deploy),
        "after": hook(&runner.after), "destroy": hook(&runner.destroy), "compose": compose,
    })
}

fn hook(hook: &Hook) -> Value {
    match hook.allow_cache {
        Some(allow) => json!({ "command": hook.command, "allow_cache": allow }),
        None => json!(hook.command),
    }
}

fn without_empty(value: Value) -> Value {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Array(items) => return Value::Array(items.into_iter().map(without_empty).collect()),
        scalar => return scalar,
    };
    let kept = fields.into_iter().filter_map(|(key, value)| {
        let value = if key == "env" { value } else { without_empty(value) };
        (!is_empty(&value)).then_some((key, value))
    });
    Value::Object(kept.collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) => false,
    }
}
