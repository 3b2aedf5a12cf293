//! What is changed, in whose name, and what becomes of it when the answer is lost.

use std::sync::Arc;

use opsorch::transport::{Reply, StatusCode};
use opsorch::{
    Actor, Context, CreateIncident, ErrorKind, Incident, IncidentStatusLevel, ManualClock, OutcomeStatus, Result,
    UpdateIncident,
};
use serde_json::json;

use super::desk::{Desk, Fate, config, config_with, done, ok, refusal};
use super::simulated::pagerduty::account::Account;
use super::{assert_invalid, assert_unsupported};

fn disk_full() -> CreateIncident {
    CreateIncident::new("disk full").service("db")
}

async fn create(desk: &Desk, input: CreateIncident) -> Result<Incident> {
    done(desk.ops.incidents(&desk.cx).create(input).await)
}

async fn update(desk: &Desk, input: UpdateIncident) -> Result<Incident> {
    done(desk.ops.incidents(&desk.cx).update(input).await)
}

/// Creates under an idempotency key of the caller's.
async fn create_under(desk: &Desk, key: &str) -> Result<Incident> {
    done(desk.ops.incidents(&desk.cx).idempotency_key(key).create(disk_full()).await)
}

#[tokio::test]
async fn an_incident_is_opened_with_everything_that_was_said() {
    let desk = Desk::empty().await;
    let input =
        disk_full().description("since 03:00").severity("sev1").status("open").field("escalation_policy", "PEP2");
    let made = create(&desk, input).await.unwrap();
    assert_eq!(made.description.as_deref(), Some("since 03:00"));
    assert_eq!((made.severity.as_str(), made.severity_raw.as_deref()), ("critical", Some("P1")));
    assert_eq!((made.service.as_deref(), made.status.as_str()), (Some("db"), "open"));
    let mut sent = desk.wire.change();
    let key = sent["incident"]["incident_key"].take();
    assert!(key.as_str().is_some_and(|key| key.len() > 10), "{key}");
    let expected = json!({ "incident": {
        "type": "incident", "title": "disk full", "incident_key": null, "urgency": "high",
        "service": { "id": "PSVC3", "type": "service_reference" },
        "priority": { "id": "PPRIO1", "type": "priority_reference" },
        "body": { "type": "incident_body", "details": "since 03:00" },
        "escalation_policy": { "id": "PEP2", "type": "escalation_policy_reference" },
    } });
    assert_eq!(sent, expected);
    assert_eq!(desk.wire.changes()[0].headers["from"], "alice@example.com");
    assert_eq!(desk.wire.paths(), ["GET /services", "GET /priorities", "GET /incidents", "POST /incidents"]);
}

#[tokio::test]
async fn a_change_is_made_in_the_name_of_the_person_who_acts() {
    let bob = Actor::user("bob@example.com");
    for (actor, from_person, from) in [
        (bob.clone(), true, "bob@example.com"),
        (Actor::agent("triage").on_behalf_of(bob.clone()), true, "bob@example.com"),
        (Actor::agent("triage"), true, "alice@example.com"),
        (Actor::user("bob"), true, "alice@example.com"),
        (Actor::user("b\r\nX: y@example.com"), true, "alice@example.com"),
        (bob, false, "alice@example.com"),
    ] {
        let mut desk = Desk::configured(config_with(json!({ "from_person": from_person }))).await;
        desk.cx = Context::new(actor);
        create(&desk, disk_full()).await.unwrap();
        assert_eq!(desk.wire.changes()[0].headers["from"], from);
    }
}

#[tokio::test]
async fn without_anybodys_name_nothing_is_sent() {
    let desk = Desk::configured(config_with(json!({ "from_email": null }))).await;
    assert_invalid(create(&desk, disk_full()).await, "from_email");
    assert_invalid(update(&desk, UpdateIncident::new("INC1").status("resolved")).await, "from_email");
    let note = opsorch::TimelineAppend::new("INC1", "note", "looking");
    assert_invalid(done(desk.ops.incidents(&desk.cx).append(note).await), "from_email");
    assert!(desk.wire.requests().is_empty());
    // Somebody whom PagerDuty does not know is refused there, and the refusal says so.
    let mut desk = Desk::open().await;
    desk.cx = Context::new(Actor::user("mallory@example.com"));
    let error = create(&desk, disk_full()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }) && !error.may_have_applied(), "{error}");
    assert!(error.to_string().contains("Requester User Not Found"), "{error}");
}

