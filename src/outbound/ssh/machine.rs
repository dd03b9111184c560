//! A host as the machine that an environment lives on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::access::SshAccess;
use super::request::{Answer, Request};
use super::runner::SshRunner;
use super::stream;
use super::{chamber, long_tool, quote};
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{ComputeAccess, LineSink};
use crate::outbound::compute::CHECKOUT_LABEL;
use crate::outbound::machine::{LARGEST_FILE, Lodging, Machine, Whereabouts};
use crate::outbound::supervisor::{LIFE_MARKER, TOOL_MARKER};
use crate::outbound::tool::{Output, Tool};

const TOOL: &str = include_str!("scripts/tool.sh");
const FIND: &str = include_str!("scripts/find.sh");
pub(super) const READ_FILES: &str = include_str!("scripts/read_files.sh");
const WRITE: &str = include_str!("scripts/write_private.sh");
const REMOVE: &str = concat!(include_str!("scripts/remove.sh"), include_str!("scripts/remove_path.sh"));
const END: &str = include_str!("scripts/end_marked.sh");
const STILL: &str = include_str!("scripts/still.sh");
const IS_FOLDER: &str = r#"if [ -d "$1" ]; then echo yes; else echo no; fi"#;

/// What may take longer than this outlives a lost connection: it runs under the supervisor.
const SHORT: Duration = Duration::from_mins(1);
/// How long a whole checkout may take to be removed.
const REMOVAL: Duration = Duration::from_mins(10);

/// One environment's part of a host, fenced by its runner's epoch.
pub struct SshMachine {
    runner: Arc<SshRunner>,
}

impl SshMachine {
    /// The host that the runner runs hooks on.
    #[must_use]
    pub fn new(runner: Arc<SshRunner>) -> Self {
        Self { runner }
    }

    fn fenced<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let fence = [self.runner.folder().to_owned(), self.runner.epoch().to_string()];
        fence.into_iter().chain(arguments.into_iter().map(str::to_owned)).collect()
    }

    async fn expect(&self, what: &str, request: Request) -> PortResult<Answer> {
        self.runner.host().done(what, &request).await
    }

    async fn end(&self, mark: &str, chamber: &str) -> PortResult<Vec<i32>> {
        let request = Request::new(END, self.fenced([mark, chamber]));
        let left = self.expect("cannot end what runs", request).await?.text();
        Ok(left.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
    }
}

/// The words of a tool's command, for `tool.sh`.
pub(super) fn words(tool: &Tool) -> Vec<String> {
    let text = |path: Option<&PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    let directory = text(tool.directory.as_ref()).unwrap_or_else(|| "/".to_owned());
    let home = text(tool.home.as_ref()).unwrap_or_default();
    [directory, home, tool.program.to_owned()].into_iter().chain(tool.arguments.iter().cloned()).collect()
}

