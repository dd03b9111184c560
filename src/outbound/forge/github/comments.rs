//! Comments on pull requests, and reactions to them.

use serde::Deserialize;
use serde_json::json;

use super::api::{Api, Request};
use super::changes::User;
use super::errors::optional;
use super::text::{COMMENT, cut};
use crate::domain::change::{ChangeNumber, Repository};
use crate::domain::error::PortResult;
use crate::domain::job::Reaction;
use crate::domain::ports::Comment;

#[derive(Deserialize)]
struct IssueComment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    user: Option<User>,
    html_url: String,
    issue_url: String,
    created_at: String,
    updated_at: String,
    #[serde(default)]
    performed_via_github_app: Option<Via>,
}

#[derive(Deserialize)]
struct Via {
    id: u64,
}

#[derive(Deserialize)]
struct Made {
    id: u64,
}

impl IssueComment {
    /// Reads it as ours or somebody's. A person can write *through* an App too, so ours must also be by a bot.
    fn into_comment(self, app_id: u64, slug: &str) -> Comment {
        let change = self.change();
        let author = User::account(self.user);
        let through_us = self.performed_via_github_app.is_some_and(|app| app.id == app_id);
        let ours = author.is_bot && (through_us || author.login == format!("{slug}[bot]"));
        Comment {
            id: self.id,
            body: self.body.unwrap_or_default(),
            ours,
            author,
            // Reactions and minimising do not move `updated_at`, a new text does.
            edited: self.created_at != self.updated_at,
            change,
            created_at: moment(&self.created_at),
            updated_at: moment(&self.updated_at),
        }
    }

    /// GitHub numbers issues and pull requests together; only the page's address tells them apart.
    fn change(&self) -> Option<ChangeNumber> {
        let page = self.html_url.split('#').next().unwrap_or_default();
        let mut segments = page.rsplit('/');
        let (number, kind) = (segments.next()?, segments.next()?);
        let number = number.parse::<u64>().ok()?;
        let same = self.issue_url.rsplit('/').next()? == number.to_string();
        (kind == "pull" && same).then_some(ChangeNumber(number))
    }
}

fn moment(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// One comment.
pub(super) async fn comment(api: &Api, repository: &Repository, id: u64) -> PortResult<Option<Comment>> {
    let path = format!("{}/issues/comments/{id}", Api::repository_path(repository)?);
    let found: Option<IssueComment> = optional(api.read(repository, Request::get(path)).await)?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(found.into_comment(api.credentials.app_id, &api.slug().await?)))
}

/// The newest comment of ours with this marker.
pub(super) async fn find(
    api: &Api,
    repository: &Repository,
    number: ChangeNumber,
    marker: &str,
) -> PortResult<Option<Comment>> {
    let slug = api.slug().await?;
    let path = format!("{}/issues/{number}/comments", Api::repository_path(repository)?);
    let all = api.all_pages(repository, &path, |page: Vec<IssueComment>| page).await?;
    let comments = all.into_iter().map(|found| found.into_comment(api.credentials.app_id, &slug));
    Ok(comments.filter(|found| found.ours && found.body.contains(marker)).max_by_key(|found| found.id))
}

/// Writes a comment; its id.
pub(super) async fn create(
    api: &Api,
    repository: &Repository,
    number: ChangeNumber,
    body: &str,
) -> PortResult<u64> {
    let path = format!("{}/issues/{number}/comments", Api::repository_path(repository)?);
    let request = Request::post(path, json!({ "body": cut(body, COMMENT) }));
    let made: Made = api.read(repository, request).await?;
    Ok(made.id)
}

/// Rewrites a comment.
pub(super) async fn update(api: &Api, repository: &Repository, id: u64, body: &str) -> PortResult<()> {
    let path = format!("{}/issues/comments/{id}", Api::repository_path(repository)?);
    let request = Request::patch(path, json!({ "body": cut(body, COMMENT) }));
    api.send(repository, request).await.map(drop)
}

/// Puts a reaction on a comment. GitHub answers 200 instead of 201 when it is there already.
pub(super) async fn react(api: &Api, repository: &Repository, comment: u64, reaction: Reaction) -> PortResult<()> {
    let content = match reaction {
        Reaction::Eyes => "eyes",
        Reaction::Rocket => "rocket",
        Reaction::Confused => "confused",
        Reaction::ThumbsDown => "-1",
    };
    let path = format!("{}/issues/comments/{comment}/reactions", Api::repository_path(repository)?);
    api.send(repository, Request::post(path, json!({ "content": content }))).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(login: &str, kind: &str, via: Option<u64>, page: &str) -> Comment {
        let value = json!({
            "id": 1, "body": null, "user": { "login": login, "id": 7, "type": kind },
            "html_url": format!("https://github.com/acme/shop/{page}#issuecomment-1"),
            "issue_url": "https://api.github.com/repos/acme/shop/issues/3",
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "performed_via_github_app": via.map(|id| json!({ "id": id })),
        });
        serde_json::from_value::<IssueComment>(value).unwrap().into_comment(12, "preview-bot")
    }

    #[test]
    fn only_what_our_bot_wrote_is_ours() {
        assert!(comment("preview-bot[bot]", "Bot", None, "pull/3").ours);
        assert!(comment("renamed[bot]", "Bot", Some(12), "pull/3").ours);
        assert!(!comment("alice", "User", Some(12), "pull/3").ours);
        assert!(!comment("other[bot]", "Bot", Some(13), "pull/3").ours);
        assert!(!comment("preview-bot", "User", None, "pull/3").ours);
    }

    #[test]
    fn a_comment_on_a_plain_issue_has_no_change() {
        assert_eq!(comment("a", "User", None, "pull/3").change, Some(ChangeNumber(3)));
        assert_eq!(comment("a", "User", None, "issues/3").change, None);
        assert_eq!(comment("a", "User", None, "pull/4").change, None);
    }
}
