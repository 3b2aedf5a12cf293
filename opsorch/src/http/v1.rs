//! `/v1`: the same operations with everything that OpsOrch has no place for, and what is no operation.
//!
//! Pages are whole (`items`, `next`, `truncated`, `failures`, …), errors are problems (RFC 9457), and without `?on=` a query
//! asks every provider that is routed for it.

mod approvals;
mod audit;
mod events;
mod health;
mod hooks;
mod input;
mod investigate;
mod metrics;
mod openapi;
mod operations;
mod providers;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};

pub(super) use self::hooks::{Deliveries, is_hook};
pub use self::hooks::{WebhookDelivery, WebhookSink};
#[cfg(feature = "mcp")]
pub(crate) use self::operations::typed;
#[cfg(feature = "mcp")]
pub(crate) use self::providers::Listed;
use super::app::{App, Caller};
use super::auth::Role;
use super::respond::Problem;
use super::route::{Guard, Route};
use crate::Error;
use crate::transport::Method;

/// What is no operation: a line each, from which come the route, who may call it, and what is written about it.
macro_rules! routes {
    ($($method:ident $path:literal $guard:expr => $handler:path;)+) => {
        /// The routes below `/v1` that are no operations.
        pub(super) fn listed() -> impl Iterator<Item = Route> {
            let rows = [$((Method::$method, $path, $guard)),+];
            let route = |(method, path, guard)| Route { method, path: format!("/v1{path}"), operation: None, guard };
            rows.into_iter().map(route)
        }

        /// All of `/v1`.
        pub(super) fn router() -> Router<Arc<App>> {
            Router::new()
                $(.route($path, guarded($guard, on(MethodFilter::$method, $handler))))+
                .method_not_allowed_fallback(operations::handle)
                .fallback(operations::handle)
        }
    };
}

routes! {
    GET "/health" Guard::Authenticated => health::alive;
    GET "/ready" Guard::Role(Role::Viewer) => health::ready;
    GET "/providers" Guard::Role(Role::Viewer) => providers::list;
    POST "/providers/{capability}" Guard::Role(Role::Admin) => providers::configure;
    GET "/providers/{provider}/health" Guard::Role(Role::Viewer) => providers::health;
    POST "/investigate" Guard::Role(Role::Viewer) => investigate::investigate;
    GET "/approvals" Guard::Role(Role::Viewer) => approvals::list;
    GET "/approvals/{id}" Guard::Role(Role::Viewer) => approvals::get;
    POST "/approvals/{id}/approve" Guard::Role(Role::Approver) => approvals::approve;
    POST "/approvals/{id}/deny" Guard::Role(Role::Approver) => approvals::deny;
    POST "/approvals/{id}/withdraw" Guard::Role(Role::Operator) => approvals::withdraw;
    POST "/approvals/{id}/revoke" Guard::Role(Role::Approver) => approvals::revoke;
    POST "/approvals/{id}/redeem" Guard::Role(Role::Operator) => approvals::redeem;
    GET "/audit/entries" Guard::Role(Role::Viewer) => audit::entries;
    GET "/audit/checkpoint" Guard::Role(Role::Viewer) => audit::checkpoint;
    GET "/audit/keys" Guard::Role(Role::Viewer) => audit::keys;
    GET "/audit/bundle" Guard::Role(Role::Viewer) => audit::bundle;
    GET "/audit/grants/{id}" Guard::Role(Role::Viewer) => audit::story;
    GET "/audit/proofs/inclusion" Guard::Role(Role::Viewer) => audit::inclusion;
    GET "/audit/proofs/consistency" Guard::Role(Role::Viewer) => audit::consistency;
    GET "/events" Guard::Role(Role::Viewer) => events::stream;
    GET "/metrics" Guard::Role(Role::Viewer) => metrics::exposition;
    GET "/openapi.json" Guard::Authenticated => openapi::document;
    POST "/hooks/{provider}" Guard::Vendor => hooks::receive;
}

type Handler = axum::routing::MethodRouter<Arc<App>>;

/// Asks for the role before the handler runs, so that no handler can forget it.
fn guarded(guard: Guard, handler: Handler) -> Handler {
    let Guard::Role(role) = guard else { return handler };
    handler.route_layer(from_fn(move |caller: Caller, request: Request, next: Next| async move {
        match caller.principal.require(role) {
            Ok(()) => next.run(request).await,
            Err(error) => Problem(error).into_response(),
        }
    }))
}

fn not_found() -> Response {
    Problem(Error::not_found("there is no such route below /v1")).into_response()
}
