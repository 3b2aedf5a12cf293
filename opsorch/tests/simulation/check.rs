//! What must hold at the end of every history.

use std::collections::{BTreeMap, BTreeSet};

use opsorch::audit::verify;
use opsorch::store::Store;
use opsorch::*;

use super::life::{Answer, Life, Told};
use super::script::{LayerKind, MALLORY, actors};

/// Everything that is wrong with a history, in words; nothing if it is as it should be.
pub(crate) async fn check(life: &Life) -> Vec<String> {
    let mut wrong = Wrong::default();
    let entries = life.last().ops.audit().entries(0, 100_000).await.unwrap();
    let chains = chains(&entries, &mut wrong);
    vendors(life, &chains, &mut wrong);
    limits(life, &mut wrong);
    told(life, &entries, &mut wrong);
    log(life, &entries, &mut wrong).await;
    grants(life, &mut wrong).await;
    for intent in entries.iter().filter(|entry| entry.event == Event::Intent) {
        authority(life, intent, &entries, &mut wrong);
    }
    wrong.0
}

#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// An intent, and what the log says became of it.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) words: Vec<OutcomeStatus>,
}

/// The chains of a log by what they change. Several of one change come one in the place of the other.
pub(crate) fn all_chains(entries: &[Entry]) -> BTreeMap<Digest, Vec<Chain>> {
    chains(entries, &mut Wrong::default())
}

fn chains(entries: &[Entry], wrong: &mut Wrong) -> BTreeMap<Digest, Vec<Chain>> {
    let mut chains: BTreeMap<Digest, Vec<Chain>> = BTreeMap::new();
    let mut grants = BTreeSet::new();
    for intent in entries.iter().filter(|entry| entry.event == Event::Intent) {
        let about: Vec<&Entry> = entries.iter().filter(|entry| entry.intent == Some(intent.sequence)).collect();
        let events: Vec<Event> = about.iter().map(|entry| entry.event).collect();
        let is_right = events.first() == Some(&Event::Outcome) && events[1..].iter().all(|it| *it == Event::Addendum);
        wrong.unless(is_right, || format!("an intent has one outcome, and addenda after it: {intent:?} {events:?}"));
        wrong.unless(grants.insert(intent.grant.clone()), || format!("a grant is spent twice: {intent:?}"));
        let words = about.iter().filter_map(|entry| entry.outcome.as_ref()).map(|outcome| outcome.status).collect();
        let before = chains.entry(intent.digest.clone().unwrap()).or_default();
        let in_place = intent.reason.as_deref().is_some_and(|reason| reason.starts_with("in place of "));
        wrong.unless(before.is_empty() != in_place, || format!("a change has two chains: {intent:?}"));
        before.push(Chain { words });
    }
    chains
}

/// The vendors' books against the log: nothing was made without an intent, nothing twice, and what the log is sure of is so.
fn vendors(life: &Life, chains: &BTreeMap<Digest, Vec<Chain>>, wrong: &mut Wrong) {
    let made = made(life);
    for vendor in &life.world().vendors {
        wrong.0.extend(vendor.wrong());
        let mut keys = BTreeSet::new();
        for one in vendor.made() {
            wrong.unless(keys.insert(one.key.clone()), || format!("made twice under one key: {one:?}"));
        }
    }
    for (digest, times) in &made {
        wrong.unless(*times == 1, || format!("{digest} was made {times} times"));
        wrong.unless(chains.contains_key(digest), || format!("{digest} was made without an intent"));
    }
    for (digest, chains) in chains {
        let made = made.contains_key(digest);
        let says = |status| chains.iter().filter(|chain| chain.words.contains(&status)).count();
        let (applied, denied) = (says(OutcomeStatus::Applied), says(OutcomeStatus::NotApplied));
        wrong.unless(applied <= usize::from(made), || format!("{digest}: applied says the log, and made: {made}"));
        wrong.unless(!made || denied < chains.len(), || format!("{digest}: not applied says the log: {chains:?}"));
    }
}

