//! One person alone: from nothing to an environment and back to nothing.

use super::Person;

#[test]
fn an_environment_from_its_plan_to_its_end() {
    let me = Person::new();
    insta::assert_snapshot!("vet", me.told(&["vet"]));
    insta::assert_snapshot!("plan", me.told(&["create", "feat/a", "--dry-run"]));
    assert_eq!(me.told(&["list"]), "no previews; one is made when somebody opens a change in a project");
    insta::assert_snapshot!("create", me.told(&["create", "feat/a"]));
    let worktree = me.told(&["ssh", "feat/a", "--", "pwd"]);
    assert!(worktree.starts_with("~/state/previewbot/previews/shop/feat-a-"), "{worktree}");
    assert_eq!(me.git(&["branch", "--list", "feat/a", "--format=%(refname:short)"]).trim(), "feat/a");
    insta::assert_snapshot!("create_again", me.told(&["create", "feat/a"]));
    insta::assert_snapshot!("list", me.told(&["list"]));
    insta::assert_snapshot!("status", me.told(&["status", "feat/a"]));
    insta::assert_snapshot!("status_markdown", me.told(&["status", "feat/a", "--format", "markdown"]));
    insta::assert_snapshot!("steps", me.told(&["steps", "feat/a"]));
    insta::assert_snapshot!("steps_audit", me.told(&["steps", "feat/a", "--audit"]));
    insta::assert_snapshot!("logs", me.told(&["logs", "feat/a"]));
    insta::assert_snapshot!("delete", me.told(&["delete", "feat/a"]));
    assert_eq!(me.refused(&["steps", "feat/a"]).0, 4);
    assert!(me.told(&["list", "--all"]).contains("destroyed"));
    assert!(!me.project().join(".data/feat_a").exists(), "the data is gone");
    assert_eq!(me.told(&["clean"]), "nothing was left behind");
    assert_eq!(me.git(&["worktree", "list"]).lines().count(), 1);
    assert!(me.git(&["branch", "--list", "feat/a"]).contains("feat/a"), "the branch stays");
}

#[test]
fn a_change_runs_what_depends_on_it_and_seeds_stay() {
    let me = Person::new();
    me.told(&["create", "a"]);
    let config = std::fs::read_to_string(me.project().join("previewctl.yaml")).unwrap();
    let changed = config.replace("      NAME:", "      MORE: x\n      NAME:").replace("seeding", "seeding anew");
    std::fs::write(me.project().join("previewctl.yaml"), changed).unwrap();
    insta::assert_snapshot!("plan_after_a_change", me.told(&["create", "a", "--dry-run"]));
    let told = me.told(&["create", "a"]);
    assert!(told.contains("[SKIP] seed_db: changed since the data was made"), "{told}");
    assert!(told.contains("`previewbot core db reset -e a` brings the new one"), "{told}");
    let env = std::fs::read_to_string(me.worktree("a").join("web/.env.local")).unwrap();
    assert!(env.contains("MORE=x"), "{env}");
    me.told(&["delete", "a"]);
}

#[test]
fn services_that_nobody_may_start_or_stop_are_refused_and_nothing_is_held() {
    let me = Person::new();
    me.told(&["create", "a"]);
    for action in ["start", "stop", "restart"] {
        let (code, error) = me.refused(&["service", action, "web", "-e", "a"]);
        assert!(code == 1 && error.contains("runner.compose is not configured"), "{error}");
        let (code, error) = me.refused(&["infra", action, "-e", "a"]);
        assert!(code == 1 && error.contains("there is no infrastructure"), "{error}");
        assert_eq!(me.refused(&["service", action, "web", "-e", "b"]).0, 4);
    }
    me.told(&["delete", "a"]);
}

#[test]
fn a_fixed_port_belongs_to_one_environment() {
    let me = Person::new();
    let config = std::fs::read_to_string(me.project().join("previewctl.yaml")).unwrap();
    let config = config.replace("    path: web", "    path: web\n    port: 4717");
    std::fs::write(me.project().join("previewctl.yaml"), config).unwrap();
    me.told(&["create", "feat/a"]);
    let (code, error) = me.refused(&["create", "b"]);
    assert!(
        code == 1 && error.contains("`services.web.port` is fixed, belongs to environment `feat/a`"),
        "{error}"
    );
    me.told(&["create", "feat/a", "--no-cache"]);
    me.told(&["delete", "feat/a"]);
    me.told(&["create", "b"]);
    assert!(std::fs::read_to_string(me.worktree("b").join("web/.env.local")).unwrap().contains("PORT=4717"));
    me.told(&["delete", "b"]);
}

