//! What is listed of the tools, and that what they answer is what is listed.

use opsorch::gate::Decision;
use opsorch::layer::{Call, Layer, Next};
use opsorch::{Action, Actor, Context, Operation, Quorum, Target};
use serde_json::{Value, json};

use crate::samples::{self, arguments, is_write, tool};
use crate::support::{Client, World};

/// Lets the set-up through, and has people asked for the rest.
fn asks(cx: &Context, _: &Target, _: &Action) -> Decision {
    match cx.actor().identity.subject.as_str() {
        "setup" => Decision::allow("the set-up"),
        _ => Decision::require_approval(Quorum::of(1, "sre"), "a test"),
    }
}

fn find<'a>(tools: &'a [Value], name: &str) -> &'a Value {
    tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name} is not listed"))
}

/// A call of each tool that needs nothing before it.
fn calls() -> impl Iterator<Item = (&'static str, Value)> {
    let operations = Operation::ALL.iter();
    let operations = operations.map(|operation| (tool(*operation), arguments(*operation, samples::input(*operation))));
    operations.chain([
        ("list-providers", json!({})),
        ("list-approvals", json!({})),
        ("investigate-incident", json!({ "incident": "inc-1" })),
    ])
}

#[tokio::test]
async fn every_tool_answers_what_its_schema_says() {
    for people_are_asked in [false, true] {
        for (name, arguments) in calls() {
            let policy = if people_are_asked { asks } else { crate::support::allow };
            let world = World::with(policy, |builder| builder).await;
            samples::prepare(&world.ops, &Context::new(Actor::service("setup"))).await;
            let mut client = world.admin();
            let tools = client.tools().await;
            let tool = find(&tools, name);
            let takes = jsonschema::validator_for(&tool["inputSchema"]).unwrap();
            assert!(takes.is_valid(&arguments), "{name} takes {arguments}: {:?}", takes.iter_errors(&arguments).next());
            let called = client.call(name, arguments).await;
            let answers = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
            let error = answers.iter_errors(called.data()).next().map(|error| error.to_string());
            assert_eq!(error, None, "{name}: {}", called.data());
        }
    }
}

#[tokio::test]
async fn hints_are_what_the_table_says() {
    let tools = World::new().await.admin().tools().await;
    for operation in Operation::ALL {
        let hints = &find(&tools, tool(*operation))["annotations"];
        assert_eq!(hints["readOnlyHint"], !is_write(*operation), "{operation}");
        assert_eq!(hints["idempotentHint"], operation.is_idempotent(), "{operation}");
        assert_eq!(hints["openWorldHint"], true);
        assert!(hints["destructiveHint"] == false || is_write(*operation), "{operation}");
    }
    let destructive = |name: &str| find(&tools, name)["annotations"]["destructiveHint"] == true;
    assert!(destructive("update-ticket") && destructive("cancel-orchestration-run") && destructive("redeem-approval"));
    assert!(!destructive("create-ticket") && !destructive("append-incident-timeline"));
}

#[tokio::test]
async fn opsorchs_eighteen_tools_have_their_names_and_arguments() {
    let tools = World::new().await.admin().tools().await;
    let theirs: [(&str, &[&str]); 18] = [
        ("query-incidents", &["query", "statuses", "severities", "scope", "limit", "metadata"]),
        ("query-alerts", &["query", "statuses", "severities", "scope", "limit", "metadata"]),
        ("get-incident", &["id"]),
        ("get-ticket", &["id"]),
        ("get-team", &["id"]),
        ("get-deployment", &["id"]),
        ("get-orchestration-plan", &["id"]),
        ("get-incident-timeline", &["id"]),
        ("get-team-members", &["id"]),
        ("query-logs", &["start", "end", "expression", "scope", "limit", "metadata"]),
        ("query-metrics", &["start", "end", "step", "expression", "scope", "metadata"]),
        ("describe-metrics", &["scope"]),
        ("query-tickets", &["query", "statuses", "assignees", "reporter", "scope", "limit", "metadata"]),
        ("query-services", &["ids", "name", "tags", "limit", "scope", "metadata"]),
        ("query-teams", &["name", "tags", "scope", "metadata"]),
        ("query-deployments", &["query", "statuses", "versions", "scope", "limit", "metadata"]),
        ("query-orchestration-plans", &["query", "scope", "tags", "limit", "metadata"]),
        ("list-providers", &["capability"]),
    ];
    for (name, arguments) in theirs {
        let properties = &find(&tools, name)["inputSchema"]["properties"];
        for argument in arguments {
            assert!(properties[argument].is_object(), "{name}: {argument}");
        }
    }
}

