//! Who gets in: only those whose signature is of exactly these bytes under one of the secrets.

use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Request, StatusCode};
use previewbot::inbound::http::webhook::WebhookSecrets;

use super::{Door, OLD_SECRET, PING, SECRET, sign};

/// A signed ping whose headers and body are given apart.
struct Case {
    name: &'static str,
    signatures: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: StatusCode,
}

const NAME: &str = "X-Hub-Signature-256";

fn case(name: &'static str, value: impl Into<String>, status: StatusCode) -> Case {
    Case { name, signatures: vec![(NAME, value.into())], body: PING.into(), status }
}

fn refused(name: &'static str, value: impl Into<String>) -> Case {
    case(name, value, StatusCode::UNAUTHORIZED)
}

fn headers() -> Vec<Case> {
    let good = sign(SECRET, PING.as_bytes());
    let digest = good.strip_prefix("sha256=").unwrap();
    let mut flipped = digest.to_owned().into_bytes();
    flipped[63] = if flipped[63] == b'0' { b'1' } else { b'0' };
    let flipped = String::from_utf8(flipped).unwrap();
    vec![
        case("the present secret", &*good, StatusCode::OK),
        case("the one before", sign(OLD_SECRET, PING.as_bytes()), StatusCode::OK),
        refused("empty", ""),
        refused("only the prefix", "sha256="),
        refused("no prefix", digest),
        refused("another prefix", format!("sha1={digest}")),
        refused("prefix in upper case", format!("SHA256={digest}")),
        refused("digest in upper case", format!("sha256={}", digest.to_uppercase())),
        refused("one digit short", &good[..good.len() - 1]),
        refused("one digit more", format!("{good}0")),
        refused("half", &good[..39]),
        refused("not hexadecimal", format!("sha256={}", "g".repeat(64))),
        refused("one digit changed", format!("sha256={flipped}")),
        refused("all zeros", format!("sha256={}", "0".repeat(64))),
        refused("two in one header", format!("{good},{good}")),
        refused("something after it", format!("{good} ;")),
        refused("another secret", sign("another", PING.as_bytes())),
        refused("the secret with a line end", sign(&format!("{SECRET}\n"), PING.as_bytes())),
        refused("an empty secret", sign("", PING.as_bytes())),
        refused("of another body", sign(SECRET, b"{}")),
    ]
}

fn bodies() -> Vec<Case> {
    let signatures = || vec![(NAME, sign(SECRET, PING.as_bytes()))];
    let other = |name, body: Vec<u8>| {
        let status = StatusCode::UNAUTHORIZED;
        Case { name, signatures: signatures(), body, status }
    };
    let mut flipped = PING.as_bytes().to_vec();
    flipped[5] ^= 1;
    let value: serde_json::Value = serde_json::from_str(PING).unwrap();
    vec![
        other("one bit changed", flipped),
        other("written anew", serde_json::to_vec_pretty(&value).unwrap()),
        other("a byte order mark", format!("\u{feff}{PING}").into_bytes()),
        other("a line end", format!("{PING}\n").into_bytes()),
        other("empty", Vec::new()),
    ]
}

fn counts() -> Vec<Case> {
    let good = sign(SECRET, PING.as_bytes());
    let (body, status) = (PING.as_bytes().to_vec(), StatusCode::UNAUTHORIZED);
    let several = |name, signatures| Case { name, signatures, body: body.clone(), status };
    vec![
        several("missing", vec![]),
        several("sha1 only", vec![("X-Hub-Signature", "sha1=0123456789012345678901234567890123456789".into())]),
        several("two good ones", vec![(NAME, good.clone()), (NAME, good.clone())]),
        several("a good and a bad one", vec![(NAME, good), (NAME, "sha256=00".into())]),
    ]
}

fn request(case: &Case, body: Body) -> Request<Body> {
    let start = Request::post("/webhooks/github")
        .header("X-GitHub-Event", "ping")
        .header("X-GitHub-Delivery", "0b989ba4-242f-11e5-81e1-c7b6966d2516")
        .header("Content-Type", "application/json");
    let add = |request: Builder, (name, value): &(&str, String)| request.header(*name, value);
    case.signatures.iter().fold(start, add).body(body).unwrap()
}

#[tokio::test]
async fn only_a_right_signature_gets_in() {
    let cases: Vec<_> = headers().into_iter().chain(bodies()).chain(counts()).collect();
    assert!(cases.len() >= 25);
    for case in cases {
        let door = Door::new();
        let (status, answer) = door.send(request(&case, Body::from(case.body.clone()))).await;
        assert_eq!(status, case.status, "{}: {answer}", case.name);
        assert_eq!(door.queue.stored().len(), usize::from(status == StatusCode::OK), "{}", case.name);
        if status == StatusCode::UNAUTHORIZED {
            assert!(answer["error"].is_string() && answer["hint"].is_string(), "{}: {answer}", case.name);
            assert!(!answer.to_string().contains(&sign(SECRET, &case.body)), "{}", case.name);
        }
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_signed_as_a_whole() {
    let good = case("in pieces", sign(SECRET, PING.as_bytes()), StatusCode::OK);
    let pieces = PING.as_bytes().chunks(7).map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let pieces: Vec<_> = pieces.collect();
    let door = Door::new();
    let (status, _) = door.send(request(&good, Body::from_stream(futures_util::stream::iter(pieces)))).await;
    assert_eq!((status, door.queue.stored()[0].body.as_slice()), (StatusCode::OK, PING.as_bytes()));
}

#[tokio::test]
async fn nothing_is_read_before_the_signature_was_right() {
    let door = Door::new();
    let wrong = refused("wrong", sign("another", b"{"));
    let (status, _) = door.send(request(&wrong, Body::from("{"))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let right = refused("right", sign(SECRET, b"{"));
    let (status, answer) = door.send(request(&right, Body::from("{"))).await;
    assert_eq!((status, door.queue.stored().len()), (StatusCode::BAD_REQUEST, 0), "{answer}");
}

#[tokio::test]
async fn githubs_own_test_vector_passes() {
    // GitHub Docs, "Validating webhook deliveries". Its body is no JSON: past the signature, it is malformed.
    let vector = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let case = case("vector", vector, StatusCode::BAD_REQUEST);
    let (status, answer) = Door::new().send(request(&case, Body::from("Hello, World!"))).await;
    assert_eq!(status, case.status, "{answer}");
}

#[test]
fn without_a_secret_there_is_no_door() {
    assert!(WebhookSecrets::new(&"".into(), None).is_err());
    assert!(WebhookSecrets::new(&SECRET.into(), Some(&"".into())).is_err());
}
