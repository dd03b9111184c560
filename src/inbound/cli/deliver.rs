//! `previewbot deliver`: sign a payload file as GitHub would and send it.

use std::io::Write;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::output::{self, CliError};

/// What to send, and where.
pub struct Parcel {
    /// The bot's webhook URL.
    pub url: String,
    /// The forge's event name.
    pub event: String,
    /// Delivery id.
    pub id: String,
    /// The body.
    pub body: Vec<u8>,
    /// What to sign it with.
    pub secret: SecretString,
}

/// Sends the parcel and prints the bot's answer.
///
/// # Errors
/// When the bot cannot be reached or refuses.
pub async fn run(parcel: Parcel, out: &mut dyn Write) -> Result<(), CliError> {
    let asked = |message: String| CliError::Asked(message);
    // HMAC takes keys of any length, so this cannot fail; the error is passed on rather than assumed away.
    let mut mac = Hmac::<Sha256>::new_from_slice(parcel.secret.expose_secret().as_bytes())
        .map_err(|error| asked(error.to_string()))?;
    mac.update(&parcel.body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(15))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| asked(error.to_string()))?;
    let answer = client
        .post(&parcel.url)
        .header("content-type", "application/json")
        .header("x-github-event", &parcel.event)
        .header("x-github-delivery", &parcel.id)
        .header("x-hub-signature-256", signature)
        .body(parcel.body)
        .send()
        .await
        .map_err(|error| asked(format!("the bot does not answer at {}: {error}", parcel.url)))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    writeln!(out, "{} {}", status.as_u16(), output::plain(&text))?;
    if status.is_success() { Ok(()) } else { Err(asked(format!("the bot refused the delivery ({status})"))) }
}
