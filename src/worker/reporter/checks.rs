//! One check per head commit; those of older commits always come to an end.

use crate::domain::change::Sha;
use crate::domain::environment::Desired;
use crate::domain::error::PortResult;
use crate::domain::ports::{CheckConclusion, CheckState, NewCheck, Posted, PostedKind};
use crate::domain::wording;

use super::visit::{Visit, hash, unless_missing};

const UNFINISHED: &[&str] = &["", CheckState::Queued.as_str(), CheckState::InProgress.as_str()];

impl Visit<'_> {
    pub(super) async fn show_checks(&mut self, public_url: &str) -> PortResult<()> {
        let Some(check) = wording::check(self.snapshot, public_url) else { return Ok(()) };
        let older = self.others(PostedKind::Check, Some(check.sha.as_str()));
        for posted in older.iter().filter(|posted| UNFINISHED.contains(&posted.state.as_str())) {
            self.end_check(posted, &check).await?;
        }
        self.show_check(&check).await
    }

    async fn show_check(&mut self, check: &NewCheck) -> PortResult<()> {
        let hash = hash(&format!("{check:?}"));
        let before = self.posted(PostedKind::Check, check.sha.as_str()).cloned();
        let known = match before {
            Some(Posted { forge_id: Some(_), hash: old, .. }) if old == hash => return Ok(()),
            Some(Posted { forge_id: Some(id), .. }) => Some(id),
            Some(_) => self.find_check(check).await?,
            None => None,
        };
        if let Some(id) = known
            && self.edit_check(id, check).await?
        {
            return self.save_check(id, check, hash).await;
        }
        self.intend(PostedKind::Check, check.sha.as_str()).await?;
        self.writes().await?;
        let id = self.forge.create_check(self.repository(), check).await?;
        self.save_check(id, check, hash).await
    }

    /// Ends the check of an older commit.
    async fn end_check(&mut self, posted: &Posted, head: &NewCheck) -> PortResult<()> {
        let Ok(sha) = posted.key.parse::<Sha>() else {
            return self.forget(PostedKind::Check, &posted.key).await;
        };
        let external_id = wording::check_id(self.environment(), &sha);
        let mut check = wording::superseded_check(NewCheck { sha, external_id, ..head.clone() }, &head.sha);
        if self.environment().desired == Desired::Absent {
            check.state = CheckState::Completed(CheckConclusion::Neutral);
        }
        let id = match posted.forge_id {
            Some(id) => Some(id),
            None => self.find_check(&check).await?,
        };
        match id {
            Some(id) if self.edit_check(id, &check).await? => {
                let hash = hash(&format!("{check:?}"));
                self.save_check(id, &check, hash).await
            }
            _ => self.forget(PostedKind::Check, &posted.key).await,
        }
    }

    async fn find_check(&self, check: &NewCheck) -> PortResult<Option<u64>> {
        let found = self.forge.find_check(self.repository(), &check.sha, &check.name, &check.external_id).await?;
        Ok(found.map(|found| found.id))
    }

    /// Whether the check was there to be edited.
    async fn edit_check(&mut self, id: u64, check: &NewCheck) -> PortResult<bool> {
        self.writes().await?;
        unless_missing(self.forge.update_check(self.repository(), id, check).await).map(|done| done.is_some())
    }

    async fn save_check(&mut self, id: u64, check: &NewCheck, hash: String) -> PortResult<()> {
        let state = check.state.as_str().to_owned();
        let key = check.sha.as_str().to_owned();
        self.save(Posted { kind: PostedKind::Check, key, forge_id: Some(id), hash, state }).await
    }
}
