//! Whoever can write to the file, and has no key, tries to have a change made.

use opsorch::audit::{Finding, verify};
use opsorch::gate::Policy;
use opsorch::{ApprovalRequest, Context, Error, ErrorKind, GrantState, Quorum};
use rusqlite::params;

use super::sqlite::{Place, change, stored};
use crate::support::{World, agent, allow, ask, one_sre, sre};

/// A grant that waits, in a file that is attacked.
struct Attack {
    place: Place,
    world: World,
    request: ApprovalRequest,
}

/// A row of a grant as it was once.
struct Row(i64, String, String, Vec<u8>);

impl Attack {
    async fn new(policy: impl Policy) -> Self {
        let place = Place::new();
        let world = World::with(policy, stored(&place)).await;
        let request = world.ask(&agent()).await;
        Self { place, world, request }
    }

    /// A grant that can be redeemed.
    async fn approved() -> Self {
        let this = Self::new(one_sre()).await;
        this.world.approve(&this.request, &sre("alice")).await.unwrap();
        this
    }

    fn run(&self, sql: &str) {
        self.place.raw().execute_batch(sql).unwrap();
    }

    /// The number that a query gives, in which `{grant}` is the id of the grant.
    fn found(&self, sql: &str) -> i64 {
        let sql = sql.replace("{grant}", self.request.id.as_str());
        self.place.raw().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    fn row(&self) -> Row {
        let sql = "SELECT version, state, body, seal FROM grants WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok(Row(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        self.place.raw().query_row(sql, [self.request.id.as_str()], read).unwrap()
    }

    fn put_back(&self, Row(version, state, body, seal): &Row) {
        let sql = "UPDATE grants SET version = ?2, state = ?3, body = ?4, seal = ?5 WHERE id = ?1";
        let values = params![self.request.id.as_str(), version, state, body, seal];
        assert_eq!(self.place.raw().execute(sql, values).unwrap(), 1);
    }

    async fn redeem(&self) -> Result<opsorch::Response, Error> {
        self.world.redeem(&self.request, &agent()).await
    }

    /// Fails if the grant can be redeemed, or the vendor sees more changes than these.
    async fn assert_refused(&self, changes: usize) -> Error {
        let error = self.redeem().await.expect_err("it was redeemed");
        assert!(!error.may_have_applied(), "{error:?}");
        assert_eq!(self.world.changes(), changes, "{error}");
        error
    }
}

#[tokio::test]
async fn an_edited_grant_does_not_redeem() {
    let forgeries = [
        "UPDATE grants SET state = 'active'",
        "UPDATE grants SET state = 'active', body = replace(body, '\"requested\"', '\"active\"')",
        "UPDATE grants SET state = 'active', version = 1",
        "UPDATE grants SET seal = zeroblob(32), state = 'active'",
        "UPDATE grants SET seal = x'', state = 'active'",
    ];
    for forgery in forgeries {
        let attack = Attack::new(one_sre()).await;
        attack.run(forgery);
        let error = attack.assert_refused(0).await;
        assert_eq!(*error.kind(), ErrorKind::Denied, "{forgery}: {error}");
    }
    for forgery in [
        "UPDATE grants SET body = replace(body, 'disk full', 'sell all')",
        "UPDATE grants SET body = replace(body, 'triage', 'mallory')",
        "UPDATE grants SET body = body || ' '",
    ] {
        let attack = Attack::approved().await;
        attack.run(forgery);
        let error = attack.assert_refused(0).await;
        assert_eq!(*error.kind(), ErrorKind::Denied, "{forgery}: {error}");
    }
}

#[tokio::test]
async fn an_inserted_answer_does_not_redeem() {
    let attack = Attack::new(ask(Quorum::of(2, "sre"))).await;
    attack.world.approve(&attack.request, &sre("alice")).await.unwrap();
    let Row(version, _, body, seal) = attack.row();
    let mut grant: serde_json::Value = serde_json::from_str(&body).unwrap();
    let mut answer = grant["answers"][0].clone();
    answer["actor"]["identity"]["subject"] = "bob".into();
    grant["answers"].as_array_mut().unwrap().push(answer);
    grant["state"] = "active".into();
    attack.put_back(&Row(version, "active".into(), grant.to_string(), seal));
    let error = attack.assert_refused(0).await;
    assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn a_grant_that_is_inserted_does_not_redeem() {
    // The row of an approved grant, with another id or under the id of one that waits.
    let mut attack = Attack::approved().await;
    attack.run("INSERT INTO grants SELECT 'copy', version, state, requested_at, body, seal FROM grants");
    let waiting = attack.world.ask(&agent()).await;
    let approved = attack.row();
    for id in ["copy".into(), waiting.id.clone()] {
        attack.request.id = id;
        attack.put_back(&approved);
        let error = attack.assert_refused(0).await;
        assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
    }
}

#[tokio::test]
async fn a_grant_that_was_redeemed_is_not_redeemed_again_by_an_old_row() {
    let attack = Attack::approved().await;
    let active = attack.row();
    attack.redeem().await.unwrap();
    attack.put_back(&active);
    attack.assert_refused(1).await;
    attack.run("UPDATE entries SET result = NULL; DELETE FROM leases");
    attack.assert_refused(1).await;
    attack.world.assert_log_verifies().await;
}

#[tokio::test]
async fn a_grant_that_was_redeemed_is_not_redeemed_again_by_taking_its_intent_out_of_the_log() {
    let attack = Attack::approved().await;
    let active = attack.row();
    attack.redeem().await.unwrap();
    attack.put_back(&active);
    attack.run("DELETE FROM entries WHERE event = 'intent'");
    attack.assert_refused(1).await;
}

#[tokio::test]
async fn a_grant_that_was_redeemed_is_not_redeemed_again_by_making_the_log_forget_it() {
    for forget in [
        "UPDATE entries SET leaf = replace(leaf, '\"event\":\"intent\"', '\"event\":\"refused\"') WHERE event = 'intent'",
        "DELETE FROM entries WHERE event IN ('intent', 'outcome')",
        "DELETE FROM entries WHERE sequence >= 2; UPDATE entries SET leaf = replace(leaf, 'a', 'b') WHERE sequence = 0",
    ] {
        let attack = Attack::approved().await;
        let active = attack.row();
        attack.redeem().await.unwrap();
        attack.put_back(&active);
        attack.run("UPDATE entries SET result = NULL; DELETE FROM leases");
        attack.run(&format!("PRAGMA foreign_keys = OFF; {forget}"));
        let error = attack.assert_refused(1).await;
        assert!(error.message().contains("not what was signed"), "{forget}: {error}");
    }
}

/// Makes the columns that tell what an entry is about say nothing.
const EMPTY_COLUMNS: &str = "
    CREATE TABLE other (sequence INTEGER PRIMARY KEY, nodes BLOB NOT NULL, head TEXT, result TEXT, leaf TEXT NOT NULL,
        event TEXT, grant_id TEXT) STRICT;
    INSERT INTO other SELECT sequence, nodes, head, NULL, leaf, NULL, NULL FROM entries;
    DROP TABLE entries;
    ALTER TABLE other RENAME TO entries;
    DELETE FROM leases;";

/// Takes everything out of the indexes of the log, and leaves the text of the schema as it was.
const EMPTY_INDEXES: [&str; 3] = [
    "PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, 'WHERE event', 'WHERE event = ''nothing'' AND event')
        WHERE tbl_name = 'entries' AND type = 'index';
    PRAGMA writable_schema = RESET",
    "REINDEX",
    "PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, 'event = ''nothing'' AND ', '');
    PRAGMA writable_schema = RESET;
    DELETE FROM leases",
];

#[tokio::test]
async fn a_grant_that_was_redeemed_is_not_redeemed_again_by_columns_and_indexes_that_forget_it() {
    for forget in [&[EMPTY_COLUMNS][..], &EMPTY_INDEXES] {
        let attack = Attack::approved().await;
        let active = attack.row();
        attack.redeem().await.unwrap();
        attack.put_back(&active);
        forget.iter().for_each(|sql| attack.run(sql));
        assert_eq!(attack.found("SELECT count(*) FROM entries WHERE grant_id = '{grant}' AND event = 'intent'"), 0);
        attack.assert_refused(1).await;
        attack.world.assert_log_verifies().await;
    }
}

#[tokio::test]
async fn a_grant_that_was_taken_back_is_not_redeemed_by_columns_and_indexes_that_forget_it() {
    for forget in [&[EMPTY_COLUMNS][..], &EMPTY_INDEXES] {
        let attack = Attack::approved().await;
        let active = attack.row();
        attack.world.ops.approvals(&Context::new(agent())).withdraw(&attack.request.id).await.unwrap();
        attack.put_back(&active);
        forget.iter().for_each(|sql| attack.run(sql));
        attack.assert_refused(0).await;
    }
}

#[tokio::test]
async fn a_forged_outcome_is_not_believed() {
    let attack = Attack::approved().await;
    attack.redeem().await.unwrap();
    attack.run("UPDATE entries SET result = replace(result, 'disk full', 'all is well')");
    let error = attack.redeem().await.unwrap_err();
    assert!(error.message().contains("not what the gate wrote") && error.may_have_applied(), "{error}");
}

#[tokio::test]
async fn a_key_that_is_pointed_at_another_grant_gives_nothing_away() {
    let place = Place::new();
    let world = World::with(crate::support::allow, stored(&place)).await;
    let (alice, bob) = (Context::new(sre("alice")), Context::new(sre("bob")));
    let mine = opsorch::CreateTicket::new("the secret of alice");
    let _ = world.ops.tickets(&alice).idempotency_key("a").create(mine).await.unwrap();
    let _ = world.ops.tickets(&bob).idempotency_key("b").create(crate::support::ticket()).await.unwrap();
    let sql = "UPDATE keys SET grant_id = (SELECT grant_id FROM keys WHERE key = 'a') WHERE key = 'b'";
    place.raw().execute_batch(sql).unwrap();
    let error = world.ops.tickets(&bob).idempotency_key("b").create(crate::support::ticket()).await.unwrap_err();
    assert_eq!(*error.kind(), opsorch::ErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn a_grant_that_was_taken_back_is_not_redeemed_by_an_old_row() {
    let attack = Attack::approved().await;
    let active = attack.row();
    let cx = Context::new(agent());
    attack.world.ops.approvals(&cx).withdraw(&attack.request.id).await.unwrap();
    attack.put_back(&active);
    attack.assert_refused(0).await;
}

#[tokio::test]
async fn a_request_that_was_denied_is_not_redeemed_by_an_old_row_and_new_answers() {
    let attack = Attack::new(one_sre()).await;
    let waiting = attack.row();
    let cx = Context::new(sre("alice"));
    attack.world.ops.approvals(&cx).deny(&attack.request.id, &attack.request.digest, "no").await.unwrap();
    attack.put_back(&waiting);
    let fooled = attack.world.approve(&attack.request, &sre("bob")).await.unwrap();
    assert_eq!(fooled.state, GrantState::Active, "the row alone looks right");
    attack.assert_refused(0).await;
}

#[tokio::test]
async fn triggers_in_the_file_do_nothing() {
    let attack = Attack::approved().await;
    attack.run(
        "CREATE TRIGGER keep BEFORE UPDATE ON grants BEGIN SELECT raise(IGNORE); END;
        CREATE TRIGGER hide BEFORE INSERT ON leases BEGIN SELECT raise(IGNORE); END;
        CREATE TRIGGER forget AFTER INSERT ON entries BEGIN DELETE FROM entries; END;",
    );
    attack.redeem().await.unwrap();
    attack.redeem().await.unwrap();
    assert_eq!(attack.world.changes(), 1, "the second answer is that of the first");
    attack.world.assert_log_verifies().await;
}

#[tokio::test]
async fn an_altered_log_is_found_and_not_continued() {
    let place = Place::new();
    let world = World::with(allow, stored(&place)).await;
    for _ in 0..3 {
        change(&world).await.unwrap();
    }
    place
        .raw()
        .execute_batch("UPDATE entries SET leaf = replace(leaf, 'triage', 'nobody') WHERE sequence = 2")
        .unwrap();
    let bundle = world.ops.audit().bundle().await.unwrap();
    let report = verify(&bundle, world.ops.audit().verifier_keys(), &[]);
    assert_eq!(report.findings, [Finding::EntryAltered { sequence: 2 }]);

    // The tree of another history in place of ours: its head has no signature, and gets none.
    let mut tree = opsorch::audit::Frontier::default();
    (0..6).for_each(|_| drop(tree.push(opsorch::audit::leaf_hash(b"forged"))));
    place.raw().execute("UPDATE tree SET frontier = ?1", [tree.to_bytes()]).unwrap();
    let error = change(&world).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(!error.may_have_applied(), "{error:?}");
    assert_eq!(world.changes(), 3);
}

#[tokio::test]
async fn a_log_that_was_cut_is_not_continued() {
    let place = Place::new();
    let world = World::with(allow, stored(&place)).await;
    change(&world).await.unwrap();
    let tree = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (frontier, head): (Vec<u8>, String) =
        place.raw().query_row("SELECT frontier, head FROM tree", [], tree).unwrap();
    change(&world).await.unwrap();
    let raw = place.raw();
    raw.execute("UPDATE tree SET frontier = ?1, head = ?2", params![frontier, head]).unwrap();
    raw.execute_batch("DELETE FROM entries WHERE sequence > 1").unwrap();
    let error = change(&world).await.unwrap_err();
    assert!(!error.may_have_applied(), "{error:?}");
    assert_eq!(world.changes(), 2);
}

#[tokio::test]
async fn a_log_whose_last_entries_are_gone_is_found_without_an_anchor() {
    let attack = Attack::approved().await;
    attack.redeem().await.unwrap();
    attack.run("DELETE FROM entries WHERE sequence > 1");
    let audit = attack.world.ops.audit();
    let report = verify(&audit.bundle().await.unwrap(), audit.verifier_keys(), &[]);
    // The head that covered entry 1 went with the entry that came after it.
    let uncovered = Finding::Uncovered { from: 1, to: 1 };
    assert_eq!(report.findings, [Finding::TailCut { have: 2, anchored: 4 }, uncovered]);
}

#[tokio::test]
async fn a_change_that_ended_is_not_opened_again_by_an_inserted_lease() {
    let attack = Attack::approved().await;
    attack.redeem().await.unwrap();
    attack.run(
        "INSERT INTO leases SELECT grant_id, sequence, 'mallory', '2000-01-01T00:00:00.000000000Z'
        FROM entries WHERE event = 'intent'",
    );
    assert!(attack.world.ops.recover().await.unwrap().is_empty(), "the outcome became unknown");
    attack.redeem().await.unwrap();
    attack.world.assert_log_verifies().await;
}

#[tokio::test]
async fn a_change_that_ended_is_not_opened_again_by_columns_that_forget_its_outcome() {
    let attack = Attack::approved().await;
    attack.redeem().await.unwrap();
    attack.run(EMPTY_COLUMNS);
    attack.run(
        "INSERT INTO leases SELECT leaf ->> '$.grant', sequence, 'mallory', '2000-01-01T00:00:00.000000000Z'
        FROM entries WHERE leaf ->> '$.event' = 'intent'",
    );
    assert!(attack.world.ops.recover().await.unwrap().is_empty(), "the outcome became unknown");
    attack.world.assert_log_verifies().await;
}

#[tokio::test]
async fn a_change_that_never_began_gets_no_outcome_by_an_inserted_lease() {
    let attack = Attack::approved().await;
    attack.run(
        "INSERT INTO leases SELECT grant_id, sequence, 'mallory', '2000-01-01T00:00:00.000000000Z'
        FROM entries WHERE event = 'approved'",
    );
    assert!(attack.world.ops.recover().await.unwrap().is_empty(), "an outcome without an intent");
    attack.run("DELETE FROM leases");
    attack.redeem().await.unwrap();
    attack.world.assert_log_verifies().await;
}
