//! Deciding about a payload file with no forge at hand: the payload stands in for the forge's answer.

use serde::Deserialize;

use crate::domain::change::{
    Account, Base, Change, ChangeNumber, ChangeState, Head, Permission, RepositoryId, Sha,
};
use crate::domain::command;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, EventKind, Subject};
use crate::domain::policy::{self, Order, Placement, ProjectPolicy, Situation};
use crate::domain::project::PreviewPolicy;

/// What would be decided if everything assumed were so.
pub(super) struct Assumption {
    pub(super) outcome: String,
    pub(super) decisions: Vec<Decision>,
    pub(super) assumed: Vec<String>,
}

impl Assumption {
    fn undecided(outcome: &str) -> Self {
        Self { outcome: outcome.to_owned(), decisions: Vec::new(), assumed: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Payload {
    pull_request: Option<PullRequest>,
    comment: Option<Comment>,
}

#[derive(Deserialize)]
struct Comment {
    body: String,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    #[serde(default)]
    title: String,
    user: User,
    state: String,
    #[serde(default)]
    merged: Option<bool>,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    labels: Vec<Label>,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct User {
    login: String,
    id: u64,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Side {
    sha: Sha,
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<SideRepository>,
}

#[derive(Deserialize)]
struct SideRepository {
    id: u64,
}

impl PullRequest {
    fn into_change(self) -> Change {
        let state = match (self.state.as_str(), self.merged) {
            ("open", _) => ChangeState::Open,
            (_, Some(true)) => ChangeState::Merged,
            _ => ChangeState::Closed,
        };
        Change {
            number: ChangeNumber(self.number),
            title: self.title,
            author: Account { is_bot: self.user.kind == "Bot", login: self.user.login, id: self.user.id },
            state,
            draft: self.draft.unwrap_or(false),
            labels: self.labels.into_iter().map(|label| label.name).collect(),
            head: Head {
                sha: self.head.sha,
                branch: self.head.branch,
                repository: self.head.repo.map(|repository| RepositoryId(repository.id)),
            },
            base: Base { sha: self.base.sha, branch: self.base.branch },
        }
    }
}

/// Decides about an event, taking its payload for what the forge would say.
pub(super) fn decide(event: &Event, body: &[u8]) -> Assumption {
    let Subject::Change(change_ref) = &event.subject else {
        return Assumption::undecided(
            "the change of this commit would be looked up, and its preview deployed again",
        );
    };
    let Ok(payload) = serde_json::from_slice::<Payload>(body) else {
        return Assumption::undecided("the change would be read from the forge");
    };
    let mut assumed = vec![
        "the change still is as the payload shows it".to_owned(),
        "its author may write, and so may the sender".to_owned(),
        "previewctl.yaml is there, with the default policy, and mode = \"local\" is set".to_owned(),
        "there is no preview of it yet".to_owned(),
    ];
    let change = payload.pull_request.map(PullRequest::into_change);
    if change.is_none() {
        assumed[0] = "the change is open, in the repository itself, and by the sender".to_owned();
    }
    let author =
        event.sender.clone().unwrap_or_else(|| Account { login: "author".to_owned(), id: 0, is_bot: false });
    let Some(change) = change.or_else(|| stand_in(change_ref.number, change_ref.repository.id, &author)) else {
        return Assumption::undecided("the change would be read from the forge");
    };
    let situation = Situation {
        change_ref,
        change: &change,
        policy: &ProjectPolicy::Known(PreviewPolicy::default()),
        author_permission: Permission::Write,
        environment: None,
        active: false,
        placement: &Placement::Local,
        sandbox: true,
        trusted_bots: &[],
        files: None,
        resettable: &["db".to_owned()],
    };
    let decisions = match (&event.kind, payload.comment) {
        (EventKind::Commented { comment }, Some(text)) => obey(&situation, comment.id, &text.body, &author),
        _ => vec![policy::decide(&event.kind, &situation)],
    };
    let reasons: Vec<&str> = decisions.iter().map(|decision| decision.reason.as_str()).collect();
    let outcome = if reasons.is_empty() { "nothing to do".to_owned() } else { reasons.join("; ") };
    Assumption { outcome, decisions, assumed }
}

fn obey(situation: &Situation<'_>, comment: u64, body: &str, sender: &Account) -> Vec<Decision> {
    let commands = command::parse(body, "previewbot");
    if commands.is_empty() {
        return vec![Decision::nothing("the comment holds no command")];
    }
    let obeyed = |(index, command)| {
        let order = Order {
            command,
            comment,
            sender,
            permission: Permission::Write,
            index,
            denied_before: false,
            shown: None,
            past: &[],
            at: 0,
        };
        policy::obey(&order, situation)
    };
    commands.into_iter().enumerate().map(obeyed).collect()
}

/// An open change of the repository itself, for payloads that show none.
fn stand_in(number: ChangeNumber, repository: RepositoryId, author: &Account) -> Option<Change> {
    let sha: Sha = "0".repeat(40).parse().ok()?;
    Some(Change {
        number,
        title: String::new(),
        author: author.clone(),
        state: ChangeState::Open,
        draft: false,
        labels: Vec::new(),
        head: Head { sha: sha.clone(), branch: "head".to_owned(), repository: Some(repository) },
        base: Base { sha, branch: "main".to_owned() },
    })
}
