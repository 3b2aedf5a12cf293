//! What another surface needs of this one: the same checks before it, and the same words for what both have.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_request};
use http::header::AUTHORIZATION;
use serde_json::Value;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::app::App;
pub(crate) use super::app::Caller;
use super::auth::Authentication;
pub(crate) use super::call::{Call, decoded};
use super::options::Options;
use super::pipeline::{self, Surface};
use super::respond::Problem;
pub(crate) use super::v1::{Listed, typed};
use crate::{Error, OpsOrch, Result};

/// Puts routes behind the checks of this surface: host, who it is, origin, how many requests are left, for so long. Handlers
/// find a [`Caller`].
pub(crate) fn guarded(routes: Router, ops: &OpsOrch, auth: Authentication, options: Options) -> Router {
    let large = SizeAbove::new(options.compress_from).and(NotForContentType::SSE);
    let app = Arc::new(App::new(ops.clone(), auth, options));
    let admit = |State(app): State<Arc<App>>, request: Request, next: Next| async move {
        pipeline::run_as(Surface::Mcp, &app, request, |request| next.run(request)).await
    };
    // Behind here nothing has a use for a credential, and what is not there is not logged.
    let routes = routes.layer(map_request(|mut request: Request| async move {
        request.headers_mut().remove(AUTHORIZATION);
        request
    }));
    routes.layer(from_fn_with_state(app, admit)).layer(CompressionLayer::new().compress_when(large))
}

/// The largest body that is read, in bytes.
pub(crate) fn body_limit(options: &Options) -> usize {
    options.body_limit
}

/// JSON in which nothing is for a browser or a terminal to act on.
pub(crate) fn inert(value: &Value) -> Result<String> {
    let bytes = super::json::to_vec(value, 1024)?;
    String::from_utf8(bytes).map_err(|error| Error::unexpected("the answer is no text").with_source(error))
}

/// An error as a problem (RFC 9457), as `/v1` answers it.
pub(crate) fn problem(error: &Error) -> Value {
    serde_json::to_value(Problem::shown(error, Problem::status(error.kind()))).unwrap_or_default()
}
