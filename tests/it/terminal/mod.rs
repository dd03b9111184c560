//! The core at a terminal: the real binary, a person's own repository, state in that person's own folder.

mod interchange;
mod session;
mod together;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A person with a home, and a clone of a project in it.
pub(crate) struct Person {
    folder: TempDir,
}

impl Person {
    pub(crate) fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/projects/shop"), &this.project());
        this.git(&["init", "-q", "-b", "main"]);
        this.commit("one");
        this
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.home().join("shop")
    }

    /// The worktree of an environment.
    pub(crate) fn worktree(&self, name: &str) -> PathBuf {
        self.home().join("state/previewbot/previews/shop").join(name)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let output =
            Command::new("git").args(identity).args(arguments).current_dir(self.project()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn commit(&self, subject: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", subject]);
    }

    /// The command, not begun, in the project's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_previewbot"));
        command.args(arguments).current_dir(self.project()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home()).env("XDG_STATE_HOME", self.home().join("state")).env("MINE", "my own");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that must succeed printed: both outputs, standard error first.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        self.settled(&(errors + &String::from_utf8(output.stdout).unwrap()))
    }

    /// What a command that must fail said, with its exit code.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded: {text}");
        (output.status.code().unwrap(), self.settled(&text))
    }

    /// A command that runs beside the test.
    pub(crate) fn begin(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// What differs from run to run, by a word for it.
    fn settled(&self, text: &str) -> String {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let text = text.replace(&self.home().to_string_lossy().into_owned(), "~");
        let commit = self.git(&["rev-parse", "main"]).trim().to_owned();
        let text = text.replace(&commit, "[commit]").replace(&commit[..7], "[commit]");
        let line = |line: &str| {
            let words =
                line.split(' ').filter(|word| !word.is_empty()).map(|word| settled_word(word, machine.trim()));
            let indent = line.len() - line.trim_start().len();
            let line = words.collect::<Vec<_>>().join(" ").replace("[number] ms", "[time]");
            // What took no time at all is told as nothing.
            " ".repeat(indent) + &line.replace("executed - ", "executed [time] ")
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn settled_word(word: &str, machine: &str) -> String {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let bare = shape.trim_matches(['(', ')', ',', ';']);
    let number = bare.trim_start_matches(['9', '.']);
    if bare != number && matches!(number, "ms" | "s") {
        return shape.replace(bare, "[time]");
    }
    if !word.is_empty() && shape.chars().all(|c| c == '9') {
        return "[number]".to_owned();
    }
    if shape.contains("9999-99-99T99:99:99") {
        return "[when]".to_owned();
    }
    if let Some(at) = shape.find("99999").filter(|_| !word.contains('[')) {
        return format!("{}[port]{}", &word[..at], &word[at + 5..]);
    }
    if word == machine { "[machine]".to_owned() } else { word.to_owned() }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}
