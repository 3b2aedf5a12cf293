//! What incidents are in the schema, and which of them a query means.

use opsorch::{ErrorKind, IncidentQuery, IncidentStatusLevel, SeverityLevel};
use opsorch_testkit::double::parameters;
use serde_json::{Value, json};

use super::desk::{Desk, ago, config_with, ok};
use super::{assert_invalid, assert_unsupported};

/// An incident with everything as PagerDuty has it.
fn incident(members: Value) -> Value {
    let mut incident = json!({
        "id": "PT4KHLK", "type": "incident", "summary": "[#1234] The server is on fire.", "title": "The server is on fire.",
        "incident_number": 1234, "status": "acknowledged", "urgency": "high", "incident_key": "baf7",
        "created_at": "2015-10-06T21:30:42Z", "updated_at": "2015-10-06T17:40:23-04:00",
        "html_url": "https://acme.pagerduty.com/incidents/PT4KHLK",
        "service": { "id": "PIJ90N7", "type": "service_reference", "summary": "My Mail Service",
            "html_url": "https://acme.pagerduty.com/service-directory/PIJ90N7" },
        "assignments": [{ "at": "2015-11-10T00:31:52Z", "assignee": { "id": "PXPGF42", "type": "user_reference",
            "summary": "Earline Greenholt", "html_url": "https://acme.pagerduty.com/users/PXPGF42" } }],
        "alert_counts": { "all": 2, "triggered": 1, "resolved": 1 },
        "priority": { "id": "P53ZZH5", "type": "priority_reference", "summary": "P2" },
        "body": { "type": "incident_body", "details": "A disk is getting full." },
    });
    incident.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    incident
}

async fn read(members: Value) -> opsorch::Incident {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/incidents/PT4KHLK", ok(&json!({ "incident": incident(members) })));
    desk.ops.incidents(&desk.cx).get("PT4KHLK").await.unwrap()
}

#[tokio::test]
async fn an_incident_says_everything_that_pagerduty_says() {
    let read = read(json!({})).await;
    assert_eq!((read.id.as_str(), read.title.as_str()), ("PT4KHLK", "The server is on fire."));
    assert_eq!(read.description.as_deref(), Some("A disk is getting full."));
    assert_eq!((read.status.as_str(), read.status_raw.as_deref()), ("acknowledged", Some("acknowledged")));
    assert_eq!((read.severity.as_str(), read.severity_raw.as_deref()), ("high", Some("P2")));
    assert_eq!(read.service.as_deref(), Some("My Mail Service"));
    assert_eq!(read.url.unwrap().as_str(), "https://acme.pagerduty.com/incidents/PT4KHLK", "the page, not the API");
    assert_eq!(read.updated_at.unwrap().to_rfc3339(), "2015-10-06T21:40:23+00:00");
    for (name, value) in [("incident_number", json!(1234)), ("urgency", json!("high")), ("priority", json!("P2"))] {
        assert_eq!(read.fields[name], value);
    }
    assert_eq!(read.metadata["source"], "pagerduty");
    assert_eq!(read.metadata["incident_key"], "baf7");
    assert_eq!(read.metadata["service_id"], "PIJ90N7");
    assert_eq!(read.metadata["assignments"][0]["name"], "Earline Greenholt");
}

#[tokio::test]
async fn a_reference_and_the_whole_thing_read_the_same() {
    let whole = read(json!({
        "service": { "id": "PIJ90N7", "type": "service", "name": "Mail", "summary": "Mail", "status": "active", "teams": [] },
        "priority": { "id": "P1", "type": "priority", "name": "P1", "summary": "P1", "color": "a8171c" },
        "assignments": [{ "at": "2015-11-10T00:31:52Z", "assignee": { "id": "PX", "type": "user", "name": "Ada" } }],
        "first_trigger_log_entry": { "id": "Q0", "type": "trigger_log_entry", "channel": { "type": "api" } },
    }))
    .await;
    assert_eq!(whole.service.as_deref(), Some("Mail"));
    assert_eq!(whole.severity.level(), SeverityLevel::Critical);
    assert_eq!(whole.metadata["assignments"][0]["name"], "Ada");
}

#[tokio::test]
async fn what_may_be_null_is_nothing_and_what_is_new_disturbs_nothing() {
    let bare = read(json!({
        "title": null, "status": "paused", "urgency": "severe", "priority": null, "service": null, "assignments": null,
        "updated_at": null, "html_url": "javascript:alert(1)", "body": null, "incident_key": null, "invented": [1],
    }))
    .await;
    assert_eq!(bare.title, "[#1234] The server is on fire.");
    assert_eq!((bare.status.as_str(), bare.status.level()), ("paused", IncidentStatusLevel::Unknown));
    assert_eq!((bare.severity.as_str(), bare.severity.level()), ("severe", SeverityLevel::Unknown));
    assert_eq!((bare.url, bare.description, bare.service, bare.updated_at), (None, None, None, None));
}

#[tokio::test]
async fn severities_follow_the_tables_of_the_configuration() {
    let config = config_with(json!({
        "priorities": { "Red": "critical", "P3": "low" },
        "urgencies": { "high": "critical", "low": "medium" },
    }));
    let desk = Desk::configured(config).await;
    for (priority, urgency, severity) in [
        (json!({ "id": "P", "summary": "Red" }), "low", "critical"),
        (json!({ "id": "P", "summary": "P3" }), "high", "low"),
        (json!({ "id": "P", "summary": "P2" }), "low", "high"),
        (json!({ "id": "P", "summary": "Blue" }), "high", "Blue"),
        (Value::Null, "high", "critical"),
        (Value::Null, "low", "medium"),
    ] {
        let members = json!({ "priority": priority, "urgency": urgency });
        desk.wire.answer("GET", "/incidents/PT4KHLK", ok(&json!({ "incident": incident(members) })));
        assert_eq!(desk.ops.incidents(&desk.cx).get("PT4KHLK").await.unwrap().severity.as_str(), severity);
    }
}

