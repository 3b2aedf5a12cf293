//! What is listed of the tools, and that what they answer is what is listed.

use opsorch::gate::Decision;
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
