//! What people do on GitHub. Each act changes the state and, unless told otherwise, sends its webhook.

use serde_json::{Value, json};

use super::pulls::{self, FakePull};
use super::server::FakeGithub;
use super::state::{FakeError, FakeRepository, FakeResult, World, git};
use super::webhooks::{self, Delivery};
use super::{comments, payloads};

/// A pull request to be opened.
#[derive(Debug, Clone)]
pub struct NewPull {
    /// Who opens it.
    pub author: String,
    /// Its title.
    pub title: String,
    /// `owner/name` of the repository that it comes from; `None` = the one it goes into.
    pub head_repository: Option<String>,
    /// Branch that it comes from.
    pub head_branch: String,
    /// Its commit; `None` = wherever the branch is.
    pub head_sha: Option<String>,
    /// Whether it is a draft.
    pub draft: bool,
}

impl NewPull {
    /// From a branch of the same repository.
    #[must_use]
    pub fn new(author: &str, branch: &str) -> Self {
        Self {
            author: author.to_owned(),
            title: format!("Changes of {branch}"),
            head_repository: None,
            head_branch: branch.to_owned(),
            head_sha: None,
            draft: false,
        }
    }
}

/// A hand on the stand-in that acts as people do; what they act on is named `owner/name` and by number.
#[derive(Clone, Copy)]
pub struct People<'a> {
    fake: &'a FakeGithub,
    delivers: bool,
}

impl FakeGithub {
    /// Acts as people do, webhooks included.
    #[must_use]
    pub const fn people(&self) -> People<'_> {
        People { fake: self, delivers: true }
    }

    /// The same, but GitHub's webhooks get lost: the returned deliveries were not sent.
    #[must_use]
    pub const fn people_unheard(&self) -> People<'_> {
        People { fake: self, delivers: false }
    }
}

