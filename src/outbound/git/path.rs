//! Paths of files in a commit, as people write them in configurations.

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// The path as git knows it: without `.`, `..` and doubled slashes.
///
/// # Errors
/// `Invalid` for what names no file within the repository.
pub(super) fn within(path: &str) -> PortResult<String> {
    let invalid = |why: &str| {
        let message = format!("path `{}` {why}: name a file from the repository's root", path.escape_debug());
        Err(PortError::new(ErrorKind::Invalid, message))
    };
    if path.contains('\0') {
        return invalid("holds a NUL character");
    }
    if path.starts_with('/') {
        return invalid("is absolute");
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return invalid("leaves the repository");
                }
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { invalid("names no file") } else { Ok(parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_within_the_repository_reach_git() {
        let fine =
            [("a", "a"), ("./a//b", "a/b"), ("a/../b", "b"), ("..a/b.", "..a/b."), ("--x", "--x"), ("*", "*")];
        for (path, cleaned) in fine {
            assert_eq!(within(path).unwrap(), cleaned);
        }
        let bad = [
            ("", "names no file"),
            (".", "names no file"),
            ("a/..", "names no file"),
            ("/etc/passwd", "is absolute"),
            ("../x", "leaves the repository"),
            ("a/../../x", "leaves the repository"),
            ("a\0b", "NUL"),
        ];
        for (path, why) in bad {
            let error = within(path).unwrap_err();
            assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(why), "{path:?}: {error}");
        }
    }
}
