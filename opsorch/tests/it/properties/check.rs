//! What must hold at the end of every life.

use std::collections::{BTreeMap, BTreeSet};

use opsorch::audit::verify;
use opsorch::{ActorKind, Digest, Entry, Event, OutcomeStatus, Quorum};

use super::life::Life;

pub(super) async fn check(life: &Life) {
    let entries = life.entries().await;
    let chains = chains(&entries);
    check_vendor(life, &chains);
    check_witness(life, &chains);
    for chain in chains.values() {
        let before: Vec<&Entry> = entries.iter().take_while(|entry| entry.sequence < chain.intent.sequence).collect();
        check_authority(chain.intent, &before);
    }
    if !entries.is_empty() {
        let audit = life.planes[0].audit();
        let report = verify(&audit.bundle().await.unwrap(), audit.verifier_keys(), &[]);
        assert!(report.is_intact(), "{report}");
    }
}

/// An intent, and what the log says became of it.
pub(super) struct Chain<'a> {
    pub(super) intent: &'a Entry,
    pub(super) words: Vec<OutcomeStatus>,
}

impl Chain<'_> {
    fn says(&self, status: OutcomeStatus) -> bool {
        self.words.contains(&status)
    }
}

/// The chains of a log by what they change: every change is submitted once, or always with the same key.
pub(super) fn chains(entries: &[Entry]) -> BTreeMap<&Digest, Chain<'_>> {
    let mut chains = BTreeMap::new();
    let mut grants = BTreeSet::new();
    for intent in entries.iter().filter(|entry| entry.event == Event::Intent) {
        let about: Vec<&Entry> = entries.iter().filter(|entry| entry.intent == Some(intent.sequence)).collect();
        let outcomes = about.iter().filter(|entry| entry.event == Event::Outcome).count();
        assert_eq!(outcomes, 1, "every intent has one outcome: {intent:#?} {about:#?}");
        assert_eq!(about[0].event, Event::Outcome, "what comes later is an addendum");
        assert!(grants.insert(intent.grant.as_ref().unwrap()), "no grant is spent twice: {intent:#?}");
        let words = about.iter().map(|entry| entry.outcome.as_ref().unwrap().status).collect();
        let earlier = chains.insert(intent.digest.as_ref().unwrap(), Chain { intent, words });
        assert!(earlier.is_none(), "no change has two chains: {intent:#?}");
    }
    chains
}

/// The log against the world: nothing was made without an intent, nothing twice, and what the log is sure of is so.
fn check_vendor(life: &Life, chains: &BTreeMap<&Digest, Chain<'_>>) {
    let mut made: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for one in life.vendor.made() {
        *made.entry(life.digest(&one.action)).or_default() += 1;
        assert!(keys.insert(one.key.clone()), "no chain took effect twice: {one:?}");
    }
    for (digest, chain) in chains {
        let made = made.remove(*digest).unwrap_or_default();
        let words = &chain.words;
        assert!(made <= 1, "made {made} times: {:#?}", chain.intent);
        assert!(!chain.says(OutcomeStatus::Applied) || made == 1, "{words:?}, but nothing was made");
        assert!(!chain.says(OutcomeStatus::NotApplied) || made == 0, "{words:?}, but it was made: {:#?}", chain.intent);
    }
    assert!(made.is_empty(), "made without an intent: {made:?}");

    let repeated = life.vendor.repeated();
    assert!(repeated.is_empty(), "repeated although it may have been made: {repeated:?}");
    let grants: BTreeSet<&str> = chains.values().map(|chain| chain.intent.grant.as_ref().unwrap().as_str()).collect();
    for key in life.vendor.requests().iter().filter(|key| !key.starts_with("key-")) {
        assert!(grants.contains(key.strip_suffix("-1").unwrap()), "the request {key} has an intent");
    }
}

/// The log against what callers saw.
fn check_witness(life: &Life, chains: &BTreeMap<&Digest, Chain<'_>>) {
    let made: BTreeSet<Digest> = life.vendor.made().iter().map(|made| life.digest(&made.action)).collect();
    let witness = &life.witness;
    assert!(witness.told_made.is_subset(&made), "who was told that it was made was told the truth");
    assert!(witness.told_not_made.is_disjoint(&made), "who was told that it was not made was told the truth");
    for (digest, Chain { intent, .. }) in chains {
        if intent.decision.as_deref().unwrap().starts_with("allow: ") {
            assert!(witness.allowed.contains(*digest), "policy allowed it: {intent:#?}");
        } else {
            assert!(witness.permitted.contains(intent.grant.as_ref().unwrap()), "policy let it pass: {intent:#?}");
        }
    }
}

/// What the log must show for a change of this grant to be right: read from the entries alone.
fn check_authority(intent: &Entry, before: &[&Entry]) {
    let decision = intent.decision.as_deref().unwrap();
    if decision.starts_with("allow: ") {
        return;
    }
    let quorum: Quorum = decision.strip_prefix("require ").unwrap().rsplit_once(": ").unwrap().0.parse().unwrap();
    let of_grant: Vec<&&Entry> = before.iter().filter(|entry| entry.grant == intent.grant).collect();
    let requested = of_grant.iter().find(|entry| entry.event == Event::Requested).expect("it was requested");
    assert_eq!(requested.digest, intent.digest, "what runs is what was asked for");
    let ended = [Event::Denied, Event::Withdrawn, Event::Revoked, Event::Expired, Event::Intent];
    assert!(of_grant.iter().all(|entry| !ended.contains(&entry.event)), "{of_grant:#?}");
    let approvals: Vec<_> = of_grant.iter().filter(|entry| entry.event == Event::Approved).collect();
    let people: BTreeMap<_, BTreeSet<String>> =
        approvals.iter().map(|entry| (&entry.actor.identity, entry.actor.roles.clone())).collect();
    assert_eq!(people.len(), approvals.len(), "nobody answered twice");
    for entry in &approvals {
        assert_eq!(entry.actor.kind, ActorKind::User);
        assert_ne!(entry.actor.identity, requested.actor.identity, "the requester did not answer");
    }
    assert!(quorum.is_met_by(&people.into_values().collect::<Vec<_>>()), "{quorum} is met");
    let active_since = approvals.last().unwrap().time;
    assert!(intent.time < active_since + chrono::TimeDelta::minutes(15), "it was redeemed in time");
}
