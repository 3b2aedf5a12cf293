//! Plugins of OpsOrch's line protocol in another language, as they are found in the wild.

use std::path::{Path, PathBuf};
use std::process::Command;

use opsorch::plugin::{PluginConfig, Protocol};
use opsorch::{Context, ErrorKind, IncidentId, OpsOrch, Submitted, TeamId, TimelineAppend};
use serde_json::json;

use crate::support::{CALL, agent, assert_gone, plane_over, token};
use crate::trials;

trials!(
    errors_as_objects_are_understood,
    errors_as_text_are_understood,
    a_plugin_that_reads_params_is_understood,
    an_entry_of_a_timeline_arrives_under_either_name,
    replies_over_several_lines_and_without_a_result_are_understood,
);

/// What Python's part of each plugin is; `answer(method, payload, line)` is the plugin's own.
const MAIN: &str = r#"
import json, sys
for line in sys.stdin:
    line = json.loads(line)
    print(json.dumps(answer(line["method"], line.get("payload"), line)), flush=True)
"#;

/// The interpreter itself; there is no `PATH` for a wrapper to look in.
pub(crate) fn python() -> PathBuf {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let output =
        output.expect("these tests need python3; without it nothing is known about plugins in other languages");
    assert!(output.status.success(), "python3 does not run");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

async fn plugin(directory: &Path, token: &str, operations: &[&str], script: &str) -> OpsOrch {
    let path = directory.join(format!("{token}.py"));
    std::fs::write(&path, script).unwrap();
    let config = PluginConfig::new(python()).arg(path.to_str().unwrap()).timeout(CALL).protocol(Protocol::Auto);
    let settings = json!({ "url": "https://example.org", "token": "env:CANARY" });
    let config = config.config(settings.as_object().unwrap().clone());
    plane_over(operations.iter().fold(config, |config, operation| config.operation(*operation))).await.unwrap()
}

async fn errors_as_objects_are_understood() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let script = format!(
        r#"
def answer(method, payload, line):
    if method != "team.members":
        return {{"error": {{"message": "unknown method " + method}}}}
    if line["config"] != {{"url": "https://example.org", "token": {canary}}}:
        return {{"error": {{"code": "bad_request", "message": "wrong config"}}}}
    if payload["teamID"] != "sre":
        return {{"error": {{"code": "not_found", "message": "no team %s and 100% sure" % payload["teamID"]}}}}
    return {{"result": [{{"id": "alice", "role": "owner"}}, {{"id": "bob", "name": None}}]}}
"#,
        canary = json!(crate::secrets::CANARY)
    )
    .replace("100%", "100%%");
    let ops = plugin(directory.path(), &token, &["team.*"], &(script + MAIN)).await;
    let members = ops.teams(&agent()).members(TeamId::new("sre")).await.unwrap();
    assert_eq!(members.items.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    let error = ops.teams(&agent()).members(TeamId::new("dev")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message(), "no team dev and 100% sure");
    let error = ops.teams(&agent()).get(TeamId::new("dev")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    drop(ops);
    assert_gone(&token).await;
}

async fn errors_as_text_are_understood() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let script = r#"
import sys
print("warming up", flush=True)
def answer(method, payload, line):
    print("a log line about", method)
    if method == "incident.get" and payload["id"] == "I-1":
        return {"result": {"id": "I-1", "title": "down", "status": "triggered", "severity": "sev1",
            "createdAt": "0001-01-01T00:00:00Z", "updatedAt": "2026-05-01T02:00:00-07:00"}}
    return {"error": "pagerduty says 500"}
"#;
    let ops = plugin(directory.path(), &token, &["incident.*"], &(script.to_owned() + MAIN)).await;
    let incident = ops.incidents(&agent()).get(IncidentId::new("I-1")).await.unwrap();
    assert_eq!(
        (incident.created_at, incident.updated_at.unwrap().to_rfc3339().as_str()),
        (None, "2026-05-01T09:00:00+00:00")
    );
    let error = ops.incidents(&agent()).get(IncidentId::new("I-2")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (&ErrorKind::Unexpected, "pagerduty says 500"));
    drop(ops);
    assert_gone(&token).await;
}

async fn a_plugin_that_reads_params_is_understood() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let script = r#"
import json, sys
for line in sys.stdin:
    line = json.loads(line)
    if line["method"] == "team.get":
        reply = {"result": {"id": line["params"]["id"], "name": "the team"}}
    else:
        reply = {"error": {"code": "bad_request", "message": "unknown method"}}
    sys.stdout.write(json.dumps(reply))
    sys.stdout.flush()
"#;
    let ops = plugin(directory.path(), &token, &["team.*"], script).await;
    for id in ["sre", "dev"] {
        assert_eq!(ops.teams(&agent()).get(TeamId::new(id)).await.unwrap().id.as_str(), id);
    }
    drop(ops);
    assert_gone(&token).await;
}

async fn an_entry_of_a_timeline_arrives_under_either_name() {
    for name in ["entry", "input"] {
        let (token, directory) = (token(), tempfile::tempdir().unwrap());
        let script = format!(
            r#"
def answer(method, payload, line):
    if method == "incident.timeline.append" and payload["{name}"]["body"] == "restarted" and payload["{name}"]["at"]:
        return {{"result": {{"status": "ok"}}}}
    return {{"error": "nothing to append"}}
"#
        );
        let ops = plugin(directory.path(), &token, &["incident.*"], &(script + MAIN)).await;
        let cx: Context = agent();
        let done = ops.incidents(&cx).append(TimelineAppend::new("I-1", "note", "restarted")).await.unwrap();
        assert!(matches!(done, Submitted::Done(())));
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn replies_over_several_lines_and_without_a_result_are_understood() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let script = r#"
import json, sys
for line in sys.stdin:
    line = json.loads(line)
    if line["method"] == "team.query":
        print("{}", flush=True)
    else:
        print(json.dumps({"result": {"id": "sre", "name": "the } team"}}, indent=2), flush=True)
"#;
    let ops = plugin(directory.path(), &token, &["team.*"], script).await;
    assert!(ops.teams(&agent()).query(opsorch::TeamQuery::new()).await.unwrap().items.is_empty());
    assert_eq!(ops.teams(&agent()).get(TeamId::new("sre")).await.unwrap().name, "the } team");
    drop(ops);
    assert_gone(&token).await;
}
