//! Programs on a host whose output is handed over as it comes, each in a session of its own.

use openssh::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::host::SshHost;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::LineSink;

/// What scripts of a session of its own need of `session.sh`. The program ends with whoever reads what it prints.
pub(super) const PRELUDE: &str = "REFUSED=94\nfail() { shift; printf '%s\\n' \"$*\" >&2; exit 94; }\n";
/// Reads the script from its input, whatever shell the account has.
const START: &str = r#"exec /bin/sh -c 'read -r n && p=$(head -c "$n") && eval "$p"'"#;
/// Longest piece of a line that is handed over at a time, in bytes.
const LINE_LIMIT: u64 = 256 * 1024;
/// How much of a complaint is kept, in bytes.
const COMPLAINT: usize = 16 * 1024;

/// Runs a script and hands over each line of both outputs, until it ends or the sink has enough. What it complained of,
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
    let mut command = connection.session().arc_raw_command(START);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().await.map_err(|error| lost(&error))?;
    let (input, output, errors) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    if let Some(mut input) = input {
        let text = format!("{}\n{script}", script.len());
        input.write_all(text.as_bytes()).await.map_err(|error| lost(&error))?;
    }
    let mut complaint = Vec::new();
    let handed = async {
        tokio::select! {
            handed = async { tokio::try_join!(lines(output, sink, None), lines(errors, sink, Some(&mut complaint))) } => {
                handed.map(|(out, err)| out && err)
            }
            () = cancel.cancelled() => Ok(false),
        }
    };
    // Whoever has enough hangs up: the program ends at its next line.
    if !handed.await.map_err(|error| lost(&error))? {
        return Ok(None);
    }
    match child.wait().await {
        Ok(status) if status.success() => Ok(None),
        Ok(_) => Ok(Some(String::from_utf8_lossy(&complaint).trim().to_owned())),
        Err(error) => Err(lost(&error)),
    }
}

/// Hands over line after line; whether it came to the end.
async fn lines(
    output: Option<impl AsyncRead + Unpin>,
    sink: &dyn LineSink,
    mut kept: Option<&mut Vec<u8>>,
) -> std::io::Result<bool> {
    let Some(output) = output else { return Ok(true) };
    let mut reader = BufReader::new(output);
    loop {
        let mut bytes = Vec::new();
        // A line without an end must not fill the memory.
        if (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(true);
        }
        if let Some(kept) = &mut kept {
            let room = COMPLAINT.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            continue;
        }
        if !sink.line(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n'])) {
            return Ok(false);
        }
    }
}
