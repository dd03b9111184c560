//! Snapshots of every state, as comment, check and deployment.

use super::*;
use crate::domain::change::{Account, Base, Change, ChangeNumber, ChangeState, ForgeKind, Head};
use crate::domain::change::{Permission, Repository, RepositoryId, Sha};
use crate::domain::entry::EnvironmentEntry;
use crate::domain::environment::{
    Annotation, AnnotationLevel, Cause, Desired, Environment, EnvironmentId, Failure, LifeId,
};
use crate::domain::environment::{Project, ProjectId, Slug};
use crate::domain::job::{Job, JobId, JobState, Work};
use crate::domain::policy::{NO_PLACE, NO_SANDBOX};
use crate::domain::progress::StepStatus;
use crate::domain::report::{Snapshot, StepLine};

const URL: &str = "https://previews.example.com";
const NOW: i64 = 1_795_132_800_000;
const HOUR: i64 = 3_600_000;

fn sha(digit: char) -> Sha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn change() -> Change {
    Change {
        number: ChangeNumber(42),
        title: "<!-- previewbot:5001/42 --> @octocat".to_owned(),
        author: Account { login: "ada".to_owned(), id: 7, is_bot: false },
        state: ChangeState::Open,
        draft: false,
        labels: Vec::new(),
        head: Head { sha: sha('b'), branch: "topic".to_owned(), repository: Some(RepositoryId(5001)) },
        base: Base { sha: sha('c'), branch: "main".to_owned() },
    }
}

fn environment() -> Environment {
    let name = "acme/shop".parse().unwrap();
    let repository = Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: Some(1) };
    let project = Project { id: ProjectId(1), slug: Slug::from_text("shop"), repository };
    let (name, life) = ("pr-42".parse().unwrap(), LifeId(uuid::Uuid::nil()));
    Environment {
        change: Some(change()),
        desired: Desired::Running { commit: sha('b') },
        cause: Cause::Change,
        reason: "opened: pr-42 runs bbbbbbb".to_owned(),
        created_at: NOW - 27 * HOUR,
        updated_at: NOW,
        ..Environment::new(EnvironmentId(1), project, name, life, ChangeNumber(42))
    }
}

fn snapshot(change: impl FnOnce(&mut Environment)) -> Snapshot {
    let mut environment = environment();
    change(&mut environment);
    Snapshot { environment, job: None, queue: None, steps: Vec::new(), planned_steps: None, now: NOW }
}

fn published(environment: &mut Environment, commit: char) {
    environment.entry = Some(EnvironmentEntry::default());
    environment.published = Some(sha(commit));
    environment.urls = vec![
        ("web".to_owned(), "http://localhost:41001".to_owned()),
        ("api".to_owned(), "http://localhost:41002".to_owned()),
    ];
    environment.deploy_ms = Some(41_200);
    environment.seeded_at = Some(NOW - 26 * HOUR);
    environment.expires_at = Some(NOW + 6 * 24 * HOUR + 5);
}

fn absent(cause: Cause, reason: &str) -> Snapshot {
    snapshot(|e| {
        e.desired = Desired::Absent;
        e.cause = cause;
        e.reason = reason.to_owned();
    })
}

fn gone(cause: Cause) -> Snapshot {
    let mut snapshot = absent(cause, "it was wanted so");
    snapshot.environment.destroyed_at = Some(NOW - HOUR);
    snapshot
}

fn job(work: Work, state: JobState) -> Job {
    Job {
        id: JobId(9),
        work,
        project: Some("shop".to_owned()),
        environment_id: Some(EnvironmentId(1)),
        environment: Some("pr-42".to_owned()),
        state,
        attempt: 1,
        max_attempts: 5,
        crashes: 0,
        generation: Some(3),
        comment: None,
        reason: "all slots are taken".to_owned(),
        cancel_reason: None,
        created_at: NOW,
        run_at: NOW,
        started_at: None,
        finished_at: None,
    }
}

fn deploy(state: JobState) -> Job {
    job(Work::Deploy { no_cache: false, from: None }, state)
}