/// How often each change was made.
fn made(life: &Life) -> BTreeMap<Digest, usize> {
    let mut made = BTreeMap::new();
    for vendor in &life.world().vendors {
        vendor.made().iter().for_each(|one| *made.entry(vendor.digest(&one.action)).or_default() += 1);
    }
    made
}

/// Retries end, and so do those who wait.
fn limits(life: &Life, wrong: &mut Wrong) {
    let setting = &life.world().setting;
    let mut most = 1;
    for layer in &setting.layers {
        most *= match layer {
            LayerKind::Retry(attempts) => usize::try_from(*attempts).unwrap(),
            LayerKind::Twice | LayerKind::AtOnce => 2,
            _ => 1,
        };
    }
    for vendor in &life.world().vendors {
        for (key, calls) in vendor.calls() {
            wrong.unless(calls <= most, || format!("`{key}` was sent {calls} times, of at most {most}"));
        }
    }
    let ends = setting.layers.iter().any(|layer| matches!(layer, LayerKind::Timeout(_)));
    let waiting = life.still_waiting();
    wrong.unless(!ends || waiting.is_empty(), || format!("they wait for ever: {waiting:?}"));
}

/// What people were told is so, and is in the log.
fn told(life: &Life, entries: &[Entry], wrong: &mut Wrong) {
    let made = made(life);
    let has = |grant: &GrantId, event: Event| {
        entries.iter().any(|entry| entry.event == event && entry.grant.as_ref() == Some(grant))
    };
    let mut answers: BTreeMap<(Digest, usize, u8), Response> = BTreeMap::new();
    let mut refused = 0;
    for told in life.told_of() {
        match &told {
            Told::Submitted { digest, actor, key, answer } => {
                claim(digest, key.is_none(), answer, &made, wrong);
                refused += usize::from(*actor == MALLORY && *answer == Answer::NotMade(ErrorKind::Denied));
                match (key, answer) {
                    (_, Answer::Waits(grant)) => {
                        wrong.unless(has(grant, Event::Requested), || format!("it is not in the log: {told:?}"));
                    }
                    (Some(key), Answer::Made(response)) => {
                        let first = answers.entry((digest.clone(), *actor, *key)).or_insert_with(|| response.clone());
                        wrong.unless(first == response, || format!("{first:?} became {response:?}"));
                    }
                    _ => {}
                }
            }
            Told::Redeemed { digest, answer } => claim(digest, false, answer, &made, wrong),
            Told::Answered { grant, event, actor } => {
                let identity = &actors()[*actor].identity;
                let is_it = |entry: &&Entry| entry.event == *event && entry.actor.identity == *identity;
                let mut of_grant = entries.iter().filter(|entry| entry.grant.as_ref() == Some(grant));
                wrong.unless(of_grant.any(|entry| is_it(&entry)), || format!("it is not in the log: {told:?}"));
            }
            Told::Added(entry) => {
                wrong.unless(entries.contains(entry), || format!("it is not in the log: {entry:?}"));
            }
        }
    }
    let mallory = &actors()[MALLORY].identity;
    let written = entries.iter().filter(|it| it.event == Event::Refused && it.actor.identity == *mallory).count();
    wrong.unless(refused <= written, || format!("{refused} refusals were told, {written} are in the log"));
}

/// What somebody was told of a change that nobody else asks for is true for ever.
fn claim(digest: &Digest, alone: bool, answer: &Answer, made: &BTreeMap<Digest, usize>, wrong: &mut Wrong) {
    let is_made = made.contains_key(digest);
    match answer {
        Answer::Made(_) => wrong.unless(is_made, || format!("{digest} was not made, and somebody was told so")),
        Answer::NotMade(_) if alone => {
            wrong.unless(!is_made, || format!("{digest} was made, and somebody was told that it certainly was not"));
        }
        _ => {}
    }
}

/// The log is whole, and has all that was acknowledged.
async fn log(life: &Life, entries: &[Entry], wrong: &mut Wrong) {
    for entry in &life.world().store.book().acknowledged {
        let place = usize::try_from(entry.sequence).unwrap();
        wrong.unless(entries.get(place) == Some(entry), || format!("an acknowledged entry is lost: {entry:?}"));
    }
    if entries.is_empty() {
        return;
    }
    let ops = life.last().ops;
    let report = verify(&ops.audit().bundle().await.unwrap(), ops.audit().verifier_keys(), &[]);
    wrong.unless(report.is_intact(), || format!("the log does not verify: {report}"));
}

