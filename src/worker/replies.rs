//! Posts one answer on a change: a reaction, a comment of ours, or both.

use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::{JobEnd, Reply};
use crate::domain::ports::Forge;

/// Posts the answer. `claims` counts claims of the job from 1: from the second on, an earlier worker may have posted
/// the comment already (also one that died or gave the job back), so its marker is looked up before anything is created.
pub async fn reply(forge: &dyn Forge, reply: &Reply, claims: i64) -> JobEnd {
    if let Err(error) = react(forge, reply).await {
        return ended_badly(&error);
    }
    match post(forge, reply, claims).await {
        Ok(()) => JobEnd::Succeeded { reason: "answered".to_owned() },
        Err(error) => ended_badly(&error),
    }
}

/// A reaction is an ornament: where it cannot be put (the comment was deleted, the conversation is locked), the answer
/// still counts.
async fn react(forge: &dyn Forge, reply: &Reply) -> PortResult<()> {
    let Some(reaction) = reply.reaction else { return Ok(()) };
    let change = &reply.change;
    match forge.react(&change.repository, change.number, reply.comment, reaction).await {
        Err(error) if !may_help_to_retry(error.kind()) => {
            tracing::warn!(
                comment = reply.comment,
                error = error.chain(),
                "a reaction could not be put on a comment"
            );
            Ok(())
        }
        result => result,
    }
}

async fn post(forge: &dyn Forge, reply: &Reply, claims: i64) -> PortResult<()> {
    let Some(body) = &reply.body else { return Ok(()) };
    let (repository, number) = (&reply.change.repository, reply.change.number);
    if claims > 1 && forge.find_comment(repository, number, &reply.marker).await?.is_some() {
        return Ok(());
    }
    forge.create_comment(repository, number, body).await.map(|_| ())
}

fn ended_badly(error: &PortError) -> JobEnd {
    let reason = format!("the answer could not be posted: {}", error.chain());
    match error.kind() {
        ErrorKind::RateLimited(after) => JobEnd::Retry { reason, after: Some(after) },
        kind if may_help_to_retry(kind) => JobEnd::Retry { reason, after: None },
        _ => JobEnd::Failed { reason },
    }
}

/// A call that timed out has an unknown outcome; the marker makes a second try safe.
const fn may_help_to_retry(kind: ErrorKind) -> bool {
    kind.may_retry() || matches!(kind, ErrorKind::TimedOut)
}
