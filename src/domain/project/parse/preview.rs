//! The `preview:` block (design §11).

use std::time::Duration;

use super::block::{Block, Child};
use super::error::ConfigError;
use super::scalar;
use crate::domain::project::PreviewPolicy;
use crate::domain::project::policy::{CommentMode, Drafts, Probe, Trigger};

type Result<T> = std::result::Result<T, ConfigError>;

const KNOWN: [&str; 8] = ["trigger", "label", "drafts", "paths", "ttl", "probe", "urls", "comment"];
const TRIGGERS: [(&str, Trigger); 3] =
    [("auto", Trigger::Auto), ("label", Trigger::Label), ("command", Trigger::Command)];
const DRAFTS: [(&str, Drafts); 2] = [("deploy", Drafts::Deploy), ("skip", Drafts::Skip)];
const COMMENTS: [(&str, CommentMode); 3] =
    [("always", CommentMode::Always), ("on_change", CommentMode::OnChange), ("off", CommentMode::Off)];

/// Reads the block; what it leaves out stays as in `policy`.
pub(super) fn policy(child: &Child<'_, '_>, policy: PreviewPolicy) -> Result<PreviewPolicy> {
    let block = child.block(&KNOWN)?;
    Ok(PreviewPolicy {
        trigger: choice(&block, "trigger", &TRIGGERS)?.unwrap_or(policy.trigger),
        label: block.parsed("label", label)?.unwrap_or(policy.label),
        drafts: choice(&block, "drafts", &DRAFTS)?.unwrap_or(policy.drafts),
        paths: block.child("paths").map(|_| block.texts("paths")).transpose()?.unwrap_or(policy.paths),
        ttl: duration(&block, "ttl")?.or(policy.ttl),
        probe: block
            .child("probe")
            .map(|child| probe(&child, policy.probe.clone()))
            .transpose()?
            .unwrap_or(policy.probe),
        urls: block.child("urls").map(|_| block.texts("urls")).transpose()?.unwrap_or(policy.urls),
        comment: choice(&block, "comment", &COMMENTS)?.unwrap_or(policy.comment),
    })
}

fn probe(child: &Child<'_, '_>, probe: Probe) -> Result<Probe> {
    let block = child.block(&["service", "path", "timeout"])?;
    Ok(Probe {
        service: block.parsed("service", Child::text)?.unwrap_or(probe.service),
        path: block.parsed("path", url_path)?.unwrap_or(probe.path),
        timeout: duration(&block, "timeout")?.unwrap_or(probe.timeout),
    })
}

fn label(child: &Child<'_, '_>) -> Result<String> {
    let label = child.text()?;
    if label.trim().is_empty() { Err(child.mismatch("the name of a label")) } else { Ok(label) }
}

fn url_path(child: &Child<'_, '_>) -> Result<String> {
    let path = child.text()?;
    let fits = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(path) } else { Err(child.mismatch("a URL path that begins with `/`")) }
}

fn duration(block: &Block<'_, '_>, key: &str) -> Result<Option<Duration>> {
    block.parsed(key, |child| scalar::duration(child.reader, child.node, &child.place))
}

fn choice<T: Copy>(block: &Block<'_, '_>, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
    block.parsed(key, |child| {
        let written = child.node.scalar();
        let chosen = choices.iter().find(|(name, _)| Some(*name) == written).map(|(_, value)| *value);
        chosen.ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            child.mismatch(&format!("one of {}", names.join(", ")))
        })
    })
}
