//! The supervisor: runs hooks on this machine so that they can be found, adopted or killed with all their
//! children after any crash of the bot.
//!
//! For each life of an environment there is a folder `<root>/.previewbot/<life>/`, outside the checkout:
//! `lock` and `epoch` are the fence, `runs/<step>/` holds what is known of each step's last run, `home` and
//! `tmp` belong to the hooks. Kernel 5.6 or newer is needed (`openat2`, `pidfd`).

mod environment;
mod fence;
mod follow;
mod kept;
mod lines;
mod output;
mod owner;
mod process;
mod record;
mod runner;

pub use environment::{TOOL_MARKER, allowed_variables, end_marked_processes, end_orphaned_tools};
pub use kept::{KeptRun, kept_runs};
pub use lines::{Lines, Veil};
pub use owner::UserIds;
pub(crate) use owner::own_tree;
pub(super) use process::kill_group;
pub use process::{boot_id, start_of};
pub use runner::{LocalHookRunner, RunnerOptions};

use std::path::{Path, PathBuf};

use crate::domain::environment::LifeId;

/// Where the supervisor keeps what it knows of one life: `<root>/.previewbot/<life>`.
#[must_use]
pub fn life_folder(root: &Path, life: LifeId) -> PathBuf {
    root.join(".previewbot").join(life.to_string())
}
