//! What webhooks say.

use serde_json::{Value, json};

use super::checks::{self, FakeCheck};
use super::comments::{self, FakeComment};
use super::pulls::{self, FakePull};
use super::shapes;
use super::state::{FakeRepository, World};

/// What every payload of an App's webhook has.
fn common(world: &World, repository: &FakeRepository, sender: &str, action: &str) -> Value {
    json!({
        "action": action,
        "repository": shapes::repository(&world.base_url, repository),
        "sender": shapes::account(&world.base_url, sender),
        "installation": { "id": world.installation, "node_id": format!("I_{}", world.installation) },
    })
}

/// `pull_request`.
pub(super) fn pull_request(
    world: &World,
    repository: &FakeRepository,
    pull: &FakePull,
    sender: &str,
    action: &str,
) -> Value {
    let mut payload = common(world, repository, sender, action);
    payload["number"] = json!(pull.number);
    payload["pull_request"] = pulls::shape(world, repository, pull);
    payload
}

/// `issue_comment`; a comment on a pull request is told by `issue.pull_request`.
pub(super) fn issue_comment(
    world: &World,
    repository: &FakeRepository,
    comment: &FakeComment,
    action: &str,
) -> Value {
    let mut payload = common(world, repository, &comment.author, action);
    payload["comment"] = comments::shape(world, repository, comment);
    payload["issue"] = issue(world, repository, comment.issue);
    payload
}

fn issue(world: &World, repository: &FakeRepository, number: u64) -> Value {
    let url = format!("{}/issues/{number}", shapes::repository_url(&world.base_url, &repository.spec.name));
    let pull = repository.pulls.get(&number);
    let html = |kind: &str| format!("{}/{}/{kind}/{number}", world.base_url, repository.spec.name);
    let author = pull.map_or_else(|| repository.owner(), |pull| &pull.author);
    let mut issue = json!({
        "url": url,
        "comments_url": format!("{url}/comments"),
        "html_url": html(if pull.is_some() { "pull" } else { "issues" }),
        "id": pull.map_or(number, |pull| pull.id),
        "node_id": format!("I_{number}"),
        "number": number,
        "title": pull.map_or("an issue", |pull| &pull.title),
        "user": shapes::account(&world.base_url, author),
        "labels": [],
        "state": if pull.is_none_or(|pull| pull.open) { "open" } else { "closed" },
        "locked": false,
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "comments": repository.comments.values().filter(|comment| comment.issue == number).count(),
        "created_at": pull.map(|pull| &pull.created_at),
        "updated_at": pull.map(|pull| &pull.updated_at),
        "closed_at": pull.and_then(|pull| pull.closed_at.as_ref()),
        "author_association": "NONE",
        "body": pull.map_or("", |pull| &pull.body),
    });
    if let Some(pull) = pull {
        let url = format!("{}/pulls/{number}", shapes::repository_url(&world.base_url, &repository.spec.name));
        let html = html("pull");
        issue["draft"] = json!(pull.draft);
        issue["pull_request"] = json!({
            "url": url,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "merged_at": pull.closed_at.as_ref().filter(|_| pull.merged),
        });
    }
    issue
}

/// `check_run`.
pub(super) fn check_run(
    world: &World,
    repository: &FakeRepository,
    check: &FakeCheck,
    sender: &str,
    action: &str,
) -> Value {
    let mut payload = common(world, repository, sender, action);
    payload["check_run"] = checks::shape(world, repository, check);
    payload
}
