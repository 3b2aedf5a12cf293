//! Stores: each passes the one suite.

mod suite;

#[cfg(feature = "sqlite")]
mod attack;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use opsorch::store::{MemoryStore, Store};
use opsorch_testkit::store::conformance;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_conforms() {
    conformance(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}
