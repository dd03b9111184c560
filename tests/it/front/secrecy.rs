//! The bot's secrets: not in any argument list, not in the log, not within reach of a hook.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::bot::deploy_only;
use crate::support::process::WEBHOOK_SECRET;

use super::process::{close, with_config};

/// What the stand-in's installation tokens begin with.
const TOKEN: &str = "ghs_fake";
const PLANTED: &str = "planted-in-the-environment";

/// Every argument list that any process had, gathered until told to stop.
fn gather_arguments(stop: Arc<AtomicBool>) -> std::thread::JoinHandle<BTreeSet<String>> {
    std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
                    seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        seen
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_argument_list_no_log_and_no_hook() {
    let root = rustix::process::geteuid().is_root();
    // As root, hooks run as somebody else; otherwise as the bot's own user, who may not read its memory either.
    let settings = if root { "[local]\nrun_as = \"nobody\"" } else { "" };
    let mut served = with_config(settings, |marks| {
        deploy_only(&format!(
            "env >{marks}/env; bot=$(cut -d' ' -f4 /proc/$PPID/stat); echo \"$bot\" >{marks}/bot; \
             for pid in $PPID $bot; do tr '\\0' '\\n' </proc/$pid/environ >>{marks}/taken 2>/dev/null; done; \
             cat {marks}/../github-webhook-secret {marks}/../github-app.pem >>{marks}/taken 2>/dev/null; true"
        ))
    })
    .await;
    for name in ["github-app.pem", "github-webhook-secret"] {
        std::fs::set_permissions(served.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(served.path("github-webhook-secret"), if root { WEBHOOK_SECRET } else { "unused" }).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let gathering = gather_arguments(stop.clone());
    let toml = std::fs::read_to_string(served.path("previewbot.toml")).unwrap();
    let without = toml.replace("webhook_secret_file = \"github-webhook-secret\"\n", "");
    std::fs::write(served.path("previewbot.toml"), without).unwrap();
    let mut command = served.command(&["serve", "--config", "previewbot.toml"]);
    command
        .env("PREVIEWBOT__GITHUB__WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("PLANTED", PLANTED)
        .env("RUST_LOG", "debug");
    served.serve_with(command).await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.runs(&sha).await;

    stop.store(true, Ordering::Relaxed);
    let arguments = gathering.join().unwrap();
    assert!(arguments.iter().any(|line| line.contains("previewbot-supervisor")), "the look-out saw nothing");
    let key = served.world.github.private_key_pem().lines().nth(1).unwrap().to_owned();
    let secrets = [WEBHOOK_SECRET, PLANTED, TOKEN, key.as_str()];
    let log = served.log();
    assert!(log.contains("job ended"), "{log}");
    for secret in secrets {
        assert!(!arguments.iter().any(|line| line.contains(secret)), "{secret} is an argument: {arguments:?}");
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
        for mark in ["env", "taken"] {
            assert!(!served.marked(mark).contains(secret), "a hook got {secret}: {}", served.marked(mark));
        }
    }
    assert_eq!(served.marked("bot").trim(), served.pid().to_string(), "the hook found the bot and tried");
    assert!(served.marked("env").contains("PREVIEWCTL_ENV_NAME=pr-1"), "{}", served.marked("env"));
    assert!(!served.marked("env").contains("PREVIEWBOT__"), "{}", served.marked("env"));
    close(&served, number).await;
}
