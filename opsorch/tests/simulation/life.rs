//! One history, from its seed to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use opsorch::gate::GateKeys;
use opsorch::layer::{BreakerLayer, ConcurrencyLayer, MetricsLayer, RetryLayer, TimeoutLayer, TraceLayer};
use opsorch::*;
use tokio::time::Instant;

use super::layers::{AtOnce, Twice, game_day, jitter, seed_jitter};
use super::process::{HistoryClock, Plane, Process};
use super::rng::Rng;
use super::script::{Act, LayerKind, Mood, Setting, Step, action, actors, setting, steps};
use super::store::{ProcessStore, Shared};
use super::vendor::Vendor;

/// A history while it happens. Clones are the same.
#[derive(Clone)]
pub(crate) struct Life(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) setting: Setting,
    pub(crate) vendors: Vec<Vendor>,
    pub(crate) store: Shared,
    clock: HistoryClock,
    keys: GateKeys,
    mood: Arc<Mutex<Mood>>,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    planes: Vec<Plane>,
    starts: usize,
    submissions: usize,
    requests: Vec<ApprovalRequest>,
    told: Vec<Told>,
    /// The calls that have not been answered, by number, with the process that was asked.
    waiting: BTreeMap<usize, (String, Process)>,
    trace: Vec<String>,
    names: BTreeMap<GrantId, usize>,
}

/// What somebody was told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Of a submission: what for, at which vendor, by whom, under which key.
    Submitted {
        digest: Digest,
        actor: usize,
        key: Option<u8>,
        answer: Answer,
    },
    Redeemed {
        digest: Digest,
        answer: Answer,
    },
    Answered {
        grant: GrantId,
        actor: usize,
        event: Event,
    },
    Added(Entry),
}

#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Answer {
    Made(Response),
    Waits(GrantId),
    /// Certainly not made.
    NotMade(ErrorKind),
    Unclear,
}

impl Answer {
    fn of(result: &Result<Submitted<Response>>) -> Self {
        match result {
            Ok(Submitted::Done(response)) => Self::Made(response.clone()),
            Ok(Submitted::Pending(request)) => Self::Waits(request.id.clone()),
            Err(error) if error.may_have_applied() => Self::Unclear,
            Err(error) => Self::NotMade(error.kind().clone()),
        }
    }
}

impl Life {
    /// The whole history of a seed.
    pub(crate) async fn live(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let setting = setting(&mut rng);
        let steps = steps(&mut rng, &setting);
        seed_jitter(rng.fork());
        let store = Shared::new(rng.fork(), setting.trouble.1);
        let named = setting.vendors.iter().zip(["north", "south"]);
        let vendors =
            named.map(|(keys, name)| Vendor::new(name, *keys, setting.trouble.0, rng.fork(), store.clone())).collect();
        let life = Self(Arc::new(Inner {
            setting,
            vendors,
            store,
            clock: HistoryClock::new(ManualClock::default().now()),
            keys: GateKeys::generate("example.com/histories").unwrap(),
            mood: Arc::new(Mutex::new(Mood::Usual)),
            started: Instant::now(),
            state: Mutex::default(),
        }));
        life.say(format!("{:?}", life.0.setting));
        for place in 0..life.0.setting.processes {
            life.start(place).await;
        }
        for step in steps {
            tokio::time::sleep(step.after).await;
            life.step(step).await;
        }
        life.end().await;
        life
    }

    pub(crate) fn world(&self) -> &Inner {
        &self.0
    }

    /// Starts a process in this place; the one that was there is killed.
    async fn start(&self, place: usize) {
        let number = {
            let mut state = self.state();
            state.planes.iter().skip(place).take(1).for_each(|plane| plane.process.kill());
            state.starts += 1;
            state.starts
        };
        let process = Process::new(format!("process {number}"));
        self.say(format!("{} starts", process.name()));
        let plane = Plane { ops: self.control_plane(&process).await, process };
        for entry in plane.ops.recovered() {
            self.tell(Told::Added(entry.clone()));
        }
        plane.process.be_calm(false);
        let mut state = self.state();
        match state.planes.get_mut(place) {
            Some(old) => *old = plane,
            None => state.planes.push(plane),
        }
    }

