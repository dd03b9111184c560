//! The blocks of the file, each read into its type.

use super::block::{Block, Child};
use crate::domain::project::{
    ComputeHooks, Hook, InfrastructureConfig, ProvisionerConfig, ProvisionerServiceConfig, ProxyConfig, ProxyRule,
    RunnerComposeConfig, RunnerConfig, ServiceConfig, SshConfig,
};
use crate::domain::yaml::tree::Content;

pub(super) fn provisioner(child: &Child<'_, '_>) -> ProvisionerConfig {
    let block = child.block(&["before", "after", "compute", "services"]);
    ProvisionerConfig {
        before: block.text("before"),
        after: block.text("after"),
        compute: block.child("compute").map(|child| compute(&child)),
        services: block.named("services", false, |child| Some(provisioner_service(child))),
    }
}

fn compute(child: &Child<'_, '_>) -> ComputeHooks {
    let block = child.block(&["create", "destroy", "find", "outputs", "ssh"]);
    ComputeHooks {
        create: block.text("create"),
        destroy: block.text("destroy"),
        find: block.text("find"),
        outputs: block.texts("outputs"),
        ssh: block.child("ssh").map(|child| ssh(&child)),
    }
}

fn ssh(child: &Child<'_, '_>) -> SshConfig {
    let block = child.block(&["proxy_command", "user", "user_command", "identity_file", "root"]);
    SshConfig {
        proxy_command: block.text("proxy_command"),
        user: block.text("user"),
        user_command: block.text("user_command"),
        identity_file: block.text("identity_file"),
        root: block.text("root"),
    }
}

fn provisioner_service(child: &Child<'_, '_>) -> ProvisionerServiceConfig {
    let block = child.block(&["outputs", "init", "seed", "reset", "destroy"]);
    ProvisionerServiceConfig {
        outputs: block.texts("outputs"),
        init: block.text("init"),
        seed: block.text("seed"),
        reset: block.text("reset"),
        destroy: block.text("destroy"),
    }
}

pub(super) fn infrastructure(child: &Child<'_, '_>) -> InfrastructureConfig {
    let block = child.block(&["compose_file"]);
    InfrastructureConfig { compose_file: block.text("compose_file"), ..InfrastructureConfig::default() }
}

const SERVICE: [&str; 9] = ["path", "command", "depends_on", "env", "env_file", "port", "build", "start", "proxy"];

pub(super) fn service(child: &Child<'_, '_>) -> ServiceConfig {
    let block = child.block(&SERVICE);
    let env = block.child("env").map(|_| block.named("env", true, Child::text));
    ServiceConfig {
        path: block.text("path"),
        command: block.text("command"),
        depends_on: block.texts("depends_on"),
        env,
        env_file: block.text("env_file"),
        port: block.port("port"),
        build: block.text("build"),
        start: block.text("start"),
        proxy: block.list("proxy", |child| Some(proxy_rule(child))),
    }
}

fn proxy_rule(child: &Child<'_, '_>) -> ProxyRule {
    let block = child.block(&["path", "target_path", "to"]);
    let to_service = block.child("to").map(|to| to.block(&["service"]).text("service"));
    ProxyRule {
        path: block.text("path"),
        target_path: block.text("target_path"),
        to_service: to_service.unwrap_or_default(),
    }
}

pub(super) fn runner(child: &Child<'_, '_>) -> RunnerConfig {
    let block = child.block(&["before", "build", "deploy", "after", "destroy", "compose"]);
    RunnerConfig {
        before: hook(&block, "before"),
        build: hook(&block, "build"),
        deploy: hook(&block, "deploy"),
        after: hook(&block, "after"),
        destroy: hook(&block, "destroy"),
        compose: block.child("compose").map(|child| runner_compose(&child)),
    }
}

/// A runner hook is its text, or a mapping that adds the caching rule.
fn hook(block: &Block<'_, '_>, key: &str) -> Hook {
    let hook = block.parsed(key, |child| match &child.node.content {
        Content::Scalar { .. } => Some(Hook { command: child.text()?, allow_cache: None }),
        Content::Mapping(_) => {
            let block = child.block(&["command", "allow_cache"]);
            Some(Hook { command: block.text("command"), allow_cache: block.boolean("allow_cache") })
        }
        Content::Sequence(_) => child.mismatch("a command, or a mapping with `command`"),
    });
    hook.unwrap_or_default()
}

fn runner_compose(child: &Child<'_, '_>) -> RunnerComposeConfig {
    let block = child.block(&["image", "autostart", "proxy"]);
    RunnerComposeConfig {
        image: block.text("image"),
        autostart: block.texts("autostart"),
        proxy: block.child("proxy").map(|child| compose_proxy(&child)),
    }
}

fn compose_proxy(child: &Child<'_, '_>) -> ProxyConfig {
    let block = child.block(&["enabled", "domain", "type"]);
    ProxyConfig { enabled: block.boolean("enabled"), domain: block.text("domain"), kind: block.text("type") }
}
