//! What hooks of one life printed, as far as it is kept: for people who ask afterwards, or look on.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::life_folder;
use super::record::Run;
use crate::domain::environment::LifeId;

/// How much is read at once, in bytes.
const PIECE: u64 = 1024 * 1024;

/// The outputs of a step's last run.
#[derive(Debug, Clone)]
pub struct KeptRun {
    /// The step.
    pub step: String,
    /// When it began.
    pub began: SystemTime,
    /// Whether it prints `NAME=value` outputs, whose values nobody is shown.
    pub prints_values: bool,
    /// Whether the hook itself had ended by now; what it left running may still print.
    pub has_ended: bool,
    folder: PathBuf,
}

/// The last run of every step of a life, in the order in which they began.
///
/// # Errors
/// When the folder cannot be read.
pub fn kept_runs(root: &Path, life: LifeId) -> io::Result<Vec<KeptRun>> {
    let runs = life_folder(root, life).join("runs");
    let mut kept = match Run::all(&runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?,
    };
    kept.sort_by_key(|run| run.began);
    Ok(kept)
}

impl KeptRun {
    pub(super) fn new(run: &Run) -> io::Result<Self> {
        Ok(Self {
            step: run.step().to_owned(),
            began: fs::metadata(run.folder().join("record"))?.modified()?,
            prints_values: run.prints_values(),
            has_ended: run.exit().is_some() || run.is_collected(),
            folder: run.folder().to_owned(),
        })
    }

    /// What `name` (`stdout` or `stderr`) holds from `position` on, a piece of it; empty at its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, name: &str, position: u64) -> io::Result<Vec<u8>> {
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut file = fs::OpenOptions::new().read(true).custom_flags(flags).open(self.folder.join(name))?;
        file.seek(SeekFrom::Start(position))?;
        let mut bytes = Vec::new();
        file.take(PIECE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