impl People<'_> {
    async fn sent(&self, delivery: Delivery) -> FakeResult<Delivery> {
        if self.delivers { self.fake.deliver(&delivery.guid).await } else { Ok(delivery) }
    }

    /// Opens a pull request; its number and the webhook.
    ///
    /// # Errors
    /// When a repository or branch is missing.
    pub async fn open_pull(&self, repository: &str, new: NewPull) -> FakeResult<(u64, Delivery)> {
        let (number, delivery) = {
            let mut world = self.fake.shared.world();
            let pull = open(&mut world, repository, new)?;
            let (number, author) = (pull.number, pull.author.clone());
            world.named(repository)?.pulls.insert(number, pull);
            publish(&mut world, repository, number)?;
            (number, tell(&mut world, repository, number, (&author, "opened", json!({})))?)
        };
        Ok((number, self.sent(delivery).await?))
    }

    /// Pushes: the pull request's head becomes what its branch is now at, or the given commit.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn push(&self, repository: &str, number: u64, sha: Option<&str>) -> FakeResult<Delivery> {
        let delivery = {
            let mut world = self.fake.shared.world();
            let pull = pull(&mut world, repository, number)?.clone();
            let head = pull.head_repository.and_then(|id| world.repositories.get(&id));
            let after = match (sha, head) {
                (Some(sha), _) => sha.to_owned(),
                (None, Some(head)) => head.resolve(&pull.head_branch)?,
                (None, None) => return Err(FakeError::Missing(format!("head of {repository}#{number}"))),
            };
            self::pull(&mut world, repository, number)?.head_sha.clone_from(&after);
            publish(&mut world, repository, number)?;
            let extra = json!({ "before": pull.head_sha, "after": after });
            tell(&mut world, repository, number, (&pull.author, "synchronize", extra))?
        };
        self.sent(delivery).await
    }

    /// Changes facts of a pull request and tells it as `action`, with `extra` in the payload.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn change(
        &self,
        repository: &str,
        number: u64,
        (sender, action, extra): (&str, &str, Value),
        edit: impl FnOnce(&mut FakePull) + Send,
    ) -> FakeResult<Delivery> {
        let delivery = {
            let mut world = self.fake.shared.world();
            edit(pull(&mut world, repository, number)?);
            tell(&mut world, repository, number, (sender, action, extra))?
        };
        self.sent(delivery).await
    }

    /// Closes without merging.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn close(&self, repository: &str, number: u64, login: &str) -> FakeResult<Delivery> {
        let now = self.fake.shared.world().now();
        self.change(repository, number, (login, "closed", json!({})), |pull| {
            pull.open = false;
            pull.closed_at = Some(now);
        })
        .await
    }

    /// Merges; the base branch moves to the head when that is ahead of it.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn merge(&self, repository: &str, number: u64, login: &str) -> FakeResult<Delivery> {
        let now = {
            let mut world = self.fake.shared.world();
            fast_forward(&mut world, repository, number)?;
            world.now()
        };
        self.change(repository, number, (login, "closed", json!({})), |pull| {
            (pull.open, pull.merged) = (false, true);
            pull.closed_at = Some(now);
        })
        .await
    }

    /// Opens a closed one again.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn reopen(&self, repository: &str, number: u64, login: &str) -> FakeResult<Delivery> {
        self.change(repository, number, (login, "reopened", json!({})), |pull| {
            pull.open = true;
            pull.closed_at = None;
        })
        .await
    }

    /// Makes a draft ready, or a ready one a draft.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn set_draft(&self, repository: &str, number: u64, draft: bool) -> FakeResult<Delivery> {
        let login = pull(&mut self.fake.shared.world(), repository, number)?.author.clone();
        let action = if draft { "converted_to_draft" } else { "ready_for_review" };
        self.change(repository, number, (&login, action, json!({})), |pull| pull.draft = draft).await
    }

    /// Puts a label on a pull request, or takes it off.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn label(&self, repository: &str, number: u64, name: &str, on: bool) -> FakeResult<Delivery> {
        let (login, base_url) = {
            let mut world = self.fake.shared.world();
            (pull(&mut world, repository, number)?.author.clone(), world.base_url.clone())
        };
        let extra = json!({ "label": pulls::label(&base_url, name) });
        let action = if on { "labeled" } else { "unlabeled" };
        self.change(repository, number, (&login, action, extra), |pull| {
            pull.labels.retain(|label| label != name);
            if on {
                pull.labels.push(name.to_owned());
            }
        })
        .await
    }

    /// Writes a comment; its id and the webhook.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn comment(
        &self,
        repository: &str,
        number: u64,
        login: &str,
        body: &str,
    ) -> FakeResult<(u64, Delivery)> {
        let (id, delivery) = {
            let mut world = self.fake.shared.world();
            let repository = world.named(repository)?.spec.id;
            let comment = comments::add(&mut world, repository, number, login, body);
            let payload = payloads::issue_comment(&world, &world.repositories[&repository], &comment, "created");
            (comment.id, webhooks::keep(&mut world, "issue_comment", &payload))
        };
        Ok((id, self.sent(delivery).await?))
    }

    /// Rewrites a comment.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn edit_comment(&self, repository: &str, id: u64, body: &str) -> FakeResult<Delivery> {
        let delivery = {
            let mut world = self.fake.shared.world();
            let now = world.now();
            let found = world.named(repository)?;
            let (key, comment) = (found.spec.id, found.comments.get_mut(&id));
            let comment = comment.ok_or_else(|| FakeError::Missing(format!("comment {id}")))?;
            let before = std::mem::replace(&mut comment.body, body.to_owned());
            comment.updated_at = now;
            let comment = comment.clone();
            let mut payload = payloads::issue_comment(&world, &world.repositories[&key], &comment, "edited");
            payload["changes"] = json!({ "body": { "from": before } });
            webhooks::keep(&mut world, "issue_comment", &payload)
        };
        self.sent(delivery).await
    }

    /// Asks for a check run to run again.
    ///
    /// # Errors
    /// When something is missing.
    pub async fn rerequest_check(&self, repository: &str, check: u64, login: &str) -> FakeResult<Delivery> {
        let delivery = {
            let mut world = self.fake.shared.world();
            let found: &FakeRepository = world.named(repository)?;
            let check = found.checks.get(&check).ok_or_else(|| FakeError::Missing(format!("check {check}")))?;
            let (key, check) = (found.spec.id, check.clone());
            let payload = payloads::check_run(&world, &world.repositories[&key], &check, login, "rerequested");
            webhooks::keep(&mut world, "check_run", &payload)
        };
        self.sent(delivery).await
    }
}

