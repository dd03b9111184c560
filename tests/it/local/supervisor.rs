//! One run of a hook, from its beginning to its end.

use std::time::{Duration, Instant};

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::{HookExit, HookOutput, HookRunner};
use previewbot::outbound::supervisor::{LocalHookRunner, RunnerOptions, UserIds};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, lives, until};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let bench = Bench::new();
    let cases = [
        ("true", HookExit::Code(0)),
        ("exit 3", HookExit::Code(3)),
        ("exit 255", HookExit::Code(255)),
        ("kill -9 $$", HookExit::Signal(9)),
        ("kill -TERM $$", HookExit::Signal(15)),
        ("no-such-program-anywhere", HookExit::Code(127)),
    ];
    for (script, exit) in cases {
        assert_eq!(bench.run(script).await.unwrap().exit, exit, "{script}");
    }
}

#[tokio::test]
async fn outputs_are_apart_and_nothing_can_be_read() {
    let bench = Bench::new();
    let outcome = bench.run("echo out; echo err >&2; read -r line || echo 'no input'; pwd").await.unwrap();
    assert_eq!(outcome.stdout, format!("out\nno input\n{}\n", bench.folder.path().display()));
    assert_eq!(outcome.tail.last().unwrap(), "err");
    assert!(!outcome.truncated);
}

#[tokio::test]
async fn of_much_output_the_end_counts_and_the_file_stays_small() {
    let bench = Bench::new();
    let script = "i=0; while [ $i -lt 30000 ]; do echo \"line $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"; i=$((i+1)); done; printf 'A=b\\377\\n'";
    let outcome = bench.run(script).await.unwrap();
    assert!(outcome.truncated && outcome.stdout.len() <= 1024 * 1024 + 2);
    assert!(outcome.stdout.starts_with("line ") && outcome.stdout.ends_with("A=b\u{fffd}\n"));
    assert_eq!(outcome.tail.len(), 15);
    let kept = std::fs::read(bench.life_folder().join("runs/step/stdout")).unwrap();
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.starts_with("line 0 ") && kept.contains(" bytes left out]") && kept.len() < 1024 * 1024 + 100);
}

#[tokio::test]
async fn endless_output_is_stopped() {
    let bench = Bench::new();
    let error = bench.run("yes 0123456789012345678901234567890123456789").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("64 MiB"), "{error}");
}

#[tokio::test]
async fn a_timeout_ends_grandchildren_too_whatever_they_ignore_and_wherever_they_went() {
    let bench = Bench::new();
    let script = "trap '' TERM; sh -c 'echo $$ >child; sleep 1000' & setsid sh -c 'echo $$ >far; sleep 1000' & wait; sleep 1000";
    let mut hook = bench.hook("step", script);
    hook.timeout = Duration::from_millis(700);
    let error = bench.runner(1).await.run(&hook, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(!lives(bench.pid("child").await) && !lives(bench.pid("far").await));
}

#[tokio::test]
async fn a_cancelled_hook_is_gone_within_two_seconds() {
    let bench = Bench::new();
    let (runner, cancel) = (bench.runner(1).await, CancellationToken::new());
    let hook = bench.hook("step", "trap '' TERM; echo $$ >pid; while :; do sleep 1; done");
    let stop = async {
        let pid = bench.pid("pid").await;
        let asked = Instant::now();
        cancel.cancel();
        (pid, asked)
    };
    let (outcome, (pid, asked)) = tokio::join!(runner.run(&hook, &cancel), stop);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!lives(pid) && asked.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn what_may_not_be_killed_ends_first() {
    let bench = Bench::new();
    let (runner, cancel) = (bench.runner(1).await, CancellationToken::new());
    let mut hook = bench.hook("step", "echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done; echo done");
    hook.killable = false;
    let stop = async {
        bench.pid("pid").await;
        cancel.cancel();
        std::fs::write(bench.path("go"), "").unwrap();
    };
    let (outcome, ()) = tokio::join!(runner.run(&hook, &cancel), stop);
    assert_eq!(outcome.unwrap().stdout, "done\n");
    let error = runner.run(&hook, &cancel).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "one that was not begun does not begin");
}

#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_does_not_hold_the_step_up_and_lives_until_the_end() {
    let bench = Bench::new();
    let started = Instant::now();
    let outcome =
        bench.run("setsid sleep 1000 & echo $! >far; sleep 1000 & echo $! >near; echo up").await.unwrap();
    assert_eq!(outcome.stdout, "up\n");
    assert!(started.elapsed() < Duration::from_secs(10));
    let (far, near) = (bench.pid("far").await, bench.pid("near").await);
    // Neither the next step nor a takeover touches it.
    bench.runner(2).await.run(&bench.hook("next", "true"), &CancellationToken::new()).await.unwrap();
    assert!(lives(far) && lives(near));
    bench.clear().await;
    assert!(!lives(far) && !lives(near));
}

