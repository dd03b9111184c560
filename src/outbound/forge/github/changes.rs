//! Pull requests and files.

use serde::Deserialize;

use super::api::{Api, Request};
use super::errors::optional;
use super::text::encode;
use crate::domain::change::{
    Account, Base, Change, ChangeNumber, ChangeState, ChangedFiles, Head, Repository, RepositoryId, Sha,
};
use crate::domain::error::{ErrorKind, PortError, PortResult};

/// Bytes of a file that are read at most.
const FILE_LIMIT: usize = 1024 * 1024;
/// GitHub lists no more files of one pull request.
const MAX_FILES: usize = 3_000;
/// Asks for a file as it is, not as JSON around base64.
const RAW: &str = "application/vnd.github.raw+json";

/// A user as GitHub sends one.
#[derive(Deserialize)]
pub(super) struct User {
    login: String,
    id: u64,
    #[serde(rename = "type", default)]
    kind: String,
}

impl User {
    /// The account; a deleted one is GitHub's `ghost`, who may do nothing.
    pub(super) fn account(user: Option<Self>) -> Account {
        user.map_or_else(
            || Account { login: "ghost".to_owned(), id: 0, is_bot: false },
            |user| Account { is_bot: user.kind == "Bot", login: user.login, id: user.id },
        )
    }
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    title: String,
    user: Option<User>,
    state: String,
    #[serde(default)]
    merged: bool,
    #[serde(default)]
    merged_at: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    labels: Vec<Label>,
    head: PullHead,
    base: PullBase,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct PullHead {
    sha: Sha,
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<HeadRepository>,
}

#[derive(Deserialize)]
struct HeadRepository {
    id: u64,
}

#[derive(Deserialize)]
struct PullBase {
    sha: Sha,
    #[serde(rename = "ref")]
    branch: String,
}

/// What a list of pull requests is looked through for.
#[derive(Deserialize)]
struct ListedPull {
    number: u64,
    state: String,
    head: ListedHead,
}

#[derive(Deserialize)]
struct ListedHead {
    sha: String,
}

impl From<Pull> for Change {
    fn from(pull: Pull) -> Self {
        let state = if pull.merged || pull.merged_at.is_some() {
            ChangeState::Merged
        } else if pull.state == "open" {
            ChangeState::Open
        } else {
            ChangeState::Closed
        };
        Self {
            number: ChangeNumber(pull.number),
            title: pull.title,
            author: User::account(pull.user),
            state,
            draft: pull.draft,
            labels: pull.labels.into_iter().map(|label| label.name).collect(),
            head: Head {
                sha: pull.head.sha,
                branch: pull.head.branch,
                repository: pull.head.repo.map(|repository| RepositoryId(repository.id)),
            },
            base: Base { sha: pull.base.sha, branch: pull.base.branch },
        }
    }
}

/// A pull request as it is now.
pub(super) async fn change(
    api: &Api,
    repository: &Repository,
    number: ChangeNumber,
) -> PortResult<Option<Change>> {
    let path = format!("{}/pulls/{number}", Api::repository_path(repository)?);
    let pull: Option<Pull> = optional(api.read(repository, Request::get(path)).await)?;
    Ok(pull.map(Change::from))
}

/// Open pull requests with this head. GitHub's own list leaves out those from forks at times, so when it is empty
/// the open ones are looked through.
pub(super) async fn changes_with_head(
    api: &Api,
    repository: &Repository,
    sha: &Sha,
) -> PortResult<Vec<ChangeNumber>> {
    let root = Api::repository_path(repository)?;
    let of_commit = Request::get(format!("{root}/commits/{sha}/pulls?per_page={}", super::api::PER_PAGE));
    let listed: Vec<ListedPull> = match api.read(repository, of_commit).await {
        // 422: "No commit found for SHA", as for a fork's commit.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => Vec::new(),
        other => other?,
    };
    let found = with_head(listed, sha);
    if !found.is_empty() {
        return Ok(found);
    }
    let open =
        api.all_pages(repository, &format!("{root}/pulls?state=open"), |page: Vec<ListedPull>| page).await?;
    Ok(with_head(open, sha))
}

fn with_head(pulls: Vec<ListedPull>, sha: &Sha) -> Vec<ChangeNumber> {
    let wanted = |pull: &ListedPull| pull.state == "open" && pull.head.sha == sha.as_str();
    pulls.into_iter().filter(wanted).map(|pull| ChangeNumber(pull.number)).collect()
}

#[derive(Deserialize)]
struct PullFile {
    filename: String,
    #[serde(default)]
    previous_filename: Option<String>,
}

/// Files that a pull request touches. GitHub lists 3,000 at most and does not say that it cut the list.
pub(super) async fn files(api: &Api, repository: &Repository, number: ChangeNumber) -> PortResult<ChangedFiles> {
    let path = format!("{}/pulls/{number}/files", Api::repository_path(repository)?);
    let listed = match api.all_pages(repository, &path, |page: Vec<PullFile>| page).await {
        Ok(listed) => listed,
        // A page with more text than is read: so large a change is not judged by its files.
        Err(error) if error.kind() == ErrorKind::Invalid => {
            return Ok(ChangedFiles { paths: Vec::new(), is_cut: true });
        }
        Err(error) => return Err(error),
    };
    let is_cut = listed.len() >= MAX_FILES;
    let paths = listed.into_iter().flat_map(|file| std::iter::once(file.filename).chain(file.previous_filename));
    Ok(ChangedFiles { paths: paths.collect(), is_cut })
}

/// A file at a commit.
pub(super) async fn file(
    api: &Api,
    repository: &Repository,
    path: &str,
    sha: &Sha,
) -> PortResult<Option<Vec<u8>>> {
    let root = Api::repository_path(repository)?;
    let request = Request::get(format!("{root}/contents/{}?ref={sha}", file_path(path)?));
    let answer = optional(api.send(repository, request.accepting(RAW, FILE_LIMIT)).await)?;
    match answer {
        // A folder is a JSON list even when a file's bytes were asked for.
        Some(answer) if answer.media_type == "application/json" => {
            Err(PortError::new(ErrorKind::Invalid, format!("`{}` is not a file", path.escape_debug())))
        }
        Some(answer) => Ok(Some(answer.body)),
        None => Ok(None),
    }
}

/// The path with each segment encoded. Dots are refused: they would be resolved on the way, encoded or not.
fn file_path(path: &str) -> PortResult<String> {
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        let message = format!("`{}` is not a path in a repository", path.escape_debug());
        return Err(PortError::new(ErrorKind::Invalid, message));
    }
    Ok(path.split('/').map(encode).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_path_cannot_leave_the_repository() {
        assert_eq!(file_path("apps/web/a b.yaml").unwrap(), "apps/web/a%20b.yaml");
        assert_eq!(file_path("a?ref=x").unwrap(), "a%3Fref%3Dx");
        for bad in ["", "/etc", "a//b", "../x", "a/../b", "a/."] {
            assert!(file_path(bad).is_err(), "{bad}");
        }
    }
}
