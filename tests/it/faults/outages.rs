//! Hooks and long tools that run on while the bot cannot reach their host.

use std::time::Duration;

use previewbot::domain::error::PortResult;
use previewbot::domain::ports::{HookExit, HookOutcome};
use previewbot::outbound::tool::Tool;
use tokio_util::sync::CancellationToken;

use super::bench::Far;
use crate::machine::bench::{Bench, Held};
use crate::support::host::proxy::Fault;

/// Prints a line after the other until it may end.
const LONG: &str = "echo x >>count; i=0
until [ -e go ]; do i=$((i + 1)); echo line $i; echo $i >progress; sleep 0.02; done
echo end; exit 7";

/// How far the hook is.
async fn progress(bench: &Bench) -> i32 {
    bench.pid("progress").await
}

/// Waits until the hook got on, whoever sees it.
async fn gets_on(bench: &Bench) {
    let from = progress(bench).await;
    bench.until(&format!("[ $(cat progress) -gt {} ]", from + 5)).await;
}

fn is_whole(outcome: PortResult<HookOutcome>) {
    let outcome = outcome.unwrap();
    assert_eq!(outcome.exit, HookExit::Code(7));
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let (end, counted) = lines.split_last().unwrap();
    assert_eq!(*end, "end");
    for (at, line) in counted.iter().enumerate() {
        assert_eq!(*line, format!("line {}", at + 1), "nothing is missing and nothing came twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_hook_runs_on_without_its_connection() {
    let Far { bench, mut proxy } = Far::new().await;
    let (held, hook, cancel) = (bench.held(1).await, bench.hook("runner_deploy", LONG), CancellationToken::new());
    let outages = async {
        for fault in [Fault::Reset, Fault::Refuse, Fault::Blackhole] {
            gets_on(&bench).await;
            if fault == Fault::Refuse {
                proxy.set(Fault::Reset).await;
            }
            proxy.set(fault).await;
            gets_on(&bench).await;
            proxy.set(Fault::Pass).await;
        }
        gets_on(&bench).await;
        bench.says("touch go").await;
    };
    let (outcome, ()) = tokio::join!(held.runner.run(&hook, &cancel), outages);
    is_whole(outcome);
    assert_eq!(bench.lines("count").await, 1, "it ran once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_tool_runs_on_without_its_connection() {
    let Far { bench, mut proxy } = Far::new().await;
    let (Held { machine, .. }, cancel) = (bench.held(1).await, CancellationToken::new());
    let tool = Tool {
        program: "sh",
        arguments: vec!["-c".to_owned(), LONG.replace("exit 7", "exit 0")],
        directory: Some(bench.path("").into()),
        timeout: Duration::from_mins(20),
        ..Tool::default()
    };
    let outage = async {
        gets_on(&bench).await;
        proxy.set(Fault::Reset).await;
        proxy.set(Fault::Refuse).await;
        gets_on(&bench).await;
        proxy.set(Fault::Pass).await;
        bench.says("touch go").await;
    };
    let (output, ()) = tokio::join!(machine.run(tool, &cancel), outage);
    let output = output.unwrap();
    assert!(output.succeeded() && output.text().starts_with("line 1\n") && output.text().ends_with("end\n"));
    assert_eq!(bench.lines("count").await, 1, "it ran once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_runs_on_while_sshd_is_killed_and_started_again() {
    let Far { mut bench, proxy: _proxy } = Far::new().await;
    let (held, hook, cancel) = (bench.held(1).await, bench.hook("runner_deploy", LONG), CancellationToken::new());
    let run = tokio::spawn(async move { held.runner.run(&hook, &cancel).await });
    gets_on(&bench).await;
    bench.sshd().restart().await;
    gets_on(&bench).await;
    bench.says("touch go").await;
    is_whole(run.await.unwrap());
    assert_eq!(bench.lines("count").await, 1, "it ran once");
    assert_eq!(bench.sshd().handshakes(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_prints_nothing_keeps_its_one_connection() {
    let Far { mut bench, proxy: _proxy } = Far::new().await;
    let host = bench.host().unwrap().clone();
    let held = bench.held(1).await;
    let hook = bench.hook("runner_deploy", "until [ -e go ]; do sleep 0.05; done; echo end");
    let cancel = CancellationToken::new();
    let before = host.requests();
    let release = async {
        // The host is asked every two seconds how the hook is.
        let asked = || async { (host.requests() >= before + 4).then_some(()) };
        crate::support::bot::eventually("a fourth look", String::new, asked).await;
        bench.says("touch go").await;
    };
    let (outcome, ()) = tokio::join!(held.runner.run(&hook, &cancel), release);
    assert_eq!(outcome.unwrap().stdout, "end\n");
    assert_eq!((bench.sshd().handshakes(), bench.sshd().sessions()), (1, 1));
}
