//! Hosts that go away and come back, and hosts that are full.

use std::path::Path;

use previewbot::domain::environment::Environment;
use previewbot::domain::job::JobState;
use previewbot::domain::ports::HostRecord;
use serde_json::{Value, json};

use super::bench::{PAGE, host, known, setup};
use super::desk::Desk;
use super::prepare::{let_root_in, sandbox};
use crate::support::bot::{REPO, TestBot, deploy_only, eventually, get};
use crate::support::host::Login;
use crate::support::host::proxy::{Fault, FaultProxy};
use crate::support::host::sshd::Sshd;
use crate::support::host::vm::Vm;

fn at(name: &str, login: &Login, sshd: &Sshd) -> Value {
    host(name, login, &sshd.home().join("previews").to_string_lossy())
}

/// Waits until an environment's job waits.
async fn waits(bot: &TestBot, name: &str) {
    let looking = || async {
        let jobs = bot.jobs().await;
        jobs.iter().any(|j| j.environment.as_deref() == Some(name) && j.state == JobState::Waiting).then_some(())
    };
    eventually(&format!("a waiting job of {name}"), String::new, looking).await;
}

fn down(record: &HostRecord) -> bool {
    record.trouble.is_some()
}

fn up(record: &HostRecord) -> bool {
    record.checked_at.is_some() && record.trouble.is_none()
}

