//! What an environment costs at a terminal: make, make again, delete, each beside the bare `git` and `docker compose`
//! calls that nobody can do without. Needs docker with the image that the tests make. `cargo bench --bench terminal`;
//! without `--bench` it does nothing.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is measured; the middle one counts.
const TIMES: usize = 5;
const IMAGE: &str = "previewbot-test/busybox:local";

const PROJECT: &str = "version: 1\nname: bench\ninfrastructure: {compose_file: compose.yaml}\nprovisioner:\n  services:\n    \
    db: {outputs: [URL], seed: 'echo URL=x', destroy: 'true'}\nservices:\n  web: {path: ., env: {PORT: '{{self.port}}'}}\n";

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("bench");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("previewctl.yaml"), PROJECT).unwrap();
    let service = format!("{{image: '{IMAGE}', command: [sleep, '1000'], ports: ['6379']}}");
    std::fs::write(project.join("compose.yaml"), format!("services:\n  cache: {service}\n")).unwrap();
    run(&project, "git", &["init", "-q", "-b", "main"]);
    run(&project, "git", &["add", "-A"]);
    run(&project, "git", &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one"]);
    let previewbot = env!("CARGO_BIN_EXE_previewbot");
    let (mut make, mut again, mut delete) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare_make, mut bare_again, mut bare_delete) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        make.push(took(|| run(&project, previewbot, &["create", "x"])));
        again.push(took(|| run(&project, previewbot, &["create", "x"])));
        delete.push(took(|| run(&project, previewbot, &["delete", "x"])));
        let tree = folder.path().join("bare");
        let path = tree.to_string_lossy().into_owned();
        bare_make.push(took(|| {
            run(&project, "git", &["worktree", "add", "-q", "--detach", &path]);
            run(&tree, "docker", &["compose", "-p", "bench-bare", "up", "-d"]);
        }));
        bare_again.push(took(|| {
            run(&tree, "git", &["rev-parse", "HEAD"]);
            run(&tree, "docker", &["compose", "-p", "bench-bare", "ps", "--format", "json"]);
        }));
        bare_delete.push(took(|| {
            run(&tree, "docker", &["compose", "-p", "bench-bare", "down", "-v", "-t", "2"]);
            run(&project, "git", &["worktree", "remove", "--force", &path]);
        }));
    }
    report("create", make, bare_make);
    report("create again, unchanged", again, bare_again);
    report("delete", delete, bare_delete);
}

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("XDG_STATE_HOME", folder.parent().unwrap().join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn report(what: &str, ours: Vec<Duration>, bare: Vec<Duration>) {
    let (ours, bare) = (middle(ours).as_secs_f64(), middle(bare).as_secs_f64());
    println!("{what}: {ours:.2} s, the bare calls {bare:.2} s: {:.2}×", ours / bare);
}
