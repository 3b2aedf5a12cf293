//! `SqliteStore`: the suite, and what only a file can do.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join, join_all};
use opsorch::audit::{Hash, LogWriter, SigningKey, verify};
use opsorch::gate::GateKeys;
use opsorch::store::*;
use opsorch::{
    Actor, Builder, Clock, Context, Entry, Error, ErrorKind, Event, GrantId, GrantState, ManualClock, Operation,
    OpsOrch, Result, Submission, Submitted, Time,
};
use opsorch_testkit::store::conformance;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{World, agent, allow, one_sre, sre, ticket};

/// A directory with a file for a store.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("opsorch.db")
    }

    pub(super) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path()).unwrap()
    }

    /// The file, for whoever attacks it or stands in the way.
    pub(super) fn raw(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection
    }
}

pub(super) fn keys() -> GateKeys {
    GateKeys::new([3; 32], SigningKey::from_seed("example.com/ops", &[4; 32]).unwrap())
}

pub(super) fn stored(place: &Place) -> impl FnOnce(Builder) -> Builder {
    let store = place.open();
    |builder| builder.store(store).keys(keys())
}

/// Makes a change that policy allows.
pub(super) async fn change(world: &World) -> Result<()> {
    let made = world.ops.tickets(&Context::new(agent())).create(ticket()).await?;
    assert!(matches!(made, Submitted::Done(_)), "nobody is asked: {made:?}");
    Ok(())
}

fn log() -> LogWriter {
    LogWriter::new(Arc::new(SigningKey::from_seed("example.com/ops", &[4; 32]).unwrap()))
}

fn now() -> Time {
    ManualClock::default().now()
}

fn entry(event: Event, grant: &str) -> Entry {
    let mut entry = Entry::new(now(), event, Actor::agent("test"), Operation::TicketCreate, "request");
    entry.grant = Some(grant.into());
    entry
}

fn request(grant: &str, body: impl Into<String>) -> Request {
    let record = GrantRecord::new(grant.into(), 0, GrantState::Requested, now(), body.into(), vec![1]);
    Request::new(record, entry(Event::Requested, grant))
}

/// Fails unless the log of a store verifies, and has so many entries.
async fn assert_sound(store: &SqliteStore, size: u64) {
    let ops = OpsOrch::builder().store(store.clone()).keys(keys()).build().await.unwrap();
    let bundle = ops.audit().bundle().await.unwrap();
    let report = verify(&bundle, ops.audit().verifier_keys(), &[]);
    assert!(report.is_intact(), "{report}");
    assert_eq!(report.entries, size);
}

/// A store that chooses a `SqliteStore` for every call.
struct Through<F>(F);

impl<F> fmt::Debug for Through<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Through")
    }
}

