//! Names that something might misread: `fixtures/hostile/names.yaml`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

/// The file that no name may make.
pub(crate) const CANARY: &str = "canary";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Branch,
    Tag,
    Path,
    Service,
    Environment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Works,
    Refused,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    #[serde(rename = "name")]
    pub(crate) text: String,
    pub(crate) fate: Fate,
    /// A word of the reason for which it is refused.
    #[serde(default)]
    pub(crate) because: String,
}

/// All of them.
pub(crate) fn all() -> Vec<Name> {
    let names: Vec<Name> = serde_yaml::from_str(include_str!("../../../fixtures/hostile/names.yaml")).unwrap();
    assert!(names.len() >= 150, "{}", names.len());
    assert!(names.iter().all(|name| name.because.is_empty() == (name.fate == Fate::Works)));
    names
}

/// Those of a kind with this fate.
pub(crate) fn of(kind: Kind, fate: Fate) -> Vec<Name> {
    let names: Vec<Name> = all().into_iter().filter(|name| name.kind == kind && name.fate == fate).collect();
    assert!(!names.is_empty());
    names
}

/// Each text once that a variable or a row can hold.
pub(crate) fn texts() -> Vec<String> {
    let texts: BTreeSet<String> =
        all().into_iter().map(|name| name.text).filter(|text| !text.contains('\0')).collect();
    texts.into_iter().collect()
}

/// Fails when a name was taken for something to run.
pub(crate) fn assert_no_canary(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        assert!(entry.file_name() != CANARY, "{} was made", entry.path().display());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            assert_no_canary(&entry.path());
        }
    }
}
