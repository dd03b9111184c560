//! What `docker compose ps` prints.

use serde::Deserialize;

/// The output of `docker compose ps` is no JSON, or not of the known shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("output of `docker compose ps --format json` does not parse: {0}")]
pub struct PsError(pub String);

/// One container as `docker compose ps --format json` tells it (an array, or one object per line).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ComposeContainer {
    /// Compose service.
    pub service: String,
    /// Container name.
    pub name: String,
    /// `running`, `exited`, …
    pub state: String,
    /// `healthy`, `unhealthy`, `starting` or empty.
    pub health: String,
    /// Image.
    pub image: String,
    /// Human text of the status.
    pub status: String,
    /// Exit code.
    pub exit_code: i64,
}

/// Reads the output of `docker compose ps --format json`.
///
/// # Errors
/// When it is no JSON of that shape.
pub fn parse_ps(text: &str) -> Result<Vec<ComposeContainer>, PsError> {
    let containers = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    };
    containers.map_err(|error| PsError(error.to_string()))
}
