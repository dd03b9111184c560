//! `previewbot hosts list`, `drain`, `undrain` and `add`, beside a bot that runs and without one.

use std::process::Stdio;

use previewbot::domain::ports::Audit as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::bench::{PAGE, host, known, setup};
use super::desk::Desk;
use crate::support::bot::{REPO, TestBot, get};
use crate::support::host::sshd::Sshd;

/// What `hosts list --json` says of one host.
async fn listed(desk: &Desk, name: &str) -> Value {
    let all: Value = serde_json::from_str(&desk.says(&["hosts", "list", "--json"]).await).unwrap();
    let found = all.as_array().unwrap().iter().find(|host| host["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {all}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_host_gets_nothing_new_keeps_what_it_has_and_takes_up_what_waits() {
    let sshd = Sshd::start().await;
    let mut only = host("vm-1", sshd.login(), &sshd.home().join("previews").to_string_lossy());
    only["capacity"] = json!(5);
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let bot = TestBot::with(setup(&files, std::slice::from_ref(&only))).await;
    let desk = Desk::of(&bot, &[only]);
    known(&bot, "vm-1", |record| record.checked_at.is_some()).await;

    let said = desk.says(&["hosts", "drain", "vm-1"]).await;
    assert_eq!(said, "host vm-1 gets no new previews; the 0 previews on it go on\n");
    let (one, sha) = bot.open("first", &[]).await;
    bot.comment_with(one, "No host has room: vm-1 is being drained.").await;
    assert_eq!(listed(&desk, "vm-1").await["state"], "draining");
    assert_eq!(desk.says(&["hosts", "undrain", "vm-1"]).await, "host vm-1 gets new previews\n");
    bot.check_ended(one, &sha, "success").await;

    desk.says(&["hosts", "drain", "vm-1"]).await;
    let said = desk.says(&["hosts", "drain", "vm-1"]).await;
    assert_eq!(said, "host vm-1 already gets no new previews; the 1 preview on it go on\n");
    let sha = bot.push(one, "first", &[("page", Some("two\n"))]).await;
    bot.check_ended(one, &sha, "success").await;
    assert!(get(&bot.url("pr-1").await).await.unwrap().1.starts_with("two seeded "));
    bot.github.people().close(REPO, one, "alice").await.unwrap();
    bot.comment_with(one, "destroyed").await;

    let acts = bot.bot().store().list(10).await.unwrap();
    let acts: Vec<&str> =
        acts.iter().rev().map(|act| act.action.as_str()).filter(|act| act.ends_with("drain")).collect();
    assert_eq!(acts, ["drain", "undrain", "drain"], "what changed nothing is no act");
    assert!(desk.refused(&["hosts", "undrain", "vm-9"]).await.contains("no host vm-9; the settings have vm-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_listed_with_what_is_known_of_them() {
    let mut sshd = Sshd::start().await;
    let mut first = host("vm-1", sshd.login(), &sshd.home().join("previews").to_string_lossy());
    first["capacity"] = json!(5);
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let bot = TestBot::with(setup(&files, std::slice::from_ref(&first))).await;
    let mut second = first.clone();
    second["name"] = json!("vm-2");
    let desk = Desk::of(&bot, &[first, second.clone()]);
    let (one, sha) = bot.open("first", &[]).await;
    bot.check_ended(one, &sha, "success").await;

    let up = listed(&desk, "vm-1").await;
    assert_eq!((&up["state"], &up["environments"], &up["capacity"]), (&json!("ready"), &json!(1), &json!(5)));
    assert_eq!(
        (&up["labels"], &up["confined"], &up["down_since"]),
        (&json!(["preview"]), &json!(false), &json!(null))
    );
    assert_eq!(up["address"], json!(sshd.login().address.to_string()));
    assert!(up["disk_free"].is_u64() && up["memory_free"].is_u64() && up["checked_at"].is_string(), "{up}");
    assert_eq!(listed(&desk, "vm-2").await["state"], "unknown");
    let table = desk.says(&["hosts", "list"]).await;
    assert!(table.contains("1 of 5") && table.contains("not looked at yet"), "{table}");

    sshd.stop();
    known(&bot, "vm-1", |record| record.trouble.is_some()).await;
    let down = listed(&desk, "vm-1").await;
    assert!(down["state"] == "down" && down["down_since"].is_string(), "{down}");
    assert!(down["reason"].as_str().unwrap().contains("Connection refused"), "{down}");

    desk.set(&[second]);
    assert_eq!(listed(&desk, "vm-1").await["state"], "removed");
    assert!(desk.says(&["hosts", "list"]).await.contains("not in the settings any more"));
}

#[tokio::test]
async fn a_machine_is_added_only_when_somebody_vouches_for_its_key() {
    let sshd = Sshd::start().await;
    let login = sshd.login();
    let desk = Desk::new(&[]);
    let before = desk.text("previewbot.toml");
    let (port, identity) = (login.address.port().to_string(), login.identity.to_string_lossy().into_owned());
    let root = sshd.home().join("previews").to_string_lossy().into_owned();
    let mut add = vec!["hosts", "add", "vm-1", "--address", "127.0.0.1", "--port", &port, "--user", &login.user];
    add.extend(["--identity-file", &identity, "--root", &root, "--label", "preview", "--capacity", "7"]);
    let with = |more: &[&'static str]| [add.as_slice(), more].concat();

    let refused = desk.refused(&with(&[])).await;
    assert!(refused.contains("--fingerprint SHA256:") && refused.contains("nothing was written"), "{refused}");
    let shown = refused.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().trim_end_matches(',');
    let wrong = desk.refused(&with(&["--fingerprint", "SHA256:of-another"])).await;
    assert!(wrong.contains(&format!("{shown}, and not SHA256:of-another")), "{wrong}");
    assert_eq!((desk.text("previewbot.toml"), desk.text("known_hosts")), (before.clone(), String::new()));

    let accepted = desk.run(&[add.as_slice(), &["--fingerprint", shown]].concat()).await;
    let printed = String::from_utf8_lossy(&accepted.stdout);
    assert!(printed.contains("✓ host_key") && printed.contains("✓ login"), "it was checked at once: {accepted:?}");
    assert_eq!(desk.text("known_hosts"), login.known_hosts());
    let settings = desk.text("previewbot.toml");
    assert!(
        settings.starts_with(&before) && settings.contains("known_hosts_file = \"known_hosts\""),
        "{settings}"
    );
    let found = desk.findings().await;
    assert!(!found.values().any(|found| found.starts_with("failed")), "{found:?}");
    assert_eq!(listed(&desk, "vm-1").await["capacity"], 7);
    assert!(desk.refused(&with(&[])).await.contains("have a host vm-1 already"));
}

#[tokio::test]
async fn somebody_at_a_terminal_is_asked_for_the_key() {
    let sshd = Sshd::start().await;
    let (address, desk) = (sshd.login().address, Desk::new(&[]));
    // `script` makes a terminal.
    let ask = async |answer: &str| {
        let (program, port) = (env!("CARGO_BIN_EXE_previewbot"), address.port());
        let line = format!("{program} hosts add vm-1 --address 127.0.0.1 --port {port}");
        let mut script = tokio::process::Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(desk.path(""));
        script.env_remove("SSH_AUTH_SOCK").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(child.wait_with_output().await.unwrap().stdout).unwrap()
    };
    let no = ask("n\n").await;
    assert!(no.contains("ssh-ed25519 SHA256:") && no.contains("Is it the same? [y/N]"), "{no}");
    assert!(no.contains("nothing was written") && desk.text("known_hosts").is_empty(), "{no}");
    ask("y\n").await;
    assert_eq!(desk.text("known_hosts"), sshd.login().known_hosts());
    assert!(desk.text("previewbot.toml").contains("name = \"vm-1\""));
}