#[test]
fn single_steps_the_store_and_data() {
    let me = Person::new();
    me.told(&["create", "a"]);
    me.told(&["store", "set", "ZONE=b c", "-e", "a"]);
    assert_eq!(me.told(&["store", "get", "ZONE", "-e", "a"]), "b c");
    assert_eq!(me.refused(&["store", "get", "NONE", "-e", "a"]).0, 1);
    assert_eq!(me.told(&["store", "list", "--json", "-e", "a"]), "{\n  \"ZONE\": \"b c\"\n}");
    assert!(me.told(&["step", "generate_env", "--print", "-e", "a"]).contains("DB=file://db"));
    std::fs::write(me.worktree("a").join("web/.env.local"), "changed\n").unwrap();
    let difference = me.told(&["step", "generate_env", "--dry-run", "-e", "a"]);
    assert!(difference.contains("- changed") && difference.contains("+ DB=file://db"), "{difference}");
    me.told(&["step", "generate_env", "-e", "a"]);
    assert!(me.told(&["step", "generate_env", "--dry-run", "-e", "a"]).contains("no changes"));
    let (code, error) = me.refused(&["step", "generate_enf", "-e", "a"]);
    assert!(code == 1 && error.contains("generate_env"), "{error}");
    // What a reset prints anew reaches the env file and what runs with it.
    let mut reset = me.command(&["core", "db", "reset", "-e", "a"]);
    assert!(reset.env("DB_NAME", "other").output().unwrap().status.success());
    let env = std::fs::read_to_string(me.worktree("a").join("deployed")).unwrap();
    assert!(env.contains("DB=file://other"), "{env}");
    me.told(&["refresh", "a"]);
    me.told(&["delete", "a"]);
}

#[test]
fn a_worktree_of_ones_own_stays() {
    let me = Person::new();
    me.git(&["worktree", "add", "-q", "../mine", "-b", "mine"]);
    let told = me.told(&["create", "--worktree", "../mine"]);
    assert!(told.contains("mine is ready") && told.contains("~/mine"), "{told}");
    // From inside, no name is needed.
    let here = me.command(&["status", "--json"]).current_dir(me.home().join("mine")).output().unwrap();
    assert!(String::from_utf8_lossy(&here.stdout).contains("\"name\": \"mine\""), "{here:?}");
    me.told(&["delete", "mine"]);
    assert!(me.home().join("mine/previewctl.yaml").exists());
    assert!(!me.home().join("mine/web/.env.local").exists() && !me.home().join("mine/.previewctl.json").exists());
}

#[test]
fn what_is_wrong_is_told_with_a_code_of_its_own() {
    let me = Person::new();
    let (code, error) = me.refused(&["delete", "nobody"]);
    assert!(code == 4 && error.contains("`previewbot create nobody` makes it"), "{error}");
    let (code, error) = me.refused(&["delete"]);
    assert!(code == 2 && error.contains("name the environment"), "{error}");
    let (code, error) = me.refused(&["create", "a", "--branch=-x y"]);
    assert!(code == 1 && error.contains("no name that git takes"), "{error}");
    me.told(&["create", "x/y"]);
    let (code, error) = me.refused(&["create", "x_y"]);
    assert!(code == 1 && error.contains("would share one compose project"), "{error}");
    me.told(&["delete", "x/y"]);
    let (code, error) = me.refused(&["create", "a", "--from", "nothing"]);
    assert!(code == 1 && error.contains("unknown step `nothing`"), "{error}");
    std::fs::write(me.project().join("previewctl.yaml"), "version: 1\nnam: shop\n").unwrap();
    let (code, error) = me.refused(&["create", "a"]);
    assert_eq!(code, 3);
    assert!(error.contains("previewctl.yaml:2:1") && error.contains("name"), "{error}");
    let elsewhere = me.command(&["create", "a"]).current_dir(me.home()).output().unwrap();
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("name it with -C"), "{elsewhere:?}");
}