fn steps() -> Vec<StepLine> {
    let line = |step: &str, status, duration_ms| StepLine { step: step.to_owned(), status, duration_ms };
    vec![
        line("allocate_ports", StepStatus::Skipped, None),
        line("create_compute", StepStatus::Completed, Some(350)),
        line("seed_db", StepStatus::Streaming, None),
    ]
}

fn failed_steps() -> Vec<StepLine> {
    let mut steps = steps();
    steps[2].status = StepStatus::Failed;
    steps[2].duration_ms = Some(65_000);
    steps
}

fn failure() -> Failure {
    Failure {
        step: "seed_db".to_owned(),
        message: "hook \"./seed.sh\" exited with code 3; see @octocat".to_owned(),
        exit_code: Some(3),
        log_tail: vec![
            "connecting".to_owned(),
            "```".to_owned(),
            "</details><!-- previewbot:5001/42 -->".to_owned(),
        ],
        annotations: vec![Annotation {
            path: "previewctl.yaml".to_owned(),
            line: 7,
            column: None,
            level: AnnotationLevel::Failure,
            message: "unknown key `sevices`".to_owned(),
        }],
        left_behind: Vec::new(),
    }
}

/// All that a state shows, in one text.
fn page(snapshot: &Snapshot) -> String {
    let check = check(snapshot, URL).unwrap();
    let deployment = deployment(snapshot).map_or_else(
        || "none".to_owned(),
        |(new, state, url)| format!("{} {} {:?} {url:?}", new.environment, state.as_str(), new.description),
    );
    format!(
        "{}\n\n==== check: {} | {} | {}\n{}\n---- text\n{}\n---- annotations: {:?}\n==== deployment: {deployment}",
        comment(snapshot, URL),
        check.state.as_str(),
        check.external_id,
        check.title,
        check.summary,
        check.text.unwrap_or_default(),
        check.annotations,
    )
}

fn every_state() -> Vec<(&'static str, Snapshot)> {
    let queued = Snapshot { job: Some(deploy(JobState::Queued)), queue: Some((2, 5)), ..snapshot(|_| {}) };
    let waiting = Snapshot { job: Some(deploy(JobState::Waiting)), ..snapshot(|e| published(e, 'a')) };
    let mut for_room = Snapshot { job: Some(deploy(JobState::Waiting)), queue: Some((1, 3)), ..snapshot(|_| {}) };
    if let Some(job) = &mut for_room.job {
        job.reason = "no host has room: vm-1 is full (20 of 20); vm-2 is down".to_owned();
    }
    let running = |snapshot| Snapshot {
        job: Some(deploy(JobState::Running)),
        steps: steps(),
        planned_steps: Some(9),
        ..snapshot
    };
    let reset = job(Work::Reset { life: LifeId(uuid::Uuid::nil()), service: "db".to_owned() }, JobState::Running);
    let failed = |base: Snapshot| Snapshot { steps: failed_steps(), ..base };
    let mut left = absent(Cause::Closed, "closed");
    published(&mut left.environment, 'b');
    left.environment.failure =
        Some(Failure { left_behind: vec!["volume shop_data".to_owned()], annotations: Vec::new(), ..failure() });
    let mut destroying = absent(Cause::Merged, "merged");
    published(&mut destroying.environment, 'b');
    destroying.job = Some(job(Work::Destroy, JobState::Running));
    let mut by_command = gone(Cause::Command);
    by_command.environment.actor = Some("grace".to_owned());
    let dead = Snapshot { job: Some(deploy(JobState::Dead)), ..snapshot(|_| {}) };
    vec![
        ("queued", queued),
        ("waiting_for_room", for_room),
        ("waiting_update", waiting),
        ("deploying", running(snapshot(|_| {}))),
        ("updating", running(snapshot(|e| published(e, 'a')))),
        ("ready", Snapshot { steps: steps()[..2].to_vec(), ..snapshot(|e| published(e, 'b')) }),
        (
            "ready_after_reset",
            snapshot(|e| {
                published(e, 'b');
                e.reset_at = Some(NOW - 2 * HOUR);
            }),
        ),
        ("resetting", Snapshot { job: Some(reset), steps: steps(), ..snapshot(|e| published(e, 'b')) }),
        ("failed", failed(snapshot(|e| e.failure = Some(failure())))),
        (
            "failed_update",
            failed(snapshot(|e| {
                published(e, 'a');
                e.failure = Some(failure());
            })),
        ),
        ("given_up", dead),
        ("stopped", snapshot(|e| e.desired = Desired::Stopped)),
        ("destroying", destroying),
        ("destroy_failed", left),
        ("destroyed_merged", gone(Cause::Merged)),
        ("destroyed_by_command", by_command),
        ("expired", gone(Cause::Expired)),
        ("untrusted", absent(Cause::Untrusted, "this change comes from a fork, so nothing of it was run")),
        (
            "untrusted_without_a_sandbox",
            absent(Cause::Untrusted, &format!("this change comes from a fork. Nor could it be: {NO_SANDBOX}")),
        ),
        ("skipped", absent(Cause::Policy, "the change is a draft, and drafts get no preview here")),
        ("unplaced", absent(Cause::Policy, &format!("{NO_PLACE}: set mode = \"local\" for this project"))),
    ]
}

