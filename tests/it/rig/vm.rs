//! The container that stands for a VM.

use std::process::Command;

use previewbot::outbound::supervisor::boot_id;

use crate::support::bot::{eventually, get};
use crate::support::host::vm::Vm;

/// The image that `scripts/test-image.sh` makes.
const IMAGE: &str = "previewbot-test/busybox:local";

#[tokio::test]
async fn an_unprivileged_user_logs_in_and_runs_containers() {
    let vm = Vm::shared().await;
    assert_eq!(vm.login().says("whoami; hostname").await, format!("preview\n{}", vm.name()));
    assert_ne!(vm.login().says("id -u").await, "0");
    vm.login().says("docker compose version && git --version").await;
    vm.load_image(IMAGE).await;
    let direct = vm.direct_login().await;
    assert_eq!(direct.says(&format!("docker run --rm {IMAGE} echo inside")).await, "inside");
}

#[tokio::test]
async fn its_docker_is_its_own() {
    let vm = Vm::shared().await;
    vm.load_image(IMAGE).await;
    let run = format!("docker run --detach --name only-here --publish 18080:80 {IMAGE}");
    vm.login().says(&run).await;
    let page = format!("http://{}:18080/", vm.ip().await);
    let (status, text) = eventually("a page", String::new, || get(&page)).await;
    assert_eq!((status, text.trim()), (200, "hello from a container"));
    let here = Command::new("docker").args(["inspect", "only-here"]).output().unwrap();
    assert!(!here.status.success(), "{here:?}");
    vm.says(&["docker", "rm", "--force", "only-here"]).await;
}

/// All that harms a host is done to one, since each takes seconds to start.
#[tokio::test]
async fn it_loses_its_docker_its_network_and_its_power_and_comes_back() {
    const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
    let vm = Vm::start("harmed").await;
    let login = vm.login();
    let boot = login.says(BOOT).await;
    assert_ne!(boot, boot_id());

    vm.stop_engine().await;
    assert!(!login.run("docker info").await.status.success());
    vm.start_engine().await;
    login.says("docker info").await;

    vm.disconnect().await;
    assert_eq!(login.run("true").await.status.code(), Some(255));
    vm.says(&["docker", "info"]).await;
    vm.reconnect().await;
    assert_eq!(login.says(BOOT).await, boot);

    login.says("echo kept >~/kept; echo lost >/tmp/lost; setsid sleep 600 >/dev/null 2>&1 </dev/null &").await;
    vm.reboot().await;
    assert_ne!(login.says(BOOT).await, boot);
    assert_eq!(login.says("cat ~/kept; ls /tmp; pgrep -x sleep || true").await, "kept");

    let name = vm.name().to_owned();
    drop(vm);
    let gone = Command::new("docker").args(["inspect", &name]).output().unwrap();
    assert!(!gone.status.success(), "{gone:?}");
}
