//! `previewbot hosts prepare`, on a machine that stands for a VM.

use serde_json::{Value, json};

use super::bench::host;
use super::desk::Desk;
use crate::support::host::vm::Vm;

/// Lets root in with the key that the bot's account has.
pub(super) async fn let_root_in(vm: &Vm) {
    let script = "install -d -m 700 /root/.ssh && cp /home/preview/.ssh/authorized_keys /root/.ssh/";
    vm.says(&["sh", "-c", script]).await;
}

/// The host of the settings, for untrusted work.
pub(super) fn sandbox(vm: &Vm) -> Value {
    let mut host = host("vm-1", vm.login(), "/srv/previews");
    host["labels"] = json!(["sandbox"]);
    host
}

/// What the machine is like, as far as preparing it changes that.
async fn state(vm: &Vm) -> String {
    let script = "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'; cat /etc/docker/daemon.json \
                  /run/previewbot/egress /home/preview/.ssh/authorized_keys; ls -l /etc/docker /usr/local/lib/previewbot; \
                  id preview; ls -ld /srv/previews";
    vm.says(&["sh", "-c", script]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_prepared_once_and_stays_so() {
    let vm = Vm::start("prepared").await;
    let desk = Desk::new(&[sandbox(&vm)]);
    let identity = vm.login().identity.to_string_lossy().into_owned();
    let as_root = ["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity];

    let exhaust = "while docker network create many-$((n += 1)); do :; done";
    let full = vm.exec(&["sh", "-c", exhaust]).await;
    assert!(String::from_utf8_lossy(&full.stderr).contains("non-overlapping"), "{full:?}");
    let found = desk.findings().await;
    assert!(
        found["networks"].starts_with("failed: all 31 networks of Docker's address pools are taken"),
        "{found:?}"
    );
    assert!(found["networks"].contains("previewbot hosts prepare vm-1"), "{found:?}");
    vm.says(&["sh", "-c", "docker network rm $(docker network ls --quiet --filter name=many-)"]).await;

    vm.says(&["gpasswd", "--delete", "preview", "docker"]).await;
    let found = desk.findings().await;
    assert!(found["docker"].contains("the account preview may not use docker => run `previewbot hosts prepare"));
    assert!(found["root"].starts_with("failed: /srv/previews is not there"), "{found:?}");
    assert!(found["sandbox"].starts_with("failed: ") && found["egress"].starts_with("failed: "), "{found:?}");

    let nobody = desk.refused(&["hosts", "prepare", "vm-1"]).await;
    assert!(nobody.contains("the account preview is not root, and there is no sudo"), "{nobody}");
    let_root_in(&vm).await;
    let told = desk.says(&as_root).await;
    assert!(told.contains("done: preview is in the group docker from its next login on"), "{told}");
    assert!(told.contains("kept: the bot's key may log in as preview\n"), "{told}");
    assert!(told.contains("TO DO: restart docker for its new address pools"), "{told}");
    let daemon = vm.says(&["cat", "/etc/docker/daemon.json"]).await;
    let daemon: Value = serde_json::from_str(&daemon).unwrap();
    assert_eq!(daemon["default-address-pools"], json!([{ "base": "10.208.0.0/12", "size": 24 }]));
    assert!(daemon["cgroup-parent"].is_string(), "what stood there still does: {daemon}");

    vm.stop_engine().await;
    vm.start_engine().await;
    assert_eq!(desk.findings().await, [].into());
    vm.login().says("docker network create wide && docker network inspect wide | grep -qF 10.208. && docker network rm wide").await;

    let before = state(&vm).await;
    let again = desk.says(&as_root).await;
    assert!(
        !again.lines().any(|line| line.starts_with("done: ") && !line.contains("open connections")),
        "{again}"
    );
    assert_eq!(state(&vm).await, before);
    // The same by hand.
    let script = desk.says(&["hosts", "prepare", "vm-1", "--print"]).await;
    vm.says(&["sh", "-c", "printf '%s' \"$1\" | sh", "sh", &script]).await;
    assert_eq!(state(&vm).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_and_settings_of_docker_are_never_guessed_at() {
    let vm = Vm::start("made").await;
    let_root_in(&vm).await;
    let mut host = sandbox(&vm);
    (host["user"], host["labels"]) = (json!("fresh"), json!(["preview"]));
    let desk = Desk::new(&[host]);
    let identity = vm.login().identity.to_string_lossy().into_owned();
    let as_root = ["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity];
    // A route into the first range, and nothing that reads JSON.
    let script =
        "ip route add 10.220.0.0/16 dev eth0; mv /usr/bin/perl /usr/bin/perl.away; cat /etc/docker/daemon.json";
    let before = vm.says(&["sh", "-c", script]).await;
    let output = desk.run(&as_root).await;
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told.contains("done: the account fresh\n"), "{told}");
    let line = "add this line\n  \"default-address-pools\": [{ \"base\": \"10.192.0.0/12\", \"size\": 24 }]";
    assert!(told.contains(line), "{told}");
    assert_eq!(vm.says(&["cat", "/etc/docker/daemon.json"]).await, before);
    assert_eq!(desk.findings().await, [].into(), "all else is prepared");
    assert!(!vm.exec(&["test", "-e", "/run/previewbot/egress"]).await.status.success(), "not for untrusted work");

    let script = "mv /usr/bin/perl.away /usr/bin/perl; printf '{ not json' >/etc/docker/daemon.json";
    vm.says(&["sh", "-c", script]).await;
    assert_eq!(desk.run(&as_root).await.status.code(), Some(1));
    assert_eq!(vm.says(&["cat", "/etc/docker/daemon.json"]).await, "{ not json");
    vm.says(&["rm", "/etc/docker/daemon.json"]).await;
    desk.says(&as_root).await;
    let daemon: Value = serde_json::from_str(&vm.says(&["cat", "/etc/docker/daemon.json"]).await).unwrap();
    assert_eq!(daemon, json!({ "default-address-pools": [{ "base": "10.192.0.0/12", "size": 24 }] }));
}

/// Stands for systemd where there is none: notes what it is asked for, starts a unit's program, and restarts docker with
/// the exit code that a file says.
const SYSTEMD: &str = r#"mkdir -p /run/systemd/system
cat >/usr/bin/systemctl <<'STUB'
#!/bin/sh
echo "$*" >>/root/asked
case "$*" in
  "restart docker") exit "$(cat /root/code)" ;;
  "restart previewbot-egress.service") eval "$(sed -n s/^ExecStart=//p /etc/systemd/system/previewbot-egress.service)" ;;
esac
STUB
chmod 755 /usr/bin/systemctl
docker run -d --name busy "$1"
rm /etc/docker/daemon.json"#;

#[tokio::test(flavor = "multi_thread")]
async fn docker_is_restarted_where_that_harms_nobody_and_rules_come_with_every_boot() {
    let vm = Vm::start("systemd").await;
    vm.load_image("previewbot-test/busybox:local").await;
    let_root_in(&vm).await;
    vm.says(&["sh", "-c", SYSTEMD, "sh", "previewbot-test/busybox:local"]).await;
    let desk = Desk::new(&[sandbox(&vm)]);
    let identity = vm.login().identity.to_string_lossy().into_owned();
    let as_root = ["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity];
    let told = desk.says(&as_root).await;
    assert!(told.contains("which ends 1 containers for a moment: run this again with --restart-docker"), "{told}");
    let asked = vm.says(&["cat", "/root/asked"]).await;
    let unit = |name| format!("daemon-reload\n--quiet enable {name}.service\nrestart {name}.service");
    assert_eq!(asked, format!("{}\n{}", unit("previewbot-egress"), unit("previewbot-limits")));
    assert_eq!(vm.says(&["cat", "/run/previewbot/egress"]).await, "public");
    let unit = vm.says(&["cat", "/etc/systemd/system/previewbot-egress.service"]).await;
    assert!(
        unit.contains("Before=docker.service")
            && unit.contains("/bin/sh /usr/local/lib/previewbot/egress.sh preview public")
    );

    let unit = vm.says(&["cat", "/etc/systemd/system/previewbot-limits.service"]).await;
    assert!(
        unit.contains("Before=docker.service")
            && unit.contains("/bin/sh /usr/local/lib/previewbot/limits.sh /previewbot")
    );
    let daemon: Value = serde_json::from_str(&vm.says(&["cat", "/etc/docker/daemon.json"]).await).unwrap();
    assert_eq!(daemon["cgroup-parent"], "/previewbot");

    // Its settings are taken back where docker does not start with them.
    vm.says(&["sh", "-c", "rm /root/asked; mv /etc/docker/daemon.json /root/; echo 1 >/root/code"]).await;
    let with_restart = [&as_root[..], &["--restart-docker"]].concat();
    let refused = desk.refused(&with_restart).await;
    assert!(refused.contains("docker did not start with its new address pools"), "{refused}");
    assert_eq!(vm.says(&["cat", "/root/asked"]).await, "restart docker\nrestart docker");
    assert!(!vm.exec(&["test", "-e", "/etc/docker/daemon.json"]).await.status.success());

    vm.says(&["sh", "-c", "docker rm -f busy; echo 0 >/root/code"]).await;
    let told = desk.says(&as_root).await;
    assert!(told.contains("done: docker was restarted for its new address pools\n"), "{told}");
    assert!(!told.contains("TO DO"), "{told}");
}
