//! Files at a commit and of a pull request, read from the real git repository.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::process::Command;

use super::answer::{Answer, Call};

/// Where to read, found under the lock and used without it.
pub(super) struct Source {
    pub(super) git_dir: PathBuf,
    pub(super) default_branch: String,
    pub(super) url: String,
    pub(super) path: String,
}

/// `GET /repos/{o}/{r}/contents/{path}?ref=`; raw bytes when the media type asks for them.
pub(super) async fn get(source: &Source, call: &Call) -> Answer {
    let reference = call.asked("ref").unwrap_or(&source.default_branch);
    let object = format!("{reference}:{}", source.path);
    if reference.starts_with('-')
        || git(&source.git_dir, &["cat-file", "-t", &object]).await.as_deref() != Some(b"blob\n")
    {
        return Answer::missing();
    }
    let Some(content) = git(&source.git_dir, &["cat-file", "blob", &object]).await else {
        return Answer::missing();
    };
    let accept = call.header("accept");
    if accept.contains("raw") {
        return Answer::raw("application/vnd.github.raw; charset=utf-8", content);
    }
    let id =
        git(&source.git_dir, &["rev-parse", "--verify", "--end-of-options", &object]).await.unwrap_or_default();
    // GitHub breaks the text every 60 characters, and a reader must cope with that.
    let encoded = STANDARD.encode(&content);
    let lines: Vec<String> =
        encoded.as_bytes().chunks(60).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let url = format!("{}/contents/{}", source.url, source.path);
    Answer::ok(&json!({
        "type": "file",
        "encoding": "base64",
        "size": content.len(),
        "name": source.path.rsplit('/').next(),
        "path": source.path,
        "content": format!("{}\n", lines.join("\n")),
        "sha": String::from_utf8_lossy(&id).trim(),
        "url": format!("{url}?ref={reference}"),
        "git_url": null,
        "html_url": null,
        "download_url": null,
        "_links": { "self": url, "git": null, "html": null },
    }))
}

/// The files of a pull request, found under the lock and read without it.
pub(super) struct Touched {
    pub(super) git_dir: PathBuf,
    pub(super) base: String,
    pub(super) head: String,
    pub(super) base_url: String,
}

/// `GET /repos/{o}/{r}/pulls/{n}/files`: what differs from where the branches parted.
pub(super) async fn touched(touched: &Touched, call: &Call) -> Answer {
    let range = format!("{}...{}", touched.base, touched.head);
    let Some(found) = git(&touched.git_dir, &["diff", "--name-status", "-z", "-M", &range]).await else {
        return Answer::missing();
    };
    let text = String::from_utf8_lossy(&found);
    let mut words = text.split_terminator('\0');
    let mut files = Vec::new();
    while let (Some(status), Some(path)) = (words.next(), words.next()) {
        files.push(match (status.as_bytes().first(), words.clone().next()) {
            (Some(b'R' | b'C'), Some(name)) => {
                words.next();
                json!({ "filename": name, "previous_filename": path, "status": "renamed" })
            }
            (Some(b'A'), _) => json!({ "filename": path, "status": "added" }),
            (Some(b'D'), _) => json!({ "filename": path, "status": "removed" }),
            _ => json!({ "filename": path, "status": "modified" }),
        });
    }
    Answer::list(call, &touched.base_url, files)
}

async fn git(git_dir: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(git_dir)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    output.status.success().then_some(output.stdout)
}
