//! Row structs and how they become domain types. A row that cannot be read is `Invalid` and says which.

use std::str::FromStr;

use sqlx::FromRow;

use super::database::Json;
use crate::domain::change::{Change, ChangeNumber, NameError, Repository, RepositoryId};
use crate::domain::decision::{Decision, DecisionRecord};
use crate::domain::entry::EnvironmentEntry;
use crate::domain::environment::{Desired, Environment, EnvironmentId, Failure, LifeId, Project, ProjectId};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::event::{Delivery, DeliveryId, Event};
use crate::domain::job::{Job, JobId, JobState};
use crate::domain::ports::{AuditRecord, Posted, PostedKind};
use crate::domain::progress::StepStatus;
use crate::domain::project::Terms;
use crate::domain::report::StepLine;
use crate::domain::trust::{Approval, Trust};

/// Newest shape of a job's payload that this version knows.
pub(super) const PAYLOAD_VERSION: i64 = 1;

fn unreadable(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::with_source(ErrorKind::Invalid, format!("the database has an unreadable {what}"), source)
}

fn word<T: FromStr<Err = NameError>>(what: &str, text: &str) -> PortResult<T> {
    text.parse().map_err(|error| unreadable(what, error))
}

#[derive(FromRow)]
pub(super) struct ProjectRow {
    pub(super) project_id: i64,
    slug: String,
    forge: String,
    repository_id: i64,
    repository_name: String,
    installation: Option<i64>,
}

impl ProjectRow {
    pub(super) fn project(self) -> PortResult<Project> {
        let repository = Repository {
            forge: word("project's forge", &self.forge)?,
            id: RepositoryId(self.repository_id.cast_unsigned()),
            name: word("project's name", &self.repository_name)?,
            installation: self.installation.map(i64::cast_unsigned),
        };
        Ok(Project { id: ProjectId(self.project_id), slug: word("project's slug", &self.slug)?, repository })
    }
}

#[derive(FromRow)]
pub(super) struct EnvironmentRow {
    #[sqlx(flatten)]
    project: ProjectRow,
    id: i64,
    name: String,
    number: i64,
    life: String,
    change_snapshot: Option<Json<Change>>,
    desired: String,
    desired_commit: Option<String>,
    cause: String,
    actor: Option<String>,
    sticky: bool,
    reason: String,
    generation: i64,
    epoch: i64,
    revision: i64,
    push_cancellations: i64,
    entry: Option<Json<EnvironmentEntry>>,
    published: Option<String>,
    failure: Option<Json<Failure>>,
    urls: Json<Vec<(String, String)>>,
    seeded_at: Option<i64>,
    reset_at: Option<i64>,
    deploy_ms: Option<i64>,
    expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    destroyed_at: Option<i64>,
    host: Option<String>,
    trust: String,
    life_trust: Option<String>,
    approved_commit: Option<String>,
    approved_base: Option<String>,
    approved_by: Option<String>,
    approved_at: Option<i64>,
    ttl_ms: Option<i64>,
    comment_mode: String,
    kept_until: Option<i64>,
}

impl EnvironmentRow {
    fn wanted(&self) -> PortResult<Desired> {
        match (self.desired.as_str(), &self.desired_commit) {
            ("running", Some(commit)) => Ok(Desired::Running { commit: word("desired commit", commit)? }),
            ("stopped", _) => Ok(Desired::Stopped),
            ("absent", _) => Ok(Desired::Absent),
            (other, _) => Err(unreadable("desired state", NameError::new("desired", other, "it is not known"))),
        }
    }

    /// One of which a part is missing is none.
    fn approval(&self) -> PortResult<Option<Approval>> {
        let parts = (&self.approved_commit, &self.approved_base, &self.approved_by, self.approved_at);
        let (Some(commit), Some(base), Some(by), Some(at)) = parts else { return Ok(None) };
        let commit = word("approved commit", commit)?;
        Ok(Some(Approval { commit, base: base.clone(), by: by.clone(), at }))
    }

    pub(super) fn environment(self) -> PortResult<Environment> {
        Ok(Environment {
            desired: self.wanted()?,
            approval: self.approval()?,
            terms: Terms { ttl_ms: self.ttl_ms, comment: word("comment mode", &self.comment_mode)? },
            kept_until: self.kept_until,
            trust: word::<Trust>("trust", &self.trust)?,
            life_trust: self.life_trust.as_deref().map(|text| word("trust of a life", text)).transpose()?,
            cause: word("cause", &self.cause)?,
            name: word("environment name", &self.name)?,
            life: LifeId(self.life.parse().map_err(|error: uuid::Error| unreadable("life", error))?),
            published: self.published.as_deref().map(|sha| word("published commit", sha)).transpose()?,
            id: EnvironmentId(self.id),
            project: self.project.project()?,
            number: ChangeNumber(self.number.cast_unsigned()),
            change: self.change_snapshot.map(|json| json.0),
            actor: self.actor,
            sticky: self.sticky,
            reason: self.reason,
            generation: self.generation,
            epoch: self.epoch,
            revision: self.revision,
            push_cancellations: self.push_cancellations,
            entry: self.entry.map(|json| json.0),
            failure: self.failure.map(|json| json.0),
            urls: self.urls.0,
            seeded_at: self.seeded_at,
            reset_at: self.reset_at,
            deploy_ms: self.deploy_ms,
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            destroyed_at: self.destroyed_at,
            host: self.host,
        })
    }
}

