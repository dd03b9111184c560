//! A look at all that a host needs, over a connection of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::channel::{Channel, token};
use super::connection::Connection;
use super::options::SshOptions;
use super::request::Request;
use crate::domain::checkup::host::{Facts, Refused, SESSIONS, Stage};
use crate::domain::ports::Clock;

const CHECK: &str = concat!(
    include_str!("scripts/check.sh"),
    include_str!("scripts/rules.sh"),
    include_str!("scripts/figures.sh"),
);
const CLOCK: &str = "date +%s";
/// How long the whole of it may take: docker is asked five times and may hang each time.
const LIMIT: Duration = Duration::from_secs(90);

/// Looks at a host whose previews lie, or will lie, in `root`. Nothing is changed there.
///
/// # Errors
/// How far the connection came, and why no further.
pub async fn examine(options: &SshOptions, root: &str, clock: &dyn Clock) -> Result<Facts, Refused> {
    let here = |error: &dyn std::fmt::Display| Refused {
        stage: Stage::Reach,
        said: format!("cannot make a folder for ssh: {error}"),
        mend: "make room on the bot's machine".to_owned(),
    };
    let folder = tempfile::Builder::new().prefix("previewbot-ssh").tempdir().map_err(|error| here(&error))?;
    let connection = Connection::dial(options, &folder).await?;
    let looked = tokio::time::timeout(LIMIT, look(&connection, root, clock)).await;
    let looked = looked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    looked.map_err(|error| Refused {
        stage: Stage::Login,
        said: format!("it lets the bot in, but the account's shell is of no use: {error}"),
        mend: "give the account /bin/sh or /bin/bash as its shell, and login files that end".to_owned(),
    })
}

async fn look(connection: &Connection, root: &str, clock: &dyn Clock) -> std::io::Result<Facts> {
    let begun = Instant::now();
    let mut channel = Channel::open(connection.session()).await?;
    let login = begun.elapsed();
    // As many at once as a busy host has; those that are refused tell how many are allowed.
    let others = join_all((1..SESSIONS).map(|_| Channel::open(connection.session()))).await;
    let sessions = 1 + others.iter().filter(|other| other.is_ok()).count();
    drop(others);
    let mut seen = parse(&ask(&mut channel, &Request::new(CHECK, [root, "", "look"])).await?);
    let asked = clock.now_ms();
    let theirs: i64 = ask(&mut channel, &Request::plain(CLOCK)).await?.trim().parse().unwrap_or(0);
    let ours = i64::midpoint(asked, clock.now_ms()) / 1000;
    let mut fact = |name: &str, value: String| seen.insert(name.to_owned(), value);
    fact("login_ms", login.as_millis().to_string());
    fact("sessions", sessions.to_string());
    fact("clock_off", (theirs - ours).to_string());
    Ok(Facts(seen))
}

async fn ask(channel: &mut Channel, request: &Request) -> std::io::Result<String> {
    let token = token();
    let bytes = request.bytes(&token).map_err(std::io::Error::other)?;
    Ok(channel.ask(&token, &bytes).await?.text())
}

/// Reads what `check.sh` printed: a line `name value` for each thing.
fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_becomes_facts_and_all_else_is_dropped() {
        let seen = parse("git git version 2.39.5 \nnoise\nroot writable\n");
        let expected = [("git", "git version 2.39.5"), ("root", "writable")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
