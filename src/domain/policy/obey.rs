use crate::domain::change::ChangeState;
use crate::domain::command::{Command, CommandError};
use crate::domain::decision::{Decision, DesiredChange};
use crate::domain::environment::{Cause, Desired};
use crate::domain::job::{Reaction, Reply, Work};
use crate::domain::trust::{Approval, Trust};
use crate::domain::wording;

use super::approval;
use super::decide::{changed, destroy_if_needed, is_deployed, plain_deploy, refuse, wanted};
use super::refusal::{Refusal, admit};
use super::reset;
use super::situation::{Order, Situation};

/// What a command leads to.
#[must_use]
pub fn obey(order: &Order<'_>, situation: &Situation<'_>) -> Decision {
    if order.sender.is_bot {
        return Decision::nothing(format!("{} is a bot, and bots give no commands", order.sender.login));
    }
    let ordered = Ordered { order, situation };
    match &order.command {
        Err(error) => ordered.confused(error),
        Ok(command) if !ordered.is_allowed(command) => ordered.denied(command),
        Ok(Command::Help) => ordered.help(),
        Ok(Command::Status) => ordered.status(),
        Ok(Command::Deploy { no_cache, from }) => ordered.deploy(*no_cache, from.as_ref()),
        Ok(Command::Reset { service }) => ordered.reset(service.as_deref()),
        Ok(Command::Why) => ordered.why(),
        Ok(Command::Logs { service, lines }) => ordered.logs(service.as_ref(), *lines),
        Ok(Command::Stop) => ordered.stop(),
        Ok(Command::Start) => ordered.start(),
        Ok(Command::Keep { for_ms }) => ordered.keep(*for_ms),
        Ok(Command::Cancel) => ordered.cancel(),
        Ok(Command::Destroy) => ordered.destroy(),
        Ok(Command::Approve { commit }) => ordered.approve(commit.as_deref()),
    }
}

/// One command, and what it is said about.
pub(super) struct Ordered<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) situation: &'a Situation<'a>,
}

