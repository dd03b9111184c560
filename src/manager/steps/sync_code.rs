//! `sync_code`: brings the checkout to the commit. It has no record: the checkout itself says where it is.

use async_trait::async_trait;

use crate::manager::context::Context;
use crate::manager::step::{Attempt, Checkpoint, Outputs, Rules, Step, StepFailure};

pub(super) struct SyncCode;

#[async_trait]
impl Step for SyncCode {
    fn name(&self) -> &'static str {
        "sync_code"
    }

    fn rules(&self) -> Rules {
        Rules { checkpoint: Checkpoint::None, ..Rules::default() }
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let info = context.facts().await.compute.clone().ok_or(StepFailure::Missing("compute"))?;
        let token = context.cancel().child_token();
        let work = context.dependencies.compute.sync_code(&info, &token);
        context.within_limit("bringing the checkout to the commit", work, &token).await?;
        Ok(Outputs::new())
    }
}
