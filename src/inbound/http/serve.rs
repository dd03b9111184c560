//! Connections: how many at a time, how long a request's head may take, and how long the end waits for them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at a time; who comes next waits in the kernel's queue.
const CONNECTIONS: usize = 512;
/// How long to wait after a connection could not be taken, for instance because all descriptors are in use.
const PAUSE: Duration = Duration::from_secs(1);

/// How patient a listener is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, idle time on a kept connection included.
    pub head: Duration,
    /// For requests that are not answered yet when the listener is asked to end.
    pub end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(30), end: Duration::from_secs(10) }
    }
}

/// Serves until `stop`; returns once every connection is closed, by itself or by force.
pub async fn serve(listener: TcpListener, router: Router, patience: Patience, stop: CancellationToken) {
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let force = CancellationToken::new();
    let _force = force.clone().drop_guard();
    loop {
        let taken = async {
            // The semaphore is never closed.
            let slot = slots.clone().acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            taken = taken => taken,
        };
        match accepted {
            Ok((stream, _)) => {
                let answering = answer(stream, router.clone(), patience.head, stop.clone());
                let force = force.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = answering => {}
                        () = force.cancelled() => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(patience.end, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing connections that did not end");
        force.cancel();
        connections.wait().await;
    }
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, router: Router, head: Duration, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
