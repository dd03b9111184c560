//! Builds of images that are cancelled.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use previewbot::domain::error::{ErrorKind, PortResult};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{ComputePort as _, CreateRequest};
use previewbot::outbound::compute::{CodeSource, ComputeOptions, MachineCompute};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, Held};
use crate::local::compose::has_docker;

/// How long the end of a build may take once it is not wanted more.
const LIMIT: Duration = Duration::from_secs(2);
/// What a busy machine needs for the looks themselves.
const LOOKING: Duration = Duration::from_secs(2);

/// The checkout is there already.
struct There;

#[async_trait]
impl CodeSource for There {
    fn follows_a_commit(&self) -> bool {
        false
    }

    async fn sync(&self, _directory: &Path, _cancel: &CancellationToken) -> PortResult<()> {
        Ok(())
    }

    async fn remove(&self, _directory: &Path) -> PortResult<()> {
        Ok(())
    }
}

fn compute(bench: &Bench, held: &Held) -> MachineCompute {
    let options = ComputeOptions {
        life: bench.life,
        slug: format!("test-{}", &bench.life.to_string()[..8]),
        root: bench.path("previews").into(),
        directory: bench.path("root").into(),
        compose_file: Some("compose.yaml".to_owned()),
        bind: "127.0.0.1".to_owned(),
        watch: Duration::from_millis(300),
        stop_seconds: 1,
        installation: "installation-test".to_owned(),
        docker_config: PathBuf::from(format!("{}/docker", bench.life_folder())),
        reached: None,
        confinement: None,
    };
    MachineCompute::new(options, held.machine.clone(), std::sync::Arc::new(There))
}

/// Cancels a build while a step of it runs that would go on for hours.
async fn a_build_ends(bench: Bench) {
    const IMAGE: &str = "previewbot-test/busybox:local";
    if let Some(vm) = bench.vm() {
        vm.load_image(IMAGE).await;
    }
    // Told from every other by its number.
    let seconds = 100_000 + u32::from(bench.life.0.as_bytes()[0]) * 256 + u32::from(bench.life.0.as_bytes()[1]);
    let files = format!(
        "set -e; cd root; id=$(docker create {IMAGE}); docker cp \"$id:/bin/busybox\" . >/dev/null; docker rm \"$id\" >/dev/null
cat >Dockerfile <<'END'
FROM scratch
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"sleep\", \"{seconds}\"]
END
echo 'services: {{ web: {{ build: . }} }}' >compose.yaml"
    );
    bench.says(&files).await;
    let held = bench.held(1).await;
    let compute = compute(&bench, &held);
    let request = CreateRequest { environment: "pr-1".to_owned(), branch: "x".to_owned(), base: None };
    let info = compute.create(&request, &CancellationToken::new()).await.unwrap();
    let (cancel, ports) = (CancellationToken::new(), PortMap::new());
    let runs = format!("pgrep -f '[b]usybox sleep {seconds}'");
    let mut start = compute.start("pr-1", &info, &ports, &cancel);
    tokio::select! {
        early = &mut start => panic!("it did not build: {early:?}"),
        () = bench.until(&runs) => cancel.cancel(),
    }
    let cancelled = Instant::now();
    let started = start.await;
    let returned = cancelled.elapsed();
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Cancelled);
    bench.until(&format!("! {runs}")).await;
    let gone = cancelled.elapsed();
    eprintln!("a cancelled build: the call returned after {returned:?}, its step was gone after {gone:?}");
    assert!(gone < LIMIT + LOOKING, "{gone:?}");
    compute.destroy("pr-1", &info).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_ends_at_once_here() {
    if has_docker() {
        a_build_ends(Bench::here()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_ends_at_once_on_a_host() {
    a_build_ends(Bench::on_a_vm().await).await;
}