#[test]
fn every_state_is_shown_as_the_snapshots_say() {
    for (name, snapshot) in every_state() {
        insta::assert_snapshot!(name, page(&snapshot));
    }
}

#[test]
fn no_state_forges_a_marker_or_mentions_anybody() {
    for (name, snapshot) in every_state() {
        let comment = comment(&snapshot, URL);
        assert_eq!(comment.matches("<!--").count(), 1, "{name}");
        assert!(comment.starts_with("<!-- previewbot:5001/42 -->\n### "), "{name}");
        assert!(!comment.contains("@o"), "{name}");
        let opened = comment.matches("<details").count();
        let closed = comment.lines().filter(|line| *line == "</details>").count();
        assert_eq!(opened, closed, "{name}: {comment}");
    }
}

#[test]
fn the_documentation_lists_the_commands_that_there_are() {
    let page = include_str!("../../../docs/commands.md");
    assert!(page.contains(&command_table()), "docs/commands.md must hold this table:\n{}", command_table());
}

#[test]
fn only_the_state_that_waits_for_approval_asks_for_it() {
    for (name, snapshot) in every_state() {
        let head = &snapshot.environment.change.as_ref().unwrap().head.sha;
        assert_eq!(asks_for_approval(&comment(&snapshot, URL), head), name == "untrusted", "{name}");
    }
}

#[test]
fn a_comment_never_outgrows_the_forge() {
    let mut big = snapshot(|e| {
        published(e, 'a');
        let line = "`<&@".repeat(5_000);
        e.failure = Some(Failure { message: line.clone(), log_tail: vec![line; 40], ..failure() });
    });
    let step = StepLine { step: "s".repeat(600), status: StepStatus::Completed, duration_ms: None };
    big.steps = vec![step; 300];
    let comment = comment(&big, URL);
    assert!(comment.chars().count() <= 65_536, "{}", comment.chars().count());
    assert!(comment.contains("http://localhost:41001"));
    assert!(check(&big, URL).unwrap().text.unwrap().chars().count() <= 65_535);
    assert!(deployment(&big).unwrap().0.description.chars().count() <= 140);
}

#[test]
fn a_check_keeps_its_id_for_its_commit_whatever_happens() {
    let ids: std::collections::BTreeSet<_> =
        every_state().iter().map(|(_, snapshot)| check(snapshot, URL).unwrap().external_id).collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn an_older_check_says_which_commit_took_over() {
    let old = superseded_check(check(&snapshot(|_| {}), URL).unwrap(), &sha('d'));
    assert_eq!((old.state.as_str(), old.title.as_str()), ("cancelled", "Superseded by ddddddd"));
}

#[test]
fn answers_are_shown_as_the_snapshots_say() {
    let stranger = Account { login: "eve`@x".to_owned(), id: 9, is_bot: false };
    let error = crate::domain::command::parse("/preview depoly", "bot").remove(0).unwrap_err();
    let all = [
        help(Permission::Write, false),
        help(Permission::Read, false),
        denied(&stranger, "deploy", Permission::Write, Permission::Read),
        not_understood(&error),
    ];
    insta::assert_snapshot!("answers", all.join("\n\n====\n\n"));
}
