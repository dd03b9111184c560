//! A listener whose connections can be cut from within a handler, so that a request can go unanswered.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Tells a connection to break instead of answering.
#[derive(Debug, Clone, Default)]
pub(super) struct Door(Arc<AtomicBool>);

impl Door {
    /// From now on nothing is written on this connection; the next attempt ends it.
    pub(super) fn slam(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// The listener.
pub(super) struct Doors(pub(super) TcpListener);

/// One connection.
pub(super) struct Doorway {
    stream: TcpStream,
    door: Door,
}

/// Where a connection comes from, with its door.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) door: Door,
}

impl Listener for Doors {
    type Io = Doorway;
    type Addr = Visitor;

    async fn accept(&mut self) -> (Doorway, Visitor) {
        loop {
            if let Ok((stream, _)) = self.0.accept().await {
                let door = Door::default();
                return (Doorway { stream, door: door.clone() }, Visitor { door });
            }
            // Out of file descriptors, most likely: give others the time to close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<Visitor> {
        self.0.local_addr().map(|_: SocketAddr| Visitor { door: Door::default() })
    }
}

impl Connected<IncomingStream<'_, Doors>> for Visitor {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        stream.remote_addr().clone()
    }
}

impl AsyncRead for Doorway {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Doorway {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.door.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
