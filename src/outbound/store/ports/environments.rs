//! Projects and environments: reading them, naming them. What jobs do to them is in `outcomes`.

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::super::database::{On, query, scalar};
use super::super::rows::{EnvironmentRow, ProjectRow};
use super::super::sql::{self, select_environment, select_project};
use super::{Store, Tx, check_claim, commit, failed};
use crate::domain::change::{ChangeNumber, Repository, Sha};
use crate::domain::environment::{Environment, EnvironmentId, Project, ProjectId, Slug};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::Claim;
use crate::domain::ports::{EnvironmentOutcome, Environments};
use crate::domain::report::Snapshot;

#[async_trait]
impl Environments for Store {
    async fn project(&self, repository: &Repository) -> PortResult<Option<Project>> {
        let row: Option<ProjectRow> = query(select_project!("WHERE forge = $1 AND repository_id = $2"))
            .bind(repository.forge.as_str())
            .bind(repository.id.0.cast_signed())
            .fetch_optional(self.reader())
            .await
            .map_err(failed("read a project"))?;
        let Some(mut project) = row.map(ProjectRow::project).transpose()? else {
            return Ok(None);
        };
        let installation = repository.installation.or(project.repository.installation);
        let current = Repository { installation, ..repository.clone() };
        if project.repository != current {
            self.rename(project.id, &current).await?;
            project.repository = current;
        }
        Ok(Some(project))
    }

    async fn ensure_project(&self, repository: &Repository, wanted: &str) -> PortResult<Project> {
        if let Some(project) = self.project(repository).await? {
            return Ok(project);
        }
        let mut tx = self.begin().await?;
        let slug = free_slug(&mut tx, repository, wanted).await?;
        query(
            "INSERT INTO projects (slug, forge, repository_id, repository_name, installation, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (forge, repository_id) DO NOTHING",
        )
        .bind(slug.as_str())
        .bind(repository.forge.as_str())
        .bind(repository.id.0.cast_signed())
        .bind(repository.name.as_str())
        .bind(repository.installation.map(u64::cast_signed))
        .bind(self.now())
        .execute(&mut tx)
        .await
        .map_err(failed("make a project"))?;
        commit(tx).await?;
        let missing = || PortError::new(ErrorKind::NotFound, format!("project {} is gone again", repository.name));
        self.project(repository).await?.ok_or_else(missing)
    }

    async fn by_change(&self, project: ProjectId, number: ChangeNumber) -> PortResult<Option<Environment>> {
        let row: Option<EnvironmentRow> = query(select_environment!("WHERE e.project_id = $1 AND e.number = $2"))
            .bind(project.0)
            .bind(number.0.cast_signed())
            .fetch_optional(self.reader())
            .await
            .map_err(failed("read an environment"))?;
        row.map(EnvironmentRow::environment).transpose()
    }

    async fn get(&self, id: EnvironmentId) -> PortResult<Option<Environment>> {
        by_id(self.reader(), id.0).await
    }

    /// Gone is what should not exist, does not, and is not being worked on; what never lived for want of trust or by
    /// policy is not gone while its change is open.
    async fn list(&self, gone: bool) -> PortResult<Vec<Environment>> {
        let rows: Vec<EnvironmentRow> = query(select_environment!(
            "WHERE $1 OR e.desired <> 'absent' OR e.entry IS NOT NULL \
             OR (e.destroyed_at IS NULL AND e.cause IN ('untrusted', 'policy')) \
             OR EXISTS (SELECT 1 FROM jobs j WHERE j.environment_id = e.id AND j.touches \
                        AND j.state IN ('queued', 'waiting', 'running')) \
             ORDER BY p.slug, e.number"
        ))
        .bind(gone)
        .fetch_all(self.reader())
        .await
        .map_err(failed("list environments"))?;
        rows.into_iter().map(EnvironmentRow::environment).collect()
    }

    async fn snapshot(&self, id: EnvironmentId) -> PortResult<Option<Snapshot>> {
        self.snapshot_of(id).await
    }

    async fn ruling(&self, id: EnvironmentId) -> PortResult<Option<Sha>> {
        let ruling: Option<Option<String>> = scalar("SELECT ruling FROM environments WHERE id = $1")
            .bind(id.0)
            .fetch_optional(self.reader())
            .await
            .map_err(failed("read whose configuration rules"))?;
        let broken = |error| PortError::with_source(ErrorKind::Invalid, "the stored commit is none", error);
        ruling.flatten().map(|commit| commit.parse()).transpose().map_err(broken)
    }

    async fn rule(&self, claim: &Claim, ruling: &Sha) -> PortResult<()> {
        let id = claimed_environment(claim)?;
        let mut tx = self.begin().await?;
        check_claim(&mut tx, claim).await?;
        query("UPDATE environments SET ruling = $1 WHERE id = $2")
            .bind(ruling.as_str())
            .bind(id.0)
            .execute(&mut tx)
            .await
            .map_err(failed("note whose configuration rules"))?;
        commit(tx).await
    }

    async fn record(&self, claim: &Claim, outcome: EnvironmentOutcome) -> PortResult<()> {
        self.record_outcome(claim, outcome).await
    }
}

impl Store {
    async fn rename(&self, project: ProjectId, repository: &Repository) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query("UPDATE projects SET repository_name = $1, installation = $2, updated_at = $3 WHERE id = $4")
            .bind(repository.name.as_str())
            .bind(repository.installation.map(u64::cast_signed))
            .bind(self.now())
            .bind(project.0)
            .execute(&mut tx)
            .await
            .map_err(failed("bring a project up to date"))?;
        commit(tx).await
    }
}

/// The environment with this row id.
pub(super) async fn by_id(on: impl Into<On<'_>> + Send, id: i64) -> PortResult<Option<Environment>> {
    let row: Option<EnvironmentRow> =
        query(sql::ENVIRONMENT_BY_ID).bind(id).fetch_optional(on).await.map_err(failed("read an environment"))?;
    row.map(EnvironmentRow::environment).transpose()
}

/// The environment that a claim locks.
pub(super) fn claimed_environment(claim: &Claim) -> PortResult<EnvironmentId> {
    let none = || PortError::new(ErrorKind::Invalid, format!("job {} holds no environment", claim.job));
    claim.environment.ok_or_else(none)
}

pub(super) async fn free_slug(tx: &mut Tx, repository: &Repository, wanted: &str) -> PortResult<Slug> {
    let slug = Slug::from_text(wanted);
    let taken: Option<i64> = scalar("SELECT id FROM projects WHERE slug = $1")
        .bind(slug.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("look for a free slug"))?;
    if taken.is_none() {
        return Ok(slug);
    }
    let hash = hex::encode(Sha256::digest(format!("{}:{}", repository.forge, repository.id)));
    Ok(slug.with_suffix(&hash[..8]))
}