fn pull<'a>(world: &'a mut World, repository: &str, number: u64) -> FakeResult<&'a mut FakePull> {
    let found = world.named(repository)?.pulls.get_mut(&number);
    found.ok_or_else(|| FakeError::Missing(format!("pull request {repository}#{number}")))
}

fn open(world: &mut World, repository: &str, new: NewPull) -> FakeResult<FakePull> {
    let (id, now) = (world.next_id(), world.now());
    let head = world.named(new.head_repository.as_deref().unwrap_or(repository))?;
    let head_id = head.spec.id;
    let head_sha = new.head_sha.map_or_else(|| head.resolve(&new.head_branch), Ok)?;
    let base = world.named(repository)?;
    Ok(FakePull {
        id,
        number: base.next_number(),
        title: new.title,
        body: String::new(),
        author: new.author,
        head_repository: Some(head_id),
        head_branch: new.head_branch,
        head_sha,
        base_branch: base.default_branch.clone(),
        base_sha: base.resolve(&base.default_branch)?,
        draft: new.draft,
        open: true,
        merged: false,
        labels: Vec::new(),
        created_at: now.clone(),
        updated_at: now,
        closed_at: None,
    })
}

/// Makes the webhook of something that happened to a pull request.
fn tell(
    world: &mut World,
    repository: &str,
    number: u64,
    (sender, action, extra): (&str, &str, Value),
) -> FakeResult<Delivery> {
    let now = world.now();
    let pull = pull(world, repository, number)?;
    pull.updated_at = now;
    let (pull, id) = (pull.clone(), world.named(repository)?.spec.id);
    let mut payload = payloads::pull_request(world, &world.repositories[&id], &pull, sender, action);
    for (key, value) in extra.as_object().into_iter().flatten() {
        payload[key] = value.clone();
    }
    Ok(webhooks::keep(world, "pull_request", &payload))
}

/// Puts the head where GitHub has it for everyone to fetch: `refs/pull/<n>/head` of the base repository.
fn publish(world: &mut World, repository: &str, number: u64) -> FakeResult<()> {
    let pull = pull(world, repository, number)?.clone();
    let head = pull.head_repository.and_then(|id| world.repositories.get(&id));
    let head = head.and_then(|head| head.spec.git_dir.clone());
    let (Some(base), Some(head)) = (world.named(repository)?.spec.git_dir.clone(), head) else { return Ok(()) };
    let reference = format!("refs/pull/{number}/head");
    if base == head {
        git(&base, &["update-ref", &reference, &pull.head_sha])?;
    } else {
        let refspec = format!("+{}:{reference}", pull.head_sha);
        git(&base, &["fetch", "--quiet", "--no-tags", "--end-of-options", &head.to_string_lossy(), &refspec])?;
    }
    Ok(())
}

fn fast_forward(world: &mut World, repository: &str, number: u64) -> FakeResult<()> {
    let pull = pull(world, repository, number)?.clone();
    let Some(base) = world.named(repository)?.spec.git_dir.clone() else { return Ok(()) };
    if git(&base, &["merge-base", "--is-ancestor", &pull.base_sha, &pull.head_sha]).is_ok() {
        git(&base, &["update-ref", &format!("refs/heads/{}", pull.base_branch), &pull.head_sha])?;
    }
    Ok(())
}
