//! What a compose file asks for and may not have.

use crate::domain::yaml::tree::shown;

/// Violations that are told; the others are counted.
const TOLD: usize = 25;
/// Characters of one violation that are shown.
const LONGEST: usize = 400;

/// What sort of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// A key or a form that is not on the list of what is known to be harmless.
    Unknown,
    /// A right beyond those of a plain container.
    Privilege,
    /// A namespace of the host or of somebody else's container.
    Namespace,
    /// A path out of the repository.
    Outside,
    /// A path that must be in the repository and is not.
    Missing,
    /// Something that would be fetched from elsewhere.
    Remote,
    /// Something that cannot be judged before it is used.
    Unclear,
    /// Something that is not this preview's own.
    Foreign,
    /// A driver that does more than Docker's own.
    Driver,
    /// More of something than a preview may have.
    Limit,
    /// A label that other programs on the host obey.
    Label,
    /// An address inside the host's own network.
    Address,
}

impl Wrong {
    /// The word for it in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Privilege => "privilege",
            Self::Namespace => "namespace",
            Self::Outside => "outside",
            Self::Missing => "missing",
            Self::Remote => "remote",
            Self::Unclear => "unclear",
            Self::Foreign => "foreign",
            Self::Driver => "driver",
            Self::Limit => "limit",
            Self::Label => "label",
            Self::Address => "address",
        }
    }
}

/// One thing that is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where it stands: `services.web.volumes[1]`.
    pub place: String,
    /// What sort of thing is wrong.
    pub wrong: Wrong,
    /// What is wrong and what to do.
    pub message: String,
}

impl Violation {
    /// A violation at a place.
    pub fn new(place: impl Into<String>, wrong: Wrong, message: impl Into<String>) -> Self {
        Self { place: place.into(), wrong, message: message.into() }
    }
}

/// All violations of a file as people are told them, in the order of their places.
#[must_use]
pub fn refusal(what: &str, mut violations: Vec<Violation>) -> String {
    violations.sort();
    violations.dedup();
    let lines = violations.iter().take(TOLD).map(|violation| {
        let line: String = format!("\n- {}: {}", violation.place, violation.message);
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    });
    let lines: String = lines.collect();
    let more = match violations.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("\n… and {more} more"),
    };
    format!("{what} asks for what a sandboxed preview may not have:{lines}{more}")
}

/// The place of a key in a mapping.
pub(super) fn child(place: &str, key: &str) -> String {
    if place.is_empty() { shown(key) } else { format!("{place}.{}", shown(key)) }
}

/// The place of an item in a list.
pub(super) fn item(place: &str, index: usize) -> String {
    format!("{place}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_sorted_and_of_a_sane_length() {
        let violation = |n: usize| Violation::new(format!("services.s{n:03}"), Wrong::Unknown, "x".repeat(1_000));
        let text = refusal("compose file a.yaml", (0..1_000).rev().map(violation).collect());
        assert!(text.starts_with("compose file a.yaml asks for"), "{text}");
        assert!(text.contains("\n- services.s000: xx") && text.ends_with("\n… and 975 more"), "{text}");
        assert!(text.chars().count() < 25 * 410, "{}", text.len());
        let same = vec![violation(1), violation(1)];
        assert_eq!(refusal("f", same).lines().count(), 2);
    }
}
