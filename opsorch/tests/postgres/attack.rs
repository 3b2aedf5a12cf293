//! Whoever can write to the database, and has no key, tries to have a change made.

use opsorch::store::Store;
use opsorch::{ApprovalRequest, Context, Error, ErrorKind, Event};

use crate::place::{Place, entry, log, stored};
use crate::support::{World, agent, one_sre, sre};

/// A grant in a database that is attacked.
struct Attack {
    place: Place,
    world: World,
    request: ApprovalRequest,
}

/// A row of a grant as it was once.
struct Row(i64, String, String, Vec<u8>);

impl Attack {
    async fn new() -> Self {
        let place = Place::new();
        let world = World::with(one_sre(), stored(&place).await).await;
        let request = world.ask(&agent()).await;
        Self { place, world, request }
    }

    /// A grant that can be redeemed.
    async fn approved() -> Self {
        let this = Self::new().await;
        this.world.approve(&this.request, &sre("alice")).await.unwrap();
        this
    }

    async fn row(&self) -> Row {
        let sql = "SELECT version, state, body, seal FROM grants WHERE id = $1";
        let row = self.place.raw().await.query_one(sql, &[&self.request.id.as_str()]).await.unwrap();
        Row(row.get(0), row.get(1), row.get(2), row.get(3))
    }

    async fn put_back(&self, Row(version, state, body, seal): &Row) {
        let sql = "UPDATE grants SET version = $2, state = $3, body = $4, seal = $5 WHERE id = $1";
        let id = self.request.id.as_str();
        assert_eq!(self.place.raw().await.execute(sql, &[&id, version, state, body, seal]).await.unwrap(), 1);
    }

    /// Fails if the grant can be redeemed, by the process that knows the log or by one that has just started.
    async fn assert_refused(&self, changes: usize) -> Error {
        let error = self.world.redeem(&self.request, &agent()).await.expect_err("it was redeemed");
        assert!(!error.may_have_applied(), "{error:?}");
        assert_eq!(self.world.changes(), changes, "{error}");
        self.assert_refused_afresh().await
    }

    async fn assert_refused_afresh(&self) -> Error {
        let fresh = World::with(one_sre(), stored(&self.place).await).await;
        let error = fresh.redeem(&self.request, &agent()).await.expect_err("it was redeemed");
        assert!(!error.may_have_applied(), "{error:?}");
        assert_eq!(fresh.changes(), 0, "{error}");
        error
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn an_edited_grant_does_not_redeem() {
    for forgery in [
        "UPDATE grants SET state = 'active'",
        "UPDATE grants SET state = 'active', body = replace(body, '\"requested\"', '\"active\"')",
        "UPDATE grants SET state = 'active', version = 1",
        r"UPDATE grants SET seal = '\x', state = 'active'",
    ] {
        let attack = Attack::new().await;
        attack.place.run(forgery).await;
        let error = attack.assert_refused(0).await;
        assert_eq!(*error.kind(), ErrorKind::Denied, "{forgery}: {error}");
    }
    for forgery in [
        "UPDATE grants SET body = replace(body, 'disk full', 'sell all')",
        "UPDATE grants SET body = replace(body, 'triage', 'mallory')",
    ] {
        let attack = Attack::approved().await;
        attack.place.run(forgery).await;
        let error = attack.assert_refused(0).await;
        assert_eq!(*error.kind(), ErrorKind::Denied, "{forgery}: {error}");
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_grant_that_is_inserted_does_not_redeem() {
    let mut attack = Attack::approved().await;
    attack.place.run("INSERT INTO grants SELECT 'copy', version, state, requested_at, body, seal FROM grants").await;
    let waiting = attack.world.ask(&agent()).await;
    let approved = attack.row().await;
    for id in ["copy".into(), waiting.id.clone()] {
        attack.request.id = id;
        attack.put_back(&approved).await;
        let error = attack.assert_refused(0).await;
        assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_grant_that_was_redeemed_is_not_redeemed_again_by_rows_that_forget_it() {
    for forget in [
        "SELECT",
        "UPDATE entries SET result = NULL; DELETE FROM leases",
        "UPDATE entries SET result = NULL, event = 'refused', grant_id = NULL; DELETE FROM leases",
    ] {
        let attack = Attack::approved().await;
        let active = attack.row().await;
        attack.world.redeem(&attack.request, &agent()).await.unwrap();
        attack.put_back(&active).await;
        attack.place.run(forget).await;
        if forget == "SELECT" {
            attack.assert_refused_afresh().await;
        } else {
            attack.assert_refused(1).await;
        }
        attack.world.assert_log_verifies().await;
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_grant_that_was_redeemed_is_not_redeemed_again_by_making_the_log_forget_it() {
    for forget in [
        "UPDATE entries SET leaf = replace(leaf, '\"event\":\"intent\"', '\"event\":\"refused\"') WHERE event = 'intent'",
        "DELETE FROM entries WHERE event IN ('intent', 'outcome')",
        "DELETE FROM entries WHERE event = 'intent'",
    ] {
        let attack = Attack::approved().await;
        let active = attack.row().await;
        attack.world.redeem(&attack.request, &agent()).await.unwrap();
        attack.put_back(&active).await;
        attack.place.run("UPDATE entries SET result = NULL; DELETE FROM leases").await;
        attack.place.run(forget).await;
        let error = attack.assert_refused(1).await;
        assert!(error.message().contains("not what was signed"), "{forget}: {error}");
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_grant_that_was_taken_back_is_not_redeemed() {
    let attack = Attack::approved().await;
    let active = attack.row().await;
    attack.world.ops.approvals(&Context::new(agent())).withdraw(&attack.request.id).await.unwrap();
    attack.put_back(&active).await;
    attack.place.run("UPDATE entries SET event = 'refused', grant_id = NULL").await;
    attack.assert_refused(0).await;
}

/// So long that a process that starts does not read all of it under the lock.
#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_long_log_is_read_back_to_where_a_grant_was_requested() {
    let attack = Attack::approved().await;
    let (other, log) = (attack.place.open().await, log());
    for _ in 0..20 {
        let records = (0..250).map(|number| other.record(&log, entry(Event::Refused, &format!("r-{number}"))));
        for recorded in futures_util::future::join_all(records).await {
            recorded.unwrap();
        }
    }
    let active = attack.row().await;
    // The process that asked has seen nothing of these; one that starts has seen nothing at all.
    let fresh = World::with(one_sre(), stored(&attack.place).await).await;
    fresh.redeem(&attack.request, &agent()).await.unwrap();
    assert_eq!(fresh.changes(), 1);
    attack.put_back(&active).await;
    attack.place.run("UPDATE entries SET result = NULL, event = 'refused', grant_id = NULL").await;
    attack.assert_refused(0).await;
    attack.world.assert_log_verifies().await;
    attack.place.run("UPDATE entries SET leaf = replace(leaf, 'request', 'REQUEST') WHERE sequence = 2500").await;
    let error = attack.assert_refused_afresh().await;
    assert!(error.message().contains("not what was signed"), "{error}");
}
