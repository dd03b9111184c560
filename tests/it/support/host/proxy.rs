//! A bad network: a TCP proxy whose faults are switched while it runs.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::port::Port;

/// What becomes of connections, of those that are open as of new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// All is well.
    Pass,
    /// Each chunk of at most 16 KiB arrives so much later, either way.
    Delay(Duration),
    /// Connections are taken and stay open, and nothing arrives, not even their end. What was held back arrives when
    /// the fault is over.
    Blackhole,
    /// Connections break with a reset on both sides.
    Reset,
    /// The client reads an end where the host said none; what the client sends still arrives. A connection stays so.
    HalfClose,
    /// New connections are refused; open ones live on.
    Refuse,
}

/// A fault that befalls one connection, once: the one that has carried so many bytes since it was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Whether bytes to the host are counted, or those from it.
    pub(crate) to_host: bool,
    /// How many bytes still arrive.
    pub(crate) after: usize,
    /// `Reset`, `Blackhole` or `HalfClose`: what becomes of the connection then, for good.
    pub(crate) how: Fault,
}

#[derive(Default)]
struct Counts {
    taken: AtomicUsize,
    open: AtomicUsize,
    to_host: AtomicUsize,
    from_host: AtomicUsize,
    cut: Mutex<Option<Cut>>,
}

impl Counts {
    /// Counts bytes that came in; how many of them still arrive before what happens.
    fn carry(&self, to_host: bool, length: usize) -> Option<(usize, Fault)> {
        let total = if to_host { &self.to_host } else { &self.from_host };
        total.fetch_add(length, Ordering::SeqCst);
        let mut held = self.cut.lock().unwrap();
        let cut = held.as_mut().filter(|cut| cut.to_host == to_host)?;
        if length <= cut.after {
            cut.after -= length;
            return None;
        }
        let due = (cut.after, cut.how);
        *held = None;
        Some(due)
    }
}

