//! GitHub's deployments: how they are read with what was said of them, and how one is recorded.

use opsorch::{Deployment, DeploymentQuery, DeploymentStatusLevel, ErrorKind, RecordDeployment};
use serde_json::{Value, json};

use super::desk::{Desk, Fault, answer, bare, minute};
use super::simulated::github::deployments::Deployment as Made;
use super::{assert_invalid, assert_kind, assert_unsupported};

async fn found(desk: &Desk, query: DeploymentQuery) -> Vec<String> {
    let page = desk.ops.deployments(&desk.cx).query(query).await.unwrap();
    page.items.into_iter().map(|deployment| deployment.id.to_string()).collect()
}

fn record() -> RecordDeployment {
    RecordDeployment::new("api", "production", "v1.4.2", DeploymentStatusLevel::Success)
}

#[tokio::test]
async fn what_was_last_said_of_a_deployment_counts() {
    let desk = Desk::with(|github| {
        let made = |id, at| Made::new("api", id, "v1.0.0", "production", minute(at));
        // The newest status is not the first one of the list.
        let mut odd = made(8_589_934_599, 7).said("success", 90).said("in_progress", 30);
        odd.statuses[0].log_url = "https://ci.example.org/7".to_owned();
        github.deployments.extend([
            made(1, 1),
            made(2, 2).said("queued", 1).said("in_progress", 2),
            made(3, 3).said("success", 60).said("inactive", 3_600),
            made(4, 4).said("error", 60),
            made(5, 5).said("inactive", 60),
            made(6, 6).said("teleported", 60),
            odd,
        ]);
    })
    .await;
    let page = desk.ops.deployments(&desk.cx).query(DeploymentQuery::new()).await.unwrap();
    let shown: Vec<_> =
        page.items.iter().map(|it| (it.status.as_str(), it.status_raw.as_deref(), it.finished_at)).collect();
    let second = |at, after| Some(minute(at) + chrono::TimeDelta::seconds(after));
    assert_eq!(
        shown,
        [
            ("success", Some("success"), second(7, 90)),
            ("teleported", Some("teleported"), None),
            ("inactive", Some("inactive"), None),
            ("failed", Some("error"), second(4, 60)),
            ("success", Some("inactive"), second(3, 60)),
            ("running", Some("in_progress"), None),
            ("queued", None, None),
        ]
    );
    let newest = &page.items[0];
    assert_eq!((newest.id.as_str(), newest.url.as_ref().unwrap().as_str()), ("8589934599", "https://ci.example.org/7"));
    assert_eq!((newest.service.as_deref(), newest.environment.as_deref()), (Some("api"), Some("production")));
    assert_eq!((newest.version.as_deref(), newest.started_at), (Some("v1.0.0"), Some(minute(7))));
    assert_eq!((&newest.actor["login"], newest.fields["sha"].as_str().unwrap().len()), (&json!("alice"), 40));
    let pages = "https://github.example.org/acme/api/deployments";
    assert_eq!(page.items[1].url.as_ref().unwrap().as_str(), pages, "a page for people, where there is no log");
    let sent = desk.wire.sent();
    assert_eq!(sent[0], "GET /repos/acme/api/deployments?per_page=100&page=1");
    assert_eq!(sent[1], "GET /repos/acme/api/deployments/8589934599/statuses?per_page=100");
    assert_eq!(sent.len(), 8);
    assert_eq!(*newest, desk.ops.deployments(&desk.cx).get(&newest.id).await.unwrap());
}

