//! A port that stays ours while nobody listens on it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A free port of 127.0.0.1, held by a socket that never listens: the kernel gives it to nobody else, connections to it
/// are refused, and whoever asks for this very port and sets `SO_REUSEADDR`, as servers do, may listen on it.
pub(super) struct Port(TcpSocket);

impl Port {
    pub(super) fn reserve() -> Self {
        Self(bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Listens on it.
    pub(super) fn listen(&self) -> TcpListener {
        bound(self.address()).listen(128).unwrap()
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}