    async fn control_plane(&self, process: &Process) -> OpsOrch {
        let inner = &*self.0;
        let mood = Arc::clone(&inner.mood);
        let policy = move |cx: &Context, _: &Target, action: &Action| mood.lock().unwrap().decide(cx.actor(), action);
        let store = ProcessStore { shared: inner.store.clone(), process: process.clone() };
        let mut builder = OpsOrch::builder().policy(policy).clock(inner.clock.clone()).store(store);
        builder = builder.keys(inner.keys.clone()).settings(inner.setting.settings.clone()).without_layers();
        let mut at_once = usize::MAX;
        for kind in &inner.setting.layers {
            builder = match kind {
                LayerKind::Trace => builder.layer(TraceLayer),
                LayerKind::Metrics => builder.layer(MetricsLayer::new()),
                LayerKind::Retry(attempts) => builder.layer(RetryLayer::new(*attempts).jitter(jitter)),
                LayerKind::Timeout(limit) => builder.layer(TimeoutLayer::new(*limit)),
                LayerKind::Breaker => builder.layer(BreakerLayer::default()),
                LayerKind::Fault(seed) => builder.layer(game_day(*seed)),
                LayerKind::Concurrency(limit) => {
                    at_once = *limit;
                    builder.layer(ConcurrencyLayer::new(*limit))
                }
                LayerKind::Twice => builder.layer(Twice),
                LayerKind::AtOnce => builder.layer(AtOnce),
            };
        }
        for vendor in &inner.vendors {
            builder = builder.provider(vendor.provider(process, at_once));
        }
        builder.build().await.expect("a calm process starts")
    }

    async fn step(&self, step: Step) {
        let plane = self.state().planes[step.process].clone();
        match step.act {
            Act::Policy(mood) => {
                self.say(format!("policy: {mood:?}"));
                *self.0.mood.lock().unwrap() = mood;
            }
            Act::Jump(by) => {
                self.say(format!("the clock jumps by {by:?}"));
                self.0.clock.jump(by);
            }
            Act::Lapse => {
                self.0.clock.jump(self.0.setting.settings.lease + Duration::from_secs(1));
                self.call(&plane, Step { act: Act::Recover, ..step });
            }
            Act::Crash => {
                self.say(format!("{} dies", plane.process.name()));
                plane.process.kill();
            }
            Act::Restart => self.start(step.process).await,
            Act::Redeem { times, .. } => (0..times).for_each(|_| self.call(&plane, step.clone())),
            _ => self.call(&plane, step),
        }
    }

    /// Asks a process for something, and does not wait for it.
    fn call(&self, plane: &Plane, step: Step) {
        if plane.process.is_dead() {
            return;
        }
        let number = {
            let mut state = self.state();
            state.submissions += 1;
            let number = state.submissions;
            state.waiting.insert(number, (format!("{:?}", step.act), plane.process.clone()));
            number
        };
        self.say(format!("#{number} {}: {:?} by {}", plane.process.name(), step.act, step.actor));
        let (life, plane) = (self.clone(), plane.clone());
        tokio::spawn(async move {
            let what = life.act(&plane, number, &step).await;
            if !plane.process.is_dead() {
                life.say(format!("#{number}: {what}"));
                life.state().waiting.remove(&number);
            }
        });
    }

    async fn act(&self, plane: &Plane, number: usize, step: &Step) -> String {
        let cx = Context::new(actors()[step.actor].clone()).request_id(&number.to_string());
        let approvals = plane.ops.approvals(&cx);
        let answered = |event, grant: GrantId, result: Result<ApprovalRequest>| match result {
            Ok(request) => {
                self.tell(Told::Answered { grant, actor: step.actor, event });
                request.state.to_string()
            }
            Err(error) => error.kind().code().to_owned(),
        };
        match step.act {
            Act::Submit { vendor, comment, key, patience } => {
                let submission = self.submission(number, vendor, comment, key);
                let digest = self.0.vendors[vendor].digest(&submission.action);
                let Some(result) = within(patience, plane.ops.submit(&cx, submission)).await else {
                    return "left".into();
                };
                plane.process.live().await;
                if let Ok(Submitted::Pending(request)) = &result {
                    self.state().requests.push(request.clone());
                }
                let answer = Answer::of(&result);
                self.tell(Told::Submitted { digest, actor: step.actor, key, answer });
                self.told(&result)
            }
            Act::Redeem { grant, by_requester, patience, .. } => {
                let Some(request) = self.request(grant) else { return "nothing".into() };
                let actor = if by_requester { request.requester.clone() } else { cx.actor().clone() };
                let cx = Context::new(actor).request_id(cx.id());
                let Some(result) = within(patience, plane.ops.approvals(&cx).redeem(&request.id)).await else {
                    return "left".into();
                };
                plane.process.live().await;
                let result = result.map(Submitted::Done);
                self.tell(Told::Redeemed { digest: request.digest, answer: Answer::of(&result) });
                self.told(&result)
            }
            Act::Approve(grant) | Act::Deny(grant) | Act::Withdraw(grant) | Act::Revoke(grant) => {
                let Some(ApprovalRequest { id, digest, .. }) = self.request(grant) else { return "nothing".into() };
                let (event, result) = match step.act {
                    Act::Approve(_) => (Event::Approved, approvals.approve(&id, &digest).await),
                    Act::Deny(_) => (Event::Denied, approvals.deny(&id, &digest, "no").await),
                    Act::Withdraw(_) => (Event::Withdrawn, approvals.withdraw(&id).await),
                    _ => (Event::Revoked, approvals.revoke(&id, "no").await),
                };
                plane.process.live().await;
                answered(event, id, result)
            }
            Act::Read { vendor } => {
                let read = plane.ops.query(&cx, Ask::from(TicketQuery::new()).on(self.0.vendors[vendor].name)).await;
                read.map_or_else(|error| error.kind().code().to_owned(), |_| "read".to_owned())
            }
            Act::Recover => match plane.ops.recover().await {
                Ok(entries) => {
                    let count = entries.len();
                    entries.into_iter().for_each(|entry| self.tell(Told::Added(entry)));
                    format!("{count} recovered")
                }
                Err(error) => error.kind().code().to_owned(),
            },
            Act::Reconcile(index) => self.reconcile(plane, &cx, index).await,
            _ => unreachable!("it is done at once"),
        }
    }

