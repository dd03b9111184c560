//! Asks a published URL until it answers.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::{Attempt, Policy};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::ReadinessProbe;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(2);
/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Redirects that are followed on the same host.
const REDIRECTS: usize = 5;

/// Probes over HTTP, without any proxy that the bot's environment may name.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    client: reqwest::Client,
}

impl HttpProbe {
    /// A probe.
    ///
    /// # Errors
    /// `Invalid` when this machine's TLS cannot be set up.
    pub fn new() -> PortResult<Self> {
        let client =
            reqwest::Client::builder().no_proxy().timeout(TRY).redirect(Policy::custom(stay_on_host)).build();
        let client = client.map_err(|error| {
            PortError::with_source(ErrorKind::Invalid, "the readiness probe cannot be set up", error)
        })?;
        Ok(Self { client })
    }

    /// Asks once. Any status below 500 is the application's own answer: many answer 401 or 404 at `/` and are well.
    async fn ask(&self, url: &str) -> Result<(), String> {
        match self.client.get(url).send().await {
            Ok(answer) if answer.status().as_u16() < 500 => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status())),
            Err(error) if error.is_timeout() => Err(format!("no answer within {TRY:?}")),
            Err(error) => Err(root_cause(&error)),
        }
    }
}

/// A redirect to another host is an answer and not followed: the preview speaks, and who else would is not asked.
fn stay_on_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = attempt.previous().first();
    let same = first.is_some_and(|first| {
        first.host() == attempt.url().host()
            && first.port_or_known_default() == attempt.url().port_or_known_default()
    });
    if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[async_trait]
impl ReadinessProbe for HttpProbe {
    async fn wait_ready(&self, url: &str, limit: Duration, cancel: &CancellationToken) -> PortResult<()> {
        let mut last = "it was not asked".to_owned();
        let asking = async {
            while let Err(why) = self.ask(url).await {
                last = why;
                sleep(PAUSE).await;
            }
        };
        let waited = tokio::select! {
            waited = timeout(limit, asking) => waited,
            () = cancel.cancelled() => {
                return Err(PortError::new(ErrorKind::Cancelled, format!("waiting for {url} was cancelled")));
            }
        };
        waited.map_err(|_| {
            PortError::new(ErrorKind::TimedOut, format!("{url} did not answer within {limit:?}: {last}"))
        })
    }
}
