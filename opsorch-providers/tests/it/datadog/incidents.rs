//! Incidents are found, opened and changed.

use std::sync::Arc;

use opsorch::{
    Clock, CreateIncident, ErrorKind, Incident, IncidentQuery, IncidentStatusLevel, ManualClock, Page, Result,
    SeverityLevel, UpdateIncident,
};
use opsorch_testkit::double::{body, parameters};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, done, ok, status};
use super::simulated::datadog::Vendor;
use super::simulated::datadog::incidents::Incidents;
use super::simulated::datadog::listing::{person, uuid};
use super::{assert_invalid, assert_unsupported};

mod paging;

impl Desk {
    async fn incidents(&self, query: IncidentQuery) -> Result<Page<Incident>> {
        self.ops.incidents(&self.cx).query(query).await
    }

    /// The titles on all pages.
    async fn titles(&self, query: IncidentQuery) -> Vec<String> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let mut query = query.clone();
            query.cursor = next;
            let page = self.incidents(query).await.unwrap();
            assert!(page.truncated.is_none() && page.failures.is_empty());
            all.extend(page.items.into_iter().map(|incident| incident.title));
            match page.next {
                Some(cursor) => next = Some(cursor),
                None => return all,
            }
        }
    }

    async fn open_incident(&self, input: CreateIncident) -> Result<Incident> {
        done(self.ops.incidents(&self.cx).create(input).await)
    }

    async fn change_incident(&self, input: UpdateIncident) -> Result<Incident> {
        done(self.ops.incidents(&self.cx).update(input).await)
    }

    /// The body of the last change.
    fn sent(&self) -> Value {
        let requests = self.wire.requests();
        body(requests.iter().rfind(|request| request.method != "GET").unwrap())["data"].clone()
    }
}

fn checkout() -> String {
    uuid(2_654_435_761, 1)
}

/// Incidents so many seconds ago, each in a state, of a severity and on a service.
fn many(troubles: &[(u64, usize, usize, usize)]) -> Vendor {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let mut incidents = Incidents::empty(&clock);
    for (number, (at, state, severity, service)) in troubles.iter().enumerate() {
        let id = incidents.open(&format!("trouble {number}"), ago(*at));
        let fields = json!({ "fields": {
            "state": { "type": "dropdown", "value": STATES[*state] },
            "severity": { "type": "dropdown", "value": SEVERITIES[*severity] },
            "services": { "type": "autocomplete", "value": [SERVICES[*service]] },
        } });
        incidents.change(&id, &fields, ago(*at));
    }
    let mut vendor = Vendor::new(clock);
    vendor.incidents = incidents;
    vendor
}

const STATES: [&str; 4] = ["active", "stable", "resolved", "completed"];
const SEVERITIES: [&str; 5] = ["SEV-0", "SEV-1", "SEV-2", "SEV-5", "UNKNOWN"];
const SERVICES: [&str; 2] = ["api", "db"];

#[tokio::test]
async fn an_incident_says_what_datadog_knows_of_it() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| {
        let change = json!({
            "customer_impacted": true, "customer_impact_scope": "no orders", "detected": "2026-01-02T03:04:05+00:00",
            "fields": { "summary": { "type": "textbox", "value": "since 03:00" },
                        "detection_method": { "type": "dropdown", "value": "customer" },
                        "regions": { "type": "multiselect", "value": ["eu", "us"] }, "empty": { "type": "textbox", "value": null } },
        });
        vendor.incidents.change(&checkout(), &change, ago(60));
        vendor.incidents.incidents[0]["relationships"]["commander_user"]["data"] = json!({ "type": "users", "id": uuid(0xa, 0) });
    });
    let incident = desk.ops.incidents(&desk.cx).get(checkout().as_str()).await.unwrap();
    assert_eq!((incident.title.as_str(), incident.description.as_deref()), ("Checkout is down", Some("since 03:00")));
    assert_eq!((incident.status.as_str(), incident.status_raw.as_deref()), ("open", Some("active")));
    assert_eq!((incident.severity.as_str(), incident.severity_raw.as_deref()), ("critical", Some("SEV-1")));
    assert_eq!(incident.service.as_deref(), Some("api"));
    assert_eq!((incident.created_at, incident.updated_at), (Some(ago(3_600)), Some(ago(60))));
    assert_eq!(incident.url.unwrap().as_str(), "https://app.datadoghq.com/incidents/1", "people know it by its number");
    assert_eq!(incident.fields["customer_impact_scope"], "no orders");
    assert_eq!(incident.fields["detection_method"], "customer");
    assert_eq!(incident.fields["regions"], json!(["eu", "us"]));
    assert!(!incident.fields.contains_key("empty") && !incident.fields.contains_key("state"));
    assert_eq!(incident.fields["commander"], uuid(0xa, 0));
    assert_eq!(incident.metadata["commander"]["email"], "ada@example.com");
    assert_eq!((&incident.metadata["public_id"], &incident.metadata["source"]), (&json!(1), &json!("datadog")));
}

