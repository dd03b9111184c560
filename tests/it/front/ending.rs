//! How the process ends when it is asked to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use previewbot::domain::job::JobState;
use rustix::process::Signal;

use super::process::{close, gated, with_config};
use crate::support::bot::deploy_only;

/// A client that never ends its request; the bot is reading its body by the time this returns.
fn half_a_delivery(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let signature = "0".repeat(64);
    write!(
        stream,
        "POST /webhooks/github HTTP/1.1\r\nhost: bot\r\ncontent-type: application/json\r\nx-github-event: ping\r\n\
         x-github-delivery: half\r\nx-hub-signature-256: sha256={signature}\r\ncontent-length: 9\r\n\
         expect: 100-continue\r\n\r\n"
    )
    .unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_during_a_slow_hook_it_gives_the_job_back_and_the_next_start_finishes_it() {
    let mut served = with_config("[worker]\ndrain_seconds = 1", |m| deploy_only(&gated("deploy", m))).await;
    served.serve().await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("deploy", "begun").await;
    let _half = half_a_delivery(served.address());
    let asked = Instant::now();
    served.signal(Signal::TERM);
    let status = served.ended().await;
    assert!(status.success(), "{status}: {}", served.log());
    assert!(
        served.log().contains("still under way; it is cut off"),
        "the client was waited for: {}",
        served.log()
    );
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let jobs = served.jobs().await;
    let deploy = jobs.iter().find(|job| job.work.kind() == "deploy").unwrap();
    assert_eq!((deploy.state, deploy.attempt), (JobState::Queued, 0), "given back, and no attempt is spent");
    served.serve().await;
    std::fs::write(served.mark("gate"), "").unwrap();
    served.runs(&sha).await;
    assert_eq!(served.marked("deploy"), "begun\nended\n", "the hook ran exactly once");
    close(&served, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_lets_a_deploy_finish_that_needs_little_more() {
    let mut served = with_config("", |marks| deploy_only(&gated("deploy", marks))).await;
    served.serve().await;
    served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("deploy", "begun").await;
    served.signal(Signal::TERM);
    served.until_logged("asked to end").await;
    std::fs::write(served.mark("gate"), "").unwrap();
    assert!(served.ended().await.success());
    let jobs = served.jobs().await;
    let deploy = jobs.iter().find(|job| job.work.kind() == "deploy").unwrap();
    assert_eq!(deploy.state, JobState::Succeeded, "{}", served.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_interrupt_ends_it_at_once() {
    let mut served = with_config("", |marks| deploy_only(&gated("deploy", marks))).await;
    served.serve().await;
    served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("deploy", "begun").await;
    served.signal(Signal::INT);
    served.until_logged("asked to end").await;
    let asked = Instant::now();
    served.signal(Signal::INT);
    assert_eq!(served.ended().await.code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}
