//! The whole thread of one preview on a host.

use super::bench::{PAGE, host, setup};
use crate::support::bot::{REPO, TestBot, get, processes_with};
use crate::support::host::sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_lives_on_a_host_from_its_opening_to_its_close() {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let login = sshd.login();
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let bot = TestBot::with(setup(&files, &[host("vm-1", login, &root.to_string_lossy())])).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let environment = bot.environment("pr-1").await;
    assert_eq!(environment.host.as_deref(), Some("vm-1"));
    let url = bot.url("pr-1").await;
    let page = get(&url).await.unwrap().1;
    assert!(page.starts_with("one seeded "), "{page}");
    let entry = environment.entry.unwrap();
    let compute = entry.compute.unwrap();
    assert_eq!((compute.kind.as_str(), compute.host.as_deref()), ("ssh", Some("127.0.0.1")));
    assert_eq!(compute.path.unwrap(), root.join("shop/pr-1").to_string_lossy());

    bot.github.people().merge(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    // Another test's preview may have its port by now.
    assert!(get(&url).await.is_none_or(|(_, other)| other != page));
    assert_eq!(processes_with("PREVIEWCTL_ENVIRONMENT_ID", &environment.life.to_string()).len(), 0);
    let left: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".previewbot"]);
    assert_eq!(std::fs::read_dir(root.join(".previewbot")).unwrap().count(), 0);
    assert_eq!(sshd.handshakes(), 1, "{}", sshd.log());
}

/// Makes the checkout a repository of its own whose configuration runs a program at the next checkout.
const HIJACK: &str = r#"version: 1
name: shop
runner:
  deploy: |
    test ! -f page.hijack || exit 0
    rm -f .git && git init --quiet . && touch page.hijack
    git config filter.evil.smudge "touch $PWD/canary; cat" && git config filter.evil.required true
    mkdir -p .git/info && echo '* filter=evil' >.git/info/attributes
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_a_hook_makes_of_its_checkout_is_not_believed() {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let files = [("previewctl.yaml", HIJACK), ("page", "one\n")];
    let bot = TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let checkout = root.join("shop/pr-1");
    assert!(checkout.join(".git/config").exists(), "the hook did it");

    let pushed = bot.push(number, "first", &[("page", Some("two\n"))]).await;
    bot.check_ended(number, &pushed, "failure").await;
    assert!(bot.comment_with(number, "failed").await.body.contains("/.git"));
    assert!(!checkout.join("canary").exists(), "its filter did not run");
}
