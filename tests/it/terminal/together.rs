//! Several at once: other commands, signals, and deaths.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Person;

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_commands_cannot_trample_each_other() {
    let me = Person::new();
    let hold = me.home().join("hold");
    std::fs::write(&hold, "").unwrap();
    let first = me.begin(&["create", "a"], &[("HOLD", hold.to_str().unwrap())]);
    until("its hook runs", || me.home().join("hold.begun").exists());
    let (code, error) = me.refused(&["delete", "a"]);
    let pid = first.id().to_string();
    assert!(code == 5 && error.contains("`previewbot create`") && error.contains("wait for it"), "{error}");
    assert!(error.contains(&format!("(process {pid})")) || error.contains("[port]"), "{error}");
    assert!(me.told(&["list"]).contains("deploying"));
    // Another environment is not held up.
    me.told(&["create", "b"]);
    std::fs::remove_file(&hold).unwrap();
    assert!(first.wait_with_output().unwrap().status.success());
    me.told(&["delete", "a"]);
    me.told(&["delete", "b"]);
}

#[test]
fn an_interrupted_command_takes_its_hook_along_and_can_be_given_again() {
    let me = Person::new();
    let hold = me.home().join("hold");
    std::fs::write(&hold, "").unwrap();
    let first = me.begin(&["create", "a"], &[("HOLD", hold.to_str().unwrap())]);
    until("its hook runs", || me.home().join("hold.begun").exists());
    kill_process(Pid::from_raw(i32::try_from(first.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    let asked = Instant::now();
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(waiting_hooks(&hold), 0, "the hook is gone");
    std::fs::remove_file(&hold).unwrap();
    let told = me.told(&["create", "a"]);
    assert!(told.contains("[SKIP] seed_db") && told.contains("[OK] runner_before"), "{told}");
    me.told(&["delete", "a"]);
}

#[test]
fn a_killed_commands_work_is_taken_up_by_the_next() {
    let me = Person::new();
    let hold = me.home().join("hold");
    std::fs::write(&hold, "").unwrap();
    let mut first = me.begin(&["create", "a"], &[("HOLD", hold.to_str().unwrap())]);
    until("its hook runs", || me.home().join("hold.begun").exists());
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(waiting_hooks(&hold), 1, "the hook outlives the command");
    // Nobody has to wait for a lease: the process is known to be gone, and so is its hook before the next begins.
    let told = me.told(&["create", "a"]);
    assert!(told.contains("[SKIP] seed_db") && told.contains("[OK] runner_before"), "{told}");
    assert_eq!(waiting_hooks(&hold), 0);
    me.told(&["delete", "a"]);
}

#[test]
fn logs_follow_until_the_work_ends() {
    let me = Person::new();
    let hold = me.home().join("hold");
    std::fs::write(&hold, "").unwrap();
    let first = me.begin(&["create", "a"], &[("HOLD", hold.to_str().unwrap())]);
    until("its hook runs", || me.home().join("hold.begun").exists());
    let follower = me.begin(&["logs", "a", "--follow"], &[]);
    std::fs::remove_file(&hold).unwrap();
    assert!(first.wait_with_output().unwrap().status.success());
    let followed = follower.wait_with_output().unwrap();
    let text = String::from_utf8(followed.stdout).unwrap();
    assert!(text.contains("seed_db | seeding\nseed_db | URL=********\n"), "{text}");
    assert!(text.contains("runner_deploy | deploying with my own\n"), "{text}");
    me.told(&["delete", "a"]);
}

#[test]
fn logs_show_a_last_line_without_an_end_and_hide_values_where_the_hook_prints_outputs() {
    let me = Person::new();
    let config = std::fs::read_to_string(me.project().join("previewctl.yaml")).unwrap();
    let changed = config.replace("before: sh wait.sh", r"before: printf 'mode=plain\nhalf=a line'");
    std::fs::write(me.project().join("previewctl.yaml"), changed).unwrap();
    me.told(&["create", "a"]);
    let logs = |step: &str| me.told(&["logs", "a", "--step", step]);
    assert_eq!(logs("runner_before"), "runner_before | mode=plain\nrunner_before | half=a line");
    // What a former version kept does not tell which kind of hook it was.
    let lives = std::fs::read_dir(me.home().join("state/previewbot/previews/.previewbot")).unwrap();
    let record =
        lives.flatten().map(|life| life.path().join("runs/runner_before/record")).find(|path| path.exists());
    let (record, text) = record.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).unwrap();
    std::fs::write(&record, text.replace(",\"prints_values\":false", "")).unwrap();
    assert_eq!(logs("runner_before"), "runner_before | mode=********\nrunner_before | half=********");
    me.told(&["delete", "a"]);
}

/// Processes that wait for the file to go.
fn waiting_hooks(hold: &std::path::Path) -> usize {
    let wanted = format!("HOLD={}", hold.display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = entries.filter_map(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let is_hook = String::from_utf8_lossy(&command).contains("wait.sh");
        is_hook.then(|| std::fs::read(entry.path().join("environ")).ok()).flatten()
    });
    environments.filter(|text| text.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())).count()
}
