//! What a host tells of itself: room, boot, and ports that are taken.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::host::SshHost;
use super::request::Request;
use crate::domain::error::PortResult;
use crate::domain::ports::HostFigures;
use crate::outbound::networking::{IsFree, PortLook};

const FIGURES: &str = include_str!("scripts/figures.sh");
const LISTENERS: &str = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || :";
/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

impl SshHost {
    /// Free disk and memory, and whether previews are kept in.
    ///
    /// # Errors
    /// As [`SshHost::check`].
    pub async fn figures(&self, root: &str) -> PortResult<HostFigures> {
        let answer = self.done("cannot look at the machine", &Request::new(FIGURES, [root]).aside()).await?;
        Ok(parse(&answer.text()))
    }
}

#[async_trait]
impl PortLook for SshHost {
    async fn look(&self) -> PortResult<IsFree> {
        let request = Request::plain(LISTENERS);
        let taken = listeners(&self.done("cannot look at its ports", &request).await?.text());
        Ok(Box::new(move |port| !taken.contains(&port)))
    }
}

fn parse(text: &str) -> HostFigures {
    let mut figures = HostFigures::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let bytes = || value.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024);
        match name {
            "disk" => figures.disk_free = bytes(),
            "memory" => figures.memory_free = bytes(),
            "confined" => figures.confined = value == "yes",
            _ => {}
        }
    }
    figures
}

/// Ports that somebody listens on, from `/proc/net/tcp` and `tcp6`.
fn listeners(text: &str) -> BTreeSet<u16> {
    let port = |line: &str| {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        (state == LISTENS).then(|| u16::from_str_radix(port, 16).ok())?
    };
    text.lines().filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_bytes() {
        let figures = parse("disk 10\nmemory 2\nmore x\n");
        assert_eq!((figures.disk_free, figures.memory_free, figures.confined), (Some(10_240), Some(2_048), false));
        assert!(parse("confined yes\n").confined);
    }

    #[test]
    fn only_listeners_take_a_port() {
        let text = "  sl  local_address rem_address   st tx_queue\n   \
                    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
                    1: 0100007F:C001 0100007F:1F90 01 00000000:00000000\n   \
                    0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0\n";
        assert_eq!(listeners(text), BTreeSet::from([22, 8080]));
    }
}
