//! Alerts of Alertmanager: what they become, which ones a query finds, and what errors mean.

use opsorch::{
    Alert, AlertQuery, AlertStatus, AlertStatusLevel, Cursor, ErrorKind, Page, Result, Severity, SeverityLevel, Time,
};
use opsorch_providers::prometheus::{PrometheusConfig, ScopeLabels};
use proptest::prelude::*;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::alertmanager::{Alertmanager, Desk, alert, suppressed};
use super::simulated::prometheus::matcher::Matcher;

async fn query(desk: &Desk, query: AlertQuery) -> Result<Page<Alert>> {
    desk.ops.alerts(&desk.cx).on("prom").query(query).await
}

/// The ids of what a query finds.
async fn ids(desk: &Desk, asked: AlertQuery) -> Vec<String> {
    let page = query(desk, asked).await.unwrap();
    page.items.into_iter().map(|alert| alert.id.to_string()).collect()
}

/// An alert with an id and labels; the ids in the order of the letters are the newest first.
fn named(id: &str, labels: Value) -> Value {
    let minute = 59 - u32::from(id.as_bytes()[0] - b'a');
    alert(id, &format!("2025-12-31T23:{minute:02}:00Z"), labels)
}

fn full() -> Value {
    let labels = json!({
        "alertname": "TargetDown", "env": "test", "instance": "127.0.0.1:1", "service": "api", "severity": "crit",
    });
    let mut alert = alert("e0ebab1a85bfb414", "2026-11-21T03:22:55.208Z", labels);
    alert["annotations"] = json!({
        "summary": "target down", "description": "nobody answers", "runbook_url": "https://example.org/rb",
    });
    alert["updatedAt"] = json!("2026-11-21T04:22:55.208+01:00");
    alert
}

#[tokio::test]
async fn an_alert_keeps_all_that_alertmanager_says_of_it() {
    let alertmanager = Alertmanager::start([full()]).await;
    let alert = query(&alertmanager.desk().await, AlertQuery::new()).await.unwrap().items.remove(0);
    assert_eq!(alert.id.as_str(), "e0ebab1a85bfb414");
    assert_eq!((alert.title.as_str(), alert.description.as_deref()), ("TargetDown", Some("nobody answers")));
    assert_eq!((alert.status.as_str(), alert.status_raw.as_deref()), ("firing", Some("active")));
    assert_eq!((alert.severity.as_str(), alert.severity_raw.as_deref()), ("critical", Some("crit")));
    assert_eq!(alert.service.as_deref(), Some("api"));
    assert_eq!(alert.created_at, "2026-11-21T03:22:55.208Z".parse().ok());
    assert_eq!(alert.updated_at, alert.created_at, "whatever the time zone");
    let page = format!(
        "{}/#/alerts?silenced=true&inhibited=true&filter=%7Balertname%3D%22TargetDown%22%2C%20env%3D%22test%22%2C%20\
         instance%3D%22127.0.0.1%3A1%22%2C%20service%3D%22api%22%2C%20severity%3D%22crit%22%7D",
        alertmanager.server.uri()
    );
    assert_eq!(alert.url.map(|url| url.to_string()), Some(page));
    assert_eq!(
        json!(alert.fields),
        json!({
            "labels": full()["labels"],
            "annotations": full()["annotations"],
            "runbook": "https://example.org/rb",
            "receivers": ["hook"],
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
            "endsAt": "2026-01-01T00:04:00Z",
        })
    );
    assert_eq!(json!(alert.metadata), json!({ "source": "alertmanager" }));
}

#[tokio::test]
async fn what_alertmanager_leaves_out_is_absent() {
    let sparse = json!({
        "fingerprint": "aa",
        "labels": null,
        "annotations": null,
        "receivers": null,
        "startsAt": "0001-01-01T00:00:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "status": { "state": "unheard-of", "silencedBy": null, "inhibitedBy": null },
        "invented": { "later": true },
    });
    let alertmanager = Alertmanager::start([sparse, json!({ "fingerprint": "bb" })]).await;
    let items = query(&alertmanager.desk().await, AlertQuery::new()).await.unwrap().items;
    let [first, second] = &items[..] else { panic!("expected two alerts") };
    assert_eq!((first.title.as_str(), first.created_at, first.updated_at), ("aa", None, None));
    assert_eq!((first.status.as_str(), first.status.level()), ("unheard-of", AlertStatusLevel::Unknown));
    assert_eq!((first.severity.level(), &first.severity_raw), (SeverityLevel::Unknown, &None));
    assert!(first.fields.is_empty(), "{:?}", first.fields);
    assert_eq!((second.status.as_str(), &second.status_raw), ("unknown", &None));
}

