//! Incident tools: PagerDuty with its offsets, its keys and its events.

use opsorch::ManualClock;
use opsorch::transport::{Method, Reply, Request, StatusCode};
use opsorch_testkit::double::{
    Incident, IncidentTool, Served, body, by_offset, json as answer, parameter, parameters, path,
};
use serde_json::{Value, json};

use super::{Vendor, read};

fn pagerduty(tool: &mut IncidentTool, request: &Request) -> Reply {
    let (path, body) = (path(request), body(request));
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["incidents"]) => create(tool, &body["incident"]),
        ("GET", ["incidents"]) => {
            let (statuses, offset) = (parameters(request, "statuses[]"), parameter(request, "offset"));
            let wanted = |incident: &&Incident| statuses.is_empty() || statuses.contains(&incident.status);
            let offset = offset.and_then(|text| text.parse().ok()).unwrap_or(0);
            let part = by_offset(tool.incidents().filter(wanted), offset, 2);
            let incidents: Vec<Value> = part.items.into_iter().map(incident_of_pagerduty).collect();
            let more = part.next.is_some();
            answer(StatusCode::OK, &json!({ "incidents": incidents, "offset": offset, "more": more, "total": null }))
        }
        ("GET", ["incidents", id]) => one(tool.incident(id)),
        ("PUT", ["incidents", id]) => {
            let status = body["incident"]["status"].as_str().unwrap().to_owned();
            one(tool.update(id, |incident| incident.status = status))
        }
        ("POST", ["incidents", id, "notes"]) => {
            match tool.note(id, "annotate", "ada", body["note"]["content"].as_str().unwrap()) {
                Some(note) => answer(StatusCode::CREATED, &json!({ "note": { "id": note.id, "content": note.text } })),
                None => one(None),
            }
        }
        ("POST", ["v2", "enqueue"]) => {
            let key = body["dedup_key"].as_str().unwrap();
            match body["event_action"].as_str().unwrap() {
                "trigger" => drop(tool.raise(key, body["payload"]["summary"].as_str().unwrap())),
                "acknowledge" => drop(tool.acknowledge(key)),
                _ => drop(tool.resolve(key)),
            }
            answer(StatusCode::ACCEPTED, &json!({ "status": "success", "dedup_key": key }))
        }
        _ => Reply::new(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// A key of an open incident is refused.
fn create(tool: &mut IncidentTool, asked: &Value) -> Reply {
    let key = &asked["incident_key"];
    let open = |known: &Incident| known.status != "resolved" && known.fields["incident_key"] == *key;
    if !key.is_null() && tool.incidents().any(open) {
        return answer(StatusCode::BAD_REQUEST, &json!({ "error": { "code": 2001 } }));
    }
    let incident = tool.create(asked["title"].as_str().unwrap());
    incident.fields.insert("incident_key".to_owned(), key.clone());
    answer(StatusCode::CREATED, &json!({ "incident": incident_of_pagerduty(incident) }))
}

fn one(incident: Option<&Incident>) -> Reply {
    match incident {
        Some(incident) => answer(StatusCode::OK, &json!({ "incident": incident_of_pagerduty(incident) })),
        None => answer(StatusCode::NOT_FOUND, &json!({ "error": { "code": 2100 } })),
    }
}

fn incident_of_pagerduty(incident: &Incident) -> Value {
    json!({ "id": incident.id, "incident_number": incident.number, "title": incident.title, "status": incident.status })
}

fn asked(title: &str) -> Value {
    json!({ "incident": { "type": "incident", "title": title } })
}

#[tokio::test]
async fn an_incident_is_created_read_changed_and_noted() {
    let double = Served::new(IncidentTool::new(ManualClock::default()), pagerduty);
    let (tool, vendor) = (double.state(), Vendor::of(double).await);
    let made = read(&vendor.post("incidents", &asked("disk full")).await, StatusCode::CREATED);
    assert_eq!(
        made["incident"],
        json!({ "id": "INC1", "incident_number": 1, "title": "disk full", "status": "triggered" })
    );
    let resolved = json!({ "incident": { "type": "incident_reference", "status": "resolved" } });
    vendor.send(Method::PUT, "incidents/INC1", &resolved).await;
    assert_eq!(read(&vendor.get("incidents/INC1", &[]).await, StatusCode::OK)["incident"]["status"], "resolved");
    let note = vendor.post("incidents/INC1/notes", &json!({ "note": { "content": "grown" } })).await;
    assert_eq!(read(&note, StatusCode::CREATED)["note"]["id"], "NOTE1");
    assert_eq!(tool.with(|tool| tool.incident("INC1").unwrap().timeline.len()), 1);
    read(&vendor.get("incidents/INC2", &[]).await, StatusCode::NOT_FOUND);
    read(&vendor.post("incidents/INC2/notes", &json!({ "note": { "content": "x" } })).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_listing_is_filtered_and_goes_on_as_long_as_there_is_more() {
    let vendor = Vendor::of(Served::new(IncidentTool::new(ManualClock::default()), pagerduty)).await;
    for title in ["a", "b", "c", "d"] {
        vendor.post("incidents", &asked(title)).await;
    }
    vendor.send(Method::PUT, "incidents/INC2", &json!({ "incident": { "status": "resolved" } })).await;
    let page = async |offset: &str| {
        let query = [("statuses[]", "triggered"), ("statuses[]", "acknowledged"), ("offset", offset)];
        let page = read(&vendor.get("incidents", &query).await, StatusCode::OK);
        let titles = page["incidents"].as_array().unwrap().iter().map(|incident| incident["title"].clone());
        (titles.collect::<Vec<_>>(), page["more"].as_bool().unwrap())
    };
    assert_eq!(page("0").await, (vec![json!("a"), json!("c")], true));
    assert_eq!(page("2").await, (vec![json!("d")], false));
}

#[tokio::test]
async fn a_key_of_an_open_incident_is_refused_in_the_words_of_the_wire() {
    let vendor = Vendor::of(Served::new(IncidentTool::new(ManualClock::default()), pagerduty)).await;
    let keyed = json!({ "incident": { "type": "incident", "title": "disk full", "incident_key": "k" } });
    read(&vendor.post("incidents", &keyed).await, StatusCode::CREATED);
    read(&vendor.post("incidents", &keyed).await, StatusCode::BAD_REQUEST);
    vendor.send(Method::PUT, "incidents/INC1", &json!({ "incident": { "status": "resolved" } })).await;
    read(&vendor.post("incidents", &keyed).await, StatusCode::CREATED);
}

#[tokio::test]
async fn events_with_one_key_are_one_alert_until_it_is_resolved() {
    let double = Served::new(IncidentTool::new(ManualClock::default()), pagerduty);
    let (tool, vendor) = (double.state(), Vendor::of(double).await);
    let payload = json!({ "summary": "disk full", "source": "db-1", "severity": "critical" });
    for action in ["resolve", "trigger", "acknowledge", "trigger", "resolve", "acknowledge", "trigger"] {
        let event = json!({ "event_action": action, "dedup_key": "db-1/disk", "payload": payload });
        read(&vendor.post("v2/enqueue", &event).await, StatusCode::ACCEPTED);
    }
    let alerts = tool.with(|tool| tool.alerts().cloned().collect::<Vec<_>>());
    let told: Vec<_> =
        alerts.iter().map(|alert| (alert.count, alert.acknowledged.is_some(), alert.resolved.is_some())).collect();
    assert_eq!(told, [(2, true, true), (1, false, false)]);
}

#[test]
fn an_idempotency_key_makes_one_incident() {
    let mut tool = IncidentTool::new(ManualClock::default()).first_status("active");
    let first = tool.create_once("key", "disk full").id.clone();
    tool.create("another");
    assert_eq!(tool.create_once("key", "again").id, first);
    assert_eq!((tool.incidents().count(), tool.incident(&first).unwrap().status.as_str()), (2, "active"));
}
