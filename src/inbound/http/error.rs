//! What a caller hears when something is wrong: a status, one sentence and what to do. Causes are logged, not sent.

use std::any::Any;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::error::PortError;

/// A refusal or a failure.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    error: String,
    hint: &'static str,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    hint: &'a str,
}

impl ApiError {
    /// What is wrong, and how to mend it.
    pub(super) fn new(status: StatusCode, error: impl Into<String>, hint: &'static str) -> Self {
        Self { status, error: error.into(), hint }
    }

    /// There is no such address.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here", "webhooks go to /webhooks/github")
    }

    /// The address is right, the method is not.
    pub(super) fn method_not_allowed() -> Self {
        let hint = "webhooks are sent with POST, everything else is read with GET";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take that method", hint)
    }

    /// The store did not take something; the forge lists the delivery as failed and can send it again.
    pub(super) fn store(error: &PortError) -> Self {
        tracing::error!(error = error.chain(), "the store failed");
        let hint = "nothing was kept; send it again in a while";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store is not available", hint)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        tracing::debug!(status = self.status.as_u16(), error = self.error, "refused");
        (self.status, Json(Body { error: &self.error, hint: self.hint })).into_response()
    }
}

/// The answer when a handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "a request failed inside");
    let hint = "this is a defect of the bot; its log says more";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside", hint).into_response()
}
