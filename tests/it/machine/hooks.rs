//! One run of a hook, from its beginning to its end.

use std::time::{Duration, Instant};

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::HookExit;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, SECRET, everywhere};

everywhere! {
    async fn exit_codes_and_signals_are_told_apart(bench: Bench) {
        let held = bench.held(1).await;
        let cases = [
            ("true", HookExit::Code(0)),
            ("exit 3", HookExit::Code(3)),
            ("exit 93", HookExit::Code(93)),
            ("exit 255", HookExit::Code(255)),
            ("kill -9 $$", HookExit::Signal(9)),
            ("kill -TERM $$", HookExit::Signal(15)),
            ("no-such-program-anywhere", HookExit::Code(127)),
        ];
        for (script, exit) in cases {
            let outcome = held.runner.run(&bench.hook("step", script), &CancellationToken::new()).await;
            assert_eq!(outcome.unwrap().exit, exit, "{script}");
        }
    }
}

everywhere! {
    async fn outputs_are_apart_and_nothing_can_be_read(bench: Bench) {
        let outcome = bench.run("echo out; echo err >&2; read -r line || echo 'no input'; pwd").await.unwrap();
        assert_eq!(outcome.stdout, format!("out\nno input\n{}\n", bench.path("").trim_end_matches('/')));
        assert_eq!(outcome.tail.last().unwrap(), "err");
        assert!(!outcome.truncated);
    }
}

everywhere! {
    async fn of_much_output_the_end_counts_and_the_file_stays_small(bench: Bench) {
        let script = "echo first; yes 0123456789012345678901234567890123456789 | head -c 50000000; \
                      printf '\\nA=b\\377\\n'; echo err >&2";
        let outcome = bench.run(script).await.unwrap();
        assert!(outcome.truncated && outcome.stdout.len() <= 1024 * 1024 + 2);
        let first = outcome.stdout.lines().next();
        assert_eq!(first, Some("0123456789012345678901234567890123456789"), "no half a line");
        assert!(outcome.stdout.ends_with("A=b\u{fffd}\n"));
        assert_eq!(outcome.tail.len(), 15);
        let kept = bench.says(&format!("cd {}/runs/step; head -n 1 stdout; grep -ac ' bytes left out]$' stdout; \
            [ $(stat -c %s stdout) -lt 1048700 ] && echo small", bench.life_folder())).await;
        assert_eq!(kept, "first\n1\nsmall\n");
    }
}

everywhere! {
    async fn endless_output_is_stopped(bench: Bench) {
        let error = bench.run("yes 0123456789012345678901234567890123456789").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("64 MiB"), "{error}");
    }
}

everywhere! {
    async fn secrets_are_masked_in_what_is_kept(bench: Bench) {
        let held = bench.held(1).await;
        let mut hook = bench.hook("printed", "echo \"A=$SECRET\"; echo \"no $SECRET\" >&2");
        hook.environment.insert("SECRET".to_owned(), SECRET.to_owned());
        let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.stdout, format!("A={SECRET}\n"), "the Manager parses it as it is");
        // At the head of much output, and of a hook that is killed.
        for (step, rest) in [("much", "yes | head -c 3000000; yes | head -c 3000000 >&2"), ("killed", "sleep 1000")] {
            hook.step = step.to_owned();
            hook.script = format!("echo \"A=$SECRET\"; echo \"no $SECRET\" >&2; {rest}");
            hook.timeout = Duration::from_secs(if step == "killed" { 1 } else { 20 });
            assert_eq!(held.runner.run(&hook, &CancellationToken::new()).await.is_ok(), step == "much");
        }
        let look = format!("cd {}; ls runs; grep -rlaF {SECRET} . || echo none", bench.life_folder());
        assert_eq!(bench.says(&look).await, "killed\nmuch\nprinted\nnone\n");
    }
}