#[tokio::test]
async fn the_service_is_the_named_one_or_the_configured_one() {
    let desk = Desk::open().await;
    assert_invalid(create(&desk, CreateIncident::new("x")).await, "service");
    assert_invalid(create(&desk, CreateIncident::new("x").service("D")).await, "service");
    assert_invalid(create(&desk, CreateIncident::new("x").service("PSVC3")).await, "service");
    assert!(desk.wire.changes().is_empty());
    let desk = Desk::configured(config_with(json!({ "serviceID": "PSVC2", "defaultSeverity": "P4" }))).await;
    let made = create(&desk, CreateIncident::new("x")).await.unwrap();
    assert_eq!((made.service.as_deref(), made.severity.as_str()), (Some("api-gateway"), "low"));
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_before_anything_is_sent() {
    let desk = Desk::open().await;
    assert_unsupported(create(&desk, disk_full().status("acknowledged")).await, "acknowledged");
    assert_unsupported(create(&desk, disk_full().severity("weird")).await, "weird");
    assert_unsupported(create(&desk, disk_full().field("colour", "red")).await, "colour");
    assert_unsupported(create(&desk, disk_full().field("resolution", "x")).await, "resolution");
    assert_unsupported(create(&desk, disk_full().metadata("service_id", "PSVC1")).await, "metadata.service_id");
    assert_invalid(create(&desk, disk_full().field("urgency", "severe")).await, "fields.urgency");
    let both = disk_full().field("assignees", json!(["PUSER1"])).field("escalation_policy", "PEP1");
    assert_invalid(create(&desk, both).await, "fields.assignees");
    assert_invalid(create(&desk, CreateIncident::new(" ").service("db")).await, "title");
    assert_unsupported(update(&desk, UpdateIncident::new("INC104").description("x")).await, "description");
    assert_unsupported(update(&desk, UpdateIncident::new("INC104").status("mitigated")).await, "mitigated");
    assert_unsupported(update(&desk, UpdateIncident::new("INC104").status("closing")).await, "closing");
    assert_invalid(update(&desk, UpdateIncident::new("INC104").field("resolution", "x")).await, "fields.resolution");
    assert_invalid(update(&desk, UpdateIncident::new("INC104").service("nobody's")).await, "service");
    assert_invalid(update(&desk, UpdateIncident::new("INC104").title("")).await, "title");
    assert!(desk.wire.changes().is_empty());
}

#[tokio::test]
async fn a_severity_is_a_priority_or_else_an_urgency() {
    // An account whose plan has no priorities answers 402.
    let desk = Desk::empty().await;
    desk.wire.answer("GET", "/priorities", refusal(402, 2014, "Payment Required"));
    let made = create(&desk, disk_full().severity("low")).await.unwrap();
    assert_eq!((made.severity.as_str(), made.severity_raw.as_deref()), ("low", Some("low")));
    assert_eq!(desk.wire.change()["incident"]["urgency"], "low");
    desk.wire.answer("GET", "/priorities", refusal(402, 2014, "Payment Required"));
    assert_unsupported(create(&desk, disk_full().severity("critical")).await, "critical");
    // Several that mean the same are named; one of them can be chosen by its own name.
    desk.wire.account(|account| account.priorities[1]["name"] = json!("SEV-1"));
    let error = create(&desk, disk_full().severity("critical")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "severity".into() });
    assert!(error.to_string().contains("P1, SEV-1"), "{error}");
    let made = create(&desk, disk_full().severity("SEV-1")).await.unwrap();
    assert_eq!((made.severity.as_str(), made.severity_raw.as_deref()), ("critical", Some("SEV-1")));
}

