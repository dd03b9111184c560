//! Programs on a host that may take long: they run under the supervisor, so that a lost connection neither ends them nor
//! makes them run twice.

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::machine::words;
use super::quote;
use super::runner::{Adopted, SshRunner};
use crate::domain::error::PortResult;
use crate::domain::ports::{HookCommand, HookExit};
use crate::outbound::supervisor::TOOL_MARKER;
use crate::outbound::tool::{Output, Tool};

/// Runs a program to its end, or goes on with the same one that an earlier epoch began.
pub(super) async fn run(runner: &SshRunner, tool: Tool, cancel: &CancellationToken) -> PortResult<Output> {
    let words = words(&tool);
    let command = quote::words(words[2..].iter().map(String::as_str))?;
    let mut environment = tool.environment.clone();
    // The mark of programs that nobody waits for any more: this one is waited for.
    environment.remove(TOOL_MARKER);
    environment.insert("LC_ALL".to_owned(), "C".to_owned());
    let home = quote::word(&words[1])?;
    let script = format!("[ -z {home} ] || {{ mkdir -p {home}; HOME={home}; export HOME; }}\nexec {command}\n");
    let fingerprint = hex::encode(Sha256::digest(format!("{script}{environment:?}")));
    let hook = HookCommand {
        // Every command is a step of its own: `docker compose up` is not that of `docker compose down`.
        step: format!("tool-{}", &fingerprint[..16]),
        script,
        directory: words[0].clone(),
        environment,
        timeout: tool.timeout,
        fingerprint,
        killable: true,
        prints_values: false,
    };
    let outcome = runner.run_or_adopt((&hook, &hook), Adopted::Running, cancel).await?;
    let succeeded = outcome.exit == HookExit::Code(0);
    let complaint = outcome.tail.join("\n");
    Ok(Output::of(succeeded, outcome.stdout.into_bytes(), complaint.into_bytes()))
}
