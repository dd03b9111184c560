//! Names, contents and values that mean something to a shell, and disks that are full.

use std::collections::BTreeSet;

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::FileToWrite;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, everywhere};
use crate::support::names::{CANARY, Fate, Kind, Name, of, texts};
use crate::support::small_disk::SmallDisk;

/// A file that stands for each of these paths, with its own path in it.
fn files(names: &[Name], folder: &str) -> Vec<FileToWrite> {
    let path =
        |name: &Name| if folder.is_empty() { name.text.clone() } else { format!("{folder}/{}/x", name.text) };
    let file = |path: String| FileToWrite { data: Some(path.clone().into_bytes()), path, mode: 0o644 };
    names.iter().map(path).map(file).collect()
}

everywhere! {
    async fn names_are_taken_as_they_are(bench: Bench) {
        let access = bench.held(1).await.access;
        let names = of(Kind::Path, Fate::Works);
        for folder in ["", "folders"] {
            let files = files(&names, folder);
            access.write_files(&files).await.unwrap();
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            let read = access.read_files(&paths).await.unwrap();
            for (path, read) in paths.iter().zip(read) {
                assert_eq!(read.as_deref(), Some(path.as_bytes()), "{path:?}");
            }
        }
        let count = |folder: &str| format!("find {folder} -type f -print0 | tr -dc '\\0' | wc -c");
        assert_eq!(bench.says(&count("root")).await.trim(), (2 * names.len()).to_string());
        let listed = bench.says("cd root && find . -maxdepth 1 -type f -print0").await;
        let listed: BTreeSet<&str> = listed.split_terminator('\0').map(|path| &path[2..]).collect();
        assert_eq!(listed, names.iter().map(|name| name.text.as_str()).collect());
        let removals: Vec<FileToWrite> =
            files(&names, "").into_iter().map(|file| FileToWrite { data: None, ..file }).collect();
        access.write_files(&removals).await.unwrap();
        assert_eq!(bench.says(&count("root -maxdepth 1")).await.trim(), "0");
        for Name { text: name, because, .. } in of(Kind::Path, Fate::Refused) {
            let error = access.write_file(&name, Some(b""), 0o644).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}");
            assert!(error.to_string().contains(&because), "{name:?}: {error}");
        }
        assert_eq!(bench.says(&format!("find . -name {CANARY} | wc -l")).await.trim(), "0");
    }
}

everywhere! {
    async fn hooks_run_in_folders_of_any_name(bench: Bench) {
        let held = bench.held(1).await;
        let names = of(Kind::Path, Fate::Works);
        held.access.write_files(&files(&names, "folders")).await.unwrap();
        for name in names.iter().filter(|name| name.text.contains(['$', '-', '\'', '\n', '`', ';', '\\'])) {
            let mut hook = bench.hook("step", "cat x");
            hook.directory = bench.path(&format!("root/folders/{}", name.text));
            let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
            assert_eq!(outcome.stdout, format!("folders/{}/x", name.text));
        }
        assert_eq!(bench.says(&format!("find . -name {CANARY} | wc -l")).await.trim(), "0");
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
        let mut values = texts();
        values.extend(["\n\n".to_owned(), "x'\"$".repeat(25_000)]);
        let names: Vec<String> = (0..values.len()).map(|at| format!("V{at}")).collect();
        let words: Vec<String> = names.iter().map(|name| format!("\"${name}\"")).collect();
        let script = format!("printf '%s\\0' {} '$(id)'; printenv -0 V3 | head -c -1", words.join(" "));
        let mut hook = bench.hook("a step: with/odd $(name)'s", &script);
        hook.environment.extend(names.into_iter().zip(values.iter().cloned()));
        let held = bench.held(1).await;
        let outcome = held.runner.run(&hook, &CancellationToken::new()).await.unwrap();
        let mut printed: Vec<&str> = outcome.stdout.split('\0').collect();
        assert_eq!(printed.pop(), Some(values[3].as_str()));
        assert_eq!(printed.pop(), Some("$(id)"));
        for (printed, value) in printed.iter().zip(&values) {
            assert!(printed == value, "{:?}", value.chars().take(40).collect::<String>());
        }
        assert_eq!(printed.len(), values.len());
        assert_eq!(bench.says(&format!("find . -name {CANARY} | wc -l")).await.trim(), "0");
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
