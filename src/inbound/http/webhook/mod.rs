//! Webhooks: check the signature over the raw bytes, store the delivery and what it means, answer. What to do about
//! it is decided later, from the forge.

mod body;
pub mod github;
mod signature;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use tracing::Instrument as _;

pub(super) use self::body::Room;
pub use self::signature::{EmptySecret, WebhookSecrets};

use self::body::BodyKind;
use self::signature::Signature;
use super::HttpState;
use super::error::ApiError;
use crate::domain::change::ForgeKind;
use crate::domain::event::{DeliveryId, NewDelivery, Parsed};
use crate::domain::ports::{Accepted, JobQueue};

/// How GitHub's deliveries are judged.
#[derive(Clone)]
pub struct GithubWebhook {
    /// The secrets that GitHub may have signed with.
    pub secrets: WebhookSecrets,
    /// The App's id: requests to run other Apps' checks again are none of our business. `None` = any App's are taken.
    pub app_id: Option<u64>,
}

/// `POST /webhooks/github`.
pub(super) async fn receive_github(
    State(state): State<HttpState>,
    Extension(room): Extension<Room>,
    request: Request,
) -> Result<Response, ApiError> {
    let Some(github) = &state.github else {
        let hint = "add a [github] section to the bot's settings";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "GitHub is not set up here", hint));
    };
    let (parts, body) = request.into_parts();
    let signature = Signature::of(&parts.headers)?;
    let (raw, _taken) = body::read(&parts.headers, body, &room).await?;
    github.secrets.verify(&signature, &raw)?;
    let event_name = event_name(&parts.headers)?;
    let id = delivery_id(&parts.headers)?;
    let span = tracing::info_span!("delivery", "delivery.id" = %id.0, event = event_name);
    let payload = BodyKind::of(&parts.headers)?.payload(raw)?;
    async {
        let (action, parsed) = github::parse(&event_name, &payload, github.app_id).map_err(|malformed| {
            let hint = "send the payload as GitHub's documentation describes it";
            ApiError::new(StatusCode::BAD_REQUEST, malformed.to_string(), hint)
        })?;
        let forge = ForgeKind::Github;
        store(&*state.queue, NewDelivery { id, forge, event_name, action, body: payload, parsed }).await
    }
    .instrument(span)
    .await
}

async fn store(queue: &dyn JobQueue, delivery: NewDelivery) -> Result<Response, ApiError> {
    let id = delivery.id.0.clone();
    let parsed = delivery.parsed.clone();
    match queue.accept(delivery).await.map_err(|error| ApiError::store(&error))? {
        Accepted::Duplicate => {
            tracing::info!("seen before");
            Ok(Json(json!({ "status": "duplicate", "delivery": id })).into_response())
        }
        Accepted::New => Ok(answer(&id, &parsed)),
    }
}

fn answer(id: &str, parsed: &Parsed) -> Response {
    match parsed {
        Parsed::Event(event) => {
            tracing::info!(kind = event.kind.label(), subject = event.subject.key(), "accepted");
            let body = json!({ "status": "accepted", "delivery": id, "event": event.kind.label() });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Parsed::Ignored { because } => {
            tracing::info!(because, "recorded: nothing to do");
            Json(json!({ "status": "recorded", "delivery": id, "because": because })).into_response()
        }
    }
}

/// The one value of a header, when it is there once and made only of characters that `legal` allows.
fn single<'a>(headers: &'a HeaderMap, name: &str, legal: fn(u8) -> bool) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    let fine = values.next().is_none() && (1..=128).contains(&value.len()) && value.bytes().all(legal);
    fine.then_some(value)
}

fn event_name(headers: &HeaderMap) -> Result<String, ApiError> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    single(headers, "x-github-event", legal).map(str::to_owned).ok_or_else(|| {
        let hint = "send exactly one X-GitHub-Event header, such as `pull_request`";
        ApiError::new(StatusCode::BAD_REQUEST, "the event's name is missing or not one", hint)
    })
}

fn delivery_id(headers: &HeaderMap) -> Result<DeliveryId, ApiError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    single(headers, "x-github-delivery", legal).map(|id| DeliveryId(id.to_owned())).ok_or_else(|| {
        let hint = "send exactly one X-GitHub-Delivery header with the delivery's GUID";
        ApiError::new(StatusCode::BAD_REQUEST, "the delivery's id is missing or not one", hint)
    })
}
