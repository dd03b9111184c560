//! Texts as words of a shell: the one place where a shell's text is made of values.

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// A text as one word of a POSIX shell, whatever is in it.
///
/// # Errors
/// `Invalid` for a text with a NUL in it, which no shell can hold.
pub(super) fn word(text: &str) -> PortResult<String> {
    if text.contains('\0') {
        return Err(PortError::new(ErrorKind::Invalid, "a value with a NUL character cannot be handed to a host"));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Words behind each other, each quoted.
///
/// # Errors
/// As [`word`].
pub(super) fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> PortResult<String> {
    let words: PortResult<Vec<String>> = texts.into_iter().map(word).collect();
    Ok(words?.join(" "))
}

/// Lines that set and export variables.
///
/// # Errors
/// As [`word`]; also for a name that no shell has.
pub(super) fn exports<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> PortResult<String> {
    let line = |(name, value): (&str, &str)| {
        if !is_name(name) {
            let message = format!("`{}` is no name for a variable", name.escape_debug());
            return Err(PortError::new(ErrorKind::Invalid, message));
        }
        Ok(format!("export {name}={}\n", word(value)?))
    };
    variables.into_iter().map(line).collect()
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_every_value_as_it_was() {
        let values =
            ["", "a b", "it's", "'", "''", "$(id)`id`$HOME", "a\nb\n", "\\", "-n", "!x", "ä🦀", "*?[", "\t\r"];
        for value in values {
            let script = format!("printf '<%s>' {} .", word(value).unwrap());
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("<{value}><.>"));
        }
        assert!(word("a\0b").is_err());
    }

    #[test]
    fn names_that_are_none_are_refused() {
        assert_eq!(exports([("A_1", "x y")]).unwrap(), "export A_1='x y'\n");
        for bad in ["", "1A", "A-B", "A B", "A;id", "ä"] {
            assert!(exports([(bad, "x")]).is_err(), "{bad}");
        }
    }
}
