//! Env files that the command line loads when it starts (spec §21, "Env loading"): what their lines mean, and who wins.

use std::collections::BTreeMap;

/// Files that are loaded where they exist, the weaker one first.
const DEFAULT_FILES: [&str; 2] = [".env", ".env.previewctl"];

/// A file of the list that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("env file `{0}` does not exist; check the list given with --env-file")]
pub struct EnvFileNotFound(pub String);

/// Variables of the default files and then of `extra`, a comma-separated list; a later file wins over an earlier one.
/// Variables that `is_set` says the process has already are left out: they win over all files.
///
/// `read` is given a file name as written and returns the file's text, or `None` when there is no such file.
///
/// # Errors
/// [`EnvFileNotFound`] for the first file of `extra` that is not there, and everything that `read` fails with.
pub fn load<E: From<EnvFileNotFound>>(
    extra: &str,
    is_set: &dyn Fn(&str) -> bool,
    read: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<BTreeMap<String, String>, E> {
    let mut variables = BTreeMap::new();
    for file in DEFAULT_FILES {
        variables.extend(read(file)?.iter().flat_map(|text| parse(text)));
    }
    for file in extra.split(',').map(str::trim).filter(|file| !file.is_empty()) {
        let text = read(file)?.ok_or_else(|| EnvFileNotFound(file.to_owned()))?;
        variables.extend(parse(&text));
    }
    variables.retain(|name, _| !is_set(name));
    Ok(variables)
}

/// The variables of one file, in order. Lines are trimmed; comments and lines without `=` are skipped; one pair of
/// equal quotes around a value is left out. There are no escapes, and `export` is part of a name, as in the Go tool.
#[must_use]
pub fn parse(text: &str) -> Vec<(String, String)> {
    let variable = |line: &str| {
        let line = line.trim();
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let name = name.trim_end();
        // No process can have such a variable.
        let possible = !name.is_empty() && !line.contains('\0');
        possible.then(|| (name.to_owned(), unquoted(value.trim_start()).to_owned()))
    };
    text.split('\n').filter_map(variable).collect()
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(extra: &str, files: &[(&str, &str)]) -> Result<BTreeMap<String, String>, EnvFileNotFound> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        load(extra, &|name| name == "SET", &mut |file| Ok(files.get(file).map(|&text| text.to_owned())))
    }

    #[test]
    fn later_files_win_and_the_process_wins_over_all() {
        let files = [(".env", "A=1\nB=1\nSET=1"), (".env.previewctl", "B=2\nC=2"), ("x", "C=3")];
        let variables = loaded(" ,x,", &files).unwrap();
        let text: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(text, ["A=1", "B=2", "C=3"]);
        assert_eq!(loaded("x, y", &files), Err(EnvFileNotFound("y".to_owned())));
    }

    #[test]
    fn lines_that_name_no_variable_are_skipped() {
        let names: Vec<String> =
            parse("=1\n # A=1\nB\nC\0=1\nD=\0\r\n E = 'x' \r\n").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["E"]);
        assert_eq!(parse("E='x'\r\n")[0].1, "x");
    }
}
