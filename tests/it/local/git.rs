//! Mirrors and checkouts, with real repositories.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use previewbot::domain::change::{ForgeKind, Repository, Sha};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::{CheckoutLimits, Git};
use previewbot::outbound::git::MirrorGit;
use tokio_util::sync::CancellationToken;

use super::bench::{BOUNDLESS, Bench, commit, forge_repository, git, git_with};

struct Forge {
    bench: Bench,
    git: MirrorGit,
    repository: Repository,
    path: PathBuf,
}

impl Forge {
    fn new() -> Self {
        let bench = Bench::new();
        let (repository, path) = forge_repository(&bench.path("forge"));
        let url = format!("file://{}", bench.path("forge").display());
        let git = MirrorGit::new(&bench.path("data"), BTreeMap::from([(ForgeKind::Github, url)]), BOUNDLESS);
        Self { bench, git, repository, path }
    }

    async fn fetch(&self, commit: &Sha) {
        self.git.fetch(&self.repository, commit, self.bench.life, None, &CancellationToken::new()).await.unwrap();
    }

    async fn checkout(&self, commit: &Sha) -> PathBuf {
        let folder = self.bench.path("previews/shop/pr-1");
        self.fetch(commit).await;
        self.git.checkout(&self.repository, commit, &folder).await.unwrap();
        folder
    }

    fn mirror(&self) -> PathBuf {
        self.bench.path("data/mirrors/github-5001.git")
    }
}

#[tokio::test]
async fn the_checkout_is_exactly_the_commit_and_follows_a_force_push() {
    let forge = Forge::new();
    let first = commit(&forge.path, &[("page", "one"), ("gone", "soon")]);
    let folder = forge.checkout(&first).await;
    assert_eq!(std::fs::read_to_string(folder.join("page")).unwrap(), "one");
    assert_eq!(forge.mirror().metadata().unwrap().permissions().mode() & 0o777, 0o700);

    std::fs::write(folder.join("page"), "changed by a hook").unwrap();
    std::fs::write(folder.join(".previewctl.json"), "{}").unwrap();
    git(&forge.path, &["checkout", "--quiet", "--orphan", "again"]);
    git(&forge.path, &["rm", "--quiet", "-f", "gone"]);
    let second = commit(&forge.path, &[("page", "two")]);
    git(&forge.path, &["branch", "--quiet", "-D", "main"]);
    forge.checkout(&second).await;
    assert_eq!(std::fs::read_to_string(folder.join("page")).unwrap(), "two");
    assert!(!folder.join("gone").exists() && folder.join(".previewctl.json").exists());
    assert_eq!(git(&folder, &["rev-parse", "HEAD"]), second.as_str());

    forge.git.remove_checkout(&forge.repository, &folder).await.unwrap();
    forge.git.remove_checkout(&forge.repository, &folder).await.unwrap();
    forge.git.release(&forge.repository, forge.bench.life).await.unwrap();
    assert!(!folder.exists());
    assert_eq!(git(&forge.mirror(), &["worktree", "list"]).lines().count(), 1);
    assert_eq!(git(&forge.mirror(), &["for-each-ref", "refs/previewbot"]), "");
}

#[tokio::test]
async fn a_crash_in_between_is_mended_and_untracked_files_stay() {
    let forge = Forge::new();
    let first = commit(&forge.path, &[("page", "one")]);
    let folder = forge.checkout(&first).await;
    std::fs::write(folder.join("kept"), "k").unwrap();
    let locked = forge.mirror().join("worktrees/pr-1.previewbot-new/index.lock");
    std::fs::write(&locked, "").unwrap();
    std::fs::remove_file(folder.join("page")).unwrap();
    forge.checkout(&first).await;
    assert_eq!(std::fs::read_to_string(folder.join("page")).unwrap(), "one");

    std::fs::remove_dir_all(forge.mirror()).unwrap();
    forge.checkout(&first).await;
    assert_eq!(std::fs::read_to_string(folder.join("kept")).unwrap(), "k");
    assert_eq!(git(&folder, &["status", "--porcelain"]), "?? kept");
}