fn on(environment: &Environment) -> Option<&str> {
    environment.host.as_deref()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_affects_only_its_own_previews() {
    let (mut first, second) = (Sshd::start().await, Sshd::start().await);
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let hosts = [at("vm-1", first.login(), &first), at("vm-2", second.login(), &second)];
    let bot = TestBot::with(setup(&files, &hosts)).await;
    let looked = known(&bot, "vm-1", up).await;
    assert!(looked.figures.disk_free.is_some() && looked.figures.memory_free.is_some(), "{looked:?}");
    let (one, sha) = bot.open("first", &[]).await;
    bot.check_ended(one, &sha, "success").await;
    assert_eq!(on(&bot.environment("pr-1").await), Some("vm-1"));

    first.stop();
    let why = known(&bot, "vm-1", down).await.trouble.unwrap();
    assert!(why.contains("Connection refused"), "{why}");
    let (two, sha) = bot.open("second", &[]).await;
    bot.check_ended(two, &sha, "success").await;
    let (three, sha) = bot.open("third", &[]).await;
    bot.check_ended(three, &sha, "success").await;
    assert_eq!(on(&bot.environment("pr-2").await), Some("vm-2"));
    assert_eq!(on(&bot.environment("pr-3").await), Some("vm-2"), "fuller, but the only one that answers");

    let sha = bot.push(one, "first", &[("page", Some("two\n"))]).await;
    bot.comment_with(one, "Host vm-1, which the preview is on, is down: it goes on once the host answers").await;
    first.resume().await;
    bot.check_ended(one, &sha, "success").await;
    let page = get(&bot.url("pr-1").await).await.unwrap().1;
    assert!(page.starts_with("two seeded "), "{page}");
    known(&bot, "vm-1", up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_whose_host_goes_away_waits_for_it() {
    let mut sshd = Sshd::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (began, go) = (folder.path().join("began"), folder.path().join("go"));
    let shown = |path: &Path| path.display().to_string();
    let hook = format!("touch {}; until [ -e {} ]; do sleep 0.05; done; echo done", shown(&began), shown(&go));
    let config = deploy_only(&hook);
    let hosts = [at("vm-1", sshd.login(), &sshd)];
    let bot = TestBot::with(setup(&[("previewctl.yaml", &config)], &hosts)).await;
    let (number, sha) = bot.open("first", &[]).await;
    eventually("the hook", String::new, || async { began.exists().then_some(()) }).await;
    sshd.stop();
    waits(&bot, "pr-1").await;
    bot.comment_with(number, "is down: it goes on once the host answers").await;
    std::fs::write(&go, "").unwrap();
    sshd.resume().await;
    bot.check_ended(number, &sha, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_delays_nobody() {
    let (first, second) = (Sshd::start().await, Sshd::start().await);
    let mut proxy = FaultProxy::start(first.login().address);
    let hanging = first.login().through(proxy.address());
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let hosts = [at("vm-1", &hanging, &first), at("vm-2", second.login(), &second)];
    let bot = TestBot::with(setup(&files, &hosts)).await;
    known(&bot, "vm-1", up).await;
    known(&bot, "vm-2", up).await;

    proxy.set(Fault::Blackhole).await;
    let fault = known(&bot, "vm-2", up).await.checked_at;
    known(&bot, "vm-2", |record| record.checked_at > fault).await;
    let hanging = known(&bot, "vm-1", down).await;
    assert!(hanging.trouble.unwrap().contains("did not answer within 8 s"));
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    assert_eq!(on(&bot.environment("pr-1").await), Some("vm-2"));

    proxy.set(Fault::Pass).await;
    known(&bot, "vm-1", up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_room_is_told_why_and_goes_on_when_there_is_some() {
    let sshd = Sshd::start().await;
    let mut only = at("vm-1", sshd.login(), &sshd);
    only["capacity"] = json!(1);
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let bot = TestBot::with(setup(&files, &[only])).await;
    let (one, sha) = bot.open("first", &[]).await;
    bot.check_ended(one, &sha, "success").await;
    let (two, sha) = bot.open("second", &[]).await;
    let told = bot.comment_with(two, "No host has room: vm-1 is full (1 of 1).").await;
    assert!(told.body.contains("Preview queued (1 of 1)"), "{}", told.body);
    let queued = || async {
        let checks = bot.github.checks(REPO, sha.as_str());
        checks.into_iter().find(|check| check.title() == "Queued (1 of 1)")
    };
    let check = eventually("a queued check", String::new, queued).await;
    assert_eq!(check.status, "queued");

    bot.github.people().close(REPO, one, "alice").await.unwrap();
    bot.check_ended(two, &sha, "success").await;
    assert_eq!(on(&bot.environment("pr-2").await), Some("vm-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_few_networks_left_gets_nothing_new_until_there_are_more() {
    let vm = Vm::start("networks").await;
    let exhaust = "while docker network create many-$((n += 1)); do :; done 2>/dev/null; docker network rm many-1";
    vm.says(&["sh", "-c", exhaust]).await;
    let only = host("vm-1", vm.login(), "/home/preview/previews");
    let config = deploy_only("echo deployed");
    let bot = TestBot::with(setup(&[("previewctl.yaml", &config)], &[only])).await;
    known(&bot, "vm-1", up).await;
    let (number, sha) = bot.open("first", &[]).await;
    let told = bot.comment_with(number, "No host has room: vm-1 has too few networks left (1)").await;
    assert!(told.body.contains("previewbot hosts prepare vm-1"), "{}", told.body);
    vm.says(&["sh", "-c", "docker network rm many-2 many-3"]).await;
    bot.check_ended(number, &sha, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_host_whose_rules_somebody_removed_gets_nothing_until_they_are_set_again() {
    let vm = Vm::start("removed").await;
    let_root_in(&vm).await;
    let hosts = [sandbox(&vm)];
    let desk = Desk::new(&hosts);
    let identity = vm.login().identity.to_string_lossy().into_owned();
    let prepare = ["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity];
    desk.says(&prepare).await;
    vm.says(&["iptables", "-F", "PREVIEWBOT-JUDGE"]).await;
    let config = deploy_only("echo deployed");
    let mut setup = setup(&[("previewctl.yaml", &config)], &hosts);
    setup.settings["projects"][0]["mode"] = json!("sandbox");
    let bot = TestBot::with(setup).await;
    known(&bot, "vm-1", |record| up(record) && !record.figures.confined).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.comment_with(number, "No host has room: vm-1 is not prepared for a sandbox").await;
    desk.says(&prepare).await;
    bot.check_ended(number, &sha, "success").await;
}
