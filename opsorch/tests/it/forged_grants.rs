//! Grants that somebody wrote, edited, swapped or restored in the store: none of them leads to a change.

use opsorch::gate::GateKeys;
use opsorch::store::GrantRecord;
use opsorch::{
    ApprovalRequest, Builder, Context, CreateTicket, ErrorKind, Event, GrantState, ManualClock, OpsOrch, Result,
    Submitted,
};
use opsorch_testkit::MemoryProvider;
use serde_json::{Value, json};

use crate::faulty_store::FaultyStore;
use crate::support::{World, agent, one_sre, sre};

async fn attacked() -> (World, FaultyStore) {
    let store = FaultyStore::default();
    let world = World::with(one_sre(), |builder: Builder| builder.store(store.clone())).await;
    (world, store)
}

/// What an attacker finds: a request that waits, one that was approved, and what the store holds of both.
struct Found {
    world: World,
    store: FaultyStore,
    waits: ApprovalRequest,
    approved: ApprovalRequest,
    waiting_record: GrantRecord,
    approved_record: GrantRecord,
}

impl Found {
    async fn new() -> Self {
        let (world, store) = attacked().await;
        let waits = world.ask(&agent()).await;
        let approved = world.ask(&agent()).await;
        world.approve(&approved, &sre("alice")).await.unwrap();
        let (waiting_record, approved_record) = (store.stored(&waits.id).await, store.stored(&approved.id).await);
        Self { world, store, waits, approved, waiting_record, approved_record }
    }

    /// Shows this record for whatever it is asked.
    fn show(&self, record: &GrantRecord) {
        let record = record.clone();
        self.store.alter(move |_, _| Some(record.clone()));
    }

    /// Everything that could move a request on is refused, and nothing happens.
    async fn assert_refused(&self, request: &ApprovalRequest, how: &str) {
        let alice = Context::new(sre("alice"));
        let attempts: [Result<()>; 4] = [
            self.world.approve(request, &sre("alice")).await.map(drop),
            self.world.redeem(request, &agent()).await.map(drop),
            self.world.ops.approvals(&alice).get(&request.id).await.map(drop),
            self.world.ops.approvals(&alice).revoke(&request.id, "no").await.map(drop),
        ];
        for attempt in attempts {
            let error = attempt.expect_err(how);
            assert_eq!(*error.kind(), ErrorKind::Denied, "{how}: {error}");
            assert!(error.message().contains("is not what the gate wrote"), "{how}: {error}");
        }
        assert_eq!(self.world.changes(), 0, "{how}");
        assert!(!self.world.events().await.contains(&Event::Intent), "{how}");
    }

    /// Nobody is shown what may be another than it says.
    async fn assert_not_listed(&self, how: &str) {
        let alice = Context::new(sre("alice"));
        assert_eq!(self.world.ops.approvals(&alice).list().await.unwrap(), [], "{how}");
    }
}

/// A record of which something was changed.
fn changed(record: &GrantRecord, change: impl FnOnce(&mut GrantRecord)) -> GrantRecord {
    let mut changed = record.clone();
    change(&mut changed);
    assert_ne!(changed, *record, "the attack changes something");
    changed
}

/// A record whose body was edited as JSON; everything else is as it was.
fn edited(record: &GrantRecord, edit: impl FnOnce(&mut Value)) -> GrantRecord {
    let mut body: Value = serde_json::from_str(&record.body).unwrap();
    let before = body.clone();
    edit(&mut body);
    assert_ne!(body, before, "the attack changes something");
    changed(record, |record| record.body = body.to_string())
}

/// The word of a state as the body has it.
fn word(state: GrantState) -> Value {
    serde_json::to_value(state).unwrap()
}

