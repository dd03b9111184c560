//! Commands about a preview that is there: stopped and started, kept longer, given up, asked what it prints and why it is.

use crate::domain::decision::{Decision, DesiredChange};
use crate::domain::environment::{Cause, Desired, Environment};
use crate::domain::event::EventKind;
use crate::domain::job::{Reaction, Work};
use crate::domain::trust::Trust;
use crate::domain::wording;

use super::decide::{decide, wanted};
use super::obey::{Ordered, with_reply};
use super::refusal::admit;

impl Ordered<'_> {
    /// What is there or on its way.
    fn wanted_one(&self) -> Option<&Environment> {
        self.situation.environment.filter(|environment| environment.desired != Desired::Absent)
    }

    fn nothing_there(&self) -> Decision {
        let because = format!("there is no {}; /preview deploy makes one", self.situation.name());
        self.refused(&because, None)
    }

    pub(super) fn stop(&self) -> Decision {
        let (name, login) = (self.situation.name(), &self.order.sender.login);
        let Some(environment) = self.wanted_one() else { return self.nothing_there() };
        if environment.desired == Desired::Stopped && !self.situation.active {
            let reason = format!("nothing to do, because {name} is stopped already");
            return self.answer(reason, self.reply("stopped", Some(Reaction::Rocket), None));
        }
        let desired = DesiredChange {
            desired: Desired::Stopped,
            cause: Cause::Command,
            sticky: true,
            trust: Trust::default(),
        };
        let reason = format!("{login} said stop: {name} keeps its data and stays stopped until start or deploy");
        let decision =
            Decision { desired: Some(desired), work: vec![Work::Stop], reason, ..Decision::nothing("") };
        self.accepted(self.signed(decision))
    }

    pub(super) fn start(&self) -> Decision {
        let situation = self.situation;
        let (name, login) = (situation.name(), &self.order.sender.login);
        if let Some(because) = self.not_open() {
            return self.refused(&because, None);
        }
        let Some(environment) = self.wanted_one() else { return self.nothing_there() };
        if environment.desired != Desired::Stopped {
            let reason = format!("nothing to do, because {name} is not stopped");
            return self.answer(reason, self.reply("started", Some(Reaction::Rocket), None));
        }
        let trust = match admit(situation, true, situation.approval()) {
            Ok(trust) => trust,
            Err(refusal) => return self.no_preview(refusal),
        };
        let short = situation.change.head.sha.short();
        let reason = format!("{login} said start: {name} runs {short} again");
        let mut decision = self.signed(wanted(situation, trust, Cause::Command, reason));
        decision.work.push(Work::Start);
        self.accepted(decision)
    }

    pub(super) fn keep(&self, for_ms: i64) -> Decision {
        let (name, login) = (self.situation.name(), &self.order.sender.login);
        let Some(environment) = self.wanted_one() else { return self.nothing_there() };
        if environment.expires_at.is_none() {
            return self.refused(&format!("{name} lives as long as its change anyway"), None);
        }
        let reason = format!("{login} said keep: {name} lives at least {} more", wording::duration(for_ms));
        let decision = Decision { keep_ms: Some(for_ms), reason, ..Decision::nothing("") };
        with_reply(self.signed(decision), self.reply("kept", Some(Reaction::Rocket), None))
    }

    pub(super) fn cancel(&self) -> Decision {
        let situation = self.situation;
        let (name, login) = (situation.name(), &self.order.sender.login);
        let running =
            self.wanted_one().filter(|environment| matches!(environment.desired, Desired::Running { .. }));
        if !situation.active {
            return self.refused(&format!("nothing waits or runs for {name}"), None);
        }
        if running.is_none() {
            let because = format!("{name} is being taken down, and half of that is worse than all of it");
            return self.refused(&because, None);
        }
        let reason = format!("{login} said cancel: what waited or ran for {name} is given up");
        let decision = Decision { cancels: true, reason, ..Decision::nothing("") };
        with_reply(self.signed(decision), self.reply("cancelled", Some(Reaction::Rocket), None))
    }

    pub(super) fn logs(&self, service: Option<&String>, lines: u32) -> Decision {
        let situation = self.situation;
        if situation.environment.is_none_or(|environment| environment.entry.is_none()) {
            return self.refused(&format!("nothing of {} is there that could print", situation.name()), None);
        }
        let reply = self.reply("logs", None, None);
        let work = Work::Logs { service: service.cloned(), lines, reply };
        let what = service.map_or_else(|| "all services".to_owned(), Clone::clone);
        let reason = format!("{} asked for the logs of {what}", self.order.sender.login);
        self.accepted(self.signed(Decision { work: vec![work], reason, ..Decision::nothing("") }))
    }

    pub(super) fn why(&self) -> Decision {
        let (order, situation) = (self.order, self.situation);
        let now = decide(&EventKind::Edited, situation).reason;
        let body = wording::why(order.past, &now, order.at);
        let reason = format!("{} asked why", order.sender.login);
        self.answer(reason, self.reply("why", Some(Reaction::Rocket), Some(body)))
    }
}
