//! Files and commands in a compute root, and links that lead out.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::{ComputeAccess, HookRunner};
use previewbot::outbound::access::LocalAccess;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, lives};

async fn access(bench: &Bench) -> LocalAccess {
    let root = bench.path("root");
    std::fs::create_dir_all(&root).unwrap();
    LocalAccess::new(root, Arc::new(bench.runner(1).await) as Arc<dyn HookRunner>, None)
}

#[tokio::test]
async fn links_that_lead_out_are_refused_and_links_within_are_followed() {
    let bench = Bench::new();
    let access = access(&bench).await;
    let (root, outside) = (bench.path("root"), bench.path("outside"));
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("secret"), "s").unwrap();
    std::fs::create_dir_all(root.join("packages/web")).unwrap();
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../outside", root.join("relative")).unwrap();
    symlink("../../../outside/new", root.join("packages/web/dangling")).unwrap();
    symlink("packages/web", root.join("web")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    for path in ["absolute/secret", "relative/secret", "magic/etc/passwd", "packages/web/dangling/x"] {
        let read = access.read_file(path).await;
        assert!(matches!(&read, Err(error) if error.kind() == ErrorKind::Invalid), "read {path}: {read:?}");
        let write = access.write_file(path, Some(b"x"), 0o644).await;
        assert_eq!(write.unwrap_err().kind(), ErrorKind::Invalid, "write {path}");
        let remove = access.write_file(path, None, 0o644).await;
        assert_eq!(remove.unwrap_err().kind(), ErrorKind::Invalid, "remove {path}");
    }
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "s");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);

    access.write_file("web/.env", Some(b"A=1"), 0o644).await.unwrap();
    assert_eq!(std::fs::read_to_string(root.join("packages/web/.env")).unwrap(), "A=1");
    assert_eq!(access.read_file("/web/.env").await.unwrap().unwrap(), b"A=1");
}

#[tokio::test]
async fn a_file_that_is_a_link_is_replaced_and_its_target_stays() {
    let bench = Bench::new();
    let access = access(&bench).await;
    std::fs::write(bench.path("target"), "theirs").unwrap();
    symlink(bench.path("target"), bench.path("root/.env")).unwrap();
    assert!(access.read_file(".env").await.is_err());
    access.write_file(".env", Some(b"ours"), 0o600).await.unwrap();
    assert_eq!(std::fs::read_to_string(bench.path("target")).unwrap(), "theirs");
    let written = std::fs::symlink_metadata(bench.path("root/.env")).unwrap();
    assert!(written.is_file() && written.permissions().mode() & 0o777 == 0o600);
    let names: Vec<_> = std::fs::read_dir(bench.path("root")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [".env"], "nothing temporary is left");
}

#[tokio::test]
async fn commands_run_beneath_the_root() {
    let bench = Bench::new();
    let access = access(&bench).await;
    std::fs::create_dir_all(bench.path("root/apps/web")).unwrap();
    let mut hook = bench.hook("exec", "pwd");
    hook.directory = "/apps/web".to_owned();
    let outcome = access.exec(&hook, &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.stdout, format!("{}\n", bench.path("root/apps/web").display()));
    hook.directory = "apps/../..".to_owned();
    let error = access.exec(&hook, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// Ignores to be told to end, and leaves a grandchild that left its group, its session and its parent.
const STUBBORN: &str = "trap '' TERM HUP INT
( setsid sh -c '( trap \"\" TERM; echo $$ >session; exec sleep 1000 ) & echo $! >far; exit 0' & )
sh -c 'trap \"\" TERM; echo $$ >near; while :; do sleep 1; done' &
echo $$ >own
while :; do sleep 1; done";

#[tokio::test]
async fn a_stubborn_hook_and_its_grandchildren_are_gone_after_a_cancellation_and_a_timeout() {
    for cancels in [true, false] {
        let bench = Bench::new();
        let access = access(&bench).await;
        let mut hook = bench.hook("runner_deploy", STUBBORN);
        hook.directory = ".".to_owned();
        let cancel = CancellationToken::new();
        if !cancels {
            hook.timeout = std::time::Duration::from_secs(1);
        }
        let stop = async {
            let mut pids = Vec::new();
            for file in ["root/own", "root/near", "root/far"] {
                pids.push(bench.pid(file).await);
            }
            if cancels {
                cancel.cancel();
            }
            pids
        };
        let (outcome, pids) = tokio::join!(access.exec(&hook, &cancel), stop);
        let expected = if cancels { ErrorKind::Cancelled } else { ErrorKind::TimedOut };
        assert_eq!(outcome.unwrap_err().kind(), expected);
        assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
        let left = crate::support::bot::processes_with("PREVIEWCTL_ENVIRONMENT_ID", &bench.life.to_string());
        assert!(left.is_empty(), "{left:?}");
    }
}
