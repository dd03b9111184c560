//! The HTTP door: webhooks and health. A request writes at most one small transaction and calls nobody.

mod error;
mod health;
mod serve;
pub mod webhook;

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use self::error::ApiError;
pub use self::serve::{Patience, serve};
use self::webhook::GithubWebhook;
use crate::domain::ports::JobQueue;

/// What the routes need.
#[derive(Clone)]
pub struct HttpState {
    /// Where deliveries go.
    pub queue: Arc<dyn JobQueue>,
    /// How GitHub's deliveries are judged; `None` = GitHub is not set up.
    pub github: Option<GithubWebhook>,
    /// The bot's own version, for `/healthz`.
    pub version: &'static str,
}

/// All routes with their layers.
pub fn router(state: HttpState) -> Router {
    layered(webhooks().merge(pages()), state)
}

/// Webhooks alone, and the health that a proxy before them asks for.
pub fn webhook_router(state: HttpState) -> Router {
    layered(webhooks().merge(health()), state)
}

/// Everything but webhooks.
pub fn admin_router(state: HttpState) -> Router {
    layered(pages(), state)
}

fn webhooks() -> Router<HttpState> {
    Router::new()
        .route("/webhooks/github", post(webhook::receive_github))
        .layer(Extension(webhook::Room::default()))
}

fn health() -> Router<HttpState> {
    Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready))
}

fn pages() -> Router<HttpState> {
    health()
}

fn layered(routes: Router<HttpState>, state: HttpState) -> Router {
    routes
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(CatchPanicLayer::custom(error::panicked))
        // Outermost, so that a panic is logged within its request. The query stays out of the log.
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
            tracing::info_span!("request", method = %request.method(), path = request.uri().path())
        }))
        .with_state(state)
}