impl Ordered<'_> {
    fn is_allowed(&self, command: &Command) -> bool {
        command.help().allows(self.order.permission, self.situation.is_author(self.order.sender))
    }

    fn confused(&self, error: &CommandError) -> Decision {
        let body = wording::not_understood(error);
        let said = "nothing to do, because the command was not understood".to_owned();
        self.answer(said, self.reply("error", Some(Reaction::Confused), Some(body)))
    }

    fn denied(&self, command: &Command) -> Decision {
        let (row, has) = (command.help(), self.order.permission);
        let body =
            (!self.order.denied_before).then(|| wording::denied(self.order.sender, row.verb, row.needs, has));
        let login = &self.order.sender.login;
        let reason =
            format!("{login} may not {}: it needs {} permission and they have {has}", row.verb, row.needs);
        self.answer(reason, self.reply("denied", Some(Reaction::ThumbsDown), body))
    }

    fn help(&self) -> Decision {
        let body = wording::help(self.order.permission, self.situation.is_author(self.order.sender));
        let reason = format!("{} asked for help", self.order.sender.login);
        self.answer(reason, self.reply("help", Some(Reaction::Rocket), Some(body)))
    }

    fn status(&self) -> Decision {
        let reason = format!("{} asked for the status", self.order.sender.login);
        let none = "There is no preview of this change. `/preview deploy` makes one.".to_owned();
        let body = self.situation.environment.is_none().then_some(none);
        self.answer(reason, self.reply("status", Some(Reaction::Rocket), body))
    }

    fn deploy(&self, no_cache: bool, from: Option<&String>) -> Decision {
        let situation = self.situation;
        if let Some(because) = self.not_open() {
            return self.refused(&because, None);
        }
        let trust = match admit(situation, true, situation.approval()) {
            Ok(trust) => trust,
            Err(refusal) => return self.no_preview(refusal),
        };
        let (name, short) = (situation.name(), situation.change.head.sha.short());
        let reason = format!("{} said deploy: {name} runs {short}", self.order.sender.login);
        let mut decision = self.signed(wanted(situation, trust, Cause::Command, reason));
        decision.work.push(Work::Deploy { no_cache, from: from.cloned() });
        self.accepted(decision)
    }

    /// Lets the newest commit run, and runs it.
    fn approve(&self, named: Option<&str>) -> Decision {
        let (situation, login) = (self.situation, &self.order.sender.login);
        let change = situation.change;
        if let Some(because) = self.not_open() {
            return self.refused(&because, None);
        }
        if let Err((because, body)) = approval::means_the_head(self.order, situation, named) {
            return self.refused(&because, Some(body));
        }
        let (name, short) = (situation.name(), change.head.sha.short());
        let approval = Approval {
            commit: change.head.sha.clone(),
            base: change.base.branch.clone(),
            by: login.clone(),
            at: self.order.at,
        };
        let trust = match admit(situation, true, Some(&approval)) {
            Ok(trust) => trust,
            Err(refusal) => return self.no_preview(refusal),
        };
        let reason = format!("{login} approved {short}: {name} runs it, in the sandbox and without secrets");
        let mut decision = self.signed(wanted(situation, trust, Cause::Command, reason));
        decision.approval = Some(approval);
        decision.work.push(plain_deploy());
        self.accepted(decision)
    }

    /// Why nothing can be made of this change any more.
    pub(super) fn not_open(&self) -> Option<String> {
        let word = match self.situation.change.state {
            ChangeState::Open => return None,
            ChangeState::Closed => "closed",
            ChangeState::Merged => "merged",
        };
        Some(format!("the change is {word}, and only open changes get a preview"))
    }

    pub(super) fn no_preview(&self, refusal: Refusal) -> Decision {
        let mut body = format!("No preview: {}.", wording::escape(&refusal.reason));
        if refusal.cause == Cause::Untrusted && self.situation.sandbox {
            body.push_str("\n\n");
            body.push_str(&wording::how_to_approve(&self.situation.change.head.sha));
        }
        let reply = self.reply("refused", Some(Reaction::Confused), Some(body));
        Decision { replies: vec![reply], ..self.signed(refuse(self.situation, refusal)) }
    }

    fn reset(&self, asked: Option<&str>) -> Decision {
        let deployed = self.situation.environment.filter(|environment| is_deployed(environment));
        let Some(environment) = deployed.filter(|_| self.situation.change.state == ChangeState::Open) else {
            return self
                .refused(&format!("nothing of {} is deployed that could be reset", self.situation.name()), None);
        };
        match reset::target(asked, self.situation.resettable) {
            Err(body) => self.refused("there is no such service to reset", Some(body)),
            Ok(service) => {
                let login = &self.order.sender.login;
                let mut decision = self.signed(Decision::nothing(""));
                decision.reason = format!("{login} said reset: the data of {service} goes back to its seed");
                decision.work.push(Work::Reset { life: environment.life, service });
                self.accepted(decision)
            }
        }
    }

    fn destroy(&self) -> Decision {
        let situation = self.situation;
        let (name, login) = (situation.name(), &self.order.sender.login);
        let work = destroy_if_needed(situation);
        let open = situation.change.state == ChangeState::Open;
        let settled = situation.is_absent() && (!open || situation.environment.is_some_and(|e| e.sticky));
        if settled && work.is_empty() {
            let reason = format!("nothing to do, because {name} is gone already");
            return self.answer(reason, self.reply("gone", Some(Reaction::Rocket), None));
        }
        let reason = format!("{login} said destroy: {name} is torn down and stays down until deploy");
        let absent = DesiredChange {
            desired: Desired::Absent,
            cause: Cause::Command,
            sticky: true,
            trust: Trust::default(),
        };
        let mut decision = self.signed(changed(Desired::Absent, Cause::Command, reason));
        // A closed change keeps its cause: reopening brings its preview back.
        decision.desired = if settled { None } else { Some(absent) };
        if work.is_empty() {
            return with_reply(decision, self.reply("gone", Some(Reaction::Rocket), None));
        }
        decision.work = work;
        self.accepted(decision)
    }

    /// A command that was understood but cannot be done now; `because` is a plain sentence.
    pub(super) fn refused(&self, because: &str, body: Option<String>) -> Decision {
        let body = body.unwrap_or_else(|| format!("Not done: {}.", wording::escape(because)));
        let reason = format!("nothing to do, because {because}");
        self.answer(reason, self.reply("refused", Some(Reaction::Confused), Some(body)))
    }

    pub(super) fn accepted(&self, decision: Decision) -> Decision {
        with_reply(decision, self.reply("seen", Some(Reaction::Eyes), None))
    }

    pub(super) fn answer(&self, reason: String, reply: Reply) -> Decision {
        let decision = Decision { reason, ..self.signed(Decision::nothing("")) };
        with_reply(decision, reply)
    }

    pub(super) fn signed(&self, decision: Decision) -> Decision {
        Decision { comment: Some(self.order.comment), actor: Some(self.order.sender.login.clone()), ..decision }
    }

    pub(super) fn reply(&self, what: &str, reaction: Option<Reaction>, body: Option<String>) -> Reply {
        let marker = wording::reply_marker(self.order.comment, self.order.index, what);
        Reply {
            change: self.situation.change_ref.clone(),
            comment: self.order.comment,
            reaction,
            body: body.map(|body| format!("{marker}\n{body}")),
            marker,
        }
    }
}

pub(super) fn with_reply(mut decision: Decision, reply: Reply) -> Decision {
    decision.replies.push(reply);
    decision
}
