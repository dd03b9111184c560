//! Runs the tables in `fixtures/policy/`: a row is a situation and what must follow from it.

use serde::Deserialize;

use super::*;
use crate::domain::change::{Account, Base, Head, Repository, RepositoryId};
use crate::domain::change::{
    Change, ChangeNumber, ChangeRef, ChangeState, ChangedFiles, ForgeKind, Permission, Sha,
};
use crate::domain::command::parse;
use crate::domain::decision::{Decision, DecisionRecord};
use crate::domain::entry::EnvironmentEntry;
use crate::domain::environment::{
    Cause, Desired, Environment, EnvironmentId, Failure, LifeId, Project, ProjectId, Slug,
};
use crate::domain::event::{CommentRef, EventKind};
use crate::domain::job::Work;
use crate::domain::project::PreviewPolicy;
use crate::domain::project::policy::{Drafts, Trigger};
use crate::domain::trust::{Approval, Trust, may_run};

const COMMENT: u64 = 900;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    event: Option<String>,
    command: Option<String>,
    #[serde(default)]
    change: ChangeRow,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    placement: String,
    author_permission: Option<Permission>,
    sandbox: Option<bool>,
    #[serde(default)]
    trusted_bots: Vec<String>,
    /// Files of the change; `cut`: and more.
    files: Option<Vec<String>>,
    /// Whether they are asked for.
    #[serde(default)]
    asks_for_files: bool,
    #[serde(default)]
    sender: SenderRow,
    environment: Option<EnvironmentRow>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    resettable: Vec<String>,
    expect: Expected,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ChangeRow {
    state: Option<ChangeState>,
    draft: bool,
    labels: Vec<String>,
    from: String,
    by_bot: bool,
    base: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SenderRow {
    author: bool,
    bot: bool,
    permission: Option<Permission>,
    denied_before: bool,
    shown: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EnvironmentRow {
    desired: String,
    cause: Option<Cause>,
    sticky: bool,
    reason: String,
    entry: bool,
    published: String,
    failed: bool,
    known_head: String,
    expires: Option<i64>,
    trust: Option<Trust>,
    approved: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// `head`, `absent`, or nothing.
    desired: Option<String>,
    cause: Option<Cause>,
    /// Whose code it is to run.
    trust: Option<Trust>,
    /// Whether the head is approved by it.
    #[serde(default)]
    approves: bool,
    #[serde(default)]
    sticky: bool,
    #[serde(default)]
    work: Vec<String>,
    reaction: Option<String>,
    reply: Option<String>,
    reason: String,
}

fn sha(word: &str) -> Option<Sha> {
    let digit = match word {
        "head" => "b",
        "old" => "a",
        _ => return None,
    };
    Some(digit.repeat(40).parse().unwrap())
}

fn account(login: &str, id: u64, is_bot: bool) -> Account {
    Account { login: login.to_owned(), id, is_bot }
}

fn change_ref() -> ChangeRef {
    let name = "acme/shop".parse().unwrap();
    let repository = Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: Some(1) };
    ChangeRef { repository, number: ChangeNumber(42) }
}

fn change(row: &ChangeRow, head: &str) -> Change {
    let repository = match row.from.as_str() {
        "" => Some(RepositoryId(5001)),
        "fork" => Some(RepositoryId(6002)),
        "nowhere" => None,
        other => panic!("a change from {other:?}"),
    };
    Change {
        number: ChangeNumber(42),
        title: "A title".to_owned(),
        author: account("ada", 7, row.by_bot),
        state: row.state.unwrap_or(ChangeState::Open),
        draft: row.draft,
        labels: row.labels.clone(),
        head: Head { sha: sha(head).unwrap(), branch: "topic".to_owned(), repository },
        base: Base {
            sha: "c".repeat(40).parse().unwrap(),
            branch: row.base.clone().unwrap_or_else(|| "main".to_owned()),
        },
    }
}

fn environment(row: &EnvironmentRow) -> Environment {
    let desired = match row.desired.as_str() {
        "absent" => Desired::Absent,
        "stopped" => Desired::Stopped,
        commit => Desired::Running { commit: sha(commit).unwrap() },
    };
    let failure = Failure {
        step: "seed_db".to_owned(),
        message: "no".to_owned(),
        exit_code: Some(3),
        log_tail: Vec::new(),
        annotations: Vec::new(),
        left_behind: Vec::new(),
    };
    let known_head = if row.known_head.is_empty() { "old" } else { &row.known_head };
    let ChangeRef { repository, number } = change_ref();
    let project = Project { id: ProjectId(1), slug: Slug::from_text("shop"), repository };
    let (name, life) = (change_ref().environment_name(), LifeId(uuid::Uuid::nil()));
    Environment {
        change: Some(change(&ChangeRow::default(), known_head)),
        desired,
        cause: row.cause.unwrap_or(Cause::Change),
        actor: row.sticky.then(|| "grace".to_owned()),
        sticky: row.sticky,
        reason: row.reason.clone(),
        entry: row.entry.then(EnvironmentEntry::default),
        published: sha(&row.published),
        failure: row.failed.then_some(failure),
        trust: row.trust.unwrap_or(Trust::Trusted),
        approval: sha(&row.approved).map(approval),
        expires_at: row.expires,
        ..Environment::new(EnvironmentId(1), project, name, life, number)
    }
}

fn approval(commit: Sha) -> Approval {
    Approval { commit, base: "main".to_owned(), by: "grace".to_owned(), at: 4 }
}

fn policy(word: &str) -> ProjectPolicy {
    let mut policy = PreviewPolicy::default();
    match word {
        "" => {}
        "missing" => return ProjectPolicy::Missing,
        "skip drafts" => policy.drafts = Drafts::Skip,
        "label" => policy.trigger = Trigger::Label,
        "command" => policy.trigger = Trigger::Command,
        "paths" => policy.paths = vec!["apps/**".to_owned(), "!**/*.md".to_owned()],
        "label and paths" => {
            policy.trigger = Trigger::Label;
            policy.paths = vec!["apps/**".to_owned()];
        }
        other => panic!("policy {other:?}"),
    }
    ProjectPolicy::Known(policy)
}

fn event(word: &str) -> EventKind {
    match word {
        "opened" => EventKind::Opened,
        "reopened" => EventKind::Reopened,
        "pushed" => EventKind::Pushed,
        "ready" => EventKind::ReadyForReview,
        "drafted" => EventKind::ConvertedToDraft,
        "edited" => EventKind::Edited,
        "closed" => EventKind::Closed,
        "commented" => EventKind::Commented { comment: CommentRef { id: COMMENT } },
        "rerequested" => EventKind::CheckRerequested { sha: sha("head").unwrap() },
        "rerequested old" => EventKind::CheckRerequested { sha: sha("old").unwrap() },
        other => panic!("event {other:?}"),
    }
}

fn conclude(row: &Row) -> Decision {
    let (change_ref, change, policy) = (change_ref(), change(&row.change, "head"), policy(&row.policy));
    let environment = row.environment.as_ref().map(environment);
    let placement = match row.placement.as_str() {
        "" => Placement::Local,
        _ => Placement::Nowhere("set mode = \"local\" for this project".to_owned()),
    };
    let files = row.files.as_ref().map(|files| ChangedFiles {
        is_cut: files.iter().any(|file| file == "cut"),
        paths: files.iter().filter(|file| *file != "cut").cloned().collect(),
    });
    let situation = Situation {
        change_ref: &change_ref,
        change: &change,
        policy: &policy,
        author_permission: row.author_permission.unwrap_or(Permission::Write),
        environment: environment.as_ref(),
        active: row.active,
        placement: &placement,
        sandbox: row.sandbox.unwrap_or(true),
        trusted_bots: &row.trusted_bots,
        files: files.as_ref(),
        resettable: &row.resettable,
    };
    let shown = sha(&row.sender.shown);
    let Some(command) = &row.command else {
        let event = event(row.event.as_ref().unwrap());
        assert_eq!(needs_files(&event, &situation), row.asks_for_files, "{}: asks for files", row.name);
        return decide(&event, &situation);
    };
    let sender = if row.sender.author { account("ada", 7, false) } else { account("grace", 8, row.sender.bot) };
    let past = [DecisionRecord {
        delivery: None,
        trigger: "pushed".to_owned(),
        decision: Decision::nothing("of a [test]"),
        at: 0,
    }];
    let order = Order {
        command: parse(&format!("/preview {command}"), "previewbot").remove(0),
        comment: COMMENT,
        sender: &sender,
        permission: row.sender.permission.unwrap_or(Permission::Write),
        index: 0,
        denied_before: row.sender.denied_before,
        shown: shown.as_ref(),
        past: &past,
        at: 5,
    };
    obey(&order, &situation)
}

fn work_words(work: &[Work]) -> Vec<String> {
    let told = |work: &Work| match work {
        Work::Deploy { no_cache, from } => {
            let cache = if *no_cache { " no-cache" } else { "" };
            format!("deploy{cache}{}", from.as_ref().map(|step| format!(" from {step}")).unwrap_or_default())
        }
        Work::Reset { service, .. } => format!("reset {service}"),
        other => other.kind().to_owned(),
    };
    work.iter().map(told).collect()
}

/// Work, and what is done without any.
fn deeds(decision: &Decision) -> Vec<String> {
    let kept = decision.keep_ms.map(|ms| format!("keep {}h", ms / 3_600_000));
    let cancelled = decision.cancels.then(|| "cancel".to_owned());
    work_words(&decision.work).into_iter().chain(kept).chain(cancelled).collect()
}

fn check(row: &Row) {
    let (name, expect, decision) = (&row.name, &row.expect, conclude(row));
    let desired = decision.desired.as_ref().map(|change| match &change.desired {
        Desired::Running { commit } if Some(commit) == sha("head").as_ref() => "head",
        other => other.as_str(),
    });
    assert_eq!(desired, expect.desired.as_deref(), "{name}: desired in {decision:?}");
    if let Some(cause) = expect.cause {
        assert_eq!(decision.desired.as_ref().map(|change| change.cause), Some(cause), "{name}: cause");
    }
    if desired == Some("head") {
        let trust = decision.desired.as_ref().map(|change| change.trust);
        assert_eq!(trust, expect.trust.or(Some(Trust::Trusted)), "{name}: trust");
    }
    let approved =
        decision.approval.as_ref().map(|approval| (&approval.commit, approval.by.as_str(), approval.at));
    let head = sha("head").unwrap();
    assert_eq!(approved, expect.approves.then_some((&head, "grace", 5)), "{name}: approval");
    assert_eq!(decision.desired.as_ref().is_some_and(|change| change.sticky), expect.sticky, "{name}: sticky");
    assert_eq!(deeds(&decision), expect.work, "{name}: work in {decision:?}");
    let reaction = decision.replies.iter().find_map(|reply| reply.reaction);
    let reaction = reaction.map(|reaction| serde_json::to_value(reaction).unwrap().as_str().unwrap().to_owned());
    assert_eq!(reaction, expect.reaction, "{name}: reaction");
    let body = decision.replies.iter().find_map(|reply| reply.body.clone());
    match (&body, &expect.reply) {
        (None, None) => {}
        (Some(body), Some(part)) => assert!(body.contains(part.as_str()), "{name}: reply {body}"),
        _ => panic!("{name}: reply {body:?}"),
    }
    for reply in &decision.replies {
        assert!(reply.marker.starts_with("<!-- previewbot:reply:900:0:"), "{name}: {}", reply.marker);
        assert!(reply.body.as_ref().is_none_or(|body| body.contains(&reply.marker)), "{name}: marker in body");
    }
    assert!(decision.reason.contains(&expect.reason), "{name}: reason {:?}", decision.reason);
    let of_command = row.command.is_some() && !row.sender.bot;
    assert_eq!(decision.comment.is_some(), of_command, "{name}: comment");
}

fn rows(text: &str) -> Vec<Row> {
    crate::domain::yaml::from_str(text).unwrap()
}

#[test]
fn events_lead_to_what_the_table_says() {
    let rows = rows(include_str!("../../../fixtures/policy/events.yaml"));
    assert!(rows.len() >= 40, "{} rows", rows.len());
    rows.iter().for_each(check);
}

#[test]
fn commands_lead_to_what_the_table_says() {
    let rows = rows(include_str!("../../../fixtures/policy/commands.yaml"));
    assert!(rows.len() >= 30, "{} rows", rows.len());
    rows.iter().for_each(check);
}

#[test]
fn changes_run_as_far_as_they_are_trusted() {
    let rows = rows(include_str!("../../../fixtures/trust/decisions.yaml"));
    assert!(rows.len() >= 60, "{} rows", rows.len());
    rows.iter().for_each(check);
}

/// What the store and the forge say when a worker asks, and whether the commit `head` may run then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtWork {
    name: String,
    #[serde(default)]
    approved: String,
    /// The forge's newest commit; `gone`: it shows no change.
    head: String,
    #[serde(default)]
    change: ChangeRow,
    refused: Option<String>,
}

