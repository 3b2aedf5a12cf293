//! What the store in PostgreSQL costs, beside what the database itself can do in the same run.
//!
//! `.ci/postgres cargo bench -p opsorch-benches --bench postgres`. Read the ratios: the rates are this machine's.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod changes;

use std::time::Instant;

use changes::{SPAN, TURNS, changes, plane, report};
use opsorch::OpsOrch;
use opsorch::gate::GateKeys;
use opsorch::secret::Secret;
use opsorch::store::PostgresOptions;
use opsorch_benches::results::Results;
use tokio_postgres::{Client, NoTls};

fn main() {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        return println!("not run: there is no DATABASE_URL; .ci/postgres gives one");
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(rates(&url));
}

/// What the gate reaches beside what the database does alone.
async fn rates(url: &str) {
    let mut results = Results::of("postgres");
    let database = raw(url).await;
    let (one, many) = (open(url, "bench_one").await, open(url, "bench_many").await);
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push([raw_commits(&database).await, changes(&one, 1).await, changes(&many, 64).await]);
    }
    report(&turns, &mut results);
    results.write();
}

async fn open(url: &str, schema: &str) -> OpsOrch {
    let store = PostgresOptions::new().schema(schema).open(&Secret::new(url)).await.unwrap();
    plane().store(store).keys(GateKeys::generate("example.com/bench").unwrap()).build().await.unwrap()
}

async fn raw(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE t (id bigserial PRIMARY KEY, v text)").await.unwrap();
    client
}

/// What the database does alone: one transaction a row, durable before the next.
async fn raw_commits(database: &Client) -> f64 {
    let row = "x".repeat(600);
    let statement = database.prepare("INSERT INTO t (v) VALUES ($1)").await.unwrap();
    let (started, mut times) = (Instant::now(), 0_u32);
    while started.elapsed() < SPAN {
        database.execute(&statement, &[&row]).await.unwrap();
        times += 1;
    }
    f64::from(times) / started.elapsed().as_secs_f64()
}
