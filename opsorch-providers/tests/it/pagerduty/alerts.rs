//! Alerts of incidents, and those that are raised, acknowledged and resolved by events.

use std::sync::Arc;

use opsorch::transport::{Reply, StatusCode};
use opsorch::{
    AcknowledgeAlert, Alert, AlertQuery, AlertStatusLevel, ErrorKind, ManualClock, Operation, Page, RaiseAlert,
    ResolveAlert, Result, SeverityLevel,
};
use opsorch_testkit::double::{body, json as reply};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, config_with, done, ok, too_many};
use super::simulated::pagerduty::account::Account;
use super::{assert_invalid, assert_unsupported};

const KEY: &str = "db-1/disk";

type IsMeant = fn(&ErrorKind) -> bool;

async fn query(desk: &Desk, query: AlertQuery) -> Result<Page<Alert>> {
    desk.ops.alerts(&desk.cx).query(query).await
}

async fn raise(desk: &Desk, input: RaiseAlert) -> Result<Alert> {
    done(desk.ops.alerts(&desk.cx).raise(input).await)
}

async fn resolve(desk: &Desk, id: &str) -> Result<Alert> {
    done(desk.ops.alerts(&desk.cx).resolve(ResolveAlert::new(id)).await)
}

async fn acknowledge(desk: &Desk, id: &str) -> Result<Alert> {
    done(desk.ops.alerts(&desk.cx).acknowledge(AcknowledgeAlert::new(id)).await)
}

fn ids(page: &Page<Alert>) -> Vec<&str> {
    page.items.iter().map(|alert| alert.id.as_str()).collect()
}

fn disk(key: &str) -> RaiseAlert {
    RaiseAlert::new(key, "disk full", SeverityLevel::High)
}

#[tokio::test]
async fn the_alerts_of_open_incidents_are_listed_and_that_others_are_missing_is_said() {
    let desk = Desk::open().await;
    let page = query(&desk, AlertQuery::new()).await.unwrap();
    assert_eq!(ids(&page), [KEY]);
    assert!(page.truncated.as_ref().is_some_and(|why| why.contains("resolved incidents")), "{page:?}");
    let alert = &page.items[0];
    assert_eq!((alert.title.as_str(), alert.severity.as_str()), ("disk of db-1 full", "critical"));
    assert_eq!((alert.status.as_str(), alert.status_raw.as_deref()), ("firing", Some("triggered")));
    assert_eq!(alert.fields["free"], "1 %");
    assert_eq!(alert.metadata["incident_id"], "INC107");
    assert_eq!(alert.url.as_ref().unwrap().as_str(), "https://acme.pagerduty.com/alerts/ALERT1");
    // Only the incident that has an alert is looked at.
    assert_eq!(desk.wire.paths(), ["GET /incidents", "GET /incidents/INC107/alerts"]);
    assert!(query(&desk, AlertQuery::firing()).await.unwrap().is_complete());
}