#[tokio::test]
async fn the_list_is_short_enough_to_be_read() {
    let tools = World::new().await.admin().tools().await;
    for tool in &tools {
        let length = tool["inputSchema"].to_string().len();
        assert!(length < 8 * 1024, "{}: {length}", tool["name"]);
        assert!(tool["description"].as_str().unwrap().ends_with('.'), "{}", tool["name"]);
    }
}

#[tokio::test]
async fn providers_are_listed_for_one_capability_or_all() {
    let world = World::new().await;
    let mut client = world.admin();
    for arguments in [json!({}), json!({ "capability": "ticket" })] {
        let data = client.call("list-providers", arguments).await.data().clone();
        assert_eq!((&data["items"][0]["name"], data["items"].as_array().unwrap().len()), (&json!("tracker"), 1));
    }
    let problem = client.call("list-providers", json!({ "capability": "nonsense" })).await.problem();
    assert!(problem["detail"].as_str().unwrap().contains("incident, alert"), "{problem}");
}

#[tokio::test]
async fn what_was_left_out_of_a_merged_list_is_told_with_the_rule() {
    let other = opsorch_testkit::MemoryProvider::new(opsorch::SystemClock);
    let world = World::with(crate::support::allow, |builder| {
        builder.provider(other.provider("another")).identity(opsorch::Capability::Service, ["name"])
    })
    .await;
    let mut client = world.admin();
    let listed = client.call(tool(Operation::ServiceQuery), json!({})).await;
    let first = listed.data()["items"][0].clone();
    other.seed_service(opsorch::Service::new("other", first["name"].as_str().unwrap()));
    let page = client.call(tool(Operation::ServiceQuery), json!({})).await;
    let told = json!([{
        "kept": { "provider": "another", "id": "other" },
        "dropped": { "provider": "tracker", "id": first["id"] },
        "rule": "service: name",
    }]);
    assert_eq!(page.data()["duplicates"], told, "{}", page.data());
}

#[tokio::test]
async fn an_answer_says_how_fresh_it_is_and_one_that_was_kept_says_so_in_words() {
    #[derive(Debug)]
    struct Kept(Operation);
    #[opsorch::async_trait]
    impl Layer for Kept {
        async fn call(&self, call: Call<'_>, next: Next<'_>) -> opsorch::Result<opsorch::Response> {
            if call.operation() == self.0 {
                call.observed("2025-12-31T23:59:00Z".parse().unwrap());
            }
            next.run().await
        }
    }
    let world = World::with(crate::support::allow, |builder| builder.layer(Kept(Operation::AlertQuery))).await;
    let mut client = world.admin();
    let kept = client.call("query-alerts", json!({})).await;
    assert_eq!(kept.0["_meta"]["opsorch/observed"], json!({ "at": "2025-12-31T23:59:00Z", "cached": true }));
    assert!(kept.texts().iter().any(|text| text.starts_with("This is as of 2025-12-31T23:59:00Z")), "{}", kept.0);

    let fetched = client.call("query-tickets", json!({})).await;
    assert_eq!(fetched.0["_meta"]["opsorch/observed"], json!({ "at": "2026-01-01T00:00:00Z", "cached": false }));
    assert!(!fetched.texts().iter().any(|text| text.contains("as of")), "{}", fetched.0);
    let made = client.call("create-ticket", json!({ "title": "disk full" })).await;
    assert_eq!(made.0["_meta"]["opsorch/observed"], Value::Null);
}
