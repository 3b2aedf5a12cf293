//! Whether providers work, as they said a moment ago: who asks often costs a vendor no more than who asks once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use opsorch_schema::{Actor, ProviderName};
use tokio::time::Instant;

use crate::capability::Health;
use crate::{Context, OpsOrch, Result};

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(10);

/// How long a provider may take: less than an answer counts, so that one that is still being asked is not asked again.
const LONGEST: Duration = Duration::from_secs(5);

type Answer = Shared<BoxFuture<'static, Result<Health>>>;

/// What each provider said last, or is being asked.
#[derive(Default)]
pub(super) struct Healths(Mutex<HashMap<ProviderName, (Instant, Answer)>>);

impl Healths {
    /// What a provider said within the last seconds. However many ask, it is asked once; what was begun is done although
    /// they go away. The provider is asked in the name of the server, because the answer is for everybody.
    pub(super) async fn of(&self, ops: &OpsOrch, name: &ProviderName) -> Result<Health> {
        let answer = {
            let (now, mut known) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
            // Whether or not somebody waited for the answer: one that nobody took would be new whenever it is taken.
            known.retain(|_, (asked, _)| now.duration_since(*asked) < FRESH);
            known.entry(name.clone()).or_insert_with(|| (now, ask(ops, name.clone()))).1.clone()
        };
        answer.await
    }

    /// Forgets what a provider said: it is another one now.
    pub(super) fn forget(&self, name: &ProviderName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn ask(ops: &OpsOrch, name: ProviderName) -> Answer {
    let plane = ops.clone();
    let cx = Context::new(Actor::service("health")).timeout(LONGEST);
    let asked = ops.run_to_end(async move { plane.health(&cx, name).await });
    async move { asked.await? }.boxed().shared()
}
