//! The story of the demo: open → it answers → push → it changed → reset → the data is back → close → gone.

use anyhow::ensure;

use super::fake_github::NewPull;
use super::sample;
use super::scene::{BotHandle, DemoOptions, DemoSettings};
use super::stage::{Look, PERSON, REPOSITORY, Stage};

const FIRST: &str = "Welcome to the guest book";
const SECOND: &str = "Welcome back to the guest book";
const ENCORE: &str = "Sign here, please";
const NOTE: &str = "Linus: I was here during the demo";
const SEEDED: &str = "Ada: what a lovely preview";

/// Plays the demo. `start_bot` makes the bot that the settings describe, listening.
///
/// # Errors
/// The step that failed and what was seen instead; also when it was interrupted before its end. Nothing is left
/// running either way.
pub async fn run<F>(options: DemoOptions, start_bot: impl FnOnce(DemoSettings) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<BotHandle>>,
{
    let stage = Stage::set(&options).await?;
    stage.teller.say("previewbot demo: a sample repository, a stand-in for GitHub, and the bot between them");
    let mut bot = None;
    let played = tokio::select! {
        played = play(&stage, &options, start_bot, &mut bot) => played,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    if played.is_ok() && !options.once {
        interrupted().await;
        stage.teller.say("tearing everything down");
    }
    let elapsed = stage.teller.elapsed();
    if played.is_ok() && options.once {
        stage.teller.say(&format!("done in {elapsed}"));
    }
    let struck = stage.strike(bot).await;
    played.and(struck)
}

/// Ctrl-C, or a polite request to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn play<F>(
    stage: &Stage,
    options: &DemoOptions,
    start_bot: impl FnOnce(DemoSettings) -> F,
    bot: &mut Option<BotHandle>,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<BotHandle>>,
{
    let settings = stage.settings(options);
    stage
        .step("start the bot", async || {
            let started = start_bot(settings).await?;
            stage.connect(&started);
            let seen = format!("it takes webhooks at {}", started.webhook_url);
            *bot = Some(started);
            Ok(((), seen))
        })
        .await?;
    let (number, sha) = open(stage, sample::BRANCH, FIRST).await?;
    appear(stage, number, &sha).await?;
    let url = answer(stage, number, &sha, FIRST).await?;
    sign(stage, &url).await?;
    push(stage, number, &url).await?;
    reset(stage, number, &url).await?;
    close(stage, number, &url).await?;
    if options.once { Ok(()) } else { encore(stage, bot.as_ref()).await }
}

async fn commit(stage: &Stage, branch: &str, headline: &'static str) -> anyhow::Result<String> {
    let (sample, branch) = (stage.sample.clone(), branch.to_owned());
    Ok(tokio::task::spawn_blocking(move || sample.push_headline(&branch, headline)).await??)
}

async fn open(stage: &Stage, branch: &str, headline: &'static str) -> anyhow::Result<(u64, String)> {
    stage
        .step("open a pull request", async || {
            let sha = commit(stage, branch, headline).await?;
            let new = NewPull { title: headline.to_owned(), ..NewPull::new(PERSON, branch) };
            let (number, delivery) = stage.fake.people().open_pull(REPOSITORY, new).await?;
            let taken = Stage::taken(&delivery)?;
            Ok(((number, sha), format!("{REPOSITORY}#{number}, {taken}")))
        })
        .await
}

async fn appear(stage: &Stage, number: u64, sha: &str) -> anyhow::Result<()> {
    let look = async || {
        let comments = stage.fake.bot_comments(REPOSITORY, number);
        let checks = stage.fake.checks(REPOSITORY, sha);
        match (comments.first(), checks.first()) {
            (Some(comment), Some(check)) => {
                Look::Yes(((), format!("“{}”, check `{}`", heading(&comment.body), check.name)))
            }
            _ => Look::NotYet(format!("{} comments, {} checks", comments.len(), checks.len())),
        }
    };
    stage.step("the bot comments", async || stage.until(look).await).await
}

async fn answer(stage: &Stage, number: u64, sha: &str, headline: &str) -> anyhow::Result<String> {
    stage
        .step("the preview answers", async || {
            let url = stage.until(async || ready(stage, number, sha)).await?;
            let page = stage.until(async || shows(stage, &url, &[headline], &[NOTE]).await).await;
            page?;
            let environment = format!("pr-{number}");
            ensure!(
                !stage.checkouts(&environment).is_empty(),
                "no folder `{environment}` below the bot's data folder"
            );
            Ok((url.clone(), format!("{url} shows “{headline}”")))
        })
        .await
}

async fn sign(stage: &Stage, url: &str) -> anyhow::Result<()> {
    stage
        .step("change the data", async || {
            stage.sign(url, NOTE).await?;
            stage.until(async || shows(stage, url, &[NOTE, SEEDED], &[]).await).await?;
            Ok(((), format!("the page shows “{NOTE}”")))
        })
        .await
}

async fn push(stage: &Stage, number: u64, url: &str) -> anyhow::Result<()> {
    stage
        .step("push a commit", async || {
            let sha = commit(stage, sample::BRANCH, SECOND).await?;
            let delivery = stage.fake.people().push(REPOSITORY, number, None).await?;
            Stage::taken(&delivery)?;
            let now = stage.until(async || ready(stage, number, &sha)).await?;
            ensure!(now == url, "the address changed from {url} to {now}");
            stage.until(async || shows(stage, url, &[SECOND, NOTE], &[FIRST]).await).await?;
            let comments = stage.fake.bot_comments(REPOSITORY, number).len();
            ensure!(comments == 1, "the bot wrote {comments} comments instead of editing one");
            Ok(((), format!("the page shows “{SECOND}” and still the note")))
        })
        .await
}

async fn reset(stage: &Stage, number: u64, url: &str) -> anyhow::Result<()> {
    stage
        .step("comment `/preview reset db`", async || {
            let people = stage.fake.people();
            let (comment, delivery) = people.comment(REPOSITORY, number, PERSON, "/preview reset db").await?;
            Stage::taken(&delivery)?;
            let reacted = async || {
                let comment = stage.fake.find_comment(REPOSITORY, comment);
                let has = |content| comment.as_ref().is_some_and(|comment| comment.has_reaction(content));
                match (has("rocket"), has("confused") || has("-1")) {
                    (true, _) => Look::Yes(()),
                    (_, true) => Look::Never(format!("the bot refused: {}", state(stage, number))),
                    _ => Look::NotYet(format!("no rocket at the comment; {}", state(stage, number))),
                }
            };
            stage.until(reacted).await?;
            stage.until(async || shows(stage, url, &[SECOND, SEEDED], &[NOTE]).await).await?;
            Ok(((), "a rocket at the comment, the note is gone, the seed's notes are back".to_owned()))
        })
        .await
}

async fn close(stage: &Stage, number: u64, url: &str) -> anyhow::Result<()> {
    stage
        .step("merge the pull request", async || {
            let delivery = stage.fake.people().merge(REPOSITORY, number, PERSON).await?;
            Stage::taken(&delivery)?;
            stage.until(async || gone(stage, number, url).await).await?;
            Ok(((), "port closed, folder gone, deployment inactive, and the comment says so".to_owned()))
        })
        .await
}

async fn encore(stage: &Stage, bot: Option<&BotHandle>) -> anyhow::Result<()> {
    let (number, sha) = open(stage, "sign-here", ENCORE).await?;
    let url = answer(stage, number, &sha, ENCORE).await?;
    let page = stage.fake.base_url();
    stage.teller.say(&format!("\nEverything is up:\n  preview        {url}\n  pull requests  {page}/"));
    if let Some(bot) = bot {
        stage.teller.say(&format!("  bot            {}", bot.base_url));
    }
    for comment in stage.fake.bot_comments(REPOSITORY, number) {
        stage.teller.say("\nThe comment on the pull request:\n");
        stage.teller.whisper(&comment.body);
    }
    stage.teller.say("\nCtrl-C tears it all down.");
    Ok(())
}

/// The first heading of a comment, for a line of its own.
fn heading(body: &str) -> String {
    let heading = body.lines().find(|line| line.starts_with('#')).unwrap_or_default();
    heading.trim_start_matches('#').trim().to_owned()
}

/// What the stand-in shows on a pull request, in one line.
fn state(stage: &Stage, number: u64) -> String {
    let comments = stage.fake.bot_comments(REPOSITORY, number);
    let comment = comments.last().map_or_else(|| "no comment".to_owned(), |comment| heading(&comment.body));
    let sha = stage.fake.pull(REPOSITORY, number).map(|pull| pull.head_sha).unwrap_or_default();
    let checks = stage.fake.checks(REPOSITORY, &sha);
    let check = checks.last().map_or_else(
        || "no check".to_owned(),
        |check| format!("{} {}", check.conclusion.as_deref().unwrap_or(&check.status), check.title()),
    );
    let deployments = stage.fake.deployments(REPOSITORY, &format!("preview/pr-{number}"));
    let deployments: Vec<&str> = deployments.iter().map(super::fake_github::FakeDeployment::state).collect();
    format!("comment “{comment}”, check {check}, deployments [{}]", deployments.join(", "))
}

/// The preview's address, once comment, check and deployment of this commit all say that it is ready.
fn ready(stage: &Stage, number: u64, sha: &str) -> Look<String> {
    let checks = stage.fake.checks(REPOSITORY, sha);
    let conclusion = checks.last().and_then(|check| check.conclusion.as_deref());
    if let Some("failure" | "timed_out" | "action_required" | "skipped" | "neutral") = conclusion {
        let comments = stage.fake.bot_comments(REPOSITORY, number);
        let body = comments.last().map(|comment| comment.body.as_str()).unwrap_or_default();
        return Look::Never(format!("{}\n{body}", state(stage, number)));
    }
    let deployments = stage.fake.deployments(REPOSITORY, &format!("preview/pr-{number}"));
    let deployment =
        deployments.iter().find(|deployment| deployment.sha == sha && deployment.state() == "success");
    let url = deployment.and_then(|deployment| deployment.url()).map(|url| url.trim_end_matches('/'));
    let comments = stage.fake.bot_comments(REPOSITORY, number);
    match url {
        Some(url)
            if conclusion == Some("success") && comments.iter().any(|comment| comment.body.contains(url)) =>
        {
            Look::Yes(url.to_owned())
        }
        _ => Look::NotYet(state(stage, number)),
    }
}

/// Whether the page has these texts and lacks those.
async fn shows(stage: &Stage, url: &str, has: &[&str], lacks: &[&str]) -> Look<()> {
    match stage.page(url).await {
        Err(seen) => Look::NotYet(seen),
        Ok(page) => {
            let missing = has.iter().find(|text| !page.contains(**text));
            let unwanted = lacks.iter().find(|text| page.contains(**text));
            match (missing, unwanted) {
                (None, None) => Look::Yes(()),
                (Some(text), _) => Look::NotYet(format!("{url} answers without “{text}”")),
                (_, Some(text)) => Look::NotYet(format!("{url} still shows “{text}”")),
            }
        }
    }
}

/// Whether nothing is left of the preview but the comment that says so.
async fn gone(stage: &Stage, number: u64, url: &str) -> Look<()> {
    let listens = Stage::listens(url).await;
    let folders = stage.checkouts(&format!("pr-{number}"));
    let deployments = stage.fake.deployments(REPOSITORY, &format!("preview/pr-{number}"));
    let active = deployments.iter().filter(|deployment| deployment.state() != "inactive").count();
    let comments = stage.fake.bot_comments(REPOSITORY, number);
    let said = comments.iter().any(|comment| comment.body.to_lowercase().contains("destroyed"));
    if !listens && folders.is_empty() && active == 0 && said {
        return Look::Yes(());
    }
    let port = if listens { "still open" } else { "closed" };
    let rest = state(stage, number);
    Look::NotYet(format!("port {port}, {} folders, {active} active deployments, {rest}", folders.len()))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::domain::ports::{Clock, SystemRandom};

    struct Still;

    #[async_trait::async_trait]
    impl Clock for Still {
        fn now(&self) -> jiff::Timestamp {
            "2026-01-02T03:04:05Z".parse().unwrap()
        }

        async fn sleep(&self, _: std::time::Duration) {}
    }

    impl SystemRandom for Still {
        fn uuid(&self) -> uuid::Uuid {
            uuid::Uuid::from_u128(7)
        }

        fn fraction(&self) -> f64 {
            0.5
        }
    }

    fn options() -> DemoOptions {
        DemoOptions {
            once: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            executable: PathBuf::from("/bin/true"),
            clock: Arc::new(Still),
            random: Arc::new(Still),
        }
    }

    #[tokio::test]
    async fn a_bot_that_does_not_start_is_named_as_the_failed_step() {
        let error = run(options(), async |_| anyhow::bail!("no such port")).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the demo failed at the step `start the bot`: no such port");
    }

    #[tokio::test]
    async fn a_bot_that_refuses_webhooks_is_ended_and_its_folder_removed() {
        let seen = Arc::new(Mutex::new((PathBuf::new(), false)));
        let witness = Arc::clone(&seen);
        let error = run(options(), async move |settings| {
            let folder = settings.data_dir.parent().map(PathBuf::from).unwrap();
            assert!(folder.join("git/acme/guestbook.git/HEAD").exists());
            witness.lock().unwrap().0 = folder;
            // The stand-in itself has no such route: as good a deaf bot as any.
            Ok(BotHandle::new(&settings.api_url, move || async move {
                witness.lock().unwrap().1 = true;
                Ok(())
            }))
        })
        .await
        .unwrap_err();
        assert!(format!("{error:#}").contains("`open a pull request`: the bot answered the webhook"), "{error:#}");
        let (folder, ended) = seen.lock().unwrap().clone();
        assert!(ended && !folder.exists());
    }
}
