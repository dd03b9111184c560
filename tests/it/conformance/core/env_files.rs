//! Env files come back the same from those who really read them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use previewbot::domain::render::env_file::render;

use super::text_map;
use crate::conformance::vectors::load;

type Variables = BTreeMap<String, String>;

/// What a POSIX shell has after sourcing the file, with nothing else in its environment.
fn sourced(file: &Path) -> Variables {
    let script = "set -a; unset PWD OLDPWD; . \"$0\" || exit 1; exec /usr/bin/env -0";
    let output = Command::new("/bin/sh").env_clear().args(["-c", script]).arg(file).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    let pairs = pairs.filter(|(key, _)| !["PWD", "OLDPWD", "_", "SHLVL"].contains(key));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What Compose would give a container, or nothing where the Compose plugin is not installed.
fn composed(folder: &Path, file: &Path) -> Option<Variables> {
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

fn hard_values() -> Vec<&'static str> {
    vec![
        "",
        " ",
        "x ",
        "\t",
        "\n",
        "\n\n",
        "a\n",
        "\r",
        "\\",
        "\\\\",
        "a\\",
        "a\\\\\\",
        "it's\\",
        "'",
        "\"",
        "''",
        "'\\''",
        "\\'",
        "\\\"'",
        "'\\n",
        "'\\t\\0101\\$",
        "$",
        "'$",
        "$$",
        "'$$",
        "${X:-y}",
        "'${X:-y}",
        "$(id)",
        "'$(id)",
        "`id`",
        "'`id`'",
        "it's `a` and `b` \\ \" $X ${X}\n#",
        "`\\",
        "~",
        "~root",
        "a:~root",
        "*",
        "?[a]",
        "#",
        "a #b",
        "'a #b",
        "!x",
        "a&b",
        "a;b",
        "a|b",
        "<a>",
        "(a)",
        "{a,b}",
        "é日🎉",
        "'é日🎉",
        "export A=1",
        "-----BEGIN-----\nMII=\n-----END-----\n",
        "{\"a\": \"it's\"}",
        "%s%n",
        "x=y",
        "=",
        "\u{a0}",
        "'\u{85}",
    ]
}

#[test]
fn hard_values_come_back_from_a_shell_and_from_compose() {
    let numbered = |(index, value): (usize, &&str)| (format!("V{index}"), (*value).to_owned());
    let variables: Variables = hard_values().iter().enumerate().map(numbered).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hard.env");
    std::fs::write(&file, render(&variables)).unwrap();
    assert_eq!(sourced(&file), variables);
    if let Some(composed) = composed(folder.path(), &file) {
        assert_eq!(composed, variables);
    }
}

/// Held to the values, not to the bytes: some recorded texts would be other values in a shell.
#[test]
fn env_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for vector in load("env_file") {
        let variables = text_map(&vector, "env");
        let text = render(&variables);
        let file = folder.path().join(&vector.name);
        std::fs::write(&file, &text).unwrap();
        let read = sourced(&file);
        let composed = composed(folder.path(), &file).unwrap_or_else(|| variables.clone());
        let comments = text.lines().take(1).filter(|line| line.starts_with('#')).count();
        if read != variables || composed != variables || comments != 1 {
            failures.push(format!("{}: shell {read:?}, compose {composed:?} of {text:?}", vector.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Where no quotes are needed, the text is the recorded one to the byte.
#[test]
fn plain_values_are_written_as_the_original_writes_them() {
    for name in ["empty_map", "sorted_keys", "value_with_equals"] {
        let vector = load("env_file").into_iter().find(|vector| vector.name == name).unwrap();
        let text = render(&text_map(&vector, "env"));
        let (_, lines) = text.split_once('\n').unwrap();
        let expected = vector.expected.unwrap();
        let (_, expected) = expected.as_str().unwrap().split_once('\n').unwrap();
        assert_eq!(lines, expected, "{name}");
    }
}
