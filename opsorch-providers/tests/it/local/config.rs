//! What can be configured, and what is offered then.

use std::collections::BTreeSet;

use opsorch::{BuildEnv, Capability, ManualClock, ProviderConfig};
use opsorch_providers::local::{GitTags, KIND, LocalConfig};
use serde_json::json;

use super::{assert_invalid, build, folder};

#[tokio::test]
async fn it_offers_what_the_configuration_names() {
    let folder = folder();
    let config = LocalConfig::new(folder.path()).metrics(false);
    let offers = |config: LocalConfig| async move {
        let operations = build(config, &ManualClock::default()).await.unwrap().operations();
        operations.iter().map(|operation| operation.capability()).collect::<BTreeSet<_>>()
    };
    use Capability::{Alert, Deployment, Incident, Messaging, Ticket};
    assert_eq!(offers(config.clone()).await, BTreeSet::from([Incident, Alert, Ticket, Messaging, Deployment]));
    assert!(offers(config.clone().log("/var/log/*.log")).await.contains(&Capability::Log));
    if cfg!(target_os = "linux") {
        assert!(offers(config.metrics(true)).await.contains(&Capability::Metric));
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place() {
    let folder = folder();
    let config = LocalConfig::new(folder.path());
    assert_invalid(build(LocalConfig::new(""), &ManualClock::default()).await, "path");
    let api = |environment: &str| GitTags::new("/srv/api", "api", environment);
    for (config, field) in [
        (config.clone().channel("#ops").channel(" "), "channels[1]"),
        (config.clone().outbox(""), "outbox"),
        (config.clone().git(GitTags::new("", "api", "production")), "git[0].path"),
        (config.clone().git(api("test")).git(api("a:b")), "git[1].environment"),
        (config.clone().git(GitTags::new("/srv/api", " ", "test")), "git[0].service"),
        (config.clone().git(api("test").tags("")), "git[0].tags"),
        (config.clone().git(api("test").tags("--exec=rm")), "git[0].tags"),
        (config.clone().git(api("test")).git(api("test").tags("v*")), "git[1]"),
        ((0..33).fold(config.clone(), |config, index| config.git(api(&format!("{index}")))), "git"),
    ] {
        assert_invalid(build(config, &ManualClock::default()).await, field);
    }
    let twice = config.log("/var/log/*.log").log("/var/[");
    assert_invalid(build(twice, &ManualClock::default()).await, "logs[1]");
}

#[test]
fn a_configuration_reads_as_it_was_written_and_refuses_what_it_does_not_know() {
    let config = LocalConfig::new("data").log("/var/log/*.log").metrics(false).channel("#ops").outbox("messages.jsonl");
    let config = config.git(GitTags::new("/srv/api", "api", "production").tags("v*"));
    let text = serde_json::to_value(&config).unwrap();
    assert_eq!(serde_json::from_value::<LocalConfig>(text).unwrap(), config);
    let misspelled = json!({ "path": "data", "log": [] });
    assert!(serde_json::from_value::<LocalConfig>(misspelled).unwrap_err().to_string().contains("`log`"));
}

#[tokio::test]
async fn the_registry_builds_it_by_its_kind() {
    let folder = folder();
    let registry = opsorch_providers::registry();
    assert!(registry.kinds().any(|kind| kind == KIND && kind == LocalConfig::KIND));
    let config = json!({ "path": folder.path() });
    let provider = registry.build(&"here".into(), KIND, &config, &BuildEnv::new()).await.unwrap();
    assert_eq!(provider.target(None).kind, "local");
}
