//! The script file that a hook's text begins with: its content belongs to the hook's fingerprint, and when it is
//! missing people are told so instead of being shown the shell's exit code 127.

use std::path::Path;

use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::ComputeAccess;

/// Scripts are read whole to be hashed; whatever is larger than this is no script that people wrote.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where a hook runs.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// In the control checkout on this machine.
    ProjectRoot(&'a Path),
    /// In the environment's compute root.
    Compute(&'a dyn ComputeAccess),
}

/// What is known of a hook's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Script {
    /// The text names none, or in a way that only the shell understands.
    Unnamed,
    /// It is there, with this content.
    Content(Vec<u8>),
    /// It is named, but there is no such file: the path as written.
    Missing(String),
}

/// The first word of a hook's text, where it is a plain relative path `./…`.
pub(super) fn script_path(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let end = text.find(|c| !plain(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let ends_here =
        rest.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '>' | '<'));
    let inside = !word.split('/').any(|part| part == "..");
    (word.starts_with("./") && word.len() > 2 && ends_here && inside).then_some(word)
}

/// Looks at the script that a hook's text begins with.
pub(super) async fn find(text: &str, place: Place<'_>) -> PortResult<Script> {
    let Some(path) = script_path(text) else {
        return Ok(Script::Unnamed);
    };
    let content = match place {
        Place::ProjectRoot(root) => read_beneath(root, path).await?,
        Place::Compute(access) => match access.read_file(path).await {
            // A link out of the root: nothing that we may read, but nothing that the shell could not run.
            Err(error) if error.kind() == ErrorKind::Invalid => return Ok(Script::Unnamed),
            other => other?,
        },
    };
    Ok(content.map_or_else(|| Script::Missing(path.to_owned()), Script::Content))
}

async fn read_beneath(root: &Path, path: &str) -> PortResult<Option<Vec<u8>>> {
    let file = root.join(path);
    let unreadable = |error| PortError::with_source(ErrorKind::Invalid, format!("{path} is not readable"), error);
    match tokio::fs::metadata(&file).await {
        Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST => {
            tokio::fs::read(&file).await.map(Some).map_err(unreadable)
        }
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len().to_le_bytes().to_vec())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::script_path;

    #[test]
    fn only_plain_relative_paths_count_as_scripts() {
        let cases = [
            ("./deploy.sh", Some("./deploy.sh")),
            ("  ./bin/deploy --now", Some("./bin/deploy")),
            ("./a.sh&&./b.sh", Some("./a.sh")),
            ("./a.sh\n./b.sh", Some("./a.sh")),
            ("deploy.sh", None),
            ("sh ./deploy.sh", None),
            ("X=1 ./deploy.sh", None),
            ("./$NAME", None),
            ("./'a b'", None),
            ("./../outside", None),
            ("./", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(script_path(text), expected, "{text}");
        }
    }
}
