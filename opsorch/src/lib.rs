//! Reads every operational tool in one schema, and changes anything only through a gate.
//!
//! A **read** is a [`Query`] and goes through [`OpsOrch::query`]. A **change** is an [`Action`] and goes through
//! [`OpsOrch::submit`]: policy, people, an entry in a signed log, the call, another entry. There is no third door.
//!
//! ```
//! use opsorch::gate::Decision;
//! use opsorch::{Action, Actor, Context, CreateTicket, OpsOrch, Quorum, Response, Submitted, Target};
//! use opsorch_testkit::MemoryProvider;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! // A control plane over one provider. What this policy does not mention is denied.
//! let ops = OpsOrch::builder()
//!     .provider(MemoryProvider::new(opsorch::SystemClock).provider("tracker"))
//!     .policy(|_: &Context, _: &Target, action: &Action| match action {
//!         Action::TicketCreate(_) => Decision::require_approval(Quorum::of(1, "sre"), "tickets wake people"),
//!         _ => Decision::Abstain,
//!     })
//!     .build()
//!     .await?;
//!
//! // An agent asks. Waiting is an outcome, not an error.
//! let agent = Context::new(Actor::agent("triage"));
//! let Submitted::Pending(request) = ops.tickets(&agent).create(CreateTicket::new("disk full")).await? else {
//!     unreachable!("the policy asks people");
//! };
//!
//! // A person looks at `request.shown` and answers. Approving runs nothing.
//! let alice = Context::new(Actor::user("alice").role("sre"));
//! ops.approvals(&alice).approve(&request.id, &request.digest).await?;
//!
//! // The agent redeems: the stored action runs, once, however often it is redeemed.
//! let first = ops.approvals(&agent).redeem(&request.id).await?;
//! assert_eq!(ops.approvals(&agent).redeem(&request.id).await?, first);
//! assert!(matches!(first, Response::Ticket(ticket) if ticket.title == "disk full"));
//!
//! // The log tells all of it, and can be checked without the store.
//! let bundle = ops.audit().bundle().await?;
//! assert!(opsorch::audit::verify(&bundle, ops.audit().verifier_keys(), &[]).is_intact());
//! # Ok::<(), opsorch::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | put a control plane together | [`Builder`], [`Config`] |
//! | read and change with types | [`OpsOrch`] and its handles: [`Incidents`], [`Tickets`], … |
//! | read and change with values, as a surface does | [`OpsOrch::query`] with [`Query`], [`OpsOrch::submit`] with [`Action`] |
//! | say what may be changed, by whom, after whose approval | [`gate`], [`gate::Rules`], [`gate::Policy`], [`gate::Access`] |
//! | let people answer | [`Approvals`], [`gate::ApprovalHook`] |
//! | read, prove and export the log | [`audit`] |
//! | keep grants and the log | [`store`] |
//! | write an adapter | [`capability`], [`ProviderConfig`], [`Provider`], [`transport::Client`] |
//! | put behaviour around every call | [`layer`] |
//! | hold a secret | [`secret`] |
//! | know what an error means | [`Error`], [`Error::is_retryable`], [`Error::may_have_applied`] |
//!
//! The data types are those of `opsorch-schema`, all re-exported here. Providers are in `opsorch-providers`; a provider in
//! memory, faults on demand and a scripted approver for tests are in `opsorch-testkit`.
//!
//! # What holds for every call
//!
//! * **Nothing is changed without a policy that says so.** Without any policy every change is denied; a policy that
//!   fails, panics or takes too long denies.
//! * **Pages tell what is missing.** [`Page::is_complete`] is true only if there is no next page, nothing was cut and no
//!   source failed. A filter is applied or refused, never ignored.
//! * **Words keep their spelling.** A status or a severity is the word it came as; its level is looked up in a table, and a
//!   word that is in none is `Unknown`.
//! * **An error of a change says whether it may have happened** ([`Error::may_have_applied`]).
//! * **A change outlives its caller.** Dropping the future of [`OpsOrch::submit`] does not stop a change that has begun;
//!   before the process ends, await [`OpsOrch::idle`].
//! * **Nothing is global.** A control plane, its registry, clock, secrets and transport are values. It runs on the tokio
//!   runtime it is awaited on, which needs the time driver.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `reqwest` | yes | `transport::ReqwestTransport`; without it an embedder brings its own [`transport::Transport`] |
//! | `sqlite` | no | `store::SqliteStore`: grants and the log in one file |
//! | `postgres` | no | `store::PostgresStore`: grants and the log in PostgreSQL, for many processes |
//! | `plugin` | no | `plugin`: providers that are child processes, in any language |
//! | `http` | no | `http`: the control plane as an axum router |
//! | `mcp` | no | `mcp`: the control plane as a server of the Model Context Protocol |
//! | `encryption` | no | `secret::EncryptedFile`: secrets at rest |
//! | `cache` | no | `layer::CacheLayer`: answers that are kept for a while |
//!
//! A feature adds API and changes no behaviour.

mod clock;
mod config;
mod context;
mod error;
mod observed;
mod ops;
mod provider;
mod registry;

pub mod audit;
pub mod capability;
pub mod gate;
#[cfg(feature = "http")]
pub mod http;
pub mod layer;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "plugin")]
pub mod plugin;
pub mod secret;
pub mod store;
pub mod transport;

pub use async_trait::async_trait;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Config, ProviderEntry, StoreConfig};
pub use context::Context;
pub use error::{Error, ErrorKind, Result};
pub use gate::Submitted;
pub use observed::Observed;
pub use ops::*;
pub use opsorch_schema::*;
pub use provider::Provider;
pub use registry::{BuildEnv, ProviderConfig, Registry};
