//! What a GitHub payload means. Only the few fields that matter are read; everything gets a definite answer.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::domain::change::{
    Account, ChangeNumber, ChangeRef, ForgeKind, RepoName, Repository, RepositoryId, Sha,
};
use crate::domain::event::{CommentRef, Event, EventKind, Parsed, Subject};
use crate::domain::wording::CHECK_NAME;

/// A payload that is not what GitHub describes.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the `{event}` payload cannot be read: {why}")]
pub struct MalformedPayload {
    /// The event's name.
    pub event: String,
    /// What is wrong and where in the text.
    pub why: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    action: Option<String>,
}

#[derive(Deserialize)]
struct PullRequestPayload {
    pull_request: Numbered,
    #[serde(default)]
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// What an edit changed; only whether the base was among it matters.
#[derive(Deserialize)]
struct Changes {
    #[serde(default)]
    base: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct CommentPayload {
    issue: Issue,
    comment: CommentBody,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    #[serde(default)]
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct CommentBody {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct CheckRunPayload {
    check_run: CheckRun,
}

#[derive(Deserialize)]
struct CheckRun {
    name: String,
    head_sha: Sha,
    #[serde(default)]
    app: Option<App>,
}

#[derive(Deserialize)]
struct CheckSuitePayload {
    check_suite: CheckSuite,
}

#[derive(Deserialize)]
struct CheckSuite {
    head_sha: Sha,
    #[serde(default)]
    app: Option<App>,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

/// What every payload about a repository has. Read on its own: `flatten` would keep the whole payload in memory.
#[derive(Deserialize)]
struct Context {
    repository: PayloadRepository,
    /// Missing when a repository's own webhook sent the payload instead of the App's.
    #[serde(default)]
    installation: Option<App>,
    #[serde(default)]
    sender: Option<User>,
}

#[derive(Deserialize)]
struct PayloadRepository {
    id: u64,
    full_name: RepoName,
}

#[derive(Deserialize)]
struct User {
    login: String,
    id: u64,
    #[serde(rename = "type", default)]
    kind: String,
}

impl User {
    fn is_bot(&self) -> bool {
        self.kind == "Bot"
    }
}

impl Context {
    fn repository(self) -> (Repository, Option<Account>) {
        let sender = self.sender.map(|user| Account { is_bot: user.is_bot(), login: user.login, id: user.id });
        let repository = Repository {
            forge: ForgeKind::Github,
            id: RepositoryId(self.repository.id),
            name: self.repository.full_name,
            installation: self.installation.map(|installation| installation.id),
        };
        (repository, sender)
    }

    fn about_change(self, kind: EventKind, number: u64) -> Parsed {
        let (repository, sender) = self.repository();
        let change = ChangeRef { repository, number: ChangeNumber(number) };
        Parsed::Event(Box::new(Event { kind, subject: Subject::Change(change), sender }))
    }

    /// The payload's own list of pull requests is empty for forks, so the commit is what the event is about.
    fn about_commit(self, sha: Sha) -> Parsed {
        let (repository, sender) = self.repository();
        let kind = EventKind::CheckRerequested { sha: sha.clone() };
        Parsed::Event(Box::new(Event { kind, subject: Subject::Commit { repository, sha }, sender }))
    }
}

fn ignored(because: impl Into<String>) -> Parsed {
    Parsed::Ignored { because: because.into() }
}

/// Reads a payload: its action, and what it means. With an `app_id`, only that App's checks count as ours.
///
/// # Errors
/// When it is not JSON, or lacks what GitHub promises for an event that matters.
pub fn parse(
    event_name: &str,
    body: &[u8],
    app_id: Option<u64>,
) -> Result<(Option<String>, Parsed), MalformedPayload> {
    let payload = Payload { event_name, body };
    // A list would be read as an object's fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(payload.malformed("it is not a JSON object"));
    }
    let action = payload.read::<Envelope>()?.action;
    let parsed = match (event_name, action.as_deref()) {
        ("pull_request", Some(action)) => pull_request(&payload, action)?,
        ("issue_comment", Some(action)) => issue_comment(&payload, action)?,
        ("check_run", Some("rerequested")) => check_run(&payload, app_id)?,
        ("check_suite", Some("rerequested")) => check_suite(&payload, app_id)?,
        ("pull_request" | "issue_comment", None) => return Err(payload.malformed("it has no `action`")),
        (name, _) => ignored(unheeded(name)),
    };
    Ok((action, parsed))
}

/// A payload with its event's name, for the message when it cannot be read.
struct Payload<'a> {
    event_name: &'a str,
    body: &'a [u8],
}

impl Payload<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, MalformedPayload> {
        serde_json::from_slice(self.body).map_err(|error| self.malformed(&error.to_string()))
    }

    fn malformed(&self, why: &str) -> MalformedPayload {
        MalformedPayload { event: self.event_name.to_owned(), why: why.to_owned() }
    }
}

fn pull_request(payload: &Payload<'_>, action: &str) -> Result<Parsed, MalformedPayload> {
    let kind = match action {
        "opened" => EventKind::Opened,
        "reopened" => EventKind::Reopened,
        "synchronize" => EventKind::Pushed,
        "ready_for_review" => EventKind::ReadyForReview,
        "converted_to_draft" => EventKind::ConvertedToDraft,
        "labeled" | "unlabeled" | "edited" => EventKind::Edited,
        "closed" => EventKind::Closed,
        other => return Ok(ignored(format!("`{}` does not change what a preview shows", other.escape_debug()))),
    };
    let read: PullRequestPayload = payload.read()?;
    let new_base = read.changes.is_some_and(|changes| changes.base.is_some());
    if action == "edited" && !new_base {
        return Ok(ignored("nothing that matters changed: neither commits, base, labels nor draft state"));
    }
    Ok(payload.read::<Context>()?.about_change(kind, read.pull_request.number))
}

fn issue_comment(payload: &Payload<'_>, action: &str) -> Result<Parsed, MalformedPayload> {
    if action != "created" {
        return Ok(ignored("only new comments are obeyed, edited and deleted ones are not"));
    }
    let CommentPayload { issue, comment } = payload.read()?;
    let text = comment.body.unwrap_or_default();
    if issue.pull_request.is_none() {
        return Ok(ignored("the comment is on an issue, not on a pull request"));
    }
    if comment.user.as_ref().is_some_and(User::is_bot) {
        return Ok(ignored("the comment is by a bot"));
    }
    if !may_hold_command(&text) {
        return Ok(ignored("the comment holds no command"));
    }
    let comment = CommentRef { id: comment.id };
    Ok(payload.read::<Context>()?.about_change(EventKind::Commented { comment }, issue.number))
}

/// A cheap look; the text itself is parsed when the comment was fetched again.
fn may_hold_command(text: &str) -> bool {
    const WORD: &[u8] = b"/preview";
    let bytes = text.as_bytes();
    bytes.contains(&b'@') || bytes.windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}

fn check_run(payload: &Payload<'_>, app_id: Option<u64>) -> Result<Parsed, MalformedPayload> {
    let run = payload.read::<CheckRunPayload>()?.check_run;
    if run.name != CHECK_NAME || !is_ours(run.app.as_ref(), app_id) {
        return Ok(ignored("the check is not ours"));
    }
    Ok(payload.read::<Context>()?.about_commit(run.head_sha))
}

fn check_suite(payload: &Payload<'_>, app_id: Option<u64>) -> Result<Parsed, MalformedPayload> {
    let suite = payload.read::<CheckSuitePayload>()?.check_suite;
    if !is_ours(suite.app.as_ref(), app_id) {
        return Ok(ignored("the checks are not ours"));
    }
    Ok(payload.read::<Context>()?.about_commit(suite.head_sha))
}

fn is_ours(app: Option<&App>, app_id: Option<u64>) -> bool {
    app_id.is_none_or(|ours| app.is_some_and(|app| app.id == ours))
}

/// Why an event that is never an order or a change is only recorded.
fn unheeded(event_name: &str) -> String {
    let reason = match event_name {
        "ping" => "a ping only asks whether somebody listens",
        "installation" | "installation_repositories" | "installation_target" => {
            "repositories are found when something happens in them"
        }
        "push" | "create" | "delete" => "pull requests tell of their own commits",
        "check_run" | "check_suite" => "only a request to run our check again matters",
        "deployment" | "deployment_status" | "status" | "workflow_run" | "workflow_job" => {
            "what other systems report does not change a preview"
        }
        "pull_request_review" | "pull_request_review_comment" | "pull_request_review_thread" => {
            "commands are taken from the conversation, not from reviews"
        }
        "repository" | "label" | "member" | "organization" => "the next event of a pull request brings the change",
        other => return format!("`{}` events do not concern previews", other.escape_debug()),
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_looked_at_only_when_it_could_hold_a_command() {
        for text in ["/preview deploy", "hello\n/Preview help", "@preview-bot deploy", "é/preview"] {
            assert!(may_hold_command(text), "{text}");
        }
        for text in ["", "looks good", "/previe", "preview please"] {
            assert!(!may_hold_command(text), "{text}");
        }
    }

    #[test]
    fn a_very_deep_payload_is_refused_or_skipped_without_harm() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"action":"created","x":{deep}}}"#);
        assert!(matches!(parse("star", body.as_bytes(), None), Ok((_, Parsed::Ignored { .. })) | Err(_)));
        let body = format!(r#"{{"action":{deep}}}"#);
        assert!(parse("star", body.as_bytes(), None).is_err());
        let body = format!(r#"{{"action":"opened","pull_request":{deep}}}"#);
        assert!(parse("pull_request", body.as_bytes(), None).is_err());
    }
}
