//! For tests around opsorch: a vendor that lives in memory and fails when it is told to.
//!
//! * [`MemoryProvider`] implements every trait of [`opsorch::capability`] over a small world that behaves: what is
//!   created is read, updated and listed, pages resume, runs go step by step.
//! * [`Faults`] make single calls go wrong: an error, a lost reply, a hang, a panic, a page cut short. They also count
//!   the calls, for assertions such as "the vendor saw one request".
//! * [`ScriptedApprover`] answers requests for approval as people would.
//! * [`Recorder`] writes down what an adapter and its vendor say to each other, without secrets; [`Replay`] answers from
//!   that [`Cassette`].
//! * [`FaultServer`] breaks connections in the ways that servers do.
//! * [`double`] has small vendors that behave, to be given the words of a real one, and a [`Contract`] checks what is
//!   said against the vendor's OpenAPI document.
//!
//! Writers are reached the way production code reaches them, through an [`OpsOrch`](opsorch::OpsOrch) with a policy;
//! there is no other way to an approved input.
//!
//! ```
//! use opsorch::gate::{Decision, Submitted};
//! use opsorch::{Action, Actor, Context, CreateIncident, ManualClock, OpsOrch, Operation, Target};
//! use opsorch_testkit::MemoryProvider;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let memory = MemoryProvider::new(ManualClock::default());
//! let ops = OpsOrch::builder()
//!     .provider(memory.provider("memory"))
//!     .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
//!     .build()
//!     .await?;
//!
//! let cx = Context::new(Actor::agent("triage"));
//! let Submitted::Done(created) = ops.incidents(&cx).create(CreateIncident::new("disk full on db-1")).await? else {
//!     panic!("the policy allows it");
//! };
//! let incident = ops.incidents(&cx).get(&created.id).await?;
//! assert_eq!((incident.id.as_str(), incident.title.as_str()), ("inc-1", "disk full on db-1"));
//! assert_eq!(memory.calls(Operation::IncidentCreate), 1);
//! # Ok::<(), opsorch::Error>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```

mod approver;
mod cassette;
pub mod conformance;
mod contract;
pub mod double;
mod fault;
mod fault_server;
mod memory;
mod record;
mod replay;
pub mod store;

pub use approver::ScriptedApprover;
pub use cassette::{Cassette, Scrub};
pub use conformance::Conformance;
pub use contract::{Contract, Exchanges, Guarded, Violation};
pub use fault::{Fault, Faults, Recorded};
pub use fault_server::{ClosedPort, FaultServer, NetworkFault};
pub use memory::MemoryProvider;
pub use record::Recorder;
pub use replay::Replay;
