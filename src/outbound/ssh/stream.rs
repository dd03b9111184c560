//! Programs on a host whose output is handed over as it comes, each in a session of its own.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::host::SshHost;
use super::shell::Shell;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::LineSink;

/// What scripts of a session of its own need of `session.sh`. The program ends with whoever reads what it prints.
pub(super) const PRELUDE: &str = "REFUSED=94\nfail() { shift; printf '%s\\n' \"$*\" >&2; exit 94; }\n";
/// Longest piece of a line that is handed over at a time, in bytes.
const LINE_LIMIT: u64 = 256 * 1024;
/// How much of a complaint is kept, in bytes.
const COMPLAINT: u64 = 16 * 1024;

/// Runs a script and hands over each line of its output, until it ends or the sink has enough. What it complained of,
/// where it ended badly.
pub(super) async fn run(
    host: &SshHost,
    script: &str,
    sink: &dyn LineSink,
    cancel: &CancellationToken,
) -> PortResult<Option<String>> {
    let lost = |error: &dyn std::fmt::Display| {
        let message = format!("the connection to host {} was lost: {error}", host.options().shown());
        PortError::new(ErrorKind::Unavailable, message)
    };
    let (_slot, connection) = host.session().await?;
    let Shell { child, input, output, errors } =
        Shell::start(connection.session(), script).await.map_err(|error| lost(&error))?;
    drop(input);
    let mut complaint = Vec::new();
    let both = async { tokio::try_join!(lines(output, sink), keep(errors, &mut complaint)) };
    let handed = cancel.run_until_cancelled(both).await.transpose().map_err(|error| lost(&error))?;
    // Whoever has enough, or was cancelled, hangs up: the program ends at its next line.
    let Some((true, ())) = handed else { return Ok(None) };
    match child.wait().await {
        Ok(status) if status.success() => Ok(None),
        Ok(_) => Ok(Some(String::from_utf8_lossy(&complaint).trim().to_owned())),
        Err(error) => Err(lost(&error)),
    }
}

/// Hands over line after line; whether it came to the end.
async fn lines(output: impl AsyncRead + Unpin, sink: &dyn LineSink) -> io::Result<bool> {
    let mut reader = BufReader::new(output);
    loop {
        let mut bytes = Vec::new();
        // A line without an end must not fill the memory.
        if (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(true);
        }
        if !sink.line(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n'])) {
            return Ok(false);
        }
    }
}

/// Keeps the beginning and reads the rest, so that the program is not held up.
async fn keep(mut errors: impl AsyncRead + Unpin, kept: &mut Vec<u8>) -> io::Result<()> {
    (&mut errors).take(COMPLAINT).read_to_end(kept).await?;
    tokio::io::copy(&mut errors, &mut tokio::io::sink()).await.map(drop)
}
