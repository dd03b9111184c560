//! Names of compose projects (spec §9).

use sha2::{Digest, Sha256};

use crate::domain::hook::sanitize_name;

/// Sanitised `<project>-<environment>` that is a legal compose project name (spec §9).
///
/// A name that could not start a compose project's gets a leading letter and, because that may make it equal
/// to another's, a hash of the raw names.
#[must_use]
pub fn project_name(project: &str, environment: &str) -> String {
    let name = sanitize_name(&format!("{project}-{environment}"));
    if name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return name;
    }
    // NUL stands between the two, so that no other pair hashes alike.
    let hash = hex::encode(Sha256::digest(format!("{project}\0{environment}")));
    format!("p{name}-{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names_always_start_with_a_letter_or_digit() {
        let names = [project_name("", "x"), project_name("p", "x"), project_name("_", "x"), project_name("é", "")];
        for name in &names {
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
        }
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
