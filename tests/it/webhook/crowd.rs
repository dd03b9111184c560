//! Many who send much, slowly, or nothing at all, and know no secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use previewbot::inbound::http::{Patience, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Door, PING};

const MIB: usize = 1024 * 1024;

/// A delivery with a signature that looks right, of a sender who says that so many bytes come and then sends none.
/// Whether anybody waits for them is counted.
fn silent(declared: usize, waited_for: &Arc<AtomicUsize>) -> Request<Body> {
    let (waited_for, mut counted) = (waited_for.clone(), false);
    let body = futures_util::stream::poll_fn(move |_| {
        if !std::mem::replace(&mut counted, true) {
            waited_for.fetch_add(1, Ordering::SeqCst);
        }
        std::task::Poll::<Option<Result<Bytes, std::io::Error>>>::Pending
    });
    let request = Request::post("/webhooks/github")
        .header("X-GitHub-Event", "ping")
        .header("X-GitHub-Delivery", "d1")
        .header("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64)))
        .header("Content-Type", "application/json")
        .header("Content-Length", declared);
    request.body(Body::from_stream(body)).unwrap()
}

#[tokio::test]
async fn what_says_that_it_is_too_large_is_refused_before_it_comes() {
    let (door, waited_for) = (Door::new(), Arc::default());
    let (status, _) = door.send(silent(25 * MIB + 1, &waited_for)).await;
    assert_eq!((status, waited_for.load(Ordering::SeqCst)), (StatusCode::PAYLOAD_TOO_LARGE, 0));
}

#[tokio::test]
async fn large_bodies_share_a_bounded_room_and_small_ones_pass_by() {
    let (door, waited_for) = (Arc::new(Door::new()), Arc::default());
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (door, request) = (door.clone(), silent(25 * MIB, &waited_for));
        senders.spawn(async move { door.send(request).await });
    }
    let start = Instant::now();
    while waited_for.load(Ordering::SeqCst) < 5 {
        assert!(start.elapsed() < Duration::from_secs(20), "large bodies are not read at all");
        tokio::task::yield_now().await;
    }
    let (status, _) = door.deliver("ping", "small", PING.as_bytes()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(waited_for.load(Ordering::SeqCst), 5, "128 MiB have room for five bodies of 25");
    // Who gives up makes room.
    senders.abort_all();
    while senders.join_next().await.is_some() {}
    let sender = tokio::spawn({
        let (door, request) = (door.clone(), silent(25 * MIB, &waited_for));
        async move { door.send(request).await }
    });
    while waited_for.load(Ordering::SeqCst) < 6 {
        assert!(start.elapsed() < Duration::from_secs(20), "the room is not given back");
        tokio::task::yield_now().await;
    }
    sender.abort();
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_up_to_the_limit() {
    let door = Door::new();
    for (mib, wanted) in [(2, StatusCode::UNAUTHORIZED), (26, StatusCode::PAYLOAD_TOO_LARGE)] {
        let chunks = (0..mib).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; MIB])));
        let mut request = silent(0, &Arc::default());
        request.headers_mut().remove("content-length");
        *request.body_mut() = Body::from_stream(futures_util::stream::iter(chunks));
        assert_eq!(door.send(request).await.0, wanted, "{mib} MiB");
    }
}

/// The door on a socket.
async fn listening(patience: Patience) -> (TcpStream, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Door::new().router, patience, stop.clone()));
    (stream, stop, serving)
}

#[tokio::test]
async fn who_does_not_end_the_head_of_a_request_is_hung_up_on() {
    let patience = Patience { head: Duration::from_millis(100), ..Patience::default() };
    let (mut stream, _stop, _serving) = listening(patience).await;
    stream.write_all(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Slow:").await.unwrap();
    let mut left = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut left)).await;
    assert!(closed.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn the_end_waits_neither_for_the_idle_nor_for_ever_for_the_slow() {
    let hour = Duration::from_hours(1);
    let (mut idle, stop, serving) = listening(Patience { head: hour, end: hour }).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), serving)
        .await
        .expect("an idle connection holds nothing up")
        .unwrap();

    let patience = Patience { head: hour, end: Duration::from_millis(100) };
    let (mut slow, stop, serving) = listening(patience).await;
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\nX-Hub-Signature-256: sha256={}\r\n\r\n",
        "0".repeat(64)
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // It is asked to go on once its body is waited for.
    assert!(slow.read(&mut [0; 1024]).await.unwrap() > 0);
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), serving).await.expect("a slow one is cut off").unwrap();
}