#[tokio::test]
async fn an_incident_keeps_no_priority_that_contradicts_its_severity() {
    let desk = Desk::open().await;
    desk.wire.account(|account| account.priorities.truncate(1));
    // INC104 has the priority P1; nothing but the urgency stands for `low`.
    assert_unsupported(update(&desk, UpdateIncident::new("INC104").severity("low")).await, "P1");
    assert!(desk.wire.changes().is_empty());
    let changed = update(&desk, UpdateIncident::new("INC106").severity("low")).await.unwrap();
    assert_eq!(changed.severity.as_str(), "low");
}

#[tokio::test]
async fn an_update_sends_what_is_given_and_nothing_else() {
    let desk = Desk::open().await;
    let resolve = UpdateIncident::new("INC104").status("closed").field("resolution", "made room");
    let changed = update(&desk, resolve).await.unwrap();
    assert_eq!((changed.status.as_str(), changed.status_raw.as_deref()), ("resolved", Some("resolved")));
    let incident = json!({ "type": "incident_reference", "status": "resolved", "resolution": "made room" });
    assert_eq!(desk.wire.change(), json!({ "incident": incident }));
    assert_eq!(desk.wire.paths(), ["PUT /incidents/INC104", "GET /incidents/INC104"]);
    assert_eq!(desk.wire.requests()[0].headers["from"], "alice@example.com");
    let moved = UpdateIncident::new("INC105").title("slow").service("db").severity("P2");
    let moved = update(&desk, moved.field("assignees", json!(["PUSER2"])).field("escalation_level", 2)).await.unwrap();
    assert_eq!((moved.title.as_str(), moved.service.as_deref(), moved.severity.as_str()), ("slow", Some("db"), "high"));
    let sent = opsorch_testkit::double::body(&desk.wire.changes()[1]);
    let expected = json!({ "incident": {
        "type": "incident_reference", "title": "slow", "urgency": "high", "escalation_level": 2,
        "service": { "id": "PSVC3", "type": "service_reference" },
        "priority": { "id": "PPRIO2", "type": "priority_reference" },
        "assignments": [{ "assignee": { "id": "PUSER2", "type": "user_reference" } }],
    } });
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn an_update_of_nothing_sends_nothing() {
    let desk = Desk::open().await;
    assert_eq!(update(&desk, UpdateIncident::new("INC104")).await.unwrap().title, "disk full");
    assert!(desk.wire.changes().is_empty());
}

#[tokio::test]
async fn a_resolved_incident_is_opened_again() {
    let desk = Desk::open().await;
    let reopened = update(&desk, UpdateIncident::new("INC1").status("open")).await.unwrap();
    assert_eq!(reopened.status.level(), IncidentStatusLevel::Open);
    assert_eq!(desk.wire.change()["incident"]["status"], "triggered");
}

#[tokio::test]
async fn a_status_that_is_there_already_is_a_success_and_any_other_refusal_a_conflict() {
    let desk = Desk::open().await;
    let acknowledge = || UpdateIncident::new("INC104").status("acknowledged");
    update(&desk, acknowledge()).await.unwrap();
    // 1002, and 1001 for one that is resolved.
    assert_eq!(update(&desk, acknowledge()).await.unwrap().status.as_str(), "acknowledged");
    assert_eq!(
        update(&desk, UpdateIncident::new("INC1").status("resolved")).await.unwrap().status.as_str(),
        "resolved"
    );
    // Of two members one was refused, so that the other was not written either.
    let error = update(&desk, acknowledge().title("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Conflict, false));
    // It was resolved in between.
    desk.wire.answer("PUT", "/incidents/INC1", refusal(400, 1001, "Incident Already Resolved"));
    let error = update(&desk, UpdateIncident::new("INC1").status("acknowledged")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Conflict, false));
    assert!(error.to_string().contains("resolved"), "{error}");
}

#[tokio::test]
async fn a_change_that_cannot_be_read_again_has_been_made_all_the_same() {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/incidents/INC104", refusal(503, 0, "down"));
    let changed = update(&desk, UpdateIncident::new("INC104").title("fuller")).await.unwrap();
    assert_eq!(changed.title, "fuller");
}

#[tokio::test]
async fn one_key_opens_one_incident_even_if_the_answer_is_lost() {
    let desk = Desk::empty().await;
    desk.wire.next("POST", "/incidents", 0, Fate::Lost);
    let error = create_under(&desk, "k").await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    let again = create_under(&desk.another().await, "k").await.unwrap();
    assert_eq!(again.id.as_str(), "INC1");
    assert_eq!(desk.wire.account(|account| account.tool.incidents().count()), 1);
    assert_eq!(desk.wire.changes().len(), 1, "it was looked for before it was sent again");
    // The key is free again at PagerDuty once the incident is resolved.
    update(&desk, UpdateIncident::new("INC1").status("resolved")).await.unwrap();
    let resolved = create_under(&desk.another().await, "k").await.unwrap();
    assert_eq!((resolved.id.as_str(), resolved.status.as_str()), ("INC1", "resolved"));
    assert_eq!(desk.wire.account(|account| account.tool.incidents().count()), 1);
    assert_eq!(create_under(&desk, "another").await.unwrap().id.as_str(), "INC2");
}

#[tokio::test]
async fn of_two_that_race_the_refused_one_answers_what_the_other_opened() {
    let desk = Desk::empty().await;
    create_under(&desk, "k").await.unwrap();
    // The second one looked before the first was there.
    let nothing = ok(&json!({ "incidents": [], "more": false }));
    desk.wire.answer("GET", "/incidents", nothing.clone());
    assert_eq!(create_under(&desk.another().await, "k").await.unwrap().id.as_str(), "INC1");
    // PagerDuty says that there is one, and does not find it: nobody may pretend that there is none.
    desk.wire.answer("GET", "/incidents", nothing.clone());
    desk.wire.answer("GET", "/incidents", nothing);
    let error = create_under(&desk.another().await, "k").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Conflict, true));
}

