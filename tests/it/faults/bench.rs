//! One environment's life on a host behind a bad network.

use std::time::Duration;

use crate::machine::bench::Bench;
use crate::support::host::proxy::{Cut, Fault, FaultProxy};
use crate::support::host::sshd::Sshd;

/// Whether the long sweeps were asked for.
pub(super) fn tortures() -> bool {
    std::env::var_os("PREVIEWBOT_TORTURE").is_some_and(|asked| asked == "1")
}

/// A host, the network before it, and a life on it.
pub(super) struct Far {
    pub(super) bench: Bench,
    pub(super) proxy: FaultProxy,
}

impl Far {
    pub(super) async fn new() -> Self {
        Self::on(Sshd::start().await)
    }

    pub(super) fn on(sshd: Sshd) -> Self {
        let proxy = FaultProxy::start(sshd.login().address);
        let login = sshd.login().through(proxy.address());
        Self { bench: Bench::behind(sshd, &login), proxy }
    }
}

/// Places at which a connection that carries `bytes` is cut, spread over all of it; the first is before any byte.
pub(super) fn points(bytes: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |at| at * bytes / count)
}

/// Every cut of an act that carries so many bytes to the host and from it.
pub(super) fn cuts((to_host, from_host): (usize, usize), how: Fault, count: usize) -> Vec<Cut> {
    let there = points(to_host, count).map(|after| Cut { to_host: true, after, how });
    let back = points(from_host, count).map(|after| Cut { to_host: false, after, how });
    there.chain(back).collect()
}

/// How far away a host is when it is far.
pub(super) const FAR: Duration = Duration::from_millis(25);
