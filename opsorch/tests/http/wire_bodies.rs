//! The wire contract with OpsOrch: what is read of a body, and what is written. Against a running server.

use opsorch::{Incident, IncidentQuery, MetricPoint, MetricSeries, Time};
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn bodies_are_read_as_go_reads_them() {
    let server = World::new().await.open().serve().await;
    let good = [
        "{}",
        "null",
        "{\"LIMIT\":1}",
        "{\"limit\":1,\"limit\":2}",
        "{\"limit\":0,\"query\":\"\",\"statuses\":null,\"scope\":{}}",
        "{} trailing } bytes",
        " \n{\"metadata\":null}",
    ];
    for body in good {
        server.post("/incidents/query", body).await.expect(200);
    }
    let bad = [
        ("", "EOF"),
        ("{", "EOF while parsing"),
        ("[]", "invalid type"),
        ("{\"bogus\":1}", "unknown field `bogus`"),
        ("{\"scope\":{\"bogus\":1}}", "unknown field `bogus`"),
        ("{\"limit\":1.0}", "invalid type"),
        ("{\"limit\":\"1\"}", "invalid type"),
    ];
    for (body, message) in bad {
        let reply = server.post("/incidents/query", body).await;
        assert_eq!(reply.expect(400).json()["code"], "bad_request");
        assert!(reply.json()["message"].as_str().unwrap().contains(message), "{body}: {}", reply.text());
    }
}

#[tokio::test]
async fn the_content_type_of_a_request_means_nothing() {
    let server = World::new().await.open().serve().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "nonsense"] {
        server.send("POST", "/incidents/query", &[("Content-Type", content_type)], "{}").await.expect(200);
    }
}

#[tokio::test]
async fn an_empty_creation_is_for_the_provider_to_judge() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let reply = server.post("/incidents", "{}").await;
    assert!(reply.expect(400).text().contains("expected a title"), "{}", reply.text());
    assert_eq!(world.vendor.calls(opsorch::Operation::IncidentCreate), 1, "it was asked");
}

#[tokio::test]
async fn the_id_of_a_change_is_in_the_address_alone() {
    let server = World::new().await.open().serve().await;
    for body in ["{\"id\":\"inc-2\"}", "{\"ID\":\"inc-1\"}"] {
        server.send("PATCH", "/incidents/inc-1", &[], body).await.expect(400);
    }
}

#[tokio::test]
async fn a_body_is_the_same_bytes_as_gos() {
    let world = World::new().await;
    let time = |text: &str| text.parse::<Time>().unwrap();
    world.vendor.seed_incident(
        Incident::new("go", "<b>&\u{2028}", "open", "sev1")
            .created_at(time("2026-01-01T00:00:00.120Z"))
            .field("zulu", json!({ "b": 1.0, "a": 1e21 }))
            .field("alpha", json!([1e-7, 9007199254740991_u64, null]))
            .status_raw("never shown"),
    );
    let server = world.open().serve().await;
    assert_eq!(
        server.get("/incidents/go").await.expect(200).text(),
        "{\"id\":\"go\",\"title\":\"\\u003cb\\u003e\\u0026\\u2028\",\"status\":\"open\",\"severity\":\"sev1\",\
         \"createdAt\":\"2026-01-01T00:00:00.12Z\",\"updatedAt\":\"0001-01-01T00:00:00Z\",\
         \"fields\":{\"alpha\":[1e-7,9007199254740991,null],\"zulu\":{\"a\":1e+21,\"b\":1}}}\n"
    );
}

#[tokio::test]
async fn a_point_is_a_time_and_a_number_without_a_needless_fraction() {
    let world = World::new().await;
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    world.vendor.seed_series(MetricSeries::new("go", vec![MetricPoint::new(at, 1.0).unwrap()]));
    let server = world.open().serve().await;
    let body = "{\"start\":\"2026-01-01T00:00:00Z\",\"end\":\"2026-01-01T00:00:00Z\",\"step\":0,\
                \"expression\":{\"metricName\":\"go\"}}";
    assert_eq!(
        server.post("/metrics/query", body).await.expect(200).text(),
        "[{\"name\":\"go\",\"points\":[{\"timestamp\":\"2026-01-01T00:00:00Z\",\"value\":1}]}]\n"
    );
}

#[tokio::test]
async fn a_list_says_whether_it_is_complete_and_where_it_goes_on() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let all = server.post("/incidents/query", "{}").await;
    assert_eq!(all.header("x-opsorch-complete"), "true");
    assert!(!all.headers.contains_key("link"));

    let mut found = Vec::new();
    let mut path = "/incidents/query".to_owned();
    loop {
        let page = server.post(&path, "{\"limit\":2}").await;
        found.extend(page.expect(200).json().as_array().unwrap().clone());
        let link = page.header("link");
        assert_eq!(page.header("x-opsorch-complete"), if link.is_empty() { "true" } else { "false" });
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        path = format!("/incidents/query{next}");
    }
    assert_eq!(json!(found), all.json(), "the pages are the whole");
}

#[tokio::test]
async fn the_first_routed_provider_answers_alone() {
    let other = opsorch_testkit::MemoryProvider::new(opsorch::ManualClock::default());
    other.seed_incident(Incident::new("other", "elsewhere", "open", "high"));
    let world = World::with(crate::support::allow, |builder| {
        builder.provider(other.provider("another")).route(opsorch::Capability::Incident, ["another", "tracker"])
    })
    .await;
    let server = world.open().serve().await;
    let found = server.post("/incidents/query", "{}").await.expect(200).json();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    let created = server.post("/incidents", "{\"title\":\"x\"}").await.expect(201).json();
    let cx = opsorch::Context::new(opsorch::Actor::user("alice"));
    let there = world.ops.incidents(&cx).on("another").query(IncidentQuery::new()).await.unwrap();
    assert!(there.items.iter().any(|incident| created["id"] == incident.id.as_str()));
}

#[tokio::test]
async fn logs_without_a_span_are_all_there_are() {
    let server = World::new().await.open().serve().await;
    let reply = server.post("/logs/query", "{}").await;
    assert!(!reply.expect(200).json()["entries"].as_array().unwrap().is_empty());
}
