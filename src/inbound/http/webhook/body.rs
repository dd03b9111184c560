//! The body of a delivery: read within GitHub's limit, and taken out of a form where the hook is set to send one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::error::ApiError;

/// GitHub delivers nothing larger ("Webhook events and payloads": payloads are capped at 25 MB).
const LIMIT: usize = 25 * MIB;
/// GitHub itself gives up after 10 s, an Enterprise Server after 30 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bodies up to this size need no room: nearly all are smaller.
const SMALL: usize = MIB;
/// How much all larger bodies together may take, in MiB. Whoever knows no secret can send bodies too.
const ROOM: usize = 128;
const MIB: usize = 1024 * 1024;

/// What is left for larger bodies, one permit for each MiB.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

/// The room that a body takes, for as long as it is held.
pub(super) type Taken = Option<OwnedSemaphorePermit>;

impl Room {
    async fn take(&self, bytes: usize) -> Taken {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        self.0.clone().acquire_many_owned(mib).await.ok()
    }
}

/// Reads the raw bytes; what is over the limit is never held.
pub(super) async fn read(headers: &HeaderMap, body: Body, room: &Room) -> Result<(Vec<u8>, Taken), ApiError> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let declared = declared.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if declared.is_some_and(|bytes| bytes > LIMIT) {
        return Err(too_large());
    }
    tokio::time::timeout(PATIENCE, collect(body, declared, room)).await.unwrap_or_else(|_elapsed| {
        let hint = "send the body within 30 seconds";
        Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time", hint))
    })
}

async fn collect(mut body: Body, declared: Option<usize>, room: &Room) -> Result<(Vec<u8>, Taken), ApiError> {
    let mut taken = match declared {
        Some(bytes) if bytes > SMALL => room.take(bytes).await,
        _ => None,
    };
    let mut raw = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a body could not be read");
            let hint = "send the whole body";
            ApiError::new(StatusCode::BAD_REQUEST, "the body could not be read to its end", hint)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let bytes = raw.len() + data.len();
        if bytes > LIMIT {
            return Err(too_large());
        }
        // One that did not say how long it is may become as long as any.
        if bytes > SMALL && taken.is_none() {
            taken = room.take(LIMIT).await;
        }
        raw.extend_from_slice(&data);
    }
    Ok((raw, taken))
}

fn too_large() -> ApiError {
    let hint = "GitHub never sends one that large";
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "the payload is larger than 25 MB", hint)
}

/// How the payload is wrapped.
pub(super) enum BodyKind {
    Json,
    Form,
}

impl BodyKind {
    /// As the content type says.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Ok(Self::Form)
        } else {
            let hint = "set the webhook's content type to application/json";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type is not one of GitHub's", hint))
        }
    }

    /// The JSON inside.
    pub(super) fn payload(&self, raw: Vec<u8>) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Json => Ok(raw),
            Self::Form => form_payload(&raw).ok_or_else(|| {
                let hint = "send `payload=<json>`, or set the webhook's content type to application/json";
                ApiError::new(StatusCode::BAD_REQUEST, "the form holds no readable payload", hint)
            }),
        }
    }
}

/// The value of the form's one `payload` field.
fn form_payload(raw: &[u8]) -> Option<Vec<u8>> {
    let mut values = raw.split(|byte| *byte == b'&').filter_map(|pair| pair.strip_prefix(b"payload="));
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal(*bytes.next()?)? * 16 + hexadecimal(*bytes.next()?)?,
            other => *other,
        });
    }
    Some(decoded)
}

const fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_to_the_bytes_that_were_meant() {
        assert_eq!(form_payload(b"payload=%7B%22a%22%3a+1%7D").unwrap(), br#"{"a": 1}"#);
        assert_eq!(form_payload(b"x=1&payload=%C3%A9&y=").unwrap(), "é".as_bytes());
        for bad in [&b""[..], b"a=1", b"payload=%", b"payload=%4", b"payload=%zz", b"payload=1&payload=2"] {
            assert_eq!(form_payload(bad), None, "{bad:?}");
        }
    }
}
