//! One host: its connection is made when it is needed and made anew after a loss; requests share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::channel::{Channel, token};
use super::connection::{self, Connection};
use super::options::SshOptions;
use super::request::{Answer, Request};
use crate::domain::error::{ErrorKind, PortError, PortResult};

/// Sessions at a time: a server allows ten by default, one more may be needed to kill another, and one to look how the
/// host is.
const SESSIONS: usize = 8;
/// Waits before a request whose connection was lost is made again.
const TRIES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// A machine that is reached over SSH.
pub struct SshHost {
    options: SshOptions,
    connection: Mutex<Option<Arc<Connection>>>,
    folder: Mutex<Option<TempDir>>,
    slots: Semaphore,
    requests: AtomicU64,
}

impl std::fmt::Debug for SshHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshHost").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Why one try of a request has no answer.
enum Failed {
    /// The connection was lost: the request may be made again.
    Lost(String),
    /// It was not to be.
    For(PortError),
}

impl SshHost {
    /// A host that nobody has connected to yet.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        Self {
            options,
            connection: Mutex::default(),
            folder: Mutex::default(),
            slots: Semaphore::new(SESSIONS),
            requests: AtomicU64::new(0),
        }
    }

    /// How it is reached.
    #[must_use]
    pub fn options(&self) -> &SshOptions {
        &self.options
    }

    /// How often work on it was asked for, each time being one way there and back: tries made again count, looks at how
    /// it is do not.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Makes a request, again after a lost connection.
    pub(super) async fn ask(&self, request: &Request, cancel: &CancellationToken) -> PortResult<Answer> {
        let mut waits = TRIES.into_iter();
        loop {
            match self.once(request, cancel).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Lost(why)) => match waits.next() {
                    Some(wait) => {
                        tracing::info!(host = %self.options.name, %why, "the connection was lost; trying again");
                        let waited = cancel.run_until_cancelled(tokio::time::sleep(wait)).await;
                        waited.ok_or_else(cancelled)?;
                    }
                    None => return Err(self.told(Failed::Lost(why))),
                },
                Err(failed) => return Err(self.told(failed)),
            }
        }
    }

    /// Makes a request and expects it to end well.
    pub(super) async fn expect(
        &self,
        what: &str,
        request: &Request,
        cancel: &CancellationToken,
    ) -> PortResult<Answer> {
        self.ask(request, cancel).await?.good(what).map_err(|error| self.named(error))
    }

    /// The same of a request that is never cancelled.
    pub(super) async fn done(&self, what: &str, request: &Request) -> PortResult<Answer> {
        self.expect(what, request, &CancellationToken::new()).await
    }

    /// The error with the host's name, where it is not said already.
    pub(super) fn named(&self, error: PortError) -> PortError {
        match error.kind() {
            ErrorKind::Fenced | ErrorKind::Cancelled => error,
            // As the kernel says it, whichever program passes it on.
            _ if error.chain().contains("No space left on device") => {
                error.context(format!("host {}: its disk is full", self.options.name))
            }
            _ => error.context(format!("host {}", self.options.name)),
        }
    }

    async fn once(&self, request: &Request, cancel: &CancellationToken) -> Result<Answer, Failed> {
        let token = token();
        let bytes = request.bytes(&token).map_err(Failed::For)?;
        let opened = cancel.run_until_cancelled(self.open(request)).await;
        let (_slot, mut busy) = opened.ok_or_else(|| Failed::For(cancelled()))??;
        if !request.aside {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        let connection = busy.connection.clone();
        let Some(channel) = busy.channel.as_mut() else { return Err(Failed::Lost("no channel".to_owned())) };
        let asked = tokio::select! {
            asked = tokio::time::timeout(request.limit, channel.ask(&token, &bytes)) => asked,
            () = cancel.cancelled() => {
                busy.kill().await;
                return Err(Failed::For(cancelled()));
            }
        };
        match asked {
            Ok(Ok(answer)) => {
                busy.done();
                Ok(answer)
            }
            Ok(Err(error)) => {
                // Its process is gone or out of reach.
                busy.channel = None;
                Err(self.lost(&connection, error).await)
            }
            Err(_) => {
                if !connection.is_alive().await {
                    busy.channel = None;
                    return Err(self.lost(&connection, std::io::ErrorKind::TimedOut.into()).await);
                }
                busy.kill().await;
                let message =
                    format!("host {}: a request took longer than {:?}", self.options.name, request.limit);
                Err(Failed::For(PortError::new(ErrorKind::TimedOut, message)))
            }
        }
    }

    /// A shell for a request, and room for it.
    async fn open(&self, request: &Request) -> Result<(Option<SemaphorePermit<'_>>, Busy), Failed> {
        let slot = if request.aside { None } else { Some(self.slot().await.map_err(Failed::For)?) };
        let connection = self.connection().await.map_err(Failed::For)?;
        match connection.channel().await {
            Ok(channel) => Ok((slot, Busy { connection, channel: Some(channel) })),
            Err(error) => Err(self.lost(&connection, error).await),
        }
    }

    /// Room for one more session.
    async fn slot(&self) -> PortResult<SemaphorePermit<'_>> {
        let closed = |error| PortError::with_source(ErrorKind::Unavailable, "the host is closed", error);
        self.slots.acquire().await.map_err(closed)
    }

    /// The connection, and room for a session of the caller's own on it.
    pub(super) async fn session(&self) -> PortResult<(SemaphorePermit<'_>, Arc<Connection>)> {
        let slot = self.slot().await?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let connection = self.connection().await?;
        drop(connection.take_idle());
        if connection.is_alive().await {
            return Ok((slot, connection));
        }
        self.forget(&connection).await;
        Ok((slot, self.connection().await?))
    }

    async fn connection(&self) -> PortResult<Arc<Connection>> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        let mut folder = self.folder.lock().await;
        if folder.is_none() {
            let made = tokio::task::spawn_blocking(super::folder::make).await.map_err(std::io::Error::other);
            *folder = Some(made.and_then(|made| made).map_err(|error| {
                PortError::with_source(ErrorKind::Unavailable, "cannot make a folder for ssh", error)
            })?);
        }
        let Some(folder) = &*folder else {
            return Err(PortError::new(ErrorKind::Unavailable, "there is no folder for ssh"));
        };
        tracing::debug!(host = %self.options.name, "connecting");
        let dialled = Connection::dial(&self.options, folder).await;
        let connection = Arc::new(dialled.map_err(|refused| connection::told(&self.options, &refused))?);
        *held = Some(connection.clone());
        Ok(connection)
    }

    /// Lets go of a connection that does not work any more, unless a newer one stands there already.
    async fn forget(&self, connection: &Arc<Connection>) {
        let mut held = self.connection.lock().await;
        if held.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *held = None;
        }
    }

    async fn lost(&self, connection: &Arc<Connection>, error: std::io::Error) -> Failed {
        // One shell may end while the connection goes on.
        if !connection.is_alive().await {
            self.forget(connection).await;
        }
        Failed::Lost(error.to_string())
    }

    fn told(&self, failed: Failed) -> PortError {
        match failed {
            Failed::For(error) => error,
            Failed::Lost(why) => {
                let message = format!("the connection to host {} was lost: {why}", self.options.shown());
                PortError::new(ErrorKind::Unavailable, message)
            }
        }
    }
}

fn cancelled() -> PortError {
    PortError::new(ErrorKind::Cancelled, "the work was cancelled")
}

/// A shell at work. One that is not waited for is killed with all that it runs.
struct Busy {
    connection: Arc<Connection>,
    channel: Option<Channel>,
}

impl Busy {
    fn done(mut self) {
        if let Some(channel) = self.channel.take() {
            self.connection.put_back(channel);
        }
    }

    async fn kill(mut self) {
        if let Some(channel) = self.channel.take() {
            self.connection.kill(channel.process.clone()).await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Some(channel) = self.channel.take() else { return };
        let connection = self.connection.clone();
        // Outside of a runtime nothing can be told to a host any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { connection.kill(channel.process.clone()).await });
        }
    }
}
