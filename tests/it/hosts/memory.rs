//! How much memory the bot's own process takes for what a host prints.

use crate::support::bot::{Setup, deploy_only};
use crate::support::host::sshd::Sshd;
use crate::support::process::Served;

/// What a loud hook prints, in KiB.
const PRINTED: u64 = 50_000;
/// How much more of the bot may ever have been in memory after it, in KiB: what is kept of outputs is a megabyte, and passes
/// through a few hands.
const MOST: u64 = 20_000;

/// The most that the process ever had in memory, in KiB.
fn peak(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_does_not_grow_by_what_a_hook_on_a_host_prints() {
    let sshd = Sshd::start().await;
    let login = sshd.login();
    let host = format!(
        "[[hosts]]\nname = \"vm-1\"\naddress = \"{}\"\nport = {}\nuser = {:?}\nidentity_file = {:?}\n\
         known_hosts_file = {:?}\nroot = {:?}\n",
        login.address.ip(),
        login.address.port(),
        login.user,
        login.identity,
        login.known_hosts_file(),
        sshd.home().join("previews"),
    );
    let files = vec![("previewctl.yaml".to_owned(), deploy_only("sh deploy.sh"))];
    let mut served = Served::prepare(Setup { files, ..Setup::default() }, &host).await;
    let settings = std::fs::read_to_string(served.path("previewbot.toml")).unwrap();
    std::fs::write(served.path("previewbot.toml"), settings.replace("\"local\"", "\"preview\"")).unwrap();
    served.serve().await;
    let (number, sha) = served.world.open("feature", &[("deploy.sh", Some("echo quiet\n"))]).await;
    served.world.check_ended(number, &sha, "success").await;
    let before = peak(&served);
    let loud = format!("yes 0123456789012345678901234567890123456789 | head -c {}\n", PRINTED * 1024);
    let sha = served.world.push(number, "feature", &[("deploy.sh", Some(&loud))]).await;
    served.world.check_ended(number, &sha, "success").await;
    let grown = peak(&served) - before;
    eprintln!("{PRINTED} KiB printed on a host: the bot grew from {before} KiB by {grown} KiB");
    assert!(grown < MOST, "{grown} KiB");
}
