//! Runs that outlive whoever started them, and the fence between epochs.

use previewbot::domain::error::ErrorKind;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, everywhere};

const COUNTED: &str = "echo began >>count; echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done; echo A=1";

/// Begins the counted hook and loses whoever waited for it, as a crash does.
async fn begin_and_die(bench: &Bench) -> i32 {
    let (held, hook, cancel) = (bench.held(1).await, bench.hook("seed_db", COUNTED), CancellationToken::new());
    tokio::select! {
        outcome = held.runner.run(&hook, &cancel) => panic!("ended early: {outcome:?}"),
        pid = bench.pid("pid") => pid,
    }
}

everywhere! {
    async fn a_run_that_goes_on_is_adopted_and_ran_once(bench: Bench) {
        let pid = begin_and_die(&bench).await;
        let held = bench.held(2).await;
        assert!(bench.lives(pid).await, "a takeover alone ends nothing");
        let (hook, cancel) = (bench.hook("seed_db", COUNTED), CancellationToken::new());
        let (outcome, _) = tokio::join!(held.runner.run(&hook, &cancel), bench.says("touch go"));
        assert_eq!(outcome.unwrap().stdout, "A=1\n");
        assert_eq!(bench.lines("count").await, 1);
        // Collected: asking for it again means running it again.
        held.runner.run(&hook, &cancel).await.unwrap();
        assert_eq!(bench.lines("count").await, 2);
    }
}

everywhere! {
    async fn a_run_that_ended_meanwhile_is_adopted_and_ran_once(bench: Bench) {
        begin_and_die(&bench).await;
        bench.says("touch go").await;
        bench.until(&format!("[ -e {}/runs/seed_db/state/exit ]", bench.life_folder())).await;
        let (held, cancel) = (bench.held(2).await, CancellationToken::new());
        let outcome = held.runner.run(&bench.hook("seed_db", COUNTED), &cancel).await;
        assert_eq!(outcome.unwrap().stdout, "A=1\n");
        assert_eq!(bench.lines("count").await, 1);
    }
}

everywhere! {
    async fn a_run_is_ended_before_the_same_step_with_other_inputs(bench: Bench) {
        let pid = begin_and_die(&bench).await;
        // One that is ended and not yet waited for does nothing any more, but takes signals.
        let lives = format!("grep -qs '^State:.[^ZX]' /proc/{pid}/status && echo both; :");
        let hook = bench.hook("seed_db", &lives);
        let outcome = bench.held(2).await.runner.run(&hook, &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.stdout, "");
        assert!(!bench.lives(pid).await);
    }
}

everywhere! {
    async fn a_takeover_for_another_commit_ends_what_runs(bench: Bench) {
        let pid = begin_and_die(&bench).await;
        let held = bench.take_over(2, Some(&"2".repeat(40))).await.unwrap();
        assert!(!bench.lives(pid).await, "nothing may be changed under it");
        held.runner.settle().await.unwrap();
    }
}

everywhere! {
    async fn a_takeover_for_no_commit_ends_what_runs(bench: Bench) {
        let pid = begin_and_die(&bench).await;
        let held = bench.take_over(2, None).await.unwrap();
        assert!(!bench.lives(pid).await, "nothing may be changed under it");
        held.runner.settle().await.unwrap();
    }
}

everywhere! {
    async fn runs_that_went_side_by_side_are_all_adopted(bench: Bench) {
        let slow = |name: &str| {
            let script = format!("echo x >>{name}.count; echo $$ >{name}; while [ ! -e go ]; do sleep 0.02; done");
            bench.hook(name, &script)
        };
        let (first, second, cancel) = (slow("seed_a"), slow("seed_b"), CancellationToken::new());
        {
            let runner = bench.held(1).await.runner;
            let both = async { tokio::join!(runner.run(&first, &cancel), runner.run(&second, &cancel)) };
            let began = async { tokio::join!(bench.pid("seed_a"), bench.pid("seed_b")) };
            tokio::select! {
                ended = both => panic!("ended early: {ended:?}"),
                _ = began => {}
            }
        }
        let runner = bench.held(2).await.runner;
        runner.run(&bench.hook("before", "true"), &cancel).await.unwrap();
        let release = bench.says("touch go");
        let (a, b, _) = tokio::join!(runner.run(&first, &cancel), runner.run(&second, &cancel), release);
        assert!(a.unwrap().succeeded() && b.unwrap().succeeded());
        assert_eq!(bench.says("cat seed_a.count seed_b.count").await, "x\nx\n");
    }
}