#[derive(FromRow)]
pub(super) struct JobRow {
    pub(super) id: i64,
    payload: String,
    project: Option<String>,
    pub(super) environment_id: Option<i64>,
    environment: Option<String>,
    state: String,
    pub(super) attempt: i64,
    pub(super) max_attempts: i64,
    pub(super) crashes: i64,
    pub(super) generation: Option<i64>,
    comment: Option<i64>,
    reason: String,
    wait_reason: Option<String>,
    pub(super) cancel_reason: Option<String>,
    created_at: i64,
    pub(super) run_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    pub(super) kind: String,
    pub(super) converges: bool,
    pub(super) touches: bool,
    pub(super) priority: i64,
    pub(super) serial_key: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) claims: i64,
}

impl JobRow {
    pub(super) fn job(self) -> PortResult<Job> {
        let work = serde_json::from_str(&self.payload).map_err(|error| unreadable("job", error))?;
        Ok(Job {
            work,
            state: word::<JobState>("job state", &self.state)?,
            id: JobId(self.id),
            project: self.project,
            environment_id: self.environment_id.map(EnvironmentId),
            environment: self.environment,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            crashes: self.crashes,
            generation: self.generation,
            comment: self.comment.map(i64::cast_unsigned),
            reason: self.wait_reason.unwrap_or(self.reason),
            cancel_reason: self.cancel_reason,
            created_at: self.created_at,
            run_at: self.run_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        })
    }
}

#[derive(FromRow)]
pub(super) struct StepRow {
    step: String,
    status: String,
    duration_ms: Option<i64>,
}

impl StepRow {
    pub(super) fn line(self) -> PortResult<StepLine> {
        let status: StepStatus = serde_json::from_value(serde_json::Value::String(self.status))
            .map_err(|error| unreadable("step status", error))?;
        Ok(StepLine { step: self.step, status, duration_ms: self.duration_ms })
    }
}

#[derive(FromRow)]
pub(super) struct DeliveryRow {
    id: String,
    forge: String,
    event_name: String,
    action: Option<String>,
    received_at: i64,
    event: Option<Json<Event>>,
    outcome: Option<String>,
}

impl DeliveryRow {
    pub(super) fn delivery(self) -> PortResult<Delivery> {
        Ok(Delivery {
            id: DeliveryId(self.id),
            forge: word("delivery's forge", &self.forge)?,
            event_name: self.event_name,
            action: self.action,
            received_at: self.received_at,
            event: self.event.map(|json| json.0),
            outcome: self.outcome,
        })
    }
}

#[derive(FromRow)]
pub(super) struct DecisionRow {
    delivery_id: Option<String>,
    trigger_label: String,
    decision: Json<Decision>,
    decided_at: i64,
}

impl DecisionRow {
    pub(super) fn record(self) -> DecisionRecord {
        DecisionRecord {
            delivery: self.delivery_id.map(DeliveryId),
            trigger: self.trigger_label,
            decision: self.decision.0,
            at: self.decided_at,
        }
    }
}

#[derive(FromRow)]
pub(super) struct PostedRow {
    kind: String,
    item_key: String,
    forge_id: Option<i64>,
    hash: String,
    state: String,
}

impl PostedRow {
    pub(super) fn posted(self) -> PortResult<Posted> {
        let kind: PostedKind = serde_json::from_value(serde_json::Value::String(self.kind))
            .map_err(|error| unreadable("kind of posted thing", error))?;
        let forge_id = self.forge_id.map(i64::cast_unsigned);
        Ok(Posted { kind, key: self.item_key, forge_id, hash: self.hash, state: self.state })
    }
}

#[derive(FromRow)]
pub(super) struct AuditRow {
    happened_at: i64,
    actor: Option<String>,
    source: String,
    action: String,
    environment: Option<String>,
    commit_id: Option<String>,
    detail: String,
    allowed: bool,
}

impl AuditRow {
    pub(super) fn record(self) -> PortResult<AuditRecord> {
        Ok(AuditRecord {
            commit: self.commit_id.as_deref().map(|sha| word("audited commit", sha)).transpose()?,
            at: self.happened_at,
            actor: self.actor,
            source: self.source,
            action: self.action,
            environment: self.environment,
            detail: self.detail,
            allowed: self.allowed,
        })
    }
}