#[tokio::test]
async fn names_of_a_scope_are_meant_to_the_letter() {
    let desk = Desk::open().await;
    // There is `api` and `api-gateway`, `Core` and `Core platform`.
    let titles = desk.titles(IncidentQuery::open().service("api")).await;
    assert_eq!(titles, ["disk of db-1 full", "disk full"]);
    assert_eq!(desk.wire.parameter("/incidents", "service_ids[]"), ["PSVC1"]);
    assert_eq!(desk.titles(IncidentQuery::open().team("Core platform")).await, ["latency above 2 s"]);
    assert_eq!(desk.wire.parameter("/incidents", "team_ids[]"), ["PTEAM2"]);
    // What resolves to nothing finds nothing, and everything is not asked for.
    for query in
        [IncidentQuery::new().service("ap"), IncidentQuery::new().service("API"), IncidentQuery::new().team("Cor")]
    {
        let before = desk.wire.paths().iter().filter(|path| *path == "GET /incidents").count();
        assert!(desk.titles(query).await.is_empty());
        assert_eq!(desk.wire.paths().iter().filter(|path| *path == "GET /incidents").count(), before);
    }
    assert!(desk.titles(IncidentQuery::new().service("")).await.is_empty());
    assert!(desk.titles(IncidentQuery::new().service("db").team("Core")).await.is_empty());
}

#[tokio::test]
async fn a_name_that_several_have_is_refused_with_their_ids() {
    let desk = Desk::open().await;
    desk.wire.account(|account| account.services[1]["name"] = json!("api"));
    let error = desk.query(IncidentQuery::new().service("api")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "scope.service".into() });
    assert!(error.to_string().contains("PSVC1, PSVC2"), "{error}");
}

#[tokio::test]
async fn every_filter_is_honoured_or_refused() {
    let desk = Desk::open().await;
    // Two severities are no filter on urgencies that lets everything through.
    let titles = desk.titles(IncidentQuery::open().severity("sev1").severity("P3")).await;
    assert_eq!(titles, ["latency above 2 s", "disk full"]);
    assert_eq!(desk.titles(IncidentQuery::new().query("certificate")).await, ["certificate expires"]);
    assert!(
        desk.titles(IncidentQuery::new().status("mitigated")).await.is_empty(),
        "no incident there has this status"
    );
    assert_unsupported(desk.query(IncidentQuery::new().environment("production")).await, "scope.environment");
    assert_unsupported(desk.query(IncidentQuery::new().status("on fire")).await, "on fire");
    assert_unsupported(desk.query(IncidentQuery::new().metadata("colour", "red")).await, "metadata.colour");
    assert_invalid(desk.query(IncidentQuery::new().metadata("service_id", 5)).await, "metadata.service_id");
    assert_invalid(desk.query(IncidentQuery::new().metadata("incident_key", "")).await, "metadata.incident_key");
    for (name, value, parameter) in [
        ("service_id", "PSVC3", "service_ids[]"),
        ("team_id", "PTEAM3", "team_ids[]"),
        ("user_id", "PUSER1", "user_ids[]"),
        ("urgency", "low", "urgencies[]"),
        ("incident_key", "a&b=c", "incident_key"),
    ] {
        desk.query(IncidentQuery::new().limit(1).metadata(name, value)).await.unwrap();
        assert_eq!(desk.wire.parameter("/incidents", parameter), [value]);
    }
    // A service by its name and another one by its id is nothing.
    assert!(desk.titles(IncidentQuery::new().service("api").metadata("service_id", "PSVC3")).await.is_empty());
}

#[tokio::test]
async fn what_is_asked_for_is_what_pagerduty_documents() {
    let desk = Desk::open().await;
    desk.query(IncidentQuery::open().since(ago(3_600 * 24)).until(ago(0)).limit(500)).await.unwrap();
    let request = &desk.wire.requests()[0];
    assert_eq!((request.method.as_str(), request.url.path()), ("GET", "/api/incidents"));
    assert_eq!(request.headers["authorization"], "Token token=canary-7d1f0a-secret");
    assert_eq!(request.headers["accept"], "application/vnd.pagerduty+json;version=2");
    assert!(request.body.is_empty() && !request.headers.contains_key("from"));
    for (name, values) in [
        ("statuses[]", vec!["acknowledged", "triggered"]),
        ("sort_by", vec!["created_at:desc"]),
        ("include[]", vec!["body"]),
        ("since", vec!["2025-12-30T23:59:59Z"]),
        ("until", vec!["2026-01-01T00:00:01Z"]),
        ("limit", vec!["100"]),
        ("offset", vec!["0"]),
        ("date_range", vec![]),
    ] {
        assert_eq!(parameters(request, name), values, "{name}");
    }
}

#[tokio::test]
async fn an_id_stays_an_id() {
    let desk = Desk::open().await;
    for id in ["", "..", "../services", "P1/notes", "P1?x=1", "P1%2f", "P1\n", "é"] {
        let error = desk.ops.incidents(&desk.cx).get(id).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{id}");
    }
    assert!(desk.wire.requests().is_empty(), "nothing of the kind is sent");
}
