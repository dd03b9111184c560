//! A shell in a session of its own on a host, running one program.

use std::io;
use std::sync::Arc;

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session, Stdio};
use tokio::io::AsyncWriteExt as _;

/// Starts a shell that reads the length of its program, and then the program, from its input: whatever shell the
/// account has takes this line, and nobody on the host reads the program in a list of processes.
const START: &str = r#"exec /bin/sh -c 'read -r n && p=$(head -c "$n") && eval "$p"'"#;

/// The shell and its pipes. The program may read what is written behind it.
pub(super) struct Shell {
    pub(super) child: Child<Arc<Session>>,
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

impl Shell {
    /// Starts it.
    pub(super) async fn start(session: Arc<Session>, program: &str) -> io::Result<Self> {
        let mut command = session.arc_raw_command(START);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await.map_err(io::Error::other)?;
        let missing = || io::Error::other("the session has no pipes");
        let mut input = child.stdin().take().ok_or_else(missing)?;
        let output = child.stdout().take().ok_or_else(missing)?;
        let errors = child.stderr().take().ok_or_else(missing)?;
        input.write_all(format!("{}\n{program}", program.len()).as_bytes()).await?;
        input.flush().await?;
        Ok(Self { child, input, output, errors })
    }
}