macro_rules! through {
    ($(async fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)+) => {
        #[async_trait]
        impl<F: Fn() -> Result<SqliteStore> + Send + Sync + 'static> Store for Through<F> {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$answer> {
                (self.0)()?.$name($($argument),*).await
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

/// Opens with patience: many tests, and many racers, share two cores.
fn open(path: &Path) -> Result<SqliteStore> {
    SqliteOptions::new().busy_timeout(Duration::from_secs(120)).open(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_file_conforms() {
    let place = Place::new();
    let number = AtomicUsize::new(0);
    conformance(async || {
        let path = place.0.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        Arc::new(open(&path).unwrap()) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_opened_anew_for_every_call_conforms() {
    let place = Place::new();
    let number = AtomicUsize::new(0);
    conformance(async || {
        let path = place.0.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        Arc::new(Through(move || open(&path))) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_file_conform_as_one() {
    let place = Place::new();
    let number = AtomicUsize::new(0);
    conformance(async || {
        let path = place.0.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        let stores = [open(&path).unwrap(), open(&path).unwrap()];
        let turn = AtomicUsize::new(0);
        Arc::new(Through(move || Ok(stores[turn.fetch_add(1, Ordering::Relaxed) % 2].clone()))) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn everything_survives_a_restart_and_the_log_goes_on() {
    let place = Place::new();
    let world = World::with(one_sre(), stored(&place)).await;
    let cx = Context::new(agent());
    let submission = || Submission::from(opsorch::Action::TicketCreate(ticket())).idempotency_key("once");
    let Submitted::Pending(request) = world.ops.submit(&cx, submission()).await.unwrap() else { panic!("it is asked") };
    world.approve(&request, &sre("alice")).await.unwrap();
    let anchor = world.ops.audit().checkpoint().await.unwrap().unwrap();
    drop(world);

    let world = World::with(one_sre(), stored(&place)).await;
    let done = world.redeem(&request, &agent()).await.unwrap();
    assert_eq!(world.changes(), 1);
    drop(world);

    let world = World::with(one_sre(), stored(&place)).await;
    let Submitted::Done(again) = world.ops.submit(&cx, submission()).await.unwrap() else { panic!("the key is known") };
    assert_eq!((again, world.changes()), (done, 0));
    let events = [Event::Requested, Event::Approved, Event::Intent, Event::Outcome];
    assert_eq!(world.events().await, events);
    let bundle = world.ops.audit().bundle().await.unwrap();
    let report = verify(&bundle, world.ops.audit().verifier_keys(), &[anchor]);
    assert!(report.is_intact(), "{report}");
}

#[tokio::test]
async fn with_other_keys_nothing_is_changed() {
    let place = Place::new();
    change(&World::with(allow, stored(&place)).await).await.unwrap();
    let (store, other) = (place.open(), GateKeys::generate("example.com/ops").unwrap());
    let world = World::with(allow, |builder| builder.store(store).keys(other)).await;
    let error = change(&world).await.unwrap_err();
    assert!(!error.may_have_applied(), "{error:?}");
    assert_eq!(world.changes(), 0);
    assert_sound(&place.open(), 2).await;
}

#[tokio::test]
async fn steps_that_wait_together_share_a_commit_and_fail_alone() {
    let place = Place::new();
    let store = open(&place.path()).unwrap();
    let log = log();
    let other = LogWriter::new(Arc::new(SigningKey::from_seed("example.com/other", &[5; 32]).unwrap()));
    store.request(&log, request("taken", "")).await.unwrap();
    // While somebody else writes, steps gather.
    let raw = place.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let names: Vec<_> = (0..60).map(|number| format!("g-{number}")).collect();
    let good = join_all(names.iter().map(|name| store.request(&log, request(name, ""))));
    let bad = join(store.request(&log, request("taken", "")), store.request(&other, request("stranger", "")));
    let release = async {
        tokio::task::yield_now().await;
        raw.execute_batch("COMMIT").unwrap();
    };
    let ((good, bad), ()) = join(join(good, bad), release).await;
    assert!(good.iter().all(|answer| matches!(answer, Ok(Requested::Written(_)))), "{good:?}");
    assert_eq!(*bad.0.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(*bad.1.unwrap_err().kind(), ErrorKind::Unexpected);
    let heads = store.checkpoints(u32::MAX).await.unwrap().len();
    assert!((2..=3).contains(&heads), "one before, and at most two groups: {heads} commits");
    assert_sound(&store, 61).await;
}

#[tokio::test]
async fn one_step_that_does_not_fit_refuses_no_other() {
    let place = Place::new();
    let store = SqliteOptions::new().max_bytes(512 * 1024).open(place.path()).unwrap();
    let log = log();
    let raw = place.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let names: Vec<_> = (0..20).map(|number| format!("g-{number}")).collect();
    let small = join_all(names.iter().map(|name| store.request(&log, request(name, ""))));
    let large = store.request(&log, request("large", "x".repeat(1 << 20)));
    let release = async {
        tokio::task::yield_now().await;
        raw.execute_batch("COMMIT").unwrap();
    };
    let ((small, large), ()) = join(join(small, large), release).await;
    assert!(small.iter().all(|answer| matches!(answer, Ok(Requested::Written(_)))), "{small:?}");
    assert_unavailable(&large.unwrap_err(), "disk is full");
    assert_sound(&store, 20).await;
}

#[tokio::test]
async fn a_step_that_fails_at_its_end_leaves_nothing() {
    let place = Place::new();
    let store = place.open();
    let grant = || GrantRecord::new("g".into(), 0, GrantState::Spent, now(), String::new(), vec![1]);
    let begin = |lease| BeginChange::new(grant(), "instance", lease, entry(Event::Intent, "g"));
    let error = store.begin_change(&log(), begin(Time::MAX_UTC)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "time".into() }, "{error}");
    assert_eq!(store.grant(&"g".into()).await.unwrap(), None);
    assert_eq!(store.checkpoint().await.unwrap(), None);
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    assert!(matches!(store.begin_change(&log(), begin(now() + century)).await, Ok(Begun::Intent(_))));
    assert_sound(&store, 1).await;
}

#[track_caller]
fn assert_unavailable(error: &Error, part: &str) {
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable() && !error.may_have_applied(), "{error:?}");
    assert!(error.message().contains(part), "expected {part:?} in: {error}");
}

#[tokio::test]
async fn on_a_full_disk_changes_are_refused_and_reads_go_on_and_nothing_is_half_written() {
    let place = Place::new();
    let store = SqliteOptions::new().max_bytes(256 * 1024).open(place.path()).unwrap();
    let world = World::with(allow, |builder| builder.store(store.clone()).keys(keys())).await;
    let mut made = 0;
    let error = loop {
        match change(&world).await {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 1000, "the disk is never full");
    };
    // Full before the intent, or after it, which the outcome's error says.
    if error.may_have_applied() {
        made += 1;
    } else {
        assert_unavailable(&error, "disk is full");
    }
    assert_eq!(world.changes(), made, "a change without an intent was made, or the other way round");
    let intents = world.events().await.iter().filter(|event| **event == Event::Intent).count();
    assert_eq!(intents, made);
    world.assert_log_verifies().await;
    drop((world, store));

    let world = World::with(allow, stored(&place)).await;
    change(&world).await.unwrap();
    world.assert_log_verifies().await;
}

#[tokio::test]
async fn while_another_process_holds_the_file_changes_are_refused_and_reads_go_on() {
    let place = Place::new();
    let store = SqliteOptions::new().busy_timeout(Duration::from_millis(20)).open(place.path()).unwrap();
    let log = log();
    store.request(&log, request("g", "")).await.unwrap();
    let raw = place.raw();
    raw.execute_batch("BEGIN IMMEDIATE; DELETE FROM grants").unwrap();
    assert_unavailable(&store.request(&log, request("late", "")).await.unwrap_err(), "locked");
    assert!(store.grant(&"g".into()).await.unwrap().is_some(), "what is not committed is not seen");
    raw.execute_batch("ROLLBACK").unwrap();
    store.request(&log, request("late", "")).await.unwrap();
    assert_sound(&store, 2).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_moved_away_is_not_written_to() {
    let place = Place::new();
    let store = place.open();
    let log = log();
    store.request(&log, request("g", "")).await.unwrap();
    let away = place.0.path().join("away.db");
    std::fs::rename(place.path(), &away).unwrap();
    assert_unavailable(&store.request(&log, request("lost", "")).await.unwrap_err(), "moved");
    assert!(store.grant(&"g".into()).await.unwrap().is_some(), "reads go on");
    std::fs::rename(&away, place.path()).unwrap();
    store.request(&log, request("late", "")).await.unwrap();
    assert_sound(&store, 2).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_write_ahead_log_that_was_taken_away_is_not_written_to() {
    for suffixes in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let place = Place::new();
        let store = place.open();
        let log = log();
        store.request(&log, request("g", "")).await.unwrap();
        let beside = |suffix: &str| place.0.path().join(format!("opsorch.db{suffix}"));
        for suffix in suffixes {
            std::fs::rename(beside(suffix), place.0.path().join(suffix)).unwrap();
        }
        assert_unavailable(&store.request(&log, request("lost", "")).await.unwrap_err(), "moved");
        assert!(store.grant(&"g".into()).await.unwrap().is_some(), "reads go on");
        for suffix in suffixes {
            std::fs::write(beside(suffix), b"").unwrap();
        }
        assert_unavailable(&store.request(&log, request("lost", "")).await.unwrap_err(), "replaced");
        for suffix in suffixes {
            std::fs::rename(place.0.path().join(suffix), beside(suffix)).unwrap();
        }
        store.request(&log, request("late", "")).await.unwrap();
        assert_sound(&store, 2).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn closing_saves_a_write_ahead_log_that_was_deleted_and_deletes_no_other() {
    for deleted in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let place = Place::new();
        let store = place.open();
        store.request(&log(), request("g", "")).await.unwrap();
        for suffix in deleted {
            std::fs::remove_file(place.0.path().join(format!("opsorch.db{suffix}"))).unwrap();
        }
        drop(store);
        assert_sound(&place.open(), 1).await;
    }
    let place = Place::new();
    let store = place.open();
    store.request(&log(), request("g", "")).await.unwrap();
    let path = place.0.path().join("opsorch.db-wal");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"what another process wrote").unwrap();
    drop(store);
    assert_eq!(std::fs::read(&path).unwrap(), b"what another process wrote");
}

#[tokio::test]
async fn taking_the_write_ahead_log_into_the_file_stops_nobody() {
    let place = Place::new();
    let (store, log) = (place.open(), log());
    for (number, mode) in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"].iter().enumerate() {
        store.request(&log, request(&format!("g-{number}"), "")).await.unwrap();
        place.raw().execute_batch(&format!("PRAGMA wal_checkpoint({mode})")).unwrap();
    }
    drop(place.open());
    store.request(&log, request("late", "")).await.unwrap();
    assert_sound(&store, 5).await;
}

#[tokio::test]
async fn a_damaged_file_is_told_and_what_is_whole_is_read() {
    use std::io::{Seek, SeekFrom, Write};

    let place = Place::new();
    let store = place.open();
    store.request(&log(), request("g", "")).await.unwrap();
    drop(store);
    let page =
        "SELECT (rootpage - 1) * page_size, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'grants'";
    let (start, size) =
        place.raw().query_row(page, [], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?))).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    file.seek(SeekFrom::Start(start.into())).unwrap();
    file.write_all(&vec![0xff; size as usize]).unwrap();
    drop(file);

    let store = place.open();
    for error in
        [store.grant(&"g".into()).await.unwrap_err(), store.request(&log(), request("late", "")).await.unwrap_err()]
    {
        assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
        assert!(error.message().contains("damaged"), "{error}");
    }
    assert_sound(&store, 1).await;
}

/// Who may do everything may also write to a read-only file, so then the test runs once more as nobody.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn of_a_read_only_file_changes_are_refused_and_reads_go_on() {
    use std::fs::{OpenOptions, Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const PATH: &str = "OPSORCH_TEST_READ_ONLY_STORE";
    if let Some(path) = std::env::var_os(PATH) {
        return assert_read_only(Path::new(&path)).await;
    }
    let place = Place::new();
    let store = place.open();
    store.request(&log(), request("g", "")).await.unwrap();
    drop(store);
    set_permissions(place.0.path(), Permissions::from_mode(0o777)).unwrap();
    set_permissions(place.path(), Permissions::from_mode(0o444)).unwrap();
    if OpenOptions::new().write(true).open(place.path()).is_err() {
        return assert_read_only(&place.path()).await;
    }
    let mut nobody = std::process::Command::new("/proc/self/exe");
    nobody.args(["--exact", "store::sqlite::of_a_read_only_file_changes_are_refused_and_reads_go_on"]);
    let output = nobody.env(PATH, place.path()).uid(65_534).gid(65_534).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[cfg(target_os = "linux")]
async fn assert_read_only(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    assert_unavailable(&store.request(&log(), request("late", "")).await.unwrap_err(), "read-only");
    assert!(store.grant(&"g".into()).await.unwrap().is_some());
    assert_eq!(store.entries(0, 10).await.unwrap().len(), 1);
    assert_sound(&store, 1).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_belong_to_their_owner_alone_and_hold_no_key() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    let world = World::with(allow, stored(&place)).await;
    change(&world).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(place.0.path()).unwrap() {
        let path = file.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path:?}");
        let bytes = std::fs::read(&path).unwrap();
        for seed in [[3; 32], [4; 32]] {
            assert!(!bytes.windows(32).any(|window| window == seed), "{path:?} holds a key");
        }
        names.push(path.file_name().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["opsorch.db", "opsorch.db-shm", "opsorch.db-wal"]);
}

#[track_caller]
fn refused(place: &Place) -> Error {
    let before = std::fs::read(place.path()).unwrap();
    let error = SqliteStore::open(place.path()).unwrap_err();
    assert!(std::fs::read(place.path()).unwrap() == before, "the file was written to");
    error
}

#[test]
fn a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.open());
    place.raw().execute_batch("PRAGMA user_version = 7").unwrap();
    let error = refused(&place);
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("schema 7") && error.message().contains("newer version"), "{error}");
}

#[tokio::test]
async fn a_file_that_a_newer_version_migrates_meanwhile_is_not_written_to() {
    let place = Place::new();
    let store = place.open();
    place.raw().execute_batch("PRAGMA user_version = 7").unwrap();
    let error = store.request(&log(), request("g", "")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let place = Place::new();
    for garbage in [&b"hello"[..], &[0x5a; 10_000]] {
        std::fs::write(place.path(), garbage).unwrap();
        let error = refused(&place);
        assert!(error.message().contains("no SQLite database"), "{error}");
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "path".into() });
    }
    for foreign in ["CREATE TABLE theirs (x)", "PRAGMA application_id = 5", "PRAGMA user_version = 1"] {
        std::fs::remove_file(place.path()).unwrap();
        place.raw().execute_batch(foreign).unwrap();
        let error = refused(&place);
        assert!(error.message().contains("another application"), "{foreign}: {error}");
    }
    let nowhere = SqliteStore::open(place.0.path().join("missing/opsorch.db")).unwrap_err();
    assert_eq!(*nowhere.kind(), ErrorKind::Invalid { field: "path".into() }, "{nowhere}");
    assert!(SqliteStore::open(place.0.path()).is_err(), "a directory is no store");
}

#[test]
fn an_empty_file_becomes_a_store() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    drop(place.open());
    drop(place.open());
}

#[test]
fn many_open_a_new_file_at_once() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&place.path()).unwrap());
        }
    });
}