#[async_trait]
impl Machine for SshMachine {
    fn kind(&self) -> &'static str {
        "ssh"
    }

    async fn run(&self, tool: Tool, cancel: &CancellationToken) -> PortResult<Output> {
        if tool.timeout > SHORT {
            return long_tool::run(&self.runner, tool, cancel).await;
        }
        let variables = tool.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = Request::new(TOOL, words(&tool)).variables(variables)?.within(tool.timeout);
        let answer = self.runner.host().ask(&request, cancel).await?;
        refused(&self.runner, &tool, &answer)?;
        Ok(Output::of(answer.code == 0, answer.stdout, answer.stderr))
    }

    async fn stream(
        &self,
        tool: Tool,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<Option<String>> {
        let variables = tool.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let words = words(&tool);
        let script = format!(
            "{}set -- {}\n{}{TOOL}",
            quote::exports(variables)?,
            quote::words(words.iter().map(String::as_str))?,
            stream::PRELUDE
        );
        stream::run(self.runner.host(), &script, sink, cancel).await
    }

    async fn is_folder(&self, path: &Path) -> PortResult<bool> {
        let request = Request::new(IS_FOLDER, [path.to_string_lossy()]);
        Ok(self.expect("cannot look", request).await?.text().trim() == "yes")
    }

    async fn find(&self, root: &Path, paths: &[&str]) -> PortResult<Vec<Whereabouts>> {
        let root = root.to_string_lossy();
        let arguments = [&[&*root][..], paths].concat();
        let answer = self.expect("cannot look for files", Request::new(FIND, arguments)).await?;
        let found: Vec<Whereabouts> =
            answer.stdout.split(|byte| *byte == 0).take(paths.len()).map(whereabouts).collect();
        if found.len() == paths.len() {
            return Ok(found);
        }
        Err(self.runner.host().named(PortError::new(ErrorKind::Unavailable, "files were looked for in vain")))
    }

    async fn read(&self, paths: &[&Path]) -> PortResult<Vec<Option<Vec<u8>>>> {
        let paths = paths.iter().map(|path| path.to_string_lossy().into_owned());
        let arguments: Vec<String> = [LARGEST_FILE.to_string()].into_iter().chain(paths).collect();
        let count = arguments.len() - 1;
        let answer = self.expect("cannot read files", Request::new(READ_FILES, arguments)).await?;
        let files = files(&answer.stdout, count);
        files.ok_or_else(|| {
            self.runner.host().named(PortError::new(ErrorKind::Unavailable, "files came incomplete"))
        })
    }

    async fn write(&self, path: &Path, data: &[u8]) -> PortResult<()> {
        let text = |path: Option<&Path>| path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let (parent, name) = (text(path.parent()), text(path.file_name().map(Path::new)));
        let arguments = self.fenced([parent.as_str(), &name, &data.len().to_string()]);
        let request = Request::new(WRITE, arguments).data(data.to_vec());
        self.expect(&format!("cannot write {}", path.display()), request).await.map(drop)
    }

    async fn remove(&self, path: &Path) -> PortResult<()> {
        let is_life = path == Path::new(self.runner.folder());
        if is_life && self.runner.is_cleared() {
            return Ok(());
        }
        let request = Request::new(REMOVE, self.fenced([&*path.to_string_lossy()])).within(REMOVAL);
        match self.expect("cannot remove", request).await {
            // The life's folder is the fence's own: it went with the first of two tries.
            Err(error) if !(error.kind() == ErrorKind::Fenced && is_life) => return Err(error),
            _ => {}
        }
        if is_life {
            self.runner.has_cleared();
        }
        Ok(())
    }

    async fn end_tools(&self, life: LifeId) -> PortResult<()> {
        let left = self.end(&format!("{TOOL_MARKER}={life}"), "").await?;
        if !left.is_empty() {
            tracing::warn!(?left, %life, "programs that an earlier bot ran on the host cannot be ended");
        }
        Ok(())
    }

    async fn end_marked(&self, life: LifeId) -> PortResult<Vec<i32>> {
        self.end(&format!("{LIFE_MARKER}={life}"), &chamber::name_of(life)).await
    }

    async fn hold_still(&self, still: bool) -> PortResult<()> {
        if self.runner.chamber().is_none() {
            return Ok(());
        }
        let label = format!("{CHECKOUT_LABEL}={}", self.runner.life());
        let request = Request::new(STILL, self.fenced([&*label, if still { "pause" } else { "unpause" }]));
        self.expect("cannot hold the preview's programs", request).await.map(drop)
    }

    fn lodging(&self) -> Option<Lodging> {
        self.runner.chamber()?;
        let home = Path::new(self.runner.folder()).join("home");
        let (user, group) = self.runner.account()?;
        Some(Lodging { user, group, home })
    }

    fn docker_variables(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn access(&self, root: &Path) -> Arc<dyn ComputeAccess> {
        Arc::new(SshAccess::new(root.to_string_lossy().into_owned(), self.runner.clone()))
    }
}

/// The error of a program that could not even be started.
fn refused(runner: &SshRunner, tool: &Tool, answer: &Answer) -> PortResult<()> {
    match answer.check(tool.program) {
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Fenced) => {
            Err(runner.host().named(error))
        }
        _ => Ok(()),
    }
}

fn whereabouts(found: &[u8]) -> Whereabouts {
    match found.split_first() {
        Some((b'f', path)) => Whereabouts::File(PathBuf::from(String::from_utf8_lossy(path).into_owned())),
        Some((b'o', _)) => Whereabouts::Outside,
        Some((b'x', _)) => Whereabouts::Other,
        _ => Whereabouts::Missing,
    }
}

/// Takes files apart as `read_files.sh` puts them behind each other.
pub(super) fn files(mut rest: &[u8], count: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let mut files = Vec::new();
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 1..];
        if size == "-" {
            files.push(None);
            continue;
        }
        let (file, behind) = rest.split_at_checked(size.parse().ok()?)?;
        files.push(Some(file.to_vec()));
        rest = behind;
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_apart() {
        let read = files(b"3\na\nb-\n0\n", 3).unwrap();
        assert_eq!(read, [Some(b"a\nb".to_vec()), None, Some(Vec::new())]);
        assert!(files(b"5\nabc", 1).is_none());
        assert!(files(b"", 1).is_none());
    }
}
