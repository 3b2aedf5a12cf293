//! Receives what Jira sends by itself.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration};
use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::secret::Secret;
use opsorch::transport::HeaderMap;
use opsorch::{Clock, Context, Error, ErrorKind, Fields, Result};
use serde_json::json;

use super::map::TicketMap;
use super::wire::{Event, EventIssue};
use crate::signature::is_signed;

/// The largest message that is read: Jira Cloud sends none above 25 MB.
/// (<https://developer.atlassian.com/cloud/jira/platform/webhooks/>)
const BODY_LIMIT: usize = 25 * 1024 * 1024;

/// How old a message may be. Jira tries five times, the last time little more than an hour after the first.
const OLDEST: Duration = Duration::hours(3);

/// How far the clock of Jira may be ahead.
const AHEAD: Duration = Duration::minutes(5);

/// Receives the messages of a Jira that signs them.
pub(super) struct JiraWebhook {
    secrets: Vec<Secret>,
    map: TicketMap,
    clock: Arc<dyn Clock>,
}

impl JiraWebhook {
    pub(super) fn new(secrets: Vec<Secret>, map: TicketMap, clock: Arc<dyn Clock>) -> Self {
        Self { secrets, map, clock }
    }
}

impl fmt::Debug for JiraWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JiraWebhook").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl WebhookReceiver for JiraWebhook {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        if webhook.body.len() > BODY_LIMIT {
            return Err(invalid(format!("expected at most {BODY_LIMIT} bytes, got {}", webhook.body.len())));
        }
        let signature = signature(&webhook.headers)?;
        if !is_signed(&self.secrets, &[&webhook.body], signature) {
            return Err(refused("the signature is not one of the secrets that are configured as `webhook_secrets`"));
        }
        let event: Event<'_> = serde_json::from_slice(&webhook.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            invalid(format!("expected a message as Jira sends it, got something else at line {line} column {column}"))
        })?;
        self.check_age(&event)?;
        let delivery = Delivery::new(vec![self.event(event)?]);
        Ok(match header(&webhook.headers, "x-atlassian-webhook-identifier") {
            Some(id) => delivery.id(id),
            None => delivery,
        })
    }
}

impl JiraWebhook {
    /// The signature has no time; the body that is signed has.
    fn check_age(&self, event: &Event<'_>) -> Result<()> {
        let sent = event.timestamp.and_then(DateTime::from_timestamp_millis);
        let sent = sent.ok_or_else(|| invalid("expected `timestamp`, in milliseconds since 1970".to_owned()))?;
        let age = self.clock.now().signed_duration_since(sent);
        if age > OLDEST {
            return Err(refused("the message is older than 3 hours, so that it may be a repetition by somebody else"));
        }
        if age < -AHEAD {
            return Err(refused("the message is from the future; check the clocks"));
        }
        Ok(())
    }

    fn event(&self, event: Event<'_>) -> Result<WebhookEvent> {
        let kind = event.webhook_event.as_deref().unwrap_or_default().to_owned();
        if kind.is_empty() {
            return Err(invalid("expected `webhookEvent`, the name of what happened".to_owned()));
        }
        Ok(match (kind.as_str(), event) {
            (
                "jira:issue_created" | "jira:issue_updated",
                Event { issue: Some(issue), user, changelog, issue_event, .. },
            ) => {
                let EventIssue { id, key, fields: Some(fields) } = issue else {
                    return Err(invalid("expected `issue.fields`: an issue without them says nothing".to_owned()));
                };
                let mut ticket = self.map.ticket_of(&id, &key, fields, None);
                if let Some(user) = user.as_ref().and_then(|user| user.id()) {
                    ticket = ticket.metadata("changed_by", user);
                }
                if let Some(name) = issue_event {
                    ticket = ticket.metadata("event", name.into_owned());
                }
                match changelog.map(|changelog| changelog.items).filter(|items| !items.is_empty()) {
                    Some(items) => WebhookEvent::Ticket(ticket.metadata("changes", items)),
                    None => WebhookEvent::Ticket(ticket),
                }
            }
            ("comment_created" | "comment_updated", Event { issue: Some(issue), comment: Some(comment), .. }) => {
                WebhookEvent::Comment(self.map.comment(&issue.id, &issue.key, comment))
            }
            (_, event) => WebhookEvent::Other(OtherEvent::new(kind, facts(&event))),
        })
    }
}

/// What an event without a place says: about which issue, by whom.
fn facts(event: &Event<'_>) -> Fields {
    let mut fields = Fields::new();
    if let Some(issue) = &event.issue {
        fields.insert("id".to_owned(), json!(issue.id));
        fields.insert("key".to_owned(), json!(issue.key));
    }
    if let Some(comment) = &event.comment {
        fields.insert("commentId".to_owned(), json!(comment.id));
    }
    if let Some(user) = event.user.as_ref().and_then(|user| user.id()) {
        fields.insert("user".to_owned(), json!(user));
    }
    fields
}

/// The digits of `X-Hub-Signature: sha256=…`.
fn signature(headers: &HeaderMap) -> Result<&str> {
    let mut all = headers.get_all("x-hub-signature").iter();
    let header = match (all.next(), all.next()) {
        (Some(header), None) => header.to_str().unwrap_or_default(),
        (None, _) if headers.contains_key("authorization") => {
            return Err(refused(
                "a webhook with a token in `Authorization` is that of an app; expected one with a secret",
            ));
        }
        _ => return Err(refused("expected one header `X-Hub-Signature`: the webhook in Jira needs a secret")),
    };
    header.strip_prefix("sha256=").ok_or_else(|| refused("expected `X-Hub-Signature` to begin with `sha256=`"))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}

fn invalid(message: String) -> Error {
    Error::invalid("body", message)
}
