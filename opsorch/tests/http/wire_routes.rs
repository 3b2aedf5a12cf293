//! The wire contract with OpsOrch: every route of it, with status and body, against a running server.

use opsorch::Operation;
use opsorch::http::routes;
use serde_json::{Value, json};

use crate::support::World;

/// The fields that OpsOrch has for each type; those with a question mark may be absent.
const FIELDS: &[(&str, &str)] = &[
    ("Incident", "id title description? status severity service? url? createdAt updatedAt fields? metadata?"),
    ("TimelineEntry", "id incidentId at kind body actor? metadata?"),
    ("LogEntry", "timestamp message severity? service? labels? fields? metadata?"),
    ("MetricSeries", "name service? labels? points url? metadata?"),
    ("MetricDescriptor", "name type description labels unit? url? metadata?"),
    ("Ticket", "id key? title description? status assignees? reporter? url? createdAt updatedAt fields? metadata?"),
    ("MessageResult", "id channel sentAt url? metadata?"),
    ("Service", "id name url? tags? metadata?"),
    ("Deployment", "id service? environment? version? status startedAt finishedAt url? actor? fields? metadata?"),
    ("Team", "id name parent? url? tags? metadata?"),
    ("TeamMember", "id name? email? handle? role? metadata?"),
    ("Plan", "id title description? steps url? version? tags? fields? metadata?"),
    ("Run", "id planId plan? status scope steps createdAt updatedAt url? fields? metadata?"),
];

/// Fails unless an object has the fields of its type, in their order, and no others.
#[track_caller]
fn expect_fields(text: &str, object: &Value, type_name: &str) {
    let fields = FIELDS.iter().find(|(name, _)| *name == type_name).expect("a type of the table").1;
    let object = object.as_object().unwrap_or_else(|| panic!("expected {type_name}, got {object}"));
    let mut last = 0;
    let mut known = 0;
    for field in fields.split(' ') {
        let (name, is_optional) = field.strip_suffix('?').map_or((field, false), |name| (name, true));
        let Some(value) = object.get(name) else {
            assert!(is_optional, "{type_name} has no {name}: {object:?}");
            continue;
        };
        known += 1;
        let empty = value.is_null() || *value == json!("") || *value == json!({}) || *value == json!([]);
        assert!(!(is_optional && empty), "{type_name} has an empty {name}");
        if let Some(at) = text.find(&format!("\"{name}\":")) {
            assert!(at >= last || text.matches(&format!("\"{name}\":")).count() > 1, "{name} is out of order: {text}");
            last = last.max(at);
        }
    }
    assert_eq!(known, object.len(), "{type_name} has other fields: {object:?}");
}

#[tokio::test]
async fn every_route_of_opsorch_answers_with_its_status_and_its_fields() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let span = "\"start\":\"2025-12-31T00:00:00Z\",\"end\":\"2026-01-02T00:00:00Z\"";
    let calls = [
        ("POST", "/incidents/query", "{}", 200, "[Incident]"),
        ("POST", "/incidents", "{\"title\":\"x\",\"status\":\"open\",\"severity\":\"high\"}", 201, "Incident"),
        ("GET", "/incidents/inc-1", "", 200, "Incident"),
        ("PATCH", "/incidents/inc-1", "{\"title\":\"y\"}", 200, "Incident"),
        ("POST", "/incidents/inc-1/timeline", "{\"kind\":\"note\",\"body\":\"z\"}", 201, "ok"),
        ("GET", "/incidents/inc-1/timeline", "", 200, "[TimelineEntry]"),
        ("POST", "/alerts/query", "{}", 200, "[Incident]"),
        ("GET", "/alerts/alert-1", "", 200, "Incident"),
        ("POST", "/logs/query", &format!("{{{span}}}"), 200, "entries[LogEntry]"),
        (
            "POST",
            "/metrics/query",
            &format!("{{{span},\"step\":0,\"expression\":{{\"metricName\":\"METRIC\"}}}}"),
            200,
            "[MetricSeries]",
        ),
        ("GET", "/metrics/describe", "", 200, "metrics[MetricDescriptor]"),
        ("GET", "/metrics/describe?service=api&environment=&team=", "", 200, "metrics[MetricDescriptor]?"),
        ("POST", "/metrics/describe", "{}", 200, "metrics[MetricDescriptor]"),
        ("POST", "/tickets/query", "{}", 200, "[Ticket]"),
        ("POST", "/tickets", "{\"title\":\"x\"}", 201, "Ticket"),
        ("GET", "/tickets/tkt-1", "", 200, "Ticket"),
        ("PATCH", "/tickets/tkt-1", "{\"assignees\":[]}", 200, "Ticket"),
        ("POST", "/messages/send", "{\"channel\":\"#ops\",\"body\":\"x\"}", 200, "MessageResult"),
        ("POST", "/services/query", "{}", 200, "[Service]"),
        ("POST", "/deployments/query", "{}", 200, "[Deployment]"),
        ("GET", "/deployments/dep-1", "", 200, "Deployment"),
        ("POST", "/teams/query", "{}", 200, "[Team]"),
        ("GET", "/teams/team-platform", "", 200, "Team"),
        ("GET", "/teams/team-platform/members", "", 200, "[TeamMember]"),
        ("POST", "/orchestration/plans/query", "{}", 200, "[Plan]"),
        ("GET", "/orchestration/plans/plan-1", "", 200, "Plan"),
        ("POST", "/orchestration/runs", "{\"planId\":\"plan-1\"}", 201, "Run"),
        ("POST", "/orchestration/runs/query", "{}", 200, "[Run]"),
        ("GET", "/orchestration/runs/run-1", "", 200, "Run"),
    ];
    let metric = server.get("/metrics/describe").await.json()["metrics"][0]["name"].as_str().unwrap().to_owned();
    for (method, path, body, status, shape) in calls {
        let reply = server.send(method, path, &[], &body.replace("METRIC", &metric)).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "application/json", "{method} {path}");
        assert!(reply.text().ends_with('\n') && !reply.text().ends_with("\n\n"), "{method} {path}");
        expect_shape(reply.text(), &reply.json(), shape);
        let is_list = shape.contains('[');
        assert_eq!(reply.headers.contains_key("x-opsorch-complete"), is_list, "{method} {path}");
    }
}

