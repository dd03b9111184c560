//! Assessment: read the change from the forge, decide purely, write everything in one transaction.

mod configuration;
mod session;

use std::sync::Arc;
use std::time::Duration;

use self::configuration::{Configuration, configuration};
use self::session::Session;
use super::reporter::Forges;
use super::workshop::Workshop;
use crate::domain::change::{Change, ChangeRef, ChangeState, Permission, Repository, Sha};
use crate::domain::command::{self, Command};
use crate::domain::decision::{Decision, DecisionRecord};
use crate::domain::environment::{Environment, Project};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::event::{Delivery, DeliveryId, Event, EventKind, Subject};
use crate::domain::job::JobEnd;
use crate::domain::policy::{self, Order};
use crate::domain::ports::{
    Assessment, Assessments, Audit, AuditRecord, ClaimedJob, Clock, Comment, Environments, Forge, PostedKind,
    Reports,
};

/// Another assessment of the same environment is over within this time.
const AT_ONCE: Duration = Duration::from_millis(200);

/// An order that could not be obeyed for this long (in ms) is not obeyed any more: nobody expects it to come true.
const STALE_ORDER_MS: i64 = 3_600_000;

/// Decisions that somebody who asks why is told of.
const LAST_DECISIONS: i64 = 10;

/// Reads subjects from forges and decides about them.
pub struct Assessor {
    /// Forges by kind.
    pub forges: Forges,
    /// Where deliveries wait and decisions are written.
    pub assessments: Arc<dyn Assessments>,
    /// Projects and environments.
    pub environments: Arc<dyn Environments>,
    /// Where orders and denials are kept.
    pub audit: Arc<dyn Audit>,
    /// What the changes' pages show.
    pub reports: Arc<dyn Reports>,
    /// What settings say about projects.
    pub workshop: Arc<dyn Workshop>,
    /// Now.
    pub clock: Arc<dyn Clock>,
}

/// Everything read before deciding.
struct Reading {
    change_ref: ChangeRef,
    change: Change,
    configuration: Configuration,
    author_permission: Permission,
    project: Project,
    stored: Option<Environment>,
    active: bool,
}

