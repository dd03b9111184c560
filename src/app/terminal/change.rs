//! Commands that change an environment.

use std::path::Path;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::bench::{Task, Tools};
use super::session::{After, Hold, Session};
use crate::domain::change::Sha;
use crate::domain::entry::EnvironmentEntry;
use crate::domain::environment::{Desired, Environment, LifeId};
use crate::domain::hook::sanitize_name;
use crate::domain::manifest::Manifest;
use crate::domain::ports::{CreateRequest, Environments};
use crate::inbound::cli::arguments::{CoreAction, CoreArguments, CreateArguments, DeleteArguments, RunPhase};
use crate::inbound::cli::{CliError, create, running};
use crate::manager::Manager;

impl Session {
    pub(super) async fn create(&self, arguments: &CreateArguments) -> anyhow::Result<()> {
        let name = match (&arguments.name, &arguments.worktree) {
            (None, Some(worktree)) if arguments.target.environment.is_none() => folder_name(worktree)?,
            _ => self.named(arguments.name.as_deref(), &arguments.target).await?,
        };
        let entry = self.environment(&name).await?.and_then(|environment| environment.entry);
        let request = request(&name, entry.as_ref(), arguments.branch.as_deref(), arguments.base.as_deref());
        self.refuse_alike(&name).await?;
        let attached = arguments.worktree.as_deref().map(absolute).transpose()?;
        if arguments.dry_run {
            return self.show_plan(&name, &request, arguments).await;
        }
        if attached.is_none() {
            self.refuse_machines(&name).await?;
        }
        let commit = self.commit(entry.as_ref(), &request, attached.as_deref()).await?;
        let hold = Hold {
            name: &name,
            command: "create".to_owned(),
            desired: Some(Desired::Running { commit }),
            make: true,
            no_cache: arguments.no_cache,
            marks_errors: true,
        };
        let from = arguments.from.as_deref();
        let deployed = self
            .hold(hold, async |held| {
                let deployed = match &attached {
                    Some(path) => held.manager.attach(&name, &path.to_string_lossy()).await?,
                    None => held.manager.init(&request, from).await?,
                };
                Ok((deployed.clone(), After::Ready(Box::new(deployed))))
            })
            .await?;
        let environment = self.environment(&name).await?.context("the environment is gone again")?;
        let mut out = std::io::stdout();
        Ok(create::done(&environment, &deployed, arguments.json, &mut out)?)
    }

    /// Names of compose projects are tamer than those of environments: two that become one would remove each other's
    /// containers and data.
    async fn refuse_alike(&self, name: &str) -> anyhow::Result<()> {
        let alike = |other: &String| other != name && sanitize_name(other) == sanitize_name(name);
        let environments = Environments::list(&self.tools.store, false).await?;
        let own = environments.into_iter().filter(|environment| environment.project.id == self.known.project.id);
        match own.map(|environment| environment.called()).find(alike) {
            Some(other) => bail!(
                "`{name}` and the environment `{other}` would share one compose project: choose another name"
            ),
            None => Ok(()),
        }
    }

    /// Code reaches a machine from the bot's mirror, which a person's own repository is not.
    async fn refuse_machines(&self, name: &str) -> anyhow::Result<()> {
        let config = self.project.config(&self.mode_of(Some(name)).await?).await?;
        if config.provisioner.compute.is_some_and(|hooks| !hooks.create.is_empty()) {
            bail!(
                "provisioner.compute.create makes a machine, and machines are for the bot alone: create the environment \
                 in a worktree with --worktree, or with a mode whose overlay has an empty provisioner.compute"
            );
        }
        Ok(())
    }

    async fn show_plan(
        &self,
        name: &str,
        request: &CreateRequest,
        arguments: &CreateArguments,
    ) -> anyhow::Result<()> {
        // A plan for a configuration that would be refused is worth nothing.
        self.project.config(&self.mode_of(Some(name)).await?).await?;
        let stored = self.environment(name).await?.filter(|environment| environment.entry.is_some());
        let environment = stored.unwrap_or_else(|| self.imagined(name));
        let manager = self.looking(&environment, arguments.no_cache).await?;
        let steps = manager.plan(request, arguments.from.as_deref()).await.map_err(CliError::from)?;
        Ok(running::plan(&steps, arguments.json, &mut std::io::stdout())?)
    }

    /// The commit that the environment is about to show.
    async fn commit(
        &self,
        entry: Option<&EnvironmentEntry>,
        request: &CreateRequest,
        attached: Option<&Path>,
    ) -> anyhow::Result<Sha> {
        let source = Tools::source(&self.project, &self.project.recalled("local").await?);
        let placed = entry.and_then(EnvironmentEntry::worktree_path).map(Path::new).filter(|path| path.is_dir());
        match attached.or(placed) {
            Some(folder) => {
                let head = source.head(folder).await?;
                head.with_context(|| format!("{} is no git worktree with a commit", folder.display()))
            }
            None => Ok(source.start_of(&request.branch, request.base.as_deref()).await?),
        }
    }

