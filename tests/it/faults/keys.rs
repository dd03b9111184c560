//! A host that answers with another key than the pinned one.

use previewbot::domain::error::ErrorKind;
use previewbot::outbound::ssh::{Look, SshHost};

use crate::hosts::bench::{host, setup};
use crate::machine::bench::options;
use crate::support::bot::{TestBot, deploy_only};
use crate::support::host::Login;
use crate::support::host::proxy::FaultProxy;
use crate::support::host::sshd::Sshd;

/// A secret of nobody: were it sent, it would be the hook's text.
const HOOK: &str = "echo deployed";

/// A host by a way that knows the key of another one.
async fn changed() -> (Sshd, FaultProxy, Login) {
    let (sshd, other) = (Sshd::start().await, Sshd::start().await);
    let proxy = FaultProxy::start(sshd.login().address);
    let login = Login { host_key: other.login().host_key.clone(), ..sshd.login().through(proxy.address()) };
    (sshd, proxy, login)
}

/// What a client sends to a host before it knows its key: the greeting and its half of the key exchange.
async fn bytes_before_the_key() -> usize {
    let (_sshd, proxy, login) = changed().await;
    assert!(!login.run("true").await.status.success());
    proxy.carried().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_key_changed_is_sent_nothing() {
    let (sshd, proxy, login) = changed().await;
    let ssh = SshHost::new(options(&login));
    let error = ssh.figures(Look { root: "/", ..Look::default() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    for part in ["vm-1", "nothing was sent", "ssh-keygen -lf", &login.known_hosts_file().to_string_lossy()] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert_eq!((sshd.connections(), sshd.handshakes(), sshd.sessions()), (1, 0, 0));
    assert!(!sshd.log().contains("userauth"), "no key was offered: {}", sshd.log());
    let sent = proxy.carried().0;
    assert_eq!(sent, bytes_before_the_key().await, "what `ssh` sends that knows no better, and no byte more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_to_a_host_whose_key_changed_says_what_to_do() {
    let (sshd, _proxy, login) = changed().await;
    let root = sshd.home().join("previews").to_string_lossy().into_owned();
    let bot =
        TestBot::with(setup(&[("previewctl.yaml", &deploy_only(HOOK))], &[host("vm-1", &login, &root)])).await;
    let looked = crate::hosts::bench::known(&bot, "vm-1", |record| record.trouble.is_some()).await;
    let why = looked.trouble.unwrap();
    assert!(why.contains("nothing was sent") && why.contains("replace the line"), "{why}");
    let (number, _) = bot.open("first", &[]).await;
    let told = bot.comment_with(number, "Preview queued").await.body;
    assert!(told.contains("vm-1"), "{told}");
    assert_eq!((sshd.handshakes(), sshd.sessions()), (0, 0));
}
