//! Whether the process lives, and whether it can take deliveries.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::HttpState;
use super::error::ApiError;

/// The answer to a probe.
#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
}

/// The process answers.
pub(super) async fn alive(State(state): State<HttpState>) -> Json<Health> {
    Json(Health { status: "alive", version: state.version })
}

/// The store answers, so a delivery would be taken.
pub(super) async fn ready(State(state): State<HttpState>) -> Result<Json<Health>, ApiError> {
    state.queue.next_run_at().await.map_err(|error| ApiError::store(&error))?;
    Ok(Json(Health { status: "ready", version: state.version }))
}
