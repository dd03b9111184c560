//! Hostile branches through whole deploys on a host.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bench::{host, setup};
use crate::support::bot::{REPO, TestBot, deploy_only};
use crate::support::host::sshd::Sshd;
use crate::support::names::{Fate, Kind, assert_no_canary, of};

/// The worst that git lets a branch be called.
const WORST: [&str; 10] = [
    "$(touch${IFS}canary)",
    "`touch${IFS}canary`",
    "--upload-pack=touch${IFS}canary;",
    "-oProxyCommand=touch${IFS}canary",
    "'\"'\"'",
    "a;touch${IFS}canary",
    "refs/heads/x",
    "HEAD",
    "<script>alert(1)</script>",
    "\u{202e}gnp.exe",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_branches_are_deployed_and_nothing_that_they_say_is_done() {
    let lawful = of(Kind::Branch, Fate::Works);
    assert!(WORST.iter().all(|worst| lawful.iter().any(|name| name.text == *worst)), "each is in the corpus");
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let config = deploy_only("cp .previewctl.json manifest.seen");
    // With each of these the code itself has files of every hostile name.
    let mut files = vec![("previewctl.yaml".to_owned(), config)];
    files.extend(of(Kind::Path, Fate::Works).into_iter().map(|name| (name.text.clone(), name.text)));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let bot = TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await;
    let mut opened = Vec::new();
    for branch in WORST {
        let (number, sha) = bot.open(branch, &[]).await;
        opened.push((branch, number, sha));
    }
    for (branch, number, sha) in &opened {
        bot.check_ended(*number, sha, "success").await;
        let checkout = root.join(format!("shop/pr-{number}"));
        let manifest = std::fs::read(checkout.join("manifest.seen")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&manifest).unwrap()["branch"], *branch);
        for (path, text) in &files[1..] {
            assert_eq!(std::fs::read_to_string(checkout.join(path)).unwrap(), *text, "{path:?}");
        }
        let environment = bot.environment(&format!("pr-{number}")).await;
        assert_eq!(environment.change.unwrap().head.branch, *branch, "the name is kept as it is");
    }
    let places: BTreeSet<String> = bot
        .environments()
        .await
        .into_iter()
        .map(|environment| environment.entry.unwrap().compute.unwrap().path.unwrap())
        .collect();
    assert_eq!(places.len(), WORST.len(), "no two share a place");
    for (_, number, _) in &opened {
        bot.github.people().close(REPO, *number, "alice").await.unwrap();
    }
    for (_, number, _) in &opened {
        bot.comment_with(*number, "destroyed").await;
    }
    for folder in [
        sshd.home().as_path(),
        bot.data.path(),
        &bot.repository.base(),
        &std::env::current_dir().unwrap().join("src"),
    ] {
        assert_no_canary(folder);
    }
    assert!(!std::env::current_dir().unwrap().join("canary").exists());
}
