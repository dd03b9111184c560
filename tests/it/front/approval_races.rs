//! Pushes at random moments around an approval: what is executed is what was approved, or nothing.

use std::time::Duration;

use previewbot::domain::change::Sha;

use super::approval_bench::Bench;
use crate::support::bot::{ALICE, REPO};

/// Changes that are opened, approved and pushed to.
const CHANGES: u64 = 24;
/// The push comes at most so long after the approval.
const SPREAD_MS: u64 = 8_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_names_no_commit_lets_none_run_that_was_not_shown() {
    let bench = Bench::new().await;
    let (number, sha) = bench.open("feature").await;
    let pushed = bench.bot.repository.commit("feature", &[("more", Some("more"))]);
    bench.bot.github.people_unheard().push(REPO, number, None).await.unwrap();
    for text in ["/preview approve".to_owned(), format!("/preview approve {}", pushed.short())] {
        bench.says_and_is_told(ALICE, number, &text, "confused").await;
        bench.nothing_ran("pr-1", &sha).await;
        assert!(!bench.has(&pushed).await);
        // It is shown by now, but was not when that was said: the next order is of another commit again.
        bench.waits(number, &pushed).await;
        let again = bench.bot.repository.commit("feature", &[("more", Some(&text))]);
        bench.bot.github.people_unheard().push(REPO, number, None).await.unwrap();
        bench.says_and_is_told(ALICE, number, &text, "confused").await;
        bench.nothing_ran("pr-1", &again).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_pushes_at_random_moments_no_commit_comes_near_that_was_not_approved() {
    let bench = Bench::new().await;
    let mut opened = Vec::new();
    for index in 0..CHANGES {
        opened.push(bench.open(&format!("feature-{index}")).await);
    }
    let seed = u64::from(std::process::id());
    let mut pushed: Vec<Sha> = Vec::new();
    for (number, _) in &opened {
        let more = [("more", Some("more"))];
        pushed.push(bench.bot.repository.commit(&format!("feature-{}", number - 1), &more));
    }
    let around = |index: usize| {
        let (bench, number, sha) = (&bench, opened[index].0, &opened[index].1);
        // A stride that is coprime to the spread visits moments evenly, from another one in each run.
        let moment = (seed + index as u64 * 1_237) % SPREAD_MS;
        async move {
            bench.bot.say(number, &format!("/preview approve {sha}")).await;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            bench.bot.github.people().push(REPO, number, None).await.unwrap();
        }
    };
    futures_util::future::join_all((0..opened.len()).map(around)).await;
    for ((number, _), sha) in opened.iter().zip(&pushed) {
        bench.waits(*number, sha).await;
    }
    bench.bot.idle().await;
    // What may run is seen where it came, so that what may not would be.
    let (number, sha) = bench.open("kept").await;
    bench.approve(number, &sha).await;
    assert!(bench.has(&sha).await);
    for ((number, approved), sha) in opened.iter().zip(&pushed) {
        let name = format!("pr-{number}");
        assert!(!bench.has(sha).await, "seed {seed}: {sha} of {name} was fetched, {approved} was approved");
        let environment = bench.bot.environment(&name).await;
        assert!(environment.entry.is_none() && environment.approval.is_none(), "seed {seed}: {environment:?}");
    }
    bench.no_evil().await;
}