    pub(super) async fn delete(&self, arguments: &DeleteArguments) -> anyhow::Result<()> {
        let environment = self.existing(arguments.name.as_deref(), &arguments.target).await?;
        let name = environment.called();
        let entry = environment.entry.unwrap_or_default();
        if entry.is_managed_worktree() && !arguments.force {
            let source = Tools::source(&self.project, &self.project.recalled("local").await?);
            source.refuse_changes(Path::new(entry.worktree_path().unwrap_or_default())).await?;
        }
        let hold = Hold {
            name: &name,
            command: "delete".to_owned(),
            desired: Some(Desired::Absent),
            make: false,
            no_cache: false,
            marks_errors: true,
        };
        self.hold(hold, async |held| {
            held.manager.destroy(&name).await?;
            Ok(((), After::Destroyed))
        })
        .await?;
        create::told(&format!("{name} is gone"));
        Ok(())
    }

    pub(super) async fn provision(&self, phase: &RunPhase) -> anyhow::Result<()> {
        let RunPhase::Provision { name, branch, base, from, no_cache, target } = phase else { return Ok(()) };
        let name = self.named(name.as_deref(), target).await?;
        let entry = self.environment(&name).await?.and_then(|environment| environment.entry);
        let request = request(&name, entry.as_ref(), branch.as_deref(), base.as_deref());
        let hold = Hold {
            name: &name,
            command: "run provision".to_owned(),
            desired: Some(Desired::Stopped),
            make: true,
            no_cache: *no_cache,
            marks_errors: true,
        };
        let deployed = self
            .hold(hold, async |held| {
                Ok((held.manager.provision(&request, from.as_deref()).await?, After::Stopped))
            })
            .await?;
        let place = deployed.entry.worktree_path().unwrap_or_default().to_owned();
        create::told(&format!("{name} is provisioned in {place}; `previewbot run runner` in there makes it run"));
        Ok(())
    }

    pub(super) async fn runner(&self, phase: &RunPhase) -> anyhow::Result<()> {
        let RunPhase::Runner { manifest, from, .. } = phase else { return Ok(()) };
        let manifest = self.project.at.join(manifest);
        let folder = manifest.parent().unwrap_or(Path::new("."));
        let Ok(name) = self.environment_in(folder).await? else {
            return self.run_alone(&manifest, folder, from.as_deref()).await;
        };
        let hold = Hold {
            name: &name,
            command: "run runner".to_owned(),
            desired: None,
            make: false,
            no_cache: false,
            marks_errors: false,
        };
        self.hold(hold, async |held| Ok((held.manager.run(&manifest, from.as_deref()).await?, After::Nothing)))
            .await
    }

    /// Runs a manifest that was made elsewhere: nothing here knows of its environment, so nothing is held and stored.
    async fn run_alone(&self, manifest: &Path, folder: &Path, from: Option<&str>) -> anyhow::Result<()> {
        let text = std::fs::read(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let read = Manifest::from_bytes(&text)?;
        let mode = self.mode.clone().unwrap_or(read.mode);
        // The same for every run in this folder, so that what an earlier one left is found.
        let digest = Sha256::digest(folder.to_string_lossy().as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        let life = LifeId(uuid::Builder::from_custom_bytes(id).into_uuid());
        let environment = Environment { life, ..self.imagined(&read.env_name) };
        let dependencies = self
            .tools
            .dependencies(Task {
                project: &self.project,
                config: self.project.config(&mode).await?,
                claimed: None,
                environment: &environment,
                progress: self.progress.clone(),
                cancel: self.cancel.clone(),
                no_cache: true,
            })
            .await?;
        Ok(Manager::new(dependencies).run(manifest, from).await.map_err(CliError::from)?)
    }

    pub(super) async fn core(&self, arguments: &CoreArguments) -> anyhow::Result<()> {
        let name = self.existing(None, &arguments.target).await?.called();
        let service = arguments.service.as_str();
        let word = format!("core {service} {}", action(arguments.action));
        let hold = Hold {
            name: &name,
            command: word.clone(),
            desired: None,
            make: false,
            no_cache: false,
            marks_errors: false,
        };
        self.hold(hold, async |held| {
            let manager = &held.manager;
            Ok(match arguments.action {
                CoreAction::Init => (manager.core_init(service).await.map(drop)?, After::Nothing),
                CoreAction::Reset if arguments.no_propagate => {
                    (manager.core_reset_only(service, &name).await?, After::DataReset)
                }
                CoreAction::Reset => (manager.core_reset(service, &name).await.map(drop)?, After::DataReset),
                CoreAction::Seed => (manager.core_seed(service, &name).await.map(drop)?, After::DataReset),
                CoreAction::Destroy => (manager.core_destroy(service, &name).await?, After::Nothing),
            })
        })
        .await?;
        create::told(&format!("{word} is done"));
        Ok(())
    }
}

const fn action(action: CoreAction) -> &'static str {
    match action {
        CoreAction::Init => "init",
        CoreAction::Seed => "seed",
        CoreAction::Reset => "reset",
        CoreAction::Destroy => "destroy",
    }
}

/// The branch as asked for, else the environment's own, else one of the environment's name.
fn request(
    name: &str,
    entry: Option<&EnvironmentEntry>,
    branch: Option<&str>,
    base: Option<&str>,
) -> CreateRequest {
    let own = entry.map(|entry| entry.branch.as_str()).filter(|branch| !branch.is_empty());
    CreateRequest {
        environment: name.to_owned(),
        branch: branch.or(own).unwrap_or(name).to_owned(),
        base: base.map(str::to_owned),
    }
}

fn absolute(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))
}

/// An attached worktree is called as its folder is.
fn folder_name(worktree: &Path) -> anyhow::Result<String> {
    let folder = absolute(worktree)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    name.with_context(|| format!("{} has no name to call an environment by", folder.display()))
}
