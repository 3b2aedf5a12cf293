//! What adapter authors implement: a small trait for each thing a vendor can do.
//!
//! * Every method is required. A vendor that lacks something lacks the trait, and a [`Provider`](crate::Provider)
//!   is the set of traits that it was given: support is a fact, not a claim.
//! * Readers take a query. Writers take the input wrapped in [`Approved`](crate::gate::Approved), which only the
//!   gate makes, so that nothing can be changed around it.
//! * A filter is pushed to the vendor, applied by the adapter, or refused with
//!   [`Unsupported`](crate::ErrorKind::Unsupported); it is never ignored. A name that resolves to nothing yields nothing.
//! * An adapter follows the vendor's pages until the limit is met, and a [`Page`](crate::Page) says what is missing.
//! * The context's deadline and cancellation (the future is dropped) end the work; nothing is left behind.
//!
//! The contract of a trait is between its implementor and this crate; callers use the typed handles of
//! [`OpsOrch`](crate::OpsOrch).

mod alert;
mod deployment;
mod health;
mod incident;
mod log;
mod messaging;
mod metric;
mod orchestration;
mod reconcile;
mod service;
mod team;
mod ticket;
mod webhook;

pub use alert::{AlertRaiser, AlertReader, AlertResponder, AlertSilencer};
pub use deployment::{DeploymentReader, DeploymentRecorder};
pub use health::{Health, HealthCheck, HealthProblem};
pub use incident::{IncidentReader, IncidentWriter, TimelineReader, TimelineWriter};
pub use log::LogReader;
pub use messaging::{MessageEditor, MessageSender};
pub use metric::MetricReader;
pub use orchestration::{PlanReader, RunCanceller, RunReader, RunWriter};
pub use reconcile::{Reconciled, Reconciler};
pub use service::ServiceReader;
pub use team::{OnCallReader, TeamReader};
pub use ticket::{TicketCommenter, TicketReader, TicketWriter};
pub use webhook::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