impl Assessor {
    /// Assesses one subject.
    pub async fn assess(&self, claimed: &ClaimedJob, subject: &Subject) -> JobEnd {
        match self.try_assess(claimed, subject).await {
            Ok(reason) => JobEnd::Succeeded { reason },
            // Somebody decided meanwhile: what was read is old, so read again at once.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                JobEnd::Retry { reason: error.chain(), after: Some(AT_ONCE) }
            }
            Err(error) => look_again(&error),
        }
    }

    async fn try_assess(&self, claimed: &ClaimedJob, subject: &Subject) -> PortResult<String> {
        let deliveries = self.assessments.pending(&subject.key()).await?;
        let forge = self.forge(subject.repository())?;
        match self.look(claimed, &*forge, subject, &deliveries).await {
            // Not installed, gone, or out of our sight: waiting mends nothing, and the next delivery looks again.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.resolve(claimed, &deliveries, &error.chain()).await
            }
            looked => looked,
        }
    }

    async fn look(
        &self,
        claimed: &ClaimedJob,
        forge: &dyn Forge,
        subject: &Subject,
        deliveries: &[Delivery],
    ) -> PortResult<String> {
        let Some(change_ref) = self.change_of(forge, subject).await? else {
            let why = "no open change has this commit as its head";
            return self.resolve(claimed, deliveries, why).await;
        };
        let Some(change) = forge.change(&change_ref.repository, change_ref.number).await? else {
            return self.resolve(claimed, deliveries, "the forge does not show this change to the bot").await;
        };
        let reading = self.read(forge, change_ref, change, deliveries).await?;
        let (decisions, outcomes) = self.decide(forge, &reading, deliveries).await?;
        let summary = decisions.last().map_or_else(String::new, |d| d.decision.reason.clone());
        let orders = orders(&reading, &decisions);
        let assessment = Assessment {
            project: reading.project,
            change: reading.change,
            environment: reading.stored,
            terms: reading.configuration.terms(),
            decisions,
            deliveries: outcomes,
        };
        self.assessments.commit(&claimed.claim, assessment).await?;
        for record in &orders {
            // The decision itself is committed; its line in the log must not make it happen twice.
            if let Err(error) = self.audit.record(record).await {
                tracing::error!(error = %error.chain(), action = record.action, "the audit log cannot be written");
            }
        }
        Ok(summary)
    }

    fn forge(&self, repository: &Repository) -> PortResult<Arc<dyn Forge>> {
        self.forges.get(&repository.forge).cloned().ok_or_else(|| {
            let message = format!("{} is not configured in the bot's settings", repository.forge);
            PortError::new(ErrorKind::Invalid, message)
        })
    }

    async fn change_of(&self, forge: &dyn Forge, subject: &Subject) -> PortResult<Option<ChangeRef>> {
        match subject {
            Subject::Change(change) => Ok(Some(change.clone())),
            Subject::Commit { repository, sha } => {
                let numbers = forge.changes_with_head(repository, sha).await?;
                Ok(numbers.first().map(|number| ChangeRef { repository: repository.clone(), number: *number }))
            }
        }
    }

    async fn resolve(&self, claimed: &ClaimedJob, deliveries: &[Delivery], because: &str) -> PortResult<String> {
        let outcome = format!("nothing to do, because {because}");
        let outcomes: Vec<_> = deliveries.iter().map(|d| (d.id.clone(), outcome.clone())).collect();
        self.assessments.resolve(&claimed.claim, &outcomes).await?;
        Ok(outcome)
    }

    async fn read(
        &self,
        forge: &dyn Forge,
        change_ref: ChangeRef,
        change: Change,
        deliveries: &[Delivery],
    ) -> PortResult<Reading> {
        let repository = &change_ref.repository;
        let same = change.same_repository(repository.id);
        // A close needs neither policy nor rights, so nothing that is wrong with them can keep a preview alive.
        let only_closes = change.state != ChangeState::Open && !deliveries.iter().any(is_comment);
        let (configuration, author_permission) = if only_closes {
            (Configuration::unread(), Permission::None)
        } else {
            let ordered = deliveries.iter().any(is_comment);
            let author = &change.author.login;
            let permission = if same { forge.permission(repository, author).await? } else { Permission::None };
            let bots = self.workshop.trusted_bots(repository);
            let own = policy::why_not_own(&change, repository.id, permission, bots).is_none();
            let written = configuration(forge, repository, &change, (own, ordered)).await?;
            (written.adjusted(|policy| self.workshop.policy(repository, policy)), permission)
        };
        let wanted = configuration.name.clone().unwrap_or_else(|| repository.name.name().to_owned());
        let project = self.environments.ensure_project(repository, &wanted).await?;
        let stored = self.environments.by_change(project.id, change_ref.number).await?;
        let active = match &stored {
            Some(environment) => {
                self.environments.snapshot(environment.id).await?.is_some_and(|s| s.active_job().is_some())
            }
            None => false,
        };
        Ok(Reading { change_ref, change, configuration, author_permission, project, stored, active })
    }

    /// All decisions of one assessment: one for everything that merely hints, one for each command, in order.
    async fn decide(
        &self,
        forge: &dyn Forge,
        reading: &Reading,
        deliveries: &[Delivery],
    ) -> PortResult<(Vec<DecisionRecord>, Vec<(DeliveryId, String)>)> {
        let repository = &reading.change_ref.repository;
        let mut session = Session {
            reading,
            placement: self.workshop.placement(repository),
            sandbox: self.workshop.has_sandbox(),
            trusted_bots: self.workshop.trusted_bots(repository),
            files: None,
            environment: reading.stored.clone(),
            active: reading.active,
            now: self.clock.now_ms(),
            decisions: Vec::new(),
        };
        let mut outcomes = Vec::new();
        let events: Vec<(&Delivery, &Event)> =
            deliveries.iter().filter_map(|d| d.event.as_ref().map(|event| (d, event))).collect();
        let hints: Vec<&(&Delivery, &Event)> =
            events.iter().filter(|(_, event)| !matches!(event.kind, EventKind::Commented { .. })).collect();
        // What the change is rules, but a reopen and a wish to run again also undo what somebody chose before.
        let strongest = hints.iter().rev().max_by_key(|(_, event)| weight(&event.kind));
        if let Some((delivery, event)) = strongest {
            self.look_at_files(forge, &mut session, &event.kind).await?;
            let reason = session.decide(&delivery.id, &event.kind);
            outcomes.extend(hints.iter().map(|(d, _)| (d.id.clone(), reason.clone())));
        } else if events.is_empty() {
            self.look_at_files(forge, &mut session, &EventKind::Edited).await?;
            session.decide_unprompted();
        }
        for (delivery, event) in &events {
            if let EventKind::Commented { comment } = &event.kind {
                let outcome = self.obey_comment(forge, &mut session, delivery, comment.id).await?;
                outcomes.push((delivery.id.clone(), outcome));
            }
        }
        Ok((session.decisions, outcomes))
    }

    /// Asks for the change's files where they decide.
    async fn look_at_files(
        &self,
        forge: &dyn Forge,
        session: &mut Session<'_>,
        event: &EventKind,
    ) -> PortResult<()> {
        if policy::needs_files(event, &session.situation()) {
            let ChangeRef { repository, number } = &session.reading.change_ref;
            session.files = Some(forge.changed_files(repository, *number).await?);
        }
        Ok(())
    }

    /// Obeys the commands of one comment, as the forge has the comment now.
    async fn obey_comment(
        &self,
        forge: &dyn Forge,
        session: &mut Session<'_>,
        delivery: &Delivery,
        id: u64,
    ) -> PortResult<String> {
        if session.now - delivery.received_at > STALE_ORDER_MS {
            return Ok("nothing to do, because the order is more than an hour old; give it again".to_owned());
        }
        let change_ref = &session.reading.change_ref;
        let comment = forge.comment(&change_ref.repository, id).await?;
        let comment = match not_obeyed(comment.as_ref(), change_ref) {
            Some(because) => return Ok(format!("nothing to do, because {because}")),
            None => comment,
        };
        let Some(comment) = comment else { return Ok("nothing to do".to_owned()) };
        let commands = command::parse(&comment.body, &forge.bot_name().await?);
        if commands.is_empty() {
            return Ok("nothing to do, because the comment holds no command".to_owned());
        }
        let permission = forge.permission(&change_ref.repository, &comment.author.login).await?;
        let denied_before = self.denied_before(session, &comment.author.login).await?;
        let approves = |command: &Result<Command, _>| matches!(command, Ok(Command::Approve { .. }));
        let shown = if commands.iter().any(approves) {
            self.shown_before(forge, session.reading, &comment).await?
        } else {
            None
        };
        let asks_why = commands.iter().any(|command| matches!(command, Ok(Command::Why)));
        let past = if asks_why { self.past(session).await? } else { Vec::new() };
        let mut reasons = Vec::new();
        for (index, command) in commands.into_iter().enumerate() {
            let order = Order {
                command,
                comment: id,
                sender: &comment.author,
                permission,
                index,
                denied_before: denied_before || session.denied(&comment.author.login),
                shown: shown.as_ref(),
                past: &past,
                at: session.now,
            };
            reasons.push(session.obey(&delivery.id, &order));
        }
        Ok(reasons.join("; "))
    }

    /// The commit that waits for approval, if the bot's own comment told it when this comment was written. The forge's
    /// clock counts for both: a delivery can come late.
    async fn shown_before(&self, forge: &dyn Forge, reading: &Reading, said: &Comment) -> PortResult<Option<Sha>> {
        let Some(environment) = &reading.stored else { return Ok(None) };
        let posted = self.reports.posted(environment.id).await?;
        let sticky = posted.iter().find(|posted| posted.kind == PostedKind::Comment).and_then(|p| p.forge_id);
        let Some(sticky) = sticky else { return Ok(None) };
        let Some(sticky) = forge.comment(&reading.change_ref.repository, sticky).await? else { return Ok(None) };
        let head = &reading.change.head.sha;
        Ok(policy::was_shown(head, &sticky, said).then(|| head.clone()))
    }

    /// What was decided about the change so far, newest first.
    async fn past(&self, session: &Session<'_>) -> PortResult<Vec<DecisionRecord>> {
        let mut past: Vec<DecisionRecord> = session.decisions.iter().rev().cloned().collect();
        if let Some(environment) = &session.reading.stored {
            past.extend(self.assessments.decisions_of_environment(environment.id, LAST_DECISIONS).await?);
        }
        Ok(past)
    }

    async fn denied_before(&self, session: &Session<'_>, login: &str) -> PortResult<bool> {
        let Some(environment) = &session.reading.stored else { return Ok(false) };
        let past = self.assessments.decisions_of_environment(environment.id, 200).await?;
        Ok(past.iter().any(|record| is_denial_of(&record.decision, login)))
    }
}

