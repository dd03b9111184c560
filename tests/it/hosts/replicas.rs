//! Several bots on one database.

use previewbot::app::bot::Bot;
use previewbot::domain::ports::Environments;
use serde_json::json;
use tempfile::TempDir;

use super::bench::{host, setup};
use crate::support::bot::{REPO, Setup, TestBot, eventually, get, merge};
use crate::support::host::sshd::Sshd;
use crate::support::postgres::TestDatabase;

/// A page, and a hook of the bot's own machine that writes down what it took away.
fn config(ledger: &std::path::Path) -> String {
    format!(
        r#"version: 1
name: shop
services:
  web: {{ path: web, env: {{ PORT: "{{{{self.port}}}}" }} }}
provisioner:
  services:
    db:
      outputs: [NOTES]
      seed: echo "NOTES=seeded"
      destroy: echo "$PREVIEWCTL_ENVIRONMENT_NAME $(cat page)" >>{}
runner:
  deploy: |
    . web/.env.local
    mkdir -p public && cp page public/index.html
    setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
preview:
  probe: {{ service: web, path: /index.html, timeout: 30s }}
  urls: [web]
"#,
        ledger.display()
    )
}

/// The same ledger, kept by a preview that needs no port: the marks of ports of a bot of this machine and of those on its
/// test hosts are different accounts'.
fn portless(ledger: &std::path::Path) -> Vec<(String, String)> {
    let config = format!(
        "version: 1\nname: shop\nprovisioner:\n  services:\n    db:\n      outputs: [NOTES]\n      seed: echo NOTES=seeded\n      \
         destroy: echo \"$PREVIEWCTL_ENVIRONMENT_NAME $(cat page)\" >>{}\nrunner:\n  deploy: \"true\"\n",
        ledger.display()
    );
    vec![("previewctl.yaml".to_owned(), config), ("page".to_owned(), "main".to_owned())]
}

/// Two bots of one database.
struct Pair {
    sshd: Sshd,
    _database: TestDatabase,
    first: TestBot,
    second: Bot,
    folder: TempDir,
}