/// A proxy on 127.0.0.1 before one target. It lives in the runtime that started it and ends when it is dropped, its
/// connections with it.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    wanted: watch::Sender<Fault>,
    applied: watch::Receiver<Fault>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// A proxy that passes all to this target.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let port = Port::reserve();
        let address = port.address();
        let listener = port.listen();
        let (wanted, faults) = watch::channel(Fault::Pass);
        let (applying, applied) = watch::channel(Fault::Pass);
        let counts = Arc::new(Counts::default());
        let proxy = Proxy { port, target, faults, counts: counts.clone() };
        let task = tokio::spawn(proxy.serve(listener, applying));
        Self { address, wanted, applied, counts, task }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections fare like this.
    pub(crate) async fn set(&mut self, fault: Fault) {
        self.wanted.send_replace(fault);
        self.applied.wait_for(|applied| *applied == fault).await.unwrap();
    }

    /// Asks for a fault of one connection.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.counts.cut.lock().unwrap() = Some(cut);
    }

    /// Whether what was asked for last has happened.
    pub(crate) fn has_cut(&self) -> bool {
        self.counts.cut.lock().unwrap().is_none()
    }

    /// How many bytes came in to the host and from it.
    pub(crate) fn carried(&self) -> (usize, usize) {
        (self.counts.to_host.load(Ordering::SeqCst), self.counts.from_host.load(Ordering::SeqCst))
    }

    /// How many connections were taken.
    pub(crate) fn connections(&self) -> usize {
        self.counts.taken.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Proxy {
    port: Port,
    target: SocketAddr,
    faults: watch::Receiver<Fault>,
    counts: Arc<Counts>,
}

impl Proxy {
    async fn serve(mut self, listener: TcpListener, applied: watch::Sender<Fault>) {
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        loop {
            let fault = *self.faults.borrow_and_update();
            if fault == Fault::Refuse {
                listener = None;
            } else if listener.is_none() {
                listener = Some(self.port.listen());
            }
            applied.send_replace(fault);
            tokio::select! {
                changed = self.faults.changed() => if changed.is_err() { return },
                client = accept(listener.as_ref()) => {
                    let open = Open::count(&self.counts);
                    let (target, faults, counts) = (self.target, self.faults.clone(), self.counts.clone());
                    connections.spawn(async move {
                        carry(client, target, faults, &counts).await;
                        drop(open);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.unwrap().0,
        None => pending().await,
    }
}

/// A connection while it is open, however it ends.
struct Open(Arc<Counts>);

impl Open {
    fn count(counts: &Arc<Counts>) -> Self {
        counts.taken.fetch_add(1, Ordering::SeqCst);
        counts.open.fetch_add(1, Ordering::SeqCst);
        Self(counts.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until this is the fault; for ever when there will be no other any more.
async fn until(mut faults: watch::Receiver<Fault>, fault: Fault) {
    if faults.wait_for(|now| *now == fault).await.is_err() {
        pending::<()>().await;
    }
}

/// Waits until the network carries something.
async fn carried(faults: &mut watch::Receiver<Fault>) {
    let fault = *faults.borrow();
    if let Fault::Delay(time) = fault {
        tokio::time::sleep(time).await;
    }
    let _ = faults.wait_for(|now| *now != Fault::Blackhole).await;
}

/// One connection from its beginning to its end.
async fn carry(mut client: TcpStream, target: SocketAddr, mut faults: watch::Receiver<Fault>, counts: &Counts) {
    let reset = until(faults.clone(), Fault::Reset);
    let reach = async {
        carried(&mut faults).await;
        TcpStream::connect(target).await
    };
    let host = tokio::select! {
        host = reach => host.ok(),
        () = reset => None,
    };
    let Some(mut host) = host else {
        client.set_zero_linger().unwrap();
        return;
    };
    client.set_nodelay(true).unwrap();
    host.set_nodelay(true).unwrap();
    if both_ways(&mut client, &mut host, &faults, counts).await.is_err() {
        // Closed like this, a socket sends a reset and not an end.
        client.set_zero_linger().unwrap();
        host.set_zero_linger().unwrap();
    }
}

/// Passes bytes until both sides have ended; an error when the connection is to break.
async fn both_ways(
    client: &mut TcpStream,
    host: &mut TcpStream,
    faults: &watch::Receiver<Fault>,
    counts: &Counts,
) -> io::Result<()> {
    let (from_client, to_client) = client.split();
    let (from_host, to_host) = host.split();
    let hurt = watch::channel(Fault::Pass).0;
    let there = forward((from_client, to_host), faults.clone(), (counts, &hurt), true);
    let back = forward((from_host, to_client), faults.clone(), (counts, &hurt), false);
    tokio::select! {
        ended = async { tokio::try_join!(there, back) } => ended.map(drop),
        () = until(faults.clone(), Fault::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// `hurt` is what has befallen this connection alone.
async fn forward(
    (mut from, mut to): (ReadHalf<'_>, WriteHalf<'_>),
    mut faults: watch::Receiver<Fault>,
    (counts, hurt): (&Counts, &watch::Sender<Fault>),
    to_host: bool,
) -> io::Result<()> {
    let half_close = until(faults.clone(), Fault::HalfClose);
    let own_half_close = until(hurt.subscribe(), Fault::HalfClose);
    tokio::pin!(half_close, own_half_close);
    let mut own = hurt.subscribe();
    let mut closed = false;
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let may_half_close = !to_host && !closed;
        let read = tokio::select! {
            biased;
            () = async { tokio::select! { () = &mut half_close => {} () = &mut own_half_close => {} } }, if may_half_close => {
                to.shutdown().await?;
                closed = true;
                continue;
            }
            read = from.read(&mut chunk) => read,
        };
        carried(&mut faults).await;
        let _ = own.wait_for(|hurt| *hurt != Fault::Blackhole).await;
        let length = match read? {
            0 if closed => return Ok(()),
            0 => return to.shutdown().await,
            length => length,
        };
        let due = counts.carry(to_host, length);
        let arrives = due.map_or(length, |(arrives, _)| arrives);
        if !closed {
            // Behind that, the client was told that nothing follows.
            to.write_all(&chunk[..arrives]).await?;
        }
        match due {
            Some((_, Fault::Reset)) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some((_, how)) => drop(hurt.send_replace(how)),
            None => {}
        }
        if own.borrow().eq(&Fault::Blackhole) {
            pending::<()>().await;
        }
        if to_host && due.is_some() {
            to.write_all(&chunk[arrives..length]).await?;
        }
    }
}
