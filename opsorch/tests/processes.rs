//! Real processes on one store: races, death at every step of a change, and death at any moment.
//!
//! This program is the test and, called with `child`, the process that it starts and kills. It has no harness, so that
//! a child is nothing but a child.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::audit::verify;
use opsorch::capability::TicketWriter;
use opsorch::gate::{Approved, Decision, GateKeys, GateSettings};
use opsorch::store::SqliteStore;
use opsorch::{
    Action, Actor, Clock, Context, CreateTicket, Digest, Event, GrantId, ManualClock, OpsOrch, OutcomeStatus, Provider,
    Quorum, Result, Submitted, SystemClock, Target, Ticket, UpdateTicket,
};

/// How often a process is killed.
const ROUNDS: u32 = 200;

/// Of ten rounds so many kill from outside at any moment, so that death falls inside commits too; the others kill at a
/// random step.
const MOMENTS_OF_TEN: u32 = 3;

/// How long a process may live, in microseconds, after it said that it is ready.
const LONGEST_LIFE: u16 = 30_000;

/// The steps of a change after which a process can die.
const STEPS: [&str; 6] = ["request", "answer", "intent", "reply", "outcome", "never"];

/// A vendor that lives in a file: each request appends the key of the change, durably, before it is answered.
#[derive(Debug)]
struct FileVendor {
    requests: PathBuf,
    die_after: String,
}

#[async_trait]
impl TicketWriter for FileVendor {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        die_if(&self.die_after, "intent");
        let mut file = OpenOptions::new().create(true).append(true).open(&self.requests).unwrap();
        file.write_all(format!("{}\n", input.idempotency_key()).as_bytes()).unwrap();
        file.sync_all().unwrap();
        die_if(&self.die_after, "reply");
        Ok(Ticket::new(input.idempotency_key(), &input.title, "todo"))
    }

    async fn update(&self, _: &Context, _: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        unreachable!("nobody updates here")
    }
}

