//! What a hook's process finds in its environment, and how processes are known by it afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use super::process::{Marker, Selection};
use crate::domain::environment::LifeId;

/// Marks everything that an environment's hooks started.
pub(in crate::outbound) const LIFE_MARKER: &str = "PREVIEWCTL_ENVIRONMENT_ID";
/// Marks everything that one run of a hook started.
pub(super) const RUN_MARKER: &str = "PREVIEWBOT_RUN";
/// Marks programs that the bot itself runs for a life and waits for.
pub const TOOL_MARKER: &str = "PREVIEWBOT_TOOL_OF";
/// Tells which commit a hook was started for; the Manager gives it to every hook.
pub(super) const COMMIT_VARIABLE: &str = "PREVIEWCTL_COMMIT";
/// Used where the bot itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The bot's own variables that hooks may see: where programs are, language, time zone, terminal. Nothing else:
/// the rest of the bot's environment may hold its secrets.
#[must_use]
pub fn allowed_variables() -> BTreeMap<String, String> {
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut allowed: BTreeMap<String, String> = own.filter(|(name, _)| is_allowed(name)).collect();
    allowed.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
    allowed
}

fn is_allowed(name: &str) -> bool {
    matches!(name, "PATH" | "LANG" | "TZ" | "TERM") || name.starts_with("LC_")
}

/// Whose run it is, and where the life's own folders are.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) life: LifeId,
    pub(super) run: uuid::Uuid,
}

/// The whole environment of one run: a person's own variables where there are some, else the allowlist with a `HOME`
/// and a `TMPDIR` of the life's own.
pub(super) fn of_run(
    own: Option<&BTreeMap<String, String>>,
    command: &BTreeMap<String, String>,
    place: &Place<'_>,
) -> BTreeMap<String, String> {
    let mut variables = own.cloned().unwrap_or_else(allowed_variables);
    variables.extend(command.clone());
    if own.is_none() {
        let text = |path: &str| place.folder.join(path).to_string_lossy().into_owned();
        variables.insert("HOME".to_owned(), text("home"));
        variables.insert("TMPDIR".to_owned(), text("tmp"));
    }
    variables.insert(LIFE_MARKER.to_owned(), place.life.to_string());
    variables.insert(RUN_MARKER.to_owned(), place.run.to_string());
    variables
}

/// Ends every process that bears the life's marker, in whatever group or session it is. Returns the numbers of
/// those that could not be ended within two seconds.
pub async fn end_marked_processes(life: LifeId) -> Vec<i32> {
    let marked = Selection { group: None, marker: Marker::new(LIFE_MARKER, life) };
    marked.end().await.into_iter().map(|process| process.pid).collect()
}

/// Ends programs that a bot ran for this life and did not live to wait for: they would work against those that are
/// run next.
pub async fn end_orphaned_tools(life: LifeId) {
    let orphans = Selection { group: None, marker: Marker::new(TOOL_MARKER, life) };
    for orphan in orphans.end().await {
        tracing::warn!(pid = orphan.pid, %life, "a program that an earlier bot ran cannot be ended");
    }
}
