//! Walking a plan: one step after the other, seeds of different services side by side.

use futures_util::StreamExt;
use futures_util::stream;

use super::context::Context;
use super::execute::execute;
use super::plan::StepId;
use super::step::StepError;
use super::steps;

/// How many seeds run at a time: they share the host with everything else.
const SEEDS_AT_ONCE: usize = 4;

/// Brings every step of the plan to its end; stops at the first that fails.
pub(super) async fn walk(context: &Context<'_>, plan: &[StepId]) -> Result<(), StepError> {
    let mut rest = plan;
    while let Some((first, others)) = rest.split_first() {
        let seeds = rest.iter().take_while(|id| matches!(id, StepId::Seed(_))).count();
        if seeds > 1 {
            side_by_side(context, &rest[..seeds]).await?;
            rest = &rest[seeds..];
        } else {
            one(context, first).await?;
            rest = others;
        }
    }
    Ok(())
}

async fn one(context: &Context<'_>, id: &StepId) -> Result<(), StepError> {
    execute(context, steps::step(&context.dependencies.config, id).as_ref()).await.map(drop)
}

/// All of them end, also when one fails: a seed that is dropped half way would leave its hook running.
async fn side_by_side(context: &Context<'_>, ids: &[StepId]) -> Result<(), StepError> {
    let mut running = Vec::new();
    for id in ids {
        running.push(one(context, id));
    }
    let results: Vec<Result<(), StepError>> = stream::iter(running).buffered(SEEDS_AT_ONCE).collect().await;
    results.into_iter().collect()
}
