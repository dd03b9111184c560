//! The bad network.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::bot::eventually;
use crate::support::host::proxy::{Fault, FaultProxy};
use crate::support::host::sshd::Sshd;

fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A connection through a proxy: the proxy, the client's end and the host's.
async fn connected() -> (FaultProxy, TcpStream, TcpStream) {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(target.local_addr().unwrap());
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let host = target.accept().await.unwrap().0;
    (proxy, client, host)
}

async fn arrives(from: &mut TcpStream, to: &mut TcpStream, text: &str) {
    from.write_all(text.as_bytes()).await.unwrap();
    let mut read = vec![0; text.len()];
    to.read_exact(&mut read).await.unwrap();
    assert_eq!(read, text.as_bytes());
}

#[tokio::test]
async fn ssh_passes_and_is_refused_and_passes_again() {
    let sshd = Sshd::start().await;
    let mut proxy = FaultProxy::start(sshd.login().address);
    let login = sshd.login().through(proxy.address());
    assert_eq!(login.says("echo one").await, "one");
    proxy.set(Fault::Refuse).await;
    assert!(error(&login.run("true").await).contains("Connection refused"));
    proxy.set(Fault::Pass).await;
    assert_eq!(login.says("echo two").await, "two");
    assert_eq!((proxy.connections(), sshd.handshakes()), (2, 2));
    eventually("no open connection", String::new, || async { (proxy.open_connections() == 0).then_some(()) })
        .await;
}

#[tokio::test]
async fn a_reset_breaks_sessions_and_new_connections() {
    let sshd = Sshd::start().await;
    let mut proxy = FaultProxy::start(sshd.login().address);
    let login = sshd.login().through(proxy.address());
    let mut ssh = login.ssh(&[], "echo begun; exec cat").stdin(Stdio::piped()).spawn().unwrap();
    let begun = BufReader::new(ssh.stdout.as_mut().unwrap()).lines().next_line().await.unwrap();
    assert_eq!(begun.as_deref(), Some("begun"));
    proxy.set(Fault::Reset).await;
    assert_eq!(ssh.wait().await.unwrap().code(), Some(255));
    assert!(error(&login.run("true").await).contains("Connection reset by"));
    assert_eq!((proxy.connections(), sshd.connections()), (2, 1));
}

#[tokio::test]
async fn nothing_comes_out_of_a_black_hole_until_it_closes() {
    let sshd = Sshd::start().await;
    let mut proxy = FaultProxy::start(sshd.login().address);
    let login = sshd.login().through(proxy.address());
    proxy.set(Fault::Blackhole).await;
    let output = login.ssh(&["-o", "ConnectTimeout=1"], "true").output().await.unwrap();
    assert!(error(&output).contains("Connection timed out during banner exchange"), "{output:?}");
    assert_eq!((proxy.connections(), sshd.connections()), (1, 0));

    let waiting = login.ssh(&[], "echo late").spawn().unwrap();
    eventually("a second connection", String::new, || async { (proxy.connections() == 2).then_some(()) }).await;
    proxy.set(Fault::Pass).await;
    assert_eq!(waiting.wait_with_output().await.unwrap().stdout, b"late\n");
}

#[tokio::test]
async fn an_open_connection_falls_into_a_black_hole_as_well() {
    let (mut proxy, mut client, mut host) = connected().await;
    arrives(&mut client, &mut host, "before").await;
    proxy.set(Fault::Blackhole).await;
    client.write_all(b"held").await.unwrap();
    client.shutdown().await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(50), host.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    proxy.set(Fault::Pass).await;
    let mut rest = String::new();
    host.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "held");
}

#[tokio::test]
async fn a_delay_holds_back_each_chunk() {
    let (mut proxy, mut client, mut host) = connected().await;
    let delay = Duration::from_millis(40);
    proxy.set(Fault::Delay(delay)).await;
    let start = Instant::now();
    for _ in 0..2 {
        arrives(&mut client, &mut host, "there").await;
        arrives(&mut host, &mut client, "and back").await;
    }
    assert!(start.elapsed() >= 4 * delay, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_half_closed_connection_still_carries_what_the_client_says() {
    let (mut proxy, mut client, mut host) = connected().await;
    arrives(&mut host, &mut client, "before").await;
    proxy.set(Fault::HalfClose).await;
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "the client reads an end");
    host.write_all(b"lost").await.unwrap();
    arrives(&mut client, &mut host, "after").await;
}

#[tokio::test]
async fn a_host_that_is_gone_resets() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(target.local_addr().unwrap());
    drop(target);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
