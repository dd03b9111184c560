//! Paths in compose files, from the text alone; whether a link leads out of the checkout is the adapter's to see.

use super::violation::Wrong;

/// A path below the checkout: cleaned as Compose cleans it, before the file system is asked. `.` is the checkout.
///
/// # Errors
/// Why it is none, and what to do.
pub(super) fn below(base: &str, path: &str) -> Result<String, (Wrong, String)> {
    let refused = |wrong, why: &str| Err((wrong, why.to_owned()));
    if path.contains('$') {
        return refused(Wrong::Unclear, "a path with a variable cannot be judged: write the path itself");
    }
    if path.chars().any(char::is_control) {
        return refused(Wrong::Unclear, "a path with control characters is not allowed");
    }
    if is_remote(path) {
        return refused(Wrong::Remote, "only files of the repository can be used: put a copy there");
    }
    if path.starts_with(['/', '~', '\\']) {
        return refused(Wrong::Outside, "only paths in the repository can be used: write it relative");
    }
    let mut parts: Vec<&str> = base.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    for part in path.split('/') {
        match part {
            ".." if parts.pop().is_none() => {
                return refused(Wrong::Outside, "it leads out of the repository: use a path inside it");
            }
            "" | "." | ".." => {}
            part => parts.push(part),
        }
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// The folder of a cleaned path.
pub(super) fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// Whether Compose or a builder would take it for something to fetch: a URL, `git@host:path`, `github.com/…`, `oci://…`.
pub(super) fn is_remote(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    lower.contains(':') || lower.starts_with("github.com/") || lower.starts_with("git@")
}

/// A path in a resolved file, which Compose made absolute, from the checkout.
///
/// # Errors
/// As [`below`].
pub(super) fn from_root(root: &str, path: &str) -> Result<String, (Wrong, String)> {
    if path.contains('$') {
        return Err((Wrong::Unclear, "a path with a dollar sign cannot be judged: rename it".to_owned()));
    }
    let root = root.trim_end_matches('/');
    let relative = match path.strip_prefix(root) {
        Some("") => ".",
        Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => path,
    };
    below("", relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_those_that_lead_out_are_told() {
        for (base, path, expected) in [
            ("", ".", Ok(".")),
            ("", "./a//b/", Ok("a/b")),
            ("sub", "../a", Ok("a")),
            ("sub/deep", "../../a/../b", Ok("b")),
            ("", "a/../..", Err(Wrong::Outside)),
            ("", "..", Err(Wrong::Outside)),
            ("sub", "../../a", Err(Wrong::Outside)),
            ("", "/etc/passwd", Err(Wrong::Outside)),
            ("", "~/x", Err(Wrong::Outside)),
            ("", "${HOME}/x", Err(Wrong::Unclear)),
            ("", "a\nb", Err(Wrong::Unclear)),
            ("", "https://example.com/x", Err(Wrong::Remote)),
            ("", "oci://example.com/x", Err(Wrong::Remote)),
            ("", "git@example.com:x/y.git", Err(Wrong::Remote)),
            ("", "GitHub.com/x/y", Err(Wrong::Remote)),
            ("", "host:path", Err(Wrong::Remote)),
        ] {
            assert_eq!(
                below(base, path).map_err(|(wrong, _)| wrong),
                expected.map(str::to_owned),
                "{base} {path}"
            );
        }
    }

    #[test]
    fn absolute_paths_are_seen_from_the_root() {
        for (path, expected) in [
            ("/r/t", Ok(".")),
            ("/r/t/a/b", Ok("a/b")),
            ("/r/tx/a", Err(Wrong::Outside)),
            ("/r", Err(Wrong::Outside)),
            ("/r/t/../x", Err(Wrong::Outside)),
            ("/r/t/a$$b", Err(Wrong::Unclear)),
        ] {
            assert_eq!(from_root("/r/t", path).map_err(|(wrong, _)| wrong), expected.map(str::to_owned), "{path}");
        }
    }
}
