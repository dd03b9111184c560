//! The objects that appear inside many others: accounts, repositories, the App and its installation.

use serde_json::{Value, json};

use super::state::{FakeRepository, World};

/// One object out of several.
pub(super) fn join(parts: impl IntoIterator<Item = Value>) -> Value {
    let entries = parts.into_iter().filter_map(|part| match part {
        Value::Object(entries) => Some(entries),
        _ => None,
    });
    Value::Object(entries.flatten().collect())
}

/// GitHub's addresses always lead to the API, whose root is the stand-in's own.
pub(super) fn repository_url(base_url: &str, name: &str) -> String {
    format!("{base_url}/repos/{name}")
}

/// The id of an account: made from its login, so that the same person has the same one everywhere.
pub(super) fn account_id(login: &str) -> u64 {
    let hash =
        login.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(hash)
}

/// An account; a login that ends in `[bot]` is a bot's.
pub(super) fn account(base_url: &str, login: &str) -> Value {
    let url = format!("{base_url}/users/{login}");
    json!({
        "login": login,
        "id": account_id(login),
        "node_id": format!("U_{login}"),
        "avatar_url": format!("{base_url}/avatars/{login}"),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{base_url}/{login}"),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" },
        "site_admin": false,
    })
}

/// A repository's facts; links that nothing reads are left out.
pub(super) fn repository(base_url: &str, repository: &FakeRepository) -> Value {
    let name = &repository.spec.name;
    let html = format!("{base_url}/{name}");
    json!({
        "id": repository.spec.id,
        "node_id": format!("R_{}", repository.spec.id),
        "name": name.rsplit('/').next(),
        "full_name": name,
        "private": false,
        "owner": account(base_url, repository.owner()),
        "html_url": html,
        "description": null,
        "fork": repository.spec.fork_of.is_some(),
        "url": repository_url(base_url, name),
        "git_url": format!("{html}.git"),
        "ssh_url": format!("{html}.git"),
        "clone_url": format!("{html}.git"),
        "homepage": null,
        "size": 1,
        "language": null,
        "archived": false,
        "disabled": false,
        "visibility": "public",
        "open_issues_count": repository.pulls.len(),
        "topics": [],
        "license": null,
        "default_branch": repository.default_branch,
    })
}

/// The App.
pub(super) fn app(world: &World) -> Value {
    json!({
        "id": world.app_id,
        "slug": world.app_slug,
        "node_id": format!("A_{}", world.app_id),
        "owner": account(&world.base_url, "acme"),
        "name": world.app_slug,
        "description": "previews",
        "external_url": world.base_url,
        "html_url": format!("{}/apps/{}", world.base_url, world.app_slug),
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "permissions": permissions(world),
        "events": events(),
        "installations_count": 1,
    })
}

fn events() -> Value {
    json!(["pull_request", "issue_comment", "check_run", "check_suite", "push"])
}

/// What the App may do.
pub(super) fn permissions(world: &World) -> Value {
    let mut permissions = json!({
        "metadata": "read",
        "contents": "read",
        "pull_requests": "write",
        "checks": "write",
        "deployments": "write",
    });
    if world.administration {
        permissions["administration"] = json!("write");
    }
    permissions
}

/// The installation of the App on one owner's account.
pub(super) fn installation(world: &World, owner: &str) -> Value {
    let url = format!("{}/app/installations/{}", world.base_url, world.installation);
    json!({
        "id": world.installation,
        "app_id": world.app_id,
        "app_slug": world.app_slug,
        "account": account(&world.base_url, owner),
        "target_id": account_id(owner),
        "target_type": "Organization",
        "repository_selection": "all",
        "single_file_name": null,
        "access_tokens_url": format!("{url}/access_tokens"),
        "repositories_url": format!("{}/installation/repositories", world.base_url),
        "html_url": url,
        "permissions": permissions(world),
        "events": events(),
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "suspended_by": null,
        "suspended_at": null,
    })
}
