//! What a vendor sends by itself.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use serde::Serialize;

use crate::transport::{Bytes, HeaderMap, HeaderName};
use crate::{Alert, Comment, Context, Deployment, Fields, Incident, ProviderName, Result, Ticket, TimelineEntry};

/// Verifies and reads what a vendor sends by itself. It changes nothing.
#[async_trait]
pub trait WebhookReceiver: Debug + Send + Sync + 'static {
    /// Checks that the vendor sent this, in constant time and before the body is parsed; then reads it.
    ///
    /// `Unauthenticated` for a signature or credential that is missing or wrong, `Invalid` for a body that cannot be
    /// meant. What the vendor sends and this release does not know is an [`OtherEvent`], not an error.
    async fn receive(&self, cx: &Context, webhook: &Webhook) -> Result<Delivery>;
}

/// A request that a vendor sent: its headers and its body, byte for byte.
#[derive(Clone)]
#[non_exhaustive]
pub struct Webhook {
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came, before any decoding: a signature is over these bytes.
    pub body: Bytes,
}

impl Webhook {
    /// A request with these headers and this body.
    pub fn new(headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { headers, body: body.into() }
    }
}

/// Shows the names of headers: a credential is among the values.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        let body = format_args!("{} bytes", self.body.len());
        f.debug_struct("Webhook").field("headers", &names).field("body", &body).finish()
    }
}

/// What a verified request says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Delivery {
    /// The same for every repetition of one delivery, where the vendor gives such an id.
    pub id: Option<String>,
    /// What happened, in the vendor's order.
    pub events: Vec<WebhookEvent>,
    /// Why events are missing.
    pub truncated: Option<String>,
    /// What to answer in the body of the response, where the vendor expects something, such as a challenge.
    #[serde(skip)]
    pub answer: Option<String>,
}

impl Delivery {
    /// A delivery of these events.
    pub fn new(events: Vec<WebhookEvent>) -> Self {
        Self { id: None, events, truncated: None, answer: None }
    }

    /// Sets what is the same for every repetition.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Says why events are missing.
    pub fn truncated(mut self, reason: impl Into<String>) -> Self {
        self.truncated = Some(reason.into());
        self
    }

    /// Sets what to answer in the body.
    pub fn answer(mut self, answer: impl Into<String>) -> Self {
        self.answer = Some(answer.into());
        self
    }

    pub(crate) fn set_provider(&mut self, provider: &ProviderName) {
        for event in &mut self.events {
            event.set_provider(provider);
        }
    }
}

/// Something that happened at a vendor: the thing as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", content = "item", rename_all = "camelCase")]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)]
pub enum WebhookEvent {
    /// An incident was opened or changed.
    Incident(Incident),
    /// Something was added to an incident's timeline.
    Timeline(TimelineEntry),
    /// An alert fires, changed or ended.
    Alert(Alert),
    /// A ticket was opened or changed.
    Ticket(Ticket),
    /// A ticket was commented on.
    Comment(Comment),
    /// A deployment began, went on or ended.
    Deployment(Deployment),
    /// Something else.
    Other(OtherEvent),
}

impl WebhookEvent {
    fn set_provider(&mut self, provider: &ProviderName) {
        let place = match self {
            Self::Incident(Incident { provider, .. })
            | Self::Timeline(TimelineEntry { provider, .. })
            | Self::Alert(Alert { provider, .. })
            | Self::Ticket(Ticket { provider, .. })
            | Self::Comment(Comment { provider, .. })
            | Self::Deployment(Deployment { provider, .. }) => provider,
            Self::Other(_) => return,
        };
        *place = Some(provider.clone());
    }
}

/// An event that has no place in the schema.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OtherEvent {
    /// The vendor's name of it, such as `ping`.
    pub kind: String,
    /// What the vendor says about it.
    pub fields: Fields,
}

impl OtherEvent {
    /// An event of the vendor's own kind.
    pub fn new(kind: impl Into<String>, fields: Fields) -> Self {
        Self { kind: kind.into(), fields }
    }
}
