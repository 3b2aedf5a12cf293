//! The configuration.

use opsorch::secret::SecretRef;
use opsorch::{Config, ErrorKind, Identity, Message, OpsOrch, ProviderConfig};
use opsorch_providers::slack::{ApprovalSettings, Approver, SlackApprovals, SlackConfig, SlackInteractions};
use serde_json::json;

use super::simulated::slack::Slack;
use super::{Desk, config, env};

#[test]
fn the_key_of_opsorch_is_enough() {
    let config: SlackConfig = serde_json::from_value(json!({ "token": "env:SLACK_TOKEN" })).unwrap();
    assert_eq!(config, SlackConfig::new(SecretRef::env("SLACK_TOKEN")));
    let unknown = serde_json::from_value::<SlackConfig>(json!({ "token": "env:T", "chanel": "#ops" })).unwrap_err();
    assert!(unknown.to_string().contains("chanel"), "{unknown}");
}

#[test]
fn a_configuration_reads_as_it_was_written() {
    let people =
        [Approver::new("U0ADA", "T0TEAM").role("sre").identity(Identity::new("https://id.example.com", "ada"))];
    let config = SlackConfig::new(SecretRef::env("SLACK_TOKEN"))
        .url("https://slack.example.org/proxy/api".parse().unwrap())
        .team("T0TEAM")
        .signing_secret(SecretRef::env("ONE"))
        .signing_secret(SecretRef::env("TWO"))
        .approvals(ApprovalSettings::new("#approvals", people));
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(serde_json::from_value::<SlackConfig>(written).unwrap(), config);
}

#[tokio::test]
async fn a_path_before_the_methods_is_kept() {
    let desk = Desk::of(config().url("https://proxy.example.org/slack/api/".parse().unwrap())).await;
    desk.send(Message::new("#ops", "disk full")).await.unwrap();
    let error = {
        desk.slack.refuse("chat.postMessage", "is_archived");
        desk.send(Message::new("#ops", "disk full")).await.unwrap_err()
    };
    assert!(error.to_string().contains("/slack/api/chat.postMessage"), "{error}");
}

#[tokio::test]
async fn a_list_that_does_not_say_who_is_who_is_refused() {
    let ada = || Approver::new("U0ADA", "T0TEAM");
    for (people, field) in [
        (vec![Approver::new("ada", "T0TEAM")], "approvals.people[0].user"),
        (vec![Approver::new("", "T0TEAM")], "approvals.people[0].user"),
        (vec![ada(), Approver::new("U0BOB", "acme")], "approvals.people[1].team"),
        (vec![ada(), ada().role("sre")], "approvals.people[1].user"),
    ] {
        let config = config().signing_secret(SecretRef::literal("s")).approvals(ApprovalSettings::new("#ops", people));
        let clock = opsorch::ManualClock::default();
        let env = env(&Slack::new(clock.clone()), &clock);
        let expected = ErrorKind::Invalid { field: field.into() };
        assert_eq!(*config.clone().build(&"slack".into(), &env).await.unwrap_err().kind(), expected);
        assert_eq!(*SlackApprovals::new(&config, &env).await.unwrap_err().kind(), expected);
        assert_eq!(*SlackInteractions::new(&config, &env).await.unwrap_err().kind(), expected);
    }
}

#[tokio::test]
async fn nothing_is_received_without_what_slack_signs_with() {
    let clock = opsorch::ManualClock::default();
    let env = env(&Slack::new(clock.clone()), &clock);
    let asked = config().approvals(ApprovalSettings::new("#ops", [Approver::new("U0ADA", "T0TEAM")]));
    let error = SlackInteractions::new(&asked, &env).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "signing_secrets".into() });
    let error = SlackInteractions::new(&config(), &env).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "approvals".into() });
    let desk = Desk::new().await;
    let webhook = opsorch::capability::Webhook::new(opsorch::transport::HeaderMap::new(), "{}");
    let error = desk.ops.receive(&desk.cx, "slack", &webhook).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn it_is_one_of_the_kinds_of_the_registry() {
    let text = "[providers.slack]\nkind = \"slack\"\ntoken = \"xoxb-1\"\n";
    let slack = Slack::new(opsorch::ManualClock::default());
    let ops = OpsOrch::builder()
        .registry(opsorch_providers::registry())
        .config(Config::parse(text).unwrap())
        .transport(slack.clone())
        .build()
        .await
        .unwrap();
    assert_eq!(ops.providers().count(), 1);
    assert!(slack.with(|world| world.asked.is_empty()), "building asks nobody anything");
}
