//! The `preview:` block (design §11).

use super::block::{Block, Child};
use super::scalar;
use crate::domain::project::policy::{CommentMode, Drafts, Probe, Trigger};
use crate::domain::project::{PreviewPolicy, paths};

const KNOWN: [&str; 8] = ["trigger", "label", "drafts", "paths", "ttl", "probe", "urls", "comment"];
const TRIGGERS: [(&str, Trigger); 3] =
    [("auto", Trigger::Auto), ("label", Trigger::Label), ("command", Trigger::Command)];
const DRAFTS: [(&str, Drafts); 2] = [("deploy", Drafts::Deploy), ("skip", Drafts::Skip)];
const COMMENTS: [(&str, CommentMode); 3] =
    [("always", CommentMode::Always), ("on_change", CommentMode::OnChange), ("off", CommentMode::Off)];

/// Reads the block; what it leaves out stays as in `policy`.
pub(super) fn policy(child: &Child<'_, '_>, policy: PreviewPolicy) -> PreviewPolicy {
    let block = child.block(&KNOWN);
    PreviewPolicy {
        trigger: choice(&block, "trigger", &TRIGGERS).unwrap_or(policy.trigger),
        label: block.parsed("label", label).unwrap_or(policy.label),
        drafts: choice(&block, "drafts", &DRAFTS).unwrap_or(policy.drafts),
        paths: block.parsed("paths", few).map_or(policy.paths, |()| block.list("paths", pattern)),
        ttl: block.parsed("ttl", scalar::duration).or(policy.ttl),
        probe: match block.child("probe") {
            Some(child) => probe(&child, policy.probe),
            None => policy.probe,
        },
        urls: block.child("urls").map_or(policy.urls, |_| block.texts("urls")),
        comment: choice(&block, "comment", &COMMENTS).unwrap_or(policy.comment),
    }
}

fn probe(child: &Child<'_, '_>, probe: Probe) -> Probe {
    let block = child.block(&["service", "path", "timeout"]);
    Probe {
        service: block.parsed("service", Child::text).unwrap_or(probe.service),
        path: block.parsed("path", url_path).unwrap_or(probe.path),
        timeout: block.parsed("timeout", scalar::duration).unwrap_or(probe.timeout),
    }
}

fn few(child: &Child<'_, '_>) -> Option<()> {
    if child.items().len() <= paths::MOST { Some(()) } else { child.mismatch("at most 100 globs") }
}

fn pattern(child: &Child<'_, '_>) -> Option<String> {
    let text = child.text()?;
    if paths::is_pattern(&text) { Some(text) } else { child.mismatch("a glob such as `apps/**`, or `!**/*.md`") }
}

fn label(child: &Child<'_, '_>) -> Option<String> {
    let label = child.text()?;
    if label.trim().is_empty() { child.mismatch("the name of a label") } else { Some(label) }
}

fn url_path(child: &Child<'_, '_>) -> Option<String> {
    let path = child.text()?;
    let fits = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    if fits { Some(path) } else { child.mismatch("a URL path that begins with `/`") }
}

fn choice<T: Copy>(block: &Block<'_, '_>, key: &str, choices: &[(&str, T)]) -> Option<T> {
    block.parsed(key, |child| {
        let written = child.node.scalar();
        let chosen = choices.iter().find(|(name, _)| Some(*name) == written).map(|(_, value)| *value);
        chosen.or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            child.mismatch(&format!("one of {}", names.join(", ")))
        })
    })
}
