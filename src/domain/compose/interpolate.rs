//! Variables in compose files as Compose replaces them: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`,
//! `${NAME:?message}`, `${NAME?message}`, `${NAME:+text}`, `${NAME+text}`, nested in each other, and `$$` for `$`.
//!
//! No variable is set here: what a text says by itself is wanted.

/// Deepest nesting of one variable in another's default.
const DEEPEST: usize = 16;

/// A text with its variables at their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Interpolated {
    /// The text.
    pub(super) text: String,
    /// Whether a variable without a default decides a part of it.
    pub(super) open: bool,
    /// The variable that the text consists of, where it is nothing else.
    pub(super) variable: Option<String>,
}

/// Why a text cannot be interpolated.
pub(super) type Fault = &'static str;

const BAD_FORM: Fault = "`$` must be followed by a variable's name or `{NAME}`; a literal one is written `$$`";

/// Replaces the variables of a text by their defaults.
pub(super) fn interpolate(text: &str) -> Result<Interpolated, Fault> {
    at_depth(text, 0)
}

fn at_depth(text: &str, depth: usize) -> Result<Interpolated, Fault> {
    if depth > DEEPEST {
        return Err("variables are nested too deeply");
    }
    let mut result = Interpolated::default();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        result.text.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(after) = after.strip_prefix('$') {
            result.text.push('$');
            rest = after;
            continue;
        }
        let (name, value, after) = match after.strip_prefix('{') {
            Some(inner) => braced(inner, depth)?,
            None => bare(after)?,
        };
        result.open |= value.open;
        result.text.push_str(&value.text);
        if dollar == 0 && after.is_empty() && rest.len() == text.len() {
            result.variable = Some(name.to_owned());
        }
        rest = after;
    }
    result.text.push_str(rest);
    Ok(result)
}

type Variable<'a> = (&'a str, Interpolated, &'a str);

fn bare(text: &str) -> Result<Variable<'_>, Fault> {
    let (name, rest) = split_name(text)?;
    Ok((name, open(), rest))
}

/// What follows `${`: the name, its value and what follows the closing brace.
fn braced(text: &str, depth: usize) -> Result<Variable<'_>, Fault> {
    let (name, rest) = split_name(text)?;
    let end = closing_brace(rest).ok_or("`${` is not closed")?;
    let (rule, rest) = (&rest[..end], &rest[end + 1..]);
    let operator = rule.strip_prefix(':').unwrap_or(rule);
    let value = match operator.chars().next() {
        None if rule.is_empty() => open(),
        Some('-') => at_depth(&operator[1..], depth + 1)?,
        Some('?') => {
            at_depth(&operator[1..], depth + 1)?;
            open()
        }
        Some('+') => {
            at_depth(&operator[1..], depth + 1)?;
            Interpolated::default()
        }
        _ => return Err(BAD_FORM),
    };
    Ok((name, value, rest))
}

fn open() -> Interpolated {
    Interpolated { open: true, ..Interpolated::default() }
}

fn split_name(text: &str) -> Result<(&str, &str), Fault> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        Err(BAD_FORM)
    } else {
        Ok((name, rest))
    }
}

/// The brace that closes the one before the text.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut deep = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => deep += 1,
            b'}' if deep == 0 => return Some(at),
            b'}' => deep -= 1,
            _ => {}
        }
    }
    None
}

/// Places of `separator` outside of `${…}`.
pub(super) fn outside_variables(text: &str, separator: u8) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut deep = 0;
    let mut found = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => deep += 1,
            b'}' if deep > 0 => deep -= 1,
            byte if *byte == separator && deep == 0 => found.push(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_what_compose_gives_without_variables() {
        for (text, value, open, variable) in [
            ("plain", "plain", false, None),
            ("$$HOME $${X}", "$HOME ${X}", false, None),
            ("$A", "", true, Some("A")),
            ("${A}", "", true, Some("A")),
            ("${A:-1}", "1", false, Some("A")),
            ("${A-1}", "1", false, Some("A")),
            ("${a_b:-}", "", false, Some("a_b")),
            ("${A:?e}", "", true, Some("A")),
            ("${A?e}", "", true, Some("A")),
            ("${A:+x}", "", false, Some("A")),
            ("${A:-${B:-${C-3}}}", "3", false, Some("A")),
            ("${A:-${B}}", "", true, Some("A")),
            ("x${A:-1}y${B:-2}", "x1y2", false, None),
            ("${A:-1}${B:-2}", "12", false, None),
            ("${A:-a:b/c}", "a:b/c", false, Some("A")),
        ] {
            let variable = variable.map(str::to_owned);
            assert_eq!(
                interpolate(text).unwrap(),
                Interpolated { text: value.to_owned(), open, variable },
                "{text}"
            );
        }
    }

    #[test]
    fn what_compose_refuses_is_refused() {
        for text in ["$", "a $ b", "${", "${}", "${1A}", "${A", "${A:-${B}", "${A:x}", "${A!}", "$1", "${A:-$}"] {
            assert!(interpolate(text).is_err(), "{text}");
        }
        let deep = "${A:-".repeat(1_000) + &"}".repeat(1_000);
        assert!(interpolate(&deep).is_err());
    }
}
