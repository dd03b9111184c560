//! `clean`: what environments left behind that nobody knows any more. Only what bears this installation's label, or
//! lies in its own folders, is ever offered.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::bench::this_machine;
use super::look::NoHooks;
use crate::app::bot::{self, World};
use crate::app::folders::Folders;
use crate::domain::environment::{Environment, LifeId};
use crate::domain::ports::Environments as _;
use crate::inbound::cli::arguments::CleanArguments;
use crate::inbound::cli::clean::{self, Leftover};
use crate::outbound::compute::{labelled, remove_labelled};
use crate::outbound::machine::Machine;
use crate::outbound::supervisor::end_marked_processes;
use crate::settings::Settings;

/// Everything that is left of one lost life, or of none in particular.
#[derive(Default)]
struct Lost {
    docker: Vec<String>,
    folder: Option<PathBuf>,
}

pub(super) async fn run(settings: &Settings, world: &World, arguments: &CleanArguments) -> anyhow::Result<()> {
    let store = bot::open_terminal_store(settings, world).await?;
    let folders = Folders::new(&settings.data_dir);
    folders.make()?;
    let environments = store.list(true).await?;
    let known: BTreeSet<LifeId> = environments.iter().map(|environment| environment.life).collect();
    let home = folders.previews().join(".previewbot").join("docker");
    let (mut lost, asked) = match labelled(machine(), &home, &store.installation_id().to_string()).await {
        Ok(found) => (of_docker(found, &known), true),
        Err(error) => {
            tracing::warn!(error = %error.chain(), "docker cannot be asked: only folders are looked at");
            (BTreeMap::new(), false)
        }
    };
    for (life, folder) in lives(&folders)? {
        // Without docker nobody can tell whether the folder is still needed to remove containers.
        if asked && !known.contains(&life) && !is_of_manifest(life) {
            lost.entry(life).or_default().folder = Some(folder);
        }
    }
    let worktrees = worktrees(&folders, &environments)?;
    let shown = shown(&lost, &worktrees);
    clean::offered(&shown, arguments.json, &mut std::io::stdout())?;
    if arguments.dry_run || shown.is_empty() {
        return Ok(());
    }
    if !arguments.yes && !confirmed()? {
        bail!("nothing was removed");
    }
    remove(&home, lost, &worktrees).await
}

fn of_docker(found: BTreeMap<LifeId, Vec<String>>, known: &BTreeSet<LifeId>) -> BTreeMap<LifeId, Lost> {
    let lost = found.into_iter().filter(|(life, _)| !known.contains(life) && !is_of_manifest(*life));
    lost.map(|(life, docker)| (life, Lost { docker, folder: None })).collect()
}

/// Whether it is of a manifest that was run by itself: nobody recorded that, so nobody can say that it is lost.
fn is_of_manifest(life: LifeId) -> bool {
    life.0.get_version_num() == 8
}

/// The folders beside environments, by life.
fn lives(folders: &Folders) -> anyhow::Result<Vec<(LifeId, PathBuf)>> {
    let above = folders.previews().join(".previewbot");
    let entries = match above.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", above.display())),
    };
    let life = |name: &str| Some(LifeId(name.parse().ok()?));
    let found = entries.flatten().filter_map(|entry| Some((life(entry.file_name().to_str()?)?, entry.path())));
    Ok(found.collect())
}

/// Worktrees below our own folder that belong to no environment.
fn worktrees(folders: &Folders, environments: &[Environment]) -> anyhow::Result<Vec<PathBuf>> {
    let used: BTreeSet<PathBuf> = environments
        .iter()
        .filter(|environment| environment.entry.is_some())
        .flat_map(|environment| [Some(folders.compute_root(environment)), placed(environment)])
        .flatten()
        .collect();
    let mut lost = Vec::new();
    for project in inner_folders(&folders.previews())? {
        lost.extend(inner_folders(&project)?.into_iter().filter(|folder| !used.contains(folder)));
    }
    Ok(lost)
}

fn placed(environment: &Environment) -> Option<PathBuf> {
    environment.entry.as_ref()?.worktree_path().map(PathBuf::from)
}

fn inner_folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.is_dir() && !path.is_symlink() && !hidden(path));
    found.sort();
    Ok(found)
}

fn shown(lost: &BTreeMap<LifeId, Lost>, worktrees: &[PathBuf]) -> Vec<Leftover> {
    let mut shown = Vec::new();
    for (life, lost) in lost {
        let things = lost.docker.iter().cloned();
        let folder = lost.folder.iter().map(|folder| format!("folder {}", folder.display()));
        shown.extend(things.chain(folder).map(|what| Leftover { what, environment_id: Some(life.to_string()) }));
    }
    let folders = worktrees.iter().map(|folder| format!("worktree {}", folder.display()));
    shown.extend(folders.map(|what| Leftover { what, environment_id: None }));
    shown
}

fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("say --yes to remove these, or --dry-run only to see them: there is no terminal to ask at");
    }
    eprint!("Remove them? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn machine() -> Arc<dyn Machine> {
    this_machine(Arc::new(NoHooks))
}

async fn remove(home: &Path, lost: BTreeMap<LifeId, Lost>, worktrees: &[PathBuf]) -> anyhow::Result<()> {
    let mut left = Vec::new();
    for (life, lost) in lost {
        left.extend(end_marked_processes(life).await.into_iter().map(|pid| format!("process {pid}")));
        if !lost.docker.is_empty() {
            left.extend(remove_labelled(machine(), home, life).await?);
        }
        left.extend(lost.folder.as_deref().and_then(remove_folder));
    }
    left.extend(worktrees.iter().filter_map(|folder| remove_folder(folder)));
    if left.is_empty() {
        return Ok(());
    }
    bail!("still there: {}", left.join(", "))
}

/// What could not be removed, in words.
fn remove_folder(folder: &Path) -> Option<String> {
    let removed = std::fs::remove_dir_all(folder);
    removed.err().map(|error| format!("folder {} ({error})", folder.display()))
}
