//! Runs that outlive whoever started them, and the fence between epochs.

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::HookRunner;
use previewbot::outbound::supervisor::{LocalHookRunner, RunnerOptions};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, lives, until};

const COUNTED: &str = "echo began >>count; echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done; echo A=1";

/// Begins the counted hook and loses whoever waited for it, as a crash does.
async fn begin_and_die(bench: &Bench) -> i32 {
    let (runner, hook, cancel) = (bench.runner(1).await, bench.hook("seed_db", COUNTED), CancellationToken::new());
    tokio::select! {
        outcome = runner.run(&hook, &cancel) => panic!("ended early: {outcome:?}"),
        pid = bench.pid("pid") => pid,
    }
}

fn count(bench: &Bench) -> usize {
    std::fs::read_to_string(bench.path("count")).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_run_that_goes_on_is_adopted_and_ran_once() {
    let bench = Bench::new();
    let pid = begin_and_die(&bench).await;
    let runner = bench.runner(2).await;
    assert!(lives(pid), "a takeover alone ends nothing");
    let release = async { std::fs::write(bench.path("go"), "").unwrap() };
    let hook = bench.hook("seed_db", COUNTED);
    let (outcome, ()) = {
        let cancel = CancellationToken::new();
        tokio::join!(runner.run(&hook, &cancel), release)
    };
    assert_eq!(outcome.unwrap().stdout, "A=1\n");
    assert_eq!(count(&bench), 1);
    // Collected: asking for it again means running it again.
    runner.run(&hook, &CancellationToken::new()).await.unwrap();
    assert_eq!(count(&bench), 2);
}

#[tokio::test]
async fn a_run_that_ended_meanwhile_is_adopted_and_ran_once() {
    let bench = Bench::new();
    let pid = begin_and_die(&bench).await;
    std::fs::write(bench.path("go"), "").unwrap();
    until("the hook ends", || !lives(pid)).await;
    let exit = bench.life_folder().join("runs/seed_db/state/exit");
    until("its end is recorded", || exit.exists()).await;
    let outcome = bench.runner(2).await.run(&bench.hook("seed_db", COUNTED), &CancellationToken::new()).await;
    assert_eq!(outcome.unwrap().stdout, "A=1\n");
    assert_eq!(count(&bench), 1);
}

#[tokio::test]
async fn a_run_is_ended_before_the_same_step_with_other_inputs() {
    let bench = Bench::new();
    let pid = begin_and_die(&bench).await;
    let hook = bench.hook("seed_db", &format!("kill -0 {pid} 2>/dev/null && echo both; :"));
    let outcome = bench.runner(2).await.run(&hook, &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.stdout, "");
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_takeover_for_another_commit_or_for_none_ends_what_runs() {
    for commit in [Some("2".repeat(40)), None] {
        let bench = Bench::new();
        let pid = begin_and_die(&bench).await;
        let runner = LocalHookRunner::take_over(RunnerOptions { commit, ..bench.options(2) }).await.unwrap();
        assert!(!lives(pid), "nothing may be changed under it");
        runner.settle().await.unwrap();
    }
}

#[tokio::test]
async fn runs_that_went_side_by_side_are_all_adopted() {
    let bench = Bench::new();
    let slow = |name: &str| {
        let script = format!("echo x >>{name}.count; echo $$ >{name}; while [ ! -e go ]; do sleep 0.02; done");
        bench.hook(name, &script)
    };
    let (first, second, cancel) = (slow("seed_a"), slow("seed_b"), CancellationToken::new());
    {
        let runner = bench.runner(1).await;
        let both = async { tokio::join!(runner.run(&first, &cancel), runner.run(&second, &cancel)) };
        let began = async { tokio::join!(bench.pid("seed_a"), bench.pid("seed_b")) };
        tokio::select! {
            ended = both => panic!("ended early: {ended:?}"),
            _ = began => {}
        }
    }
    let runner = bench.runner(2).await;
    runner.run(&bench.hook("before", "true"), &cancel).await.unwrap();
    let release = async { std::fs::write(bench.path("go"), "").unwrap() };
    let (a, b, ()) = tokio::join!(runner.run(&first, &cancel), runner.run(&second, &cancel), release);
    assert!(a.unwrap().succeeded() && b.unwrap().succeeded());
    for name in ["seed_a.count", "seed_b.count"] {
        assert_eq!(std::fs::read_to_string(bench.path(name)).unwrap(), "x\n", "{name}");
    }
}

#[tokio::test]
async fn what_nobody_asked_for_is_ended_with_the_job_but_not_by_who_lost_the_life() {
    let bench = Bench::new();
    let pid = begin_and_die(&bench).await;
    let (old, new) = (bench.runner(2).await, bench.runner(3).await);
    new.run(&bench.hook("other", "true"), &CancellationToken::new()).await.unwrap();
    assert_eq!(old.settle().await.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(lives(pid), "the new job may still ask for it");
    new.settle().await.unwrap();
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_run_whose_supervisor_died_is_ended_and_begun_anew() {
    let bench = Bench::new();
    let pid = begin_and_die(&bench).await;
    let record = std::fs::read_to_string(bench.life_folder().join("runs/seed_db/state/process")).unwrap();
    let supervisor: i32 = record.split(' ').next().unwrap().parse().unwrap();
    let kill = rustix::process::Pid::from_raw(supervisor).unwrap();
    rustix::process::kill_process(kill, rustix::process::Signal::KILL).unwrap();
    until("the supervisor is gone", || !lives(supervisor)).await;
    std::fs::remove_file(bench.path("pid")).unwrap();
    let (runner, hook, cancel) = (bench.runner(2).await, bench.hook("seed_db", COUNTED), CancellationToken::new());
    let release = async {
        let second = bench.pid("pid").await;
        assert!(second != pid && !lives(pid), "the orphan is gone before the hook begins again");
        std::fs::write(bench.path("go"), "").unwrap();
    };
    let (outcome, ()) = tokio::join!(runner.run(&hook, &cancel), release);
    assert_eq!(outcome.unwrap().stdout, "A=1\n");
    assert_eq!(count(&bench), 2);
}

#[tokio::test]
async fn who_lost_the_life_changes_nothing_and_kills_nothing() {
    let bench = Bench::new();
    let (old, hook) = (bench.runner(1).await, bench.hook("seed_db", COUNTED));
    let cancel = CancellationToken::new();
    let taken_over = async {
        let pid = bench.pid("pid").await;
        let new = bench.runner(2).await;
        cancel.cancel();
        (pid, new)
    };
    let (outcome, (pid, new)) = tokio::join!(old.run(&hook, &cancel), taken_over);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(lives(pid), "the run belongs to the new epoch");
    let refused = old.run(&bench.hook("other", "echo x >refused"), &CancellationToken::new()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(!bench.path("refused").exists());

    std::fs::write(bench.path("go"), "").unwrap();
    assert_eq!(new.run(&hook, &CancellationToken::new()).await.unwrap().stdout, "A=1\n");
    assert_eq!(count(&bench), 1);
    let late = LocalHookRunner::take_over(bench.options(1)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_record_that_names_a_strangers_process_harms_nobody() {
    let bench = Bench::new();
    begin_and_die(&bench).await;
    bench.clear().await;
    let mut stranger = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", stranger.id())).unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let record = bench.life_folder().join("runs/seed_db/state/process");
    std::fs::write(record, format!("{} {start} {boot}", stranger.id())).unwrap();
    bench.runner(2).await.run(&bench.hook("other", "true"), &CancellationToken::new()).await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "it still runs");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