#[tokio::test]
async fn the_environment_is_cleared() {
    let bench = Bench::new();
    let mut hook =
        bench.hook("step", "env | cut -d= -f1 | sort; echo \"$HOME|$TMPDIR|$GIVEN|$PREVIEWCTL_ENVIRONMENT_ID\"");
    hook.environment.insert("GIVEN".to_owned(), "yes".to_owned());
    let outcome = bench.runner(1).await.run(&hook, &CancellationToken::new()).await.unwrap();
    // Cargo gives this to every test process.
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
    let (names, values) = outcome.stdout.trim_end().rsplit_once('\n').unwrap();
    let own = [
        "GIVEN",
        "HOME",
        "PREVIEWBOT_RUN",
        "PREVIEWCTL_COMMIT",
        "PREVIEWCTL_ENVIRONMENT_ID",
        "TMPDIR",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    let allowed = ["PATH", "LANG", "TZ", "TERM"];
    for name in names.lines() {
        let expected = own.contains(&name) || allowed.contains(&name) || name.starts_with("LC_");
        assert!(expected, "{name} must not be seen");
    }
    let folder = bench.life_folder();
    let expected = format!("{0}/home|{0}/tmp|yes|{1}", folder.display(), bench.life);
    assert_eq!(values, expected);
}

#[tokio::test]
async fn the_hooks_text_is_in_no_argv() {
    let bench = Bench::new();
    let hook = bench.hook(
        "step",
        ": canary-text-of-the-hook; echo $PPID >super; echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done",
    );
    let look = async {
        let (pid, parent) = (bench.pid("pid").await, bench.pid("super").await);
        let line = |pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        let lines = line(pid) + &line(parent);
        std::fs::write(bench.path("go"), "").unwrap();
        lines
    };
    let (runner, cancel) = (bench.runner(1).await, CancellationToken::new());
    let (outcome, lines) = tokio::join!(runner.run(&hook, &cancel), look);
    assert!(outcome.unwrap().succeeded());
    assert!(lines.contains("previewbot-supervisor") && !lines.contains("canary"), "{lines}");
}

#[tokio::test]
async fn a_missing_folder_and_a_killed_supervisor_are_told() {
    let bench = Bench::new();
    let runner = bench.runner(1).await;
    let mut hook = bench.hook("step", "true");
    hook.directory = bench.path("nowhere").to_string_lossy().into_owned();
    let error = runner.run(&hook, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let hook = bench.hook("step", "echo $$ >pid; kill -9 $PPID; sleep 1000");
    let error = runner.run(&hook, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let pid = bench.pid("pid").await;
    until("the orphan is gone", || !lives(pid)).await;
}

#[tokio::test]
async fn hooks_run_as_another_account_when_the_bot_is_root() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can run hooks as another account");
        return;
    }
    let bench = Bench::new();
    let nobody = UserIds { uid: 65534, gid: 65534 };
    std::fs::set_permissions(bench.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let options = RunnerOptions { run_as: Some(nobody), ..bench.options(1) };
    let runner = LocalHookRunner::take_over(options).await.unwrap();
    let epoch = bench.life_folder().join("epoch");
    let script = format!(
        "id -u; id -G; echo x >\"$HOME/f\" && echo y >\"$TMPDIR/f\" && echo home; echo out >>/dev/stdout; echo 9 2>&- >{} || echo fenced",
        epoch.display()
    );
    let outcome = runner.run(&bench.hook("step", &script), &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.stdout, "65534\n65534\nhome\nout\nfenced\n");
    assert_eq!(std::fs::read_to_string(epoch).unwrap(), "1\n");
}

#[derive(Default)]
struct Shown(std::sync::Mutex<Vec<String>>);

impl HookOutput for Shown {
    fn line(&self, step: &str, line: &str) {
        self.0.lock().unwrap().push(format!("{step}: {line}"));
    }
}

/// What a hook prints is seen while it still runs, and a person's own variables reach it.
#[tokio::test]
async fn output_is_shown_while_the_hook_runs_and_a_persons_variables_reach_it() {
    let bench = Bench::new();
    let shown = std::sync::Arc::new(Shown::default());
    let own =
        [("PATH", std::env::var("PATH").unwrap()), ("HOME", "/home/me".to_owned()), ("MINE", "yes".to_owned())];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let runner = bench.runner(1).await.shown_to(shown.clone()).inheriting(own);
    let go = bench.path("go");
    let script =
        format!("echo first; while [ ! -e {} ]; do sleep 0.02; done; echo \"$HOME $MINE\" >&2", go.display());
    let seen = async {
        while shown.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        std::fs::write(&go, "").unwrap();
    };
    let hook = bench.hook("step", &script);
    let cancel = CancellationToken::new();
    let (outcome, ()) = tokio::join!(runner.run(&hook, &cancel), seen);
    assert!(outcome.unwrap().succeeded());
    assert_eq!(*shown.0.lock().unwrap(), ["step: first", "step: /home/me yes"]);
}
