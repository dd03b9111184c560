//! Sending webhooks as GitHub does: signed over the bytes, with its headers, kept so that they can be sent again.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use super::server::FakeGithub;
use super::state::{FakeError, FakeResult, World};

/// Where webhooks go.
#[derive(Clone)]
pub struct WebhookTarget {
    /// The receiver.
    pub url: String,
    /// The shared secret.
    pub secret: String,
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTarget").field("url", &self.url).finish_non_exhaustive()
    }
}

/// One webhook call, sent or only made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `X-GitHub-Delivery`: the same when it is sent again.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// Status of the newest attempt; `None` when there was none or nobody answered.
    pub status: Option<u16>,
    /// How often it was sent.
    pub attempts: u32,
}

/// GitHub gives a receiver this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// `sha256=<hex>` of the body under the secret.
#[must_use]
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length, so this cannot fail; an empty signature would be refused by the receiver.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Keeps a webhook that was not sent yet.
pub(super) fn keep(world: &mut World, event: &str, payload: &Value) -> Delivery {
    let number = world.next_id();
    let delivery = Delivery {
        // Counted, not drawn by lot, so that a run can be told from its log.
        guid: Uuid::from_u64_pair(0x7072_6576_6965_4777, 0x8000_0000_0000_0000 | number).to_string(),
        event: event.to_owned(),
        body: payload.to_string().into_bytes(),
        status: None,
        attempts: 0,
    };
    world.deliveries.push(delivery.clone());
    delivery
}

impl FakeGithub {
    /// Sends a kept webhook, again or for the first time, under its own id; nothing happens without a target.
    ///
    /// # Errors
    /// When there is no such webhook.
    pub async fn deliver(&self, guid: &str) -> FakeResult<Delivery> {
        let (target, delivery, headers) = self.prepared(guid)?;
        let Some(target) = target else { return Ok(delivery) };
        let mut request = self.client.post(&target.url).timeout(PATIENCE).body(delivery.body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let status = request.send().await.ok().map(|response| response.status().as_u16());
        let mut world = self.shared.world();
        let kept = world.deliveries.iter_mut().find(|kept| kept.guid == guid);
        let kept = kept.ok_or_else(|| FakeError::Missing(format!("delivery {guid}")))?;
        kept.status = status;
        kept.attempts += 1;
        Ok(kept.clone())
    }

    #[expect(clippy::type_complexity, reason = "three parts that only the caller above takes apart")]
    fn prepared(&self, guid: &str) -> FakeResult<(Option<WebhookTarget>, Delivery, Vec<(&'static str, String)>)> {
        let world = self.shared.world();
        let kept = world.deliveries.iter().find(|kept| kept.guid == guid).cloned();
        let delivery = kept.ok_or_else(|| FakeError::Missing(format!("delivery {guid}")))?;
        let secret = world.webhook.as_ref().map(|target| target.secret.clone()).unwrap_or_default();
        let headers = headers(&world, &delivery, &secret);
        Ok((world.webhook.clone(), delivery, headers))
    }

    /// The headers of a webhook, signed with this secret: for tests that hand it to a router themselves.
    #[must_use]
    pub fn headers_of(&self, delivery: &Delivery, secret: &str) -> Vec<(&'static str, String)> {
        headers(&self.shared.world(), delivery, secret)
    }

    /// Makes a webhook out of any payload and sends it.
    ///
    /// # Errors
    /// Never in practice: the webhook was just kept.
    pub async fn send(&self, event: &str, payload: &Value) -> FakeResult<Delivery> {
        let guid = keep(&mut self.shared.world(), event, payload).guid;
        self.deliver(&guid).await
    }
}

fn headers(world: &World, delivery: &Delivery, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("accept", "*/*".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("user-agent", "GitHub-Hookshot/0f4ke00".to_owned()),
        ("x-github-delivery", delivery.guid.clone()),
        ("x-github-event", delivery.event.clone()),
        ("x-github-hook-id", "1".to_owned()),
        ("x-github-hook-installation-target-id", world.app_id.to_string()),
        ("x-github-hook-installation-target-type", "integration".to_owned()),
        ("x-hub-signature-256", sign(secret, &delivery.body)),
    ]
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn signs_the_example_of_the_documentation_as_the_documentation_does() {
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(sign("It's a Secret to Everybody", b"Hello, World!"), expected);
    }
}
