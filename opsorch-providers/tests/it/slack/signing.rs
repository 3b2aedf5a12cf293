//! Requests as Slack signs them.

use hmac::{Hmac, KeyInit, Mac};
use opsorch::capability::Webhook;
use opsorch::transport::{HeaderMap, HeaderValue};
use opsorch::{Clock, ManualClock};
use sha2::Sha256;

/// What this workspace signs with.
pub(super) const KEY: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// A request that was signed now.
pub(super) fn signed(clock: &ManualClock, body: &str) -> Webhook {
    signed_by(KEY, clock.now().timestamp(), body)
}

pub(super) fn signed_by(key: &str, at: i64, body: &str) -> Webhook {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    with(&at.to_string(), &format!("v0={digits}"), body)
}

/// A request with these headers.
pub(super) fn with(stamp: &str, signature: &str, body: &str) -> Webhook {
    let mut headers = HeaderMap::new();
    headers.insert("x-slack-request-timestamp", HeaderValue::from_str(stamp).unwrap());
    headers.insert("x-slack-signature", HeaderValue::from_str(signature).unwrap());
    Webhook::new(headers, body.to_owned())
}

/// A form as Slack sends it.
pub(super) fn form(payload: &serde_json::Value) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
}
