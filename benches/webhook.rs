//! What a webhook costs: signed deliveries to a whole bot, beside a bare handler that only checks the signature, in
//! the same run. `cargo bench --bench webhook`; without `--bench` it does nothing.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use previewbot::app::bot::{Bot, World};
use previewbot::demo::fake_github::{FakeGithub, FakeOptions};
use previewbot::outbound::clock::{OsRandom, SystemClock};
use previewbot::settings::Settings;
use sha2::Sha256;

const SECRET: &str = "bench";
const DELIVERIES: usize = 200;
const PAYLOAD: &[u8] = include_bytes!("../fixtures/webhooks/github/pull_request.opened.json");

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let bare = serve_bare().await;
    let data = tempfile::tempdir().unwrap();
    let github = FakeGithub::start(FakeOptions::new(Arc::new(SystemClock))).await.unwrap();
    let world = World { clock: Arc::new(SystemClock), random: Arc::new(OsRandom) };
    let bot = Bot::start(settings(&github, data.path()), world).await.unwrap();
    let whole = format!("http://{}/webhooks/github", bot.address());
    // The first requests pay for connections and pages that the others find ready.
    deliver(&bare, "warm").await;
    deliver(&whole, "warm").await;
    let (bare, whole) = (deliver(&bare, "bench").await, deliver(&whole, "bench").await);
    println!("{DELIVERIES} signed deliveries of {} bytes, one after the other", PAYLOAD.len());
    for (name, at) in [("p50", DELIVERIES / 2), ("p99", DELIVERIES * 99 / 100)] {
        let ratio = whole[at].as_secs_f64() / bare[at].as_secs_f64();
        println!("{name}: bot {:?}, bare handler {:?}, ratio {ratio:.1}", whole[at], bare[at]);
    }
    bot.stop().await;
}

fn settings(github: &FakeGithub, data: &std::path::Path) -> Settings {
    let settings = serde_json::json!({
        "data_dir": data,
        "server": { "listen": "127.0.0.1:0" },
        "database": { "url": format!("sqlite://{}", data.join("bench.db").display()) },
        "github": {
            "app_id": github.app_id(),
            "private_key": github.private_key_pem(),
            "webhook_secret": SECRET,
            "api_url": github.base_url(),
        },
    });
    serde_json::from_value(settings).unwrap()
}

/// The least that any receiver must do: read the body, check the signature.
async fn serve_bare() -> String {
    let handler = |headers: HeaderMap, body: Bytes| async move {
        let given = headers["x-hub-signature-256"].to_str().unwrap().trim_start_matches("sha256=").to_owned();
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&body);
        match mac.verify_slice(&hex::decode(given).unwrap()) {
            Ok(()) => StatusCode::ACCEPTED,
            Err(_) => StatusCode::UNAUTHORIZED,
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(handler))).await.unwrap() });
    url
}

/// How long each delivery took, shortest first.
async fn deliver(url: &str, name: &str) -> Vec<Duration> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(PAYLOAD);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let mut took = Vec::with_capacity(DELIVERIES);
    for n in 0..DELIVERIES {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .header("x-github-event", "pull_request")
            .header("x-github-delivery", format!("{name}-{n}"))
            .header("x-hub-signature-256", &signature)
            .body(PAYLOAD);
        let begun = Instant::now();
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}
