//! What vendors send and answer, and what callers write into queries and texts, in every state of disrepair: no provider
//! panics, and none takes long.
//!
//! A few hundred cases each. `.ci/fuzz` makes many more, under a limit of memory and of time.

#[path = "../../../opsorch/tests/it/fuzz/document.rs"]
mod document;

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use opsorch::capability::Webhook;
use opsorch::gate::Decision;
use opsorch::secret::StaticSecrets;
use opsorch::transport::{Bytes, HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode, Transport};
use opsorch::{
    Action, Actor, Clock, Config, Context, ErrorKind, ManualClock, Operation, OpsOrch, Query, Result, Target,
    async_trait,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use sha2::Sha256;

use self::document::{document, text};

/// Far more than any of these takes, also without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

const KEY: &str = "a secret that vendors prove themselves with";

fn settings() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn soon(work: impl Future<Output = ()>) {
    let started = Instant::now();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
}

/// A vendor that answers everything so.
#[derive(Debug)]
struct Answers(Bytes);

#[async_trait]
impl Transport for Answers {
    async fn send(&self, _: Request) -> Result<Reply> {
        Ok(Reply::new(StatusCode::OK).body(self.0.clone()))
    }
}

/// The kinds, each with what it needs.
const KINDS: [(&str, &str); 8] = [
    ("prometheus", "url = 'http://p.example'\nalertmanager_url = 'http://a.example'\nwebhook = { bearer = 'env:KEY' }"),
    ("datadog", "api_key = 'env:KEY'\napp_key = 'env:KEY'\nwebhook_secrets = ['env:KEY']\ndeployments = 'dora'"),
    (
        "jira",
        "deployment = 'cloud'\nurl = 'https://j.example'\nproject = 'OPS'\nemail = 'a@b.example'\ntoken = 'env:KEY'\nwebhook_secrets = ['env:KEY']",
    ),
    (
        "pagerduty",
        "api_token = 'env:KEY'\nfrom_email = 'a@b.example'\nservice_id = 'P1'\nrouting_key = 'env:KEY'\nwebhook_secrets = ['env:KEY']",
    ),
    ("grafana", "webhook_secrets = ['env:KEY']"),
    ("slack", "token = 'env:KEY'\nsigning_secrets = ['env:KEY']"),
    ("github", "token = 'env:KEY'\nrepositories = ['acme/api']\norganization = 'acme'\nwebhook_secrets = ['env:KEY']"),
    ("elastic", "addresses = ['https://e.example:9200']\napi_key = 'env:KEY'\ndistribution = 'elasticsearch'"),
];

/// A control plane over one provider, whose vendor answers everything so.
async fn plane(kind: &str, keys: &str, answer: &[u8]) -> (OpsOrch, Context) {
    let config = Config::parse(&format!("[providers.vendor]\nkind = '{kind}'\n{keys}")).unwrap();
    let builder =
        OpsOrch::builder().registry(opsorch_providers::registry()).config(config).clock(ManualClock::default());
    let builder = builder.secrets(StaticSecrets::new([("KEY", KEY)])).transport(Answers(answer.to_vec().into()));
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let cx = Context::new(Actor::agent("fuzz").on_behalf_of(Actor::user("ada")));
    (builder.policy(allow).without_layers().build().await.unwrap(), cx)
}

/// An error is fine; that of a provider that panicked is not.
#[track_caller]
fn calm<T>(result: Result<T>, what: &str) {
    if let Err(error) = result {
        assert!(!error.to_string().contains("panicked"), "{what}: {error}");
    }
}

/// HMAC-SHA256 in hexadecimal.
fn hmac(parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request that the vendor proves to be its own.
fn proven(kind: &str, event: &str, body: Vec<u8>) -> Webhook {
    let now = ManualClock::default().now().timestamp().to_string();
    let headers = match kind {
        "prometheus" => vec![("authorization", format!("Bearer {KEY}"))],
        "datadog" => vec![("x-opsorch-secret", KEY.to_owned())],
        "jira" => vec![("x-hub-signature", format!("sha256={}", hmac(&[&body])))],
        "pagerduty" => vec![("x-pagerduty-signature", format!("v1={}", hmac(&[&body])))],
        "grafana" => vec![("x-grafana-alerting-signature", hmac(&[&body]))],
        "slack" => {
            let signature = hmac(&[b"v0:", now.as_bytes(), b":", &body]);
            vec![("x-slack-request-timestamp", now), ("x-slack-signature", format!("v0={signature}"))]
        }
        _ => vec![("x-hub-signature-256", format!("sha256={}", hmac(&[&body]))), ("x-github-event", event.to_owned())],
    };
    let pair =
        |(name, value): (&'static str, String)| (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
    Webhook::new(headers.into_iter().map(pair).collect::<HeaderMap>(), body)
}

/// What vendors send by themselves.
fn sent() -> Vec<String> {
    let labels = json!({ "alertname": "TargetDown", "severity": "page", "service": "api" });
    let alert = json!({
        "status": "firing", "labels": labels, "annotations": { "summary": "down", "runbook_url": "https://x.example" },
        "startsAt": "2026-01-01T03:25:22.821Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "e0ebab1a85bfb414",
        "values": { "B": 44.25 }, "valueString": "[ var='B' ]", "silenceURL": "https://g.example/s",
    });
    let issue = json!({
        "number": 17, "id": "10001", "key": "OPS-1", "title": "disk full", "body": "b\n\n<!-- opsorch:k -->", "state": "open",
        "created_at": "2026-01-01T00:00:00Z", "user": { "login": "ada" }, "labels": [{ "name": "a" }], "html_url": "https://x.example",
        "fields": { "summary": "disk full", "description": adf(), "status": { "name": "Open", "statusCategory": { "key": "new" } }, "created": "2025-12-31T23:00:00.000+0000" },
    });
    let datadog = json!({
        "opsorch": "1", "id": "7771", "event_type": "query_alert_monitor", "event_title": "[Triggered] Slow", "alert_id": "12",
        "alert_transition": "Triggered", "alert_priority": "P2", "tags": "env:prod,service:api", "date": "1767225600000", "last_updated": "1767225660000",
    });
    let incident = json!({
        "id": "PGR0VU2", "type": "incident", "title": "down", "status": "triggered", "number": 2, "html_url": "https://x.example",
        "created_at": "2025-12-31T23:59:00Z", "urgency": "high", "service": { "id": "P", "summary": "API" },
        "assignees": [{ "id": "U", "summary": "Ada" }], "priority": { "id": "P", "summary": "P1" },
    });
    let now = ManualClock::default().now().timestamp_millis();
    [
        json!({ "receiver": "hook", "status": "firing", "alerts": [alert], "groupLabels": labels, "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "externalURL": "http://vm", "orgId": 3, "state": "alerting" }),
        datadog,
        json!({ "timestamp": now, "webhookEvent": "jira:issue_updated", "issue": issue, "user": { "accountId": "a" }, "changelog": { "items": [{ "field": "status", "toString": "x" }] } }),
        json!({ "timestamp": now, "webhookEvent": "comment_created", "issue": issue, "comment": { "id": "1", "body": adf(), "created": "2025-12-31T23:00:00.000+0000" } }),
        json!({ "event": { "id": "01CD", "event_type": "incident.triggered", "resource_type": "incident", "occurred_at": "2026-01-01T00:00:00.169Z", "data": incident } }),
        json!({ "type": "event_callback", "team_id": "T", "api_app_id": "A", "event_id": "Ev1", "event_time": 1_767_225_600, "event": { "type": "message", "subtype": "message_changed", "channel": "C1", "message": { "user": "U", "text": "x", "ts": "1.2" } } }),
        json!({ "action": "opened", "issue": issue, "comment": { "id": 5, "body": "x", "created_at": "2026-01-01T00:00:00Z" }, "repository": { "full_name": "acme/api" } }),
        json!({ "deployment": { "id": 1, "sha": "abc", "ref": "main", "environment": "production", "created_at": "2026-01-01T00:00:00Z" }, "deployment_status": { "state": "success", "created_at": "2026-01-01T00:00:00Z" }, "repository": { "full_name": "acme/api" } }),
        json!({ "action": "completed", "workflow_run": { "id": 1, "name": "ci", "head_sha": "abc", "status": "completed", "conclusion": "failure", "created_at": "2026-01-01T00:00:00Z" }, "repository": { "full_name": "acme/api" } }),
    ]
    .map(|message| message.to_string())
    .to_vec()
}

/// A document of Atlassian with some of its nodes and marks.
fn adf() -> Value {
    let text = |text: &str| json!({ "type": "text", "text": text, "marks": [{ "type": "strong" }, { "type": "link", "attrs": { "href": "https://x.example" } }] });
    let paragraph = json!({ "type": "paragraph", "content": [text("by *hand*"), { "type": "hardBreak" }, { "type": "mention", "attrs": { "id": "a", "text": "@Ann" } }] });
    let item = json!({ "type": "listItem", "content": [paragraph, { "type": "bulletList", "content": [] }] });
    let cell = json!({ "type": "tableCell", "content": [paragraph] });
    json!({ "type": "doc", "version": 1, "content": [
        { "type": "heading", "attrs": { "level": 2 }, "content": [text("title")] },
        { "type": "orderedList", "attrs": { "order": 3 }, "content": [item] },
        { "type": "codeBlock", "attrs": { "language": "sh" }, "content": [{ "type": "text", "text": "df ```" }] },
        { "type": "table", "content": [{ "type": "tableRow", "content": [cell] }] },
        { "type": "panel", "attrs": { "panelType": "info" }, "content": [paragraph] },
    ] })
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn a_proven_message_is_any_document(
        (kind, keys) in select(&KINDS[..]),
        body in document(sent()),
        event in select(vec!["issues", "issue_comment", "deployment_status", "workflow_run", "ping"]),
    ) {
        soon(async {
            let (ops, cx) = plane(kind, keys, b"").await;
            let received = ops.receive(&cx, "vendor", &proven(kind, event, body)).await;
            let is_refused = received.as_ref().is_err_and(|error| *error.kind() == ErrorKind::Unauthenticated);
            // Jira signs no time but the one in the body, which may be an old one here.
            assert!(!is_refused || kind == "jira", "{kind} did not believe its own vendor");
            calm(received, kind);
        });
    }
}

/// What vendors answer, each in its own words.
fn answers() -> Vec<String> {
    let issue = json!({
        "id": "10001", "key": "OPS-1", "number": 17, "title": "disk full", "state": "open", "html_url": "https://x.example",
        "created_at": "2026-01-01T00:00:00Z", "fields": { "summary": "x", "description": adf(), "status": { "name": "Open", "statusCategory": { "key": "new" } }, "created": "2025-12-31T23:00:00.000+0000" },
    });
    let incident = json!({
        "id": "P1", "incident_number": 1, "title": "down", "html_url": "https://x.example", "created_at": "2026-01-01T00:00:00Z",
        "status": "triggered", "urgency": "high", "service": { "id": "P", "summary": "API" },
    });
    let log = json!({ "id": "1", "type": "log", "attributes": { "timestamp": "2026-01-01T00:00:00Z", "message": "m", "status": "error", "tags": ["a:b"], "attributes": { "n": 1 } } });
    let hit = json!({ "_index": "logs-1", "_id": "1", "_source": { "@timestamp": "2026-01-01T00:00:00Z", "message": "m", "log": { "level": "error" } }, "sort": [1, 2] });
    [
        json!({ "issues": [issue], "nextPageToken": "x", "isLast": false }),
        issue.clone(),
        json!([issue]),
        json!({ "incidents": [incident], "more": true, "limit": 25, "offset": 0 }),
        json!({ "incident": incident, "data": [log], "meta": { "status": "done", "page": { "after": "x" } } }),
        json!({ "took": 1, "timed_out": false, "_shards": { "total": 3, "failed": 0 }, "id": "pit", "hits": { "hits": [hit] }, "indices": ["logs-1"], "fields": { "@timestamp": { "date": { "type": "date", "searchable": true, "aggregatable": true } } } }),
        json!({ "status": "success", "data": { "resultType": "matrix", "result": [{ "metric": { "__name__": "up" }, "values": [[1_767_225_600.781, "1"], [1_767_225_615, "NaN"]] }] }, "warnings": ["w"] }),
        json!({ "status": "success", "data": { "up": [{ "type": "gauge", "help": "h", "unit": "" }] } }),
        json!([{ "labels": { "alertname": "x" }, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z", "fingerprint": "f", "status": { "state": "active", "silencedBy": [], "inhibitedBy": [] } }]),
        json!({ "ok": true, "channel": "C1", "ts": "1.2", "message": { "text": "x" }, "members": [{ "id": "U" }] }),
        json!({ "series": [{ "metric": "m", "pointlist": [[1_767_225_600_000_i64, 1.5]], "scope": "host:a", "interval": 60, "unit": [{ "family": "time", "name": "second", "scale_factor": 1.0 }, null] }], "from_date": 1, "status": "ok" }),
        json!({ "total": 1, "services": [{ "id": "S", "name": "api", "summary": "api", "teams": [] }], "teams": [{ "id": "T", "name": "core" }], "oncalls": [{ "user": { "id": "U", "summary": "Ada" }, "escalation_level": 1 }] }),
    ]
    .map(|answer| answer.to_string())
    .to_vec()
}

/// The inputs of all operations, with this text in them.
fn inputs(text: &str) -> Value {
    let span = json!({ "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "limit": 5, "scope": { "service": text } });
    let with = |name: &str, value: Value| {
        let mut input = span.clone();
        input[name] = value;
        input
    };
    let find = json!({ "query": text, "limit": 5, "scope": { "service": text, "team": text } });
    let named = json!({ "name": text, "limit": 5, "scope": { "team": text } });
    let filters = |name: &str| json!([{ name: text, "operator": "=", "value": text }, { name: "a", "operator": "!=", "value": text }]);
    let made = json!({ "title": "x", "description": text, "service": text, "severity": "high", "status": "open" });
    json!({
        "incident.query": find, "alert.query": find, "ticket.query": find, "deployment.query": find, "service.query": named, "team.query": named,
        "log.query": with("expression", json!({ "search": text, "filters": filters("field"), "severityIn": [text] })),
        "metric.query": with("expression", json!({ "metricName": "up", "filters": filters("label"), "groupBy": [text] })),
        "metric.describe": { "service": text },
        "incident.create": made, "incident.update": { "id": text, "title": text },
        "ticket.create": { "title": text, "description": text }, "ticket.update": { "id": "OPS-1", "description": text },
        "ticket.comment": { "id": "17", "body": text },
        "messaging.send": { "channel": "C1", "body": text, "blocks": [{ "type": "section", "text": text, "fields": { "a": text } }] },
        "alert.silence": { "id": text, "until": "2026-01-02T00:00:00Z", "reason": text },
    })
}

/// Makes every call that the provider offers, with this text in it.
async fn calls(ops: &OpsOrch, cx: &Context, text: &str) {
    let inputs = inputs(text);
    for operation in Operation::ALL.iter().copied() {
        let input = inputs.get(operation.name()).cloned().unwrap_or_else(|| json!(text));
        if let Ok(query) = Query::from_parts(operation, input.clone()) {
            calm(ops.query(cx, query).await, operation.name());
        } else if let Ok(action) = Action::from_parts(operation, input) {
            calm(ops.submit(cx, action).await, operation.name());
        }
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn a_vendor_answers_with_any_document((kind, keys) in select(&KINDS[..]), answer in document(answers())) {
        soon(async {
            let (ops, cx) = plane(kind, keys, &answer).await;
            calls(&ops, &cx, "OPS-1").await;
        });
    }

    #[test]
    fn queries_and_texts_hold_anything((kind, keys) in select(&KINDS[..]), answer in select(answers()), text in text(words())) {
        soon(async {
            let (ops, cx) = plane(kind, keys, answer.as_bytes()).await;
            calls(&ops, &cx, &text).await;
        });
    }
}

/// Texts that mean something to a vendor, or to CommonMark.
fn words() -> Vec<String> {
    [
        "* star\n  1. *one* **two** `three`\n\n> quote\n> > deep\n\n```sh\ndf\n```\n\n| a | b |\n|---|---|\n| c | d |\n\n[x](https://x.example) <b>html</b> &amp;\n",
        "a\" OR project = \"X\" ORDER BY x\\",
        "up{a=\"b\\\"\\n\"}",
        "@field:\"x y\" -(a OR b) *",
        "<!channel> <@U1> <https://x.example|text> & > *bold* _it_",
        "17",
    ]
    .map(str::to_owned)
    .to_vec()
}
