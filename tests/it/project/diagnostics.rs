//! What `vet` prints for each project in `fixtures/project/diagnostics`.

use std::path::Path;

use previewbot::domain::project::load::{LoadError, Request, load};
use previewbot::inbound::cli::vet::{Form, Options, Verdict, run};
use previewbot::outbound::project_folder::ProjectFolder;

async fn vetted(project: &str, options: Options) -> (Verdict, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/project/diagnostics").join(project);
    let folder = ProjectFolder::at(root);
    let request = Request { mode: "local", root: "/project", secrets: None };
    let mut out = Vec::new();
    let verdict = run(&request, (&folder, &folder), options, &mut out).await.unwrap();
    (verdict, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn each_project_is_told_what_is_wrong_with_it() {
    for project in ["everything", "names", "overlay", "compose", "syntax", "empty", "warnings", "fine"] {
        let (verdict, text) = vetted(project, Options::default()).await;
        assert_eq!(verdict == Verdict::Passed, matches!(project, "warnings" | "fine"), "{project}: {text}");
        insta::assert_snapshot!(format!("vet_{project}"), text);
    }
}

#[tokio::test]
async fn machines_are_told_the_same() {
    let (_, json) = vetted("overlay", Options { form: Form::Json, ..Options::default() }).await;
    insta::assert_snapshot!("vet_overlay_json", json);
    let (_, lines) = vetted("overlay", Options { form: Form::Annotated, ..Options::default() }).await;
    let lines: Vec<&str> = lines.lines().filter(|line| line.starts_with("::")).collect();
    insta::assert_snapshot!("vet_overlay_annotations", lines.join("\n"));
}

#[tokio::test]
async fn warnings_fail_only_when_asked_strictly() {
    let strict = Options { strict: true, ..Options::default() };
    let (verdict, text) = vetted("warnings", strict).await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(text.trim_end().ends_with("✗ previewctl.yaml: 4 warnings"), "{text}");
    assert_eq!(vetted("fine", strict).await.0, Verdict::Passed);
}

#[tokio::test]
async fn colours_are_asked_for() {
    let (_, text) = vetted("syntax", Options { colour: true, ..Options::default() }).await;
    assert!(text.contains("\u{1b}["), "{text:?}");
}

#[tokio::test]
async fn the_modes_name_is_checked_before_it_is_part_of_a_file_name() {
    let folder =
        ProjectFolder::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/project/diagnostics/fine"));
    let request = Request { mode: "../x", root: "/project", secrets: None };
    let Err(LoadError::Refused(refused)) = load(&request, &folder, &folder).await else { panic!("taken") };
    let kinds: Vec<&str> = refused.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, ["invalid_mode"]);
}

fn vet(project: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_previewbot"))
        .arg("vet")
        .args(arguments)
        .current_dir(project)
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_command_finds_the_project_upwards_and_says_by_its_exit_code_whether_it_passed() {
    let projects = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/project/diagnostics");
    let (code, text) = vet(&projects.join("fine/web"), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("✓ previewctl.yaml: 1 service, 1 infrastructure service"), "{text}");
    let (code, text) = vet(&projects, &["--json", "overlay"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["errors"]), (Some(3), &serde_json::json!(5)));
    assert_eq!(vet(&projects, &["overlay", "--mode", "other"]).0, Some(0), "no overlay, no problem");
    assert_eq!(vet(&projects, &["warnings"]).0, Some(0));
    assert_eq!(vet(&projects, &["warnings", "--strict"]).0, Some(3));
    assert_eq!(vet(&projects, &["nowhere"]).0, Some(1));
}
