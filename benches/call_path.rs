//! What the path of a read costs: the trait called directly, through the façade with 0, 1 and 5 layers that pass on, and
//! where a layer has kept the answer.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use criterion::Criterion;
use opsorch::capability::TicketReader;
use opsorch::layer::{CacheLayer, Call, Layer, Next};
use opsorch::{Actor, Context, OpsOrch, Page, Provider, Query, Response, Result, Ticket, TicketId, TicketQuery};
use opsorch_benches::results::{Goal, Number, Results, criterion_folder, criterion_median};

/// A vendor that answers at once, so that only the path is measured.
#[derive(Debug)]
struct Instant;

#[async_trait]
impl TicketReader for Instant {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Ok(Page::new(Vec::new()))
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        Ok(Ticket::new(id, "title", "todo"))
    }
}

#[derive(Debug)]
struct PassOn;

#[async_trait]
impl Layer for PassOn {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        next.run().await
    }
}

fn call_path(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cx = Context::new(Actor::agent("bench"));
    let mut group = criterion.benchmark_group("read");

    let direct: Arc<dyn TicketReader> = Arc::new(Instant);
    let query = TicketQuery::new();
    group.bench_function("direct trait call", |bencher| {
        bencher.iter(|| runtime.block_on(async { black_box(direct.query(&cx, black_box(&query)).await).is_ok() }));
    });
    for layers in [0, 1, 5] {
        let provider = Provider::new("instant").with_ticket_reader(Arc::new(Instant));
        let builder = OpsOrch::builder().provider(provider).without_layers();
        let builder = (0..layers).fold(builder, |builder, _| builder.layer(PassOn));
        let ops = runtime.block_on(builder.build()).unwrap();
        group.bench_function(format!("facade, {layers} layers"), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let query = Query::from(TicketQuery::new());
                    black_box(ops.query(&cx, black_box(query)).await).is_ok()
                })
            });
        });
    }
    let provider = Provider::new("instant").with_ticket_reader(Arc::new(Instant));
    let builder = OpsOrch::builder().provider(provider).layer(CacheLayer::new(Duration::from_secs(86_400)));
    let ops = runtime.block_on(builder.build()).unwrap();
    group.bench_function("facade, kept", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let query = Query::TicketGet(TicketId::new("T-1"));
                black_box(ops.query(&cx, black_box(query)).await).is_ok()
            })
        });
    });
    group.finish();
}

/// The nanoseconds that five layers may add.
const GOAL: f64 = 1_000.0;

/// The nanoseconds that a read may take whose answer was kept.
const KEPT: f64 = 2_000.0;

fn main() {
    let mut results = Results::of("call_path");
    let mut criterion = Criterion::default().output_directory(&criterion_folder()).configure_from_args();
    call_path(&mut criterion);
    criterion.final_summary();
    if keep(&mut results).is_some() {
        results.write();
    }
}

/// The medians beside the direct call; `None` where they were not measured.
fn keep(results: &mut Results) -> Option<()> {
    let direct = criterion_median("read", "direct trait call")?;
    let facade = |layers: usize| criterion_median("read", &format!("facade, {layers} layers"));
    for layers in [0, 1, 5] {
        let number = Number::new(format!("a read through the façade, {layers} layers"), facade(layers)?, "ns");
        results.add(number.beside("the trait called directly", direct));
    }
    let added = Number::new("what the façade and five layers add", facade(5)? - direct, "ns");
    results.add(added.goal(Goal::Most(GOAL)));
    let kept = Number::new("a read whose answer a layer has kept", criterion_median("read", "facade, kept")?, "ns");
    results.add(kept.goal(Goal::Most(KEPT)));
    Some(())
}
