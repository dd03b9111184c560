//! One shell on a host, asked request after request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::request::Answer;
use super::shell::Shell;
use crate::domain::ports::SystemRandom as _;
use crate::outbound::clock::OsRandom;

/// What every shell on a host runs.
const SESSION: &str = include_str!("scripts/session.sh");
/// How long an account's login files may take.
const LOGIN: Duration = Duration::from_secs(30);
/// Most that is kept of one output, in bytes; the rest is read and dropped.
const OUTPUT_LIMIT: usize = 17 * 1024 * 1024;
/// How much of an output is read at once where it has no lines, in bytes.
const PIECE: u64 = 64 * 1024;
/// What an account's login files may print before the shell greets, in lines.
const PREFACE: usize = 10_000;

/// A shell's process on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteProcess {
    /// Its number, and that of the process group that it leads.
    pub(super) pid: String,
    /// When it began, in clock ticks since the host's boot.
    pub(super) start: String,
}

/// A shell that waits for requests.
pub(super) struct Channel {
    _child: Child<Arc<Session>>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
    /// The shell itself.
    pub(super) process: RemoteProcess,
}

impl Channel {
    /// Starts a shell on the host.
    pub(super) async fn open(session: Arc<Session>) -> io::Result<Self> {
        let opened = tokio::time::timeout(LOGIN, Self::start(session)).await;
        opened.map_err(|_| io::Error::other(format!("the host's login took longer than {LOGIN:?}")))?
    }

    async fn start(session: Arc<Session>) -> io::Result<Self> {
        let token = token();
        let Shell { child, input, output, errors } =
            Shell::start(session, &format!("greeting={token}\n{SESSION}")).await?;
        let (mut output, errors) = (BufReader::new(output), BufReader::new(errors));
        let process = greeted(&mut output, &token).await?;
        Ok(Self { _child: child, input, output, errors, process })
    }

    /// Hands a program over and waits for its end.
    pub(super) async fn ask(&mut self, token: &str, request: &[u8]) -> io::Result<Answer> {
        let Self { input, output, errors, .. } = self;
        let hand_over = async {
            input.write_all(request).await?;
            input.flush().await
        };
        let (handed, output, errors) = tokio::join!(hand_over, until(output, token), until(errors, token));
        handed?;
        let ((stdout, code), (stderr, _)) = (output?, errors?);
        let code = code.trim().parse().map_err(io::Error::other)?;
        Ok(Answer { code, stdout, stderr })
    }
}

/// A word that ends an answer and that nobody can guess.
pub(super) fn token() -> String {
    OsRandom.uuid().simple().to_string()
}

/// Waits for the shell's greeting; the account's login files may print what they like before it.
async fn greeted(output: &mut BufReader<ChildStdout>, token: &str) -> io::Result<RemoteProcess> {
    for _ in 0..PREFACE {
        let mut line = Vec::new();
        if output.take(PIECE).read_until(b'\n', &mut line).await? == 0 {
            return Err(io::Error::other("the host's shell ended before it greeted: does the account have one?"));
        }
        let line = String::from_utf8_lossy(&line);
        let Some((_, greeting)) = line.split_once(token) else { continue };
        let mut words = greeting.split_whitespace().map(str::to_owned);
        let (Some(pid), Some(start)) = (words.next(), words.next()) else {
            return Err(io::Error::other("the host's shell does not know its own process: is /proc mounted?"));
        };
        return Ok(RemoteProcess { pid, start });
    }
    Err(io::Error::other("the account's login files print too much"))
}

/// Reads up to the line that begins with the token: what was before it, and what the line says behind it.
async fn until(output: &mut BufReader<impl AsyncRead + Unpin>, token: &str) -> io::Result<(Vec<u8>, String)> {
    let mut kept = Vec::new();
    loop {
        let mut piece = Vec::new();
        if (&mut *output).take(PIECE).read_until(b'\n', &mut piece).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(rest) = piece.strip_prefix(token.as_bytes()) {
            // The line break before the token is the session's.
            if kept.len() < OUTPUT_LIMIT {
                kept.pop();
            }
            return Ok((kept, String::from_utf8_lossy(rest).into_owned()));
        }
        let room = OUTPUT_LIMIT.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}
