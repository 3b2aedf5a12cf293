//! The control plane over HTTP: an axum router that an embedder nests in a service of its own, and a server for one that
//! has none.
//!
//! ```
//! use opsorch::http::{self, Authentication};
//! use opsorch::secret::Secret;
//! use opsorch::OpsOrch;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsorch::Result<()> {
//! let ops = OpsOrch::builder().build().await?;
//! let auth = Authentication::builder().bearer_token(Secret::new("a-shared-credential")).build()?;
//! let app: axum::Router = axum::Router::new().nest("/ops", http::router(&ops, auth));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! | routes | speak |
//! |---|---|
//! | `/incidents/query`, `/tickets/{id}`, … | OpsOrch's bodies, statuses and codes, for its clients as they are |
//! | `/v1/incidents/query`, `/v1/tickets/{id}`, … | whole pages, problems (RFC 9457), `?on=provider`, `Idempotency-Key` |
//! | `/v1/providers`, `/v1/ready`, … | what is no operation |
//! | `/v1/hooks/{provider}` | what vendors send by themselves |
//!
//! [`routes`] lists them all. Every operation passes [`OpsOrch::query`] or [`OpsOrch::submit`]; a change that waits for
//! people answers 202 with the request.
//!
//! # What holds for every request
//!
//! * **Closed by default.** Without a credential configured there is no [`Authentication`], and so no router. The actor is
//!   who was authenticated; no header and no body names another.
//! * **Roles** bound what a caller may use, in both doors; see [`Role`].
//! * **Limits** on bodies, time and requests of each principal; see [`Options`].
//! * **Browsers** get nothing that runs: `nosniff`, a policy that allows nothing, and JSON in which `<`, `>`, `&`, control and
//!   bidirectional characters are escaped. Hosts and origins that are not ours are refused.

mod app;
mod auth;
#[cfg(feature = "mcp")]
pub(crate) mod beside;
mod body;
mod call;
mod compatible;
mod configure;
mod headers;
mod healths;
mod host;
mod json;
mod limit;
mod options;
mod pipeline;
mod places;
mod request_id;
mod respond;
mod route;
mod serve;
mod v1;

use std::sync::Arc;

use axum::Router;
use tower::{Layer, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use self::app::App;
pub use self::auth::{ApiKey, Authentication, AuthenticationBuilder, Jwt, Principal, Role, RoleAccess};
pub use self::limit::RateLimit;
pub use self::options::Options;
pub use self::route::{Guard, Route};
pub use self::serve::{Server, ServerTls, listen};
pub use self::v1::{WebhookDelivery, WebhookSink};
use crate::OpsOrch;

/// The routes of a control plane, for those who authenticate so. It binds nothing: see [`Server`].
pub fn router(ops: &OpsOrch, auth: Authentication) -> Router {
    router_with(ops, auth, Options::new())
}

/// As [`router`], with other limits and settings.
pub fn router_with(ops: &OpsOrch, auth: Authentication, options: Options) -> Router {
    let large = SizeAbove::new(options.compress_from).and(NotForContentType::SSE);
    let app = Arc::new(App::new(ops.clone(), auth, options));
    let v1 = Router::new().nest("/v1", v1::router()).with_state(Arc::clone(&app));
    let every_path = service_fn(move |request| pipeline::run(Arc::clone(&app), v1.clone(), request));
    Router::new().fallback_service(CompressionLayer::new().compress_when(large).layer(every_path))
}

/// All routes: what each does, and who may call it.
pub fn routes() -> Vec<Route> {
    route::operations().chain(compatible::listed()).chain(v1::listed()).collect()
}
