//! The keys that there are, so that a wrong one is told apart from a wrong value.

use serde_json::Value;

use super::SettingsError;

const TOP: &[&str] = &[
    "data_dir",
    "public_url",
    "server",
    "database",
    "github",
    "gitlab",
    "worker",
    "limits",
    "local",
    "urls",
    "machines",
    "sandbox",
    "hosts",
    "projects",
];

const SECTIONS: &[(&str, &[&str])] = &[
    ("server", &["listen", "admin_listen"]),
    ("database", &["url"]),
    (
        "github",
        &[
            "app_id",
            "private_key",
            "private_key_file",
            "webhook_secret",
            "webhook_secret_file",
            "api_url",
            "git_url",
        ],
    ),
    (
        "gitlab",
        &[
            "url",
            "token",
            "token_file",
            "webhook_secret",
            "webhook_secret_file",
            "webhook_signing_token",
            "webhook_signing_token_file",
            "git_url",
        ],
    ),
    ("worker", &["concurrency", "lease_seconds", "poll_ms", "drain_seconds"]),
    (
        "limits",
        &[
            "environments",
            "environments_per_project",
            "step_timeout_seconds",
            "stop_seconds",
            "ttl_hours",
            "checkout_files",
            "checkout_mb",
            "disk_mb",
            "disk_floor_mb",
        ],
    ),
    ("local", &["public_host", "bind", "run_as"]),
    ("urls", &["template"]),
    ("machines", &["identity_file", "known_hosts_file", "from_projects"]),
    ("sandbox", &["cpus", "memory_mb", "pids", "log_mb", "containers", "disk_mb"]),
    (
        "hosts",
        &[
            "name",
            "address",
            "port",
            "user",
            "identity_file",
            "known_hosts_file",
            "public_host",
            "bind",
            "root",
            "capacity",
            "disk_floor_mb",
            "labels",
        ],
    ),
    ("projects", &["repository", "mode", "hosts", "trusted_bots", "preview", "secrets"]),
];

/// Tables within a section.
const WITHIN: &[(&str, &str, &[&str])] = &[
    ("projects", "preview", &["trigger", "label", "drafts", "paths", "ttl", "probe", "urls", "comment"]),
    ("preview", "probe", &["service", "path", "timeout"]),
];

/// Refuses the first key that is not known.
pub(super) fn check(tree: &Value) -> Result<(), SettingsError> {
    let Value::Object(top) = tree else { return Ok(()) };
    for (key, value) in top {
        known("", key, TOP)?;
        let Some((_, keys)) = SECTIONS.iter().find(|(name, _)| name == key) else { continue };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    section(&format!("{key}[{index}]."), key, item, keys)?;
                }
            }
            other => section(&format!("{key}."), key, other, keys)?,
        }
    }
    Ok(())
}

fn section(prefix: &str, name: &str, value: &Value, keys: &[&str]) -> Result<(), SettingsError> {
    let Value::Object(table) = value else { return Ok(()) };
    table.keys().try_for_each(|key| known(prefix, key, keys))?;
    for (_, key, keys) in WITHIN.iter().filter(|(outer, ..)| *outer == name) {
        if let Some(value) = table.get(*key) {
            section(&format!("{prefix}{key}."), key, value, keys)?;
        }
    }
    Ok(())
}

fn known(prefix: &str, key: &str, keys: &[&str]) -> Result<(), SettingsError> {
    if keys.contains(&key) {
        return Ok(());
    }
    let nearest = keys
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(candidate, key), *candidate))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| format!("{prefix}{name}"));
    Err(SettingsError::UnknownKey { key: format!("{prefix}{key}"), nearest })
}
