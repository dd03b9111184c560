//! Setting the scene, and looking at what the bot did.

use super::checks::FakeCheck;
use super::comments::FakeComment;
use super::deployments::FakeDeployment;
use super::pulls::FakePull;
use super::server::FakeGithub;
use super::state::{FakeRepository, FakeResult, RecordedRequest, RepositorySpec};
use super::webhooks::Delivery;

impl FakeGithub {
    /// Adds a repository.
    pub fn add_repository(&self, spec: RepositorySpec) {
        self.shared.world().repositories.insert(spec.id, FakeRepository::new(spec));
    }

    /// Deletes a repository: pull requests that come from it have no head repository any more.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn delete_repository(&self, name: &str) -> FakeResult<()> {
        self.shared.world().named(name)?.deleted = true;
        Ok(())
    }

    /// Opens a plain issue; its number.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn open_issue(&self, repository: &str) -> FakeResult<u64> {
        let mut world = self.shared.world();
        let repository = world.named(repository)?;
        let number = repository.next_number();
        repository.issues.insert(number);
        Ok(number)
    }

    /// What somebody may do: `none`, `read`, `triage`, `write`, `maintain`, `admin`; `unknown` = GitHub answers 404.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn set_permission(&self, repository: &str, login: &str, level: &str) -> FakeResult<()> {
        self.shared.world().named(repository)?.permissions.insert(login.to_owned(), level.to_owned());
        Ok(())
    }

    /// Deletes a comment behind the bot's back.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn delete_comment(&self, repository: &str, id: u64) -> FakeResult<()> {
        self.shared.world().named(repository)?.comments.remove(&id);
        Ok(())
    }

    /// Takes back every installation token.
    pub fn revoke_tokens(&self) {
        self.shared.world().tokens.clear();
    }

    /// Login under which the bot writes.
    #[must_use]
    pub fn bot_login(&self) -> String {
        self.shared.world().bot_login()
    }

    /// Every API request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.world().requests.clone()
    }

    /// Requests for which there is no route here.
    #[must_use]
    pub fn unexpected_requests(&self) -> Vec<RecordedRequest> {
        self.requests().into_iter().filter(|request| request.unexpected).collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.world().requests.clear();
    }

    /// Every webhook so far, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.world().deliveries.clone()
    }

    fn look<T: Default>(&self, repository: &str, at: impl FnOnce(&FakeRepository) -> T) -> T {
        self.shared.world().named(repository).map(|repository| at(repository)).unwrap_or_default()
    }

    /// Comments on a pull request or issue, oldest first; none for an unknown repository.
    #[must_use]
    pub fn comments(&self, repository: &str, number: u64) -> Vec<FakeComment> {
        let on = |comment: &&FakeComment| comment.issue == number;
        self.look(repository, |repository| repository.comments.values().filter(on).cloned().collect())
    }

    /// Comments by the bot on a pull request, oldest first.
    #[must_use]
    pub fn bot_comments(&self, repository: &str, number: u64) -> Vec<FakeComment> {
        let bot = self.bot_login();
        self.comments(repository, number).into_iter().filter(|comment| comment.author == bot).collect()
    }

    /// A comment.
    #[must_use]
    pub fn find_comment(&self, repository: &str, id: u64) -> Option<FakeComment> {
        self.look(repository, |repository| repository.comments.get(&id).cloned())
    }

    /// Check runs of a commit, oldest first.
    #[must_use]
    pub fn checks(&self, repository: &str, sha: &str) -> Vec<FakeCheck> {
        let of = |check: &&FakeCheck| check.head_sha == sha;
        self.look(repository, |repository| repository.checks.values().filter(of).cloned().collect())
    }

    /// Deployments to an environment, oldest first.
    #[must_use]
    pub fn deployments(&self, repository: &str, environment: &str) -> Vec<FakeDeployment> {
        let to = |deployment: &&FakeDeployment| deployment.environment == environment;
        self.look(repository, |repository| repository.deployments.values().filter(to).cloned().collect())
    }

    /// A pull request.
    #[must_use]
    pub fn pull(&self, repository: &str, number: u64) -> Option<FakePull> {
        self.look(repository, |repository| repository.pulls.get(&number).cloned())
    }

    /// Every open pull request, as repository and number.
    #[must_use]
    pub fn open_pulls(&self) -> Vec<(String, u64)> {
        let world = self.shared.world();
        let pulls = world.repositories.values().flat_map(|repository| {
            let open = repository.pulls.values().filter(|pull| pull.open);
            open.map(|pull| (repository.spec.name.clone(), pull.number))
        });
        pulls.collect()
    }
}