/// When everything has lapsed, every grant has come to its end, and what was begun has an outcome.
async fn grants(life: &Life, wrong: &mut Wrong) {
    let (store, ops) = (&life.world().store.inner, life.last().ops);
    let far = ManualClock::default().now() + std::time::Duration::from_secs(20 * 365 * 24 * 60 * 60);
    let open = store.lapsed(far).await.unwrap();
    wrong.unless(open.is_empty(), || format!("these are open for ever: {open:?}"));
    let cx = Context::new(Actor::user("auditor"));
    for record in store.grants(GrantState::ALL, 100_000).await.unwrap() {
        match record.state {
            GrantState::Spent => {
                let outcome = store.outcome(&record.id).await.unwrap();
                wrong.unless(outcome.is_some(), || format!("{} is spent, and nothing became of it", record.id));
            }
            GrantState::Requested | GrantState::Active => {
                let shown = ops.approvals(&cx).get(&record.id).await.map(|request| request.state);
                let is_over = shown.as_ref().is_ok_and(|state| state.is_final());
                wrong.unless(is_over, || format!("{} is stuck: {shown:?}", record.id));
            }
            _ => {}
        }
    }
}

/// What the log must show for a change to be right: read from the entries alone.
fn authority(life: &Life, intent: &Entry, entries: &[Entry], wrong: &mut Wrong) {
    let decision = intent.decision.as_deref().unwrap_or_default();
    let before = || entries.iter().take_while(|entry| entry.sequence < intent.sequence);
    let mallory = &actors()[MALLORY].identity;
    wrong.unless(intent.actor.identity != *mallory, || format!("Mallory changed something: {intent:?}"));
    let Some(asked) = decision.strip_prefix("require ") else {
        wrong.unless(decision.starts_with("allow: "), || format!("nothing let it through: {intent:?}"));
        return;
    };
    let quorum: Quorum = asked.rsplit_once(": ").unwrap().0.parse().unwrap();
    let of_grant: Vec<&Entry> = before().filter(|entry| entry.grant == intent.grant).collect();
    let Some(requested) = of_grant.iter().find(|entry| entry.event == Event::Requested) else {
        return wrong.0.push(format!("nobody asked for it: {intent:?}"));
    };
    wrong.unless(requested.digest == intent.digest, || format!("another was asked for: {intent:?} {requested:?}"));
    let ended = [Event::Denied, Event::Withdrawn, Event::Revoked, Event::Expired, Event::Intent];
    let is_open = of_grant.iter().all(|entry| !ended.contains(&entry.event));
    wrong.unless(is_open, || format!("it had ended before: {intent:?} {of_grant:?}"));
    let approvals: Vec<_> = of_grant.iter().filter(|entry| entry.event == Event::Approved).collect();
    let people: BTreeMap<_, BTreeSet<String>> =
        approvals.iter().map(|entry| (&entry.actor.identity, entry.actor.roles.clone())).collect();
    wrong.unless(people.len() == approvals.len(), || format!("somebody answered twice: {approvals:?}"));
    let by_others = approvals
        .iter()
        .all(|entry| entry.actor.kind == ActorKind::User && entry.actor.identity != requested.actor.identity);
    wrong.unless(by_others, || format!("it was not others who answered: {approvals:?}"));
    let roles: Vec<_> = people.into_values().collect();
    wrong.unless(quorum.is_met_by(&roles), || format!("{quorum} is not met by {roles:?}: {intent:?}"));
    let settings = &life.world().setting.settings;
    let in_time = approvals.last().is_some_and(|last| intent.time < last.time + settings.grant_ttl);
    wrong.unless(in_time, || format!("it was redeemed too late: {intent:?}"));
    let answered_in_time = approvals.iter().all(|entry| entry.time < requested.time + settings.request_ttl);
    wrong.unless(answered_in_time, || format!("it was answered too late: {approvals:?}"));
}
