//! Names that are safe everywhere: of environments, and of projects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::change::{ChangeNumber, ForgeKind, NameError};

/// An environment's name: safe as a folder, a compose project part and a DNS label.
///
/// Lower-case letters, digits, `-`, `_` and `.`, at most 63, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

impl EnvName {
    /// `pr-42` on GitHub, `mr-42` on GitLab.
    #[must_use]
    pub fn of_change(forge: ForgeKind, number: ChangeNumber) -> Self {
        Self(format!("{}-{number}", forge.environment_prefix()))
    }

    /// The name for what a person calls an environment: the same where that is plain, else made plain with a hash of
    /// the original, so that `feat/a` and `feat-a` stay two.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        if is_plain_name(text) {
            return Self(text.to_owned());
        }
        let hash = hex::encode(Sha256::digest(text));
        Self(Slug::from_text(text).with_suffix(&hash[..8]).0)
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(legal)
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

impl FromStr for EnvName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_plain_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new(
                "environment name",
                text,
                "it must be 1 to 63 of a-z 0-9 - _ . and start with a letter or digit",
            ))
        }
    }
}

impl TryFrom<String> for EnvName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<EnvName> for String {
    fn from(name: EnvName) -> Self {
        name.0
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The short, unique name that the bot gives a project; same alphabet as [`EnvName`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    /// A slug made from any text: illegal characters become `-`; cut to 40; `project` when nothing is left.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut slug = String::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            let legal = c.is_ascii_lowercase() || c.is_ascii_digit();
            if legal {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= 40 {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { "project".to_owned() } else { slug.to_owned() })
    }

    /// The same slug with a suffix that makes it unique.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        Self(format!("{}-{suffix}", self.0))
    }

    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_plain_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new("project", text, "it must be 1 to 63 of a-z 0-9 - _ ."))
        }
    }
}

impl TryFrom<String> for Slug {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!(EnvName::of_change(ForgeKind::Gitlab, ChangeNumber(7)).as_str(), "mr-7");
        for bad in ["", "-a", ".a", "A", "a/b", "a b", "$(x)", "a\n", &"a".repeat(64)] {
            assert!(bad.parse::<EnvName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_people_call_environments_becomes_plain_and_stays_apart() {
        assert_eq!(EnvName::of_text("feat-a").as_str(), "feat-a");
        let names = ["feat-a", "feat/a", "feat_a", "Feat-a", "-feat-a", "../x", "é", "", &"x".repeat(100)];
        let plain: std::collections::BTreeSet<EnvName> = names.iter().map(|name| EnvName::of_text(name)).collect();
        assert_eq!(plain.len(), names.len());
        assert!(plain.iter().all(|name| name.as_str().parse::<EnvName>().is_ok()));
    }

    #[test]
    fn slugs_are_made_from_anything() {
        for (text, slug) in
            [("Shop", "shop"), ("../x y", "x-y"), ("é", "project"), ("", "project"), ("a--b", "a-b")]
        {
            assert_eq!(Slug::from_text(text).as_str(), slug);
        }
        assert!(Slug::from_text(&"x/".repeat(100)).as_str().parse::<Slug>().is_ok());
    }
}