#[track_caller]
fn expect_shape(text: &str, body: &Value, shape: &str) {
    if shape == "ok" {
        return assert_eq!(text, "{\"status\":\"ok\"}\n");
    }
    let Some((wrapped, rest)) = shape.split_once('[') else { return expect_fields(text, body, shape) };
    let (type_name, may_be_empty) = rest.split_once(']').unwrap();
    let items = if wrapped.is_empty() { body } else { &body[wrapped] };
    let items = items.as_array().unwrap_or_else(|| panic!("expected {shape}: {text}"));
    assert!(!items.is_empty() || may_be_empty == "?", "nothing to look at: {shape}");
    items.iter().for_each(|item| expect_fields("", item, type_name));
}

#[tokio::test]
async fn a_step_is_completed_with_what_is_optional_left_out() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let run = server.post("/orchestration/runs", "{\"planId\":\"plan-1\"}").await.expect(201).json();
    let (id, step) = (run["id"].as_str().unwrap(), run["steps"][0]["stepId"].as_str().unwrap());
    let path = format!("/orchestration/runs/{id}/steps/{step}/complete/");
    let reply = server.post(&path, "{\"actor\":\"alice\",\"note\":\"done\"}").await;
    assert_eq!(reply.expect(200).text(), "{\"status\":\"ok\"}\n");
}

#[tokio::test]
async fn a_timeline_entry_without_a_time_happens_now() {
    let world = World::new().await;
    let server = world.open().serve().await;
    for at in ["", ",\"at\":null", ",\"at\":\"0001-01-01T00:00:00Z\""] {
        let body = format!("{{\"kind\":\"note\",\"body\":\"now\"{at}}}");
        server.post("/incidents/inc-1/timeline", &body).await.expect(201);
    }
    let entries = server.get("/incidents/inc-1/timeline").await.json();
    let ours = entries.as_array().unwrap().iter().filter(|entry| entry["body"] == "now");
    assert!(ours.clone().count() == 3 && ours.clone().all(|entry| entry["at"] == "2026-01-01T00:00:00Z"), "{entries}");
}

#[tokio::test]
async fn one_slash_at_the_end_is_tolerated_where_opsorch_does() {
    let server = World::new().await.open().serve().await;
    server.post("/incidents/query/", "{}").await.expect(200);
    server.get("/tickets/tkt-1/").await.expect(200);
    server.get("/teams/team-platform/members/").await.expect(200);
    server.get("/tickets/tkt-1//").await.expect(404);
    for path in ["/logs/query/", "/metrics/query/", "/metrics/describe/", "/messages/send/", "/services/query/"] {
        server.post(path, "{}").await.expect(404);
    }
}

#[tokio::test]
async fn an_id_may_be_the_word_query_and_may_have_a_slash_in_it() {
    let world = World::new().await;
    world.vendor.seed_ticket(opsorch::Ticket::new("query", "a word", "todo"));
    world.vendor.seed_ticket(opsorch::Ticket::new("a/b é", "a slash", "todo"));
    let server = world.open().serve().await;
    assert_eq!(server.get("/tickets/query").await.expect(200).json()["title"], "a word");
    assert_eq!(server.get("/tickets/a%2Fb%20%C3%A9").await.expect(200).json()["title"], "a slash");
    server.get("/tickets/%ff").await.expect(400);
}

#[tokio::test]
async fn every_operation_is_reachable_on_both_surfaces() {
    let routes = routes();
    for operation in Operation::ALL {
        for prefix in ["/v1/", "/"] {
            let is_there = |path: &str| path.starts_with(prefix) && (prefix != "/" || !path.starts_with("/v1/"));
            let found = routes.iter().find(|route| route.operation == Some(*operation) && is_there(&route.path));
            assert!(found.is_some(), "{operation} has no route at {prefix}");
        }
    }
}

#[tokio::test]
async fn what_opsorch_does_not_have_is_there_beside_it() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let raise = "{\"dedupKey\":\"disk\",\"title\":\"disk full\",\"severity\":\"high\"}";
    let alert = server.post("/alerts", raise).await.expect(201).json();
    let id = alert["id"].as_str().unwrap();
    server.post(&format!("/alerts/{id}/acknowledge"), "").await.expect(200);
    let silence = server.post(&format!("/alerts/{id}/silence"), "{\"until\":\"2026-01-01T01:00:00Z\"}").await;
    silence.expect(200);
    server.post(&format!("/alerts/{id}/resolve"), "{\"reason\":\"freed\"}").await.expect(200);
    let comment = server.post("/tickets/tkt-1/comments", "{\"body\":\"seen\"}").await.expect(201).json();
    assert_eq!(comment["ticketId"], "tkt-1");
    server.get("/services/svc-api").await.expect(200);
    server.get("/teams/team-platform/oncall").await.expect(200);
    let message = server.post("/messages/send", "{\"channel\":\"#ops\",\"body\":\"x\"}").await.json();
    let path = format!("/messages/{}", message["id"].as_str().unwrap());
    server.send("PATCH", &path, &[], "{\"channel\":\"#ops\",\"body\":\"y\"}").await.expect(200);
}
