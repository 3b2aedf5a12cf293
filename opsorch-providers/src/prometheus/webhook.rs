//! Receives what Alertmanager sends by itself.
//!
//! Alertmanager signs nothing. It proves itself with the credential in its `http_config`, which is looked at before
//! anything else.

use std::slice;

use async_trait::async_trait;
use opsorch::capability::{Delivery, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::transport::Url;
use opsorch::{BuildEnv, Context, Error, Result};
use serde_json::{Value, json};

use super::auth::WebhookAuth;
use super::map::alert::AlertMap;
use super::wire::webhook::{Message, Version};
use crate::authorization::{Authorization, check};
use crate::notification::{check_identity, check_size, content_id, invalid, read_json, web_address};

/// Who sends the messages.
const SENDER: &str = "Alertmanager";

/// The version of the message that is read: the only one of the Alertmanagers that have the API v2.
const VERSION: &str = "4";

/// Receives the messages of an Alertmanager.
#[derive(Debug)]
pub(super) struct AlertmanagerWebhook {
    expected: Authorization,
    /// Where a person opens Alertmanager; where the message itself says, if it is not known.
    page: Option<Url>,
    map: AlertMap,
}

impl AlertmanagerWebhook {
    /// # Errors
    /// `Invalid` for a secret that cannot be found, and for a user that cannot be sent.
    pub(super) async fn new(auth: &WebhookAuth, env: &BuildEnv, page: Option<Url>, map: AlertMap) -> Result<Self> {
        Ok(Self { expected: resolve(auth, env).await?, page, map })
    }
}

#[async_trait]
impl WebhookReceiver for AlertmanagerWebhook {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        let hint = "the `http_config` of the webhook must have the credential that is configured here as `webhook`";
        check(slice::from_ref(&self.expected), &webhook.headers).map_err(|error| error.with_context("hint", hint))?;
        let mut message = parse(&webhook.body)?;
        let page = self.page.clone().or_else(|| web_address(&message.external_url));
        let alerts = std::mem::take(&mut message.alerts).all("set `max_alerts` in the webhook's configuration")?;
        let mut mapped = Vec::with_capacity(alerts.len());
        for (index, alert) in alerts.into_iter().enumerate() {
            check_identity(index, &alert.labels, &alert.fingerprint)?;
            mapped.push(self.map.of_webhook(alert, &message, page.as_ref()));
        }
        let id = content_id(&json!([message.receiver, message.group_key, message.truncated_alerts]), &mapped);
        let delivery = Delivery::new(mapped.into_iter().map(WebhookEvent::Alert).collect()).id(id);
        Ok(match message.truncated_alerts {
            0 => delivery,
            left_out => delivery.truncated(format!("Alertmanager left {left_out} alerts out, because of `max_alerts`")),
        })
    }
}

async fn resolve(auth: &WebhookAuth, env: &BuildEnv) -> Result<Authorization> {
    Ok(match auth {
        WebhookAuth::Bearer(token) => Authorization::new("Bearer", &env.secret(token).await?),
        WebhookAuth::Basic { user, .. } if user.contains(':') => {
            return Err(Error::invalid("webhook.basic.user", "expected a user without `:`"));
        }
        WebhookAuth::Basic { user, password } => Authorization::basic(user, &env.secret(password).await?),
    })
}

fn parse(body: &[u8]) -> Result<Message> {
    check_size(body)?;
    let found = match read_json::<Version>(body, SENDER)?.version {
        Some(Value::String(version)) if version == VERSION => return read_json(body, SENDER),
        Some(Value::String(version)) => format!("version `{}`", version.chars().take(20).collect::<String>()),
        Some(_) => "a version that is no text".to_owned(),
        None => "no version".to_owned(),
    };
    let hint = "a webhook with a `payload` of its own cannot be read here";
    Err(invalid(format!("expected a message of version `{VERSION}`, got {found}; {hint}")))
}
