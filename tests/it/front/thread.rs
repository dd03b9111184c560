//! The whole thread: open, push, reset, close.

use serde_json::json;

use crate::support::bot::{REPO, Setup, TestBot, eventually, get, processes_with};
use crate::support::postgres::TestDatabase;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_becomes_a_running_preview_and_a_close_leaves_nothing() {
    whole_thread(&TestBot::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_where_the_bot_keeps_its_state_in_postgresql() {
    let database = TestDatabase::new().await;
    let settings = json!({ "database": { "url": database.url() } });
    let mut bot = TestBot::with(Setup { settings, ..Setup::default() }).await;
    whole_thread(&bot).await;
    assert!(!bot.data.path().join("previewbot.db").exists(), "nothing went to a file");
    bot.stop_bot().await;
    bot.start_bot().await;
    assert!(bot.environment("pr-1").await.destroyed_at.is_some(), "a restart finds what was");
    bot.stop_bot().await;
}

async fn whole_thread(bot: &TestBot) {
    let (number, sha) = bot.open("feature", &[("web/index.html", Some("<h1>One</h1><!-- notes -->"))]).await;
    bot.check_ended(number, &sha, "success").await;
    let comment = bot.comment_with(number, "Preview ready").await;
    let url = bot.url("pr-1").await;
    assert!(comment.body.contains(&url), "{}", comment.body);
    let (status, page) = get(&url).await.unwrap();
    assert_eq!(status, 200);
    assert!(page.contains("<h1>One</h1>") && page.contains("a lovely preview"), "{page}");
    let life = bot.environment("pr-1").await.life.to_string();
    assert!(!processes_with("PREVIEWCTL_ENVIRONMENT_ID", &life).is_empty());

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(format!("{url}/notes")).body("note=changed data").send().await.unwrap();
    assert!(get(&url).await.unwrap().1.contains("changed data"));

    let second = bot.push(number, "feature", &[("web/index.html", Some("<h1>Two</h1><!-- notes -->"))]).await;
    bot.check_ended(number, &second, "success").await;
    let (_, page) = get(&url).await.unwrap();
    assert!(page.contains("<h1>Two</h1>") && page.contains("changed data"), "a push keeps data: {page}");

    let order = bot.say(number, "/preview reset db").await;
    bot.reaction(number, order, "eyes").await;
    bot.reaction(number, order, "rocket").await;
    let (_, page) = get(&url).await.unwrap();
    assert!(!page.contains("changed data") && page.contains("a lovely preview"), "{page}");

    let root = bot.compute_root("pr-1");
    assert!(root.exists());
    bot.github.people().merge(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    assert!(get(&url).await.is_none(), "the port is closed");
    assert!(!root.exists(), "the folder is gone");
    assert!(processes_with("PREVIEWCTL_ENVIRONMENT_ID", &life).is_empty(), "no process is left");
    assert!(!bot.data.path().join("previews/.previewbot").join(&life).exists());
    assert!(bot.environment("pr-1").await.entry.is_none());
    let database = std::fs::read_dir(bot.data.path().join("database")).unwrap().count();
    assert_eq!(database, 0, "the destroy hook of the seeded service ran");

    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1, "one sticky comment, ever");
    for sha in [&sha, &second] {
        assert_eq!(bot.github.checks(REPO, sha.as_str()).len(), 1, "one check per head commit");
    }
    // The comment is written before the deployments.
    let live =
        || bot.github.deployments(REPO, "preview/pr-1").into_iter().filter(|d| d.state() != "inactive").count();
    let none = async || (live() == 0).then_some(());
    eventually("no deployment to be active", || format!("{} are", live()), none).await;
    assert_eq!(bot.github.unexpected_requests(), []);
}
