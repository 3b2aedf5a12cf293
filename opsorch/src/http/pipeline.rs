//! What every request passes, in OpsOrch's order: host, `OPTIONS`, who it is, how many requests are left, its id; then its
//! handler, for so long.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tower::ServiceExt;

use super::app::{App, Caller};
use super::auth::Principal;
use super::compatible;
use super::host::permits_origin;
use super::limit::Allowance;
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

    /// Somebody who has no requests left for so long.
    fn too_many(self, wait: Duration) -> Response {
        let error =
            Error::new(ErrorKind::RateLimited { retry_after: Some(wait) }, "too many requests; try again later");
        let mut response = self.fail(error);
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response
    }

    /// A handler that took too long.
    fn too_late(self) -> Response {
        self.fail(Error::new(ErrorKind::Timeout, "the request took too long; a change that has begun goes on"))
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
    mut request: Request,
    handler: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let mut response = match admit(app, surface, &mut request).await {
        ControlFlow::Continue(pass) => {
            let answered = tokio::time::timeout(app.options.timeout, handler(request)).await;
            let mut response = answered.unwrap_or_else(|_| surface.too_late());
            pass.stamp(response.headers_mut());
            response
        }
        ControlFlow::Break(refusal) => refusal,
    };
    app.headers.stamp(surface, response.headers_mut());
    response
}

/// What a request that was let in has to be told.
#[derive(Default)]
struct Pass {
    id: Option<HeaderValue>,
    allowance: Option<Allowance>,
}

impl Pass {
    fn stamp(self, headers: &mut HeaderMap) {
        if let Some(id) = self.id {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(allowance) = self.allowance {
            allowance.stamp(headers);
        }
    }
}

/// Lets a request in with its caller, or answers it.
async fn admit(app: &App, surface: Surface, request: &mut Request) -> ControlFlow<Response, Pass> {
    if !app.options.hosts.permit(request.uri(), request.headers()) {
        let message = "this server does not answer to the host of the request; name it in the settings if it should";
        return ControlFlow::Break(surface.fail(Error::denied(message)));
    }
    if request.method() == Method::OPTIONS {
        return ControlFlow::Break(StatusCode::OK.into_response());
    }
    // What a vendor sends carries a signature, which its provider checks.
    if v1::is_hook(request.method(), request.uri().path()) {
        return ControlFlow::Continue(Pass::default());
    }
    let now = app.ops.clock().now();
    let principal = match app.auth.authenticate(request.headers(), now).await {
        Ok(principal) => principal,
        Err(error) => return ControlFlow::Break(surface.stranger(error)),
    };
    let has_credential = !principal.is_anonymous();
    if !permits_origin(&app.options.cors_origin, request.uri(), request.headers(), has_credential) {
        return ControlFlow::Break(surface.fail(Error::denied("pages of this origin may not call this server")));
    }
    let id = app.request_ids.of(request.headers(), now);
    tell(&principal, &id, request);
    let allowance = app.limiter.take(&principal.actor().identity, now);
    if let Some(wait) = allowance.and_then(|allowance| allowance.wait) {
        let mut refusal = surface.too_many(wait);
        Pass { id: Some(id), allowance }.stamp(refusal.headers_mut());
        return ControlFlow::Break(refusal);
    }
    let mut cx = principal.context(id.to_str().unwrap_or_default()).timeout(app.options.timeout);
    if let Some(trace) = request_id::trace_id(request.headers()) {
        cx = cx.trace_id(trace);
    }
    request.extensions_mut().insert(Arc::new(Caller { principal, cx }));
    ControlFlow::Continue(Pass { id: Some(id), allowance })
}

/// What a request says of itself, for the trace alone: who it claims to be for is a remark, not an identity.
fn tell(principal: &Principal, id: &HeaderValue, request: &Request) {
    const CLAIMS: [&str; 3] = ["x-user-id", "x-actor-id", "x-opsorch-actor-id"];
    let claimed = CLAIMS.iter().find_map(|name| request.headers().get(*name));
    let (actor, method, path) = (principal.actor(), request.method(), request.uri().path());
    tracing::debug!(request = ?id, %actor, %method, path, ?claimed, "a request was let in");
}