#[tokio::test]
async fn an_incident_is_found_by_its_number_too() {
    let desk = Desk::open().await;
    let found = desk.ops.incidents(&desk.cx).get("3").await.unwrap();
    assert_eq!(found.title, "Mails are late");
    desk.change_incident(UpdateIncident::new("3").title("Mails are lost")).await.unwrap();
    assert_eq!(desk.ops.incidents(&desk.cx).get(found.id).await.unwrap().title, "Mails are lost");
    for id in ["99", "", "03", "+3", "x", "../incidents", "00000000-0000-4000-8000-000000000000", "3?x=1"] {
        let error = desk.ops.incidents(&desk.cx).get(id).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{id}: {error}");
    }
}

#[tokio::test]
async fn states_and_severities_are_looked_for_in_datadogs_words() {
    let desk = Desk::open().await;
    let query = IncidentQuery::open().severity("sev1").severity("unknown").limit(3);
    assert_eq!(desk.titles(query).await, ["Something smells", "Checkout is down"]);
    let requests = desk.wire.requests();
    assert_eq!(requests[0].url.path(), "/api/v2/incidents/search");
    assert_eq!(parameters(&requests[0], "query"), ["state:(active) AND severity:(SEV-1 OR SEV-0 OR UNKNOWN)"]);
    assert_eq!(parameters(&requests[0], "sort"), ["-created"]);
    assert_eq!(parameters(&requests[0], "page[size]"), ["100"]);
    assert!(requests[0].url.query().unwrap().contains("page%5Boffset%5D=0"), "brackets are encoded once");
    assert_eq!(desk.titles(IncidentQuery::new().status("mitigated")).await, ["Searches are slow"]);
    assert_eq!(desk.titles(IncidentQuery::new().status("resolved")).await, ["Mails are late", "Disk of db is full"]);
    assert_eq!(desk.titles(IncidentQuery::new()).await.len(), 5);
}

#[tokio::test]
async fn no_word_changes_the_search() {
    let desk = Desk::open().await;
    for word in ["x) OR state:(active", "a b", "\"", "*", "active\n", "}", "\\", "(", "", "ä"] {
        let found = desk.titles(IncidentQuery::new().status(word).status("resolved")).await;
        let expected: &[&str] = match word {
            "active\n" => &["Something smells", "Checkout is down", "Mails are late", "Disk of db is full"],
            _ => &["Mails are late", "Disk of db is full"],
        };
        assert_eq!(found, expected, "{word:?}");
        assert!(desk.titles(IncidentQuery::new().severity(word).severity("nothing")).await.is_empty(), "{word:?}");
        let named = IncidentQuery::new().service(format!("api{word}"));
        let expected = if word.is_empty() { 2 } else { 0 };
        assert_eq!(desk.titles(named).await.len(), expected, "{word:?}");
    }
}

#[tokio::test]
async fn a_scope_and_a_text_find_what_has_them() {
    let desk = Desk::open().await;
    assert_eq!(desk.titles(IncidentQuery::new().service("db")).await, ["Disk of db is full"]);
    assert_eq!(
        desk.titles(IncidentQuery::new().environment("staging").team("core")).await,
        ["Something smells", "Mails are late"]
    );
    assert!(desk.titles(IncidentQuery::new().team("Core")).await.is_empty(), "names are meant to the letter");
    assert_eq!(desk.titles(IncidentQuery::new().query("MAILS")).await, ["Mails are late"]);
    assert_eq!(
        desk.titles(IncidentQuery::new().since(ago(7_200)).until(ago(60))).await,
        ["Checkout is down", "Searches are slow"]
    );
    assert_unsupported(desk.incidents(IncidentQuery::new().metadata("x", 1)).await, "metadata.x");
}

