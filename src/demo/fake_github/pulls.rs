//! Pull requests: their state, how the API shows them, and the rights of people.

use serde_json::{Value, json};

use super::answer::{Answer, Call};
use super::shapes;
use super::state::{FakeRepository, World};

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakePull {
    /// GitHub's id.
    pub id: u64,
    /// Its number.
    pub number: u64,
    /// Title.
    pub title: String,
    /// Description.
    pub body: String,
    /// Login of who opened it.
    pub author: String,
    /// Id of the repository that it comes from; `None` once that was deleted.
    pub head_repository: Option<u64>,
    /// Branch that it comes from.
    pub head_branch: String,
    /// Newest commit.
    pub head_sha: String,
    /// Branch that it wants to go into.
    pub base_branch: String,
    /// Commit of that branch.
    pub base_sha: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// When it was opened.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// When it was closed.
    pub closed_at: Option<String>,
}

/// A label as it appears on a pull request.
pub(super) fn label(base_url: &str, name: &str) -> Value {
    json!({
        "id": shapes::account_id(name),
        "node_id": format!("LA_{name}"),
        "url": format!("{base_url}/labels/{name}"),
        "name": name,
        "color": "ededed",
        "default": false,
        "description": null,
    })
}

/// A pull request as the API shows it.
pub(super) fn shape(world: &World, repository: &FakeRepository, pull: &FakePull) -> Value {
    let base_url = &world.base_url;
    let labels: Vec<Value> = pull.labels.iter().map(|name| label(base_url, name)).collect();
    let comments = repository.comments.values().filter(|comment| comment.issue == pull.number).count();
    let facts = json!({
        "id": pull.id,
        "node_id": format!("PR_{}", pull.id),
        "number": pull.number,
        "state": if pull.open { "open" } else { "closed" },
        "locked": false,
        "active_lock_reason": null,
        "title": pull.title,
        "user": shapes::account(base_url, &pull.author),
        "body": pull.body,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "labels": labels,
        "draft": pull.draft,
        "head": head(world, pull),
        "base": side(base_url, repository, &pull.base_branch, &pull.base_sha),
        "author_association": if pull.author == repository.owner() { "OWNER" } else { "CONTRIBUTOR" },
        "comments": comments,
    });
    shapes::join([facts, links(base_url, repository, pull), merging(base_url, repository, pull), unused()])
}

fn links(base_url: &str, repository: &FakeRepository, pull: &FakePull) -> Value {
    let api = shapes::repository_url(base_url, &repository.spec.name);
    let (url, issue) = (format!("{api}/pulls/{}", pull.number), format!("{api}/issues/{}", pull.number));
    let html = format!("{base_url}/{}/pull/{}", repository.spec.name, pull.number);
    let statuses = format!("{api}/statuses/{}", pull.head_sha);
    let link = |href: &str| json!({ "href": href });
    json!({
        "url": url,
        "html_url": html,
        "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"),
        "issue_url": issue,
        "comments_url": format!("{issue}/comments"),
        "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
        "statuses_url": statuses,
        "_links": {
            "self": link(&url),
            "html": link(&html),
            "issue": link(&issue),
            "comments": link(&format!("{issue}/comments")),
            "review_comments": link(&format!("{url}/comments")),
            "review_comment": link(&format!("{api}/pulls/comments{{/number}}")),
            "commits": link(&format!("{url}/commits")),
            "statuses": link(&statuses),
        },
    })
}

fn merging(base_url: &str, repository: &FakeRepository, pull: &FakePull) -> Value {
    json!({
        "merged": pull.merged,
        "merged_at": pull.closed_at.as_ref().filter(|_| pull.merged),
        "merge_commit_sha": pull.merged.then_some(&pull.head_sha),
        "merged_by": pull.merged.then(|| shapes::account(base_url, repository.owner())),
        "mergeable": null,
        "rebaseable": null,
        "mergeable_state": "unknown",
        "auto_merge": null,
        "maintainer_can_modify": false,
    })
}

/// Facts that the API promises and previews have no use for.
fn unused() -> Value {
    json!({
        "assignee": null,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "milestone": null,
        "review_comments": 0,
        "commits": 1,
        "additions": 1,
        "deletions": 1,
        "changed_files": 1,
    })
}

/// Where it comes from. A deleted head repository is null and leaves its branch behind, as on GitHub.
fn head(world: &World, pull: &FakePull) -> Value {
    let repository = pull.head_repository.and_then(|id| world.repositories.get(&id)).filter(|r| !r.deleted);
    match repository {
        Some(repository) => side(&world.base_url, repository, &pull.head_branch, &pull.head_sha),
        None => json!({
            "label": format!("unknown repository:{}", pull.head_branch),
            "ref": pull.head_branch,
            "sha": pull.head_sha,
            "user": null,
            "repo": null,
        }),
    }
}

fn side(base_url: &str, repository: &FakeRepository, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", repository.owner()),
        "ref": branch,
        "sha": sha,
        "user": shapes::account(base_url, repository.owner()),
        "repo": shapes::repository(base_url, repository),
    })
}

/// `GET /repos/{o}/{r}/pulls/{n}`.
pub(super) fn get(world: &World, repository: &FakeRepository, number: &str) -> Answer {
    let pull = number.parse().ok().and_then(|number: u64| repository.pulls.get(&number));
    pull.map_or_else(Answer::missing, |pull| Answer::ok(&shape(world, repository, pull)))
}

/// `GET /repos/{o}/{r}/pulls?state=&head=&base=`, newest first.
pub(super) fn list(world: &World, repository: &FakeRepository, call: &Call) -> Answer {
    let state = call.asked("state").unwrap_or("open");
    let fits = |pull: &&FakePull| {
        let head = || format!("{}:{}", head_owner(world, pull), pull.head_branch);
        (state == "all" || (state == "open") == pull.open)
            && call.asked("head").is_none_or(|wanted| wanted == head())
            && call.asked("base").is_none_or(|wanted| wanted == pull.base_branch)
    };
    let found = repository.pulls.values().rev().filter(fits).map(|pull| shape(world, repository, pull));
    Answer::list(call, &world.base_url, found.collect())
}

fn head_owner(world: &World, pull: &FakePull) -> String {
    let repository = pull.head_repository.and_then(|id| world.repositories.get(&id));
    repository.map(|repository| repository.owner().to_owned()).unwrap_or_default()
}

/// `GET /repos/{o}/{r}/commits/{sha}/pulls`. As on GitHub, pull requests from forks are not found this way.
pub(super) fn of_commit(world: &World, repository: &FakeRepository, call: &Call, sha: &str) -> Answer {
    let same = |pull: &&FakePull| pull.head_sha == sha && pull.head_repository == Some(repository.spec.id);
    let found = repository.pulls.values().filter(same).map(|pull| shape(world, repository, pull));
    Answer::list(call, &world.base_url, found.collect())
}

/// `GET /repos/{o}/{r}/collaborators/{login}/permission`; triage shows as read, maintain as write, as on GitHub.
pub(super) fn permission(world: &World, repository: &FakeRepository, login: &str) -> Answer {
    let role = repository.permissions.get(login).map_or("none", String::as_str);
    if role == "unknown" {
        return Answer::missing();
    }
    let permission = match role {
        "triage" => "read",
        "maintain" => "write",
        other => other,
    };
    Answer::ok(&json!({
        "permission": permission,
        "role_name": role,
        "user": shapes::account(&world.base_url, login),
    }))
}
