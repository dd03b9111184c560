//! The error that every port speaks: what failed, whether trying again makes sense, and why.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What sort of failure a port met; callers branch on this and on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing asked for is not there.
    NotFound,
    /// It is there in another shape than expected: exists already, stale revision.
    Conflict,
    /// The other side said no.
    Denied,
    /// The other side could not be reached or did not work; trying again may help.
    Unavailable,
    /// The other side asked us to wait this long.
    RateLimited(Duration),
    /// The input is wrong; trying again cannot help.
    Invalid,
    /// The work was asked to stop.
    Cancelled,
    /// It took longer than its limit.
    TimedOut,
    /// Somebody with a newer epoch took over; nothing more may be changed by us.
    Fenced,
}

impl ErrorKind {
    /// Whether doing the same again later can succeed without anybody mending anything.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        matches!(self, Self::Unavailable | Self::RateLimited(_))
    }
}

/// A failure at a port, with the sentence a person needs and the cause below it.
#[derive(Debug)]
pub struct PortError {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a port call returns.
pub type PortResult<T> = Result<T, PortError>;

impl PortError {
    /// An error of this kind that says `message`: lower case, naming what failed and where.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same with the underlying cause kept.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    /// What sort of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message and all its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// The same error told from further out: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for PortError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}
