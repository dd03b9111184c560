//! What is wrong with a configuration file, and where.

/// Names of [`ConfigError::kind`] that are used in more than one place.
pub(in crate::domain::project) mod kind {
    /// Not YAML, or a value of a wrong type.
    pub(in crate::domain::project) const INVALID: &str = "config_yaml_invalid";
    /// The same in an overlay.
    pub(in crate::domain::project) const OVERLAY_INVALID: &str = "overlay_yaml_invalid";
    /// A key that has no meaning where it stands.
    pub(in crate::domain::project) const UNKNOWN_FIELD: &str = "unknown_field";
    /// A file that is not there.
    pub(in crate::domain::project) const UNREADABLE: &str = "config_unreadable";
    /// A mode that cannot be part of a file name.
    pub(in crate::domain::project) const BAD_MODE: &str = "invalid_mode";
}

/// A configuration that cannot be used, with its place in the file where that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ConfigError {
    /// Kind name of the spec: `config_yaml_invalid`, `overlay_yaml_invalid`, `unknown_field`, `config_unreadable`,
    /// `invalid_mode`, `missing_name`, `missing_version`, `service_missing_path`, `provisioner_missing_outputs`.
    pub kind: &'static str,
    /// File name.
    pub file: String,
    /// Line, counted from 1.
    pub line: Option<u64>,
    /// Column, counted from 1.
    pub column: Option<u64>,
    /// What is wrong and, for unknown names, the nearest known one.
    pub message: String,
}
