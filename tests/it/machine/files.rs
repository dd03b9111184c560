//! Files beneath a compute root, and links that lead out of it.

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::FileToWrite;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, everywhere};

everywhere! {
    async fn links_that_lead_out_are_refused_and_links_within_are_followed(bench: Bench) {
        let access = bench.held(1).await.access;
        bench.says("mkdir -p outside root/packages/web; echo s >outside/secret
            ln -s \"$PWD/outside\" root/absolute
            ln -s ../outside root/relative
            ln -s ../../../outside/new root/packages/web/dangling
            ln -s packages/web root/web
            ln -s /proc/self/root root/magic").await;
        for path in ["absolute/secret", "relative/secret", "magic/etc/passwd", "packages/web/dangling/x"] {
            let read = access.read_file(path).await;
            assert!(matches!(&read, Err(error) if error.kind() == ErrorKind::Invalid), "read {path}: {read:?}");
            let write = access.write_file(path, Some(b"x"), 0o644).await;
            assert_eq!(write.unwrap_err().kind(), ErrorKind::Invalid, "write {path}");
            let remove = access.write_file(path, None, 0o644).await;
            assert_eq!(remove.unwrap_err().kind(), ErrorKind::Invalid, "remove {path}");
        }
        assert_eq!(bench.says("ls -A outside; cat outside/*").await, "secret\ns\n");

        access.write_file("web/.env", Some(b"A=1"), 0o644).await.unwrap();
        assert_eq!(bench.says("cat root/packages/web/.env").await, "A=1");
        assert_eq!(access.read_file("/web/.env").await.unwrap().unwrap(), b"A=1");
    }
}

everywhere! {
    async fn links_in_circles_are_refused(bench: Bench) {
        let access = bench.held(1).await.access;
        bench.says("ln -s two root/one; ln -s one root/two").await;
        for path in ["one", "one/file"] {
            assert_eq!(access.read_file(path).await.unwrap_err().kind(), ErrorKind::Invalid, "{path}");
        }
        assert_eq!(access.write_file("one/file", Some(b""), 0o644).await.unwrap_err().kind(), ErrorKind::Invalid);
        access.write_file("one", Some(b"ours"), 0o644).await.unwrap();
        assert_eq!(bench.says("cat root/one").await, "ours");
    }
}

everywhere! {
    async fn a_file_that_is_a_link_is_replaced_and_its_target_stays(bench: Bench) {
        let access = bench.held(1).await.access;
        bench.says("printf theirs >target; ln -s \"$PWD/target\" root/.env").await;
        assert!(access.read_file(".env").await.is_err());
        access.write_file(".env", Some(b"ours"), 0o600).await.unwrap();
        assert_eq!(bench.says("cat target; stat -c ' %F %a' root/.env").await, "theirs regular file 600\n");
        assert_eq!(bench.says("ls -A root").await, ".env\n", "nothing temporary is left");
    }
}

everywhere! {
    async fn modes_are_as_asked_and_the_stricter_one_is_kept(bench: Bench) {
        let access = bench.held(1).await.access;
        for (name, mode) in [("a", 0o644), ("b", 0o600), ("c", 0o755), ("a", 0o600), ("b", 0o644), ("c", 0o640)] {
            access.write_file(name, Some(b"x"), mode).await.unwrap();
        }
        assert_eq!(bench.says("cd root; stat -c '%n %a' a b c").await, "a 600\nb 600\nc 640\n");
        bench.says("chmod 0 root/a; mkdir root/folder").await;
        access.write_file("a", Some(b"new"), 0o644).await.unwrap();
        assert_eq!(bench.says("stat -c '%a %s' root/a").await, "0 3\n");
        assert_eq!(access.write_file("folder", Some(b"x"), 0o644).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(bench.says("ls -A root").await, "a\nb\nc\nfolder\n", "nothing temporary is left");
    }
}

everywhere! {
    async fn parents_are_made_and_what_is_missing_can_be_removed(bench: Bench) {
        let access = bench.held(1).await.access;
        access.write_file("a/b/c", Some(b"x"), 0o644).await.unwrap();
        access.write_file("a/b/c", None, 0o644).await.unwrap();
        access.write_file("a/b/c", None, 0o644).await.unwrap();
        access.write_file("d/e", None, 0o644).await.unwrap();
        assert_eq!(bench.says("cd root; stat -c '%n %a' a a/b d; ls a/b d").await, "a 755\na/b 755\nd 755\na/b:\n\nd:\n");
        assert_eq!(access.write_file("a/b", None, 0o644).await.unwrap_err().kind(), ErrorKind::Invalid);
        access.write_file("a/file", Some(b"x"), 0o644).await.unwrap();
        assert_eq!(access.write_file("a/file/x", Some(b""), 0o644).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

everywhere! {
    async fn only_regular_files_of_a_bearable_size_are_read(bench: Bench) {
        let access = bench.held(1).await.access;
        bench.says("cd root; mkdir folder; mkfifo pipe; truncate -s 16M large; truncate -s 16777217 larger; echo >file
            ln -s nowhere dangling").await;
        for path in ["folder", "pipe", "larger"] {
            assert_eq!(access.read_file(path).await.unwrap_err().kind(), ErrorKind::Invalid, "{path}");
        }
        for path in ["missing", "no/folder", "file/x", "dangling"] {
            assert_eq!(access.read_file(path).await.unwrap(), None, "{path}");
        }
        assert_eq!(access.read_file("large").await.unwrap().unwrap().len(), 16 * 1024 * 1024);
    }
}

everywhere! {
    async fn many_files_are_written_and_read_in_one_go_each(bench: Bench) {
        let access = bench.held(1).await.access;
        let file = |n: usize| FileToWrite {
            path: format!("folder-{}/file-{n}", n % 7),
            data: Some(vec![b'a'; n * 17]),
            mode: 0o644,
        };
        let mut files: Vec<_> = (0..300).map(file).collect();
        let requests = || bench.host().map_or(0, |host| host.requests());
        let before = requests();
        access.write_files(&files).await.unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let read = access.read_files(&paths).await.unwrap();
        assert!(files.iter().zip(read).all(|(file, read)| file.data == read));
        assert!(requests() - before <= 2, "one to write them, one to read them");
        files.truncate(200);
        for file in &mut files {
            file.data = None;
        }
        access.write_files(&files).await.unwrap();
        assert_eq!(bench.says("find root -type f | wc -l").await.trim(), "100");
        assert_eq!(access.read_file("folder-5/file-299").await.unwrap().unwrap().len(), 299 * 17);
    }
}

everywhere! {
    async fn who_lost_the_life_writes_nothing(bench: Bench) {
        let (old, new) = (bench.held(1).await, bench.held(2).await);
        new.access.write_file("file", Some(b"new"), 0o644).await.unwrap();
        for data in [Some(&b"old"[..]), None] {
            // The bot's own machine has but one bot: its store is the fence for files.
            if bench.host().is_some() {
                assert_eq!(old.access.write_file("file", data, 0o644).await.unwrap_err().kind(), ErrorKind::Fenced);
                assert_eq!(old.machine.remove(bench.path("root").as_ref()).await.unwrap_err().kind(), ErrorKind::Fenced);
            }
        }
        assert_eq!(bench.says("cat root/file").await, "new");
    }
}

everywhere! {
    async fn commands_run_beneath_the_root(bench: Bench) {
        let access = bench.held(1).await.access;
        bench.says("mkdir -p root/apps/web").await;
        let mut hook = bench.hook("exec", "pwd");
        hook.directory = "/apps/web".to_owned();
        let outcome = access.exec(&hook, &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.stdout, format!("{}\n", bench.path("root/apps/web")));
        hook.directory = "apps/../..".to_owned();
        let error = access.exec(&hook, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
