//! What a person's repository is, as git sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::outbound::tool::Tool;

/// How long the look may take.
const QUICK: Duration = Duration::from_secs(20);

/// The main worktree of the repository that `folder` belongs to; `None` where git knows none.
pub async fn main_worktree(folder: &Path) -> Option<PathBuf> {
    let arguments = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
    let tool = Tool {
        program: "git",
        arguments: arguments.map(str::to_owned).to_vec(),
        directory: Some(folder.to_owned()),
        timeout: QUICK,
        ..Tool::default()
    };
    let output = tool.run(&CancellationToken::new()).await.ok().filter(super::super::tool::Output::succeeded)?;
    let common = PathBuf::from(output.text().trim());
    (common.file_name()? == ".git").then(|| common.parent()?.canonicalize().ok())?
}