#[tokio::test]
async fn a_title_and_a_description_are_found_where_there_is_one() {
    let mut nameless = named("a", json!({ "job": "x" }));
    nameless["annotations"] = json!({ "summary": "disk full", "message": "95 %", "runbook": "rb" });
    let alertmanager = Alertmanager::start([nameless]).await;
    let alert = query(&alertmanager.desk().await, AlertQuery::new()).await.unwrap().items.remove(0);
    assert_eq!((alert.title.as_str(), alert.description.as_deref()), ("disk full", Some("95 %")));
    assert_eq!(alert.fields["runbook"], "rb");
}

fn of_every_status() -> [Value; 4] {
    let mut unprocessed = named("d", json!({ "alertname": "D" }));
    unprocessed["status"]["state"] = json!("unprocessed");
    [
        named("a", json!({ "alertname": "A" })),
        suppressed(named("b", json!({ "alertname": "B" })), "silencedBy"),
        suppressed(named("c", json!({ "alertname": "C" })), "inhibitedBy"),
        unprocessed,
    ]
}

#[tokio::test]
async fn a_status_is_asked_for_by_parameter_and_not_as_a_label() {
    let alertmanager = Alertmanager::start(of_every_status()).await;
    let desk = alertmanager.desk().await;
    assert_eq!(ids(&desk, AlertQuery::firing()).await, ["a"]);
    assert_eq!(alertmanager.last_parameter("filter").await, [""; 0], "`state` is no label");
    assert_eq!(alertmanager.last_parameter("silenced").await, ["false"]);
    assert_eq!(alertmanager.last_parameter("inhibited").await, ["false"]);
    assert_eq!(alertmanager.last_parameter("active").await, [""; 0]);

    assert_eq!(ids(&desk, AlertQuery::new().status("snoozed")).await, ["b", "c"]);
    assert_eq!(alertmanager.last_parameter("active").await, ["false"]);
    for (words, found) in [
        (vec![], vec!["a", "b", "c", "d"]),
        (vec!["open"], vec!["a"]),
        (vec!["active", "suppressed"], vec!["a", "b", "c"]),
        (vec!["pending"], vec!["d"]),
        (vec!["unprocessed", "FIRING"], vec!["a", "d"]),
    ] {
        let asked = words.iter().fold(AlertQuery::new(), |asked, word| asked.status(AlertStatus::new(*word)));
        assert_eq!(ids(&desk, asked).await, found, "{words:?}");
    }
}

#[tokio::test]
async fn what_keeps_an_alert_quiet_is_said() {
    let alerts = ["silencedBy", "inhibitedBy", "mutedBy"].map(|list| suppressed(named("a", json!({})), list));
    for (alert, list) in alerts.into_iter().zip(["silencedBy", "inhibitedBy", "mutedBy"]) {
        let alertmanager = Alertmanager::start([alert]).await;
        let alert = query(&alertmanager.desk().await, AlertQuery::new()).await.unwrap().items.remove(0);
        assert_eq!((alert.status.as_str(), alert.status_raw.as_deref()), ("suppressed", Some("suppressed")));
        assert_eq!(alert.fields[list], json!(["by-this"]));
    }
}

#[tokio::test]
async fn a_status_that_alertmanager_cannot_have_finds_nothing() {
    let alertmanager = Alertmanager::start(of_every_status()).await;
    let desk = alertmanager.desk().await;
    for word in ["resolved", "closed", "acknowledged", "no-such-status"] {
        let page = query(&desk, AlertQuery::new().status(word)).await.unwrap();
        assert!(page.items.is_empty() && page.is_complete(), "{word}");
    }
}

#[tokio::test]
async fn of_several_severities_one_is_enough_and_levels_count_not_words() {
    let alertmanager = Alertmanager::start([
        named("a", json!({ "severity": "critical" })),
        named("b", json!({ "severity": "P1" })),
        named("c", json!({ "severity": "warning" })),
        named("d", json!({ "severity": "page" })),
        named("e", json!({ "severity": "info" })),
        named("f", json!({})),
    ])
    .await;
    let desk = alertmanager.desk().await;
    for (words, found) in [
        (vec!["critical"], vec!["a", "b"]),
        (vec!["sev1", "WARN"], vec!["a", "b", "c"]),
        (vec!["Page"], vec!["d"]),
        (vec!["medium", "page"], vec!["c", "d"]),
        (vec!["low"], vec![]),
        (vec!["pag"], vec![]),
        (vec!["critical|warning"], vec![]),
        (vec![".*"], vec![]),
        (vec!["unknown"], vec!["f"]),
    ] {
        let asked = words.iter().fold(AlertQuery::new(), |asked, word| asked.severity(Severity::new(*word)));
        assert_eq!(ids(&desk, asked).await, found, "{words:?}");
    }
}

