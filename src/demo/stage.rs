//! The stage of the demo: a temporary folder, the sample repository, the stand-in for GitHub; how it waits and tidies up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::Url;
use secrecy::SecretString;
use tempfile::TempDir;

use super::fake_github::{Delivery, FakeGithub, FakeOptions, RepositorySpec, WebhookTarget};
use super::sample::Sample;
use super::scene::{BotHandle, DemoOptions, DemoSettings};
use super::sweep;
use super::tell::Teller;

/// The repository of the story.
pub(super) const REPOSITORY: &str = "acme/guestbook";
const REPOSITORY_ID: u64 = 5001;
/// The person of the story.
pub(super) const PERSON: &str = "ada";
/// Every condition has this long to come true.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the end waits for previews to be removed, and for the bot to go.
const FAREWELL: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a look at the world found.
pub(super) enum Look<T> {
    /// What was waited for.
    Yes(T),
    /// Something else, that may still become it.
    NotYet(String),
    /// Something that will not become it.
    Never(String),
}

/// Everything but the bot.
pub(super) struct Stage {
    folder: TempDir,
    pub(super) sample: Sample,
    pub(super) fake: FakeGithub,
    pub(super) teller: Teller,
    web: reqwest::Client,
    webhook_secret: String,
}

impl Stage {
    /// Makes the folder, the repository and the stand-in.
    pub(super) async fn set(options: &DemoOptions) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("previewbot-demo-").tempdir().context("cannot make a folder")?;
        let root = folder.path().to_owned();
        let sample = tokio::task::spawn_blocking(move || Sample::create(&root, REPOSITORY)).await??;
        let fake = FakeGithub::start(FakeOptions::new(options.clock.clone())).await?;
        fake.add_repository(RepositorySpec::new(REPOSITORY, REPOSITORY_ID).with_git(sample.bare()));
        fake.set_permission(REPOSITORY, PERSON, "write")?;
        std::fs::create_dir(folder.path().join("databases")).context("cannot make a folder for the notes")?;
        let web = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        let webhook_secret = options.random.uuid().simple().to_string();
        Ok(Self { folder, sample, fake, teller: Teller::new(), web, webhook_secret })
    }

    /// The bot that belongs on this stage.
    pub(super) fn settings(&self, options: &DemoOptions) -> DemoSettings {
        let path = |path: PathBuf| SecretString::from(path.to_string_lossy().into_owned());
        let secrets = BTreeMap::from([
            ("PREVIEW_SITE".to_owned(), path(options.executable.clone())),
            ("PREVIEW_DATA".to_owned(), path(self.folder.path().join("databases"))),
        ]);
        DemoSettings {
            data_dir: self.data_dir(),
            listen: options.listen,
            api_url: self.fake.base_url().to_owned(),
            git_url: format!("file://{}", self.folder.path().join("git").display()),
            app_id: self.fake.app_id(),
            private_key_pem: SecretString::from(self.fake.private_key_pem().to_owned()),
            webhook_secret: SecretString::from(self.webhook_secret.clone()),
            repository: REPOSITORY.to_owned(),
            secrets,
        }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Sends webhooks to the bot from now on.
    pub(super) fn connect(&self, bot: &BotHandle) {
        self.fake.set_webhook(WebhookTarget { url: bot.webhook_url.clone(), secret: self.webhook_secret.clone() });
    }

    /// Folders of an environment that are there now.
    pub(super) fn checkouts(&self, environment: &str) -> Vec<PathBuf> {
        sweep::checkouts(&self.data_dir(), environment)
    }

    /// Plays one step and tells how it went; the error names it.
    pub(super) async fn step<T>(
        &self,
        name: &str,
        act: impl AsyncFnOnce() -> anyhow::Result<(T, String)>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        match act().await {
            Ok((value, seen)) => {
                self.teller.done(name, &seen, started.elapsed());
                Ok(value)
            }
            Err(error) => {
                self.teller.failed(name, &format!("{error:#}"), started.elapsed());
                Err(error.context(format!("the demo failed at the step `{name}`")))
            }
        }
    }

    /// Looks until it is so.
    pub(super) async fn until<T>(&self, mut look: impl AsyncFnMut() -> Look<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            match look().await {
                Look::Yes(value) => return Ok(value),
                Look::Never(seen) => bail!("{seen}{}", self.oddities()),
                Look::NotYet(seen) if started.elapsed() > PATIENCE => {
                    bail!("not so after {} s: {seen}{}", PATIENCE.as_secs(), self.oddities())
                }
                Look::NotYet(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// What may explain a failure.
    fn oddities(&self) -> String {
        let requests = self.fake.requests();
        let odd = requests.iter().filter(|request| request.unexpected || request.status >= 400);
        let odd: Vec<String> = odd.map(|r| format!("{} {} → {}", r.method, r.path, r.status)).collect();
        let last = odd.len().saturating_sub(5);
        if odd.is_empty() { String::new() } else { format!("; the stand-in refused {}", odd[last..].join(", ")) }
    }

    /// A webhook must have been taken.
    pub(super) fn taken(delivery: &Delivery) -> anyhow::Result<String> {
        match delivery.status {
            Some(status) if (200..300).contains(&status) => {
                Ok(format!("signed webhook `{}`, answered {status}", delivery.event))
            }
            Some(status) => bail!("the bot answered the webhook `{}` with {status}", delivery.event),
            None => bail!("the bot did not answer the webhook `{}`", delivery.event),
        }
    }

    /// A page; what was seen instead when it does not answer well.
    pub(super) async fn page(&self, url: &str) -> Result<String, String> {
        let response =
            self.web.get(url).send().await.map_err(|error| format!("{url} does not answer: {error}"))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| format!("{url} broke off: {error}"))?;
        if status.is_success() { Ok(text) } else { Err(format!("{url} answers {status}")) }
    }

    /// Leaves a note in the guest book.
    pub(super) async fn sign(&self, url: &str, note: &str) -> anyhow::Result<()> {
        let url = format!("{}/notes", url.trim_end_matches('/'));
        self.web.post(&url).body(note.to_owned()).send().await?.error_for_status()?;
        Ok(())
    }

    /// Whether anything listens where the address leads.
    pub(super) async fn listens(url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
        tokio::net::TcpStream::connect((host, port)).await.is_ok()
    }

    /// Closes what is open, ends the bot, and sees that nothing of the previews goes on.
    pub(super) async fn strike(self, bot: Option<BotHandle>) -> anyhow::Result<()> {
        let ended = match bot {
            None => Ok(()),
            Some(bot) => {
                self.close_all().await;
                match tokio::time::timeout(FAREWELL, bot.shutdown()).await {
                    Ok(ended) => ended.context("the bot did not end well"),
                    Err(_) => Err(anyhow::anyhow!("the bot did not end within {} s", FAREWELL.as_secs())),
                }
            }
        };
        let swept = sweep::end_servers(self.folder.path());
        if swept > 0 {
            self.teller.whisper(&format!("ended {swept} web server(s) that previews left behind"));
        }
        self.folder.close().context("cannot remove the demo's folder")?;
        ended
    }

    async fn close_all(&self) {
        let deadline = Instant::now() + FAREWELL;
        for (repository, number) in self.fake.open_pulls() {
            let told = self.fake.people().close(&repository, number, PERSON).await;
            if told.is_err() {
                continue;
            }
            while !self.checkouts(&format!("pr-{number}")).is_empty() && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}
