//! Accounts whose login files are slow and talk.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::hosts::bench::{host, setup};
use crate::machine::bench::Bench;
use crate::support::bot::{TestBot, deploy_only};
use crate::support::host::sshd::Sshd;

/// How long such a login takes.
const SLOW: Duration = Duration::from_millis(300);

/// Files that every shell of an account may read. sshd's child reads the first for a command.
async fn heavy() -> Sshd {
    let sshd = Sshd::start().await;
    let rc =
        "echo x >>~/logins; sleep 0.3; echo 'Welcome! $(id) \"quoted\"'; printf 'no end'; echo complaint >&2\n";
    for name in [".bashrc", ".profile", ".bash_profile"] {
        std::fs::write(sshd.home().join(name), rc).unwrap();
    }
    sshd
}

fn logins(home: &Path) -> usize {
    std::fs::read_to_string(home.join("logins")).unwrap_or_default().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heavy_login_is_paid_for_once_and_its_noise_is_nobodys_answer() {
    let sshd = heavy().await;
    let (home, login) = (sshd.home(), sshd.login().clone());
    let plain = login.says("true").await;
    assert!(plain.contains("Welcome!"), "the login talks: {plain}");
    assert_eq!(logins(&home), 1);
    let bench = Bench::behind(sshd, &login);
    let held = bench.held(1).await;
    let begun = Instant::now();
    for turn in 0..20 {
        let name = format!("file-{turn}");
        held.access.write_file(&name, Some(name.as_bytes()), 0o600).await.unwrap();
        assert_eq!(held.access.read_file(&name).await.unwrap().unwrap(), name.as_bytes());
    }
    let outcome = held.runner.run(&bench.hook("step", "echo A=1"), &CancellationToken::new()).await.unwrap();
    assert_eq!((outcome.stdout.as_str(), outcome.tail.len()), ("A=1\n", 1));
    assert!(begun.elapsed() < 42 * SLOW, "a request does not wait for a login: {:?}", begun.elapsed());
    assert_eq!(logins(&home), 2, "42 requests, one login");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talking_login_does_not_break_a_deploy() {
    let sshd = heavy().await;
    let root = sshd.home().join("previews");
    let files = [("previewctl.yaml", deploy_only("cp page seen; echo done")), ("page", "one\n".to_owned())];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let bot = TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let pushed = bot.push(number, "first", &[("page", Some("two\n"))]).await;
    bot.check_ended(number, &pushed, "success").await;
    assert_eq!(std::fs::read_to_string(root.join("shop/pr-1/seen")).unwrap(), "two\n");
    assert_eq!(sshd.handshakes(), 1);
}
