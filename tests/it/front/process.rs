//! The real process: it serves from a settings file, and a crash at any point costs nothing but time.

use previewbot::demo::fake_github::{Fault, FaultKind};
use previewbot::domain::job::JobState;

use crate::support::bot::{REPO, Setup, deploy_only, get};
use crate::support::process::Served;

/// A hook that says when it begins, waits for the mark `gate`, and says when it ends.
pub(super) fn gated(log: &str, marks: &str) -> String {
    format!(
        "echo begun >>{marks}/{log}; until [ -e {marks}/gate ]; do sleep 0.02; done; echo ended >>{marks}/{log}"
    )
}

/// A repository that holds only this `previewctl.yaml`, made once the folder for marks is known.
pub(super) async fn with_config(settings: &str, config: impl FnOnce(&str) -> String) -> Served {
    let served = Served::prepare(Setup::default(), settings).await;
    let config = config(served.path("marks").to_str().unwrap());
    served.world.repository.commit("main", &[("previewctl.yaml", Some(&config))]);
    served
}

/// Closes it and looks at what the machine still holds.
pub(super) async fn close(served: &Served, number: u64) {
    served.world.github.people().close(REPO, number, "alice").await.unwrap();
    served.idle().await;
    served.assert_nothing_left();
}

/// The same, and what the forge shows in the end.
async fn close_and_tell(served: &Served, number: u64) {
    close(served, number).await;
    served.world.comment_with(number, "destroyed").await;
    served.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_with_a_settings_file_plays_open_ready_close() {
    let served = Served::start().await;
    let (number, sha) = served.world.open("feature", &[("web/index.html", Some("<h1>Real</h1>"))]).await;
    served.world.check_ended(number, &sha, "success").await;
    let environment = served.environments().await.remove(0);
    let url = environment.urls[0].1.clone();
    assert!(get(&url).await.unwrap().1.contains("<h1>Real</h1>"));
    close_and_tell(&served, number).await;
    assert!(get(&url).await.is_none(), "the port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_deploy_it_finishes_after_the_restart_and_the_hook_ran_once() {
    let mut served = with_config("", |marks| deploy_only(&gated("deploy", marks))).await;
    served.serve().await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("deploy", "begun").await;
    served.kill();
    assert!(!served.hook_processes().is_empty(), "the hook outlives the bot");
    served.serve().await;
    served.until_logged("adopting the run").await;
    std::fs::write(served.mark("gate"), "").unwrap();
    served.world.check_ended(number, &sha, "success").await;
    served.world.comment_with(number, "Preview ready").await;
    assert_eq!(served.marked("deploy"), "begun\nended\n", "the hook ran exactly once");
    let github = &served.world.github;
    assert_eq!(github.bot_comments(REPO, number).len(), 1, "one comment");
    assert_eq!(github.checks(REPO, sha.as_str()).len(), 1, "one check");
    assert_eq!(github.deployments(REPO, "preview/pr-1").len(), 1, "one deployment");
    close_and_tell(&served, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_ended_while_the_bot_was_down_does_not_run_again() {
    let mut served = with_config("", |marks| deploy_only(&gated("deploy", marks))).await;
    served.serve().await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("deploy", "begun").await;
    served.kill();
    std::fs::write(served.mark("gate"), "").unwrap();
    served.until_marked("deploy", "ended").await;
    served.serve().await;
    served.runs(&sha).await;
    assert_eq!(served.marked("deploy"), "begun\nended\n", "the hook ran exactly once");
    close(&served, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_a_crash_of_the_machine_cut_off_is_destroyed_and_seeded_anew() {
    let mut served = with_config("", |marks| {
        format!(
            "version: 1\nname: shop\nprovisioner:\n  services:\n    db:\n      outputs: [DB]\n\
             \x20     seed: \"echo seed $PREVIEWCTL_OPERATION_ID >>{marks}/seeds; until [ -e {marks}/gate ]; do \
             sleep 0.02; done; echo DB=x\"\n\
             \x20     destroy: \"echo destroy >>{marks}/seeds\"\nrunner:\n  deploy: \"true\"\n"
        )
    })
    .await;
    served.serve().await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("seeds", "seed ").await;
    served.kill();
    served.kill_hooks();
    let seeded = served.marked("seeds");
    std::fs::write(served.mark("gate"), "").unwrap();
    served.serve().await;
    served.runs(&sha).await;
    assert_eq!(served.marked("seeds"), format!("{seeded}destroy\n{seeded}"), "the same operation, done anew");
    close(&served, number).await;
    assert_eq!(served.marked("seeds"), format!("{seeded}destroy\n{seeded}destroy\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_right_after_the_acknowledgement_nothing_is_lost() {
    let mut served = with_config("", |_| deploy_only("true")).await;
    served.serve().await;
    // The assessment cannot get anywhere before the kill: the forge does not answer.
    served.world.github.inject(Fault::new(FaultKind::Hang).on("GET", "*").times(1000));
    served.world.github.inject(Fault::new(FaultKind::Hang).on("POST", "*").times(1000));
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.kill();
    served.world.github.clear_faults();
    assert!(served.jobs().await.iter().any(|job| !job.state.is_terminal()), "its assessment waits");
    assert_eq!(served.environments().await, []);
    served.serve().await;
    served.runs(&sha).await;
    let deploys = served.jobs().await.into_iter().filter(|job| job.work.kind() == "deploy");
    assert_eq!(deploys.map(|job| job.state).collect::<Vec<_>>(), [JobState::Succeeded]);
    close(&served, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_the_bot_dies_over_three_times_is_told_and_tried_again_only_when_asked() {
    let mut served = with_config("", |marks| deploy_only(&gated("deploy", marks))).await;
    served.serve().await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.until_marked("deploy", "begun").await;
    for _ in 0..2 {
        served.kill();
        served.serve().await;
        served.until_logged("adopting the run").await;
    }
    served.kill();
    served.serve().await;
    served.world.check_ended(number, &sha, "failure").await;
    served.world.comment_with(number, "died 3 times").await;
    assert!(served.jobs().await.iter().any(|job| job.state == JobState::Dead));
    std::fs::write(served.mark("gate"), "").unwrap();
    served.world.say(number, "/preview deploy").await;
    served.world.comment_with(number, "Preview ready").await;
    assert_eq!(served.marked("deploy"), "begun\nended\n", "the hook ran exactly once");
    close(&served, number).await;
}
