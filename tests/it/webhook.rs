//! The webhook door: signatures, limits, and what every payload means.

mod answers;
mod crowd;
mod delivery;
mod posted;
mod signature;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::BodyExt as _;
use previewbot::inbound::http::webhook::{GithubWebhook, WebhookSecrets};
use previewbot::inbound::http::{HttpState, router};
use serde_json::Value;
use sha2::Sha256;
use tower::ServiceExt as _;

use crate::support::memory_queue::MemoryQueue;

const SECRET: &str = "It's a Secret to Everybody";
const OLD_SECRET: &str = "the one before";
const APP_ID: u64 = 12345;
const PING: &str = r#"{"zen":"Keep it logically awesome.","hook_id":1}"#;

/// The router over a queue in memory.
struct Door {
    queue: Arc<MemoryQueue>,
    router: Router,
}

impl Door {
    fn new() -> Self {
        let queue = Arc::new(MemoryQueue::default());
        let secrets = WebhookSecrets::new(&SECRET.into(), Some(&OLD_SECRET.into())).unwrap();
        let github = Some(GithubWebhook { secrets, app_id: Some(APP_ID) });
        let state = HttpState { queue: queue.clone(), github, version: "1.2.3" };
        Self { router: router(state), queue }
    }

    /// The answer's status and JSON body.
    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("no JSON: {body:?}")))
    }

    /// A delivery as GitHub sends it.
    async fn deliver(&self, event: &str, id: &str, body: &[u8]) -> (StatusCode, Value) {
        self.send(delivery(event, id, body)).await
    }
}

fn delivery(event: &str, id: &str, body: &[u8]) -> Request<Body> {
    let request = Request::post("/webhooks/github")
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", id)
        .header("X-Hub-Signature-256", sign(SECRET, body))
        .header("Content-Type", "application/json");
    request.body(Body::from(body.to_vec())).unwrap()
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