#[tokio::test]
async fn what_was_edited_in_the_store_neither_counts_nor_redeems() {
    let found = Found::new().await;
    let (waiting, approved) = (&found.waiting_record, &found.approved_record);
    let answers = || serde_json::from_str::<Value>(&approved.body).unwrap()["answers"].clone();
    let attacks: Vec<(&str, GrantRecord)> = vec![
        ("another title", edited(approved, |body| body["action"]["input"]["title"] = json!("delete the database"))),
        ("another canonical text", edited(approved, |body| body["canonical"] = json!("{}"))),
        ("another provider", edited(approved, |body| body["target"]["provider"] = json!("production"))),
        ("another requester", edited(approved, |body| body["requester"]["identity"]["subject"] = json!("mallory"))),
        ("a later end", edited(approved, |body| body["expires_at"] = json!("2099-01-01T00:00:00Z"))),
        ("a smaller quorum", edited(waiting, |body| body["basis"] = json!({ "Policy": { "rule": "yes" } }))),
        ("an answer", edited(waiting, |body| body["answers"] = answers())),
        ("an answer and its state", {
            let mut record = edited(waiting, |body| {
                body["answers"] = answers();
                body["state"] = word(GrantState::Active);
            });
            record.state = GrantState::Active;
            record
        }),
        ("the state outside", changed(waiting, |record| record.state = GrantState::Active)),
        ("the state inside", edited(waiting, |body| body["state"] = word(GrantState::Active))),
        ("the version outside", changed(waiting, |record| record.version = 7)),
        ("no seal", changed(approved, |record| record.seal = Vec::new())),
        ("half a seal", changed(approved, |record| record.seal = approved.seal[..16].to_vec())),
        ("the seal of another", changed(approved, |record| record.seal = waiting.seal.clone())),
        ("no JSON", changed(approved, |record| record.body = "approved!".into())),
        (
            "nothing",
            changed(approved, |record| {
                record.body = String::new();
                record.seal = Vec::new();
            }),
        ),
    ];
    for (how, record) in attacks {
        found.show(&record);
        let request = if record.id == found.waits.id { &found.waits } else { &found.approved };
        found.assert_refused(request, how).await;
        found.assert_not_listed(how).await;
    }
    found.store.be_honest();
    found.world.redeem(&found.approved, &agent()).await.unwrap();
    assert_eq!(found.world.changes(), 1, "what was really approved still redeems");
}

#[tokio::test]
async fn two_grants_that_were_swapped_are_refused() {
    let found = Found::new().await;
    // The body of the approved one under the id of the other, and the whole record in its place.
    let under_its_id = changed(&found.approved_record, |record| record.id = found.waits.id.clone());
    found.show(&under_its_id);
    found.assert_refused(&found.waits, "another body").await;
    found.show(&found.approved_record);
    found.assert_refused(&found.waits, "another record").await;
    found.show(&found.waiting_record);
    found.assert_refused(&found.approved, "another record").await;

    found.store.be_honest();
    assert_eq!(*found.world.redeem(&found.waits, &agent()).await.unwrap_err().kind(), ErrorKind::Conflict);
    found.world.redeem(&found.approved, &agent()).await.unwrap();
}

#[tokio::test]
async fn a_grant_of_a_gate_with_other_keys_is_refused() {
    let found = Found::new().await;
    // The attacker has the program, and everything but the keys.
    let store = FaultyStore::default();
    let provider = MemoryProvider::new(ManualClock::default()).provider("tracker").idempotent_by_key([]);
    let builder = OpsOrch::builder().provider(provider).policy(one_sre()).clock(ManualClock::default());
    let builder = builder.store(store.clone()).keys(GateKeys::generate("opsorch.local/audit").unwrap());
    let ops = builder.build().await.unwrap();
    let cx = Context::new(agent());
    let submitted = ops.tickets(&cx).create(CreateTicket::new("delete the database")).await.unwrap();
    let Submitted::Pending(own) = submitted else { panic!("it was done") };
    ops.approvals(&Context::new(sre("alice"))).approve(&own.id, &own.digest).await.unwrap();

    found.show(&store.stored(&own.id).await);
    found.assert_refused(&own, "a row written by hand").await;
    found.assert_not_listed("a row written by hand").await;
}

#[tokio::test]
async fn an_older_version_that_is_shown_again_is_refused() {
    for end in [GrantState::Spent, GrantState::Revoked, GrantState::Withdrawn] {
        let found = Found::new().await;
        let (cx, alice) = (Context::new(agent()), Context::new(sre("alice")));
        let id = &found.approved.id;
        match end {
            GrantState::Spent => found.world.redeem(&found.approved, &agent()).await.map(drop).unwrap(),
            GrantState::Revoked => found.world.ops.approvals(&alice).revoke(id, "no").await.map(drop).unwrap(),
            _ => found.world.ops.approvals(&cx).withdraw(id).await.map(drop).unwrap(),
        }
        let changes = found.world.changes();
        found.show(&found.approved_record);
        let error = found.world.redeem(&found.approved, &agent()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Conflict, "{end}: {error}");
        assert_eq!(found.world.changes(), changes, "{end}: nothing more was sent");
        found.store.be_honest();
        assert_eq!(found.store.stored(id).await.state, end);
    }
}

#[tokio::test]
async fn an_older_version_takes_no_answer() {
    let found = Found::new().await;
    let bob = Context::new(sre("bob"));
    found.world.ops.approvals(&bob).deny(&found.waits.id, &found.waits.digest, "no").await.unwrap();
    found.show(&found.waiting_record);
    let error = found.world.approve(&found.waits, &sre("alice")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict, "{error}");
    found.store.be_honest();
    assert_eq!(found.store.stored(&found.waits.id).await.state, GrantState::Denied);
    assert_eq!(found.world.changes(), 0);
}
