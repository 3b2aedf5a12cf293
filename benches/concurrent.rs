//! What 10 000 reads at once take of memory: at the peak for each of them, beside 1 000 at once, and after they have ended.
//!
//! `cargo bench -p opsorch-benches --bench concurrent`. The vendor answers nobody until everybody has asked. Memory is what is
//! allocated and not yet given back, counted at the allocator, the tasks of the reads and their answers included.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use async_trait::async_trait;
use opsorch::capability::TicketReader;
use opsorch::layer::{CacheLayer, ConcurrencyLayer, RetryLayer, TimeoutLayer};
use opsorch::{Actor, Builder, Context, OpsOrch, Page, Provider, Query, Result, Ticket, TicketId, TicketQuery};
use opsorch_benches::results::{Goal, Number, Results};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How much more each read may take when ten times as many come.
const GOAL: f64 = 1.2;

/// The KiB that may be left when all have ended: what is kept, and buffers that have grown.
const LEFT: f64 = 16.0 * 1024.0;

/// A vendor whose door is shut until everybody stands before it.
#[derive(Clone, Debug)]
struct Gate(Arc<Semaphore>);

#[async_trait]
impl TicketReader for Gate {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Ok(Page::new(Vec::new()))
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        drop(self.0.acquire().await.unwrap());
        Ok(Ticket::new(id, "disk full on db-1", "todo").description("x".repeat(500)))
    }
}

fn main() {
    let mut results = Results::of("concurrent");
    let layered = |builder: Builder| builder.layer(TimeoutLayer::default()).layer(RetryLayer::default());
    let limited = |builder: Builder| builder.layer(ConcurrencyLayer::new(16).queue(100_000));
    let cached = |builder: Builder| builder.layer(CacheLayer::new(Duration::from_secs(60)).bounds(1_000, 1 << 20));
    for (name, equal, layers) in [
        ("timeout and retry", false, &layered as &dyn Fn(Builder) -> Builder),
        ("16 at once, the others wait", false, &limited),
        ("all different, 1 000 answers kept", false, &cached),
        ("all equal, one call", true, &cached),
    ] {
        let ([few, _], [many, left]) = (read(1_000, equal, layers), read(10_000, equal, layers));
        println!("{name}: {many:.2} KiB for each of 10 000, {few:.2} for each of 1 000; {left:.0} KiB left");
        let number = Number::new(format!("memory for each of 10 000 reads at once, {name}"), many, "KiB");
        results.add(number.beside("for each of 1 000", few).goal(Goal::MostTimes(GOAL)));
        let number = Number::new(format!("memory left after 10 000 reads, {name}"), left, "KiB");
        results.add(number.goal(Goal::Most(LEFT)));
    }
    results.write();
}

/// The KiB at the peak for each read, and all that is left.
fn read(reads: u32, equal: bool, layers: &dyn Fn(Builder) -> Builder) -> [f64; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let gate = Gate(Arc::new(Semaphore::new(0)));
    let provider = Provider::new("gate").with_ticket_reader(Arc::new(gate.clone()));
    let builder = layers(OpsOrch::builder().provider(provider).without_layers());
    let ops = runtime.block_on(builder.build()).unwrap();
    let cx = Context::new(Actor::agent("bench"));
    let info = measure(|| runtime.block_on(all(reads, equal, &ops, &cx, &gate)));
    [info.bytes_max as f64 / f64::from(reads) / 1024.0, info.bytes_current as f64 / 1024.0]
}

async fn all(reads: u32, equal: bool, ops: &OpsOrch, cx: &Context, gate: &Gate) {
    let mut tasks = JoinSet::new();
    for number in 0..reads {
        let (ops, cx) = (ops.clone(), cx.clone());
        let id = if equal { 0 } else { number };
        tasks.spawn(async move { ops.query(&cx, Query::TicketGet(format!("T-{id}").into())).await.is_ok() });
    }
    // Until all of them have asked, or wait for one that has.
    tokio::time::sleep(Duration::from_millis(200)).await;
    gate.0.add_permits(1);
    while let Some(ended) = tasks.join_next().await {
        assert!(ended.unwrap());
    }
}
