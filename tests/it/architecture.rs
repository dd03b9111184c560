//! The house stands: who may import whom, how long a file may get, what may not be written where.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a file may have before it surely holds a second subject.
const LONGEST_FILE: usize = 500;

/// For each room, the rooms that it may name. `app` may name all; the entry points name `app`.
const LAW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("settings", &["domain"]),
    ("manager", &["domain"]),
    ("worker", &["domain", "manager"]),
    ("inbound", &["domain", "manager"]),
    ("outbound", &["domain"]),
    ("demo", &["domain"]),
    ("telemetry", &[]),
    ("lifecycle", &[]),
];

/// Crates that only one room may name, so that their types never cross inward.
const EDGE_CRATES: &[(&str, &str)] = &[
    ("octocrab", "outbound/forge/github"),
    ("sqlx", "outbound/store"),
    ("serde_yaml", "domain/yaml"),
    ("config", "settings"),
    ("annotate_snippets", "inbound/cli"),
];

fn source_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy().into_owned()
}

/// Code without comments; enough to find paths in it.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Rooms that a line names through `crate::`, also inside a braced `use crate::{…}`.
fn rooms_named(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(group.split(',').map(|part| word(part.trim()))),
            None => rooms.push(word(rest)),
        }
    }
    rooms
}

#[test]
fn dependencies_point_one_way() {
    let law: BTreeMap<&str, &[&str]> = LAW.iter().copied().collect();
    let mut broken = Vec::new();
    for file in source_files("src") {
        let name = relative(&file);
        let room = name["src/".len()..].split(['/', '.']).next().unwrap().to_owned();
        if room == "app" || room == "lib" {
            continue;
        }
        if room == "main" {
            continue;
        }
        let allowed = law.get(room.as_str()).unwrap_or_else(|| panic!("{name}: a room without a law"));
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in code_lines(&text) {
            for named in rooms_named(line) {
                if named != room && !allowed.contains(&named.as_str()) && law.contains_key(named.as_str()) {
                    broken.push(format!("{name}:{}: {room} must not name {named}", number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_import_law_sees_what_it_must_see() {
    assert_eq!(rooms_named("use crate::domain::{x, y};"), ["domain"]);
    assert_eq!(rooms_named("use crate::{domain::x, outbound::y};"), ["domain", "outbound"]);
    assert_eq!(rooms_named("let x = crate::outbound::git::f(crate::domain::Y);"), ["outbound", "domain"]);
}

#[test]
fn libraries_of_the_edge_stay_at_the_edge() {
    let mut broken = Vec::new();
    for file in source_files("src") {
        let name = relative(&file);
        let text = fs::read_to_string(&file).unwrap();
        for (library, home) in EDGE_CRATES {
            if name.starts_with(&format!("src/{home}")) {
                continue;
            }
            let path = format!("{library}::");
            for (number, line) in code_lines(&text) {
                let names_it = line
                    .match_indices(&path)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
                if names_it {
                    broken.push(format!("{name}:{}: {library} belongs to src/{home}", number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_holds_two_subjects() {
    let mut long = Vec::new();
    for folder in ["src", "tests"] {
        for file in source_files(folder) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > LONGEST_FILE {
                long.push(format!("{}: {lines} lines", relative(&file)));
            }
        }
    }
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn the_rooms_are_listed_in_the_architecture_page() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap();
    for (room, _) in LAW {
        assert!(page.contains(&format!("`{room}`")), "docs/architecture.md does not speak of `{room}`");
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
    for folder in ["src", "tests"] {
        for file in source_files(folder) {
            let text = fs::read_to_string(&file).unwrap();
            for mark in marks {
                assert!(!text.contains(mark), "{} holds {mark}", relative(&file));
            }
        }
    }
}