#[test]
fn changes_that_are_not_committed_are_not_lost() {
    let me = Person::new();
    me.told(&["create", "a"]);
    std::fs::write(me.worktree("a").join("wait.sh"), "# mine\n").unwrap();
    let (code, error) = me.refused(&["delete", "a"]);
    assert!(code == 5 && error.contains("wait.sh") && error.contains("--force"), "{error}");
    assert!(me.worktree("a").exists() && me.project().join(".data/a").exists(), "nothing was begun");
    me.told(&["delete", "a", "--force"]);
    assert!(!me.worktree("a").exists());
}

#[test]
fn files_with_secrets_are_private_and_git_ignores_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let me = Person::new();
    me.told(&["create", "a"]);
    for file in [".previewctl.json", "web/.env.local"] {
        let mode = me.worktree("a").join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let seen = me.told(&["ssh", "a", "--", "git", "status", "--porcelain"]);
    assert_eq!(seen, "?? deployed", "only what a hook made");
    let database = me.home().join("state/previewbot/previewbot.db").metadata().unwrap().permissions().mode();
    assert_eq!(database & 0o777, 0o600);
    me.told(&["delete", "a"]);
}

#[test]
fn groups_and_annotations_on_github_actions() {
    let me = Person::new();
    let output = me.command(&["create", "a"]).env("GITHUB_ACTIONS", "true").output().unwrap();
    let text = me.settled(&String::from_utf8(output.stderr).unwrap());
    assert!(text.contains("::group::seed_db\nseeding\nURL=********\n::endgroup::\n[OK] seed_db"), "{text}");
    std::fs::write(me.worktree("a").join("wait.sh"), "exit 3\n").unwrap();
    let mut failing = me.command(&["create", "a", "--no-cache", "--from", "runner_before"]);
    let output = failing.env("GITHUB_ACTIONS", "true").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("::error title=previewbot%3A runner_before failed::"), "{text}");
    assert!(me.told(&["list"]).contains("failed"));
    me.told(&["delete", "a", "--force"]);
}

#[test]
fn completions_and_manual_pages() {
    let me = Person::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(me.told(&["completions", shell]).contains("previewbot"), "{shell}");
    }
    me.told(&["man", "pages"]);
    for page in ["previewbot.1", "previewbot-create.1", "previewbot-infra-status.1"] {
        assert!(me.project().join("pages").join(page).exists(), "{page}");
    }
}

/// What was provisioned on one machine runs on another from its manifest alone.
#[test]
fn a_manifest_runs_without_anything_stored() {
    let me = Person::new();
    let told = me.told(&["run", "provision", "a"]);
    assert!(told.contains("a is provisioned in ~/state/previewbot/previews/shop/a"), "{told}");
    assert!(me.told(&["list"]).contains("stopped"));
    let there = me.home().join("there");
    std::fs::rename(me.worktree("a"), &there).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = me.command(&[&["run", "runner"], arguments].concat());
        let output = command.current_dir(&there).env("XDG_STATE_HOME", me.home().join("other")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("[OK] runner_before") && text.contains("[OK] runner_deploy"), "{text}");
    assert!(std::fs::read_to_string(there.join("deployed")).unwrap().contains("DB=file://db"));
    let (code, text) = run(&["--from", "runner_deploy"]);
    assert!(code == Some(0) && !text.contains("generate_env"), "{text}");
    std::fs::write(there.join(".previewctl.json"), "{").unwrap();
    assert_eq!(run(&[]).0, Some(1));
}

#[test]
fn a_project_whose_hook_makes_machines_is_refused_before_the_hook_runs() {
    let me = Person::new();
    let file = me.project().join("previewctl.yaml");
    let config = std::fs::read_to_string(&file).unwrap();
    let hooks = "provisioner:\n  compute: { create: touch made, destroy: 'true' }\n";
    std::fs::write(&file, config.replace("provisioner:\n", hooks)).unwrap();
    let (_, error) = me.refused(&["create", "a"]);
    assert!(error.contains("provisioner.compute.create") && error.contains("--worktree"), "{error}");
    assert!(!me.project().join("made").exists());
}
