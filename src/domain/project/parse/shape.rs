//! The blocks of the file, each read into its type.

use super::block::{Block, Child};
use super::error::ConfigError;
use crate::domain::project::{
    ComputeHooks, Hook, InfrastructureConfig, ProvisionerConfig, ProvisionerServiceConfig, ProxyConfig, ProxyRule,
    RunnerComposeConfig, RunnerConfig, ServiceConfig, SshConfig,
};
use crate::domain::yaml::tree::Content;

/// Keys of `provisioner:`.
pub(super) const PROVISIONER: [&str; 4] = ["before", "after", "compute", "services"];

type Result<T> = std::result::Result<T, ConfigError>;

pub(super) fn provisioner(child: &Child<'_, '_>) -> Result<ProvisionerConfig> {
    let block = child.block(&PROVISIONER)?;
    Ok(ProvisionerConfig {
        before: block.text("before")?,
        after: block.text("after")?,
        compute: block.parsed("compute", compute)?,
        services: block.named("services", provisioner_service)?,
    })
}

fn compute(child: &Child<'_, '_>) -> Result<ComputeHooks> {
    let block = child.block(&["create", "destroy", "outputs", "ssh"])?;
    Ok(ComputeHooks {
        create: block.text("create")?,
        destroy: block.text("destroy")?,
        outputs: block.texts("outputs")?,
        ssh: block.parsed("ssh", ssh)?,
    })
}

fn ssh(child: &Child<'_, '_>) -> Result<SshConfig> {
    let block = child.block(&["proxy_command", "user", "user_command", "identity_file", "root"])?;
    Ok(SshConfig {
        proxy_command: block.text("proxy_command")?,
        user: block.text("user")?,
        user_command: block.text("user_command")?,
        identity_file: block.text("identity_file")?,
        root: block.text("root")?,
    })
}

fn provisioner_service(child: &Child<'_, '_>) -> Result<ProvisionerServiceConfig> {
    let block = child.block(&["outputs", "init", "seed", "reset", "destroy"])?;
    Ok(ProvisionerServiceConfig {
        outputs: block.texts("outputs")?,
        init: block.text("init")?,
        seed: block.text("seed")?,
        reset: block.text("reset")?,
        destroy: block.text("destroy")?,
    })
}

pub(super) fn infrastructure(child: &Child<'_, '_>) -> Result<InfrastructureConfig> {
    let block = child.block(&["compose_file"])?;
    Ok(InfrastructureConfig { compose_file: block.text("compose_file")?, ..InfrastructureConfig::default() })
}

const SERVICE: [&str; 9] = ["path", "command", "depends_on", "env", "env_file", "port", "build", "start", "proxy"];

pub(super) fn service(child: &Child<'_, '_>) -> Result<ServiceConfig> {
    let block = child.block(&SERVICE)?;
    let env = block.child("env").map(|_| block.named("env", Child::text)).transpose()?;
    Ok(ServiceConfig {
        path: block.text("path")?,
        command: block.text("command")?,
        depends_on: block.texts("depends_on")?,
        env,
        env_file: block.text("env_file")?,
        port: block.port("port")?,
        build: block.text("build")?,
        start: block.text("start")?,
        proxy: block.list("proxy", proxy_rule)?,
    })
}

fn proxy_rule(child: &Child<'_, '_>) -> Result<ProxyRule> {
    let block = child.block(&["path", "target_path", "to"])?;
    let to_service = block.parsed("to", |to| to.block(&["service"])?.text("service"))?;
    Ok(ProxyRule {
        path: block.text("path")?,
        target_path: block.text("target_path")?,
        to_service: to_service.unwrap_or_default(),
    })
}

pub(super) fn runner(child: &Child<'_, '_>) -> Result<RunnerConfig> {
    let block = child.block(&["before", "build", "deploy", "after", "destroy", "compose"])?;
    Ok(RunnerConfig {
        before: hook(&block, "before")?,
        build: hook(&block, "build")?,
        deploy: hook(&block, "deploy")?,
        after: hook(&block, "after")?,
        destroy: hook(&block, "destroy")?,
        compose: block.parsed("compose", runner_compose)?,
    })
}

/// A runner hook is its text, or a mapping that adds the caching rule.
fn hook(block: &Block<'_, '_>, key: &str) -> Result<Hook> {
    let hook = block.parsed(key, |child| match &child.node.content {
        Content::Scalar { .. } => Ok(Hook { command: child.text()?, allow_cache: None }),
        Content::Mapping(_) => {
            let block = child.block(&["command", "allow_cache"])?;
            Ok(Hook { command: block.text("command")?, allow_cache: block.boolean("allow_cache")? })
        }
        Content::Sequence(_) => Err(child.mismatch("a command, or a mapping with `command`")),
    })?;
    Ok(hook.unwrap_or_default())
}

fn runner_compose(child: &Child<'_, '_>) -> Result<RunnerComposeConfig> {
    let block = child.block(&["image", "autostart", "proxy"])?;
    Ok(RunnerComposeConfig {
        image: block.text("image")?,
        autostart: block.texts("autostart")?,
        proxy: block.parsed("proxy", compose_proxy)?,
    })
}

fn compose_proxy(child: &Child<'_, '_>) -> Result<ProxyConfig> {
    let block = child.block(&["enabled", "domain", "type"])?;
    Ok(ProxyConfig {
        enabled: block.boolean("enabled")?,
        domain: block.text("domain")?,
        kind: block.text("type")?,
    })
}
