//! Which environment a folder belongs to (spec §13): for commands that are run inside one.

use super::entry::EnvironmentEntry;

/// The folder tells no environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CwdError {
    /// No environment lies there.
    #[error("{0} is not inside an environment; name one, or go to its folder")]
    NotInside(String),
    /// Several environments lie in the same folder.
    #[error("{cwd} belongs to several environments: {}; name one of them", environments.join(", "))]
    Ambiguous {
        /// The folder.
        cwd: String,
        /// Names in byte order.
        environments: Vec<String>,
    },
}

/// The environment whose compute root on this machine contains `cwd`; of nested ones the innermost (mends W-20).
/// Environments on other machines and those without a compute never match, nor do roots that are not absolute.
///
/// `cwd` is absolute, and `canonical` resolves the links in a root as the caller resolved those in `cwd`; what it
/// cannot resolve it returns as it is.
///
/// # Errors
/// See [`CwdError`].
pub fn resolve_cwd<'a>(
    cwd: &str,
    entries: impl IntoIterator<Item = &'a EnvironmentEntry>,
    canonical: &dyn Fn(&str) -> String,
) -> Result<&'a EnvironmentEntry, CwdError> {
    let here = components(cwd);
    let mut found: Vec<(usize, &EnvironmentEntry)> = Vec::new();
    for entry in entries {
        let root = entry.compute.as_ref().filter(|compute| compute.kind != "ssh").and(entry.worktree_path());
        if let Some(root) = root.map(canonical).filter(|root| root.starts_with('/')) {
            let root = components(&root);
            if here.starts_with(&root) {
                found.push((root.len(), entry));
            }
        }
    }
    let deepest = found.iter().map(|(depth, _)| *depth).max();
    found.retain(|(depth, _)| Some(*depth) == deepest);
    match found.as_slice() {
        [] => Err(CwdError::NotInside(cwd.to_owned())),
        [(_, entry)] => Ok(entry),
        several => {
            let mut environments: Vec<String> = several.iter().map(|(_, entry)| entry.name.clone()).collect();
            environments.sort();
            Err(CwdError::Ambiguous { cwd: cwd.to_owned(), environments })
        }
    }
}

/// The parts of a cleaned absolute path.
fn components(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::ComputeAccessInfo;

    fn entry(name: &str, kind: &str, path: &str) -> EnvironmentEntry {
        let compute =
            ComputeAccessInfo { kind: kind.to_owned(), path: Some(path.to_owned()), ..Default::default() };
        EnvironmentEntry { name: name.to_owned(), compute: Some(compute), ..EnvironmentEntry::default() }
    }

    #[test]
    fn links_in_roots_are_resolved_and_other_machines_never_match() {
        let entries = [entry("here", "local", "/link"), entry("there", "ssh", "/w/one")];
        let canonical = |path: &str| path.replace("/link", "/w");
        assert_eq!(resolve_cwd("/w/one/x", &entries, &canonical).unwrap().name, "here");
        let error = resolve_cwd("/w/one", &entries[1..], &canonical).unwrap_err();
        assert_eq!(error, CwdError::NotInside("/w/one".to_owned()));
    }
}
