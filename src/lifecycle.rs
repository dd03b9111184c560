//! Life and death of the process: the first signal asks it to end softly, the second ends it at once.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGINT or SIGTERM. The second signal ends the process with exit code 1:
/// hooks run under their own supervisor and jobs under a lease, so the next start picks up what was cut off.
///
/// # Errors
/// When signals cannot be listened to.
pub fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = stop.clone();
    tokio::spawn(async move {
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            signals += 1;
            if signals > 1 {
                tracing::warn!("second signal: ending at once");
                std::process::exit(1);
            }
            tracing::info!("asked to end: no new work is taken, running work may finish");
            token.cancel();
        }
    });
    Ok(stop)
}

/// The exit code of a command's result, `code_of` its error; the error is printed as one line with its causes.
#[must_use]
pub fn exit_code(result: anyhow::Result<ExitCode>, code_of: impl FnOnce(&anyhow::Error) -> u8) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("previewbot: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}
