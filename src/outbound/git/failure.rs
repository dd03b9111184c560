//! What git's complaints mean.

use crate::domain::error::{ErrorKind, PortError};

/// Words of git and curl that say that the other side knows us not, or not well enough.
const DENIED: [&str; 8] = [
    "authentication failed",
    "could not read username",
    "could not read password",
    "returned error: 401",
    "returned error: 403",
    "permission denied",
    "terminal prompts disabled",
    "write access to repository not granted",
];
/// Words that say that there is no such repository.
const MISSING: [&str; 6] = [
    "repository not found",
    "not found",
    "does not appear to be a git repository",
    "does not exist",
    "returned error: 404",
    "returned error: 410",
];
/// Forges do not say whether a repository is not there or may not be seen.
const MISSING_HINT: &str =
    "is it there, and does the App on it have the permission `contents: read`? A forge says the same of both";
/// Words that say that this commit cannot be had by its id.
const UNADVERTISED: [&str; 4] =
    ["not our ref", "unadvertised object", "couldn't find remote ref", "no such remote ref"];
/// How much of git's own words is shown, in characters.
const SHOWN: usize = 400;

/// Whether the server would not give a commit by its id, be it gone or only not allowed.
pub(super) fn is_unadvertised(complaint: &str) -> bool {
    let complaint = complaint.to_lowercase();
    UNADVERTISED.iter().any(|words| complaint.contains(words))
}

/// The error that git's complaint stands for.
pub(super) fn classify(what: &str, complaint: &str) -> PortError {
    let lower = complaint.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    let kind = if says(&DENIED) {
        ErrorKind::Denied
    } else if says(&MISSING) {
        ErrorKind::NotFound
    } else {
        ErrorKind::Unavailable
    };
    PortError::new(kind, format!("{what}: {}", clean(complaint)))
}

/// The error that git's complaint about another machine stands for, with a hint where its words alone lead astray.
pub(super) fn classify_fetch(what: &str, complaint: &str) -> PortError {
    let error = classify(what, complaint);
    if error.kind() == ErrorKind::NotFound {
        return PortError::new(ErrorKind::NotFound, format!("{error} ({MISSING_HINT})"));
    }
    error
}

/// git's words on one line, without accounts and passwords in URLs, cut to what a person reads.
fn clean(complaint: &str) -> String {
    let words = complaint.split_whitespace().map(without_userinfo);
    let mut text = words.collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    if text.is_empty() { "git said nothing".to_owned() } else { text }
}

fn without_userinfo(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_become_kinds() {
        let cases = [
            ("fatal: Authentication failed for 'https://x/'", ErrorKind::Denied),
            ("fatal: unable to access 'https://x/': The requested URL returned error: 403", ErrorKind::Denied),
            ("remote: Repository not found.\nfatal: repository 'https://x/' not found", ErrorKind::NotFound),
            (
                "fatal: unable to access 'https://x/': The requested URL returned error: 500",
                ErrorKind::Unavailable,
            ),
            ("fatal: unable to access 'https://x/': The requested URL returned error: 404", ErrorKind::NotFound),
            ("fatal: unable to access 'https://x/': Could not resolve host: x", ErrorKind::Unavailable),
            ("", ErrorKind::Unavailable),
        ];
        for (complaint, kind) in cases {
            assert_eq!(classify("fetch", complaint).kind(), kind, "{complaint}");
        }
    }

    #[test]
    fn a_repository_that_cannot_be_seen_is_told_with_the_permission_that_may_be_missing() {
        let error = classify_fetch("fetch", "fatal: unable to access 'https://x/': returned error: 404");
        assert!(error.to_string().contains("contents: read"), "{error}");
        assert!(!classify_fetch("fetch", "fatal: early EOF").to_string().contains("contents"));
    }

    #[test]
    fn accounts_in_urls_are_not_shown() {
        let error = classify("fetch", "fatal: unable to access 'https://user:ghs_x@example.com/a@b/': no");
        assert_eq!(error.to_string(), "fetch: fatal: unable to access 'https://example.com/a@b/': no");
    }
}
