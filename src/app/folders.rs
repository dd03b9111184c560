//! Where things lie below `data_dir`.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::environment::{Environment, LifeId};
use crate::outbound::supervisor::life_folder;

/// Others may pass through to what hooks need, and do nothing else.
pub(super) const FOLDER_MODE: u32 = 0o711;

/// The folders of one installation.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    data: PathBuf,
}

impl Folders {
    pub(super) fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Makes the top folders. Hooks may pass through to their own folders, and read nothing else: mirrors are for
    /// the bot alone.
    pub(super) fn make(&self) -> std::io::Result<()> {
        for (folder, mode) in [
            (self.data.clone(), FOLDER_MODE),
            (self.data.join("mirrors"), 0o700),
            (self.data.join("control"), FOLDER_MODE),
            (self.previews(), FOLDER_MODE),
        ] {
            std::fs::DirBuilder::new().recursive(true).mode(mode).create(&folder)?;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Everything about previews on this machine.
    pub(super) fn previews(&self) -> PathBuf {
        self.data.join("previews")
    }

    /// Where provisioner hooks of an environment run.
    pub(super) fn control(&self, environment: &Environment) -> PathBuf {
        self.data.join("control").join(environment.project.slug.as_str()).join(environment.name.as_str())
    }

    /// Where runner hooks of an environment run: its own checkout.
    pub(super) fn compute_root(&self, environment: &Environment) -> PathBuf {
        self.previews().join(environment.project.slug.as_str()).join(environment.name.as_str())
    }

    /// What the bot keeps beside an environment.
    pub(super) fn life(&self, life: LifeId) -> PathBuf {
        life_folder(&self.previews(), life)
    }
}
