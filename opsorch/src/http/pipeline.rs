//! What every request passes, in OpsOrch's order: host, `OPTIONS`, who it is, how many requests are left, its id; then its
//! handler, for so long.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method, StatusCode};
use tower::ServiceExt;

use super::app::{App, Caller};
use super::auth::Principal;
use super::compatible;
use super::host::permits_origin;
use super::request_id::{self, REQUEST_ID};
use super::respond::{Problem, plain};
use super::v1;
use crate::{Error, ErrorKind};

/// How a part of the router speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Compatible,
    V1,
    /// The Model Context Protocol: what is refused before it is reached is a problem, as below `/v1`.
    #[cfg(feature = "mcp")]
    Mcp,
}

impl Surface {
    fn of(path: &str) -> Self {
        match path.strip_prefix("/v1") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::V1,
            _ => Self::Compatible,
        }
    }

    /// An error in the words of this part.
    fn fail(self, error: Error) -> Response {
        match self {
            Self::Compatible => compatible::failure(error),
            _ => Problem(error).into_response(),
        }
    }

    /// Somebody who may not come in.
    fn stranger(self, error: Error) -> Response {
        let mut response = match (self, error.kind()) {
            (Self::Compatible, ErrorKind::Unauthenticated) => plain(StatusCode::UNAUTHORIZED, "unauthorized\n"),
            (_, ErrorKind::Unauthenticated) => Problem(error).with_status(StatusCode::UNAUTHORIZED),
            _ => return self.fail(error),
        };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }
}

/// Lets a request in, to [`v1`] or to what OpsOrch has, or answers it.
pub(super) async fn run(app: Arc<App>, v1: Router, request: Request) -> Result<Response, Infallible> {
    Ok(match Surface::of(request.uri().path()) {
        Surface::Compatible => {
            let handler = |request| compatible::handle(&app, request);
            run_as(Surface::Compatible, &app, request, handler).await
        }
        surface => {
            // A way that few take must not make room for itself in all of them.
            let handler = |request| Box::pin(async { v1.oneshot(request).await.into_response() });
            run_as(surface, &app, request, handler).await
        }
    })
}

/// As [`run`], for what speaks in one way only.
pub(super) async fn run_as<F>(
    surface: Surface,
    app: &App,
    request: Request,
    handler: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let mut response = admit(app, surface, request, handler).await;
    app.headers.stamp(surface, response.headers_mut());
    response
}

async fn admit<F>(app: &App, surface: Surface, mut request: Request, handler: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    if !app.options.hosts.permit(request.uri(), request.headers()) {
        let message = "this server does not answer to the host of the request; name it in the settings if it should";
        return surface.fail(Error::denied(message));
    }
    if request.method() == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    // What a vendor sends carries a signature, which its provider checks.
    if v1::is_hook(request.method(), request.uri().path()) {
        return within_time(app, surface, handler(request)).await;
    }
    let now = app.ops.clock().now();
    let principal = match app.auth.authenticate(request.headers(), now).await {
        Ok(principal) => principal,
        Err(error) => return surface.stranger(error),
    };
    let has_credential = !principal.is_anonymous();
    if !permits_origin(&app.options.cors_origin, request.uri(), request.headers(), has_credential) {
        return surface.fail(Error::denied("pages of this origin may not call this server"));
    }
    let id = app.request_ids.of(request.headers(), now);
    tell(&principal, &id, &request);
    let allowance = app.limiter.take(&principal.actor().identity, now);
    let mut response = match allowance.and_then(|allowance| allowance.wait) {
        Some(wait) => too_many(surface, wait),
        None => {
            let mut cx = principal.context(id.to_str().unwrap_or_default()).timeout(app.options.timeout);
            if let Some(trace) = request_id::trace_id(request.headers()) {
                cx = cx.trace_id(trace);
            }
            request.extensions_mut().insert(Arc::new(Caller { principal, cx }));
            within_time(app, surface, handler(request)).await
        }
    };
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(allowance) = allowance {
        allowance.stamp(response.headers_mut());
    }
    response
}

/// What a request says of itself, for the trace alone: who it claims to be for is a remark, not an identity.
fn tell(principal: &Principal, id: &HeaderValue, request: &Request) {
    const CLAIMS: [&str; 3] = ["x-user-id", "x-actor-id", "x-opsorch-actor-id"];
    let claimed = CLAIMS.iter().find_map(|name| request.headers().get(*name));
    let (actor, method, path) = (principal.actor(), request.method(), request.uri().path());
    tracing::debug!(request = ?id, %actor, %method, path, ?claimed, "a request was let in");
}

async fn within_time(app: &App, surface: Surface, work: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(app.options.timeout, work).await.unwrap_or_else(|_| {
        surface.fail(Error::new(ErrorKind::Timeout, "the request took too long; a change that has begun goes on"))
    })
}

fn too_many(surface: Surface, wait: std::time::Duration) -> Response {
    let error = Error::new(ErrorKind::RateLimited { retry_after: Some(wait) }, "too many requests; try again later");
    let mut response = surface.fail(error);
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
}