#[tokio::test]
async fn an_alert_is_found_by_its_key_also_when_it_is_over() {
    let desk = Desk::open().await;
    assert_eq!(desk.ops.alerts(&desk.cx).get(KEY).await.unwrap().id.as_str(), KEY);
    assert_eq!(desk.wire.parameter("/incidents", "incident_key"), [KEY]);
    assert_eq!(desk.wire.parameter("/incidents", "date_range"), ["all"]);
    assert_eq!(desk.wire.parameter("/alerts", "alert_key"), [KEY]);
    resolve(&desk, KEY).await.unwrap();
    assert_eq!(desk.ops.alerts(&desk.cx).get(KEY).await.unwrap().status.as_str(), "resolved");
    // Without a key PagerDuty would find everything.
    let before = desk.wire.requests().len();
    assert_eq!(*desk.ops.alerts(&desk.cx).get("").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(desk.wire.requests().len(), before);
    assert_eq!(*desk.ops.alerts(&desk.cx).get("db-1").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_alert_without_a_key_is_found_by_the_ids_of_its_incident_and_itself() {
    let desk = Desk::open().await;
    let alert =
        json!({ "id": "PA", "summary": "by mail", "status": "triggered", "alert_key": null, "severity": "urgent" });
    desk.wire.answer("GET", "/alerts", ok(&json!({ "alerts": [alert], "more": false })));
    let page = query(&desk, AlertQuery::firing()).await.unwrap();
    assert_eq!(ids(&page), ["INC107/PA"]);
    assert_eq!((page.items[0].severity.as_str(), page.items[0].severity.level()), ("urgent", SeverityLevel::Unknown));
    desk.wire.answer("GET", "/alerts/PA", ok(&json!({ "alert": alert })));
    assert_eq!(desk.ops.alerts(&desk.cx).get("INC107/PA").await.unwrap().title, "by mail");
}

#[tokio::test]
async fn every_filter_of_alerts_is_honoured_or_refused() {
    let desk = Desk::empty().await;
    for number in 0..7 {
        desk.wire.account(|account| {
            account.event(&format!("k{number}"), &format!("trouble {number}"), "error", &json!({ "n": number }));
        });
    }
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let mut paged = AlertQuery::firing().limit(2);
        paged.cursor = next;
        let page = query(&desk, paged).await.unwrap();
        all.extend(ids(&page).into_iter().map(str::to_owned));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    all.sort();
    assert_eq!(all, ["k0", "k1", "k2", "k3", "k4", "k5", "k6"]);
    assert_eq!(ids(&query(&desk, AlertQuery::new().query("TROUBLE 3")).await.unwrap()), ["k3"]);
    assert!(query(&desk, AlertQuery::new().severity("critical")).await.unwrap().items.is_empty());
    assert_eq!(query(&desk, AlertQuery::new().severity("major")).await.unwrap().items.len(), 7);
    assert!(query(&desk, AlertQuery::new().service("db")).await.unwrap().items.is_empty());
    assert!(query(&desk, AlertQuery::new().service("nobody's")).await.unwrap().items.is_empty());
    assert!(query(&desk, AlertQuery::new().until(ago(0))).await.unwrap().items.is_empty());
    assert_eq!(ids(&query(&desk, AlertQuery::new().metadata("incident_id", "INC2")).await.unwrap()), ["k1"]);
    assert!(query(&desk, AlertQuery::new().metadata("incident_id", "PNOBODY")).await.unwrap().items.is_empty());
    assert_unsupported(query(&desk, AlertQuery::new().environment("eu")).await, "scope.environment");
    assert_unsupported(query(&desk, AlertQuery::new().metadata("x", 1)).await, "metadata.x");
    assert_unsupported(query(&desk, AlertQuery::new().service("db").metadata("incident_id", "INC2")).await, "scope");
    assert_invalid(query(&desk, AlertQuery::new().metadata("incident_id", 1)).await, "metadata.incident_id");
    assert_invalid(query(&desk, AlertQuery::new().after(opsorch::Cursor::new("x"))).await, "cursor");
}

#[tokio::test]
async fn a_hundred_incidents_are_looked_at_and_more_are_said() {
    let mut account = Account::empty(Arc::new(ManualClock::default()));
    for number in 0..102 {
        account.event(&format!("k{number}"), "trouble", "error", &json!({}));
    }
    let desk = Desk::over(account).await;
    let page = query(&desk, AlertQuery::firing().limit(500)).await.unwrap();
    assert_eq!(page.items.len(), 100);
    assert!(page.truncated.as_ref().is_some_and(|why| why.contains("narrow the scope")), "{:?}", page.truncated);
}

#[tokio::test]
async fn raising_sends_the_event_that_pagerduty_documents() {
    let desk = Desk::empty().await;
    let input = disk("k")
        .description("since 03:00")
        .source("db-1")
        .field("free", "1 %")
        .metadata("component", "mysql")
        .metadata("client", "opsorch")
        .metadata("links", json!([{ "href": "https://example.com", "text": "runbook" }]));
    let alert = raise(&desk, input).await.unwrap();
    assert_eq!((alert.id.as_str(), alert.status.as_str(), alert.severity.as_str()), ("k", "firing", "high"));
    assert_eq!((alert.description.as_deref(), &alert.fields["free"]), (Some("since 03:00"), &json!("1 %")));
    let expected = json!({
        "routing_key": "canary-7d1f0a-secret", "event_action": "trigger", "dedup_key": "k", "client": "opsorch",
        "links": [{ "href": "https://example.com", "text": "runbook" }],
        "payload": {
            "summary": "disk full", "source": "db-1", "severity": "error", "component": "mysql",
            "custom_details": { "description": "since 03:00", "free": "1 %" },
        },
    });
    assert_eq!(desk.wire.change(), expected);
    let sent = &desk.wire.changes()[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://pd.example/events/v2/enqueue"));
    assert!(!sent.headers.contains_key("authorization"));
    // Again is the same alert; after it was resolved, it is a new one.
    assert_eq!(raise(&desk, disk("k")).await.unwrap().metadata["alert_id"], "ALERT1");
    resolve(&desk, "k").await.unwrap();
    assert_eq!(raise(&desk, disk("k")).await.unwrap().metadata["alert_id"], "ALERT2");
}

#[tokio::test]
async fn an_alert_that_cannot_be_read_yet_is_answered_as_it_was_raised() {
    let desk = Desk::empty().await;
    let accepted = json!({ "status": "success", "message": "Event processed", "dedup_key": "given-by-pagerduty" });
    desk.wire.answer("POST", "/enqueue", reply(StatusCode::ACCEPTED, &accepted));
    let alert = raise(&desk, disk("k").field("a", 1)).await.unwrap();
    assert_eq!((alert.id.as_str(), alert.created_at), ("given-by-pagerduty", None));
    assert_eq!(
        (alert.status.as_str(), &alert.metadata["pending"], &alert.fields["a"]),
        ("firing", &json!(true), &json!(1))
    );
}

#[tokio::test]
async fn what_pagerduty_would_cut_or_drop_is_refused() {
    let desk = Desk::empty().await;
    let long = "ä".repeat(1_025);
    assert_invalid(raise(&desk, RaiseAlert::new("k", &*long, "high")).await, "title");
    assert_invalid(raise(&desk, RaiseAlert::new("k", " ", "high")).await, "title");
    assert_invalid(raise(&desk, disk("")).await, "dedupKey");
    assert_invalid(raise(&desk, disk(&"k".repeat(256))).await, "dedupKey");
    assert_unsupported(raise(&desk, RaiseAlert::new("k", "x", "low")).await, "low");
    assert_unsupported(raise(&desk, RaiseAlert::new("k", "x", "weird")).await, "weird");
    assert_unsupported(raise(&desk, disk("k").service("db")).await, "service");
    assert_unsupported(raise(&desk, disk("k").metadata("x", 1)).await, "x");
    assert_invalid(raise(&desk, disk("k").description("a").field("description", "b")).await, "fields.description");
    assert_invalid(raise(&desk, disk("k").field("huge", "x".repeat(512 * 1024))).await, "fields");
    assert!(desk.wire.requests().is_empty());
    let title = "ä".repeat(1_024);
    assert_eq!(raise(&desk, RaiseAlert::new("k", &*title, "info")).await.unwrap().title, title);
}

#[tokio::test]
async fn an_alert_is_acknowledged_and_resolved_under_its_key() {
    let desk = Desk::open().await;
    assert_eq!(acknowledge(&desk, KEY).await.unwrap().status.level(), AlertStatusLevel::Acknowledged);
    let expected = json!({ "routing_key": "canary-7d1f0a-secret", "event_action": "acknowledge", "dedup_key": KEY });
    assert_eq!(desk.wire.change(), expected);
    // It is so already, and nothing is sent.
    acknowledge(&desk, KEY).await.unwrap();
    assert_eq!(desk.wire.changes().len(), 1);
    assert_eq!(resolve(&desk, KEY).await.unwrap().status.level(), AlertStatusLevel::Resolved);
    assert_eq!(body(&desk.wire.changes()[1])["event_action"], "resolve");
    resolve(&desk, KEY).await.unwrap();
    let error = acknowledge(&desk, KEY).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Conflict, false));
    assert_eq!(desk.wire.changes().len(), 2);
}

#[tokio::test]
async fn an_event_about_no_alert_would_vanish_so_that_it_is_not_sent() {
    let desk = Desk::open().await;
    for result in [acknowledge(&desk, "nobody's").await, resolve(&desk, "nobody's").await] {
        assert_eq!(*result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let alerts = desk.ops.alerts(&desk.cx);
    assert_unsupported(done(alerts.resolve(ResolveAlert::new(KEY).reason("made room")).await), "reason");
    assert!(desk.wire.changes().is_empty());
}

#[tokio::test]
async fn what_was_accepted_and_is_not_to_be_seen_yet_is_pending() {
    let desk = Desk::open().await;
    let accepted = json!({ "status": "success", "message": "Event processed", "dedup_key": KEY });
    desk.wire.answer("POST", "/enqueue", reply(StatusCode::ACCEPTED, &accepted));
    let alert = resolve(&desk, KEY).await.unwrap();
    assert_eq!((alert.status.as_str(), &alert.metadata["pending"]), ("resolved", &json!(true)));
}

#[tokio::test]
async fn a_refused_event_says_why() {
    let refused = |errors: Value| {
        reply(
            StatusCode::BAD_REQUEST,
            &json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors }),
        )
    };
    let unauthenticated = |kind: &ErrorKind| *kind == ErrorKind::Unauthenticated;
    let invalid = |kind: &ErrorKind| matches!(kind, ErrorKind::Invalid { .. });
    let limited = |kind: &ErrorKind| *kind == ErrorKind::RateLimited { retry_after: None };
    let unexpected = |kind: &ErrorKind| *kind == ErrorKind::Unexpected;
    let cases: [(Reply, IsMeant, bool); 5] = [
        (refused(json!(["Invalid routing key canary-7d1f0a-secret"])), unauthenticated, false),
        (refused(json!(["'payload.severity' is invalid"])), invalid, false),
        (too_many(&[]), limited, false),
        (reply(StatusCode::ACCEPTED, &json!({ "status": "queued elsewhere" })), unexpected, true),
        (Reply::new(StatusCode::OK).body("<html>sign in</html>"), unexpected, true),
    ];
    for (answer, is_meant, leaves_open) in cases {
        let desk = Desk::empty().await;
        desk.wire.answer("POST", "/enqueue", answer);
        let error = raise(&desk, disk("k")).await.unwrap_err();
        assert!(is_meant(error.kind()), "{error}");
        assert_eq!(error.may_have_applied(), leaves_open, "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    let desk = Desk::empty().await;
    desk.wire.next("POST", "/enqueue", 0, Fate::Lost);
    assert!(raise(&desk, disk("k")).await.unwrap_err().may_have_applied());
    assert_eq!(desk.wire.changes().len(), 1);
}

#[tokio::test]
async fn without_a_key_no_alert_can_be_raised() {
    let desk = Desk::configured(config_with(json!({ "routing_key": null }))).await;
    let offered = desk.ops.providers().next().unwrap().operations();
    for operation in [Operation::AlertRaise, Operation::AlertAcknowledge, Operation::AlertResolve] {
        assert!(!offered.contains(operation), "{operation}");
    }
    assert!(offered.contains(Operation::AlertQuery));
}
