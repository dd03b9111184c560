//! Kinds of problems that are named in more than one place.

/// Not YAML, or a value of a wrong type.
pub(in crate::domain) const INVALID: &str = "config_yaml_invalid";
/// The same in an overlay.
pub(in crate::domain) const OVERLAY_INVALID: &str = "overlay_yaml_invalid";
/// The same in a compose file.
pub(in crate::domain) const COMPOSE_INVALID: &str = "compose_yaml_invalid";
/// A key that has no meaning where it stands.
pub(in crate::domain) const UNKNOWN_FIELD: &str = "unknown_field";
/// A file that is not there or cannot be read.
pub(in crate::domain) const UNREADABLE: &str = "config_unreadable";
/// A mode that cannot be part of a file name.
pub(in crate::domain) const BAD_MODE: &str = "invalid_mode";
