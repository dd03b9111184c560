//! Projects that are folders, and environments that a person's command works on.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::super::database::{Json, On, query, scalar};
use super::super::rows::{EnvironmentRow, PAYLOAD_VERSION, ProjectRow};
use super::super::sql::select_environment;
use super::assessments::update;
use super::environments::free_slug;
use super::insert::end_job;
use super::jobs::claimed;
use super::{Store, Tx, commit, failed, millis};
use crate::domain::change::{ForgeKind, RepoName, Repository, RepositoryId};
use crate::domain::environment::{Cause, Desired, EnvName, Environment, ProjectId, Slug};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::{JobState, NewJob, Work};
use crate::domain::ports::{ClaimedJob, Errand, FolderEnvironments, FolderProject};

#[derive(sqlx::FromRow)]
struct FolderRow {
    #[sqlx(flatten)]
    project: ProjectRow,
    folder: String,
}

impl FolderRow {
    fn project(self) -> PortResult<FolderProject> {
        Ok(FolderProject { project: self.project.project()?, folder: PathBuf::from(self.folder) })
    }
}

/// Reads projects that are folders; the rest of the statement follows.
macro_rules! select_folder {
    ($rest:literal) => {
        concat!(
            "SELECT id AS project_id, slug, forge, repository_id, repository_name, installation, folder \
             FROM projects WHERE folder IS NOT NULL ",
            $rest
        )
    };
}

#[async_trait]
impl FolderEnvironments for Store {
    async fn folder_project(&self, folder: &Path) -> PortResult<Option<FolderProject>> {
        let row: Option<FolderRow> = query(select_folder!("AND folder = $1"))
            .bind(folder.to_string_lossy())
            .fetch_optional(self.reader())
            .await
            .map_err(failed("read a project"))?;
        row.map(FolderRow::project).transpose()
    }

    async fn ensure_folder_project(&self, folder: &Path, name: &str) -> PortResult<FolderProject> {
        if let Some(project) = self.folder_project(folder).await? {
            return Ok(project);
        }
        let repository = repository(folder, name)?;
        let mut tx = self.begin().await?;
        let slug = free_slug(&mut tx, &repository, name).await?;
        query(
            "INSERT INTO projects (slug, forge, repository_id, repository_name, folder, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (forge, repository_id) DO NOTHING",
        )
        .bind(slug.as_str())
        .bind(repository.forge.as_str())
        .bind(repository.id.0.cast_signed())
        .bind(repository.name.as_str())
        .bind(folder.to_string_lossy())
        .bind(self.now())
        .execute(&mut tx)
        .await
        .map_err(failed("make a project"))?;
        commit(tx).await?;
        let missing = || PortError::new(ErrorKind::NotFound, format!("project {slug} is gone again"));
        self.folder_project(folder).await?.ok_or_else(missing)
    }

    async fn folder_projects(&self) -> PortResult<Vec<FolderProject>> {
        let rows: Vec<FolderRow> = query(select_folder!("ORDER BY slug"))
            .fetch_all(self.reader())
            .await
            .map_err(failed("list projects"))?;
        rows.into_iter().map(FolderRow::project).collect()
    }

    async fn environment_named(&self, project: ProjectId, name: &str) -> PortResult<Option<Environment>> {
        row(self.reader(), project, &EnvName::of_text(name)).await
    }

    async fn take(
        &self,
        errand: &Errand,
        is_gone: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> PortResult<ClaimedJob> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let mut environment = self.for_errand(&mut tx, now, errand).await?;
        make_way(&mut tx, now, (environment.id.0, errand), is_gone).await?;
        if let Some(desired) = &errand.desired {
            set_desired(&mut environment, desired, &errand.command, now);
            update(&mut tx, now, &environment).await?;
        }
        let id = self.begin_job(&mut tx, now, &environment, errand).await?;
        let claimed = claimed(&mut tx, now, id).await?;
        commit(tx).await?;
        self.tell_all();
        let unreadable = || PortError::new(ErrorKind::Invalid, "a job that was just made cannot be read");
        claimed.ok_or_else(unreadable)
    }
}

