//! `previewbot hosts check`, at hosts where something is missing.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::bench::host;
use super::desk::Desk;
use crate::support::host::Login;
use crate::support::host::sshd::Sshd;
use crate::support::host::vm::Vm;

#[tokio::test]
async fn a_host_that_has_everything_passes_and_its_root_is_looked_at() {
    let vm = Vm::shared().await;
    vm.says(&["install", "-d", "-o", "preview", "/srv/checked"]).await;
    let at = |root: &str| host("vm-1", vm.login(), root);
    let desk = Desk::new(&[at("/srv/checked")]);
    let printed = desk.says(&["hosts", "check"]).await;
    for check in ["reachable", "host_key", "login", "docker", "compose", "root", "clock", "networks"] {
        let line = printed.lines().find(|line| line.split_whitespace().nth(1) == Some(check));
        assert!(line.is_some_and(|line| line.starts_with("  ✓ ")), "{check}: {printed}");
    }
    assert!(printed.starts_with("host vm-1\n") && !printed.contains('✗'), "{printed}");
    desk.set(&[at("/srv/checked/deeper/still")]);
    assert_eq!(desk.findings().await, [].into());

    for (root, said) in [
        ("/etc", "preview cannot write to /etc"),
        ("/etc/passwd", "/etc/passwd is no folder"),
        ("/etc/previews", "/etc/previews is not there and preview cannot make it"),
    ] {
        desk.set(&[at(root)]);
        let found = desk.findings().await;
        assert!(found.len() == 1 && found["root"].starts_with(&format!("failed: {said} => ")), "{found:?}");
    }
    assert!(desk.refused(&["hosts", "check", "vm-2"]).await.contains("no host vm-2; the settings have vm-1"));
}

#[tokio::test]
async fn how_far_a_connection_comes_is_told() {
    let (mut sshd, other) = (Sshd::start().await, Sshd::start().await);
    let root = sshd.home().join("previews").display().to_string();
    let desk = Desk::new(&[host("vm-1", sshd.login(), &root)]);
    let found = desk.findings().await;
    assert!(!found.values().any(|found| found.starts_with("failed")), "{found:?}");

    let stranger = Login { identity: other.login().identity.clone(), ..sshd.login().clone() };
    desk.set(&[host("vm-1", &stranger, &root)]);
    let found = desk.findings().await;
    assert!(found["login"].contains("does not accept") && found["login"].contains("authorized_keys"), "{found:?}");

    let changed = Login { host_key: other.login().host_key.clone(), ..sshd.login().clone() };
    desk.set(&[host("vm-1", &changed, &root)]);
    let found = desk.findings().await;
    assert!(found["host_key"].contains("nothing was sent => Either the machine was set up anew"), "{found:?}");

    let mut unknown = host("vm-1", sshd.login(), &root);
    unknown["known_hosts_file"] = json!(desk.path("nothing"));
    desk.set(&[unknown]);
    let found = desk.findings().await;
    assert!(found["host_key"].contains("nothing was sent => Fetch it with `ssh-keyscan"), "{found:?}");
    assert_eq!(found.len(), 1, "nothing is said of what was not looked at");

    sshd.stop();
    desk.set(&[host("vm-1", sshd.login(), &root)]);
    let found = desk.findings().await;
    assert!(found["reachable"].contains("Connection refused") && found.len() == 1, "{found:?}");
}

/// A folder with every program of this machine but those.
fn programs_without(folder: &Path, missing: &[&str]) {
    std::fs::create_dir(folder).unwrap();
    for bin in ["/usr/bin", "/bin", "/usr/local/bin"] {
        for entry in std::fs::read_dir(bin).into_iter().flatten().flatten() {
            if !missing.iter().any(|missing| entry.file_name() == *missing) {
                // One that is in two folders is taken from the first.
                let _ = symlink(entry.path(), folder.join(entry.file_name()));
            }
        }
    }
}

#[tokio::test]
async fn what_a_host_lacks_is_found_and_a_slow_login_is_told() {
    let sshd = Sshd::with(&["MaxSessions 3"]).await;
    let bin = sshd.home().join("bin");
    programs_without(&bin, &["docker", "git", "flock", "readlink"]);
    let login_file = format!("sleep 1.1\nexport PATH={}\n", bin.display());
    std::fs::write(sshd.home().join(".bashrc"), login_file).unwrap();
    let root = sshd.home().join("previews").display().to_string();
    let desk = Desk::new(&[host("vm-1", sshd.login(), &root)]);
    let found = desk.findings().await;
    let begins = |check: &str, with: &str| assert!(found[check].starts_with(with), "{check}: {found:?}");
    begins("sessions", "failed: only 3 of 10 sessions at a time are allowed => set `MaxSessions 10`");
    begins("login_time", "warning: a new shell takes ");
    begins("git", "failed: git is not there");
    begins("docker", "failed: docker is not there");
    begins("programs", "failed: missing or another than the GNU one: flock readlink");
    assert!(!found.contains_key("compose"), "{found:?}");
}

#[tokio::test]
async fn a_docker_that_does_not_answer_is_found() {
    let sshd = Sshd::start().await;
    let login_file = format!("export DOCKER_HOST=unix://{}/nothing.sock\n", sshd.home().display());
    std::fs::write(sshd.home().join(".bashrc"), login_file).unwrap();
    let root = sshd.home().join("previews").display().to_string();
    let found = Desk::new(&[host("vm-1", sshd.login(), &root)]).findings().await;
    assert!(found["docker"].starts_with("failed: it does not answer: "), "{found:?}");
    assert!(found["docker"].contains("systemctl enable --now docker"), "{found:?}");
}
