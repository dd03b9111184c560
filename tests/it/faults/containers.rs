//! `docker compose up` on a host that is cancelled while it waits.

use std::path::Path;
use std::time::{Duration, Instant};

use previewbot::domain::error::ErrorKind;
use previewbot::outbound::tool::Tool;
use tokio_util::sync::CancellationToken;

use crate::machine::bench::Bench;
use crate::support::bot::eventually;

/// One that never becomes healthy, and one that waits for it.
const COMPOSE: &str = r#"services:
  sick:
    image: previewbot-test/busybox:local
    init: true
    healthcheck: { test: ["CMD", "false"], interval: 1s, retries: 1000 }
  waits:
    image: previewbot-test/busybox:local
    depends_on: { sick: { condition: service_healthy } }
"#;

/// What a cancel may take.
const AT_ONCE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_up_that_waits_for_ever_is_gone_when_it_is_cancelled() {
    let bench = Bench::over_ssh().await;
    let (held, cancel) = (bench.held(1).await, CancellationToken::new());
    std::fs::write(bench.path("compose.yaml"), COMPOSE).unwrap();
    let project = format!("faults-{}", bench.life);
    let compose = |arguments: &[&str]| Tool {
        program: "docker",
        arguments: [&["compose", "-p", &project, "-f", &bench.path("compose.yaml")], arguments]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect(),
        timeout: Duration::from_mins(20),
        home: Some(Path::new(&bench.path("docker")).to_owned()),
        ..Tool::default()
    };
    let stop = async {
        let list = format!("docker ps -q --filter label=com.docker.compose.project={project} | grep .");
        let runs = || async { bench.look(&list).await.status.success().then_some(()) };
        eventually("the container that is not healthy", String::new, runs).await;
        assert!(bench.marked().await > 0, "compose waits");
        cancel.cancel();
        Instant::now()
    };
    let run = async {
        let output = held.machine.run(compose(&["up", "-d"]), &cancel).await;
        (output, Instant::now())
    };
    let ((output, ended), asked) = tokio::join!(run, stop);
    assert_eq!(output.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(bench.marked().await, 0, "none of its processes is left");
    assert!(ended - asked < AT_ONCE, "{:?}", ended - asked);
    let down = held.machine.run(compose(&["down", "-v", "-t", "0"]), &CancellationToken::new()).await.unwrap();
    assert!(down.succeeded());
}