#[tokio::test]
async fn a_scope_is_sent_as_matchers_of_the_labels_that_the_configuration_names() {
    let here = json!({ "app": "api", "team": "core", "env": "production" });
    let alertmanager = Alertmanager::start([
        named("a", here),
        named("b", json!({ "app": "api", "team": "edge", "env": "production" })),
        named("c", json!({ "service": "api", "team": "core" })),
    ])
    .await;
    let mut config = alertmanager.config();
    config.labels.service = "app".to_owned();
    let desk = Desk::of(config).await;
    let asked = AlertQuery::new().service("api").team("core").environment("production");
    assert_eq!(ids(&desk, asked).await, ["a"]);
    let sent = alertmanager.last_parameter("filter").await;
    assert_eq!(sent, ["app=\"api\"", "team=\"core\"", "env=\"production\""]);
    assert_eq!(ids(&desk, AlertQuery::new().service("api")).await, ["a", "b"]);
    assert_eq!(ids(&desk, AlertQuery::new().team("nobody")).await, [""; 0]);
    assert_eq!(ScopeLabels::default().environment, "env");
}

#[tokio::test]
async fn no_name_breaks_out_of_its_matcher() {
    let alertmanager = Alertmanager::start([]).await;
    let desk = alertmanager.desk().await;
    for name in ["a\",team=\"b", "a\\", "\\\"", "line\nbreak", "{x}", "a b ", "ünï €", "a&filter=b", "+%2B#?"] {
        let service = named("a", json!({ "service": name }));
        alertmanager.state.set([service, named("b", json!({ "service": "other" }))]);
        assert_eq!(ids(&desk, AlertQuery::new().service(name)).await, ["a"], "{name:?}");
        let sent = alertmanager.last_parameter("filter").await;
        assert_eq!(sent.len(), 1);
        let matcher = Matcher::parse(&sent[0]).unwrap();
        assert_eq!((matcher.name.as_str(), matcher.value.as_str()), ("service", name));
    }
}

#[tokio::test]
async fn what_a_server_does_not_filter_is_filtered_here() {
    let alertmanager = Alertmanager::start([]).await;
    let everything = json!([named("a", json!({ "service": "api" })), named("b", json!({ "service": "web" }))]);
    alertmanager.state.fail("GET", 0, ResponseTemplate::new(200).set_body_json(everything));
    assert_eq!(ids(&alertmanager.desk().await, AlertQuery::new().service("api")).await, ["a"]);
}