#[tokio::test]
async fn hostile_branches_attributes_and_hooks_run_nothing() {
    let forge = Forge::new();
    let canary = forge.bench.path("pwned");
    let files = [
        (".gitattributes", "* filter=evil\n"),
        (".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% pwned\n"),
        ("--upload-pack=x", "a file"),
        ("page", "p"),
    ];
    let head = commit(&forge.path, &files);
    for name in ["$(touch pwned)", "--upload-pack=x", "a;touch${IFS}pwned"] {
        // Names that git's own front door refuses may still come from a server.
        std::fs::write(forge.path.join(".git/refs/heads").join(name), format!("{head}\n")).unwrap();
    }
    let folder = forge.checkout(&head).await;
    // The `.git` file in a checkout is the hooks' to write; git must not be led by it.
    let evil = forge.bench.path("evil");
    std::fs::create_dir_all(&evil).unwrap();
    git(&evil, &["init", "--quiet"]);
    git(&evil, &["config", "core.fsmonitor", &format!("touch {}", canary.display())]);
    std::fs::write(folder.join(".git"), format!("gitdir: {}\n", evil.join(".git").display())).unwrap();
    let hook = forge.mirror().join("hooks/post-checkout");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", canary.display())).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let next = commit(&forge.path, &[("page", "q")]);
    forge.checkout(&next).await;
    assert_eq!(std::fs::read_to_string(folder.join("page")).unwrap(), "q");
    assert!(folder.join("--upload-pack=x").exists());
    assert!(!canary.exists() && !folder.join("pwned").exists() && !std::path::Path::new("pwned").exists());
    assert_eq!(git(&folder, &["rev-parse", "HEAD"]), next.as_str(), "the link to the mirror is mended");
}

#[tokio::test]
async fn a_commit_that_is_gone_and_a_repository_that_is_gone_are_told_apart() {
    let forge = Forge::new();
    commit(&forge.path, &[("page", "one")]);
    let gone: Sha = "1234567".repeat(6)[..40].parse().unwrap();
    let error = forge
        .git
        .fetch(&forge.repository, &gone, forge.bench.life, None, &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let expected =
        "commit 1234567 is no longer in acme/shop: was the head repository deleted or the branch force-pushed?";
    assert_eq!(error.to_string(), expected);

    std::fs::remove_dir_all(&forge.path).unwrap();
    let error = forge
        .git
        .fetch(&forge.repository, &gone, forge.bench.life, None, &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot fetch 1234567 of acme/shop: "), "{error}");
}

#[tokio::test]
async fn files_are_read_at_a_commit_without_following_links() {
    let forge = Forge::new();
    std::os::unix::fs::symlink("/etc/passwd", forge.path.join("link")).unwrap();
    let head = commit(&forge.path, &[("previewctl.yaml", "version: 1\n"), ("dir/file", "f"), ("*", "star")]);
    forge.fetch(&head).await;
    let read = async |path: &str, limit| forge.git.read_file(&forge.repository, &head, path, limit).await;
    assert_eq!(read("previewctl.yaml", 100).await.unwrap().unwrap(), b"version: 1\n");
    assert_eq!(read("*", 100).await.unwrap().unwrap(), b"star");
    for absent in ["nothing", "dir", "link", "dir/file/x", "--help"] {
        assert_eq!(read(absent, 100).await.unwrap(), None, "{absent}");
    }
    assert_eq!(read("previewctl.yaml", 10).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(read("./dir/../dir//file", 100).await.unwrap().unwrap(), b"f");
    for outside in ["", ".", "../x", "dir/../../x", "/etc/passwd", "a\0b"] {
        let error = read(outside, 100).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{outside:?}: {error}");
    }
}

/// A server that answers 401 until it is shown the token, and then 500: what git does with a token is seen from outside.
#[tokio::test]
async fn the_token_goes_to_the_server_and_nowhere_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let requests = seen.clone();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let count = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let status = if request.to_lowercase().contains("authorization:") { "403 No" } else { "401 Who" };
            requests.lock().unwrap().push(request);
            let challenge = "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close";
            stream.write_all(format!("HTTP/1.1 {status}\r\n{challenge}\r\n\r\n").as_bytes()).await.unwrap();
        }
    });
    let bench = Bench::new();
    let (repository, _) = forge_repository(&bench.path("forge"));
    let mirrors = MirrorGit::new(&bench.path("data"), BTreeMap::from([(ForgeKind::Github, url)]), BOUNDLESS);
    let sha: Sha = "a".repeat(40).parse().unwrap();
    let token = secrecy::SecretString::from("ghs_canary");
    let error =
        mirrors.fetch(&repository, &sha, bench.life, Some(&token), &CancellationToken::new()).await.unwrap_err();
    server.abort();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(!error.chain().contains("canary"));
    let seen = seen.lock().unwrap().join("\n");
    // base64 of x-access-token:ghs_canary
    assert!(seen.contains("Basic eC1hY2Nlc3MtdG9rZW46Z2hzX2NhbmFyeQ=="), "{seen}");
    assert!(seen.contains("GET /acme/shop.git/info/refs") && !seen.contains("canary"));
    let kept = std::process::Command::new("grep").args(["-r", "canary"]).arg(bench.path("data")).output().unwrap();
    assert!(kept.stdout.is_empty(), "the token is in a file");

    let error = mirrors.fetch(&repository, &sha, bench.life, None, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable), "{error}");
}

