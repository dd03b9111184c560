//! What `docker compose ps` prints, and `docker ps` in its place.

use serde::Deserialize;

/// Makes `docker ps` print what `docker compose ps --format json` does, without loading the Compose plugin.
/// Health and exit code are only in the status there: [`ComposeContainer::completed`].
pub const PS_FORMAT: &str = concat!(
    r#"{"Service":{{json (.Label "com.docker.compose.service")}},"Name":{{json .Names}},"#,
    r#""State":{{json .State}},"Image":{{json .Image}},"Status":{{json .Status}}}"#,
);

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

impl ComposeContainer {
    /// The same with the health and the exit code that the status tells: `Up 2 hours (healthy)`, `Exited (3) …`.
    #[must_use]
    pub fn completed(self) -> Self {
        let bracketed = self.status.split_once('(').and_then(|(_, rest)| Some(rest.split_once(')')?.0));
        let word = bracketed.unwrap_or_default();
        let health = match word.strip_prefix("health: ").unwrap_or(word) {
            health @ ("healthy" | "unhealthy" | "starting") => health.to_owned(),
            _ => String::new(),
        };
        Self { health, exit_code: word.parse().unwrap_or_default(), ..self }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_tells_health_and_exit_code() {
        let cases = [
            ("Up 2 hours", "", 0),
            ("Up 2 hours (healthy)", "healthy", 0),
            ("Up Less than a second (health: starting)", "starting", 0),
            ("Up 3 seconds (unhealthy)", "unhealthy", 0),
            ("Up 3 seconds (Paused)", "", 0),
            ("Exited (137) 3 hours ago", "", 137),
            ("Exited (0) 3 hours ago", "", 0),
            ("Restarting (1) 2 seconds ago", "", 1),
            ("Created", "", 0),
        ];
        for (status, health, exit_code) in cases {
            let container = ComposeContainer { status: status.to_owned(), ..ComposeContainer::default() };
            let container = container.completed();
            assert_eq!((container.health.as_str(), container.exit_code), (health, exit_code), "{status}");
        }
    }
}
