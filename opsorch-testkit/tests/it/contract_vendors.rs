//! The API descriptions of vendors, which are not part of this repository: `OPSORCH_CONTRACTS` names their folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::PathBuf;

use opsorch::transport::{HeaderMap, HeaderValue, Method, Reply, Request, StatusCode};
use opsorch_testkit::{Contract, Violation};
use serde_json::{Value, json};

use crate::done;

/// The documents of a folder, and of its folder `full`.
fn documents() -> Vec<PathBuf> {
    let folder = std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names the folder of the documents");
    let folder = PathBuf::from(folder);
    let mut documents = Vec::new();
    for folder in [folder.clone(), folder.join("full")] {
        let files = std::fs::read_dir(&folder).into_iter().flatten().map(|file| file.unwrap().path());
        documents.extend(files.filter(|file| file.extension().is_some_and(|extension| extension == "json")));
    }
    documents.sort();
    assert!(!documents.is_empty(), "no document in {}", folder.display());
    documents
}

fn contract(name: &str) -> Contract {
    let found = documents().into_iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
    done(Contract::open(found.unwrap_or_else(|| panic!("no document {name}.json"))))
}

#[test]
#[ignore = "needs the vendors' API descriptions"]
fn every_document_opens_with_all_its_schemas() {
    for document in documents() {
        let begun = std::time::Instant::now();
        let contract = Contract::open(&document).unwrap_or_else(|error| panic!("{error}"));
        eprintln!("{}: {} operations, {:?}", document.display(), contract.operations().count(), begun.elapsed());
        assert!(contract.operations().count() > 0, "{}", document.display());
    }
}

/// A request, and whether the document permits it.
struct Case(&'static str, Method, &'static str, &'static [(&'static str, &'static str)], Value, bool);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
const FROM: &[(&str, &str)] = &[("content-type", "application/json"), ("from", "a@b.co")];
const GITHUB: &[(&str, &str)] =
    &[("content-type", "application/json"), ("user-agent", "t"), ("x-github-api-version", "2022-11-28")];

fn cases() -> Vec<Case> {
    let incident = json!({ "incident": { "type": "incident", "title": "disk",
                                         "service": { "id": "P1", "type": "service_reference" } } });
    let silence = json!({ "matchers": [{ "name": "a", "value": "b", "isRegex": false }], "createdBy": "me",
                          "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-02T00:00:00Z", "comment": "c" });
    let mut silent = silence.clone();
    silent.as_object_mut().unwrap().remove("comment");
    let (get, post, no) = (|| Method::GET, || Method::POST, Value::Null);
    vec![
        Case("pagerduty", get(), "/incidents?statuses%5B%5D=triggered&statuses[]=acknowledged", &[], no.clone(), true),
        Case("pagerduty", get(), "/incidents?statuses%5B%5D=bogus", &[], no.clone(), false),
        Case("pagerduty", get(), "/services?limit=ten", &[], no.clone(), false),
        Case("pagerduty", post(), "/incidents", FROM, incident.clone(), true),
        Case("pagerduty", post(), "/incidents", JSON, incident, false),
        Case(
            "jira-cloud-v3",
            post(),
            "/rest/api/3/search/jql",
            JSON,
            json!({ "jql": "a = b", "fields": ["summary"] }),
            true,
        ),
        Case("jira-cloud-v3", post(), "/rest/api/3/search/jql", JSON, json!({ "jql": "a = b", "startAt": 50 }), false),
        Case("jira-dc-v2", get(), "/rest/api/2/search?jql=a&startAt=0", &[], no.clone(), true),
        Case("jira-dc-v2", get(), "/rest/api/2/search?jql=a&startAt=none", &[], no.clone(), false),
        Case("datadog", get(), "/api/v2/logs/events?filter%5Bquery%5D=x&page%5Blimit%5D=1000", &[], no.clone(), true),
        Case("datadog", get(), "/api/v2/logs/events?page%5Blimit%5D=5000", &[], no.clone(), false),
        Case("datadog", post(), "/api/v2/logs/events/search", JSON, json!({ "sort": "-timestamp" }), true),
        Case("datadog", post(), "/api/v2/logs/events/search", JSON, json!({ "sort": "desc" }), false),
        Case("prometheus", get(), "/api/v1/query?query=up&time=1767225600.5", &[], no.clone(), true),
        Case("prometheus", get(), "/api/v1/query", &[], no.clone(), false),
        Case("prometheus", post(), "/api/v1/query_range", FORM, json!("query=up&start=1&end=2&step=15"), true),
        Case("prometheus", post(), "/api/v1/query_range", FORM, json!("query=up&start=1&end=2"), false),
        Case("alertmanager", post(), "/api/v2/silences", JSON, silence, true),
        Case("alertmanager", post(), "/api/v2/silences", JSON, silent, false),
        Case("elasticsearch", post(), "/logs-*/_search", JSON, json!({ "query": { "match_all": {} } }), true),
        Case("elasticsearch", post(), "/logs-*/_search", JSON, json!({ "query": { "equals": {} } }), false),
        Case("opensearch", post(), "/logs/_search/point_in_time?keep_alive=1m", &[], no.clone(), true),
        Case("opensearch", post(), "/logs/_pit?keep_alive=1m", &[], no.clone(), false),
        Case("slack", post(), "/api/chat.postMessage", JSON, json!({ "channel": "C1", "text": "hi" }), true),
        Case("slack", post(), "/api/chat.postMessage", JSON, json!({ "text": "hi" }), false),
        Case("slack", post(), "/api/users.info", FORM, json!("user=U1"), true),
        Case("slack", post(), "/api/users.info", JSON, json!({ "user": "U1" }), false),
        Case("github", post(), "/repos/o/r/issues", GITHUB, json!({ "title": "x", "labels": ["a"] }), true),
        Case("github", post(), "/repos/o/r/issues", GITHUB, json!({ "body": "y" }), false),
        Case("github", get(), "/repos/o/r/issues", &[], no, false),
    ]
}

#[test]
#[ignore = "needs the vendors' API descriptions"]
fn right_requests_keep_the_vendors_documents_and_wrong_ones_break_them() {
    for Case(vendor, method, target, headers, body, right) in cases() {
        let mut request = Request::new(method, format!("http://vendor.test{target}").parse().unwrap());
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        request = request.headers(headers.collect::<HeaderMap>());
        request = match &body {
            Value::Null => request,
            Value::String(form) => request.body(form.clone()),
            json => request.body(json.to_string()),
        };
        // The answer is no one's: only what is said of the request counts.
        let found = contract(vendor).check(&request, &Reply::new(StatusCode::IM_A_TEAPOT)).err().unwrap_or_default();
        let of_request = |violation: &&Violation| !violation.place.contains("answer");
        let found: Vec<_> = found.iter().filter(of_request).map(ToString::to_string).collect();
        assert_eq!(found.is_empty(), right, "{vendor} {} {target} {body}: {found:#?}", request.method);
    }
}
