//! A host that is rebooted in the middle of a deploy.

use crate::hosts::bench::{host, setup};
use crate::support::bot::{TestBot, deploy_only, eventually};
use crate::support::host::vm::Vm;

/// The first time it is still at work when the power goes.
const HOOK: &str = "echo began >>log; [ $(wc -l <log) -ge 2 ] || exec sleep 1000; echo ended >>log";

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_goes_on_by_itself_after_a_reboot_of_its_host() {
    let vm = Vm::start("rebooted").await;
    vm.says(&["install", "-d", "-o", "preview", "/srv/previews"]).await;
    let hosts = [host("vm-1", vm.login(), "/srv/previews")];
    let config = deploy_only(HOOK);
    let bot = TestBot::with(setup(&[("previewctl.yaml", &config)], &hosts)).await;
    let (number, sha) = bot.open("first", &[]).await;
    let log =
        || async { String::from_utf8(vm.exec(&["cat", "/srv/previews/shop/pr-1/log"]).await.stdout).unwrap() };
    let began = || async { log().await.contains("began").then_some(()) };
    eventually("the hook", String::new, began).await;
    vm.reboot().await;
    bot.check_ended(number, &sha, "success").await;
    assert_eq!(log().await, "began\nbegan\nended\n", "the hook that the reboot ended ran once again");
    bot.idle().await;
    assert!(bot.environment("pr-1").await.published.is_some());
    let alive = vm.exec(&["pgrep", "-x", "sleep"]).await;
    assert!(!alive.status.success(), "nothing of the first try is left");
}