#[tokio::test]
async fn filters_are_asked_for_or_looked_at() {
    let desk = Desk::open().await;
    let id = |number: u64| (8_589_934_592 + number).to_string();
    let at = |number: i64| minute(number - 60);
    for (query, expected) in [
        (DeploymentQuery::new(), vec![5, 4, 3, 2, 1]),
        (DeploymentQuery::new().environment("production"), vec![4, 3, 1]),
        (DeploymentQuery::new().status("running").status("failure"), vec![4, 2]),
        (DeploymentQuery::new().status("success"), vec![3, 1]),
        (DeploymentQuery::new().version("v1.2.0").version("v1.5.0"), vec![5, 2]),
        (DeploymentQuery::new().since(at(2)).until(at(4)), vec![3, 2]),
        (DeploymentQuery::new().service("api").metadata("task", "deploy").limit(9), vec![5, 4, 3, 2, 1]),
        (DeploymentQuery::new().service("nosuch"), vec![]),
        (DeploymentQuery::new().environment("nosuch"), vec![]),
        (DeploymentQuery::new().metadata("ref", "v1.2.0"), vec![2]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!(found(&desk, query.clone()).await, expected, "{query:?}");
    }
    let deployments = desk.ops.deployments(&desk.cx);
    assert_unsupported(deployments.query(DeploymentQuery::new().query("x")).await, "query");
    assert_unsupported(deployments.query(DeploymentQuery::new().team("x")).await, "scope.team");
    assert_unsupported(deployments.query(DeploymentQuery::new().metadata("x", "y")).await, "ref, sha, task");
    assert_invalid(deployments.query(DeploymentQuery::new().metadata("ref", 7)).await, "metadata.ref");
    for unknown in ["4711", "x", "../1"] {
        assert_kind(deployments.get(unknown).await, ErrorKind::NotFound, "");
    }
}

#[tokio::test]
async fn a_page_costs_no_more_than_it_holds() {
    let desk = Desk::with(|github| {
        github.deployments.extend((1..=300).map(|id| Made::new("api", id, "v1", "production", minute(1))));
    })
    .await;
    let deployments = desk.ops.deployments(&desk.cx);
    let first = deployments.query(DeploymentQuery::new().limit(3)).await.unwrap();
    assert_eq!(desk.wire.sent().len(), 4);
    let (mut ids, mut next) = (first.items, first.next);
    while let Some(cursor) = next {
        let page = deployments.query(DeploymentQuery::new().limit(50).after(cursor)).await.unwrap();
        ids.extend(page.items);
        next = page.next;
    }
    let ids: Vec<u64> = ids.iter().map(|it| it.id.as_str().parse().unwrap()).collect();
    assert_eq!(ids, (1..=300).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deployment_is_recorded_in_two_steps() {
    let desk = Desk::with(|_| ()).await;
    let url: opsorch::transport::Url = "https://ci.example.org/run/7".parse().unwrap();
    let deployment: Deployment =
        desk.change(record().url(url.clone()).field("description", "by the pipeline")).await.unwrap();
    let sent = desk.wire.sent();
    let body = |sent: &str, start: &str| serde_json::from_str::<Value>(sent.strip_prefix(start).unwrap()).unwrap();
    let mut made = body(&sent[0], "POST /repos/acme/api/deployments ");
    let note = made["payload"]["opsorch"].take();
    assert!(note["key"].as_str().unwrap().len() > 10 && note.get("version").is_none());
    let expected = json!({
        "ref": "v1.4.2", "auto_merge": false, "required_contexts": [], "environment": "production",
        "payload": { "opsorch": null }, "description": "by the pipeline",
    });
    assert_eq!(made, expected);
    let said = body(&sent[1], "POST /repos/acme/api/deployments/9000000000/statuses ");
    assert_eq!(said, json!({ "state": "success", "log_url": "https://ci.example.org/run/7" }));
    assert_eq!((deployment.version.as_deref(), deployment.url.as_ref()), (Some("v1.4.2"), Some(&url)));
    assert_eq!(deployment, desk.ops.deployments(&desk.cx).get(&deployment.id).await.unwrap());
}

#[tokio::test]
async fn a_version_that_is_no_ref_stands_beside_one() {
    let desk = Desk::with(|_| ()).await;
    let refused = desk.change::<Deployment>(RecordDeployment::new("api", "production", "1.4.2", "success")).await;
    assert_kind(refused, ErrorKind::Invalid { field: "request".into() }, "No ref found for: 1.4.2");
    let input = RecordDeployment::new("api", "production", "1.4.2", "success").field("ref", "main");
    let deployment: Deployment = desk.change(input).await.unwrap();
    assert_eq!((deployment.version.as_deref(), &deployment.fields["ref"]), (Some("1.4.2"), &json!("main")));
    assert_eq!(found(&desk, DeploymentQuery::new().version("1.4.2")).await, [deployment.id.as_str()]);
}

#[tokio::test]
async fn the_words_for_a_status_become_those_of_github() {
    let desk = Desk::with(|_| ()).await;
    for (word, state) in [
        ("queued", "queued"),
        ("pending", "pending"),
        ("running", "in_progress"),
        ("deployed", "success"),
        ("failed", "failure"),
        ("error", "error"),
        ("inactive", "inactive"),
    ] {
        let input = RecordDeployment::new("api", "production", "v1", word);
        desk.change::<Deployment>(input).await.unwrap();
        assert!(desk.wire.sent()[1].ends_with(&format!("{{\"state\":\"{state}\"}}")), "{word}");
    }
    for word in ["cancelled", "weird"] {
        let input = RecordDeployment::new("api", "production", "v1", word);
        assert_unsupported(desk.change::<Deployment>(input).await, word);
    }
    assert!(desk.wire.sent().is_empty());
}

#[tokio::test]
async fn half_a_record_is_told() {
    let desk = Desk::with(|_| ()).await;
    for (status, kind) in [
        (403, ErrorKind::Forbidden),
        (422, ErrorKind::Invalid { field: "request".into() }),
        (500, ErrorKind::Unavailable),
    ] {
        let fault = answer(status, &[], json!({ "message": "no" }));
        desk.wire.fail("POST", "/statuses", Fault::Answer(fault));
        let error = desk.change::<Deployment>(record()).await.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        assert_kind(Err::<(), _>(error), kind, "of acme/api was made, but not that it is `success`");
    }
    assert_eq!(desk.wire.with(|github| github.deployments.len()), 3);
}

#[tokio::test]
async fn a_merge_is_no_deployment_and_a_conflict_is_explained() {
    let desk = Desk::with(|_| ()).await;
    let merged = answer(202, &[], json!({ "message": "Auto-merged main into next on deployment." }));
    desk.wire.fail("POST", "/deployments", Fault::Answer(merged));
    let error = desk.change::<Deployment>(record()).await.unwrap_err();
    assert!(error.may_have_applied() && error.to_string().contains("made no deployment"), "{error}");
    let conflict = answer(409, &[], json!({ "message": "Conflict merging main into next" }));
    desk.wire.fail("POST", "/deployments", Fault::Answer(conflict));
    let error = desk.change::<Deployment>(record()).await.unwrap_err();
    assert!(!error.may_have_applied());
    assert_kind(Err::<(), _>(error), ErrorKind::Conflict, "Conflict merging");
    desk.change::<Deployment>(RecordDeployment::new("api", "production", "next", "success")).await.unwrap();
}

#[tokio::test]
async fn a_service_decides_where_and_none_is_guessed() {
    let desk = Desk::configured(bare().repository("acme/api").repository("acme/web"), |_| ()).await;
    let of = |service: &str| RecordDeployment::new(service, "production", "v1", "success");
    let deployment: Deployment = desk.change(of("web")).await.unwrap();
    assert_eq!((deployment.id.as_str(), deployment.service.as_deref()), ("acme/web#9000000000", Some("web")));
    assert_kind(desk.change::<Deployment>(of("secret")).await, ErrorKind::NotFound, "`api`, `web`");
    assert!(desk.ops.providers().next().is_some());
    for (input, says) in [
        (of("web").started_at(minute(0)), "started_at"),
        (of("web").field("sha", "x"), "description, ref, task"),
        (of("web").metadata("a", "b"), "metadata.a"),
    ] {
        assert_unsupported(desk.change::<Deployment>(input).await, says);
    }
    assert_invalid(desk.change::<Deployment>(RecordDeployment::new("web", " ", "v1", "success")).await, "environment");
}
