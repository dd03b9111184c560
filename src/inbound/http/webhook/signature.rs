//! GitHub's signature: HMAC-SHA256 of the raw body under the webhook's secret, compared in constant time.

use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use thiserror::Error;

use super::super::error::ApiError;

const HEADER: &str = "x-hub-signature-256";
const HINT: &str = "sign the raw body: `X-Hub-Signature-256: sha256=` and the 64 lower-case hexadecimal digits of \
                    its HMAC-SHA256 under the webhook's secret";

/// A webhook secret that is empty, which would let everybody in.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "the webhook secret is empty: set github.webhook_secret or github.webhook_secret_file to the App's secret"
)]
pub struct EmptySecret;

/// The secrets that a delivery may be signed with: the present one and, while it is being replaced, the one before.
#[derive(Clone)]
pub struct WebhookSecrets {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

impl WebhookSecrets {
    /// Takes the secrets.
    ///
    /// # Errors
    /// When one of them is empty or blank.
    pub fn new(current: &SecretString, previous: Option<&SecretString>) -> Result<Self, EmptySecret> {
        Ok(Self { current: keyed(current)?, previous: previous.map(keyed).transpose()? })
    }

    /// Whether one of the secrets made this signature of this body.
    pub(super) fn verify(&self, signature: &Signature, body: &[u8]) -> Result<(), ApiError> {
        let made_by = |mac: &Hmac<Sha256>| mac.clone().chain_update(body).verify_slice(&signature.0).is_ok();
        let by_current = made_by(&self.current);
        let by_previous = self.previous.as_ref().is_some_and(made_by);
        // Both are computed whatever the first one says.
        if by_current | by_previous {
            return Ok(());
        }
        tracing::warn!("a delivery with a wrong signature was refused");
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "the signature does not match the body", HINT))
    }
}

impl std::fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecrets(…)")
    }
}

fn keyed(secret: &SecretString) -> Result<Hmac<Sha256>, EmptySecret> {
    let secret = secret.expose_secret();
    if secret.trim().is_empty() {
        return Err(EmptySecret);
    }
    Hmac::new_from_slice(secret.as_bytes()).map_err(|_| EmptySecret)
}

/// A signature as it was sent.
pub(super) struct Signature([u8; 32]);

impl Signature {
    /// Reads the one signature header.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let refused = |what: &str| ApiError::new(StatusCode::UNAUTHORIZED, what, HINT);
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next().ok_or_else(|| refused("the signature is missing"))?;
        if values.next().is_some() {
            return Err(refused("there is more than one signature"));
        }
        let digest = value.as_bytes().strip_prefix(b"sha256=").and_then(digest);
        digest.map(Self).ok_or_else(|| refused("the signature is not one"))
    }
}

/// 64 lower-case hexadecimal digits.
fn digest(digits: &[u8]) -> Option<[u8; 32]> {
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_secret_is_refused() {
        for blank in ["", " ", "\n"] {
            assert_eq!(WebhookSecrets::new(&blank.into(), None).unwrap_err(), EmptySecret);
            assert_eq!(WebhookSecrets::new(&"s".into(), Some(&blank.into())).unwrap_err(), EmptySecret);
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let secrets = WebhookSecrets::new(&"hunter2".into(), None).unwrap();
        assert_eq!(format!("{secrets:?}"), "WebhookSecrets(…)");
    }
}