const fn weight(kind: &EventKind) -> u8 {
    match kind {
        EventKind::Reopened => 2,
        EventKind::CheckRerequested { .. } => 1,
        _ => 0,
    }
}

fn is_comment(delivery: &Delivery) -> bool {
    delivery.event.as_ref().is_some_and(|event| matches!(event.kind, EventKind::Commented { .. }))
}

/// Why a comment is not obeyed, if it is not.
fn not_obeyed(comment: Option<&Comment>, change_ref: &ChangeRef) -> Option<&'static str> {
    let Some(comment) = comment else { return Some("the comment was deleted") };
    if comment.ours {
        Some("the comment is the bot's own")
    } else if comment.author.is_bot {
        Some("comments by bots are not obeyed")
    } else if comment.edited {
        Some("edited comments are not obeyed")
    } else if comment.change != Some(change_ref.number) {
        Some("the comment is not on this change")
    } else {
        None
    }
}

/// What people ordered, or were refused, for the audit log.
fn orders(reading: &Reading, decisions: &[DecisionRecord]) -> Vec<AuditRecord> {
    let environment = format!("{}/{}", reading.project.slug, reading.change_ref.environment_name());
    let ordered = decisions.iter().filter(|record| record.trigger.starts_with("command "));
    ordered
        .map(|record| AuditRecord {
            at: record.at,
            actor: record.decision.actor.clone(),
            source: "comment".to_owned(),
            action: record.trigger.trim_start_matches("command ").to_owned(),
            environment: Some(environment.clone()),
            commit: Some(reading.change.head.sha.clone()),
            detail: record.decision.reason.clone(),
            allowed: !record.decision.is_denial(),
        })
        .collect()
}

fn is_denial_of(decision: &Decision, login: &str) -> bool {
    decision.actor.as_deref() == Some(login) && decision.is_denial()
}

/// A close or a push that could not be assessed must not be forgotten, however long the forge is away or refuses the
/// bot's credentials: somebody will mend that. Only what no waiting can mend ends the job.
fn look_again(error: &PortError) -> JobEnd {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Fenced => JobEnd::Failed { reason: error.chain() },
        ErrorKind::RateLimited(after) => JobEnd::Retry { reason: error.chain(), after: Some(after) },
        _ => JobEnd::Retry { reason: error.chain(), after: None },
    }
}

/// Whether to try a failed job again, as its error says.
pub(super) fn retry_or_fail(error: &PortError) -> JobEnd {
    let reason = error.chain();
    match error.kind() {
        ErrorKind::RateLimited(after) => JobEnd::Retry { reason, after: Some(after) },
        kind if kind.may_retry() => JobEnd::Retry { reason, after: None },
        _ => JobEnd::Failed { reason },
    }
}
