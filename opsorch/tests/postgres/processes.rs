//! Eight processes on one database: they race for grants, and die at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsorch::audit::verify;
use opsorch::capability::TicketWriter;
use opsorch::gate::{Approved, Decision};
use opsorch::{
    Action, Actor, Clock, Context, CreateTicket, Event, GrantId, ManualClock, OpsOrch, OutcomeStatus, Provider, Quorum,
    Result, Submitted, SystemClock, Target, Ticket, UpdateTicket, async_trait,
};

use crate::place::{Place, keys};

/// How many processes there are, and how many tasks of each redeem one grant: 64 racers.
const PROCESSES: usize = 8;
const RACERS: usize = 8;

/// Where a child finds what it shares with the others.
const FOLDER: &str = "OPSORCH_TEST_FOLDER";
const SCHEMA: &str = "OPSORCH_TEST_SCHEMA";

/// How long they are killed, in seconds: 15 unless this says otherwise.
const SECONDS: &str = "OPSORCH_TEST_SECONDS";

/// A vendor that lives in a file: each request appends the key of the change, durably, before it is answered.
#[derive(Debug)]
struct FileVendor(PathBuf);

#[async_trait]
impl TicketWriter for FileVendor {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        append(&self.0, input.idempotency_key());
        Ok(Ticket::new(input.idempotency_key(), &input.title, "todo"))
    }

    async fn update(&self, _: &Context, _: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        unreachable!("nobody updates here")
    }
}

/// Appends a line in one write, durably.
fn append(path: &Path, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
    file.sync_all().unwrap();
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

async fn plane(folder: &Path, place: &Place, clock: impl Clock) -> OpsOrch {
    OpsOrch::builder()
        .provider(Provider::new("files").with_ticket_writer(Arc::new(FileVendor(folder.join("requests")))))
        .policy(|_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test"))
        .store(place.open().await)
        .keys(keys())
        .clock(clock)
        .without_layers()
        .build()
        .await
        .unwrap()
}

fn agent() -> Context {
    Context::new(Actor::agent("triage"))
}

/// Not a test: what each of the processes does until it is killed. It asks for a change, has it approved and tells the
/// others; then it races them for the changes that all of them have told of lately.
#[ignore = "a process of `processes_that_race_and_die_do_nothing_twice`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(folder), Ok(schema)) = (std::env::var(FOLDER), std::env::var(SCHEMA)) else { return };
    let (folder, place) = (PathBuf::from(folder), Place { schema });
    let ops = plane(&folder, &place, SystemClock).await;
    let mut raced = BTreeSet::new();
    loop {
        let Ok(Submitted::Pending(asked)) = ops.tickets(&agent()).create(CreateTicket::new("disk full")).await else {
            panic!("it was not asked")
        };
        let alice = Context::new(Actor::user("alice").role("sre"));
        ops.approvals(&alice).approve(&asked.id, &asked.digest).await.unwrap();
        append(&folder.join("grants"), asked.id.as_str());
        let told = lines(&folder.join("grants"));
        let latest = told.iter().rev().take(2 * PROCESSES).filter(|grant| raced.insert((*grant).clone()));
        let racers: Vec<_> = latest
            .flat_map(|grant| std::iter::repeat_n(GrantId::new(grant.as_str()), RACERS))
            .map(|grant| {
                let ops = ops.clone();
                tokio::spawn(async move { ops.approvals(&agent()).redeem(&grant).await.is_ok() })
            })
            .collect();
        for racer in racers {
            racer.await.unwrap();
        }
    }
}

fn start(folder: &Path, place: &Place) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--ignored"]).env(FOLDER, folder).env(SCHEMA, &place.schema);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_race_and_die_do_nothing_twice() {
    let seconds = std::env::var(SECONDS).map_or(15, |seconds| seconds.parse().unwrap());
    let (folder, place) = (tempfile::tempdir().unwrap(), Place::new());
    let before = plane(folder.path(), &place, SystemClock).await;
    let checkpoints = race_and_kill(folder.path(), &place, &before, Duration::from_secs(seconds)).await;

    let later = ManualClock::new(SystemClock.now() + Duration::from_secs(3600));
    let after = plane(folder.path(), &place, later).await;
    check(&after, &lines(&folder.path().join("requests"))).await;
    let bundle = after.audit().bundle().await.unwrap();
    let report = verify(&bundle, after.audit().verifier_keys(), &checkpoints);
    assert!(report.is_intact(), "{report}");
    println!("  {} entries, consistent with {} earlier checkpoints", report.entries, checkpoints.len());
}

/// Kills one process after another, and returns the checkpoints that were seen meanwhile.
async fn race_and_kill(folder: &Path, place: &Place, ops: &OpsOrch, time: Duration) -> Vec<String> {
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| start(folder, place)).collect();
    let (begun, mut kills, mut checkpoints) = (Instant::now(), 0, Vec::new());
    while begun.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(20 + u64::from(random() % 300))).await;
        let victim = usize::from(random()) % PROCESSES;
        assert!(children[victim].try_wait().unwrap().is_none(), "a process ended by itself");
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        children[victim] = start(folder, place);
        kills += 1;
        checkpoints.extend(ops.audit().checkpoint().await.unwrap());
    }
    for child in &mut children {
        assert!(child.try_wait().unwrap().is_none(), "a process ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("  {kills} times one of {PROCESSES} processes was killed within {time:?}");
    checkpoints.dedup();
    checkpoints
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).unwrap();
    u16::from_le_bytes(bytes)
}

/// Nothing ran twice, every effect has one intent, and every intent one outcome.
async fn check(ops: &OpsOrch, requests: &[String]) {
    let entries = ops.audit().entries(0, 10_000_000).await.unwrap();
    let mut intents = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.event == Event::Intent) {
        *intents.entry(entry.grant.clone().unwrap()).or_insert(0) += 1;
    }
    assert!(intents.values().all(|number| *number == 1), "a grant has one intent");
    let unique: BTreeSet<_> = requests.iter().collect();
    assert_eq!(unique.len(), requests.len(), "nothing ran twice");
    for request in requests {
        let grant = GrantId::new(request.strip_suffix("-1").unwrap());
        assert!(intents.contains_key(&grant), "{request} had an intent");
    }
    let outcomes = |status| {
        let is_it = |entry: &&opsorch::Entry| {
            entry.event == Event::Outcome && entry.outcome.as_ref().is_some_and(|outcome| outcome.status == status)
        };
        entries.iter().filter(is_it).count()
    };
    let (applied, unknown) = (outcomes(OutcomeStatus::Applied), outcomes(OutcomeStatus::Unknown));
    assert_eq!(applied + unknown, intents.len(), "every intent has one outcome");
    assert!(applied > 0 && requests.len() >= applied, "{applied} applied, {} requests", requests.len());
    println!("  {} intents: {applied} applied, {unknown} unknown; {} requests", intents.len(), requests.len());
}
