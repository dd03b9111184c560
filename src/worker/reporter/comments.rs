//! The sticky comment: created once, then edited; created again when somebody deleted it.

use crate::domain::error::PortResult;
use crate::domain::ports::{Posted, PostedKind};
use crate::domain::wording;

use super::visit::{Visit, hash, unless_missing};

impl Visit<'_> {
    pub(super) async fn show_comment(&mut self, public_url: &str) -> PortResult<()> {
        let before = self.posted(PostedKind::Comment, "").cloned();
        if before.is_none() && !wording::begins_comment(self.snapshot) {
            return Ok(());
        }
        let body = wording::comment(self.snapshot, public_url);
        let hash = hash(&body);
        let Some(before) = before else { return self.create_comment(body, hash).await };
        match before.forge_id {
            Some(_) if before.hash == hash => return Ok(()),
            Some(id) if self.edit_comment(id, &body, &hash).await? => return Ok(()),
            _ => {}
        }
        // Deleted, or the answer to its creation was lost: it may be there under another id.
        let marker = wording::comment_marker(self.environment());
        if let Some(found) = self.forge.find_comment(self.repository(), self.number(), &marker).await?
            && self.edit_comment(found.id, &body, &hash).await?
        {
            return Ok(());
        }
        self.create_comment(body, hash).await
    }

    async fn create_comment(&mut self, body: String, hash: String) -> PortResult<()> {
        self.intend(PostedKind::Comment, "").await?;
        self.writes().await?;
        let id = self.forge.create_comment(self.repository(), self.number(), &body).await?;
        self.save_comment(id, hash).await
    }

    /// Whether the comment was there to be edited.
    async fn edit_comment(&mut self, id: u64, body: &str, hash: &str) -> PortResult<bool> {
        self.writes().await?;
        let edited = self.forge.update_comment(self.repository(), self.number(), id, body).await;
        if unless_missing(edited)?.is_none() {
            return Ok(false);
        }
        self.save_comment(id, hash.to_owned()).await?;
        Ok(true)
    }

    async fn save_comment(&mut self, id: u64, hash: String) -> PortResult<()> {
        let state = wording::shown(self.snapshot).word().to_owned();
        self.save(Posted { kind: PostedKind::Comment, key: String::new(), forge_id: Some(id), hash, state }).await
    }
}
