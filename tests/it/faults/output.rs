//! Hooks that print very much.

use std::time::{Duration, Instant};

use previewbot::domain::ports::HookCommand;
use tokio_util::sync::CancellationToken;

use super::bench::Far;

const SIZE: usize = 50_000_000;

fn printing() -> String {
    format!("yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c {SIZE}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_prints_fifty_megabytes_costs_the_bot_little() {
    let Far { mut bench, proxy } = Far::new().await;
    let held = bench.held(1).await;
    let login = bench.sshd().login().clone();
    // Beside the same bytes by the plain program, turn by turn: whatever else the machine does slows both down.
    let (mut fastest, mut plain) = (Duration::MAX, Duration::MAX);
    for turn in 0..3 {
        let begun = Instant::now();
        let output = login.run(&printing()).await;
        assert_eq!(output.stdout.len(), SIZE);
        plain = plain.min(begun.elapsed());
        drop(output);

        let before = proxy.carried();
        let begun = Instant::now();
        let script = format!("echo first; {}; echo; echo last={turn}", printing());
        let hook = HookCommand { timeout: Duration::from_mins(5), ..bench.hook("loud", &script) };
        let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
        fastest = fastest.min(begun.elapsed());
        assert!(outcome.truncated && outcome.stdout.len() <= 1024 * 1024 + 2);
        assert!(outcome.stdout.ends_with(&format!("\nlast={turn}\n")));
        let carried = proxy.carried().1 - before.1;
        assert!(carried < 3_000_000, "what does not come over does not fill the bot's memory: {carried} bytes");
    }
    let kept = format!(
        "cd {}/runs/loud; head -n 1 stdout; tail -n 1 stdout; grep -ac 'left out' stdout; \
        [ $(stat -c %s stdout) -lt 1048700 ] && echo small",
        bench.life_folder()
    );
    assert_eq!(bench.says(&kept).await, "first\nlast=2\n1\nsmall\n", "head and end are kept");
    eprintln!("50 MB: hook {fastest:?}, plain ssh {plain:?}");
    assert!(fastest < plain.mul_f64(1.5), "hook {fastest:?}, plain ssh {plain:?}");
}
