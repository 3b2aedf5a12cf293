//! Who calls, for how long, and as part of what.

use std::sync::Arc;
use std::time::Duration;

use opsorch_schema::{Actor, Operation, Target, visible};
use tokio::time::Instant;

use crate::Result;
use crate::gate::{Access, Lease};
use crate::observed::Seen;

/// What travels with a call: who makes it, its deadline, and the ids that tie it to a request and a trace.
///
/// Cheap to clone. The deadline counts on the runtime's clock, so that it is not moved by a change of the
/// system's time.
///
/// ```
/// use std::time::Duration;
/// use opsorch::{Actor, Context};
///
/// let cx = Context::new(Actor::agent("triage")).timeout(Duration::from_secs(30)).trace_id("4bf92f35");
/// assert_eq!(cx.actor().to_string(), "agent triage@local");
/// assert!(cx.remaining().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    actor: Arc<Actor>,
    request_id: Arc<str>,
    trace_id: Option<Arc<str>>,
    deadline: Option<Instant>,
    bounds: Option<Arc<dyn Access>>,
    seen: Option<Seen>,
    lease: Option<Arc<Lease>>,
}

impl Context {
    /// A context of this actor, with a new request id and no deadline.
    pub fn new(actor: Actor) -> Self {
        Self::of_request(actor, &uuid::Uuid::now_v7().to_string())
    }

    /// A context of a request that has an id: a new one is not made to be thrown away.
    pub(crate) fn of_request(actor: Actor, request_id: &str) -> Self {
        let request_id = bounded(request_id);
        Self {
            actor: Arc::new(actor),
            request_id,
            trace_id: None,
            deadline: None,
            bounds: None,
            seen: None,
            lease: None,
        }
    }

    /// Sets the id of the request, where the caller has one. Of a longer one the first 128 characters are kept.
    pub fn request_id(mut self, request_id: &str) -> Self {
        self.request_id = bounded(request_id);
        self
    }

    /// Sets the id of the trace it belongs to. Of a longer one the first 128 characters are kept.
    pub fn trace_id(mut self, trace_id: &str) -> Self {
        self.trace_id = Some(bounded(trace_id));
        self
    }

    /// Gives the call so much time from now; an earlier deadline stays.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let deadline = Instant::now().checked_add(timeout);
        self.deadline = match (self.deadline, deadline) {
            (Some(earlier), Some(later)) => Some(earlier.min(later)),
            (one, other) => one.or(other),
        };
        self
    }

    /// Narrows what the actor may use: asked beside the control plane's own [`Access`], and both must permit. A surface
    /// that authenticates its callers says here what their roles are good for.
    pub fn within(mut self, bounds: Arc<dyn Access>) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// Who makes the call.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The id of the request.
    pub fn id(&self) -> &str {
        &self.request_id
    }

    /// The id of the trace, where there is one.
    pub fn trace(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// When the caller stops waiting, where it said so.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the [bounds](Self::within) permit the operation.
    pub(crate) fn permits(&self, operation: Operation, target: &Target) -> bool {
        self.bounds.as_ref().is_none_or(|bounds| bounds.permits(self, operation, target))
    }

    /// Notes what its calls observe.
    pub(crate) fn noting(mut self, seen: Seen) -> Self {
        self.seen = Some(seen);
        self
    }

    /// What notes what its calls observe, if somebody wants to know.
    pub(crate) fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// Ties it to the lease of the change that it makes.
    pub(crate) fn under(mut self, lease: &Arc<Lease>) -> Self {
        self.lease = Some(Arc::clone(lease));
        self
    }

    /// Refuses to send anything of a change whose lease has lapsed meanwhile: it may have waited for its turn for long, and
    /// another process may have the change made anew.
    pub(crate) fn check_lease(&self) -> Result<()> {
        self.lease.as_ref().map_or(Ok(()), |lease| lease.check())
    }

    /// How much time is left; `None` where there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// What is kept of an id from outside: it goes to logs and to the audit log.
fn bounded(id: &str) -> Arc<str> {
    const LONGEST: usize = 128;
    if id.len() <= LONGEST && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return id.into();
    }
    let shown = visible(id);
    shown.chars().take(LONGEST).collect::<String>().into()
}
