//! What steps share that write files: only what differs is written, all of it in one round.

use crate::domain::checkpoint::RecordStatus;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::ports::FileToWrite;
use crate::manager::context::Context;
use crate::manager::step::{Attempt, StepFailure};

/// Files that may hold secrets.
pub(super) const PRIVATE: u32 = 0o600;
/// Files that other accounts must read.
pub(super) const READABLE: u32 = 0o644;

pub(super) fn file(path: &str, text: &str, mode: u32) -> FileToWrite {
    FileToWrite { path: path.to_owned(), data: Some(text.as_bytes().to_vec()), mode }
}

/// Writes the files that are not there as they should be. Where none differs and the step was done before, what was
/// built on it still holds.
pub(super) async fn write(
    context: &Context<'_>,
    step: &str,
    attempt: &Attempt,
    files: Vec<FileToWrite>,
) -> Result<(), StepFailure> {
    let access = context.access().await?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    // What cannot be read, such as a link that leads out, is written anew with all the others.
    let there = access.read_files(&paths).await.ok();
    let differs = |at: usize, file: &FileToWrite| there.as_ref().is_none_or(|there| there[at] != file.data);
    let differing: Vec<FileToWrite> =
        files.iter().enumerate().filter(|(at, file)| differs(*at, file)).map(|(_, file)| file.clone()).collect();
    // Where the record was dropped (`--from`) somebody wants all that follows to be done anew.
    let known = matches!(attempt.prior, Some(RecordStatus::Completed | RecordStatus::Invalidated));
    if differing.is_empty() && known {
        context.facts().await.untouched.insert(step.to_owned());
    }
    Ok(access.write_files(&differing).await?)
}

/// Whether the files are there as they should be.
pub(super) async fn are_written(context: &Context<'_>, files: &[FileToWrite]) -> Result<(), StepFailure> {
    let access = context.access().await?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let there = access.read_files(&paths).await?;
    match files.iter().zip(there).find(|(file, there)| *there != file.data) {
        None => Ok(()),
        Some((file, _)) => {
            let message = format!("{} is missing or was changed", file.path);
            Err(PortError::new(ErrorKind::NotFound, message).into())
        }
    }
}
