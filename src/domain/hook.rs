//! Hook outputs and hook variables (spec §16): pure.

use std::collections::BTreeMap;

/// A hook ended well but did not print what it declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hook did not print its declared output{} {}: print `NAME=value` on a line of its own", if missing.len() == 1 { "" } else { "s" }, missing.join(", "))]
pub struct MissingOutputs {
    /// Names in declared order.
    pub missing: Vec<String>,
}

/// `NAME=value` lines of a hook's stdout; the last line of a name wins.
///
/// A line whose name would hold white space is a log line, not an output (mends W-13); a leading `export` is
/// left out, so that a hook may print a file that is meant to be sourced.
#[must_use]
pub fn parse_outputs(stdout: &str) -> BTreeMap<String, String> {
    let line_output = |line: &str| {
        let line = line.trim();
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let name = name.trim();
        let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(name).trim();
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    stdout.split('\n').filter_map(line_output).collect()
}

/// Checks that every declared output is there (an empty value counts).
///
/// # Errors
/// [`MissingOutputs`] with the names in declared order.
pub fn require_outputs(outputs: &BTreeMap<String, String>, declared: &[String]) -> Result<(), MissingOutputs> {
    let missing: Vec<String> = declared.iter().filter(|name| !outputs.contains_key(*name)).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(MissingOutputs { missing }) }
}

/// Outputs named `GLOBAL_<KEY>`, as `<KEY>`: they go into the environment's store.
#[must_use]
pub fn global_outputs(outputs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let global = |(name, value): (&String, &String)| {
        let key = name.strip_prefix("GLOBAL_").filter(|key| !key.is_empty())?;
        Some((key.to_owned(), value.clone()))
    };
    outputs.iter().filter_map(global).collect()
}

/// `PREVIEWCTL_PORT_<NAME>` for a service name.
#[must_use]
pub fn port_variable(name: &str) -> String {
    format!("PREVIEWCTL_PORT_{}", variable_part(name))
}

/// `PREVIEWCTL_STORE_<KEY>` for a store key.
#[must_use]
pub fn store_variable(key: &str) -> String {
    format!("PREVIEWCTL_STORE_{}", variable_part(key))
}

/// Upper-cased, with `_` for every character that a variable's name may not have (mends W-14).
fn variable_part(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(legal).collect()
}

/// The environment's name with every byte outside `a-z 0-9 - _` replaced (spec §9, later).
#[must_use]
pub fn sanitize_name(name: &str) -> String {
    let kept = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte),
        b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
        _ => '_',
    };
    name.bytes().map(kept).collect()
}

/// How one stdout line is shown: `KEY=********` for a line with `=`, others unchanged (spec §16).
#[must_use]
pub fn display_line(line: &str) -> String {
    let trimmed = line.trim();
    match trimmed.split_once('=') {
        Some((key, _)) if !trimmed.starts_with('#') => format!("{}=********", key.trim_end()),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_may_be_exported_but_names_hold_no_space() {
        let outputs = parse_outputs("export A=1\nexport=2\nexported=3\nsome words=4\n=5\n");
        let names: Vec<&str> = outputs.keys().map(String::as_str).collect();
        assert_eq!(names, ["A", "export", "exported"]);
    }

    #[test]
    fn missing_outputs_are_listed_in_declared_order() {
        let outputs = BTreeMap::from([("B".to_owned(), String::new())]);
        let declared = ["Z", "B", "A"].map(str::to_owned);
        let error = require_outputs(&outputs, &declared).unwrap_err();
        assert_eq!(error.missing, ["Z", "A"]);
        assert_eq!(require_outputs(&outputs, &declared[1..2]), Ok(()));
    }

    #[test]
    fn variables_have_legal_names() {
        assert_eq!(port_variable("my-svc.v2"), "PREVIEWCTL_PORT_MY_SVC_V2");
        assert_eq!(port_variable("1 é\n;"), "PREVIEWCTL_PORT_1____");
        assert_eq!(store_variable("zone-a"), "PREVIEWCTL_STORE_ZONE_A");
    }
}
