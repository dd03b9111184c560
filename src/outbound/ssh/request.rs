//! What a host is asked to do, and what it answered.

use std::time::Duration;

use super::quote;
use crate::domain::error::{ErrorKind, PortError, PortResult};

/// How long a request may take unless it says otherwise.
const QUICK: Duration = Duration::from_mins(1);

/// Ends of programs, as `session.sh` names them.
const FENCED: i32 = 93;
const REFUSED: i32 = 94;
const MISSING: i32 = 96;

/// A fixed program with arguments and data. Asked twice it must do no more than asked once: a request whose answer was
/// lost with the connection is made again.
#[derive(Clone)]
pub(super) struct Request {
    program: &'static str,
    arguments: Vec<String>,
    /// Shell text before the program, made by [`quote`] alone.
    before: String,
    data: Vec<u8>,
    /// When to give up.
    pub(super) limit: Duration,
    /// Whether it is made beside all others, however many there are.
    pub(super) aside: bool,
}

impl Request {
    /// Asks for a program.
    pub(super) fn new<A: Into<String>>(program: &'static str, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program, arguments, before: String::new(), data: Vec::new(), limit: QUICK, aside: false }
    }

    /// Asks for a program that takes no arguments.
    pub(super) fn plain(program: &'static str) -> Self {
        Self::new::<String>(program, [])
    }

    /// The same with data on the program's standard input.
    pub(super) fn data(self, data: Vec<u8>) -> Self {
        Self { data, ..self }
    }

    /// The same with exported variables, which may be secrets.
    pub(super) fn variables<'a>(
        self,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> PortResult<Self> {
        Ok(Self { before: quote::exports(variables)?, ..self })
    }

    /// The same with another limit.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The same beside all others: for the one look at a time that must not wait until a busy host has a session free.
    pub(super) fn aside(self) -> Self {
        Self { aside: true, ..self }
    }

    /// The bytes that go to the shell on the host.
    pub(super) fn bytes(&self, token: &str) -> PortResult<Vec<u8>> {
        let arguments = quote::words(self.arguments.iter().map(String::as_str))?;
        let program = format!("{}set -- {arguments}\n{}", self.before, self.program);
        let mut bytes = format!("{token} {} {}\n", program.len(), self.data.len()).into_bytes();
        bytes.extend_from_slice(program.as_bytes());
        bytes.extend_from_slice(&self.data);
        Ok(bytes)
    }
}

/// What a program printed and how it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// Its exit code.
    pub(super) code: i32,
    /// Its standard output.
    pub(super) stdout: Vec<u8>,
    /// Its standard error.
    pub(super) stderr: Vec<u8>,
}

impl Answer {
    /// Standard output as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The answer of a program that did what was asked.
    ///
    /// # Errors
    /// The kind that its end stands for, told as `what` failed.
    pub(super) fn good(self, what: &str) -> PortResult<Self> {
        self.check(what).map(|()| self)
    }

    /// Whether the program did what was asked.
    ///
    /// # Errors
    /// As [`Answer::good`].
    pub(super) fn check(&self, what: &str) -> PortResult<()> {
        let kind = match self.code {
            0 => return Ok(()),
            FENCED => ErrorKind::Fenced,
            REFUSED => ErrorKind::Invalid,
            MISSING => ErrorKind::NotFound,
            // Among them what `session.sh` calls BROKEN.
            _ => ErrorKind::Unavailable,
        };
        let said = String::from_utf8_lossy(&self.stderr);
        let said = said.trim();
        let said = if said.is_empty() { format!("exit code {}", self.code) } else { said.to_owned() };
        Err(PortError::new(kind, if kind == ErrorKind::Fenced { said } else { format!("{what}: {said}") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_a_program_and_data() {
        let request = Request::new("echo \"$1\"", ["it's"]).data(b"\0x".to_vec());
        let program = "set -- 'it'\\''s'\necho \"$1\"";
        assert_eq!(request.bytes("t").unwrap(), format!("t {} 2\n{program}\0x", program.len()).into_bytes());
    }

    #[test]
    fn ends_become_kinds() {
        let answer = |code| Answer { code, stderr: b"why\n".to_vec(), ..Answer::default() };
        assert!(answer(0).good("x").is_ok());
        let cases = [(FENCED, ErrorKind::Fenced), (REFUSED, ErrorKind::Invalid), (MISSING, ErrorKind::NotFound)];
        for (code, kind) in cases.into_iter().chain([(95, ErrorKind::Unavailable), (1, ErrorKind::Unavailable)]) {
            assert_eq!(answer(code).good("x").unwrap_err().kind(), kind, "{code}");
        }
        assert_eq!(answer(1).good("cannot look").unwrap_err().to_string(), "cannot look: why");
    }
}
