//! Builds of untrusted code that take what they can get.

use std::time::{Duration, Instant};

use super::desk::Desk;
use super::prepare::{let_root_in, sandbox};
use crate::support::bot::eventually;
use crate::support::host::vm::Vm;

const IMAGE: &str = "previewbot-test/busybox:local";
/// How long a look at the host may take at most, with the machine's other work.
const SLOWEST: Duration = Duration::from_secs(5);

/// Builds with Docker's builder, as Compose does.
const BUILD: &str = r#"mkdir -p /srv/build && cd /srv/build && printf 'FROM %s\nRUN %s\n' "$1" "$2" >Dockerfile &&
DOCKER_BUILDKIT=1 docker build --no-cache --progress plain . 2>&1"#;

async fn number(vm: &Vm, file: &str) -> u64 {
    vm.says(&["cat", file]).await.parse().unwrap()
}

/// The host answers whoever logs in, and so does a preview beside.
async fn is_well(vm: &Vm) {
    let start = Instant::now();
    assert_eq!(vm.login().says("echo here").await.trim(), "here");
    assert_eq!(vm.says(&["docker", "exec", "neighbour", "sh", "-c", "echo here | cat"]).await, "here");
    assert!(start.elapsed() < SLOWEST, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_takes_is_bounded_and_the_host_answers() {
    let vm = Vm::start("builds").await;
    vm.load_image(IMAGE).await;
    let_root_in(&vm).await;
    let desk = Desk::new(&[sandbox(&vm)]);
    assert!(desk.findings().await["limits"].contains("a build may take the whole machine"));
    let identity = vm.login().identity.to_string_lossy().into_owned();
    desk.says(&["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity]).await;
    assert!(!desk.findings().await.contains_key("limits"));

    let group = |controller: &str, file: &str| format!("/sys/fs/cgroup/{controller}/{}/{file}", vm.name());
    if !vm.exec(&["test", "-e", &group("memory", "memory.limit_in_bytes")]).await.status.success() {
        println!("this kernel has all controllers in one tree: nothing is tested with builds");
        return;
    }
    let total: u64 = vm
        .says(&["sh", "-c", "while read -r n s u; do [ $n != MemTotal: ] || echo $s; done </proc/meminfo"])
        .await
        .parse()
        .unwrap();
    let together = number(&vm, &group("memory", "memory.limit_in_bytes")).await;
    assert_eq!(together, total * 1024 - 512 * 1024 * 1024);
    let for_builds = number(&vm, &group("memory", "buildkit/memory.limit_in_bytes")).await;
    assert!(for_builds <= together / 2);
    let (pids, pids_of_builds) =
        (number(&vm, &group("pids", "pids.max")).await, number(&vm, &group("pids", "buildkit/pids.max")).await);
    assert_eq!(pids_of_builds, pids / 4);

    // The bounds are those of a large machine; narrower ones show the same without taking all of it.
    for (file, most) in [
        (group("memory", "buildkit/memory.limit_in_bytes"), "134217728"),
        (group("pids", "buildkit/pids.max"), "100"),
    ] {
        vm.says(&["sh", "-c", r#"echo "$2" >"$1""#, "sh", &file, most]).await;
    }
    vm.says(&["docker", "run", "--detach", "--name", "neighbour", IMAGE]).await;
    is_well(&vm).await;

    let hog = ["sh", "-c", BUILD, "sh", IMAGE, "tail -c 1000m /dev/zero | wc -c"];
    let output = vm.exec(&hog).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() || !said.contains("1048576000"), "{said}");
    assert!(number(&vm, &group("memory", "buildkit/memory.failcnt")).await > 0);
    is_well(&vm).await;

    let bomb = ["sh", "-c", BUILD, "sh", IMAGE, "(while :; do sleep 1000 & done) & exec sleep 1000"];
    let current = group("pids", "buildkit/pids.current");
    let building = vm.exec(&bomb);
    let watching = async {
        let full = || async { (number(&vm, &current).await == 100).then_some(()) };
        eventually("a build at its bound", String::new, full).await;
        for _ in 0..10 {
            is_well(&vm).await;
        }
        assert_eq!(number(&vm, &current).await, 100, "it is still there");
    };
    tokio::select! {
        () = watching => {}
        output = building => panic!("the build ended: {output:?}"),
    }
}