everywhere! {
    async fn what_nobody_asked_for_is_ended_with_the_job_but_not_by_who_lost_the_life(bench: Bench) {
        let pid = begin_and_die(&bench).await;
        let (old, new) = (bench.held(2).await, bench.held(3).await);
        new.runner.run(&bench.hook("other", "true"), &CancellationToken::new()).await.unwrap();
        assert_eq!(old.runner.settle().await.unwrap_err().kind(), ErrorKind::Fenced);
        assert!(bench.lives(pid).await, "the new job may still ask for it");
        new.runner.settle().await.unwrap();
        assert!(!bench.lives(pid).await);
    }
}

everywhere! {
    async fn a_run_whose_supervisor_died_is_ended_and_begun_anew(bench: Bench) {
        let pid = begin_and_die(&bench).await;
        let record = format!("{}/runs/seed_db/state/process", bench.life_folder());
        bench.says(&format!("read -r pid rest <{record}; kill -9 $pid; rm pid")).await;
        bench.until(&format!("read -r pid rest <{record}; ! grep -q '^State:.[^ZX]' /proc/$pid/status")).await;
        let (held, cancel) = (bench.held(2).await, CancellationToken::new());
        let release = async {
            let second = bench.pid("pid").await;
            assert!(second != pid && !bench.lives(pid).await, "the orphan is gone before the hook begins again");
            bench.says("touch go").await;
        };
        let hook = bench.hook("seed_db", COUNTED);
        let (outcome, ()) = tokio::join!(held.runner.run(&hook, &cancel), release);
        assert_eq!(outcome.unwrap().stdout, "A=1\n");
        assert_eq!(bench.lines("count").await, 2);
    }
}

everywhere! {
    async fn who_lost_the_life_changes_nothing_and_kills_nothing(bench: Bench) {
        let (old, hook) = (bench.held(1).await, bench.hook("seed_db", COUNTED));
        let cancel = CancellationToken::new();
        let taken_over = async {
            let pid = bench.pid("pid").await;
            let new = bench.held(2).await;
            cancel.cancel();
            (pid, new)
        };
        let (outcome, (pid, new)) = tokio::join!(old.runner.run(&hook, &cancel), taken_over);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Fenced);
        assert!(bench.lives(pid).await, "the run belongs to the new epoch");
        let refused = old.runner.run(&bench.hook("other", "echo x >refused"), &CancellationToken::new()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Fenced);
        assert!(bench.look("[ ! -e refused ]").await.status.success());

        bench.says("touch go").await;
        assert_eq!(new.runner.run(&hook, &CancellationToken::new()).await.unwrap().stdout, "A=1\n");
        assert_eq!(bench.lines("count").await, 1);
        let late = bench.take_over(1, None).await.map(drop);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Fenced);
    }
}

everywhere! {
    async fn a_record_that_names_a_strangers_process_harms_nobody(bench: Bench) {
        begin_and_die(&bench).await;
        let held = bench.held(2).await;
        bench.clear(&held).await;
        // As a hook it would be found by its mark.
        bench.says(&format!("setsid sleep 1000 >/dev/null 2>&1 & pid=$!
            start=$(sed 's/.*) //' /proc/$pid/stat | cut -d ' ' -f 20)
            echo $pid >stranger
            echo $pid $start $(cat /proc/sys/kernel/random/boot_id) >{}/runs/seed_db/state/process",
            bench.life_folder())).await;
        let (held, cancel) = (bench.held(3).await, CancellationToken::new());
        held.runner.run(&bench.hook("other", "true"), &cancel).await.unwrap();
        held.runner.run(&bench.hook("seed_db", "true"), &cancel).await.unwrap();
        let stranger = bench.number("stranger").await;
        assert!(bench.lives(stranger).await);
        bench.says(&format!("kill -9 {stranger}")).await;
    }
}
