//! Deployments of DORA Metrics, and events that are deployments.

use std::sync::Arc;

use opsorch::{Deployment, DeploymentQuery, ErrorKind, ManualClock, Operation, Page, Result};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, ok, status};
use super::simulated::datadog::Vendor;
use super::simulated::datadog::deployments::{SEARCH, dora, event};
use super::{assert_invalid, assert_unsupported};

impl Desk {
    async fn deployments(&self, query: DeploymentQuery) -> Result<Page<Deployment>> {
        self.ops.deployments(&self.cx).query(query).await
    }

    async fn deployment_ids(&self, query: DeploymentQuery) -> Vec<String> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let mut query = query.clone();
            query.cursor = next;
            let page = self.deployments(query).await.unwrap();
            assert!(page.truncated.is_none() && page.failures.is_empty(), "{:?}", page.truncated);
            all.extend(page.items.iter().map(|deployment| deployment.id.to_string()));
            match page.next {
                Some(cursor) => next = Some(cursor),
                None => return all,
            }
        }
    }
}

fn from_events() -> Value {
    json!({ "deployments": { "events": { "query": SEARCH } } })
}

async fn over(deployments: Vec<Value>, events: Vec<Value>, members: Value) -> Desk {
    let mut vendor = Vendor::new(Arc::new(ManualClock::default()));
    (vendor.deployments.dora, vendor.deployments.events) = (deployments, events);
    Desk::over(vendor, members).await
}

fn from_dora() -> Value {
    json!({ "deployments": "dora" })
}

