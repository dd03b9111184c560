//! Names, contents and values that mean something to a shell, and disks that are full.

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::FileToWrite;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, everywhere};
use crate::support::small_disk::SmallDisk;

const NAMES: [&str; 12] = [
    "-rf",
    "--",
    "a b",
    "it's",
    "\"quoted\"",
    "$(touch owned)",
    "`touch owned`",
    "a\nb",
    "ends\n",
    "*?[x]",
    "\\n%s;&|<>",
    "ünïcödé-🦀",
];

everywhere! {
    async fn names_are_taken_as_they_are(bench: Bench) {
        let access = bench.held(1).await.access;
        for name in NAMES {
            for path in [name.to_owned(), format!("in {name}/{name}")] {
                access.write_file(&path, Some(path.as_bytes()), 0o644).await.unwrap();
                let read = access.read_file(&path).await.unwrap_or_else(|error| panic!("{path:?}: {error}"));
                assert_eq!(read.unwrap(), path.as_bytes(), "{path:?}");
            }
        }
        assert_eq!(bench.says("find root -type f -print0 | tr -dc '\\0' | wc -c").await.trim(), "24");
        let removals = NAMES.iter().map(|name| FileToWrite { path: (*name).to_owned(), data: None, mode: 0 });
        access.write_files(&removals.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(bench.says("find root -maxdepth 1 -type f -print0 | tr -dc '\\0' | wc -c").await.trim(), "0");
        assert_eq!(bench.says("find . -name 'owned*' | wc -l").await.trim(), "0");
        for bad in ["", "/", "..", "../x", "a/../../b", "a\0b", "folder/"] {
            let error = access.write_file(bad, Some(b""), 0o644).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }
}

everywhere! {
    async fn contents_are_taken_as_they_are(bench: Bench) {
        let access = bench.held(1).await.access;
        let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let contents: [&[u8]; 8] =
            [b"", b"\0", b"\n", b"no end", b"a\0b\n\n\n", b"\xff\xfe\n", b"EOF\n$(id)'\"\\", &every_byte];
        for content in contents {
            access.write_file("file", Some(content), 0o644).await.unwrap();
            assert_eq!(access.read_file("file").await.unwrap().unwrap(), content);
        }
        let size = |size: usize| FileToWrite { path: size.to_string(), data: Some(vec![b'\n'; size]), mode: 0o644 };
        access.write_files(&[size(0), size(1), size(65_536), size(0), size(3_000_000)]).await.unwrap();
        assert_eq!(bench.says("cd root; stat -c %s 0 1 65536 3000000").await, "0\n1\n65536\n3000000\n");
    }
}

everywhere! {
    async fn values_reach_a_hook_as_they_are(bench: Bench) {
        let mut hook = bench.hook("a step: with/odd $(name)'s", "printf '%s|' \"$VALUE\" '$(id)'");
        let large = "x'\"$".repeat(25_000);
        let held = bench.held(1).await;
        for value in NAMES.into_iter().chain(["", "\n\n", &large]) {
            hook.environment.insert("VALUE".to_owned(), value.to_owned());
            let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
            assert!(outcome.stdout == format!("{value}|$(id)|"), "{:?}", &value[..value.len().min(40)]);
        }
        hook.environment.insert("VALUE".to_owned(), "a\0b".to_owned());
        assert!(held.runner.run(&hook, &CancellationToken::new()).await.is_err());
    }
}

everywhere! {
    async fn a_full_disk_leaves_the_old_file_whole(bench: Bench) {
        let access = bench.held(1).await.access;
        let root = bench.path("root");
        let _disk = match bench.vm() {
            Some(vm) => {
                vm.says(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "none", &root]).await;
                None
            }
            None => match SmallDisk::over(root.as_ref(), 64) {
                Some(disk) => Some(disk),
                None => return,
            },
        };
        access.write_file("file", Some(b"old"), 0o644).await.unwrap();
        let large = vec![b'x'; 200 * 1024];
        let error = access.write_file("file", Some(&large), 0o644).await.unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        assert_eq!(bench.says("cd root; cat file; ls -A").await, "oldfile\n");
        let files: Vec<_> = ["file", "other"]
            .map(|path| FileToWrite { path: path.to_owned(), data: Some(large.clone()), mode: 0o644 })
            .into();
        access.write_files(&files).await.unwrap_err();
        access.write_file("file", Some(b"new"), 0o644).await.unwrap();
        assert_eq!(bench.says("cd root; cat file; ls -A").await, "newfile\n");
        if let Some(vm) = bench.vm() {
            vm.says(&["umount", &root]).await;
        }
    }
}
