//! Files that are not what they should be, read from a real folder.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use previewbot::domain::project::load::{LoadError, Request, load};
use previewbot::outbound::project_folder::ProjectFolder;
use tempfile::TempDir;

const GOOD: &str = "version: 1\nname: shop\n";

fn project(text: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("previewctl.yaml"), text).unwrap();
    folder
}

/// All problems, one line each.
async fn told(root: &Path) -> Vec<String> {
    let folder = ProjectFolder::at(root);
    let request = Request { mode: "local", root: "/project", secrets: None };
    match load(&request, &folder, &folder).await {
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect(),
        Err(LoadError::Refused(refused)) => refused.problems.iter().map(ToString::to_string).collect(),
        Err(LoadError::Port(error)) => panic!("{error}"),
    }
}

async fn is_told_only(root: &Path, says: &str) {
    let started = Instant::now();
    let problems = told(root).await;
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(says), "{problems:?}");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told_with_their_place() {
    let folder = project(b"version: 1\nname: a\xff\n");
    is_told_only(folder.path(), "previewctl.yaml:2:8: the file is not UTF-8 text: byte 0xff at offset 18").await;
}

#[tokio::test]
async fn a_file_of_fifty_megabytes_is_refused_unread() {
    let folder = project(GOOD);
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("previewctl.yaml")).unwrap();
    file.set_len(50 * 1024 * 1024).unwrap();
    is_told_only(folder.path(), "it has 52428800 bytes; at most 1048576 are read").await;
}

#[tokio::test]
async fn bombs_are_refused_in_bounded_time() {
    let nested = format!("{GOOD}x-deep: {}", "[".repeat(200_000));
    is_told_only(project(nested).path(), "recursion limit exceeded").await;
    let key = format!("{GOOD}? {}\n: 1\n", "k".repeat(900_000));
    is_told_only(project(key).path(), "unknown key `kkk").await;
    let mut wide = format!("{GOOD}x-env: &env\n");
    (0..3_000).for_each(|at| writeln!(wide, "  K{at}: v").unwrap());
    wide.push_str("services:\n");
    (0..3_000).for_each(|at| writeln!(wide, "  s{at}: {{path: ., env: *env}}").unwrap());
    is_told_only(project(wide).path(), "too large once its aliases are followed").await;
}

#[tokio::test]
async fn a_flood_of_mistakes_is_told_in_part() {
    let mut text = String::from(GOOD);
    text.push_str("services:\n");
    (0..5_000).for_each(|at| writeln!(text, "  service{at}: {{path: ., depends_on: [servise{at}]}}").unwrap());
    let started = Instant::now();
    let problems = told(project(text).path()).await;
    assert_eq!(problems.len(), 500);
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
}

#[tokio::test]
async fn what_is_no_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("previewctl.yaml");
    is_told_only(folder.path(), "the file does not exist in ").await;
    std::fs::create_dir(&file).unwrap();
    is_told_only(folder.path(), "it is a folder, not a file").await;
    std::fs::remove_dir(&file).unwrap();
    symlink("previewctl.yaml", &file).unwrap();
    is_told_only(folder.path(), "its links lead in a circle").await;
    std::fs::remove_file(&file).unwrap();
    symlink("/etc/hostname", &file).unwrap();
    is_told_only(folder.path(), "it is a link that leaves the project").await;
    std::fs::remove_file(&file).unwrap();
    symlink("nowhere.yaml", &file).unwrap();
    is_told_only(folder.path(), "it is a link to a file that does not exist").await;
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    is_told_only(folder.path(), "it is no regular file").await;
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_told() {
    let folder = project(GOOD);
    let file = folder.path().join("previewctl.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads everything.
    let readable = std::fs::read(&file).is_ok();
    let problems = told(folder.path()).await;
    let refused = problems.iter().any(|problem| problem.contains("permission denied"));
    assert_eq!(refused, !readable, "{problems:?}");
}

#[tokio::test]
async fn the_other_files_are_held_to_the_same() {
    let folder = project(format!("{GOOD}infrastructure: {{compose_file: c.yaml}}\n"));
    std::fs::write(folder.path().join("previewctl.local.yaml"), b"\xfe").unwrap();
    std::fs::create_dir(folder.path().join("c.yaml")).unwrap();
    let problems = told(folder.path()).await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems.iter().any(|p| p.starts_with("previewctl.local.yaml:1:1: the file is not UTF-8")),
        "{problems:?}"
    );
    assert!(problems.iter().any(|p| p.starts_with("c.yaml: it is a folder")), "{problems:?}");
}

#[tokio::test]
async fn links_within_the_project_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("real.yaml"), GOOD).unwrap();
    symlink("real.yaml", folder.path().join("previewctl.yaml")).unwrap();
    assert!(told(folder.path()).await.is_empty());
}

#[test]
fn the_project_root_is_found_upwards() {
    let folder = project(GOOD);
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let found = ProjectFolder::find(&below).unwrap();
    assert_eq!(found.root(), folder.path().canonicalize().unwrap());
    let nowhere = tempfile::tempdir().unwrap();
    let error = ProjectFolder::find(nowhere.path()).unwrap_err().to_string();
    assert!(error.contains("previewctl.yaml") && error.contains("folder above"), "{error}");
}
