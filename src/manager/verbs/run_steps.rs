//! `run_steps` and `refresh`: single steps of a stored environment, whatever their records say.

use super::deployed::Deployed;
use crate::domain::checkpoint::UnknownStep;
use crate::domain::manifest::{MANIFEST_FILE, Manifest};
use crate::manager::context::Context;
use crate::manager::plan::{self, StepId};
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError};

/// Which steps a refresh runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct RefreshScope<'a> {
    /// Only these; empty means all.
    pub only: &'a [String],
    /// Only from this one on.
    pub from: Option<&'a str>,
}

impl Manager {
    /// Runs these steps in this order: `sync_code`, `generate_manifest` and the runner phase's. Each one is recorded, and
    /// sees what the ones before made.
    ///
    /// # Errors
    /// `UnknownStep`, before anything runs; `UnknownEnvironment`; the first failing step.
    pub async fn run_steps(&self, environment: &str, steps: &[String]) -> Result<Deployed, ManagerError> {
        let ids = self.named_steps(steps)?;
        let context = self.open_existing(environment).await?.with_no_cache(true);
        let attached = context.facts().await.attached;
        // The code of a person's own worktree is the person's.
        let syncs = self.dependencies.compute.owns_checkout() && !attached;
        let ids: Vec<StepId> = ids.into_iter().filter(|id| syncs || *id != StepId::SyncCode).collect();
        self.dependencies.progress.on_plan(&plan::names(&ids)).await;
        walk(&context, &ids).await?;
        Ok(Deployed::of(&context).await)
    }

    /// Brings code, manifest and everything of the runner phase up to date, or the named part of that. Steps that the
    /// project has no use for are left out.
    ///
    /// # Errors
    /// `UnknownStep` for a name in the scope, before anything runs; `UnknownEnvironment`; the first failing step.
    pub async fn refresh(&self, environment: &str, scope: RefreshScope<'_>) -> Result<Deployed, ManagerError> {
        let known = plan::names(&plan::callable_steps(&self.dependencies.config));
        self.named_steps(scope.only)?;
        let from = match scope.from.filter(|from| !from.is_empty()) {
            None => 0,
            Some(from) => known
                .iter()
                .position(|step| step == from)
                .ok_or_else(|| UnknownStep { step: from.to_owned(), known: known.clone() })?,
        };
        let context = self.open_existing(environment).await?.with_no_cache(true);
        let attached = context.facts().await.attached;
        let runner = plan::runner_plan(&self.dependencies.config, self.runner_scope(self.has_env(), attached));
        let mut ids: Vec<StepId> = runner.into_iter().filter(|id| *id != StepId::Probe).collect();
        let manifest_at = usize::from(ids.first() == Some(&StepId::SyncCode));
        ids.insert(manifest_at, StepId::GenerateManifest);
        let wanted = |id: &StepId| {
            let name = id.name();
            let late_enough = known.iter().position(|step| *step == name).is_some_and(|at| at >= from);
            late_enough && (scope.only.is_empty() || scope.only.contains(&name))
        };
        ids.retain(wanted);
        self.dependencies.progress.on_plan(&plan::names(&ids)).await;
        if scope.only.is_empty() && from == 0 {
            self.runner_phase(&context, &ids).await?;
        } else {
            walk(&context, &ids).await?;
        }
        Ok(Deployed::of(&context).await)
    }

    /// Whether any service has variables of its own.
    pub(super) fn has_env(&self) -> bool {
        let services = &self.dependencies.config.services;
        services.values().any(|service| service.env.as_ref().is_some_and(|env| !env.is_empty()))
    }

    fn named_steps(&self, names: &[String]) -> Result<Vec<StepId>, ManagerError> {
        let known = plan::callable_steps(&self.dependencies.config);
        let find = |name: &String| {
            let unknown = || UnknownStep { step: name.clone(), known: plan::names(&known) };
            Ok(known.iter().find(|id| id.name() == *name).cloned().ok_or_else(unknown)?)
        };
        names.iter().map(find).collect()
    }

    /// An environment that exists, with what its entry and its manifest know.
    pub(super) async fn open_existing(&self, environment: &str) -> Result<Context<'_>, ManagerError> {
        let context = self.context(environment, Some(self.existing(environment).await?));
        context.recall().await;
        // One that is not there yet is missed only by a step that needs it.
        if let Ok(access) = context.access().await
            && let Ok(Some(text)) = access.read_file(MANIFEST_FILE).await
            && let Ok(manifest) = Manifest::from_text(&String::from_utf8_lossy(&text))
        {
            context.facts().await.manifest = Some(manifest);
        }
        Ok(context)
    }
}
