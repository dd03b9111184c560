//! The throw-away sshd.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::local::bench::{lives, until};
use crate::support::host::Login;
use crate::support::host::sshd::Sshd;

/// A session that is under way, and the process that it began in a session of its own.
async fn lasting_session(login: &Login) -> (tokio::process::Child, i32) {
    let command = "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $!; exec sleep 600";
    let mut ssh = login.ssh(&[], command).stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(ssh.stdout.take().unwrap()).lines();
    let pid = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    (ssh, pid)
}

#[tokio::test]
async fn whoever_has_the_key_logs_in_and_is_counted() {
    let sshd = Sshd::start().await;
    assert_eq!(sshd.login().says("echo $HOME").await, sshd.home().to_str().unwrap());
    assert_eq!((sshd.connections(), sshd.handshakes(), sshd.sessions()), (1, 1, 1));

    let other = Sshd::start().await;
    let stranger = Login { identity: other.login().identity.clone(), ..sshd.login().clone() };
    let refused = stranger.run("true").await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied"), "{refused:?}");
    assert_eq!((sshd.connections(), sshd.handshakes(), sshd.sessions()), (2, 1, 1));
}

#[tokio::test]
async fn a_host_with_another_key_is_not_trusted() {
    let (sshd, other) = (Sshd::start().await, Sshd::start().await);
    let mistaken = Login { host_key: other.login().host_key.clone(), ..sshd.login().clone() };
    let refused = mistaken.run("true").await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Host key verification failed"), "{refused:?}");
}

#[tokio::test]
async fn its_knobs_go_before_the_usual_configuration() {
    let sshd = Sshd::with(&["ForceCommand echo forced"]).await;
    assert_eq!(sshd.login().says("echo mine").await, "forced");

    let sshd = Sshd::with(&["MaxSessions 0"]).await;
    assert!(!sshd.login().run("true").await.status.success());
    assert_eq!((sshd.handshakes(), sshd.sessions()), (1, 0));
}

#[tokio::test]
async fn sessions_end_with_all_that_they_began_and_the_host_serves_on() {
    let sshd = Sshd::start().await;
    let (mut ssh, pid) = lasting_session(sshd.login()).await;
    sshd.end_sessions();
    assert_eq!(ssh.wait().await.unwrap().code(), Some(255));
    until("the session's process to end", || !lives(pid)).await;
    assert_eq!(sshd.login().says("echo again").await, "again");
}

#[tokio::test]
async fn a_host_that_was_away_comes_back_at_its_address() {
    let mut sshd = Sshd::start().await;
    let (mut ssh, pid) = lasting_session(sshd.login()).await;
    sshd.stop();
    assert_eq!(ssh.wait().await.unwrap().code(), Some(255));
    until("the session's process to end", || !lives(pid)).await;
    let away = sshd.login().run("true").await;
    assert!(String::from_utf8_lossy(&away.stderr).contains("Connection refused"), "{away:?}");
    sshd.resume().await;
    assert_eq!(sshd.login().says("echo again").await, "again");
}
