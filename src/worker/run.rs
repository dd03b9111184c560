//! Job → deed: the one match over the kinds of work.

use std::sync::Arc;

use async_trait::async_trait;

use super::assess::Assessor;
use super::converge::Converger;
use super::reporter::Forges;
use super::{Cancel, Ran, RunJob, replies};
use crate::domain::environment::EnvironmentId;
use crate::domain::event::Subject;
use crate::domain::job::{Job, JobEnd, NewJob, Reaction, Reply, Work};
use crate::domain::ports::{ClaimedJob, Environments};

/// Runs every kind of job.
pub struct Runner {
    /// Reads and decides.
    pub assessor: Assessor,
    /// Makes environments what is desired.
    pub converger: Converger,
    /// Forges by kind, to answer people on.
    pub forges: Forges,
    /// Where the change behind a job is looked up.
    pub environments: Arc<dyn Environments>,
}

#[async_trait]
impl RunJob for Runner {
    async fn run(&self, claimed: &ClaimedJob, cancel: &Cancel) -> Ran {
        let mut answer = None;
        let end = match &claimed.job.work {
            Work::Assess { subject } => self.assessor.assess(claimed, subject).await,
            Work::Reply(reply) => self.reply(reply, claimed.claim.claims).await,
            Work::Deploy { .. } | Work::Destroy | Work::Stop | Work::Start | Work::Reset { .. } => {
                self.converger.run(claimed, cancel).await
            }
            Work::Logs { service, lines, reply } => {
                let asked = (service.as_deref(), *lines, reply);
                let (end, told) = self.converger.logs(claimed, cancel, asked).await;
                answer = told;
                end
            }
            Work::Terminal { command } => JobEnd::Failed {
                reason: format!("the command `{command}` was ended before it was done: give it again"),
            },
        };
        let end = give_up_when_tried_enough(&claimed.job, end);
        let reaction = self.reaction(&claimed.job, &end).await;
        let look = self.look_again(&claimed.job, &end).await;
        let answer = answer.map(|reply| answering(&claimed.job, reply));
        Ran { end, follow_ups: reaction.into_iter().chain(answer).chain(look).collect() }
    }
}

/// The last allowed try fails for good.
fn give_up_when_tried_enough(job: &Job, end: JobEnd) -> JobEnd {
    match end {
        JobEnd::Retry { reason, .. } if job.attempt >= job.max_attempts => {
            JobEnd::Failed { reason: format!("{reason} (given up after {} tries)", job.attempt) }
        }
        end => end,
    }
}

/// The job that posts what another one found out.
fn answering(job: &Job, reply: Reply) -> NewJob {
    NewJob {
        work: Work::Reply(reply),
        environment: job.environment_id,
        generation: None,
        comment: None,
        reason: format!("the answer of {}", job.work.kind()),
    }
}

impl Runner {
    async fn reply(&self, reply: &Reply, claims: i64) -> JobEnd {
        let kind = reply.change.repository.forge;
        match self.forges.get(&kind) {
            Some(forge) => replies::reply(&**forge, reply, claims).await,
            None => JobEnd::Failed { reason: format!("{kind} is not configured in the bot's settings") },
        }
    }

    /// The reaction that tells the author of the ordering comment how it went.
    async fn reaction(&self, job: &Job, end: &JobEnd) -> Option<NewJob> {
        let reaction = match end {
            JobEnd::Succeeded { .. } => Reaction::Rocket,
            JobEnd::Failed { .. } => Reaction::Confused,
            JobEnd::Retry { .. } | JobEnd::Wait { .. } | JobEnd::Cancelled { .. } | JobEnd::GivenBack => {
                return None;
            }
        };
        // An answer is no deed: only what was ordered gets told how it went.
        let comment = job.comment.filter(|_| job.work.touches_environment())?;
        let environment = self.environment(job.environment_id?).await?;
        let reply = Reply {
            change: environment.change_ref(),
            comment,
            reaction: Some(reaction),
            body: None,
            marker: format!("{}:{}", job.id, job.work.kind()),
        };
        Some(NewJob {
            work: Work::Reply(reply),
            environment: Some(environment.id),
            generation: None,
            comment: None,
            reason: format!("{} ended", job.work.kind()),
        })
    }

    /// Untrusted code that was refused because of what the forge shows now: the change is looked at, as if it had been told.
    async fn look_again(&self, job: &Job, end: &JobEnd) -> Option<NewJob> {
        if !matches!(end, JobEnd::Failed { .. })
            || !(job.work.converges() || matches!(job.work, Work::Reset { .. }))
        {
            return None;
        }
        let environment = self.environment(job.environment_id?).await?;
        environment.is_untrusted().then(|| NewJob {
            work: Work::Assess { subject: Subject::Change(environment.change_ref()) },
            environment: None,
            generation: None,
            comment: None,
            reason: format!("{} of an untrusted change failed", job.work.kind()),
        })
    }

    async fn environment(&self, id: EnvironmentId) -> Option<crate::domain::environment::Environment> {
        match self.environments.get(id).await {
            Ok(environment) => environment,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "the reaction on a command is left out");
                None
            }
        }
    }
}