/// Ignores to be told to end, and leaves a grandchild that left its group, its session and its parent.
const STUBBORN: &str = "trap '' TERM HUP INT
( setsid sh -c '( trap \"\" TERM; echo $$ >session; exec sleep 1000 ) & echo $! >far; exit 0' & )
sh -c 'trap \"\" TERM; echo $$ >near; while :; do sleep 1; done' &
echo $$ >own
while :; do sleep 1; done";

/// How long it took.
async fn stops_the_stubborn(bench: &Bench, cancels: bool) -> Duration {
    let (held, cancel) = (bench.held(1).await, CancellationToken::new());
    bench.says("rm -f own near far").await;
    let mut hook = bench.hook("runner_deploy", STUBBORN);
    if !cancels {
        hook.timeout = Duration::from_secs(3);
    }
    let stop = async {
        let mut pids = Vec::new();
        for file in ["own", "near", "far"] {
            pids.push(bench.pid(file).await);
        }
        let asked = Instant::now();
        if cancels {
            cancel.cancel();
        }
        (pids, asked)
    };
    let run = async {
        let outcome = held.runner.run(&hook, &cancel).await;
        (outcome, Instant::now())
    };
    let ((outcome, ended), (pids, asked)) = tokio::join!(run, stop);
    let expected = if cancels { ErrorKind::Cancelled } else { ErrorKind::TimedOut };
    assert_eq!(outcome.unwrap_err().kind(), expected);
    for pid in &pids {
        assert!(!bench.lives(*pid).await, "{pids:?}");
    }
    assert_eq!(bench.marked().await, 0);
    ended - asked
}

everywhere! {
    async fn a_cancelled_hook_and_its_grandchildren_are_gone_within_two_seconds(bench: Bench) {
        // A machine that is busy with other tests may need another try.
        let mut took = Duration::MAX;
        for _ in 0..3 {
            took = took.min(stops_the_stubborn(&bench, true).await);
            if took < Duration::from_secs(2) {
                return;
            }
        }
        panic!("it took {took:?} at best");
    }
}

everywhere! {
    async fn a_timeout_ends_grandchildren_too_whatever_they_ignore_and_wherever_they_went(bench: Bench) {
        stops_the_stubborn(&bench, false).await;
    }
}

everywhere! {
    async fn what_is_cancelled_while_it_begins_does_not_run(bench: Bench) {
        let held = bench.held(1).await;
        for wait in 0..12 {
            let cancel = CancellationToken::new();
            let stop = async {
                tokio::time::sleep(Duration::from_millis(wait * 7)).await;
                cancel.cancel();
            };
            let hook = bench.hook(&format!("step-{wait}"), "sleep 1000");
            let (outcome, ()) = tokio::join!(held.runner.run(&hook, &cancel), stop);
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        }
        // A late one would run in a moment.
        held.runner.run(&bench.hook("next", "sleep 1"), &CancellationToken::new()).await.unwrap();
        assert_eq!(bench.marked().await, 0);
    }
}

everywhere! {
    async fn what_may_not_be_killed_ends_first(bench: Bench) {
        let (held, cancel) = (bench.held(1).await, CancellationToken::new());
        let mut hook = bench.hook("step", "echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done; echo done");
        hook.killable = false;
        let stop = async {
            bench.pid("pid").await;
            cancel.cancel();
            bench.says("touch go").await;
        };
        let (outcome, ()) = tokio::join!(held.runner.run(&hook, &cancel), stop);
        assert_eq!(outcome.unwrap().stdout, "done\n");
        let error = held.runner.run(&hook, &cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "one that was not begun does not begin");
    }
}

everywhere! {
    async fn a_daemon_that_keeps_the_output_open_does_not_hold_the_step_up_and_lives_until_the_end(bench: Bench) {
        let held = bench.held(1).await;
        let hook = bench.hook("step", "setsid sleep 1000 & echo $! >far; sleep 1000 & echo $! >near; echo up");
        let started = Instant::now();
        let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.stdout, "up\n");
        assert!(started.elapsed() < Duration::from_secs(10));
        let (far, near) = (bench.pid("far").await, bench.pid("near").await);
        // Neither the next step nor a takeover touches it.
        let held = bench.held(2).await;
        held.runner.run(&bench.hook("next", "true"), &CancellationToken::new()).await.unwrap();
        held.runner.settle().await.unwrap();
        assert!(bench.lives(far).await && bench.lives(near).await);
        bench.clear(&held).await;
        assert!(!bench.lives(far).await && !bench.lives(near).await);
    }
}

