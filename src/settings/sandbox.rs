//! `[sandbox]`: what a service of an untrusted preview may take of its host.

use serde::Deserialize;

use super::SettingsError;
use crate::domain::compose::{Confinement, MIB};
use crate::domain::disk::DiskTerms;

/// `[sandbox]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// CPUs that a service may use.
    pub cpus: f64,
    /// Memory that a service may use, in MiB.
    pub memory_mb: u32,
    /// Processes and threads that a service may have.
    pub pids: u32,
    /// Output of a service that is kept, in MiB.
    pub log_mb: u32,
    /// Containers that a preview may have.
    pub containers: u32,
    /// What a preview may use of its host's disk, in MiB.
    pub disk_mb: u32,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { cpus: 1.0, memory_mb: 1024, pids: 256, log_mb: 10, containers: 16, disk_mb: 10_240 }
    }
}

impl Sandbox {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !(0.05..=1024.0).contains(&self.cpus) {
            return Err(SettingsError::Invalid("sandbox.cpus must be 0.05 to 1024".to_owned()));
        }
        for (key, value, least, most) in [
            ("memory_mb", self.memory_mb, 16, 1024 * 1024),
            ("pids", self.pids, 16, 65_536),
            ("log_mb", self.log_mb, 1, 10_240),
            ("containers", self.containers, 1, 1000),
            ("disk_mb", self.disk_mb, 1, 1024 * 1024 * 1024),
        ] {
            if !(least..=most).contains(&value) {
                return Err(SettingsError::Invalid(format!("sandbox.{key} must be {least} to {most}")));
            }
        }
        Ok(())
    }

    /// What a preview may use of its host's disk.
    #[must_use]
    pub fn disk_terms(&self) -> DiskTerms {
        DiskTerms { allowed: u64::from(self.disk_mb) * MIB, trusted: false }
    }

    /// The same as bounds of a compose file.
    #[must_use]
    pub fn confinement(&self) -> Confinement {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0.05 to 1024")]
        let milli_cpus = (self.cpus * 1000.0).round() as u32;
        Confinement {
            milli_cpus,
            memory: u64::from(self.memory_mb) * MIB,
            pids: self.pids,
            log: u64::from(self.log_mb) * MIB,
            containers: self.containers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_settings_and_policy_are_the_same() {
        assert_eq!(Sandbox::default().confinement(), Confinement::default());
        assert!(Sandbox::default().check().is_ok());
    }
}