#[tokio::test]
async fn an_incident_in_a_state_that_nobody_documents_is_found_where_no_state_is_asked_for() {
    let desk = Desk::open().await;
    let state = json!({ "fields": { "state": { "type": "dropdown", "value": "declared" } } });
    desk.wire.vendor(|vendor| vendor.incidents.change(&checkout(), &state, ago(60)));
    assert_eq!(desk.titles(IncidentQuery::new()).await.len(), 5);
    let last = parameters(desk.wire.requests().last().unwrap(), "query");
    assert_eq!(last, ["state:(active OR stable OR resolved OR completed OR declared)"]);
    assert_eq!(desk.ops.incidents(&desk.cx).get("1").await.unwrap().status.as_str(), "declared");
    assert_eq!(desk.titles(IncidentQuery::new().status("declared")).await, ["Checkout is down"]);
    assert_eq!(desk.titles(IncidentQuery::open()).await, ["Something smells"], "which asks for states");
}

#[tokio::test]
async fn a_severity_below_the_five_usual_ones_is_found_by_its_name() {
    let desk = Desk::open().await;
    let severity = json!({ "fields": { "severity": { "type": "dropdown", "value": "SEV-7" } } });
    desk.wire.vendor(|vendor| vendor.incidents.change(&checkout(), &severity, ago(60)));
    assert_eq!(desk.titles(IncidentQuery::new().severity("sev-7")).await, ["Checkout is down"]);
}

#[tokio::test]
async fn a_cursor_that_nobody_gave_is_refused() {
    let desk = Desk::open().await;
    for cursor in [
        "",
        "1",
        "[]",
        "{}",
        "[{\"id\":\"x\"},0]",
        "[{\"at\":\"2026-01-01T00:00:00Z\",\"id\":\"x\"},-1]",
        "https://evil.example",
    ] {
        assert_invalid(desk.incidents(IncidentQuery::new().after(opsorch::Cursor::new(cursor))).await, "cursor");
    }
}

#[tokio::test]
async fn an_incident_is_opened_with_everything_that_datadog_has() {
    let desk = Desk::open().await;
    let input = CreateIncident::new("disk full")
        .description("since 03:00")
        .status("mitigated")
        .severity("high")
        .service("db")
        .field("customer_impacted", true)
        .field("customer_impact_scope", "no orders")
        .field("commander", "grace@example.com")
        .field("detection_method", "monitor")
        .field("teams", json!(["core", "web"]))
        .field("regions", json!({ "type": "multiselect", "value": ["eu"] }))
        .field("notification_handles", json!(["@slack-ops"]))
        .field("initial_cells", json!(["**looking**"]));
    let incident = desk.open_incident(input).await.unwrap();
    assert_eq!(
        desk.sent(),
        json!({
            "type": "incidents",
            "attributes": {
                "title": "disk full", "customer_impacted": true, "customer_impact_scope": "no orders",
                "notification_handles": [{ "handle": "@slack-ops" }],
                "initial_cells": [{ "cell_type": "markdown", "content": { "content": "**looking**" } }],
                "fields": {
                    "state": { "type": "dropdown", "value": "stable" }, "severity": { "type": "dropdown", "value": "SEV-2" },
                    "summary": { "type": "textbox", "value": "since 03:00" },
                    "services": { "type": "autocomplete", "value": ["db"] },
                    "detection_method": { "type": "dropdown", "value": "monitor" },
                    "teams": { "type": "autocomplete", "value": ["core", "web"] },
                    "regions": { "type": "multiselect", "value": ["eu"] },
                },
            },
            "relationships": { "commander_user": { "data": { "type": "users", "id": uuid(0xa, 1) } } },
        })
    );
    assert_eq!(incident.status.level(), IncidentStatusLevel::Mitigated);
    assert_eq!((incident.severity.level(), incident.severity_raw.as_deref()), (SeverityLevel::High, Some("SEV-2")));
    assert_eq!((incident.description.as_deref(), incident.service.as_deref()), (Some("since 03:00"), Some("db")));
    assert_eq!(incident.metadata["commander"]["name"], "Grace");
    assert_eq!(incident, desk.ops.incidents(&desk.cx).get(&incident.id).await.unwrap());
}