/// SIGKILL, as the kernel or an operator sends it.
fn die_if(step: &str, here: &str) {
    if step == here {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// What the processes share: a store, keys and a vendor, in one folder.
struct Shared<'a>(&'a Path);

impl Shared<'_> {
    async fn plane(&self, die_after: &str, clock: impl Clock) -> OpsOrch {
        let vendor = FileVendor { requests: self.0.join("requests"), die_after: die_after.to_owned() };
        let mut settings = GateSettings::default();
        settings.lease = Duration::from_secs(60);
        OpsOrch::builder()
            .provider(Provider::new("files").with_ticket_writer(Arc::new(vendor)))
            .policy(|_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test"))
            .store(SqliteStore::open(self.0.join("opsorch.db")).unwrap())
            .keys(GateKeys::open(self.0.join("keys"), "example.com/processes").unwrap())
            .settings(settings)
            .clock(clock)
            .without_layers()
            .build()
            .await
            .unwrap()
    }

    fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join("requests")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn child(&self, what: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("child").arg(self.0).args(what).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

fn agent() -> Context {
    Context::new(Actor::agent("triage"))
}

async fn ask(ops: &OpsOrch) -> (GrantId, Digest) {
    match ops.tickets(&agent()).create(CreateTicket::new("disk full")).await.unwrap() {
        Submitted::Pending(request) => (request.id, request.digest),
        Submitted::Done(_) => panic!("nobody was asked"),
    }
}

async fn approve(ops: &OpsOrch, (id, digest): &(GrantId, Digest)) {
    ops.approvals(&Context::new(Actor::user("alice").role("sre"))).approve(id, digest).await.unwrap();
}

/// The child: one whole change that dies after a step, one change after another until somebody kills it, or many
/// redemptions of one grant.
async fn child(folder: &Path, arguments: &[String]) {
    let shared = Shared(folder);
    if let [race, grant] = arguments
        && race == "race"
    {
        let ops = shared.plane("never", SystemClock).await;
        let racers = (0..64).map(|_| {
            let (ops, id) = (ops.clone(), GrantId::new(grant));
            tokio::spawn(async move { ops.approvals(&agent()).redeem(&id).await.is_ok() })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        return;
    }
    let step = arguments.first().unwrap();
    let ops = shared.plane(step, SystemClock).await;
    if step == "moment" {
        println!("ready");
        // Far more than it lives to make; an end all the same, should nobody be left to kill it.
        for _ in 0..1000 {
            change(&ops, step).await;
        }
        return;
    }
    change(&ops, step).await;
}

/// One whole change.
async fn change(ops: &OpsOrch, step: &str) {
    let grant = ask(ops).await;
    die_if(step, "request");
    approve(ops, &grant).await;
    die_if(step, "answer");
    ops.approvals(&agent()).redeem(&grant.0).await.unwrap();
    die_if(step, "outcome");
}

/// 64 tasks in each of two processes redeem one grant.
async fn race() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared(folder.path());
        let ops = shared.plane("never", SystemClock).await;
        let grant = ask(&ops).await;
        approve(&ops, &grant).await;
        let children = [(); 2].map(|()| shared.child(&["race", grant.0.as_str()]).spawn().unwrap());
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(shared.requests().len(), 1, "exactly one change reached the provider");
        assert_verifies(&ops).await;
    }
}

/// A process that starts while another makes a change does not call it unknown, until its lease has lapsed.
async fn kill_at_random_steps_and_moments() {
    let folder = tempfile::tempdir().unwrap();
    let shared = Shared(folder.path());
    let mut died = BTreeSet::new();
    for round in 0..ROUNDS {
        if round % 10 < MOMENTS_OF_TEN {
            kill_at_a_moment(&shared, random() % LONGEST_LIFE);
            continue;
        }
        let step = STEPS[usize::from(random()) % STEPS.len()];
        let status = shared.child(&[step]).status().unwrap();
        assert_eq!(status.success(), step == "never", "round {round}: {status} after {step}");
        died.insert(step);
    }
    assert_eq!(died.len(), STEPS.len(), "every step was met: {died:?}");

    let before = shared.plane("never", SystemClock).await;
    assert_eq!(before.recovered(), [], "leases still hold");
    let later = ManualClock::new(SystemClock.now() + Duration::from_secs(61));
    let after = shared.plane("never", later).await;
    check(&after, &shared.requests()).await;
    assert_verifies(&after).await;
}

/// Kills a process that makes changes, so many microseconds after it is ready.
fn kill_at_a_moment(shared: &Shared<'_>, microseconds: u16) {
    let mut child = shared.child(&["moment"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    std::thread::sleep(Duration::from_micros(microseconds.into()));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it was alive until then");
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).unwrap();
    u16::from_le_bytes(bytes)
}

/// Nothing ran twice, every effect has an intent, and every uncertain effect is unknown.
async fn check(ops: &OpsOrch, requests: &[String]) {
    let entries = ops.audit().entries(0, 100_000).await.unwrap();
    let intents: BTreeSet<_> =
        entries.iter().filter(|entry| entry.event == Event::Intent).map(|entry| &entry.grant).collect();
    let unique: BTreeSet<_> = requests.iter().collect();
    assert_eq!(unique.len(), requests.len(), "nothing ran twice");
    for request in requests {
        let grant = GrantId::new(request.strip_suffix("-1").unwrap());
        assert!(intents.contains(&Some(grant)), "{request} had an intent");
    }
    let outcomes = |status| {
        let is_it =
            move |entry: &&opsorch::Entry| entry.outcome.as_ref().is_some_and(|outcome| outcome.status == status);
        entries.iter().filter(is_it).count()
    };
    let (applied, unknown) = (outcomes(OutcomeStatus::Applied), outcomes(OutcomeStatus::Unknown));
    assert_eq!(applied + unknown, intents.len(), "every intent has an outcome");
    assert_eq!(unknown, ops.recovered().len());
    assert!(unknown > 0 && applied > 0 && requests.len() >= applied);
    println!("  {} intents: {applied} applied, {unknown} unknown; {} requests", intents.len(), requests.len());

    // What was not begun can still be redeemed by whoever comes later; what was begun cannot.
    for entry in entries.iter().filter(|entry| entry.event == Event::Approved && !intents.contains(&entry.grant)) {
        let again = ops.approvals(&agent()).redeem(entry.grant.as_ref().unwrap()).await;
        assert!(again.is_ok(), "an approved change survives its process: {again:?}");
    }
    for grant in intents.into_iter().flatten() {
        let _ = ops.approvals(&agent()).redeem(grant).await;
    }
}

async fn assert_verifies(ops: &OpsOrch) {
    let bundle = ops.audit().bundle().await.unwrap();
    let report = verify(&bundle, ops.audit().verifier_keys(), &[]);
    assert!(report.is_intact(), "{report}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(("child", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return runtime.block_on(child(Path::new(&rest[0]), &rest[1..]));
    }
    runtime.block_on(race());
    println!("test two processes with 64 redeemers each make one change ... ok");
    runtime.block_on(kill_at_random_steps_and_moments());
    println!("test {ROUNDS} processes killed at random steps and moments leave nothing done twice ... ok");
    println!("\n2 passed, 0 failed");
}