impl Pair {
    /// The second starts when the first has deployed `pr-1`.
    async fn start() -> Self {
        let (sshd, database) = (Sshd::start().await, TestDatabase::new().await);
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("ledger"));
        let files = [("previewctl.yaml", &*config), ("page", "main"), ("web/README", "")];
        let root = sshd.home().join("previews").to_string_lossy().into_owned();
        let mut setup = setup(&files, &[host("vm-1", sshd.login(), &root)]);
        merge(&mut setup.settings, json!({ "database": { "url": database.url() } }));
        let first = TestBot::with(setup).await;
        let (number, sha) = first.open("by-the-first", &[("page", Some("page 1"))]).await;
        first.check_ended(number, &sha, "success").await;
        let mut settings = first.settings().clone();
        merge(&mut settings, json!({ "data_dir": folder.path().join("data") }));
        let second = first.launch(settings).await.unwrap();
        Self { sshd, _database: database, first, second, folder }
    }

    /// Opens a change with a webhook to either; every report must be there once.
    async fn open(&self, number: u64) {
        self.first.deliver_to(if number.is_multiple_of(2) { self.first.bot() } else { &self.second });
        let page = format!("page {number}");
        let (opened, sha) = self.first.open(&format!("branch-{number}"), &[("page", Some(&page))]).await;
        assert_eq!(opened, number);
        self.first.check_ended(number, &sha, "success").await;
        self.shown_once(number, sha.as_str()).await;
        let url = self.first.url(&format!("pr-{number}")).await;
        assert_eq!(get(&url).await.unwrap(), (200, page));
    }

    async fn shown_once(&self, number: u64, sha: &str) {
        let github = &self.first.github;
        self.first.comment_with(number, "Preview ready").await;
        let name = format!("preview/pr-{number}");
        let settled = || async { (github.deployments(REPO, &name).len() == 1).then_some(()) };
        eventually("the deployment", || self.first.seen(number), settled).await;
        assert_eq!((github.bot_comments(REPO, number).len(), github.checks(REPO, sha).len()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_share_the_work_and_each_takes_away_what_another_made() {
    let Pair { sshd, _database, first, second, folder } = {
        let pair = Pair::start().await;
        for number in 2..=5 {
            pair.open(number).await;
        }
        pair
    };
    let mut bot = first;
    bot.stop_bot().await;
    bot.deliver_to(&second);
    for number in 1..=5 {
        bot.github.people().merge(REPO, number, "alice").await.unwrap();
    }
    for number in 1..=5 {
        bot.comment_with(number, "destroyed").await;
        assert_eq!(bot.github.bot_comments(REPO, number).len(), 1);
    }
    let environments = Environments::list(second.store(), true).await.unwrap();
    assert!(environments.iter().all(|environment| environment.destroyed_at.is_some()));
    // The hooks are those of the commit that was deployed, which the second one had never seen of `pr-1`.
    let ledger = std::fs::read_to_string(folder.path().join("ledger")).unwrap();
    let mut lines: Vec<_> = ledger.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["pr-1 page 1", "pr-2 page 2", "pr-3 page 3", "pr-4 page 4", "pr-5 page 5"]);
    let left = std::fs::read_dir(sshd.home().join("previews/.previewbot")).unwrap().count();
    assert_eq!(left, 0, "nothing is left on the host");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_serves_alone_until_what_runs_on_its_own_machine_is_gone() {
    let (sshd, database, folder) = (Sshd::start().await, TestDatabase::new().await, tempfile::tempdir().unwrap());
    let files = portless(&folder.path().join("ledger"));
    let root = sshd.home().join("previews").to_string_lossy().into_owned();
    let mut setup = Setup { files, ..setup(&[], &[host("vm-1", sshd.login(), &root)]) };
    merge(&mut setup.settings, json!({ "database": { "url": database.url() } }));
    let hosts = setup.settings.clone();
    setup.settings["projects"][0]["mode"] = json!("local");
    let mut bot = TestBot::with(setup).await;
    let (number, sha) = bot.open("local", &[("page", Some("page 1"))]).await;
    bot.check_ended(number, &sha, "success").await;
    bot.stop_bot().await;

    // New previews go to hosts; the old one is still tended.
    bot.change_settings(hosts);
    bot.start_bot().await;
    let mut settings = bot.settings().clone();
    merge(&mut settings, json!({ "data_dir": folder.path().join("data") }));
    let refused = bot.launch(settings.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("another previewbot serves"), "{refused}");
    bot.github.people().merge(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    assert_eq!(std::fs::read_to_string(folder.path().join("ledger")).unwrap(), "pr-1 page 1\n");

    bot.stop_bot().await;
    bot.start_bot().await;
    bot.launch(settings).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_does_not_begin_where_previews_run_on_another_ones_machine() {
    let (database, folder) = (TestDatabase::new().await, tempfile::tempdir().unwrap());
    let settings = json!({ "database": { "url": database.url() } });
    let files = portless(&folder.path().join("ledger"));
    let mut bot = TestBot::with(Setup { files, settings }).await;
    let (number, sha) = bot.open("local", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let root = bot.compute_root("pr-1");
    bot.stop_bot().await;
    std::fs::rename(&root, root.with_extension("elsewhere")).unwrap();
    let mut settings = bot.settings().clone();
    settings["projects"] = json!([]);
    let refused = bot.launch(settings).await.err().unwrap().to_string();
    assert!(refused.starts_with("shop/pr-1 run on the machine of another bot"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_runs_previews_on_its_own_machine_shares_no_database() {
    let pair = Pair::start().await;
    let mut settings = pair.first.settings().clone();
    settings["projects"][0]["mode"] = json!("local");
    settings["data_dir"] = json!(pair.folder.path().join("third"));
    let refused = pair.first.launch(settings).await.err().unwrap().to_string();
    assert!(
        refused.contains("only bots that run nothing on their own machines can share a database"),
        "{refused}"
    );
    pair.second.stop().await;
}
