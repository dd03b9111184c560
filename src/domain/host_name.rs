//! Host names of services behind the proxy: `<environment>--<service>.<domain>`, always legal.

use sha2::{Digest, Sha256};

/// Longest label of a host name (RFC 1035), in characters.
const LONGEST_LABEL: usize = 63;
/// Longest host name, in characters.
const LONGEST_NAME: usize = 253;
/// Digits of the hash that tells two labels apart which would else be the same.
const HASH_DIGITS: usize = 8;

/// The label of a service of an environment: `<environment>--<service>` where that is legal. Otherwise every other
/// character becomes `-` and a hash of both names is added, so that no two of them meet.
#[must_use]
pub fn service_label(environment: &str, service: &str) -> String {
    let plain = format!("{environment}--{service}");
    if is_label(&plain) {
        return plain;
    }
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let readable: String = plain.chars().map(kept).take(LONGEST_LABEL - HASH_DIGITS - 1).collect();
    // NUL stands between the two, so that no other pair hashes alike.
    let hash = hex::encode(Sha256::digest(format!("{environment}\0{service}")));
    let hash = &hash[..HASH_DIGITS];
    match readable.trim_matches('-') {
        "" => format!("e-{hash}"),
        readable => format!("{readable}-{hash}"),
    }
}

/// Whether a text can be a domain that hosts are made below: lower-case labels with dots between them.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends_well = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && text.len() <= LONGEST_LABEL && ends_well && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_labels_stay_and_all_others_become_legal_and_distinct() {
        assert_eq!(service_label("pr-1", "api"), "pr-1--api");
        let long = "x".repeat(80);
        let names = ["feat/x", "feat_x", "Feat-x", "feat x", "", "-", "é", "a;\n{}", &long, &format!("{long}y")];
        let mut labels: Vec<String> = names.iter().map(|name| service_label(name, "web")).collect();
        labels.extend([service_label("a", "b--c/"), service_label("a--b", "c/")]);
        assert!(labels.iter().all(|label| is_label(label)), "{labels:?}");
        let distinct: std::collections::BTreeSet<&String> = labels.iter().collect();
        assert_eq!(distinct.len(), labels.len(), "{labels:?}");
        assert!(labels[0].starts_with("feat-x--web-"), "{labels:?}");
    }

    #[test]
    fn domains_are_labels_with_dots() {
        for good in ["p.example.com", "localhost", "10.0.0.1.nip.io"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in ["", ".", "a..b", "a.", "A.b", "a b", "a;b", "*.a", "-a.b", &format!("{}a", "a.".repeat(127))] {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
