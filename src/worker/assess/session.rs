//! Decisions of one assessment, each made with those before it in mind.

use super::{Reading, is_denial_of};
use crate::domain::change::ChangedFiles;
use crate::domain::decision::{Decision, DecisionRecord};
use crate::domain::environment::Environment;
use crate::domain::event::{DeliveryId, EventKind};
use crate::domain::policy::{self, Order, Situation};

/// What was decided so far, and what the next decision looks at.
pub(super) struct Session<'a> {
    pub(super) reading: &'a Reading,
    pub(super) placement: policy::Placement,
    pub(super) sandbox: bool,
    pub(super) trusted_bots: &'a [String],
    pub(super) files: Option<ChangedFiles>,
    pub(super) environment: Option<Environment>,
    pub(super) active: bool,
    pub(super) now: i64,
    pub(super) decisions: Vec<DecisionRecord>,
}

impl Session<'_> {
    pub(super) fn situation(&self) -> Situation<'_> {
        Situation {
            change_ref: &self.reading.change_ref,
            change: &self.reading.change,
            policy: &self.reading.configuration.policy,
            author_permission: self.reading.author_permission,
            environment: self.environment.as_ref(),
            active: self.active,
            placement: &self.placement,
            sandbox: self.sandbox,
            trusted_bots: self.trusted_bots,
            files: self.files.as_ref(),
            resettable: &self.reading.configuration.resettable,
        }
    }

    pub(super) fn decide(&mut self, delivery: &DeliveryId, event: &EventKind) -> String {
        let decision = policy::decide(event, &self.situation());
        self.keep(Some(delivery.clone()), event.label(), decision)
    }

    /// Nobody told us anything (the job outlived its deliveries): the change's state alone decides.
    pub(super) fn decide_unprompted(&mut self) {
        let decision = policy::decide(&EventKind::Edited, &self.situation());
        self.keep(None, "assessment", decision);
    }

    pub(super) fn obey(&mut self, delivery: &DeliveryId, order: &Order<'_>) -> String {
        let trigger = match &order.command {
            Ok(command) => format!("command {}", command.help().verb),
            Err(_) => "command".to_owned(),
        };
        let decision = policy::obey(order, &self.situation());
        self.keep(Some(delivery.clone()), &trigger, decision)
    }

    pub(super) fn denied(&self, login: &str) -> bool {
        self.decisions.iter().any(|record| is_denial_of(&record.decision, login))
    }

    fn keep(&mut self, delivery: Option<DeliveryId>, trigger: &str, decision: Decision) -> String {
        let reason = decision.reason.clone();
        if let (Some(environment), Some(approval)) = (&mut self.environment, &decision.approval) {
            environment.approval = Some(approval.clone());
        }
        if let (Some(environment), Some(change)) = (&mut self.environment, &decision.desired) {
            if change.desired.commit().is_some() {
                environment.trust = change.trust;
            }
            environment.desired = change.desired.clone();
            environment.cause = change.cause;
            environment.sticky = change.sticky;
            self.active |= !decision.work.is_empty();
        }
        self.decisions.push(DecisionRecord { delivery, trigger: trigger.to_owned(), decision, at: self.now });
        reason
    }
}