/// Datadog refuses an incident that does not say whether customers feel it.
#[tokio::test]
async fn whether_customers_feel_it_is_always_said() {
    let desk = Desk::open().await;
    desk.open_incident(CreateIncident::new("x")).await.unwrap();
    assert_eq!(desk.sent(), json!({ "type": "incidents", "attributes": { "title": "x", "customer_impacted": false } }));
    let impacted = CreateIncident::new("x").field("customer_impacted", true);
    assert_invalid(desk.open_incident(impacted).await, "fields.customer_impact_scope");
    assert_eq!(desk.wire.bodies("/incidents").len(), 1, "and nothing was sent");
}

#[tokio::test]
async fn a_change_names_what_is_changed_and_nothing_else() {
    let desk = Desk::open().await;
    let id = checkout();
    let cases: [(UpdateIncident, Value); 8] = [
        (UpdateIncident::new(&*id).title("y"), json!({ "title": "y" })),
        (
            UpdateIncident::new(&*id).status("resolved"),
            json!({ "fields": { "state": { "type": "dropdown", "value": "resolved" } } }),
        ),
        (
            UpdateIncident::new(&*id).status("Completed"),
            json!({ "fields": { "state": { "type": "dropdown", "value": "completed" } } }),
        ),
        (
            UpdateIncident::new(&*id).severity("SEV-0"),
            json!({ "fields": { "severity": { "type": "dropdown", "value": "SEV-0" } } }),
        ),
        (
            UpdateIncident::new(&*id).severity("unknown"),
            json!({ "fields": { "severity": { "type": "dropdown", "value": "UNKNOWN" } } }),
        ),
        (
            UpdateIncident::new(&*id).description(""),
            json!({ "fields": { "summary": { "type": "textbox", "value": null } } }),
        ),
        (
            UpdateIncident::new(&*id).service(""),
            json!({ "fields": { "services": { "type": "autocomplete", "value": [] } } }),
        ),
        (
            UpdateIncident::new(&*id)
                .field("customer_impact_end", "2026-01-01T02:00:00+02:00")
                .field("detected", Value::Null),
            json!({ "customer_impact_end": "2026-01-01T00:00:00+00:00", "detected": null }),
        ),
    ];
    for (input, attributes) in cases {
        desk.change_incident(input).await.unwrap();
        assert_eq!(desk.sent(), json!({ "type": "incidents", "id": id, "attributes": attributes }));
        let last = desk.wire.requests().last().unwrap().clone();
        assert_eq!((last.method.as_str(), last.url.path()), ("PATCH", format!("/api/v2/incidents/{id}").as_str()));
    }
    desk.change_incident(UpdateIncident::new(&*id).field("commander", uuid(0xa, 2))).await.unwrap();
    assert_eq!(desk.sent()["relationships"]["commander_user"]["data"]["id"], uuid(0xa, 2));
    let changed = desk.change_incident(UpdateIncident::new(&*id).field("commander", Value::Null)).await.unwrap();
    assert_eq!(desk.sent()["relationships"], json!({ "commander_user": { "data": null } }));
    assert!(!changed.fields.contains_key("commander"));
    let sent = desk.wire.requests().iter().filter(|request| request.method == "PATCH").count();
    assert_eq!(desk.change_incident(UpdateIncident::new(&*id)).await.unwrap(), changed);
    assert_eq!(
        desk.wire.requests().iter().filter(|request| request.method == "PATCH").count(),
        sent,
        "no change is sent as none"
    );
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_before_anything_is_sent() {
    let desk = Desk::open().await;
    let new = || CreateIncident::new("x");
    let invalid = [
        (CreateIncident::new(" "), "title"),
        (new().field("customer_impacted", "yes"), "fields.customer_impacted"),
        (new().field("regions", "eu"), "fields.regions"),
        (new().field("regions", json!({ "type": "list", "value": [] })), "fields.regions"),
        (new().field("regions", json!({ "type": "multiselect", "value": "eu" })), "fields.regions"),
        (new().field("regions", json!({ "type": "textbox", "value": "eu", "x": 1 })), "fields.regions"),
        (new().field("severity", json!({ "type": "dropdown", "value": "SEV-1" })), "fields.severity"),
        (new().field("summary", "x"), "fields.summary"),
        (new().service("a").field("services", json!(["b"])), "fields.services"),
        (new().field("teams", "core"), "fields.teams"),
        (new().field("commander", "grace"), "fields.commander"),
        (new().field("commander", "nobody@example.com"), "fields.commander"),
        (new().field("commander", "example.com@"), "fields.commander"),
    ];
    for (input, field) in invalid {
        assert_invalid(desk.open_incident(input).await, field);
    }
    assert_unsupported(desk.open_incident(new().status("acknowledged")).await, "acknowledged");
    assert_unsupported(desk.open_incident(new().status("purple")).await, "active, stable, resolved, completed");
    assert_unsupported(desk.open_incident(new().severity("purple")).await, "SEV-1");
    assert_unsupported(desk.open_incident(new().metadata("x", 1)).await, "metadata.x");
    assert_unsupported(desk.open_incident(new().field("detected", ago(0).to_rfc3339())).await, "fields.detected");
    assert_unsupported(
        desk.change_incident(UpdateIncident::new(checkout()).field("is_test", true)).await,
        "fields.is_test",
    );
    assert_invalid(
        desk.change_incident(UpdateIncident::new(checkout()).field("detected", "today")).await,
        "fields.detected",
    );
    assert!(desk.wire.requests().iter().all(|request| request.method == "GET"), "{:?}", desk.wire.paths());
}

#[tokio::test]
async fn an_address_of_two_people_names_neither() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| {
        let mut twin = person(&uuid(0xa, 1)).unwrap();
        twin["id"] = json!(uuid(0xa, 9));
        vendor.teams.users.push(twin);
    });
    let error = desk.open_incident(CreateIncident::new("x").field("commander", "grace@example.com")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "fields.commander".into() });
    assert!(error.to_string().contains(&uuid(0xa, 1)) && error.to_string().contains(&uuid(0xa, 9)), "{error}");
}

