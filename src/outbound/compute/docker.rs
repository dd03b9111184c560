//! The docker command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::LineSink;
use crate::outbound::machine::Machine;
use crate::outbound::tool::{Output, Tool};

/// How much of docker's own words is shown, in lines.
const SHOWN_LINES: usize = 12;
/// How much of one line is shown, in characters.
const SHOWN_LINE: usize = 300;
/// How long a whole message may be, in characters.
const SHOWN: usize = 4_000;
/// How long logs are followed at most; whoever follows them stops by themselves.
const FOLLOWED: Duration = Duration::from_hours(24 * 365);

/// docker with a home and a configuration of its own.
#[derive(Clone)]
pub(super) struct Docker {
    machine: Arc<dyn Machine>,
    home: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Docker {
    /// docker on a machine that keeps its files (and finds registry credentials) in `home`.
    pub(super) fn new(machine: Arc<dyn Machine>, home: &Path) -> Self {
        let mut variables = machine.docker_variables();
        variables.insert("DOCKER_CONFIG".to_owned(), home.to_string_lossy().into_owned());
        Self { machine, home: home.to_owned(), variables }
    }

    /// The same with more variables, for `${…}` in compose files.
    pub(super) fn with(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// Runs `docker <arguments>`; how it ended is the caller's to judge.
    pub(super) async fn output(
        &self,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> PortResult<Output> {
        self.machine.run(self.tool(arguments, timeout), cancel).await.map_err(needed)
    }

    /// Runs `docker <arguments>` and hands over each line of its output as it comes, until the sink has enough; any end
    /// but a good one is an error told as `what` failed.
    pub(super) async fn stream(
        &self,
        what: &str,
        arguments: &[&str],
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        match self.machine.stream(self.tool(arguments, FOLLOWED), sink, cancel).await.map_err(needed)? {
            None => Ok(()),
            Some(complaint) => Err(classify(what, &complaint)),
        }
    }

    fn tool(&self, arguments: &[&str], timeout: Duration) -> Tool {
        Tool {
            program: "docker",
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: self.variables.clone(),
            home: Some(self.home.clone()),
            timeout,
            ..Tool::default()
        }
    }

    /// Runs `docker <arguments>`; any end but a good one is an error told as `what` failed.
    pub(super) async fn run(
        &self,
        what: &str,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> PortResult<Output> {
        let output = self.output(arguments, timeout, cancel).await?;
        if output.succeeded() { Ok(output) } else { Err(classify(what, &output.complaint())) }
    }
}

fn needed(error: PortError) -> PortError {
    match error.kind() {
        ErrorKind::Invalid => error.context("docker is needed: install Docker Engine and its Compose v2 plugin"),
        _ => error,
    }
}

/// The error that docker's complaint stands for.
pub(super) fn classify(what: &str, complaint: &str) -> PortError {
    let lower = complaint.to_lowercase();
    let says = |words: &str| lower.contains(words);
    if says("is not a docker command") || says("unknown shorthand flag") || says("unknown docker command") {
        let message =
            format!("{what}: the Compose plugin is missing: install Docker Compose v2 (docker-compose-plugin)");
        return PortError::new(ErrorKind::Invalid, message);
    }
    let away = says("cannot connect to the docker daemon")
        || says("connection refused")
        || says("i/o timeout")
        || says("tls handshake")
        || says("toomanyrequests");
    // What docker itself is about to end or has just begun, after a bot that died in the middle.
    let busy = says("port is already allocated")
        || says("address already in use")
        || says("marked for removal")
        || says("is already in progress")
        || says("is already in use by container");
    let kind = if away || busy { ErrorKind::Unavailable } else { ErrorKind::Invalid };
    PortError::new(kind, whole(format!("{what}: {}", last_lines(complaint))))
}

/// The end of a longer text, where the reason stands.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n")
}

/// One line as it is shown: containers print whatever they like, terminal control included.
fn shown(line: &str) -> String {
    let escape = |character: char| match character {
        '\t' => " ".to_owned(),
        character if character.is_control() => character.escape_default().to_string(),
        character => character.to_string(),
    };
    cut(line.chars().map(escape).collect(), SHOWN_LINE)
}

/// A whole message, made of several texts, as long as it may be.
pub(super) fn whole(message: String) -> String {
    cut(message, SHOWN)
}

fn cut(mut text: String, limit: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_become_kinds() {
        let cases = [
            ("Cannot connect to the Docker daemon at unix:///x. Is it running?", ErrorKind::Unavailable),
            ("docker: 'compose' is not a docker command.", ErrorKind::Invalid),
            ("Bind for 127.0.0.1:61000 failed: port is already allocated", ErrorKind::Unavailable),
            ("yaml: line 3: did not find expected key", ErrorKind::Invalid),
        ];
        for (complaint, kind) in cases {
            assert_eq!(classify("up", complaint).kind(), kind, "{complaint}");
        }
        assert!(classify("up", "yaml: line 3: x").to_string().contains("line 3"));
    }

    #[test]
    fn what_containers_print_is_cut_and_cannot_steer_a_terminal() {
        let text = last_lines(&format!("a\u{1b}[2Jb\tc\r\n{}", "é".repeat(10_000)));
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(first, "a\\u{1b}[2Jb c");
        assert_eq!(second, format!("{}…", "é".repeat(300)));
        let long = format!("{}\n", "x".repeat(400)).repeat(20);
        assert!(whole(format!("{0}\n{0}", last_lines(&long))).chars().count() == 4_001);
    }
}