#[tokio::test]
async fn what_became_of_a_lost_change_can_be_looked_up() {
    for (fate, status) in [
        (Fate::Lost, Some(OutcomeStatus::Applied)),
        // What is not found may still be on its way.
        (Fate::Answer(refusal(503, 0, "down")), None),
    ] {
        let desk = Desk::empty().await;
        desk.wire.next("POST", "/incidents", 0, fate);
        create_under(&desk, "k").await.unwrap_err();
        let grant = desk.ops.audit().entries(0, 1).await.unwrap()[0].grant.clone().unwrap();
        let addendum = desk.ops.reconcile(&desk.cx, &grant).await.unwrap();
        assert_eq!(addendum.map(|entry| entry.outcome.unwrap().status), status);
        assert_eq!(desk.wire.changes().len(), 1, "it only looks");
    }
}

#[tokio::test]
async fn a_failure_leaves_a_change_open_and_a_refusal_does_not() {
    for (reply, leaves_open) in [
        (refusal(400, 2001, "Title is too long"), false),
        (refusal(413, 0, "too large"), false),
        (refusal(500, 0, "oops"), true),
        (Reply::new(StatusCode::BAD_GATEWAY).body("<html>bad gateway</html>"), true),
        (Reply::new(StatusCode::NO_CONTENT), true),
    ] {
        for input in [true, false] {
            let desk = Desk::open().await;
            desk.wire.answer("POST", "/incidents", reply.clone());
            desk.wire.answer("PUT", "/incidents/INC104", reply.clone());
            let result = match input {
                true => create(&desk, disk_full()).await,
                false => update(&desk, UpdateIncident::new("INC104").title("x")).await,
            };
            assert_eq!(result.unwrap_err().may_have_applied(), leaves_open, "{reply:?}");
            assert_eq!(desk.wire.changes().len(), 1);
        }
    }
}

#[tokio::test]
async fn what_a_policy_may_decide_about_is_the_service_that_is_acted_on() {
    let account = Account::empty(Arc::new(ManualClock::default()));
    let desk = Desk::with(account, config()).await.unwrap();
    let provider = desk.ops.providers().next().unwrap();
    let target = provider.target(Some(&disk_full().into()));
    assert_eq!(target.scope.service.as_deref(), Some("db"));
}
