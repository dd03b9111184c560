//! What becomes of a delivery that is too large, too odd, sent twice, or that cannot be stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use previewbot::inbound::http::{HttpState, router};
use tower::ServiceExt as _;

use super::{Door, PING, SECRET, delivery, sign};
use crate::support::memory_queue::MemoryQueue;

const LIMIT: usize = 25 * 1024 * 1024;
const OPENED: &[u8] = include_bytes!("../../../fixtures/webhooks/github/pull_request.opened.json");

fn signed(body: Body, signature: &str) -> Request<Body> {
    let (mut parts, _) = delivery("ping", "d1", b"").into_parts();
    parts.headers.insert("x-hub-signature-256", signature.parse().unwrap());
    Request::from_parts(parts, body)
}

#[tokio::test]
async fn what_is_larger_than_25_mb_is_refused_while_it_is_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    // Four times the limit is on offer, without saying so beforehand.
    let pieces = std::iter::repeat_with(move || {
        counter.fetch_add(1024 * 1024, Ordering::SeqCst);
        Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024])
    });
    let body = Body::from_stream(futures_util::stream::iter(pieces.take(100)));
    let door = Door::new();
    let (status, answer) = door.send(signed(body, &sign(SECRET, b""))).await;
    assert_eq!((status, door.queue.stored().len()), (StatusCode::PAYLOAD_TOO_LARGE, 0), "{answer}");
    assert!(sent.load(Ordering::SeqCst) <= LIMIT + 2 * 1024 * 1024, "read on after the limit");
}

#[tokio::test]
async fn the_limit_is_exact() {
    let mut body = PING.as_bytes().to_vec();
    body.resize(LIMIT, b' ');
    let door = Door::new();
    let (status, answer) = door.deliver("ping", "fits", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    body.push(b' ');
    let (status, answer) = door.deliver("ping", "too-large", &body).await;
    assert_eq!((status, door.queue.stored().len()), (StatusCode::PAYLOAD_TOO_LARGE, 1), "{answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let pieces = [Ok(b"{".to_vec()), Err(std::io::Error::other("connection reset"))];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let door = Door::new();
    let (status, answer) = door.send(signed(body, &sign(SECRET, b"{"))).await;
    assert_eq!((status, door.queue.stored().len()), (StatusCode::BAD_REQUEST, 0), "{answer}");
}

#[tokio::test]
async fn a_delivery_that_was_seen_is_taken_once() {
    let door = Door::new();
    let (first, answer) = door.deliver("pull_request", "same", OPENED).await;
    assert_eq!((first, answer["delivery"].as_str()), (StatusCode::ACCEPTED, Some("same")));
    let (second, answer) = door.deliver("pull_request", "same", OPENED).await;
    assert_eq!((second, answer["status"].as_str()), (StatusCode::OK, Some("duplicate")));
    assert_eq!(door.queue.stored().len(), 1);
}

#[tokio::test]
async fn when_the_store_fails_the_forge_is_told_to_send_again() {
    let door = Door::new();
    door.queue.break_down();
    for request in [delivery("pull_request", "d1", OPENED), Request::get("/readyz").body(Body::empty()).unwrap()] {
        let (status, answer) = door.send(request).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.to_string().contains("disk full"), "details are logged, not sent: {answer}");
    }
    let (status, answer) = door.send(Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!((status, answer["version"].as_str()), (StatusCode::OK, Some("1.2.3")));
}

#[tokio::test]
async fn odd_headers_are_refused() {
    let bad_request = StatusCode::BAD_REQUEST;
    let table = [
        ("x-github-event", "", bad_request),
        ("x-github-event", "Pull Request", bad_request),
        ("x-github-event", "../ping", bad_request),
        ("x-github-delivery", "", bad_request),
        ("x-github-delivery", "a b", bad_request),
        ("x-github-delivery", "a'; drop table jobs", bad_request),
        ("content-type", "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("content-type", "", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    for (name, value, wanted) in table {
        let door = Door::new();
        let mut request = delivery("ping", "d1", PING.as_bytes());
        request.headers_mut().insert(name, value.parse().unwrap());
        let (status, answer) = door.send(request).await;
        assert_eq!((status, door.queue.stored().len()), (wanted, 0), "{name}: {value}: {answer}");
        let mut request = delivery("ping", "d1", PING.as_bytes());
        request.headers_mut().remove(name);
        assert_eq!(door.send(request).await.0, wanted, "{name} missing");
    }
    let mut request = delivery("ping", "d1", PING.as_bytes());
    request.headers_mut().append("x-github-delivery", "d2".parse().unwrap());
    assert_eq!(Door::new().send(request).await.0, bad_request);
}

#[tokio::test]
async fn what_is_no_json_is_refused_and_not_kept() {
    let deep = format!("{{\"action\":{}", "[".repeat(100_000));
    for body in ["", "[]", "null", "{", "{} {}", "\u{feff}{}", "{\"action\":1}", "\u{0}", deep.as_str()] {
        let door = Door::new();
        let (status, answer) = door.deliver("pull_request", "d1", body.as_bytes()).await;
        let start: String = body.chars().take(20).collect();
        assert_eq!((status, door.queue.stored().len()), (StatusCode::BAD_REQUEST, 0), "{start:?}: {answer}");
    }
}

#[tokio::test]
async fn a_form_is_taken_as_the_payload_in_it() {
    let json = std::str::from_utf8(OPENED).unwrap();
    let encoded: Vec<_> = json.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let body = format!("payload={}", encoded.concat());
    let mut request = delivery("pull_request", "d1", body.as_bytes());
    let form = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert("content-type", form);
    let door = Door::new();
    assert_eq!(door.send(request).await.0, StatusCode::ACCEPTED);
    assert_eq!(door.queue.stored()[0].body, OPENED);
    let mut request = delivery("pull_request", "d2", b"nothing=1");
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    assert_eq!(door.send(request).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let door = Door::new();
    let missing = Request::get("/nowhere").body(Body::empty()).unwrap();
    assert_eq!(door.send(missing).await.0, StatusCode::NOT_FOUND);
    let wrong = Request::get("/webhooks/github").body(Body::empty()).unwrap();
    assert_eq!(door.send(wrong).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let queue = Arc::new(MemoryQueue::default());
    let bare = router(HttpState { queue: queue.clone(), github: None, version: "1" });
    let response = bare.oneshot(delivery("ping", "d1", PING.as_bytes())).await.unwrap();
    assert_eq!((response.status(), queue.stored().len()), (StatusCode::NOT_FOUND, 0));
}
