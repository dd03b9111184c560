//! Binding vectors that the design overrules on purpose: `fixtures/conformance/overruled.yaml`.

use previewbot::domain::yaml;
use serde::Deserialize;

use super::vectors::own_folder;

/// Name of the list; it is no topic.
pub(super) const FILE: &str = "overruled.yaml";

/// One vector that is answered otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overruled {
    topic: String,
    name: String,
    /// Why.
    pub(super) reason: String,
}

/// The list.
pub(super) fn read() -> Vec<Overruled> {
    let path = own_folder().join(FILE);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Why a vector is overruled, if it is.
pub(super) fn reason(list: &[Overruled], topic: &str, name: &str) -> Option<String> {
    list.iter().find(|entry| entry.topic == topic && entry.name == name).map(|entry| entry.reason.clone())
}
