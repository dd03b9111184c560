//! Environments move from and to the Go tool.

use super::Person;

#[test]
fn environments_go_to_the_go_tool_and_come_back() {
    let me = Person::new();
    me.told(&["create", "a"]);
    me.told(&["store", "set", "K=v", "-e", "a"]);
    me.told(&["export"]);
    let file = me.home().join(".cache/previewctl/shop/state.json");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.starts_with("{\n  \"version\": 1,\n  \"environments\": {\n    \"a\": {"), "{first}");
    let (code, error) = me.refused(&["export"]);
    assert!(code == 1 && error.contains("has a already") && error.contains("--force"), "{error}");
    let (code, error) = me.refused(&["import"]);
    assert!(code == 1 && error.contains("a is known already"), "{error}");
    // Another state folder: as on a machine that has only known the Go tool.
    let other = me.home().join("other");
    let there = |arguments: &[&str]| {
        let output = me.command(arguments).env("XDG_STATE_HOME", &other).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    };
    assert!(there(&["import", "--dry-run"]).contains("a would be taken over"));
    assert!(there(&["import"]).contains("a is taken over"));
    assert_eq!(there(&["export", "-"]), first, "byte for byte");
    let told = there(&["create", "a"]);
    assert!(told.contains("[SKIP] seed_db") && told.contains("[SKIP] create_compute"), "{told}");
    assert_eq!(there(&["store", "get", "K", "-e", "a"]), "v\n");
    there(&["delete", "a"]);
    assert!(!me.worktree("a").exists());
}

#[test]
fn a_state_file_that_cannot_be_read_changes_nothing() {
    let me = Person::new();
    for (text, says) in [("{", "does not parse"), ("{\"version\": 7}", "version 7"), ("[]", "does not parse")] {
        std::fs::write(me.project().join("state.json"), text).unwrap();
        let (code, error) = me.refused(&["import", "state.json"]);
        assert!(code == 1 && error.contains(says), "{text}: {error}");
    }
    assert!(me.told(&["list", "--all"]).starts_with("no previews"));
}
