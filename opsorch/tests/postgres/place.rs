//! A schema of its own for each test, and what tests write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opsorch::audit::{LogWriter, SigningKey, verify};
use opsorch::gate::GateKeys;
use opsorch::secret::Secret;
use opsorch::store::*;
use opsorch::{
    Actor, Builder, Clock, Entry, Error, ErrorKind, Event, GrantState, ManualClock, Operation, OpsOrch, Result, Time,
};
use tokio_postgres::{Client, NoTls};

/// The database that tests may use, through a unix socket.
pub fn url() -> String {
    std::env::var("DATABASE_URL").expect("run it under .ci/postgres")
}

/// The same, through TCP, with a password.
pub fn tcp_url() -> String {
    std::env::var("DATABASE_TCP_URL").expect("run it under .ci/postgres")
}

/// A schema for a store.
#[derive(Clone)]
pub struct Place {
    pub schema: String,
}

impl Place {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { schema: format!("test_{}_{number}", std::process::id()) }
    }

    /// With patience: many tests, and many racers, share two cores.
    pub fn options(&self) -> PostgresOptions {
        PostgresOptions::new().schema(&self.schema).timeout(Duration::from_secs(120))
    }

    pub async fn try_open(&self) -> Result<PostgresStore> {
        // Its sessions are found by the name.
        self.options().open(&Secret::new(format!("{} application_name={}", url(), self.schema))).await
    }

    pub async fn open(&self) -> PostgresStore {
        self.try_open().await.unwrap()
    }

    /// The tables, for whoever attacks them or stands in the way.
    pub async fn raw(&self) -> Client {
        let url = format!("{} options='-c search_path={}'", url(), self.schema);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub async fn run(&self, sql: &str) {
        self.raw().await.batch_execute(sql).await.unwrap();
    }

    /// Ends every connection of the stores that are open here.
    pub async fn disconnect(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        self.raw().await.query(sql, &[&self.schema]).await.unwrap();
    }
}

pub fn keys() -> GateKeys {
    GateKeys::new([3; 32], SigningKey::from_seed("example.com/ops", &[4; 32]).unwrap())
}

pub async fn stored(place: &Place) -> impl FnOnce(Builder) -> Builder + use<> {
    let store = place.open().await;
    |builder| builder.store(store).keys(keys())
}

pub fn log() -> LogWriter {
    LogWriter::new(Arc::new(SigningKey::from_seed("example.com/ops", &[4; 32]).unwrap()))
}

pub fn now() -> Time {
    ManualClock::default().now()
}

pub fn entry(event: Event, grant: &str) -> Entry {
    let mut entry = Entry::new(now(), event, Actor::agent("test"), Operation::TicketCreate, "request");
    entry.grant = Some(grant.into());
    entry
}

pub fn request(grant: &str, body: impl Into<String>) -> Request {
    let record = GrantRecord::new(grant.into(), 0, GrantState::Requested, now(), body.into(), vec![1]);
    Request::new(record, entry(Event::Requested, grant))
}

/// Fails unless the log of a store verifies, and has so many entries.
pub async fn assert_sound(store: &PostgresStore, size: u64) {
    let ops = OpsOrch::builder().store(store.clone()).keys(keys()).build().await.unwrap();
    let bundle = ops.audit().bundle().await.unwrap();
    let report = verify(&bundle, ops.audit().verifier_keys(), &[]);
    assert!(report.is_intact(), "{report}");
    assert_eq!(report.entries, size);
}

#[track_caller]
pub fn assert_unavailable(error: &Error, part: &str) {
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable() && !error.may_have_applied(), "{error:?}");
    assert!(error.message().contains(part), "expected {part:?} in: {error}");
}