#[test]
fn a_commit_that_lost_its_approval_is_refused_at_work() {
    let rows: Vec<AtWork> =
        crate::domain::yaml::from_str(include_str!("../../../fixtures/trust/at_work.yaml")).unwrap();
    assert!(rows.len() >= 12, "{} rows", rows.len());
    for row in rows {
        let change = sha(&row.head).map(|_| change(&row.change, &row.head));
        let given = sha(&row.approved).map(approval);
        let may = may_run(&sha("head").unwrap(), given.as_ref(), change.as_ref());
        match (&may, &row.refused) {
            (Ok(()), None) => {}
            (Err(because), Some(part)) => assert!(because.contains(part.as_str()), "{}: {because}", row.name),
            _ => panic!("{}: {may:?}", row.name),
        }
    }
}

/// Whoever the change comes from and whatever happens, an untrusted one never leads to a deploy.
#[test]
fn nothing_runs_an_untrusted_change() {
    let events = ["opened", "reopened", "pushed", "ready", "drafted", "edited", "closed", "rerequested"];
    let triggers = events.map(|event| format!("event: {event}"));
    let commands = ["deploy", "rebuild", "reset db", "approve", "approve aaaaaaa"]
        .map(|command| format!("command: {command}"));
    let origins =
        ["change: {from: fork}", "change: {from: nowhere}", "change: {by_bot: true}", "author_permission: read"];
    let environments = [
        "~",
        "{desired: absent, cause: untrusted}",
        "{desired: old, cause: command, trust: untrusted, approved: old}",
    ];
    for trigger in triggers.iter().chain(&commands) {
        for origin in origins {
            for environment in environments {
                let text = format!(
                    "[{{name: x, {trigger}, {origin}, environment: {environment}, expect: {{reason: ''}}}}]"
                );
                let decision = conclude(&rows(&text)[0]);
                let runs = decision.work.iter().any(|work| *work != Work::Destroy);
                let wants = decision.desired.is_some_and(|change| change.desired != Desired::Absent);
                assert!(!runs && !wants, "{text}");
            }
        }
    }
}
