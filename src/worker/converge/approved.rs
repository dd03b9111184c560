//! The last question before untrusted code is fetched: does the leave to run it still hold?

use super::trouble::Trouble;
use super::{Converger, Task};
use crate::domain::change::Sha;
use crate::domain::environment::Environment;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::ports::AuditRecord;
use crate::domain::trust;

impl Converger {
    /// Asks the store and the forge anew; the commit of the base branch whose configuration rules.
    pub(super) async fn approved(&self, task: &Task<'_>, commit: &Sha) -> Result<Sha, Trouble> {
        let environment = &task.environment;
        let now = self.environments.get(environment.id).await?;
        let now = now.filter(|now| now.generation == environment.generation);
        let Some(now) = now else {
            let message = "something newer was decided about this preview";
            return Err(PortError::new(ErrorKind::Conflict, message).into());
        };
        let repository = &environment.project.repository;
        let forge = self.forge(repository)?;
        let change = forge.change(repository, environment.number).await?;
        match (trust::may_run(commit, now.approval.as_ref(), change.as_ref()), change) {
            (Ok(()), Some(change)) => Ok(change.base.sha),
            (Ok(()), None) => Err(self.refused(task, &now, commit, "the change is gone".to_owned()).await),
            (Err(because), _) => Err(self.refused(task, &now, commit, because).await),
        }
    }

    async fn refused(&self, task: &Task<'_>, now: &Environment, commit: &Sha, because: String) -> Trouble {
        let record = AuditRecord {
            at: self.clock.now_ms(),
            actor: now.approval.as_ref().map(|approval| approval.by.clone()),
            source: "worker".to_owned(),
            action: task.claimed.job.work.kind().to_owned(),
            environment: Some(format!("{}/{}", now.project.slug, now.name)),
            commit: Some(commit.clone()),
            detail: because.clone(),
            allowed: false,
        };
        if let Err(error) = self.audit.record(&record).await {
            tracing::error!(error = %error.chain(), "the audit log cannot be written");
        }
        Trouble::Unapproved(because)
    }
}