#[tokio::test]
async fn without_a_source_there_are_none() {
    let desk = Desk::open().await;
    let error = desk.deployments(DeploymentQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    let health = desk.ops.health(&desk.cx, "dd").await.unwrap();
    assert!(!health.operations.contains(Operation::DeploymentQuery));
}

#[tokio::test]
async fn the_health_check_asks_where_deployments_come_from() {
    for (members, path, scope) in [
        (from_dora(), ("POST", "/dora/deployments"), "dora_metrics_read"),
        (from_events(), ("GET", "/v2/events"), "events_read"),
    ] {
        let desk = Desk::configured(members.clone()).await;
        let health = desk.ops.health(&desk.cx, "dd").await.unwrap();
        assert!(health.is_healthy() && health.operations.contains(Operation::DeploymentQuery), "{:?}", health.problems);
        desk.wire.answer(path.0, path.1, status(403, &json!({ "errors": ["Forbidden"] }), &[]));
        let health = desk.ops.health(&desk.cx, "dd").await.unwrap();
        assert!(!health.operations.contains(Operation::DeploymentQuery));
        assert!(health.problems[0].message.contains(scope), "{:?}", health.problems);
    }
}

#[tokio::test]
async fn a_deployment_of_dora_metrics_says_what_datadog_knows_of_it() {
    let desk = Desk::configured(from_dora()).await;
    // The newest by its beginning: Datadog has it by its end.
    assert_eq!(desk.deployment_ids(DeploymentQuery::new()).await, ["d-3", "d-2", "d-1"]);
    let found = desk.ops.deployments(&desk.cx).get("d-2").await.unwrap();
    assert_eq!(
        (found.service.as_deref(), found.environment.as_deref(), found.version.as_deref()),
        (Some("api"), Some("prod"), Some("v2"))
    );
    assert_eq!((found.started_at, found.finished_at), (Some(ago(3_000)), Some(ago(100))));
    assert_eq!(found.status.as_str(), "success");
    assert_eq!((&found.fields["team"], &found.fields["repository"]), (&json!("core"), &json!("github.com/acme/shop")));
    let sent = desk.wire.bodies("/dora/deployments").remove(0);
    assert_eq!(sent["data"]["type"], "dora_deployments_list_request");
    assert_eq!(sent["data"]["attributes"]["limit"], 1_000);
    assert!(sent["data"]["attributes"].get("query").is_none());
    let error = desk.ops.deployments(&desk.cx).get("d-9").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn filters_find_what_has_them() {
    let desk = Desk::configured(from_dora()).await;
    assert_eq!(desk.deployment_ids(DeploymentQuery::new().service("api")).await, ["d-2", "d-1"]);
    let sent = desk.wire.bodies("/dora/deployments").pop().unwrap();
    assert_eq!(sent["data"]["attributes"]["query"], "service:api");
    let staging =
        DeploymentQuery::new().service("db").environment("staging").team("core").version("v1").status("succeeded");
    assert_eq!(desk.deployment_ids(staging).await, ["d-3"]);
    assert_eq!(desk.deployment_ids(DeploymentQuery::new().since(ago(3_000)).until(ago(2_000))).await, ["d-2"]);
    assert_eq!(desk.deployment_ids(DeploymentQuery::new().query("V2")).await, ["d-2"]);
    assert!(desk.deployment_ids(DeploymentQuery::new().status("failed")).await.is_empty());
    for nobody in ["api\" OR service:db", "a*", "api) OR (service:db", "api\\", "db\nx", "}", "AND", "-api"] {
        assert!(desk.deployment_ids(DeploymentQuery::new().service(nobody)).await.is_empty(), "{nobody}");
    }
    assert_unsupported(desk.deployments(DeploymentQuery::new().metadata("x", 1)).await, "metadata.x");
    for cursor in ["", "[]", "7", "[{\"id\":\"x\"},\"now\"]"] {
        assert_invalid(desk.deployments(DeploymentQuery::new().after(opsorch::Cursor::new(cursor))).await, "cursor");
    }
}

#[tokio::test]
async fn an_event_is_a_deployment_of_what_its_tags_say() {
    let desk = Desk::configured(from_events()).await;
    assert_eq!(desk.deployment_ids(DeploymentQuery::new()).await, ["e-3", "e-2", "e-1"]);
    let found = desk.ops.deployments(&desk.cx).get("e-2").await.unwrap();
    assert_eq!(
        (found.service.as_deref(), found.environment.as_deref(), found.version.as_deref()),
        (Some("db"), Some("staging"), Some("v7"))
    );
    assert_eq!((found.status.as_str(), found.status_raw.as_deref()), ("failed", Some("error")));
    assert_eq!(found.started_at, Some(ago(500)));
    assert_eq!(found.url.unwrap().as_str(), "https://app.datadoghq.com/event/event?id=42");
    let sent = desk.wire.bodies("/events/search").remove(0);
    assert_eq!((&sent["filter"]["query"], &sent["sort"]), (&json!(SEARCH), &json!("-timestamp")));
    assert_eq!(sent["filter"]["from"], "1970-01-01T00:00:00.000Z");
    assert_eq!(desk.deployment_ids(DeploymentQuery::new().status("success").service("api")).await, ["e-3", "e-1"]);
    assert_eq!(desk.deployment_ids(DeploymentQuery::new().query("rolled out V7")).await, ["e-2"]);
    assert!(desk.deployment_ids(DeploymentQuery::new().service("x\" OR *")).await.is_empty());
}

#[tokio::test]
async fn a_search_that_was_given_up_is_told() {
    let desk = Desk::configured(from_events()).await;
    desk.wire.answer("POST", "/search", ok(&json!({ "data": [], "meta": { "status": "timeout", "page": {} } })));
    let page = desk.deployments(DeploymentQuery::new()).await.unwrap();
    assert!(!page.is_complete() && page.truncated.unwrap().contains("gave"));
}

#[tokio::test]
async fn a_query_over_thousands_finds_what_a_look_at_each_finds() {
    let mut state = 3_u64;
    let mut number = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // Some take days, so that the order of the beginnings is not that of the ends.
    let made: Vec<(u64, usize, i64)> = (0..2_600)
        .map(|_| (3 * 86_400 + 60 * number(9_000), number(3) as usize, if number(9) == 0 { 200_000 } else { 60 }))
        .collect();
    let services = ["api", "db", "web"];
    let of_dora = made.iter().enumerate().map(|(number, (at, service, took))| {
        dora(&format!("{number:04}"), services[*service], "prod", "v1", ago(*at), *took)
    });
    let events = made.iter().enumerate().map(|(number, (at, service, _))| {
        event(&format!("{number:04}"), services[*service], "prod", "v1", "success", ago(*at))
    });
    let (of_dora, events): (Vec<_>, Vec<_>) = (of_dora.collect(), events.collect());
    let expected = |is_meant: &dyn Fn(&(u64, usize, i64)) -> bool| {
        let mut meant: Vec<_> = made.iter().enumerate().filter(|(_, it)| is_meant(it)).collect();
        meant.sort_by_key(|(number, it)| (it.0, *number));
        meant.into_iter().map(|(number, _)| format!("{number:04}")).collect::<Vec<_>>()
    };
    for members in [from_dora(), from_events()] {
        let desk = over(of_dora.clone(), events.clone(), members).await;
        for limit in [2_600, 700] {
            assert_eq!(desk.deployment_ids(DeploymentQuery::new().limit(limit)).await, expected(&|_| true), "{limit}");
        }
        let db = DeploymentQuery::new().service("db").since(ago(600_000)).until(ago(400_000)).limit(120);
        assert_eq!(desk.deployment_ids(db).await, expected(&|it| it.1 == 1 && it.0 <= 600_000 && it.0 > 400_000));
    }
}

#[tokio::test]
async fn more_of_one_moment_than_datadog_gives_at_once_are_told() {
    let events =
        (0..1_500).map(|number| event(&format!("{number:04}"), "api", "prod", "v1", "success", ago(60))).collect();
    let desk = over(Vec::new(), events, from_events()).await;
    let page = desk.deployments(DeploymentQuery::new().limit(2_000)).await.unwrap();
    assert_eq!(page.items.len(), 1_000);
    assert!(page.truncated.unwrap().contains("one moment"));
}

#[tokio::test]
async fn what_breaks_off_is_told_and_leads_on() {
    let made = (0..1_500)
        .map(|number| dora(&format!("{number:04}"), "api", "prod", "v1", ago(60 * number + 60), 30))
        .collect();
    let desk = over(made, Vec::new(), from_dora()).await;
    desk.wire.next("POST", "/deployments", 1, Fate::Answer(status(503, &json!({}), &[])));
    let page = desk.deployments(DeploymentQuery::new().limit(1_400)).await.unwrap();
    assert_eq!((page.failures.len(), page.items.len(), page.is_complete()), (1, 999, false));
    let rest = desk.deployments(DeploymentQuery::new().limit(1_400).after(page.next.unwrap())).await.unwrap();
    assert_eq!((rest.items.len(), rest.is_complete()), (501, true));
}

#[tokio::test]
async fn a_source_that_would_make_everything_a_deployment_is_refused() {
    let error = |source: Value| {
        let config = super::desk::config_with(json!({ "deployments": source }));
        async move {
            let registry = opsorch::OpsOrch::builder()
                .configure("dd", config)
                .secrets(super::desk::secrets())
                .transport(opsorch::transport::ReqwestTransport::new().unwrap())
                .build()
                .await;
            registry.unwrap_err()
        }
    };
    for (source, field) in [
        (json!({ "events": { "query": " " } }), "deployments.events.query"),
        (json!({ "events": { "query": "x", "version_tag": "a b" } }), "deployments.events.version_tag"),
    ] {
        let error = error(source).await;
        assert!(
            error.to_string().contains(field.rsplit_once('.').unwrap().1)
                || format!("{:?}", error.kind()).contains(field),
            "{error}"
        );
    }
}
