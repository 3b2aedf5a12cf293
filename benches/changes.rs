//! Whole changes through the gate, for the benchmarks of stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opsorch::capability::TicketWriter;
use opsorch::gate::{Approved, Decision};
use opsorch::{Action, Actor, Builder, Context, CreateTicket, OpsOrch, Provider, Result, Target, Ticket, UpdateTicket};
use opsorch_benches::results::{Goal, Number, Results};

/// How long each rate is measured at a time, and how often: the disk of a busy machine changes from second to second, so
/// the rates take turns, and each ratio is the median of the ratios of one turn.
pub(crate) const SPAN: Duration = Duration::from_millis(400);
pub(crate) const TURNS: usize = 15;

/// A vendor that answers at once, so that only the gate is measured.
#[derive(Debug)]
struct Instantly;

#[async_trait]
impl TicketWriter for Instantly {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        Ok(Ticket::new("T-1", &input.title, "todo"))
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        Ok(Ticket::new(&input.id, "title", "todo"))
    }
}

/// A control plane that allows every change, to be given a store.
pub(crate) fn plane() -> Builder {
    OpsOrch::builder()
        .provider(Provider::new("instant").with_ticket_writer(Arc::new(Instantly)))
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a benchmark"))
        .without_layers()
}

/// Whole changes through the gate, by so many callers at once.
pub(crate) async fn changes(ops: &OpsOrch, writers: usize) -> f64 {
    let started = Instant::now();
    let tasks = (0..writers).map(|_| {
        let ops = ops.clone();
        tokio::spawn(async move {
            let cx = Context::new(Actor::agent("bench"));
            let mut made = 0_u32;
            while started.elapsed() < SPAN {
                let _ = ops.tickets(&cx).create(CreateTicket::new("disk full on db-1")).await.unwrap();
                made += 1;
            }
            made
        })
    });
    let mut made = 0;
    for task in tasks.collect::<Vec<_>>() {
        made += task.await.unwrap();
    }
    f64::from(made) / started.elapsed().as_secs_f64()
}

/// Prints and keeps the rates of turns: raw commits, changes by one writer, changes by 64.
pub(crate) fn report(turns: &[[f64; 3]], results: &mut Results) {
    let of = |value: fn(&[f64; 3]) -> f64| median(turns.iter().map(value).collect());
    let (raw, one, many) = (of(|turn| turn[0]), of(|turn| turn[1]), of(|turn| turn[2]));
    let (of_raw, of_one) = (of(|turn| turn[1] / turn[0]), of(|turn| turn[2] / turn[1]));
    // The ratio cannot exceed 0.5, and depends on the disk: this is what the gate and its store add, whatever the disk.
    let added = of(|turn| 1e6 / turn[1] - 2e6 / turn[0]);
    println!("raw durable commits, one row of 600 bytes     {raw:>10.0} /s");
    println!("changes, 1 writer (two commits each)          {one:>10.0} /s   {of_raw:.2} of raw");
    println!("what a change takes beside two raw commits    {added:>10.0} µs");
    println!("changes, 64 writers                           {many:>10.0} /s   {of_one:.1} times one writer");
    let one_writer = Number::new("changes of one writer, two commits each", one, "/s");
    results.add(one_writer.beside("durable commits of one row", raw).ratio(of_raw).goal(Goal::LeastTimes(0.45)));
    results.add(Number::new("what a change takes beside two of those commits", added, "µs"));
    let many_writers = Number::new("changes of 64 writers", many, "/s");
    results.add(many_writers.beside("of one writer", one).ratio(of_one).goal(Goal::LeastTimes(5.0)));
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