/// The process behind an owner, where the owner says so.
fn holder(owner: &str) -> String {
    let pid = owner.strip_prefix("process ").and_then(|rest| rest.split(' ').next());
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// What stands in a repository's place for a folder: its id is made of the path.
fn repository(folder: &Path, name: &str) -> PortResult<Repository> {
    let digest = Sha256::digest(folder.to_string_lossy().as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    let name: RepoName = format!("folder/{}", Slug::from_text(name))
        .parse()
        .map_err(|error| PortError::with_source(ErrorKind::Invalid, "the project has no usable name", error))?;
    Ok(Repository {
        forge: ForgeKind::Folder,
        id: RepositoryId(u64::from_le_bytes(id) >> 1),
        name,
        installation: None,
    })
}

/// A person's word holds, and what was wrong before is forgotten with it.
fn set_desired(environment: &mut Environment, desired: &Desired, command: &str, now: i64) {
    environment.generation += 1;
    environment.desired = desired.clone();
    environment.cause = Cause::Command;
    environment.sticky = true;
    environment.reason = format!("`previewbot {command}`");
    environment.failure = None;
    if matches!(desired, Desired::Running { .. }) && environment.destroyed_at.take().is_some() {
        environment.created_at = now;
    }
}

impl Store {
    async fn for_errand(&self, tx: &mut Tx, now: i64, errand: &Errand) -> PortResult<Environment> {
        let name = EnvName::of_text(&errand.name);
        if let Some(found) = row(&mut *tx, errand.project, &name).await? {
            return Ok(found);
        }
        if !errand.make {
            let message = format!("there is no environment `{}`", errand.name);
            return Err(PortError::new(ErrorKind::NotFound, message));
        }
        query(
            "INSERT INTO environments (project_id, name, number, life, desired, cause, reason, trust, created_at, \
             updated_at) \
             VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM environments WHERE project_id = $1), \
             $3, 'absent', 'command', 'it was just named', 'trusted', $4, $4)",
        )
        .bind(errand.project.0)
        .bind(name.as_str())
        .bind(self.inner.random.uuid().hyphenated().to_string())
        .bind(now)
        .execute(&mut *tx)
        .await
        .map_err(failed("make an environment"))?;
        let missing = || PortError::new(ErrorKind::NotFound, format!("environment `{name}` is gone again"));
        row(&mut *tx, errand.project, &name).await?.ok_or_else(missing)
    }

    /// A running job without a queue: the command works already.
    async fn begin_job(
        &self,
        tx: &mut Tx,
        now: i64,
        environment: &Environment,
        errand: &Errand,
    ) -> PortResult<i64> {
        let job = NewJob {
            work: Work::Terminal { command: errand.command.clone() },
            environment: Some(environment.id),
            generation: Some(environment.generation),
            comment: None,
            reason: format!("`previewbot {}`", errand.command),
        };
        scalar(
            "INSERT INTO jobs (kind, payload, payload_version, project_id, environment_id, serial_key, converges, \
             touches, priority, state, attempt, max_attempts, claims, generation, reason, owner, lease_until, \
             created_at, run_at, started_at) \
             VALUES ($1, $2, $3, $4, $5, $6, false, true, $7, 'running', 1, $8, 1, $9, $10, $11, $12, $13, $13, $13) \
             RETURNING id",
        )
        .bind(job.work.kind())
        .bind(Json(&job.work))
        .bind(PAYLOAD_VERSION)
        .bind(environment.project.id.0)
        .bind(environment.id.0)
        .bind(job.serial_key())
        .bind(job.work.priority())
        .bind(job.work.max_attempts())
        .bind(job.generation)
        .bind(&job.reason)
        .bind(format!("{}#1", errand.owner))
        .bind(now.saturating_add(millis(errand.lease)))
        .bind(now)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("begin a command's work"))
    }
}

async fn row<'a>(
    from: impl Into<On<'a>> + Send,
    project: ProjectId,
    name: &EnvName,
) -> PortResult<Option<Environment>> {
    let row: Option<EnvironmentRow> = query(select_environment!("WHERE e.project_id = $1 AND e.name = $2"))
        .bind(project.0)
        .bind(name.as_str())
        .fetch_optional(from)
        .await
        .map_err(failed("read an environment"))?;
    row.map(EnvironmentRow::environment).transpose()
}

/// Ends what commands left that are gone, and refuses where somebody works.
async fn make_way(
    tx: &mut Tx,
    now: i64,
    (environment, errand): (i64, &Errand),
    is_gone: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
) -> PortResult<()> {
    let open: Vec<(i64, Option<String>, Option<i64>, String)> = query(
        "SELECT id, owner, lease_until, reason FROM jobs WHERE environment_id = $1 AND touches \
         AND state IN ('queued', 'waiting', 'running') ORDER BY id",
    )
    .bind(environment)
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("look for others at work"))?;
    for (id, owner, lease_until, reason) in open {
        let held = lease_until.is_some_and(|until| until > now);
        let alive = owner.as_deref().is_some_and(|owner| !is_gone(owner));
        if held && alive {
            let who = owner.as_deref().map(holder).unwrap_or_default();
            let message =
                format!("environment `{}` is being worked on by {reason}{who}: wait for it", errand.name);
            return Err(PortError::new(ErrorKind::Conflict, message));
        }
        let why = "its command was ended before it was done";
        end_job(tx, now, id, JobState::Failed, why).await?;
    }
    Ok(())
}
