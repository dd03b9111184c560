//! Changes by people whom nobody knows, where there is a sandbox: what runs, where from, on what, and who says so.

use previewbot::demo::fake_github::NewPull;
use previewbot::domain::ports::{Audit, Hosts as _};
use previewbot::domain::trust::Trust;
use serde_json::json;

use super::approval_bench::{Bench, FORK, MALLORY, STRANGE};
use crate::support::bot::{ALICE, REPO, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_commit_runs_in_the_sandbox_under_the_base_configuration_and_without_secrets() {
    let bench = Bench::new().await;
    let (number, sha) = bench.open("feature").await;
    bench.nothing_ran("pr-1", &sha).await;
    bench.approve(number, &sha).await;
    assert!(bench.has(&sha).await);
    let environment = bench.runs_untrusted("pr-1", &sha).await;
    assert!(bench.output("pr-1").await.contains("base--"), "the seed is the base's and knows no secret");
    let approval = environment.approval.unwrap();
    assert_eq!((approval.commit, approval.by.as_str()), (sha.clone(), ALICE));
    let audit = Audit::list(bench.bot.bot().store(), 10).await.unwrap();
    let line = audit.iter().find(|line| line.action == "approve").unwrap();
    assert_eq!((line.actor.as_deref(), line.commit.as_ref(), line.allowed), (Some(ALICE), Some(&sha), true));

    // What is done with it later is no more trusted.
    bench.says_and_is_told(ALICE, number, "/preview reset db", "rocket").await;
    bench.runs_untrusted("pr-1", &sha).await;
    bench.says_and_is_told(ALICE, number, "/preview rebuild", "rocket").await;
    bench.runs_untrusted("pr-1", &sha).await;
    bench.says_and_is_told(ALICE, number, "/preview destroy", "rocket").await;
    bench.gone("pr-1").await;
    bench.says_and_is_told(ALICE, number, "/preview deploy", "rocket").await;
    bench.runs_untrusted("pr-1", &sha).await;
    bench.bot.github.people().close(REPO, number, ALICE).await.unwrap();
    bench.gone("pr-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_takes_the_approval_back_and_the_preview_down() {
    let bench = Bench::new().await;
    let (number, sha) = bench.open("feature").await;
    bench.was_shown(number, &sha).await;
    bench.says_and_is_told(ALICE, number, "/preview approve", "rocket").await;
    bench.bot.check_ended(number, &sha, "success").await;
    bench.runs_untrusted("pr-1", &sha).await;
    let pushed = bench.bot.push(number, "feature", &[("more", Some("more"))]).await;
    bench.waits(number, &pushed).await;
    bench.gone("pr-1").await;
    assert!(!bench.has(&pushed).await);
    assert_eq!(bench.bot.environment("pr-1").await.approval, None);
    // Neither the old commit nor an order that names none brings it up.
    bench.says_and_is_told(ALICE, number, &format!("/preview approve {sha}"), "confused").await;
    bench.says_and_is_told(ALICE, number, "/preview deploy", "confused").await;
    bench.nothing_ran("pr-1", &pushed).await;
    bench.approve(number, &pushed).await;
    bench.runs_untrusted("pr-1", &pushed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_somebody_with_write_approves_and_only_a_commit_of_the_change() {
    let bench = Bench::new().await;
    let (number, sha) = bench.open("feature").await;
    bench.bot.github.set_permission(REPO, "tom", "triage").unwrap();
    for (login, text, reaction) in [
        (MALLORY, format!("/preview approve {sha}"), "-1"),
        ("tom", format!("/preview approve {sha}"), "-1"),
        (ALICE, format!("/preview approve {}", "a".repeat(40)), "confused"),
        (ALICE, "/preview approve 1234567".to_owned(), "confused"),
        (ALICE, "/preview approve main".to_owned(), "confused"),
    ] {
        bench.says_and_is_told(login, number, &text, reaction).await;
        bench.nothing_ran("pr-1", &sha).await;
    }
    let (edited, _) = bench.bot.github.people_unheard().comment(REPO, number, ALICE, "hello").await.unwrap();
    bench.bot.github.people().edit_comment(REPO, edited, &format!("/preview approve {sha}")).await.unwrap();
    bench.nothing_ran("pr-1", &sha).await;
    let denials = Audit::list(bench.bot.bot().store(), 20).await.unwrap();
    assert_eq!(denials.iter().filter(|line| line.action == "approve" && !line.allowed).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_of_the_repository_by_an_outsider_waits_and_runs_as_a_stranger_does() {
    let bench = Bench::new().await;
    bench.bot.github.set_permission(REPO, "bob", "triage").unwrap();
    let sha = bench.bot.repository.commit("feature", STRANGE);
    let new = NewPull::new("bob", "feature");
    let (number, _) = bench.bot.github.people().open_pull(REPO, new).await.unwrap();
    bench.waits(number, &sha).await;
    bench.nothing_ran("pr-1", &sha).await;
    bench.approve(number, &sha).await;
    bench.runs_untrusted("pr-1", &sha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_configuration_of_a_repository_does_not_come_from_a_stranger() {
    let bench = Bench::new().await;
    bench.bot.repository.commit("main", &[("previewctl.yaml", None)]);
    let sha = bench.bot.repository.commit("feature", STRANGE);
    let mut new = NewPull::new(MALLORY, "feature");
    new.head_repository = Some(FORK.to_owned());
    let (number, _) = bench.bot.github.people().open_pull(REPO, new).await.unwrap();
    bench.says_and_is_told(ALICE, number, &format!("/preview approve {sha}"), "confused").await;
    bench.bot.idle().await;
    assert!(!bench.has(&sha).await);
    bench.no_evil().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_change_whose_fork_was_deleted_still_runs_that_one_commit() {
    let bench = Bench::new().await;
    let (number, sha) = bench.open("feature").await;
    bench.bot.github.delete_repository(FORK).unwrap();
    bench.approve(number, &sha).await;
    bench.runs_untrusted("pr-1", &sha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_base_takes_the_approval_back() {
    let bench = Bench::new().await;
    bench.bot.repository.commit("release", &[]);
    let (number, sha) = bench.open("feature").await;
    bench.approve(number, &sha).await;
    let changes = json!({ "changes": { "base": { "ref": { "from": "main" }, "sha": { "from": sha } } } });
    let people = bench.bot.github.people();
    people
        .change(REPO, number, (MALLORY, "edited", changes), |pull| "release".clone_into(&mut pull.base_branch))
        .await
        .unwrap();
    bench.waits(number, &sha).await;
    bench.gone("pr-1").await;
    assert_eq!(bench.bot.environment("pr-1").await.approval, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_the_operator_trusts_runs_like_the_team() {
    let bench = Bench::with(json!({ "trusted_bots": ["renovate[bot]"] })).await;
    for (branch, login, trusted) in [("one", "renovate[bot]", true), ("two", "other[bot]", false)] {
        bench.bot.github.set_permission(REPO, login, "write").unwrap();
        let sha = bench.bot.repository.commit(branch, &[("page", Some("of a bot\n"))]);
        let new = NewPull::new(login, branch);
        let (number, _) = bench.bot.github.people().open_pull(REPO, new).await.unwrap();
        if trusted {
            bench.bot.check_ended(number, &sha, "success").await;
            let environment = bench.bot.environment("pr-1").await;
            assert_eq!(
                (environment.host.as_deref(), environment.life_trust),
                (Some("local"), Some(Trust::Trusted))
            );
        } else {
            bench.waits(number, &sha).await;
            bench.nothing_ran("pr-2", &sha).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_trust_is_another_life_in_another_place() {
    let bench = Bench::new().await;
    bench.bot.github.set_permission(REPO, "bob", "read").unwrap();
    let sha = bench.bot.repository.commit("feature", &[("page", Some("strange\n"))]);
    let new = NewPull::new("bob", "feature");
    let (number, _) = bench.bot.github.people().open_pull(REPO, new).await.unwrap();
    bench.waits(number, &sha).await;
    bench.approve(number, &sha).await;
    let stranger = bench.runs_untrusted("pr-1", &sha).await;
    // The answer that bob may only read is known for a minute: somebody else's change asks for carol's right.
    bench.bot.github.set_permission(REPO, "carol", "write").unwrap();
    let people = bench.bot.github.people();
    let by_carol = |pull: &mut previewbot::demo::fake_github::FakePull| "carol".clone_into(&mut pull.author);
    people
        .change(REPO, number, ("carol", "edited", json!({ "changes": { "base": {} } })), by_carol)
        .await
        .unwrap();
    let looking = || async {
        let now = bench.bot.environment("pr-1").await;
        (now.life != stranger.life && now.published.as_ref() == Some(&sha)).then_some(now)
    };
    let own = eventually("a new life", String::new, looking).await;
    assert_eq!((own.host.as_deref(), own.life_trust), (Some("local"), Some(Trust::Trusted)));
    let out = std::fs::read_to_string(bench.bot.compute_root("pr-1").join("out")).unwrap();
    assert!(out.contains("correct-horse-battery"), "the team's own gets secrets: {out}");
    // And back: nothing of a stranger's may follow where that was.
    let by_bob = |pull: &mut previewbot::demo::fake_github::FakePull| "bob".clone_into(&mut pull.author);
    people.change(REPO, number, ("bob", "edited", json!({ "changes": { "base": {} } })), by_bob).await.unwrap();
    let looking = || async {
        let now = bench.bot.environment("pr-1").await;
        (now.life_trust == Some(Trust::Untrusted) && now.published.as_ref() == Some(&sha)).then_some(now.life)
    };
    let last = eventually("a stranger's life", String::new, looking).await;
    assert_ne!(last, own.life);
    bench.runs_untrusted("pr-1", &sha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_waits_for_a_sandbox_host_and_goes_nowhere_else() {
    let bench = Bench::new().await;
    let (number, sha) = bench.open("feature").await;
    bench.bot.bot().store().drain("vm-1", true).await.unwrap();
    let order = bench.bot.say(number, &format!("/preview approve {sha}")).await;
    bench.bot.reaction(number, order, "eyes").await;
    bench.bot.comment_with(number, "being drained").await;
    assert!(!bench.has(&sha).await);
    // Pushed unheard, while it waits: the worker asks again before anything is fetched.
    let pushed = bench.bot.repository.commit("feature", &[("more", Some("more"))]);
    bench.bot.github.people_unheard().push(REPO, number, None).await.unwrap();
    bench.bot.bot().store().drain("vm-1", false).await.unwrap();
    bench.bot.reaction(number, order, "confused").await;
    bench.waits(number, &pushed).await;
    bench.nothing_ran("pr-1", &sha).await;
    assert!(!bench.has(&pushed).await);
    let audit = Audit::list(bench.bot.bot().store(), 10).await.unwrap();
    let refused = audit.iter().find(|line| line.source == "worker").unwrap();
    assert_eq!((refused.commit.as_ref(), refused.allowed), (Some(&sha), false));
    assert!(refused.detail.contains("is no longer the newest commit"), "{}", refused.detail);
}
