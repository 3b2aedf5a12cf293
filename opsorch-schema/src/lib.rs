//! The data of opsorch, and nothing else: no async, no clock, no I/O, no policy.
//!
//! * One schema for ten capabilities: [`Incident`], [`Alert`], [`LogEntry`], [`MetricSeries`], [`Ticket`], [`Message`],
//!   [`Service`], [`Deployment`], [`Team`], [`Plan`] and [`Run`], with the query and the changes of each.
//! * One table of [operations](Operation), from which a call becomes *one value*: a [`Query`] that reads, or an
//!   [`Action`] that changes something, answered by a [`Response`].
//! * What the gate and the audit log of `opsorch` write down: [`ApprovalRequest`], [`Quorum`], [`Entry`].
//! * What providers do alike to metrics and logs: [`signal`].
//!
//! Names on the wire are camelCase and a superset of OpsOrch's. Words such as a status or a severity keep the
//! spelling they came with and know their [level](Severity::level); nothing is guessed.
//!
//! ```
//! use opsorch_schema::{Action, CreateTicket, IncidentQuery, Operation, Query};
//!
//! let query = Query::from(IncidentQuery::open().service("api").limit(20));
//! assert_eq!(query.operation().name(), "incident.query");
//!
//! let action = Action::from(CreateTicket::new("disk full on db-1"));
//! assert_eq!(action.operation(), Operation::TicketCreate);
//! let text = serde_json::to_string(&action)?;
//! assert_eq!(text, r#"{"operation":"ticket.create","input":{"title":"disk full on db-1"}}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod action;
mod actor;
mod alert;
mod approval;
mod audit;
mod deployment;
mod id;
mod incident;
mod investigation;
mod level;
mod log;
mod message;
mod metric;
mod operation;
mod page;
mod plan;
mod query;
mod quorum;
mod response;
mod scope;
mod service;
mod setters;
pub mod signal;
mod target;
mod team;
mod ticket;
mod time;
mod wire;

pub use action::Action;
pub use actor::{Actor, ActorKind, Identity};
pub use alert::*;
pub use approval::{Answer, ApprovalRequest, Digest, GrantState, Verdict, is_invisible, visible};
pub use audit::{Entry, Event, Outcome, OutcomeStatus, Resource};
pub use deployment::*;
pub use id::*;
pub use incident::*;
pub use investigation::*;
pub use level::*;
pub use log::*;
pub use message::*;
pub use metric::*;
pub use operation::{Capability, Effect, Operation, OperationSet, UnknownName};
pub use page::{Cursor, DEFAULT_LIMIT, Duplicate, Item, Origin, Page, SourceFailure};
pub use plan::*;
pub use query::Query;
pub use quorum::{Quorum, QuorumError};
pub use response::{Response, WrongResponse};
pub use scope::Scope;
pub use service::*;
pub use target::Target;
pub use team::*;
pub use ticket::*;
pub use time::Time;

/// Free-form values that have no place of their own in the schema; sorted by key.
pub type Fields = std::collections::BTreeMap<String, serde_json::Value>;
