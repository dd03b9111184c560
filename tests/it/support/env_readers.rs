//! Those who really read env files: a POSIX shell and Docker Compose.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

pub(crate) type Variables = BTreeMap<String, String>;

/// What a POSIX shell has after sourcing the file, with nothing else in its environment.
pub(crate) fn sourced(file: &Path) -> Variables {
    let script = "set -a; unset PWD OLDPWD; . \"$0\" || exit 1; exec /usr/bin/env -0";
    let output = Command::new("/bin/sh").env_clear().args(["-c", script]).arg(file).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    let pairs = pairs.filter(|(key, _)| !["PWD", "OLDPWD", "_", "SHLVL"].contains(key));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What Compose would give a container, or nothing where the Compose plugin is not installed.
pub(crate) fn composed(folder: &Path, file: &Path) -> Option<Variables> {
    let compose_file = folder.join("compose.yaml");
    let content = serde_json::json!({"services": {"s": {"image": "i", "env_file": [file]}}});
    std::fs::write(&compose_file, content.to_string()).unwrap();
    let mut command = Command::new("docker");
    command.args(["compose", "-f"]).arg(&compose_file).args(["config", "--format", "json"]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
    let installed = Command::new("docker").args(["compose", "version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        println!("docker compose is not installed: its reading is not compared");
        return None;
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let environment = config["services"]["s"]["environment"].clone();
    let variables: Variables = serde_json::from_value::<Option<_>>(environment).unwrap().unwrap_or_default();
    // `config` writes a compose file, in which a dollar is doubled.
    Some(variables.into_iter().map(|(key, value)| (key, value.replace("$$", "$"))).collect())
}
