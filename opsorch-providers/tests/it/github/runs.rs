//! Runs of workflows, as deployments.

use opsorch::{DeploymentQuery, ErrorKind, Operation};
use opsorch_providers::github::{DeploymentSource, GitHubConfig};
use serde_json::json;

use super::desk::{Desk, bare, minute};
use super::simulated::github::deployments::Run;
use super::{assert_kind, assert_unsupported};

fn config() -> GitHubConfig {
    bare().repository("acme/api").deployments(DeploymentSource::WorkflowRuns)
}

async fn found(desk: &Desk, query: DeploymentQuery) -> Vec<String> {
    let page = desk.ops.deployments(&desk.cx).query(query).await.unwrap();
    page.items.into_iter().map(|deployment| deployment.id.to_string()).collect()
}

#[tokio::test]
async fn a_run_is_a_deployment() {
    let desk = Desk::configured(config(), |github| {
        let mut run = Run::new("api", 8_589_934_601, "Deploy to Production", minute(-9));
        run.attempt = 2;
        github.runs.push(run);
    })
    .await;
    let run = desk.ops.deployments(&desk.cx).get("8589934601").await.unwrap();
    assert_eq!(desk.wire.sent(), ["GET /repos/acme/api/actions/runs/8589934601"]);
    assert_eq!((run.service.as_deref(), run.environment.as_deref()), (Some("api"), Some("production")));
    assert_eq!((run.version.as_deref().unwrap().len(), run.started_at), (7, Some(minute(-9))));
    assert_eq!(run.finished_at, Some(minute(-9) + chrono::TimeDelta::seconds(90)));
    assert_eq!((&run.actor["login"], &run.fields["run_attempt"]), (&json!("alice"), &json!(2)));
    assert_eq!(run.url.unwrap().as_str(), "https://github.example.org/acme/api/actions/runs/8589934601");
    let offers = desk.ops.providers().next().unwrap().operations();
    assert!(!offers.contains(Operation::DeploymentRecord), "a run cannot be recorded");
}

#[tokio::test]
async fn status_and_conclusion_together_tell_how_far_it_is() {
    let cases = [
        (Some("queued"), None, "queued", false),
        (Some("requested"), None, "queued", false),
        (Some("waiting"), None, "queued", false),
        (Some("pending"), None, "queued", false),
        (Some("in_progress"), None, "running", false),
        (Some("completed"), Some("success"), "success", true),
        (Some("completed"), Some("failure"), "failed", true),
        (Some("completed"), Some("timed_out"), "failed", true),
        (Some("completed"), Some("startup_failure"), "failed", true),
        (Some("completed"), Some("action_required"), "failed", true),
        (Some("completed"), Some("cancelled"), "cancelled", true),
        (Some("completed"), Some("skipped"), "cancelled", true),
        (Some("completed"), Some("neutral"), "neutral", true),
        (Some("completed"), Some("teleported"), "teleported", true),
        (Some("completed"), None, "completed", true),
        (Some("dreaming"), None, "dreaming", false),
        (None, None, "queued", false),
    ];
    let desk = Desk::configured(config(), |github| {
        for (number, (status, conclusion, ..)) in (1..).zip(cases) {
            let mut run = Run::new("api", number, "Deploy", minute(-1));
            (run.status, run.conclusion) = (status.map(str::to_owned), conclusion.map(str::to_owned));
            github.runs.push(run);
        }
    })
    .await;
    let mut items = desk.ops.deployments(&desk.cx).query(DeploymentQuery::new()).await.unwrap().items;
    items.reverse();
    for (run, (status, conclusion, expected, has_ended)) in items.iter().zip(cases) {
        assert_eq!(run.status.as_str(), expected);
        assert_eq!(run.status_raw.as_deref(), conclusion.or(status));
        assert_eq!(run.finished_at.is_some(), has_ended, "{run:?}");
    }
    // OpsOrch asks for the last of several statuses alone, and never finds `in_progress`.
    let two = DeploymentQuery::new().status("running").status("success");
    assert_eq!(found(&desk, two).await, ["6", "5"]);
    assert_eq!(found(&desk, DeploymentQuery::new().status("in_progress")).await, ["5"]);
    assert_eq!(found(&desk, DeploymentQuery::new().status("teleported")).await, ["14"]);
}

