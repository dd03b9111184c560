//! `previewbot demo --once`: the whole story, twice in a row.

use std::process::Stdio;

use tokio::process::Command;

const STEPS: [&str; 8] = [
    "start the bot",
    "open a pull request",
    "the bot comments",
    "the preview answers",
    "change the data",
    "push a commit",
    "comment `/preview reset db`",
    "merge the pull request",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_story_ends_well_twice_in_a_row_and_tells_every_step() {
    for _ in 0..2 {
        let played = Command::new(env!("CARGO_BIN_EXE_previewbot"))
            .args(["demo", "--once"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let told = String::from_utf8(played.stdout).unwrap();
        let errors = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "{told}\n{errors}");
        for step in STEPS {
            let line =
                told.lines().find(|line| line.contains(step)).unwrap_or_else(|| panic!("no {step}: {told}"));
            assert!(line.starts_with('✓') && line.ends_with(" s)") || line.ends_with(" ms)"), "{line}");
        }
        assert!(told.contains("done in"), "{told}");
    }
}
