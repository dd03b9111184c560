//! The sample repository: the files of `fixtures/sample`, carried in the binary, as a real bare git repository.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "fixtures/sample"]
struct Files;

/// The headline of the main branch.
pub const HEADLINE: &str = "The guest book";
/// The branch that the demo's pull request comes from.
pub const BRANCH: &str = "warmer-welcome";

/// Why the sample cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// git is missing.
    #[error("cannot run git: install it and see that it is in the PATH")]
    NoGit(#[source] io::Error),
    /// git said no.
    #[error("git {command} failed: {message}")]
    Git {
        /// Its arguments.
        command: String,
        /// Its words.
        message: String,
    },
}

/// The sample: a bare repository, as the forge has it, and the checkout that people work in.
#[derive(Debug, Clone)]
pub struct Sample {
    work: PathBuf,
    bare: PathBuf,
}

impl Sample {
    /// Makes `<root>/git/<name>.git` with a main branch and the branch of the pull request.
    ///
    /// # Errors
    /// When a file cannot be written or git does not work.
    pub fn create(root: &Path, name: &str) -> Result<Self, SampleError> {
        let sample = Self { work: root.join("work"), bare: root.join("git").join(format!("{name}.git")) };
        for directory in [&sample.work, &sample.bare] {
            std::fs::create_dir_all(directory)
                .map_err(|source| SampleError::Write { path: directory.clone(), source })?;
        }
        git(&sample.bare, &["init", "--quiet", "--bare", "--initial-branch=main"])?;
        // GitHub lets every commit be fetched by its id.
        git(&sample.bare, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        git(&sample.work, &["init", "--quiet", "--initial-branch=main"])?;
        sample.write_files()?;
        sample.commit("A guest book")?;
        sample.push("main")?;
        Ok(sample)
    }

    /// The bare repository.
    #[must_use]
    pub fn bare(&self) -> &Path {
        &self.bare
    }

    fn write_files(&self) -> Result<(), SampleError> {
        for name in Files::iter() {
            let Some(file) = Files::get(&name) else { continue };
            self.write(&name, &file.data)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), SampleError> {
        let path = self.work.join(name);
        let folder = path.parent().unwrap_or(&self.work);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, content));
        written.map_err(|source| SampleError::Write { path, source })
    }

    /// Puts a headline on the page in a branch (made from main when it is new) and pushes it; the new commit.
    ///
    /// # Errors
    /// When a file cannot be written or git does not work.
    pub fn push_headline(&self, branch: &str, headline: &str) -> Result<String, SampleError> {
        if git(&self.work, &["switch", "--quiet", branch]).is_err() {
            git(&self.work, &["switch", "--quiet", "--create", branch, "main"])?;
        }
        let page = Files::get("web/index.html").map(|file| String::from_utf8_lossy(&file.data).into_owned());
        let page = page.unwrap_or_default().replace(HEADLINE, headline);
        self.write("web/index.html", page.as_bytes())?;
        self.commit(&format!("Say: {headline}"))?;
        self.push(branch)?;
        git(&self.work, &["rev-parse", "HEAD"])
    }

    fn commit(&self, message: &str) -> Result<(), SampleError> {
        git(&self.work, &["add", "--all"])?;
        git(&self.work, &["commit", "--quiet", "--message", message]).map(drop)
    }

    fn push(&self, branch: &str) -> Result<(), SampleError> {
        let bare = self.bare.as_os_str();
        let refspec = format!("refs/heads/{branch}:refs/heads/{branch}");
        let arguments = [OsStr::new("push"), OsStr::new("--quiet"), bare, OsStr::new(&refspec)];
        git(&self.work, &arguments).map(drop)
    }
}

/// Runs git as the demo's own person, whatever this machine's configuration is.
fn git(directory: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<String, SampleError> {
    let person = [("NAME", "Ada"), ("EMAIL", "ada@example.com")];
    let output = Command::new("git")
        .current_dir(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(person.map(|(key, value)| (format!("GIT_AUTHOR_{key}"), value)))
        .envs(person.map(|(key, value)| (format!("GIT_COMMITTER_{key}"), value)))
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .map_err(SampleError::NoGit)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(SampleError::Git { command: words.join(" "), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_bare_repository_whose_branches_differ_in_the_headline_only() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::create(folder.path(), "acme/guestbook").unwrap();
        let first = sample.push_headline(BRANCH, "Welcome").unwrap();
        let second = sample.push_headline(BRANCH, "Welcome back").unwrap();
        assert_ne!(first, second);

        let show = |object: &str| git(sample.bare(), &["show", object]).unwrap();
        assert!(show("main:web/index.html").contains(&format!("<h1>{HEADLINE}</h1>")));
        assert!(show(&format!("{first}:web/index.html")).contains("<h1>Welcome</h1>"));
        assert!(show(&format!("{BRANCH}:web/index.html")).contains("<h1>Welcome back</h1>"));
        assert!(show("main:.gitignore").contains(".env.local"), "hidden files are carried too");
        let changed = git(sample.bare(), &["diff", "--name-only", "main", BRANCH]).unwrap();
        assert_eq!(changed, "web/index.html");
    }
}
