//! Receives what Alertmanager sends by itself.
//!
//! Alertmanager signs nothing. It proves itself with the credential in its `http_config`, which is looked at before
//! anything else.

use std::fmt;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::capability::{Delivery, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::secret::Secret;
use opsorch::transport::{HeaderMap, Url};
use opsorch::{Alert, BuildEnv, Context, Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::auth::WebhookAuth;
use super::map::alert::AlertMap;
use super::wire::webhook::{MOST_ALERTS, Message, Version};

/// The largest message that is read: 4 MiB, some thousands of alerts.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The version of the message that is read: the only one of the Alertmanagers that have the API v2.
const VERSION: &str = "4";

/// Receives the messages of an Alertmanager.
#[derive(Debug)]
pub(super) struct AlertmanagerWebhook {
    expected: Expected,
    /// Where a person opens Alertmanager; where the message itself says, if it is not known.
    page: Option<Url>,
    map: AlertMap,
}

impl AlertmanagerWebhook {
    /// # Errors
    /// `Invalid` for a secret that cannot be found, and for a user that cannot be sent.
    pub(super) async fn new(auth: &WebhookAuth, env: &BuildEnv, page: Option<Url>, map: AlertMap) -> Result<Self> {
        Ok(Self { expected: Expected::resolve(auth, env).await?, page, map })
    }
}

#[async_trait]
impl WebhookReceiver for AlertmanagerWebhook {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        self.expected.check(&webhook.headers)?;
        let mut message = parse(&webhook.body)?;
        let page = self.page.clone().or_else(|| web_address(&message.external_url));
        let alerts = std::mem::take(&mut message.alerts);
        if alerts.beyond > 0 {
            let found = MOST_ALERTS + alerts.beyond;
            let hint = "set `max_alerts` in the webhook's configuration";
            return Err(invalid(format!("expected at most {MOST_ALERTS} alerts, got {found}; {hint}")));
        }
        let mut mapped = Vec::with_capacity(alerts.first.len());
        for (index, alert) in alerts.first.into_iter().enumerate() {
            if alert.labels.is_empty() && alert.fingerprint.is_empty() {
                return Err(invalid(format!("alerts[{index}] has neither labels nor a fingerprint")));
            }
            mapped.push(self.map.of_webhook(alert, &message, page.as_ref()));
        }
        let id = content_id(&message, &mapped);
        let delivery = Delivery::new(mapped.into_iter().map(WebhookEvent::Alert).collect()).id(id);
        Ok(match message.truncated_alerts {
            0 => delivery,
            left_out => delivery.truncated(format!("Alertmanager left {left_out} alerts out, because of `max_alerts`")),
        })
    }
}

/// The credential that a message must come with. Only its digest is kept: two digests are compared in the same time
/// whatever was sent, also of another length.
struct Expected {
    scheme: &'static str,
    digest: [u8; 32],
}

impl Expected {
    async fn resolve(auth: &WebhookAuth, env: &BuildEnv) -> Result<Self> {
        Ok(match auth {
            WebhookAuth::Bearer(token) => Self::new("Bearer", env.secret(token).await?.expose()),
            WebhookAuth::Basic { user, .. } if user.contains(':') => {
                return Err(Error::invalid("webhook.basic.user", "expected a user without `:`"));
            }
            WebhookAuth::Basic { user, password } => {
                let pair = Secret::new(format!("{user}:{}", env.secret(password).await?.expose()));
                Self::new("Basic", Secret::new(STANDARD.encode(pair.expose())).expose())
            }
        })
    }

    fn new(scheme: &'static str, credential: &str) -> Self {
        Self { scheme, digest: Sha256::digest(credential).into() }
    }

    fn check(&self, headers: &HeaderMap) -> Result<()> {
        let mut all = headers.get_all("authorization").iter();
        let (Some(header), None) = (all.next(), all.next()) else {
            return Err(self.refusal("expected one header `Authorization`"));
        };
        let header = header.as_bytes();
        let end = header.iter().position(|byte| *byte == b' ').unwrap_or(header.len());
        let (scheme, credential) = header.split_at(end);
        if !scheme.eq_ignore_ascii_case(self.scheme.as_bytes()) {
            return Err(self.refusal("the header `Authorization` has another scheme than expected"));
        }
        let digest: [u8; 32] = Sha256::digest(credential.trim_ascii()).into();
        match bool::from(digest.ct_eq(&self.digest)) {
            true => Ok(()),
            false => Err(self.refusal("the credential is another one than expected")),
        }
    }

    fn refusal(&self, message: &'static str) -> Error {
        let hint = "the `http_config` of the webhook must have the credential that is configured here as `webhook`";
        Error::new(ErrorKind::Unauthenticated, message).with_context("expected", self.scheme).with_context("hint", hint)
    }
}

/// Shows no digest either: a weak password could be guessed from it.
impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expected({} ***)", self.scheme)
    }
}

fn parse(body: &[u8]) -> Result<Message> {
    if body.len() > BODY_LIMIT {
        return Err(invalid(format!("expected at most {BODY_LIMIT} bytes, got {}", body.len())));
    }
    let found = match read_json::<Version>(body)?.version {
        Some(Value::String(version)) if version == VERSION => return read_json(body),
        Some(Value::String(version)) => format!("version `{}`", version.chars().take(20).collect::<String>()),
        Some(_) => "a version that is no text".to_owned(),
        None => "no version".to_owned(),
    };
    let hint = "a webhook with a `payload` of its own cannot be read here";
    Err(invalid(format!("expected a message of version `{VERSION}`, got {found}; {hint}")))
}

/// The error tells the place and nothing of the body.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = match error.is_data() {
            true => "expected a message as Alertmanager sends it, got another shape",
            false => "expected JSON",
        };
        invalid(format!("{problem}: line {} column {}", error.line(), error.column()))
    })
}

fn invalid(message: String) -> Error {
    Error::invalid("body", message)
}

/// What may be opened by a person. Anything else is only shown as text, in the metadata.
fn web_address(text: &str) -> Option<Url> {
    let is_fit = |url: &Url| {
        // One with a password would carry it into every link.
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    };
    text.parse().ok().filter(is_fit)
}

/// An id of what a message says of its group, since Alertmanager gives none: the same when it is sent again, also as
/// the reminder that nothing has changed, and another one as soon as an alert begins, changes or ends.
fn content_id(message: &Message, alerts: &[Alert]) -> String {
    let mut said: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            json!([alert.id, alert.status, alert.created_at, alert.updated_at, alert.fields.get("annotations")])
        })
        .collect();
    said.sort_by_cached_key(Value::to_string);
    let content = json!([message.receiver, message.group_key, message.truncated_alerts, said]);
    let digest: [u8; 32] = Sha256::digest(content.to_string()).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