#[tokio::test]
async fn an_empty_name_is_refused_before_it_finds_what_has_no_such_label() {
    let alertmanager = Alertmanager::start([named("a", json!({}))]).await;
    let desk = alertmanager.desk().await;
    for (asked, field) in [
        (AlertQuery::new().service(""), "scope.service"),
        (AlertQuery::new().team(""), "scope.team"),
        (AlertQuery::new().environment(""), "scope.environment"),
        (AlertQuery::new().limit(0), "limit"),
        (AlertQuery::new().metadata("source", 1), "metadata.source"),
        (AlertQuery::new().metadata("source", "elsewhere"), "metadata.source"),
        (AlertQuery::new().metadata("filter", "a=b"), "metadata.filter"),
        (AlertQuery::new().metadata("filter", json!([1])), "metadata.filter"),
    ] {
        let error = query(&desk, asked).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
    }
    assert!(alertmanager.server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_filter_that_nobody_knows_is_refused_with_those_that_are_known() {
    let alertmanager = Alertmanager::start([]).await;
    let desk = alertmanager.desk().await;
    let error = query(&desk, AlertQuery::new().metadata("receiver", "hook")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("known are: filter, source"), "{error}");
    let error = query(&desk, AlertQuery::new().metadata("source", "rules")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn text_is_looked_for_in_title_description_and_labels() {
    let mut described = named("a", json!({ "alertname": "TargetDown" }));
    described["annotations"] = json!({ "description": "The Disk of db-1" });
    let alertmanager = Alertmanager::start([
        described,
        named("b", json!({ "alertname": "DiskFull" })),
        named("c", json!({ "alertname": "C", "device": "/dev/DISK0" })),
        named("d", json!({ "alertname": "D", "disk": "x" })),
    ])
    .await;
    let desk = alertmanager.desk().await;
    assert_eq!(ids(&desk, AlertQuery::new().query("dIsK")).await, ["a", "b", "c"]);
    assert_eq!(ids(&desk, AlertQuery::new().query("disk of")).await, ["a"]);
    assert_eq!(ids(&desk, AlertQuery::new().query("[")).await, [""; 0]);
}

#[tokio::test]
async fn matchers_of_the_caller_are_sent_as_they_are_and_a_bad_one_is_named() {
    let alertmanager = Alertmanager::start([named("a", json!({ "alertname": "A" })), named("b", json!({}))]).await;
    let desk = alertmanager.desk().await;
    let asked =
        |matcher: &str| AlertQuery::new().metadata("filter", json!([matcher])).metadata("source", "alertmanager");
    assert_eq!(ids(&desk, asked("alertname=\"A\"")).await, ["a"]);

    let error = query(&desk, asked("bad[")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "metadata.filter".into() });
    assert!(error.to_string().contains("bad matcher format: bad["), "{error}");
}

#[tokio::test]
async fn one_alert_is_read_by_its_fingerprint_and_an_unknown_one_is_not_found() {
    let alertmanager = Alertmanager::start(of_every_status()).await;
    let desk = alertmanager.desk().await;
    let alerts = desk.ops.alerts(&desk.cx);
    assert_eq!(alerts.get("b").await.unwrap().title, "B", "a silenced one too");
    for unknown in ["B", "", "../silences", "e0ebab1a85bfb414"] {
        let error = alerts.get(unknown).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{unknown}: {error}");
    }
}

#[tokio::test]
async fn each_error_has_its_kind_and_the_words_of_the_server() {
    let deprecated = json!({ "status": "deprecated", "error": "The Alertmanager v1 API was removed in version 0.27" });
    let text = |status, text: &str| ResponseTemplate::new(status).set_body_string(text);
    let page = ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "text/html");
    let limited = ResponseTemplate::new(429).insert_header("retry-after", "7");
    let rate = ErrorKind::RateLimited { retry_after: Some(std::time::Duration::from_secs(7)) };
    let refused = ErrorKind::Invalid { field: "request".into() };
    let answers = [
        (text(404, "404 page not found\n"), ErrorKind::Unexpected, "404 page not found"),
        (text(404, ""), ErrorKind::Unexpected, "check the path in `alertmanager_url`"),
        (ResponseTemplate::new(410).set_body_json(deprecated), ErrorKind::Unexpected, "removed in version 0.27"),
        (ResponseTemplate::new(400).set_body_json("bad matcher"), refused.clone(), "bad matcher"),
        (ResponseTemplate::new(422).set_body_json(json!({ "code": 601, "message": "no" })), refused, "601"),
        (page, ErrorKind::Unexpected, "text/html"),
        (ResponseTemplate::new(200), ErrorKind::Unexpected, "empty body"),
        (ResponseTemplate::new(200).set_body_json(json!({})), ErrorKind::Unexpected, "expected JSON as documented"),
        (ResponseTemplate::new(200).set_body_json(json!([{}])), ErrorKind::Unexpected, "fingerprint"),
        (text(401, "no"), ErrorKind::Unauthenticated, "no"),
        (text(403, "RBAC: access denied"), ErrorKind::Forbidden, "RBAC"),
        (limited, rate, "7 s"),
        (ResponseTemplate::new(500).set_body_json("boom"), ErrorKind::Unavailable, "boom"),
        (text(503, "upstream connect error"), ErrorKind::Unavailable, "upstream"),
    ];
    let alertmanager = Alertmanager::start([named("a", json!({}))]).await;
    let desk = Desk::at_once(alertmanager.config()).await;
    for (answer, kind, words) in answers {
        for reads_one in [false, true] {
            alertmanager.state.fail("GET", 0, answer.clone());
            let error = match reads_one {
                true => desk.ops.alerts(&desk.cx).get("a").await.unwrap_err(),
                false => query(&desk, AlertQuery::new()).await.unwrap_err(),
            };
            assert_eq!(*error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }
}

#[tokio::test]
async fn a_path_before_the_api_is_kept() {
    let server = wiremock::MockServer::start().await;
    let found = ResponseTemplate::new(200).set_body_json(json!([named("a", json!({ "x": "y" }))]));
    let path = wiremock::matchers::path("/team/am/api/v2/alerts");
    wiremock::Mock::given(path).respond_with(found).mount(&server).await;
    for path in ["team/am", "team/am/"] {
        let url = format!("{}/{path}", server.uri()).parse().unwrap();
        let page = query(&Desk::of(PrometheusConfig::alertmanager_only(url)).await, AlertQuery::new()).await.unwrap();
        let expected = format!("{}/team/am/#/alerts?silenced=true&inhibited=true", server.uri());
        assert_eq!(page.url.unwrap().as_str(), expected);
        assert!(page.items[0].url.as_ref().unwrap().as_str().starts_with(&expected));
    }
}

#[tokio::test]
async fn a_person_is_sent_to_the_page_that_the_configuration_names() {
    let alertmanager = Alertmanager::start([named("a", json!({ "service": "api" }))]).await;
    let mut config = alertmanager.config();
    config.alertmanager_external_url = "https://am.example.org".parse().ok();
    let page = query(&Desk::of(config).await, AlertQuery::new().service("api")).await.unwrap();
    let expected = "https://am.example.org/#/alerts?silenced=true&inhibited=true&filter=%7Bservice%3D%22api%22%7D";
    assert_eq!(page.url.unwrap().as_str(), expected);
    assert_eq!(page.items[0].url.as_ref().unwrap().as_str(), expected);
}

#[tokio::test]
async fn what_is_no_cursor_of_this_provider_is_refused() {
    let alertmanager = Alertmanager::start([]).await;
    let desk = alertmanager.desk().await;
    for text in ["", "x", "2026", "today,aa", "http://example.org/,aa"] {
        let error = query(&desk, AlertQuery::new().after(Cursor::new(text))).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "cursor".into() }, "{text}: {error}");
    }
}

#[tokio::test]
async fn alerts_that_come_and_go_between_two_pages_neither_repeat_others_nor_hide_them() {
    let all = |ids: &str| ids.chars().map(|id| named(&id.to_string(), json!({}))).collect::<Vec<_>>();
    let alertmanager = Alertmanager::start(all("bcdf")).await;
    let desk = alertmanager.desk().await;
    let first = query(&desk, AlertQuery::new().limit(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|alert| alert.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);

    // `c`, where the page ended, is gone; `a` is new, and newer than all; `e` is late, and in the middle.
    alertmanager.state.set(all("abdef"));
    let rest = AlertQuery::new().limit(9).after(first.next.unwrap());
    assert_eq!(ids(&desk, rest).await, ["d", "e", "f"]);
}

fn second(offset: i64) -> Time {
    Time::from_timestamp(1_767_225_600 + offset, 0).unwrap()
}

/// Follows the cursors to the end.
async fn pages(desk: &Desk, asked: AlertQuery) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(asked.clone());
    while let Some(one) = next {
        let page = query(desk, one).await.unwrap();
        assert!(page.items.len() <= asked.page_size() as usize);
        assert!(page.next.is_none() || page.items.len() == asked.page_size() as usize);
        found.extend(page.items.into_iter().map(|alert| alert.id.to_string()));
        next = page.next.map(|cursor| asked.clone().after(cursor));
    }
    found
}

#[test]
fn pages_put_together_are_what_was_asked_for_in_the_one_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let alertmanager = runtime.block_on(Alertmanager::start([]));
    let desk = runtime.block_on(alertmanager.desk());
    // Few moments, so that many alerts begin at the same one; some have none.
    let begins = proptest::option::weighted(0.9, 0_i64..8);
    proptest!(ProptestConfig::with_cases(64), |(
        begins in proptest::collection::vec(begins, 0..20),
        limit in 1_u32..8,
        since in proptest::option::of(0_i64..9),
        until in proptest::option::of(0_i64..9),
    )| {
        let mut expected = Vec::new();
        let mut alerts = Vec::new();
        for (index, begins) in begins.iter().enumerate() {
            // Scattered, so that the order of the answer is not the order of the page.
            let id = format!("{:02x}", (index * 37) % 256);
            let starts_at = begins.map_or("0001-01-01T00:00:00Z".to_owned(), |offset| second(offset).to_rfc3339());
            alerts.push(alert(&id, &starts_at, json!({})));
            let is_in = |from: i64| since.is_none_or(|since| since <= from) && until.is_none_or(|until| from < until);
            if begins.map_or(since.is_none() && until.is_none(), is_in) {
                expected.push((begins.map_or(i64::MAX, |begins| -begins), id));
            }
        }
        expected.sort();
        let mut asked = AlertQuery::new().limit(limit);
        (asked.since, asked.until) = (since.map(second), until.map(second));
        alertmanager.state.set(alerts);
        let found = runtime.block_on(pages(&desk, asked));
        prop_assert_eq!(found, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    });
}
