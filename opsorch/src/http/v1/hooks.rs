//! What vendors send by themselves: `POST /v1/hooks/{provider}`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use opsorch_schema::{Actor, Identity, ProviderName};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::capability::{Delivery, Webhook};
use crate::http::app::App;
use crate::http::body::{self, BodyError};
use crate::http::respond::Problem;
use crate::{Context, Error, ErrorKind, Result};

/// How many deliveries a listener may fall behind before it misses some.
const BACKLOG: usize = 256;

/// Takes what vendors sent, once their providers have verified it. What to do about it is the embedder's to say; nothing
/// was changed by receiving it.
#[async_trait]
pub trait WebhookSink: fmt::Debug + Send + Sync + 'static {
    /// Takes one delivery. On an error the vendor is answered 503, and sends it again if it is one that does.
    async fn delivered(&self, delivery: &WebhookDelivery) -> Result<()>;
}

/// What a vendor sent, and to which provider.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WebhookDelivery {
    /// The provider that verified it.
    pub provider: ProviderName,
    /// What it says.
    pub delivery: Delivery,
}

/// Tells everyone in this process who listens what vendors sent.
pub(in crate::http) struct Deliveries(broadcast::Sender<Arc<WebhookDelivery>>);

impl Default for Deliveries {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl Deliveries {
    /// Hears of every delivery from here on.
    pub(in crate::http) fn listen(&self) -> broadcast::Receiver<Arc<WebhookDelivery>> {
        self.0.subscribe()
    }

    fn tell(&self, delivery: Arc<WebhookDelivery>) {
        // Nobody has to listen.
        let _ = self.0.send(delivery);
    }
}

/// Whether a request is one that vendors send, and so has a signature in place of a credential.
pub(in crate::http) fn is_hook(method: &Method, path: &str) -> bool {
    let provider = path.strip_prefix("/v1/hooks/").filter(|_| *method == Method::POST);
    provider.is_some_and(|provider| !provider.is_empty() && !provider.contains('/'))
}

/// `POST /v1/hooks/{provider}`.
pub(super) async fn receive(State(app): State<Arc<App>>, Path(name): Path<String>, request: Request) -> Response {
    take(&app, name, request).await.unwrap_or_else(|error| match error.kind() {
        ErrorKind::Unauthenticated => Problem(error).with_status(StatusCode::UNAUTHORIZED),
        _ => Problem(error).into_response(),
    })
}

async fn take(app: &App, name: String, request: Request) -> Result<Response> {
    // One answer for a provider that is not there and one that receives nothing: a stranger learns no names.
    let receives = app.ops.providers().find(|one| one.name().as_str() == name && one.webhook_receiver().is_some());
    let Some(provider) = receives.map(|provider| provider.name().clone()) else {
        return Err(Error::new(ErrorKind::Unauthenticated, "expected a delivery with a valid signature"));
    };
    let (parts, body) = request.into_parts();
    let body = match body::read(body, app.options.body_limit).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            let error = Error::invalid("body", format!("expected at most {} bytes", app.options.body_limit));
            return Ok(Problem(error).with_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Err(BodyError::Broken) => return Err(Error::invalid("body", "the connection broke before it was complete")),
    };
    let cx = Context::new(Actor::service(provider.as_str()).issuer("webhook").authenticated_by("webhook"));
    let cx = cx.timeout(app.options.timeout);
    // A stranger takes turns with the vendor, and uses up nothing of what the vendor has.
    let turn = app.checks.acquire().await;
    let delivery = app.ops.receive(&cx, provider.clone(), &Webhook::new(parts.headers, body)).await?;
    drop(turn);
    let who = Identity::new("webhook", provider.as_str());
    let allowance = app.limiter.take(&who, app.ops.clock().now());
    if let Some(wait) = allowance.and_then(|allowance| allowance.wait) {
        return Err(Error::new(ErrorKind::RateLimited { retry_after: Some(wait) }, "too many deliveries"));
    }
    let answer = delivery.answer.clone();
    let delivery = Arc::new(WebhookDelivery { provider, delivery });
    if let Some(sink) = &app.options.webhook_sink {
        let not_taken = |error: Error| {
            tracing::warn!(%error, "a verified delivery of a vendor was not taken");
            Error::new(ErrorKind::Unavailable, "the delivery could not be taken now; send it again")
        };
        sink.delivered(&delivery).await.map_err(not_taken)?;
    }
    app.deliveries.tell(delivery);
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok((StatusCode::OK, [(CONTENT_TYPE, content_type)], answer.unwrap_or_default()).into_response())
}