/// A forge that takes connections and never answers.
#[tokio::test]
async fn a_download_that_hangs_holds_nobody_up_and_can_be_cancelled() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let forge = Forge::new();
    let known = commit(&forge.path, &[("page", "one")]);
    let folder = forge.checkout(&known).await;
    // The same mirrors, whose forge is silent now.
    let mirrors = MirrorGit::new(&forge.bench.path("data"), BTreeMap::from([(ForgeKind::Github, url)]), BOUNDLESS);
    let (unknown, cancel): (Sha, _) = ("a".repeat(40).parse().unwrap(), CancellationToken::new());
    let others = async {
        let silent = listener.accept().await.unwrap();
        let work = async {
            let none = CancellationToken::new();
            mirrors.fetch(&forge.repository, &known, forge.bench.life, None, &none).await.unwrap();
            mirrors.checkout(&forge.repository, &known, &folder).await.unwrap();
            mirrors.remove_checkout(&forge.repository, &folder).await.unwrap();
            mirrors.release(&forge.repository, forge.bench.life).await.unwrap();
        };
        let done = tokio::time::timeout(std::time::Duration::from_secs(20), work).await;
        assert!(done.is_ok(), "work on what is there waits for the forge");
        cancel.cancel();
        silent
    };
    let fetch = mirrors.fetch(&forge.repository, &unknown, forge.bench.life, None, &cancel);
    let (fetched, _silent) = tokio::join!(fetch, others);
    assert_eq!(fetched.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// Makes a commit of a tree that git itself would not make: lines as `git mktree` takes them.
fn commit_of(forge: &Forge, lines: &str) -> String {
    let tree = git_with(&forge.path, &["mktree", "--missing"], lines);
    let commit = git(&forge.path, &["commit-tree", "-m", "hostile", &tree]);
    git(&forge.path, &["update-ref", "refs/heads/main", &commit]);
    commit
}

#[tokio::test]
async fn a_repository_that_is_too_much_is_refused_before_anything_of_it_is_checked_out() {
    let forge = Forge::new();
    let url = format!("file://{}", forge.bench.path("forge").display());
    let limits = CheckoutLimits { files: 1_000, bytes: 10_000_000 };
    let mirrors = MirrorGit::new(&forge.bench.path("data"), BTreeMap::from([(ForgeKind::Github, url)]), limits);
    // Ten folders of ten folders and so on: a billion files in ten objects.
    let blob = git_with(&forge.path, &["hash-object", "-w", "--stdin"], "x");
    let mut tree = String::new();
    for level in 0..9 {
        let kind = if level == 0 { format!("100644 blob {blob}") } else { format!("040000 tree {tree}") };
        let lines = (0..10).fold(String::new(), |lines, each| lines + &format!("{kind}\t{each}\n"));
        tree = git_with(&forge.path, &["mktree"], &lines);
    }
    let many = commit_of(&forge, &format!("040000 tree {tree}\tall\n"));
    let large = git_with(&forge.path, &["hash-object", "-w", "--stdin"], &"x".repeat(6_000_000));
    let heavy = commit_of(&forge, &format!("100644 blob {large}\ta\n100644 blob {large}\tb\n"));
    let fitting = commit_of(&forge, &format!("100644 blob {large}\ta\n"));
    for (commit, setting) in [(many, "limits.checkout_files"), (heavy, "limits.checkout_mb")] {
        let commit: Sha = commit.parse().unwrap();
        let none = CancellationToken::new();
        let fetched = mirrors.fetch(&forge.repository, &commit, forge.bench.life, None, &none).await;
        let error = fetched.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(setting), "{error}");
    }
    assert_eq!(git(&forge.mirror(), &["for-each-ref", "refs/previewbot"]), "", "nothing of it is kept");
    let commit: Sha = fitting.parse().unwrap();
    let none = CancellationToken::new();
    mirrors.fetch(&forge.repository, &commit, forge.bench.life, None, &none).await.unwrap();
}
