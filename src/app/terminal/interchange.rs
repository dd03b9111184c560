//! `import` and `export`: environments move from and to the Go tool's state file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::bench::Tools;
use super::owner;
use super::session::{LEASE, Session};
use crate::domain::entry::{EnvironmentEntry, Status};
use crate::domain::environment::Desired;
use crate::domain::error::PortResult;
use crate::domain::interchange;
use crate::domain::job::JobEnd;
use crate::domain::ports::{
    ClaimedJob, Environments, Errand, FolderEnvironments as _, JobQueue as _, PortLeases as _, StatePort as _,
};
use crate::inbound::cli::arguments::{ExportArguments, ImportArguments};
use crate::inbound::cli::create::told;
use crate::outbound::store::{StoredLeases, StoredState};
use crate::worker::converge::LOCAL_HOST;

impl Session {
    pub(super) async fn import(&self, arguments: &ImportArguments) -> anyhow::Result<()> {
        let path = self.state_file(arguments.file.as_deref()).await?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let imported = interchange::import(&text).with_context(|| path.display().to_string())?;
        imported.notes.iter().for_each(|note| told(note));
        let mut refused = 0;
        for entry in imported.state.environments.into_values() {
            let name = entry.name.clone();
            let known = self.environment(&name).await?.is_some_and(|environment| environment.entry.is_some());
            if known {
                told(&format!("{name} is known already: delete it first to take it over"));
                refused += 1;
            } else if arguments.dry_run {
                told(&format!("{name} would be taken over"));
            } else {
                self.take_over(entry).await.with_context(|| format!("{name} was not taken over"))?;
                told(&format!("{name} is taken over; `previewbot create {name}` brings it up to date"));
            }
        }
        if refused > 0 {
            bail!("{refused} of the environments were left alone");
        }
        Ok(())
    }

    /// The Go tool's file for this project, unless another is named.
    async fn state_file(&self, named: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(named) = named {
            return Ok(self.project.at.join(named));
        }
        let home = self.project.variables.get("HOME").context("there is no HOME: name the state file")?;
        let name = self.project.recalled("local").await?.name;
        interchange::state_path(Path::new(home), &name)
            .context("name the state file: the project's name is no folder")
    }

    async fn take_over(&self, entry: EnvironmentEntry) -> anyhow::Result<()> {
        let errand = Errand {
            project: self.known.project.id,
            name: entry.name.clone(),
            command: "import".to_owned(),
            desired: Some(self.wanted(&entry).await?),
            make: true,
            owner: owner::this_process(),
            lease: LEASE,
        };
        let claimed = self.tools.store.take(&errand, &owner::judge(&self.tools.store)).await?;
        let kept = self.keep_entry(&claimed, entry).await;
        let end = match &kept {
            Ok(()) => JobEnd::Succeeded { reason: "taken over from the Go tool".to_owned() },
            Err(error) => JobEnd::Failed { reason: error.chain() },
        };
        self.tools.store.finish(&claimed.claim, end, &[]).await?;
        Ok(kept?)
    }

    /// What an environment of the Go tool should be: running where it was, else stopped.
    async fn wanted(&self, entry: &EnvironmentEntry) -> anyhow::Result<Desired> {
        if entry.status != Status::Running {
            return Ok(Desired::Stopped);
        }
        let source = Tools::source(&self.project, &self.project.recalled("local").await?);
        let folder = entry.worktree_path().map(Path::new);
        let commit = match folder {
            Some(folder) => source.head(folder).await?,
            None => None,
        };
        Ok(commit.map_or(Desired::Stopped, |commit| Desired::Running { commit }))
    }

    async fn keep_entry(&self, claimed: &ClaimedJob, entry: EnvironmentEntry) -> PortResult<()> {
        let Some(id) = claimed.claim.environment else { return Ok(()) };
        let leases = StoredLeases::new(self.tools.store.clone(), claimed.claim.clone());
        leases.lease(LOCAL_HOST, id, entry.ports.as_ref().unwrap_or(&BTreeMap::new())).await?;
        let state = StoredState::new(self.tools.store.clone(), id, Some(claimed.claim.clone()));
        state.set_environment(&entry).await?;
        for line in &entry.audit_log {
            state.append_audit(&entry.name, line).await?;
        }
        Ok(())
    }

    pub(super) async fn export(&self, arguments: &ExportArguments) -> anyhow::Result<()> {
        let entries = self.entries_with_history().await?;
        if arguments.file.as_deref() == Some(Path::new("-")) {
            print!("{}", interchange::export(&entries));
            return Ok(());
        }
        let path = self.state_file(arguments.file.as_deref()).await?;
        let mut all: BTreeMap<String, EnvironmentEntry> = match std::fs::read_to_string(&path) {
            Ok(text) => interchange::import(&text).with_context(|| path.display().to_string())?.state.environments,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let both: Vec<&str> =
            entries.iter().map(|entry| entry.name.as_str()).filter(|name| all.contains_key(*name)).collect();
        if !both.is_empty() && !arguments.force {
            bail!("{} has {} already: replace them with --force", path.display(), both.join(", "));
        }
        let count = entries.len();
        all.extend(entries.into_iter().map(|entry| (entry.name.clone(), entry)));
        let text = interchange::export(&all.into_values().collect::<Vec<_>>());
        write_whole(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        told(&format!("{count} environments are in {}; they stay here too", path.display()));
        Ok(())
    }

    async fn entries_with_history(&self) -> anyhow::Result<Vec<EnvironmentEntry>> {
        let mut entries = Vec::new();
        for environment in Environments::list(&self.tools.store, false).await? {
            let Some(entry) =
                environment.entry.clone().filter(|_| environment.project.id == self.known.project.id)
            else {
                continue;
            };
            let audit_log = self.state(&environment).audit(&entry.name).await?;
            entries.push(EnvironmentEntry { audit_log, ..entry });
        }
        Ok(entries)
    }
}

/// A file as a whole or not at all, for its owner only: outputs may be secret.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
