//! What the path of a read costs: the trait called directly, and through the façade with 0, 1 and 5 layers that pass on.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use opsorch::capability::TicketReader;
use opsorch::layer::{Call, Layer, Next};
use opsorch::{Actor, Context, OpsOrch, Page, Provider, Query, Response, Result, Ticket, TicketId, TicketQuery};

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
    group.finish();
}

criterion_group!(benches, call_path);
criterion_main!(benches);
