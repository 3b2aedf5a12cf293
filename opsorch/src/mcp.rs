//! The control plane over the Model Context Protocol, for AI agents: on stdin and stdout, and over HTTP.
//!
//! ```
//! use opsorch::http::{Authentication, Options};
//! use opsorch::mcp::McpServer;
//! use opsorch::secret::Secret;
//! use opsorch::OpsOrch;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsorch::Result<()> {
//! let ops = OpsOrch::builder().build().await?;
//! let auth = Authentication::builder().bearer_token(Secret::new("a-shared-credential")).build()?;
//! let app: axum::Router = McpServer::new(&ops).router(auth, Options::new()); // serves `/mcp`
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! Both generations of the protocol are spoken: 2025-11-25 and those before it, which begin with `initialize`, and 2026-07-28,
//! where each request stands for itself. Over HTTP there are no sessions in either.
//!
//! * **One tool for each operation** that the caller may use and a provider offers, with JSON Schemas of what goes in and comes
//!   out; beside them tools for investigations, providers and approvals.
//! * **Changes are proposals.** The gate decides, as everywhere. Where people are asked, the result says what waits and for
//!   whom; the change is made by `redeem-approval` once they agreed. No tool answers.
//! * **Callers are agents** that act for who was authenticated, with its [roles](crate::http::Role) and no others. A person may
//!   answer what its own agent asked, where the policy lets them.
//! * **Answers are bounded** and never cut silently: what was left out is said, with a cursor to go on.
//! * **Text from outside** is marked as such, and its invisible, control and bidirectional characters are written out.
//! * Errors of operations are results with `isError` and the problem that `/v1` answers.

mod budget;
mod call;
mod catalogue;
mod cursor;
mod handler;
mod inert;
mod names;
mod prompts;
mod resources;
mod schema;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use opsorch_schema::Actor;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::{AsyncRead, AsyncWrite};

use self::budget::Budget;
use self::handler::Handler;
use crate::http::{Authentication, Options, Principal, RoleAccess, beside};
use crate::{Error, ErrorKind, OpsOrch, Result};

/// A control plane over the Model Context Protocol. Cheap to clone.
///
/// ```
/// use opsorch::http::Role;
/// use opsorch::mcp::McpServer;
/// use opsorch::{Actor, OpsOrch};
///
/// # async fn example() -> opsorch::Result<()> {
/// let ops = OpsOrch::builder().build().await?;
/// // Whoever started this process is alice, as far as she is an operator.
/// McpServer::new(&ops).serve_stdio(Actor::user("alice").role(Role::Operator)).await
/// # }
/// ```
#[derive(Clone)]
pub struct McpServer {
    handler: Handler,
}

impl McpServer {
    /// How many bytes of JSON an answer has at most, where nothing else is said: about 16 000 tokens.
    pub const DEFAULT_RESULT_BUDGET: usize = 64 * 1024;

    /// The smallest budget that can be set.
    pub const MIN_RESULT_BUDGET: usize = 8 * 1024;

    /// A server for this control plane.
    pub fn new(ops: &OpsOrch) -> Self {
        let budget = Budget(Self::DEFAULT_RESULT_BUDGET);
        Self { handler: Handler { ops: ops.clone(), tools: catalogue::all().into(), budget, principal: None } }
    }

    /// Sets how many bytes of JSON an answer has at most; of less than [`MIN_RESULT_BUDGET`](Self::MIN_RESULT_BUDGET), that
    /// is taken. A result holds its answer twice, as text and as data.
    pub fn result_budget(mut self, bytes: usize) -> Self {
        self.handler.budget = Budget(bytes.max(Self::MIN_RESULT_BUDGET));
        self
    }

    /// A router that serves `/mcp`, for those who authenticate so: the same credentials, roles, limits, hosts and origins as
    /// [`http::router_with`](crate::http::router_with).
    pub fn router(&self, auth: Authentication, options: Options) -> Router {
        let handler = self.handler.clone();
        // Hosts and origins are checked before, with who it is: here they would be checked by other rules.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(beside::body_limit(&options))
            .disable_allowed_hosts();
        let service =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
        beside::guarded(Router::new().route_service("/mcp", service), &self.handler.ops, auth, options)
    }

    /// Serves one client on this process's stdin and stdout, until it closes them. Calls are made for `principal`, bounded by
    /// its [roles](crate::http::RoleAccess): without one of them it may do nothing.
    ///
    /// Nothing but the protocol may be written to stdout meanwhile: send logs to stderr.
    ///
    /// # Errors
    /// `Unexpected` if the client does not speak the protocol, or the streams break.
    pub async fn serve_stdio(&self, principal: Actor) -> Result<()> {
        let (input, output) = rmcp::transport::stdio_pipes();
        self.serve(principal, input, output).await
    }

    /// As [`serve_stdio`](Self::serve_stdio), on other streams: messages of JSON-RPC, one on each line.
    ///
    /// # Errors
    /// As there.
    pub async fn serve<R, W>(&self, principal: Actor, input: R, output: W) -> Result<()>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let mut handler = self.handler.clone();
        handler.principal = Some(Principal::new(principal, Arc::new(RoleAccess)));
        let running = rmcp::serve_server(handler, (input, output));
        let running = match running.await {
            Ok(running) => running,
            // A client that leaves before it begins wanted nothing.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(broken(error)),
        };
        running.waiting().await.map(|_| ()).map_err(broken)
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unexpected, "the client does not speak the protocol, or left it").with_source(error)
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer").field("result_budget", &self.handler.budget.0).finish_non_exhaustive()
    }
}

/// [`McpServer::router`] with the default budget: serves `/mcp`.
pub fn router(ops: &OpsOrch, auth: Authentication, options: Options) -> Router {
    McpServer::new(ops).router(auth, options)
}