#[tokio::test]
async fn a_lost_answer_leaves_it_open_and_nothing_is_sent_twice() {
    let desk = Desk::open().await;
    desk.wire.next("POST", "/incidents", 0, Fate::Lost);
    let error = desk.open_incident(CreateIncident::new("x")).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    assert_eq!(desk.wire.bodies("/incidents").len(), 1);
    desk.wire.answer(
        "PATCH",
        &Box::leak(checkout().into_boxed_str())[..],
        status(404, &json!({ "errors": ["not found"] }), &[]),
    );
    let error = desk.change_incident(UpdateIncident::new(checkout()).title("y")).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::NotFound && !error.may_have_applied(), "{error}");
}

#[tokio::test]
async fn a_new_incident_that_cannot_be_read_again_is_shown_as_it_was_answered() {
    let desk = Desk::open().await;
    let path: &'static str = Box::leak(uuid(6_u32.wrapping_mul(2_654_435_761), 6).into_boxed_str());
    desk.wire.answer("GET", path, status(500, &json!({}), &[]));
    let made = desk.open_incident(CreateIncident::new("x").field("commander", uuid(0xa, 0))).await.unwrap();
    assert_eq!((made.title.as_str(), &made.fields["commander"]), ("x", &json!(uuid(0xa, 0))));
}

#[tokio::test]
async fn words_and_fields_that_are_new_do_not_stop_a_list() {
    let desk = Desk::open().await;
    let hit = |attributes: Value| json!({ "data": { "type": "incidents", "id": uuid(1, 1), "attributes": attributes, "new": {} } });
    let odd = json!({
        "title": "x", "created": "2026-01-01T00:00:00.5+00:00", "state": null, "severity": "SEV-9", "public_id": 8,
        "fields": { "state": { "type": "new", "value": { "deep": 1 } }, "services": null }, "notification_handles": null,
    });
    let answer = json!({ "data": { "attributes": { "incidents": [hit(odd), hit(json!({ "title": null }))] } }, "included": null });
    desk.wire.answer("GET", "/search", ok(&answer));
    let page = desk.incidents(IncidentQuery::new()).await.unwrap();
    assert_eq!((page.items[0].status.as_str(), page.items[0].severity.as_str()), ("unknown", "SEV-9"));
}

#[tokio::test]
async fn there_is_no_timeline_to_claim() {
    let desk = Desk::open().await;
    let error = desk.ops.incidents(&desk.cx).timeline(checkout()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
}
