//! Two bots on one host.

use std::sync::Arc;

use previewbot::outbound::networking::PortLook as _;
use previewbot::outbound::ssh::{HostPorts, SshHost};

use super::bench::{PAGE, host, setup};
use crate::machine::bench::options;
use crate::support::bot::{TestBot, get};
use crate::support::host::sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_one_bot_is_going_to_use_is_not_given_out_by_another() {
    let sshd = Sshd::start().await;
    let host = Arc::new(SshHost::new(options(sshd.login())));
    let (one, other) = (HostPorts::new(host.clone(), "one".to_owned()), HostPorts::new(host, "other".to_owned()));
    // Of the tests' own, which no preview gets.
    let ports = [60_001, 60_002];
    let none = Vec::<u16>::new();
    assert_eq!(one.reserve(&ports).await.unwrap(), none);
    assert_eq!(one.reserve(&ports).await.unwrap(), none, "its own");
    assert_eq!(other.reserve(&[60_002, 60_003]).await.unwrap(), [60_002]);
    assert_eq!(one.reserve(&[60_003]).await.unwrap(), none, "all or none");
    let marks = format!("/tmp/previewbot-ports-{}", rustix::process::geteuid().as_raw());
    let long_ago = std::time::UNIX_EPOCH;
    for port in ports.iter().chain(&[60_003]) {
        std::fs::File::open(format!("{marks}/{port}")).unwrap().set_modified(long_ago).unwrap();
    }
    assert_eq!(other.reserve(&ports).await.unwrap(), none, "nobody listened for an hour");
    assert!(!std::path::Path::new(&format!("{marks}/60003")).exists(), "a mark that counts no more goes");
    for port in ports {
        std::fs::remove_file(format!("{marks}/{port}")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_of_the_same_name_live_side_by_side() {
    let sshd = Sshd::start().await;
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let mut bots = Vec::new();
    for name in ["previews-1", "previews-2"] {
        let root = sshd.home().join(name);
        bots.push(TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await);
    }
    let opened = tokio::join!(bots[0].open("first", &[]), bots[1].open("first", &[]));
    bots[0].check_ended(opened.0.0, &opened.0.1, "success").await;
    bots[1].check_ended(opened.1.0, &opened.1.1, "success").await;
    let (one, other) = (bots[0].url("pr-1").await, bots[1].url("pr-1").await);
    assert_ne!(one, other);
    assert_ne!(get(&one).await.unwrap().1, get(&other).await.unwrap().1, "each has data of its own");
}
