//! What only a database can do.

use std::time::Duration;

use futures_util::future::{join, join_all};
use opsorch::audit::{LogWriter, SigningKey};
use opsorch::secret::{Secret, StaticSecrets};
use opsorch::store::*;
use opsorch::{Config, Context, ErrorKind, Event, GrantState, OpsOrch, Submission, Submitted, Time};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::place::*;
use crate::support::{World, agent, allow, one_sre, sre, ticket};

/// Longer than any test runs.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn everything_survives_a_restart_and_the_log_goes_on() {
    let place = Place::new();
    let world = World::with(one_sre(), stored(&place).await).await;
    let cx = Context::new(agent());
    let submission = || Submission::from(opsorch::Action::TicketCreate(ticket())).idempotency_key("once");
    let Submitted::Pending(request) = world.ops.submit(&cx, submission()).await.unwrap() else { panic!("it is asked") };
    world.approve(&request, &sre("alice")).await.unwrap();
    drop(world);

    let world = World::with(one_sre(), stored(&place).await).await;
    let done = world.redeem(&request, &agent()).await.unwrap();
    assert_eq!(world.changes(), 1);
    drop(world);

    let world = World::with(one_sre(), stored(&place).await).await;
    let Submitted::Done(again) = world.ops.submit(&cx, submission()).await.unwrap() else { panic!("the key is known") };
    assert_eq!((again, world.changes()), (done, 0));
    assert_eq!(world.events().await, [Event::Requested, Event::Approved, Event::Intent, Event::Outcome]);
    world.assert_log_verifies().await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn steps_that_wait_together_share_a_commit_and_fail_alone() {
    let place = Place::new();
    let (store, log) = (place.open().await, log());
    let other = LogWriter::new(std::sync::Arc::new(SigningKey::from_seed("example.com/other", &[5; 32]).unwrap()));
    store.request(&log, request("taken", "")).await.unwrap();
    // While somebody else writes, steps gather.
    let raw = place.raw().await;
    raw.batch_execute("BEGIN; SELECT FROM tree FOR UPDATE").await.unwrap();
    let names: Vec<_> = (0..60).map(|number| format!("g-{number}")).collect();
    let good = join_all(names.iter().map(|name| store.request(&log, request(name, ""))));
    let bad = join(store.request(&log, request("taken", "")), store.request(&other, request("stranger", "")));
    let release = async {
        tokio::task::yield_now().await;
        raw.batch_execute("COMMIT").await.unwrap();
    };
    let ((good, bad), ()) = join(join(good, bad), release).await;
    assert!(good.iter().all(|answer| matches!(answer, Ok(Requested::Written(_)))), "{good:?}");
    assert_eq!(*bad.0.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(*bad.1.unwrap_err().kind(), ErrorKind::Unexpected);
    let heads = store.checkpoints(u32::MAX).await.unwrap().len();
    assert!((2..=4).contains(&heads), "one before, and at most three groups: {heads} commits");
    assert_sound(&store, 61).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn one_step_that_cannot_be_written_refuses_no_other() {
    let place = Place::new();
    let (store, log) = (place.open().await, log());
    let raw = place.raw().await;
    raw.batch_execute("BEGIN; SELECT FROM tree FOR UPDATE").await.unwrap();
    let names: Vec<_> = (0..20).map(|number| format!("g-{number}")).collect();
    let good = join_all(names.iter().map(|name| store.request(&log, request(name, ""))));
    let bad = store.request(&log, request("bad", "a NUL \0 in it"));
    let release = async {
        tokio::task::yield_now().await;
        raw.batch_execute("COMMIT").await.unwrap();
    };
    let ((good, bad), ()) = join(join(good, bad), release).await;
    assert!(good.iter().all(|answer| matches!(answer, Ok(Requested::Written(_)))), "{good:?}");
    let error = bad.unwrap_err();
    assert!(*error.kind() == ErrorKind::Invalid { field: "text".into() } && !error.may_have_applied(), "{error:?}");
    assert_sound(&store, 20).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_step_that_fails_at_its_end_leaves_nothing() {
    let place = Place::new();
    let store = place.open().await;
    let grant = || GrantRecord::new("g".into(), 0, GrantState::Spent, now(), String::new(), vec![1]);
    let begin = |lease| BeginChange::new(grant(), "instance", lease, entry(Event::Intent, "g"));
    let error = store.begin_change(&log(), begin(Time::MAX_UTC)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "time".into() }, "{error}");
    assert_eq!(store.grant(&"g".into()).await.unwrap(), None);
    assert_eq!(store.checkpoint().await.unwrap(), None);
    assert!(matches!(store.begin_change(&log(), begin(now() + CENTURY)).await, Ok(Begun::Intent(_))));
    assert_sound(&store, 1).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn while_another_process_holds_the_log_changes_are_refused_and_reads_go_on() {
    let place = Place::new();
    let store = place.options().timeout(Duration::from_millis(200)).open(&Secret::new(url())).await.unwrap();
    let log = log();
    store.request(&log, request("g", "")).await.unwrap();
    let raw = place.raw().await;
    raw.batch_execute("BEGIN; SELECT FROM tree FOR UPDATE; DELETE FROM grants").await.unwrap();
    assert_unavailable(&store.request(&log, request("late", "")).await.unwrap_err(), "locked");
    assert!(store.grant(&"g".into()).await.unwrap().is_some(), "what is not committed is not seen");
    raw.batch_execute("ROLLBACK").await.unwrap();
    store.request(&log, request("late", "")).await.unwrap();
    assert_sound(&place.open().await, 2).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn after_every_connection_was_ended_steps_and_reads_go_on() {
    let place = Place::new();
    let (store, log) = (place.open().await, log());
    for number in 0..5 {
        store.request(&log, request(&format!("g-{number}"), "")).await.unwrap();
        assert!(store.grant(&"g-0".into()).await.unwrap().is_some());
        place.disconnect().await;
    }
    let raw = place.raw().await;
    raw.batch_execute("BEGIN; SELECT FROM tree FOR UPDATE").await.unwrap();
    let cut = async {
        // Until it waits for the lock.
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        while raw.query_one(sql, &[&place.schema]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
            // Its view of the sessions is renewed by this.
            raw.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        }
        place.disconnect().await;
        raw.batch_execute("COMMIT").await.unwrap();
    };
    let (written, ()) = join(store.request(&log, request("cut", "")), cut).await;
    assert!(matches!(written, Ok(Requested::Written(_))), "{written:?}");
    assert_sound(&store, 6).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn keys_that_lapsed_make_room() {
    let place = Place::new();
    let (store, log) = (place.open().await, log());
    for number in 0..50 {
        let name = format!("g-{number}");
        let time = now() + Duration::from_secs(number * 100);
        let digest = opsorch::Digest::from_sha256([0; 32]);
        let key = KeyUse::new(&name, agent().identity, digest, name.as_str().into(), time + Duration::from_secs(150));
        let mut step = request(&name, "").key(key);
        step.entry.time = time;
        store.request(&log, step).await.unwrap();
    }
    let kept: i64 = place.raw().await.query_one("SELECT count(*) FROM keys", &[]).await.unwrap().get(0);
    assert_eq!(kept, 2, "of the others each lapsed before a later one came");
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_newer_or_another_schema_is_refused() {
    let place = Place::new();
    let store = place.open().await;
    place.run("UPDATE tree SET schema = 7; INSERT INTO migrations (version, sha256) VALUES (2, '')").await;
    let error = store.request(&log(), request("g", "")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "migrated meanwhile: {error}");
    let error = place.try_open().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains("schema 2") && error.message().contains("newer version"), "{error}");

    place.run("DELETE FROM migrations WHERE version = 2; UPDATE migrations SET sha256 = ''").await;
    let error = place.try_open().await.unwrap_err();
    assert!(error.message().contains("migration 1"), "{error}");

    let place = Place::new();
    place.run(&format!("CREATE SCHEMA {0}; CREATE TABLE {0}.theirs (x int)", place.schema)).await;
    let error = place.try_open().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "schema".into() }, "{error}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    assert_eq!(place.raw().await.query_one(tables, &[&place.schema]).await.unwrap().get::<_, i64>(0), 1);
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn many_open_a_new_schema_at_once() {
    let place = Place::new();
    for opened in join_all((0..8).map(|_| place.try_open())).await {
        opened.unwrap();
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn what_cannot_be_connected_to_is_told_without_the_password() {
    let good = tcp_url();
    let password = good.split(['/', ':', '@']).nth(4).unwrap();
    let wrong = good.replace(password, "hunter2");
    let cases = [
        (wrong.clone(), ErrorKind::Unauthenticated),
        (good.replace("/postgres?", "/nowhere?"), ErrorKind::Invalid { field: "url".into() }),
        (format!("{wrong}&hunter2=hunter2"), ErrorKind::Invalid { field: "url".into() }),
        (format!("{} sslmode=require", url()), ErrorKind::Invalid { field: "url".into() }),
        ("postgres://opsorch:hunter2@127.0.0.1:1/x?sslmode=disable".into(), ErrorKind::Unavailable),
        ("hunter2".into(), ErrorKind::Invalid { field: "url".into() }),
    ];
    for (url, kind) in cases {
        let error = PostgresStore::open(&Secret::new(url)).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
        let printed = format!("{error} {error:?} {error:#?}");
        assert!(!printed.contains("hunter2") && !printed.contains(password), "{printed}");
    }
    let store = Place::new().options().open(&Secret::new(&good)).await.unwrap();
    assert!(!format!("{store:?} {store:#?}").contains(password));
    for schema in ["", "Upper", "1st", "pg_mine", "a; DROP SCHEMA public", &"x".repeat(64)] {
        let error = PostgresOptions::new().schema(schema).open(&Secret::new(&good)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "schema".into() }, "{error}");
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn an_encrypted_connection_needs_a_certificate_that_is_good_for_the_host() {
    let pem = std::fs::read(std::env::var("DATABASE_CERTIFICATE").unwrap()).unwrap();
    let encrypted = tcp_url().replace("sslmode=disable", "sslmode=require");
    for url in [encrypted.clone(), tcp_url().replace("sslmode=disable", "sslmode=prefer")] {
        let error = PostgresStore::open(&Secret::new(url)).await.unwrap_err();
        assert_unavailable(&error.not_applied(), "cannot be reached");
    }
    let elsewhere = encrypted.replace("@127.0.0.1:", "@localhost:");
    let error = PostgresOptions::new().authorities(pem.clone()).open(&Secret::new(elsewhere)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");

    let place = Place::new();
    let named = format!("{encrypted}&application_name={}", place.schema);
    let store = place.options().authorities(pem).open(&Secret::new(named)).await.unwrap();
    store.request(&log(), request("g", "")).await.unwrap();
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1";
    let is_encrypted: Option<bool> = place.raw().await.query_one(sql, &[&place.schema]).await.unwrap().get(0);
    assert_eq!(is_encrypted, Some(true), "its sessions are");
    assert_sound(&place.open().await, 1).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn who_requires_encryption_says_nothing_to_a_server_without_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"N").await.unwrap();
        stream.read(&mut asked).await.unwrap()
    };
    let url = Secret::new(format!("postgres://opsorch:hunter2@127.0.0.1:{port}/x?sslmode=require"));
    let (opened, said) = join(PostgresStore::open(&url), server).await;
    assert_eq!(*opened.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(said, 0, "it hangs up");
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_configuration_opens_it_with_keys_that_processes_share() {
    let config = || Config::parse("[store]\nkind = 'postgres'\nurl = 'env:DATABASE'").unwrap();
    let secrets = || StaticSecrets::new([("DATABASE", tcp_url())]);
    let builder = || OpsOrch::builder().config(config()).secrets(secrets());
    let error = builder().build().await.unwrap_err();
    assert!(error.message().contains("Builder::keys"), "{error}");
    builder().keys(keys()).build().await.unwrap();
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn who_listens_is_told_of_commits_by_any_process() {
    let place = Place::new();
    let (store, other) = (place.open().await, place.open().await);
    let mut commits = store.listen().await.unwrap();
    place.run(&format!("NOTIFY {}, 'from somebody else'", place.schema)).await;
    other.request(&log(), request("g-0", "")).await.unwrap();
    assert_eq!(commits.next().await.unwrap(), 1);
    store.request(&log(), request("g-1", "")).await.unwrap();
    assert_eq!(commits.next().await.unwrap(), 2);
    place.disconnect().await;
    assert_eq!(*commits.next().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn with_other_keys_nothing_is_changed() {
    let place = Place::new();
    let world = World::with(allow, stored(&place).await).await;
    let made = world.ops.tickets(&Context::new(agent())).create(ticket()).await.unwrap();
    assert!(matches!(made, Submitted::Done(_)), "nobody is asked: {made:?}");
    let (store, other) = (place.open().await, opsorch::gate::GateKeys::generate("example.com/ops").unwrap());
    let stranger = World::with(allow, |builder| builder.store(store).keys(other)).await;
    let error = stranger.ops.tickets(&Context::new(agent())).create(ticket()).await.unwrap_err();
    assert!(!error.may_have_applied(), "{error:?}");
    assert_eq!(stranger.changes(), 0);
    assert_sound(&place.open().await, 2).await;
}