#[tokio::test]
async fn an_environment_is_a_whole_word_and_the_longest_that_fits() {
    let desk = Desk::configured(config(), |github| {
        for (number, (name, branch)) in (1..).zip([
            ("Deploy production", "main"),
            ("Deploy prod", "main"),
            ("Product tests", "main"),
            ("Deploy", "staging"),
            ("Deploy", "main"),
        ]) {
            let mut run = Run::new("api", number, name, minute(-1));
            run.branch = branch.to_owned();
            github.runs.push(run);
        }
    })
    .await;
    let environment = |name: &str| DeploymentQuery::new().environment(name);
    assert_eq!(found(&desk, environment("production")).await, ["1"], "OpsOrch never finds this one");
    assert_eq!(found(&desk, environment("prod")).await, ["2"], "`product` is not `prod`");
    assert_eq!(found(&desk, environment("staging")).await, ["4"]);
    assert!(found(&desk, environment("development")).await.is_empty(), "where nothing is said none is guessed");
}

#[tokio::test]
async fn filters_are_asked_for_or_looked_at() {
    let desk = Desk::configured(config(), |github| {
        github.runs.extend((1..=3).map(|number| {
            let mut run = Run::new("api", number, "Deploy", minute(i64::try_from(number).unwrap()));
            run.sha = format!("{number}aaaaaaaaa0123456789012345678901234567890")[..40].to_owned();
            run.branch = if number == 2 { "release".to_owned() } else { "main".to_owned() };
            run
        }));
    })
    .await;
    let rest = "exclude_pull_requests=true&per_page=100&page=1";
    for (query, parameters, expected) in [
        (DeploymentQuery::new(), String::new(), vec!["3", "2", "1"]),
        (DeploymentQuery::new().metadata("branch", "release"), "branch=release&".into(), vec!["2"]),
        (DeploymentQuery::new().metadata("actor", "alice"), "actor=alice&".into(), vec!["3", "2", "1"]),
        (DeploymentQuery::new().metadata("event", "push"), "event=push&".into(), vec!["3", "2", "1"]),
        (DeploymentQuery::new().version("1aaaaaa"), String::new(), vec!["1"]),
        (DeploymentQuery::new().version("1aaaaaaa").version("2aaaaaa"), String::new(), vec!["2", "1"]),
        (DeploymentQuery::new().version("1aa"), String::new(), vec![]),
        (
            DeploymentQuery::new().since(minute(2)).until(minute(3)),
            "created=2026-01-01T00%3A02%3A00Z..2026-01-01T00%3A03%3A00Z&".into(),
            vec!["2"],
        ),
    ] {
        assert_eq!(found(&desk, query.clone()).await, expected, "{query:?}");
        assert_eq!(desk.wire.sent(), [format!("GET /repos/acme/api/actions/runs?{parameters}{rest}")]);
    }
    let deployments = desk.ops.deployments(&desk.cx);
    assert_unsupported(deployments.query(DeploymentQuery::new().metadata("task", "x")).await, "actor, branch, event");
    assert_kind(deployments.get("9").await, ErrorKind::NotFound, "");
}

#[tokio::test]
async fn more_runs_than_github_gives_are_read_span_by_span() {
    let desk = Desk::configured(config(), |github| {
        github.runs.extend((1..=2_500_u64).map(|number| {
            let mut run = Run::new("api", 4_294_967_296 + number, "Deploy", minute(i64::try_from(number / 3).unwrap()));
            run.conclusion = Some(if number % 4 == 0 { "failure" } else { "success" }.to_owned());
            run
        }));
    })
    .await;
    let query = DeploymentQuery::new().status("failed").limit(2_000);
    let expected: Vec<_> = (1..=2_500_u64)
        .rev()
        .filter(|number| number % 4 == 0)
        .map(|number| (4_294_967_296 + number).to_string())
        .collect();
    assert_eq!(found(&desk, query.clone()).await, expected);
    let (mut paged, mut next) = (Vec::new(), None);
    loop {
        let mut query = query.clone().limit(240);
        query.cursor = next;
        let page = desk.ops.deployments(&desk.cx).query(query).await.unwrap();
        paged.extend(page.items.into_iter().map(|it| it.id.to_string()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(paged, expected);
}
