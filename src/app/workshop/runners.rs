//! Hooks of one environment on the bot's machine and on its host.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::error::PortResult;
use crate::domain::ports::{HookCommand, HookOutcome, HookRunner};

/// Provisioner hooks run here; what the host's runner has begun is settled together with them.
pub(super) struct Runners {
    pub(super) here: Arc<dyn HookRunner>,
    pub(super) there: Arc<dyn HookRunner>,
}

#[async_trait]
impl HookRunner for Runners {
    async fn run(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        self.here.run(command, cancel).await
    }

    async fn settle(&self) -> PortResult<()> {
        let here = self.here.settle().await;
        self.there.settle().await?;
        here
    }
}
