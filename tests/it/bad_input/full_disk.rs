//! Writing where there is no room: the old content or the new, never half of it.

use std::path::PathBuf;
use std::sync::Arc;

use previewbot::domain::ports::{ComputeAccess, HookRunner};
use previewbot::outbound::access::LocalAccess;

use crate::local::bench::Bench;
use crate::support::small_disk::SmallDisk;

/// What the Manager writes into an environment's folder.
const FILES: [&str; 2] = [".previewctl.json", "apps/web/.env.local"];

struct Full {
    disk: SmallDisk,
    access: LocalAccess,
    root: PathBuf,
    // Goes last: the disk is mounted in it.
    _bench: Bench,
}

/// A folder on a disk of 256 KiB that holds the files.
async fn full() -> Option<Full> {
    let bench = Bench::new();
    let root = bench.path("root");
    std::fs::create_dir_all(&root).unwrap();
    let disk = SmallDisk::over(&root, 256)?;
    let access = LocalAccess::new(root.clone(), Arc::new(bench.runner(1).await) as Arc<dyn HookRunner>, None);
    for file in FILES {
        access.write_file(file, Some(b"old"), 0o600).await.unwrap();
    }
    Some(Full { disk, access, root, _bench: bench })
}

#[tokio::test]
async fn a_file_that_does_not_fit_leaves_the_old_one_whole() {
    let Some(full) = full().await else { return };
    let large = vec![b'x'; 100_000];
    // With room for a part of it, and with none at all.
    for left in [32 * 1024, 0] {
        full.disk.fill(left);
        for file in FILES {
            let error = full.access.write_file(file, Some(&large), 0o600).await.unwrap_err();
            assert!(error.chain().contains(file) && error.chain().contains("No space left"), "{}", error.chain());
            assert_eq!(std::fs::read(full.root.join(file)).unwrap(), b"old");
        }
        full.disk.empty();
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&full.root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".previewctl.json", "apps"], "nothing half-written is left");
    for file in FILES {
        full.access.write_file(file, Some(&large), 0o600).await.unwrap();
        assert_eq!(full.access.read_file(file).await.unwrap(), Some(large.clone()));
        full.access.write_file(file, Some(b"old"), 0o600).await.unwrap();
    }
}

#[tokio::test]
async fn where_nobody_may_write_it_is_told_and_nothing_is_lost() {
    let Some(full) = full().await else { return };
    full.disk.read_only();
    for file in FILES {
        for data in [Some(b"new".as_slice()), None] {
            let error = full.access.write_file(file, data, 0o600).await.unwrap_err();
            assert!(error.chain().contains(file) && error.chain().contains("Read-only"), "{}", error.chain());
        }
        assert_eq!(full.access.read_file(file).await.unwrap().unwrap(), b"old");
    }
    let error = full.access.write_file("new/folder/file", Some(b"x"), 0o600).await.unwrap_err();
    assert!(error.chain().contains("new/folder/file"), "{}", error.chain());
}
