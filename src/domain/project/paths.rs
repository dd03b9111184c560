//! `preview.paths`: which of a change's files matter to its preview. Globs as in a workflow's `paths`: `*` stays within a
//! folder, `**` does not, `!` takes back what an earlier one named, and the last one that fits a file decides.

use globset::{GlobBuilder, GlobMatcher};

/// More globs than this are a mistake, and each is asked about each file.
pub const MOST: usize = 100;

/// Longest glob.
const LONGEST: usize = 500;

/// One glob, and whether it names files or takes them back.
struct Rule {
    names: bool,
    glob: GlobMatcher,
}

fn rule(pattern: &str) -> Option<Rule> {
    let (names, text) = pattern.strip_prefix('!').map_or((true, pattern), |rest| (false, rest));
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build().ok()?;
    Some(Rule { names, glob: glob.compile_matcher() })
}

/// Whether this is a glob.
#[must_use]
pub fn is_pattern(pattern: &str) -> bool {
    rule(pattern).is_some()
}

/// Whether any of these files is one of those that the globs name. Where no glob names files, all are named to begin with.
#[must_use]
pub fn any_named<'f>(patterns: &[String], files: impl IntoIterator<Item = &'f str>) -> bool {
    let rules: Vec<Rule> = patterns.iter().filter_map(|pattern| rule(pattern)).collect();
    let at_first = rules.iter().all(|rule| !rule.names);
    let named = |file: &str| {
        let last = rules.iter().rev().find(|rule| rule.glob.is_match(file));
        last.map_or(at_first, |rule| rule.names)
    };
    files.into_iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        paths: Vec<String>,
        files: Vec<String>,
        named: bool,
    }

    #[test]
    fn files_are_named_as_the_table_says() {
        let cases: Vec<Case> =
            crate::domain::yaml::from_str(include_str!("../../../fixtures/policy/paths.yaml")).unwrap();
        assert!(cases.len() >= 20, "{} cases", cases.len());
        for Case { paths, files, named } in cases {
            assert!(paths.iter().all(|pattern| is_pattern(pattern)), "{paths:?}");
            assert_eq!(any_named(&paths, files.iter().map(String::as_str)), named, "{paths:?} {files:?}");
        }
    }

    #[test]
    fn what_is_no_glob_is_none() {
        let long = "a".repeat(LONGEST + 1);
        for text in ["", "!", "a[", "{a", long.as_str()] {
            assert!(!is_pattern(text), "{text}");
        }
    }
}
