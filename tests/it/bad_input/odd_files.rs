//! Odd things where a file is expected, and values of odd size.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use previewbot::domain::manifest::{Manifest, ManifestService};
use previewbot::domain::ports::{ComputeAccess, HookRunner};
use previewbot::domain::render::env_file;
use previewbot::outbound::access::LocalAccess;
use rustix::fs::{CWD, FileType, Mode};
use tokio_util::sync::CancellationToken;

use crate::local::bench::Bench;
use crate::support::env_readers::sourced;

async fn access(bench: &Bench) -> LocalAccess {
    let root = bench.path("root");
    std::fs::create_dir_all(&root).unwrap();
    LocalAccess::new(root, Arc::new(bench.runner(1).await) as Arc<dyn HookRunner>, None)
}

#[tokio::test]
async fn a_pipe_holds_nobody_up_and_is_replaced_by_a_file() {
    let bench = Bench::new();
    let access = access(&bench).await;
    let pipe = bench.path("root/.env");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let error = access.read_file(".env").await.unwrap_err();
    assert!(error.chain().contains("no regular file"), "{}", error.chain());
    assert!(access.write_file(".env/inner", Some(b"x"), 0o600).await.is_err(), "a pipe is no folder");
    access.write_file(".env", Some(b"A=1"), 0o600).await.unwrap();
    assert_eq!(std::fs::read(&pipe).unwrap(), b"A=1");
}

#[tokio::test]
async fn links_in_a_circle_are_told_and_replaced() {
    let bench = Bench::new();
    let access = access(&bench).await;
    symlink("b", bench.path("root/a")).unwrap();
    symlink("a", bench.path("root/b")).unwrap();
    for path in ["a", "a/file"] {
        let error = access.read_file(path).await.unwrap_err();
        assert!(error.chain().contains("links"), "{}", error.chain());
    }
    let error = access.write_file("a/file", Some(b"x"), 0o600).await.unwrap_err();
    assert!(error.chain().contains("links"), "{}", error.chain());
    access.write_file("a", Some(b"x"), 0o600).await.unwrap();
    assert_eq!(access.read_file("b").await.unwrap().unwrap(), b"x", "the other link leads to the file now");
}

#[tokio::test]
async fn folders_and_files_in_each_others_place_are_told_and_stay() {
    let bench = Bench::new();
    let access = access(&bench).await;
    std::fs::create_dir_all(bench.path("root/.env/kept")).unwrap();
    std::fs::write(bench.path("root/file"), "kept").unwrap();
    assert!(access.read_file(".env").await.is_err());
    for data in [Some(b"x".as_slice()), None] {
        let error = access.write_file(".env", data, 0o600).await.unwrap_err();
        assert!(error.chain().contains(".env"), "{}", error.chain());
        let error = access.write_file("file/inner", data, 0o600).await.unwrap_err();
        assert!(error.chain().contains("file/inner"), "{}", error.chain());
    }
    assert!(bench.path("root/.env/kept").is_dir());
    assert_eq!(std::fs::read_to_string(bench.path("root/file")).unwrap(), "kept");
    assert_eq!(access.read_file("file/inner").await.unwrap(), None);
    assert_eq!(std::fs::read_dir(bench.path("root")).unwrap().count(), 2, "nothing temporary is left");
}

#[tokio::test]
async fn a_file_that_is_read_only_is_replaced_and_stays_so() {
    let bench = Bench::new();
    let access = access(&bench).await;
    let file = bench.path("root/.env");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    access.write_file(".env", Some(b"new"), 0o600).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
}

/// 100 KB of what is hard to quote.
fn large() -> String {
    "it's \"100\" KB \\ of `$x` & <é>\n".repeat(3_300)
}

#[tokio::test]
async fn large_values_come_back_from_manifest_and_env_file() {
    let bench = Bench::new();
    let access = access(&bench).await;
    let env = BTreeMap::from([("A".to_owned(), large()), ("B".to_owned(), "x".repeat(100_000))]);
    let service = ManifestService { path: "web".to_owned(), env_file: ".env".to_owned(), env: Some(env.clone()) };
    let manifest = Manifest { services: BTreeMap::from([("web".to_owned(), service)]), ..Manifest::default() };
    access.write_file(".previewctl.json", Some(manifest.to_text().as_bytes()), 0o600).await.unwrap();
    let read = access.read_file(".previewctl.json").await.unwrap().unwrap();
    assert_eq!(Manifest::from_bytes(&read).unwrap(), manifest);
    access.write_file("web/.env", Some(env_file::render(&env).as_bytes()), 0o600).await.unwrap();
    // As exported variables they would be too large for any program.
    let script =
        format!("set -e; . {}; printf %s \"$A\" >a; printf %s \"$B\" >b", bench.path("root/web/.env").display());
    assert!(bench.run(&script).await.unwrap().succeeded());
    assert_eq!(std::fs::read_to_string(bench.path("a")).unwrap(), large());
    assert_eq!(std::fs::read_to_string(bench.path("b")).unwrap().len(), 100_000);
    access
        .write_file(
            "small/.env",
            Some(env_file::render(&BTreeMap::from([("C".to_owned(), "x".repeat(100_000))])).as_bytes()),
            0o600,
        )
        .await
        .unwrap();
    assert_eq!(sourced(&bench.path("root/small/.env"))["C"].len(), 100_000);
}

#[tokio::test]
async fn a_variable_that_no_program_can_take_fails_its_step_by_name() {
    let bench = Bench::new();
    let runner = bench.runner(1).await;
    let mut hook = bench.hook("seed_db", "echo \"L=${#LARGE}\"");
    hook.environment.insert("LARGE".to_owned(), "x".repeat(100_000));
    let outcome = runner.run(&hook, &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.stdout, "L=100000\n");
    hook.environment.insert("LARGE".to_owned(), "x".repeat(200_000));
    let error = runner.run(&hook, &CancellationToken::new()).await.unwrap_err();
    assert!(error.chain().contains("seed_db") && error.chain().contains("too long"), "{}", error.chain());
    // The life is usable as before.
    hook.environment.remove("LARGE");
    assert!(runner.run(&hook, &CancellationToken::new()).await.unwrap().succeeded());
}
