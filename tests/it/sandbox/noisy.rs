//! A preview that takes what it can get: the machine and a neighbour do not notice, and it is told why it failed.

use std::time::{Duration, Instant};

use previewbot::domain::compose::{Confinement, MIB};
use previewbot::domain::ports::ComputePort as _;

use super::bench::Preview;
use crate::local::compose::{docker, has_docker, page, unused_port};
use crate::support::bot::eventually;

/// How long a neighbour's page may take at most, with the machine's other work.
const SLOWEST: Duration = Duration::from_secs(2);

const NEIGHBOUR: &str = "
services:
  web:
    image: previewbot-test/busybox:local
    init: true
    command: sh -c 'echo here >/tmp/page; exec busybox httpd -f -p 80 -h /tmp'
    ports: ['80']
";

fn small() -> Confinement {
    Confinement { milli_cpus: 500, memory: 64 * MIB, pids: 40, log: 2 * MIB, containers: 4 }
}

fn service(command: &str) -> String {
    format!("services: {{web: {{image: 'previewbot-test/busybox:local', init: true, command: {command}}}}}")
}

/// A preview beside one that misbehaves.
struct Neighbour {
    preview: Preview,
    port: u16,
}

impl Neighbour {
    async fn start() -> Self {
        let preview = Preview::new("pr-1", Some(small())).await;
        let port = unused_port();
        preview.start(NEIGHBOUR, port).await.unwrap();
        Self { preview, port }
    }

    /// It answers, and so does docker.
    async fn is_well(&self) {
        for _ in 0..20 {
            let (start, port) = (Instant::now(), self.port);
            let answer = tokio::task::spawn_blocking(move || page(port)).await.unwrap();
            assert_eq!(answer.as_deref(), Some("here"));
            assert!(start.elapsed() < SLOWEST, "{:?}", start.elapsed());
        }
        assert_eq!(self.preview.inspect("web", "{{.State.Running}}"), "true");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_is_held_and_harms_nobody() {
    if !has_docker() {
        return;
    }
    let neighbour = Neighbour::start().await;
    let bomb = Preview::new("pr-2", Some(small())).await;
    let script = "b() { b | b & }; while true; do b 2>/dev/null; done";
    let _ = bomb.start(&service(&format!("[sh, -c, '{script}']")), 1).await;
    neighbour.is_well().await;
    assert_eq!(bomb.inspect("web", "{{.HostConfig.PidsLimit}}"), "40");
    bomb.compute.destroy("pr-2", &bomb.info).await.unwrap();
    assert_eq!(bomb.made(), [""; 0]);
    neighbour.is_well().await;
    neighbour.preview.compute.destroy("pr-1", &neighbour.preview.info).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_hog_is_ended_and_told_so() {
    if !has_docker() {
        return;
    }
    let neighbour = Neighbour::start().await;
    let hog = Preview::new("pr-2", Some(small())).await;
    // It keeps all that it reads, and never becomes healthy meanwhile.
    let file = service(
        "[busybox, tail, -c, 1000m, /dev/zero], healthcheck: {test: 'false', interval: 1s, retries: 1000}",
    );
    let error = hog.start(&file, 1).await.unwrap_err();
    assert!(error.to_string().contains("used more memory than it may have"), "{error}");
    neighbour.is_well().await;
    // What is written to memory files counts too, and ends as a full disk does.
    let script = "busybox dd if=/dev/zero of=/t/a bs=1M count=500 2>/dev/null || echo full; exec sleep 1000";
    let file = service(&format!("[sh, -c, '{script}'], tmpfs: ['/t:size=8m']"));
    hog.start(&file, 1).await.unwrap();
    let container = hog.inspect("web", "{{.Id}}");
    let says = || async { Some(docker(&["logs", &container])).filter(|text| text == "full") };
    eventually("the memory file is full", String::new, says).await;
    neighbour.is_well().await;
    hog.compute.destroy("pr-2", &hog.info).await.unwrap();
    neighbour.preview.compute.destroy("pr-1", &neighbour.preview.info).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_keeps_to_its_share_of_the_disk() {
    if !has_docker() {
        return;
    }
    let neighbour = Neighbour::start().await;
    let flood = Preview::new("pr-2", Some(small())).await;
    let script = "while true; do cat /bin/busybox | busybox od -c; done";
    flood.start(&service(&format!("[sh, -c, '{script}']")), 1).await.unwrap();
    let log = flood.inspect("web", "{{.LogPath}}");
    let kept = || -> u64 {
        let sizes =
            [log.clone(), format!("{log}.1")].map(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
        sizes.iter().sum()
    };
    // Both files were filled, so that the older one was thrown away at least once after that.
    eventually("the log is turned over", String::new, || async { (kept() > MIB).then_some(()) }).await;
    for _ in 0..10 {
        neighbour.is_well().await;
        assert!(kept() < 3 * MIB, "{}", kept());
    }
    flood.compute.destroy("pr-2", &flood.info).await.unwrap();
    neighbour.preview.compute.destroy("pr-1", &neighbour.preview.info).await.unwrap();
}

/// What ordinary images need is left to them.
#[tokio::test(flavor = "multi_thread")]
async fn ordinary_work_goes_on_in_confinement_and_the_checkout_cannot_be_written() {
    if !has_docker() {
        return;
    }
    let preview = Preview::new("pr-1", Some(Confinement::default())).await;
    preview.write("page", "from the checkout\n");
    let script = "busybox chown 1000:1000 /data && busybox chmod 700 /data && \
                  busybox setuidgid 1000 touch /data/x 2>/dev/null; \
                  touch /app/evil 2>/dev/null && echo wrote; busybox mknod /data/d b 8 0 2>/dev/null && echo node; \
                  exec busybox httpd -f -p 80 -h /app";
    let file = format!(
        "services:\n  web:\n    image: previewbot-test/busybox:local\n    init: true\n    command: [sh, -c, '{script}']\n    \
         volumes: ['.:/app', 'data:/data']\n    ports: ['80']\nvolumes: {{data: }}\n"
    );
    let port = unused_port();
    preview.start(&file, port).await.unwrap();
    let answer = || async { page(port) };
    assert_eq!(eventually("a page", String::new, answer).await, "from the checkout");
    let container = preview.inspect("web", "{{.Id}}");
    assert_eq!(docker(&["logs", &container]), "", "neither the checkout nor a device was written");
    assert!(!preview.checkout().join("evil").exists());
    assert_eq!(docker(&["exec", &container, "ls", "-ldn", "/data"]).split_whitespace().nth(2), Some("1000"));
    preview.compute.destroy("pr-1", &preview.info).await.unwrap();
}