#[tokio::test]
async fn keys_that_lapsed_make_room() {
    let place = Place::new();
    let store = place.open();
    let log = log();
    for number in 0..50 {
        let name = format!("g-{number}");
        let owner = Actor::agent("test").identity;
        let time = now() + Duration::from_secs(number * 100);
        let digest = opsorch::Digest::from_sha256([0; 32]);
        let key = KeyUse::new(&name, owner, digest, name.as_str().into(), time + Duration::from_secs(150));
        let mut step = request(&name, "").key(key);
        step.entry.time = time;
        store.request(&log, step).await.unwrap();
    }
    let kept: i64 = place.raw().query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 2, "of the others each lapsed before a later one came");
}

#[tokio::test]
async fn dropping_the_store_closes_the_file() {
    let place = Place::new();
    let store = place.open();
    store.request(&log(), request("g", "")).await.unwrap();
    store.grant(&"g".into()).await.unwrap();
    drop(store);
    let files: Vec<_> = std::fs::read_dir(place.0.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["opsorch.db"], "the last connection takes the write-ahead log in");
}

#[test]
fn a_store_is_read_within_a_runtime() {
    let place = Place::new();
    let store = place.open();
    let error = futures_util::FutureExt::now_or_never(store.checkpoint()).unwrap().unwrap_err();
    assert!(error.message().contains("tokio runtime"), "{error}");
}
