//! What hooks of untrusted code can reach, and what they can do to the machine.

use std::time::Duration;

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::HookExit;
use tokio_util::sync::CancellationToken;

use super::bench::Bench;

/// Tells of each thing whether a hook gets it.
const ATTEMPTS: &str = r#"
attempt() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name: yes"; else echo "$name: no"; fi; }
attempt 'programs of the host' git --version
attempt 'write the checkout' touch mine
attempt 'write home' touch "$HOME/mine"
attempt 'write TMPDIR' touch "$TMPDIR/mine"
attempt 'write /tmp' touch /tmp/mine
attempt 'docker' docker info
attempt 'docker socket' ls /var/run/docker.sock /run/docker.sock
attempt 'group docker' sh -c 'id -nG | grep -qw docker'
attempt 'another preview' ls ../neighbour
attempt 'the fence' ls "${HOME%/home}/epoch"
attempt 'runs' ls "${HOME%/home}/runs"
attempt 'its own text' sh -c 'echo x >>"${HOME%/home}/hooks/step"'
attempt 'keys of the account' ls /home/preview/.ssh
attempt 'write /usr' touch /usr/mine
attempt 'write /etc' touch /etc/mine
attempt 'write /' touch /mine
attempt 'a device' mknod /tmp/device b 7 0
attempt 'mount' mount -t tmpfs none /tmp
attempt 'more rights' sh -c 'su -c true || sudo -n true || unshare -m true'
attempt 'processes of the host' sh -c 'SIGHT'
attempt 'kill the host' sh -c "kill -0 $OUTSIDE"
attempt 'kernel settings' sh -c 'echo 1 >/proc/sys/kernel/panic'
attempt 'kernel log' dmesg
"#;

/// Whether the host's sshd is in sight. A look that names itself would find itself.
const SIGHT: &str = r#"cat /proc/[0-9]*/cmdline 2>/dev/null | grep -qa "[s]shd""#;

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_reaches_its_own_preview_and_nothing_else() {
    let bench = Bench::in_a_chamber().await;
    bench.says("mkdir -p root neighbour && echo secret >neighbour/file; sleep 1000 >/dev/null 2>&1 & echo $! >outside").await;
    // On the host it is.
    bench.says(SIGHT).await;
    let mut hook = bench.hook("step", &ATTEMPTS.replace("SIGHT", SIGHT));
    hook.directory = bench.path("root");
    hook.environment.insert("OUTSIDE".to_owned(), bench.number("outside").await.to_string());
    let bench = bench.confined_to("root");
    let held = bench.held(1).await;
    let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
    let got: Vec<&str> = outcome.stdout.lines().filter_map(|line| line.strip_suffix(": yes")).collect();
    let own = ["programs of the host", "write the checkout", "write home", "write TMPDIR", "write /tmp"];
    assert_eq!(got, own, "{}", outcome.stdout);
    assert_eq!(outcome.stdout.lines().count(), 23);
    bench.clear(&held).await;
    let gone = format!("[ -z \"$(docker ps -aq --filter name=previewbot-{})\" ]", bench.life);
    bench.says(&format!("kill -9 $(cat outside); {gone}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_steer_programs_do_so_inside_alone() {
    let bench = Bench::in_a_chamber().await;
    // A library that is none makes every program that is told to load it complain.
    let lure = bench.path("lure.so");
    bench.says("echo none >lure.so").await;
    let mut hook = bench.hook("step", "echo \"$LD_PRELOAD|$DOCKER_HOST|$PATH|$IFS|$ENV|$name\"");
    let steering = [
        ("LD_PRELOAD", lure.as_str()),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ("DOCKER_CONFIG", "/nowhere"),
        ("PATH", "/usr/bin:/bin:/mine"),
        ("IFS", "x"),
        ("ENV", "/nowhere"),
        ("name", "a\nb 'c' $(touch /tmp/canary)"),
    ];
    hook.environment.extend(steering.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let held = bench.held(1).await;
    let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.exit, HookExit::Code(0), "{:?}", outcome.tail);
    let expected = format!("{lure}|tcp://127.0.0.1:1|/usr/bin:/bin:/mine|");
    assert!(outcome.stdout.starts_with(&expected), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("|/nowhere|a\nb 'c' $(touch /tmp/canary)\n"), "{}", outcome.stdout);
    // The hook's own shell complains, and no program before it.
    let look = format!("grep -c 'cannot be preloaded' {}/runs/step/stderr", bench.life_folder());
    assert_eq!(bench.says(&look).await, "1\n");
    bench.clear(&held).await;
}

/// Runs what hurts, and looks whether the host minds.
async fn hurts(script: &str) -> Result<HookExit, ErrorKind> {
    let bench = Bench::in_a_chamber().await;
    let held = bench.held(1).await;
    let mut hook = bench.hook("step", script);
    hook.timeout = Duration::from_secs(6);
    let run = async { held.runner.run(&hook, &CancellationToken::new()).await };
    let look = async {
        bench.until("[ -e begun ]").await;
        // Another life of the same host at the same time.
        let neighbour = Bench::on_a_vm().await;
        let outcome = neighbour.run("echo well").await.unwrap();
        assert_eq!(outcome.stdout, "well\n");
    };
    let (outcome, ()) = tokio::join!(run, look);
    assert_eq!(bench.marked().await, 0, "{outcome:?}");
    bench.clear(&held).await;
    outcome.map(|outcome| outcome.exit).map_err(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_ends_at_the_limit_and_with_the_step() {
    // The hook itself needs no process to go on.
    let script =
        "mkfifo block; exec 3<>block; touch begun; bomb() { bomb | bomb & }; bomb 2>/dev/null & read -r _ <&3";
    assert_eq!(hurts(script).await, Err(ErrorKind::TimedOut));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_wants_all_memory_is_killed() {
    let script = "touch begun; exec perl -e 'my @all; while (1) { push @all, \"x\" x 1_000_000 }'";
    assert_eq!(hurts(script).await, Ok(HookExit::Signal(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hooks_left_running_stands_still_while_others_use_the_checkout() {
    let bench = Bench::in_a_chamber().await;
    let held = bench.held(1).await;
    held.machine.hold_still(true).await.unwrap();
    let daemon = "setsid sh -c 'while :; do echo >>beats; sleep 0.01; done' >/dev/null 2>&1 &";
    held.runner.run(&bench.hook("step", daemon), &CancellationToken::new()).await.unwrap();
    let lines = async || bench.lines("beats").await;
    bench.until("[ -s beats ]").await;
    for _ in 0..2 {
        held.machine.hold_still(true).await.unwrap();
    }
    let before = lines().await;
    // As long as it would take for ten more.
    bench.says("sleep 0.3").await;
    assert_eq!(lines().await, before);
    for _ in 0..2 {
        held.machine.hold_still(false).await.unwrap();
    }
    bench.until(&format!("[ $(wc -l <beats) -gt {before} ]")).await;
    // A hook wakes what a crash left asleep, and an end does not need to.
    held.machine.hold_still(true).await.unwrap();
    assert!(held.runner.run(&bench.hook("next", "true"), &CancellationToken::new()).await.unwrap().succeeded());
    held.machine.hold_still(true).await.unwrap();
    bench.clear(&held).await;
    assert_eq!(bench.marked().await, 0);
}