    async fn reconcile(&self, plane: &Plane, cx: &Context, index: usize) -> String {
        let intents: Vec<GrantId> = {
            let book = self.0.store.book();
            let is_intent = |entry: &&Entry| entry.event == Event::Intent;
            book.acknowledged.iter().filter(is_intent).filter_map(|entry| entry.grant.clone()).collect()
        };
        let Some(grant) = intents.into_iter().rev().nth(index) else { return "nothing".into() };
        match plane.ops.reconcile(cx, &grant).await {
            Ok(Some(entry)) => {
                let word = entry.outcome.as_ref().map(|outcome| outcome.status.to_string()).unwrap_or_default();
                self.tell(Told::Added(entry));
                word
            }
            Ok(None) => "nothing new".to_owned(),
            Err(error) => error.kind().code().to_owned(),
        }
    }

    fn submission(&self, number: usize, vendor: usize, comment: bool, key: Option<u8>) -> Submission {
        let words = match key {
            // With one key there are two different actions.
            Some(key) => format!("key {key}"),
            None => format!("submission {number}"),
        };
        let submission = Submission::from(action(comment, &words)).on(self.0.vendors[vendor].name);
        match key {
            Some(key) => submission.idempotency_key(format!("key-{key}")),
            None => submission,
        }
    }

    /// Whoever still lives dies, every lease and grant lapses, and one calm process clears up.
    async fn end(&self) {
        tokio::time::sleep(Duration::from_secs(600)).await;
        self.say("the end".to_owned());
        let planes = self.state().planes.clone();
        planes.iter().for_each(|plane| plane.process.be_calm(true));
        let stuck: Vec<_> = {
            let state = self.state();
            state.waiting.values().filter(|(_, process)| !process.is_dead()).map(|(what, _)| what.clone()).collect()
        };
        self.say(format!("{} still wait: {stuck:?}", stuck.len()));
        planes.iter().for_each(|plane| plane.process.kill());
        self.0.clock.jump(Duration::from_secs(2 * 24 * 60 * 60));
        self.start(0).await;
        self.last().process.be_calm(true);
        self.last().ops.recover().await.unwrap();
    }

    /// The process that is left at the end.
    pub(crate) fn last(&self) -> Plane {
        self.state().planes[0].clone()
    }

    /// What those who asked a living process still wait for at the end.
    pub(crate) fn still_waiting(&self) -> Vec<String> {
        let trace = self.trace();
        let line = trace.iter().find(|line| line.contains(" still wait: ")).cloned().unwrap_or_default();
        if line.contains(" 0 still wait") { Vec::new() } else { vec![line] }
    }

    pub(crate) fn told_of(&self) -> Vec<Told> {
        self.state().told.clone()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// The n-th request from the last.
    fn request(&self, index: usize) -> Option<ApprovalRequest> {
        self.state().requests.iter().rev().nth(index).cloned()
    }

    fn tell(&self, told: Told) {
        self.state().told.push(told);
    }

    /// An answer in words that are the same whenever the history is repeated: ids are not.
    fn told(&self, result: &Result<Submitted<Response>>) -> String {
        match result {
            Ok(Submitted::Done(response)) => format!("done {}", response.resource().map_or(String::new(), |it| it.id)),
            Ok(Submitted::Pending(request)) => format!("waits as {}", self.name(&request.id)),
            Err(error) => format!("{}, may have applied: {}", error.kind().code(), error.may_have_applied()),
        }
    }

    fn name(&self, grant: &GrantId) -> String {
        let mut state = self.state();
        let next = state.names.len();
        format!("grant {}", state.names.entry(grant.clone()).or_insert(next))
    }

    fn say(&self, what: String) {
        let at = self.0.started.elapsed().as_millis();
        self.state().trace.push(format!("{at:>8} ms  {what}"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

async fn within<F: Future>(patience: Option<Duration>, work: F) -> Option<F::Output> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, work).await.ok(),
        None => Some(work.await),
    }
}
