//! What the demo needs from its caller, and what it tells the caller about the bot to start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::ports::{Clock, SystemRandom};

/// How the demo is played.
pub struct DemoOptions {
    /// End after the last step instead of leaving everything up to look at.
    pub once: bool,
    /// Where the bot listens; port 0 takes any.
    pub listen: SocketAddr,
    /// The bot's own binary, which the sample's previews run as their web server.
    pub executable: PathBuf,
    /// The only clock.
    pub clock: Arc<dyn Clock>,
    /// The only chance.
    pub random: Arc<dyn SystemRandom>,
}

/// The bot that the demo needs: everything that a settings file would say.
pub struct DemoSettings {
    /// For the bot's mirrors, checkouts, logs and database; removed at the end.
    pub data_dir: PathBuf,
    /// Where the bot listens.
    pub listen: SocketAddr,
    /// The stand-in's API, `[github] api_url`.
    pub api_url: String,
    /// Clone base, `[github] git_url`: a `file://` folder.
    pub git_url: String,
    /// `[github] app_id`.
    pub app_id: u64,
    /// The App's private key.
    pub private_key_pem: SecretString,
    /// `[github] webhook_secret`.
    pub webhook_secret: SecretString,
    /// The only project, `owner/name`; its placement is `local`.
    pub repository: String,
    /// The project's secrets by variable name.
    pub secrets: BTreeMap<String, SecretString>,
}

impl fmt::Debug for DemoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemoSettings")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .field("api_url", &self.api_url)
            .field("git_url", &self.git_url)
            .finish_non_exhaustive()
    }
}

type Shutdown = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send>;

/// A bot that runs.
pub struct BotHandle {
    /// Where its pages are, `http://127.0.0.1:8080`.
    pub base_url: String,
    /// Where it takes webhooks.
    pub webhook_url: String,
    shutdown: Shutdown,
}

impl BotHandle {
    /// A bot reached at `base_url` (webhooks at `/webhooks/github` below it) that `shutdown` ends.
    pub fn new<F>(base_url: &str, shutdown: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let webhook_url = format!("{base_url}/webhooks/github");
        Self { base_url, webhook_url, shutdown: Box::new(move || Box::pin(shutdown())) }
    }

    /// Ends it and waits until it is gone.
    ///
    /// # Errors
    /// What the bot says when it does not end well.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        (self.shutdown)().await
    }
}
