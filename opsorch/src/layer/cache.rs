//! Answers that are kept for a while, and equal reads that share one call.

mod changes;
mod kept;
mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Operation, Response};

use self::changes::Changes;
use self::kept::{Answer, Asked, Kept};
use self::reads::{Failure, Found, Landed, Lead, Reads};
use super::{Call, Layer, Next};
use crate::{Error, ErrorKind, Result};

/// Keeps the answers to reads for a while, and makes one call of equal reads that come at the same time.
///
/// * An answer is served again until it is as old as its time to live, by the runtime's clock and by the control plane's.
///   [`OpsOrch::observe`](crate::OpsOrch::observe) tells its age. Errors are not kept.
/// * Whoever asks the same meanwhile waits for the call that is on its way, at most until the own deadline, and shares its
///   error too. If that call is given up, or its caller ran out of time, one of those who wait makes it anew; so does one after
///   10 seconds, because a caller may hold a call and not go on with it. An error that may pass, of a caller who had too little time
///   to wait for that, is not shared by those who have more: too little is what the error asks to wait, else 2 seconds.
/// * Two reads are the same if provider, query and the whole actor are, whom the actor acts for and the roles included.
///   [`across_actors`](Self::across_actors) shares between actors.
/// * A change drops what is kept of all providers of its provider's kind, before it is sent and after it has ended; what was
///   read meanwhile is not served later. If nobody knows how it ended (it may have been applied, or a layer further out gave it
///   up), nothing is kept of them for a minute, in which the vendor may still get to it.
/// * It knows changes that pass this layer. Those of other processes and of people in the vendor's own pages, and what a vendor's
///   search shows late, are seen when the time to live is over.
/// * At most 10 000 answers and 64 MiB are kept, counted as JSON, unless it is set otherwise; what is asked for least goes first.
///
/// Clones share what is kept; add them to control planes that have the same providers only. The [module](super) says where it
/// stands among the others.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsorch::Result<()> {
/// use std::time::Duration;
/// use opsorch::layer::CacheLayer;
/// use opsorch::{Actor, Context, ManualClock, OpsOrch, Operation, TicketQuery};
/// use opsorch_testkit::MemoryProvider;
///
/// let memory = MemoryProvider::new(ManualClock::default());
/// let cache = CacheLayer::new(Duration::from_secs(30)).ttl(Operation::TeamOncall, Duration::from_secs(300));
/// let ops = OpsOrch::builder().provider(memory.provider("tracker")).layer(cache).build().await?;
///
/// let cx = Context::new(Actor::agent("triage"));
/// let (_, first) = ops.observe(&cx, TicketQuery::open()).await?;
/// let (_, again) = ops.observe(&cx, TicketQuery::open()).await?;
/// assert_eq!((first.cached, again.cached, memory.calls(Operation::TicketQuery)), (false, true, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CacheLayer {
    ttl: Duration,
    by_operation: BTreeMap<Operation, Duration>,
    across_actors: bool,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    reads: Reads,
    changes: Changes,
}

/// What tells reads apart: provider, what was changed before, actor and query, as JSON.
type Key = Arc<[u8]>;

impl CacheLayer {
    /// Keeps answers so long; with zero, reads pass as if it were not there.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, by_operation: BTreeMap::new(), across_actors: false, shared: Arc::default() }
    }

    /// Sets another time to live for the answers of an operation.
    pub fn ttl(mut self, operation: Operation, ttl: Duration) -> Self {
        self.by_operation.insert(operation, ttl);
        self
    }

    /// Serves what one actor read to every other who may read it: who may not is refused before any layer is reached. It is
    /// for providers that answer everybody alike, as those do that use one credential for all.
    pub fn across_actors(mut self) -> Self {
        self.across_actors = true;
        self
    }

    /// Sets how many answers are kept at most, and how many bytes they have at most as JSON, with what was asked. Clones that
    /// were made before do not share with this one.
    pub fn bounds(mut self, answers: usize, bytes: usize) -> Self {
        let reads = Reads::new(Kept::new(answers, bytes));
        self.shared = Arc::new(Shared { reads, changes: Changes::default() });
        self
    }

    /// How many answers are kept, those included that are too old to be served.
    pub fn kept(&self) -> usize {
        self.shared.reads.kept()
    }

    /// The key of a read, and whether its answer may be kept.
    fn key(&self, call: &Call<'_>) -> Result<(Vec<u8>, bool)> {
        let (kind, fingerprint) = call.provider.origin();
        let (generation, is_settled) = self.shared.changes.of(kind);
        let actor = (!self.across_actors).then(|| call.context().actor());
        let parts = (call.provider(), kind, fingerprint, generation, actor, call.query());
        let key = serde_json::to_vec(&parts)
            .map_err(|error| Error::unexpected("the query cannot be written as JSON").with_source(error))?;
        Ok((key, is_settled))
    }

    async fn read(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let ttl = self.by_operation.get(&call.operation()).copied().unwrap_or(self.ttl);
        if ttl.is_zero() {
            return next.run().await;
        }
        loop {
            let (key, is_settled) = self.key(&call)?;
            let landed = match self.shared.reads.find(&key, ttl, Asked::now(call.now())) {
                Found::Kept(answer) => Some(Landed::Answer(answer)),
                Found::Wait(wait) => wait.landed(&call).await?,
                Found::Lead(lead) => return fetch(&call, next, lead, is_settled).await,
            };
            match landed {
                Some(Landed::Answer(answer)) => {
                    call.observed(answer.asked.at);
                    return Ok(answer.response.clone());
                }
                Some(Landed::Failed(failure)) if failure.holds_for(&call) => return Err(failure.error),
                // Nobody makes that call any more.
                Some(Landed::Failed(_)) | None => {}
            }
        }
    }

    async fn change(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let (kind, _) = call.provider.origin();
        let change = self.shared.changes.begin(kind);
        let result = next.run().await;
        if !result.as_ref().is_err_and(Error::may_have_applied) {
            change.settle();
        }
        result
    }
}

/// Makes the call for everybody who asks the same.
async fn fetch(call: &Call<'_>, next: Next<'_>, lead: Lead<'_>, keeps: bool) -> Result<Response> {
    match next.run().await {
        Ok(response) => {
            let answer = Answer::new(response.clone(), lead.asked, keeps);
            lead.land(Landed::Answer(Arc::new(answer)), keeps);
            Ok(response)
        }
        // Others may have more time.
        Err(error) if ran_out_of_time(call, &error) => Err(error),
        Err(error) => {
            lead.land(Landed::Failed(Failure::new(call, error.clone())), false);
            Err(error)
        }
    }
}

fn ran_out_of_time(call: &Call<'_>, error: &Error) -> bool {
    *error.kind() == ErrorKind::Timeout && call.context().remaining().is_some_and(|left| left.is_zero())
}

#[async_trait]
impl Layer for CacheLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        match call.query() {
            Some(_) => self.read(call, next).await,
            None => self.change(call, next).await,
        }
    }
}
