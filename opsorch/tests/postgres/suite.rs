//! The conformance suite of stores.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use opsorch::audit::{Hash, LogWriter};
use opsorch::store::*;
use opsorch::{Entry, GrantId, GrantState, Result, Time, async_trait};
use opsorch_testkit::store::conformance;

use crate::place::Place;

/// A store that chooses a `PostgresStore` for every call.
struct Through<F>(F);

impl<F> fmt::Debug for Through<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Through")
    }
}

macro_rules! through {
    ($(async fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)+) => {
        #[async_trait]
        impl<F: Fn() -> BoxFuture<'static, Result<PostgresStore>> + Send + Sync + 'static> Store for Through<F> {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$answer> {
                (self.0)().await?.$name($($argument),*).await
            })+

            fn key_file(&self) -> Option<PathBuf> {
                None
            }
        }
    };
}

through! {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Entry;
    async fn request(&self, log: &LogWriter, step: Request) -> Requested;
    async fn transition(&self, log: &LogWriter, step: Transition) -> Transitioned;
    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Begun;
    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Finished;
    async fn renew_lease(&self, grant: &GrantId, until: Time) -> bool;
    async fn lapsed(&self, now: Time) -> Vec<OpenIntent>;
    async fn grant(&self, id: &GrantId) -> Option<GrantRecord>;
    async fn grants(&self, states: &[GrantState], limit: u32) -> Vec<GrantRecord>;
    async fn key(&self, key: &str, now: Time) -> Option<KeyUse>;
    async fn outcome(&self, grant: &GrantId) -> Option<String>;
    async fn entries(&self, from: u64, limit: u32) -> Vec<StoredEntry>;
    async fn checkpoint(&self) -> Option<String>;
    async fn checkpoints(&self, limit: u32) -> Vec<String>;
    async fn nodes(&self, wanted: &[(u32, u64)]) -> HashMap<(u32, u64), Hash>;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_postgresql_conforms() {
    conformance(async || Arc::new(Place::new().open().await) as Arc<dyn Store>).await;
}

/// As every process that does one thing and ends.
#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_opened_anew_for_every_call_conforms() {
    conformance(async || {
        let place = Place::new();
        let open = move || -> BoxFuture<'static, Result<PostgresStore>> {
            let place = place.clone();
            Box::pin(async move { place.try_open().await })
        };
        Arc::new(Through(open)) as Arc<dyn Store>
    })
    .await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn two_stores_in_one_schema_conform_as_one() {
    conformance(async || {
        let place = Place::new();
        let stores = [place.open().await, place.open().await];
        let turn = AtomicUsize::new(0);
        let next = move || -> BoxFuture<'static, Result<PostgresStore>> {
            let store = stores[turn.fetch_add(1, Ordering::Relaxed) % 2].clone();
            Box::pin(async move { Ok(store) })
        };
        Arc::new(Through(next)) as Arc<dyn Store>
    })
    .await;
}
