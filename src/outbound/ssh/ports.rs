//! Ports of a host: those that somebody listens on, and those that another bot is going to.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::host::SshHost;
use super::request::Request;
use crate::domain::error::PortResult;
use crate::outbound::networking::{IsFree, PortLook};

const RESERVE: &str = include_str!("scripts/reserve.sh");
const LISTENERS: &str = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || :";
/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// The ports of a host, for one installation of the bot.
pub struct HostPorts {
    host: Arc<SshHost>,
    installation: String,
}

impl HostPorts {
    /// The ports of this host.
    #[must_use]
    pub fn new(host: Arc<SshHost>, installation: String) -> Self {
        Self { host, installation }
    }
}

#[async_trait]
impl PortLook for HostPorts {
    async fn look(&self) -> PortResult<IsFree> {
        let request = Request::plain(LISTENERS);
        let taken = listeners(&self.host.done("cannot look at its ports", &request).await?.text());
        Ok(Box::new(move |port| !taken.contains(&port)))
    }

    async fn reserve(&self, ports: &[u16]) -> PortResult<Vec<u16>> {
        let ports = ports.iter().map(u16::to_string);
        let request = Request::new(RESERVE, std::iter::once(self.installation.clone()).chain(ports));
        let taken = self.host.done("cannot mark its ports", &request).await?.text();
        Ok(taken.split_whitespace().filter_map(|port| port.parse().ok()).collect())
    }
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
    fn only_listeners_take_a_port() {
        let text = "  sl  local_address rem_address   st tx_queue\n   \
                    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
                    1: 0100007F:C001 0100007F:1F90 01 00000000:00000000\n   \
                    0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0\n";
        assert_eq!(listeners(text), BTreeSet::from([22, 8080]));
    }
}