everywhere! {
    async fn the_environment_is_cleared(bench: Bench) {
        let script = "env | cut -d= -f1 | sort; echo \"$HOME|$TMPDIR|$GIVEN|$PREVIEWCTL_ENVIRONMENT_ID|$(umask)\"";
        let mut hook = bench.hook("step", script);
        hook.environment.insert("GIVEN".to_owned(), "yes".to_owned());
        let outcome = bench.held(1).await.runner.run(&hook, &CancellationToken::new()).await.unwrap();
        // Cargo gives this to every test process.
        assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
        let (names, values) = outcome.stdout.trim_end().rsplit_once('\n').unwrap();
        let own = ["GIVEN", "HOME", "PREVIEWBOT_RUN", "PREVIEWCTL_COMMIT", "PREVIEWCTL_ENVIRONMENT_ID", "TMPDIR"];
        let of_shells = ["PWD", "OLDPWD", "SHLVL", "_"];
        for name in names.lines() {
            // The bot's own machine lends also these.
            let lent = bench.host().is_none() && (["TZ", "TERM"].contains(&name) || name.starts_with("LC_"));
            let expected = own.contains(&name) || ["PATH", "LANG"].contains(&name) || of_shells.contains(&name);
            assert!(expected || lent, "{name} must not be seen");
        }
        for name in own {
            assert!(names.lines().any(|seen| seen == name), "{name} is missing");
        }
        let expected = format!("{0}/home|{0}/tmp|yes|{1}|0022", bench.life_folder(), bench.life);
        assert_eq!(values, expected);
    }
}

everywhere! {
    async fn secrets_and_the_hooks_text_are_in_no_argv_and_in_no_file_that_others_read(bench: Bench) {
        let script = ": canary-text-of-the-hook; echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done";
        let mut hook = bench.hook("step", script);
        hook.environment.insert("SECRET".to_owned(), SECRET.to_owned());
        let look = async {
            let pid = bench.pid("pid").await;
            // Words in brackets are not found in the look's own command line.
            let found = bench
                .says(&format!(
                    "for process in /proc/[0-9]*; do
                        tr '\\0' ' ' <$process/cmdline 2>/dev/null | grep -aE '[c]anary-text|[h]idden-value'
                    done
                    find previews -type f -perm /077 -exec grep -laE '[c]anary-text|[h]idden-value' {{}} +
                    grep -rlaE '[h]idden-value' previews
                    grep -azE '^SECRET=[h]idden-value' /proc/{pid}/environ | tr '\\0' '\\n'"
                ))
                .await;
            bench.says("touch go").await;
            found
        };
        let (held, cancel) = (bench.held(1).await, CancellationToken::new());
        let (outcome, found) = tokio::join!(held.runner.run(&hook, &cancel), look);
        assert!(outcome.unwrap().succeeded());
        assert_eq!(found, format!("SECRET={SECRET}\n"));
    }
}

everywhere! {
    async fn a_missing_folder_and_a_killed_supervisor_are_told(bench: Bench) {
        let held = bench.held(1).await;
        let mut hook = bench.hook("step", "true");
        hook.directory = bench.path("nowhere");
        let error = held.runner.run(&hook, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);

        let (hook, cancel) = (bench.hook("step", "echo $$ >pid; sleep 1000"), CancellationToken::new());
        let kill = async {
            let pid = bench.pid("pid").await;
            bench.says(&format!("kill -9 $(cut -d ' ' -f 1 {}/runs/step/state/process)", bench.life_folder())).await;
            pid
        };
        let (outcome, pid) = tokio::join!(held.runner.run(&hook, &cancel), kill);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        bench.until(&format!("! grep -q '^State:.[^ZX]' /proc/{pid}/status")).await;
    }
}
