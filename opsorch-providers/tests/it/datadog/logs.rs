//! Logs.

use opsorch::{Clock, ErrorKind, LogEntry, LogQuery, ManualClock, Page, Time};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, ok, status};
use super::simulated::datadog::logs::Entry;
use super::{assert_invalid, assert_unsupported};

const SEARCH: &str = "/api/v2/logs/events/search";

fn hour() -> LogQuery {
    LogQuery::new(ago(3_600), ago(0))
}

fn messages(page: &Page<LogEntry>) -> Vec<&str> {
    page.items.iter().map(|entry| entry.message.as_str()).collect()
}

/// 2,700 entries, three at each second, whose fields differ by their number.
fn many() -> Vec<Entry> {
    let statuses = ["info", "warn", "error", "emergency", "debug", "ok"];
    let entry = |number: usize| Entry {
        id: format!("AQ{number:05}"),
        time: ago(u64::try_from(number).unwrap() / 3 + 1),
        message: format!("request {number} took {} ms", number % 97),
        status: statuses[number % statuses.len()].to_owned(),
        service: (!number.is_multiple_of(4)).then(|| format!("svc {}", number % 3)),
        host: format!("web-{}", number % 7),
        tags: vec![format!("env:{}", ["prod", "dev"][number % 2]), format!("team:t{}", number % 5)],
        attributes: json!({ "path": format!("/v1/items/{}", number % 11), "code": number % 13 }),
    };
    (0..2_700).map(entry).collect()
}

#[tokio::test]
async fn a_query_over_thousands_of_entries_finds_what_a_filter_over_all_of_them_finds() {
    let desk = Desk::open().await;
    let all = many();
    desk.wire.vendor(|vendor| vendor.logs.entries = all.clone());
    let has = |entry: &Entry, tag: &str| entry.tags.iter().any(|has| has == tag);
    type Keeps<'a> = Box<dyn Fn(&Entry) -> bool + 'a>;
    let cases: Vec<(LogQuery, Keeps<'_>)> = vec![
        (hour(), Box::new(|_| true)),
        (hour().service("svc 1"), Box::new(|entry| entry.service.as_deref() == Some("svc 1"))),
        (hour().environment("prod").team("t3"), Box::new(|entry| has(entry, "env:prod") && has(entry, "team:t3"))),
        (
            hour().severity("critical").severity("warning"),
            Box::new(|entry| ["emergency", "warn"].contains(&&*entry.status)),
        ),
        (hour().filter("path", "=", "/v1/items/7"), Box::new(|entry| entry.attributes["path"] == "/v1/items/7")),
        (hour().filter("path", "!=", "/v1/items/7"), Box::new(|entry| entry.attributes["path"] != "/v1/items/7")),
        (hour().filter("host", "contains", "b-3"), Box::new(|entry| entry.host == "web-3")),
        (
            hour().filter("env", "=", "dev").search("96 ms"),
            Box::new(|entry| has(entry, "env:dev") && entry.message.contains(" 96 ms")),
        ),
        (LogQuery::new(ago(800), ago(20)).filter("@code", "=", "5"), {
            Box::new(|entry| entry.attributes["code"] == 5 && (ago(800)..ago(20)).contains(&entry.time))
        }),
    ];
    for (query, keeps) in cases {
        let mut expected: Vec<_> = all.iter().filter(|entry| keeps(entry)).map(|entry| entry.id.as_str()).collect();
        for limit in [10_000, 700] {
            let (mut found, mut next, mut last) = (Vec::new(), query.clone().limit(limit), None::<Time>);
            loop {
                let page = desk.logs(next.clone()).await.unwrap();
                assert!(page.items.len() <= limit as usize && page.failures.is_empty() && page.truncated.is_none());
                for entry in page.items {
                    assert!(last.is_none_or(|last| entry.timestamp <= last), "the newest come first");
                    last = Some(entry.timestamp);
                    found.push(entry.metadata["log_id"].as_str().unwrap().to_owned());
                }
                match page.next {
                    Some(cursor) => next.cursor = Some(cursor),
                    None => break,
                }
            }
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{query:?}");
        }
    }
}

#[tokio::test]
async fn a_limit_is_followed_over_pages_and_met_exactly() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| vendor.logs.entries = many());
    let page = desk.logs(hour().limit(2_500)).await.unwrap();
    assert_eq!(page.items.len(), 2_500);
    assert_eq!(page.items[0].metadata["log_id"], "AQ00002", "the newest come first, not the oldest");
    assert!(page.next.is_some() && !page.is_complete());
    let bodies = desk.wire.bodies(SEARCH);
    let limits: Vec<_> = bodies.iter().map(|body| body["page"]["limit"].as_u64().unwrap()).collect();
    assert_eq!(limits, [1_000, 1_000, 500]);
    assert!(bodies.windows(2).all(|pair| pair[0]["filter"] == pair[1]["filter"]), "a cursor belongs to its query");
    assert_eq!((&bodies[0]["page"]["cursor"], &bodies[0]["sort"]), (&Value::Null, &json!("-timestamp")));
    let rest = desk.logs(hour().limit(2_500).after(page.next.unwrap())).await.unwrap();
    assert_eq!(rest.items.len(), 200);
    assert!(rest.is_complete(), "the last page of Datadog says nothing of a next one");
}

#[tokio::test]
async fn a_cursor_belongs_to_its_query() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| vendor.logs.entries = many());
    let query = hour().service("svc 1");
    let next = desk.logs(query.clone().limit(10)).await.unwrap().next.unwrap();
    desk.wire.vendor(|vendor| assert_eq!(vendor.logs.entries.len(), 2_700));
    let sent = desk.wire.paths().len();
    for other in [
        hour(),
        hour().service("svc 2"),
        query.clone().search("took"),
        query.clone().severity("error"),
        query.clone().metadata("indexes", json!(["main"])),
        query.clone().metadata("storage_tier", "flex"),
        LogQuery::new(ago(3_599), ago(0)).service("svc 1"),
        LogQuery::new(ago(3_600), ago(1)).service("svc 1"),
    ] {
        assert_invalid(desk.logs(other.after(next.clone())).await, "cursor");
    }
    assert_eq!(desk.wire.paths().len(), sent, "nothing is asked with it");
    assert_eq!(desk.logs(query.limit(25).after(next)).await.unwrap().items.len(), 25);
}

#[tokio::test]
async fn a_request_says_what_is_asked() {
    let desk = Desk::configured(json!({ "log_indexes": ["main", "web"] })).await;
    let query = hour().service("a b").filter("path", "=", "x\"y").severity("error").limit(5);
    desk.logs(query.clone()).await.unwrap();
    desk.logs(query.metadata("indexes", json!(["flex"])).metadata("storage_tier", "flex")).await.unwrap();
    assert_eq!(desk.wire.paths(), [format!("POST {SEARCH}"), format!("POST {SEARCH}")]);
    let request = &desk.wire.requests()[0];
    assert_eq!(request.headers["content-type"], "application/json");
    let [from, to] = [ago(3_600).timestamp_millis().to_string(), (ago(0).timestamp_millis() + 1).to_string()];
    let search = r#"status:(error OR err OR severe) (path:"x\"y" OR @path:"x\"y") service:"a b""#;
    let filter = json!({ "query": search, "from": from, "to": to, "indexes": ["main", "web"] });
    let bodies = desk.wire.bodies(SEARCH);
    assert_eq!(bodies[0], json!({ "filter": filter, "sort": "-timestamp", "page": { "limit": 5 } }));
    assert_eq!(
        (&bodies[1]["filter"]["indexes"], &bodies[1]["filter"]["storage_tier"]),
        (&json!(["flex"]), &json!("flex"))
    );
}

#[tokio::test]
async fn an_entry_keeps_what_datadog_says_of_it() {
    let desk = Desk::open().await;
    let page = desk.logs(hour()).await.unwrap();
    assert!(page.is_complete());
    let entry = &page.items[0];
    assert_eq!((entry.message.as_str(), entry.timestamp), ("started", ago(600)));
    assert_eq!((entry.severity.as_ref().unwrap().as_str(), entry.severity_raw.as_deref()), ("info", Some("info")));
    assert_eq!(
        (entry.service.as_deref(), &entry.labels["env"], &entry.labels["team"]),
        (Some("api"), &"production".into(), &"core".into())
    );
    assert_eq!((&entry.fields["path"], &entry.fields["duration"]), (&json!("/v1/items"), &json!(12)));
    assert_eq!(
        entry.metadata,
        [("source", "datadog"), ("log_id", "AQ0"), ("host", "web-1")]
            .map(|(name, value)| (name.into(), value.into()))
            .into()
    );
    let url = page.url.unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!((url.host_str(), url.path()), (Some("app.datadoghq.com"), "/logs"));
    assert_eq!(pairs[1], ("from_ts".into(), ago(3_600).timestamp_millis().to_string()));
}

#[tokio::test]
async fn words_of_datadog_have_their_level_and_others_stay() {
    let desk = Desk::open().await;
    for (word, expected) in [
        ("emerg", "critical"),
        ("ALERT", "critical"),
        ("critical", "critical"),
        ("error", "error"),
        ("warn", "warning"),
        ("Warning", "warning"),
        ("notice", "info"),
        ("debug", "debug"),
        ("ok", "ok"),
        ("purple", "purple"),
    ] {
        let log = json!({ "id": "A", "attributes": { "timestamp": ago(5), "message": "m", "status": word } });
        desk.wire.answer("POST", SEARCH, ok(&json!({ "data": [log] })));
        let entry = desk.logs(hour()).await.unwrap().items.remove(0);
        assert_eq!((entry.severity.unwrap().as_str(), entry.severity_raw.as_deref()), (expected, Some(word)));
    }
}

#[tokio::test]
async fn an_entry_may_lack_everything_but_its_time() {
    let desk = Desk::open().await;
    let logs = json!([
        { "id": "A", "type": "log", "attributes": { "timestamp": ago(5) } },
        { "id": null, "attributes": { "timestamp": ago(6), "message": null, "status": "", "service": null, "host": null, "tags": null, "attributes": null, "new": {} } },
        { "id": "B", "attributes": { "message": "no time" } },
        { "id": "C", "attributes": { "timestamp": ago(7), "message": "a\"\\\u{1F525}\n", "tags": ["a:1:2", "alone", "a:3", "a:1:2"], "attributes": { "a": { "b": [1, null] } } } },
    ]);
    desk.wire.answer("POST", SEARCH, ok(&json!({ "data": logs, "meta": null, "links": {} })));
    let page = desk.logs(hour()).await.unwrap();
    assert_eq!(messages(&page), ["", "", "a\"\\\u{1F525}\n"]);
    assert!(page.truncated.unwrap().contains("no time"));
    assert!(page.items[1].severity.is_none() && page.items[1].service.is_none() && page.items[1].labels.is_empty());
    assert_eq!((&page.items[2].labels["a"], &page.items[2].labels["alone"]), (&"1:2".to_owned(), &String::new()));
    assert_eq!(page.items[2].metadata["tags"], json!(["a:1:2", "alone", "a:3", "a:1:2"]), "nothing of a tag is lost");
    assert_eq!(page.items[2].fields["a"], json!({ "b": [1, null] }));
}

#[tokio::test]
async fn what_datadog_did_not_look_at_is_a_failure_and_no_complete_page() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| vendor.logs.metas.push(json!({ "status": "timeout" })));
    let page = desk.logs(hour()).await.unwrap();
    assert!(!page.is_complete() && page.items.len() == 6);
    assert_eq!((page.failures[0].code.as_str(), page.failures[0].retryable), ("timeout", true));
    let warning =
        json!({ "code": "unknown_index", "title": "One or several indexes are missing", "detail": "indexes: foo" });
    desk.wire.vendor(|vendor| vendor.logs.metas.push(json!({ "warnings": [warning, {}] })));
    let page = desk.logs(hour()).await.unwrap();
    assert!(!page.is_complete() && page.items.len() == 6);
    assert_eq!(
        page.failures.iter().map(|failure| failure.code.as_str()).collect::<Vec<_>>(),
        ["not_found", "unavailable"]
    );
    assert!(page.failures[0].message.contains("indexes: foo"), "{:?}", page.failures);
}

#[tokio::test]
async fn what_was_read_before_a_refusal_is_kept_and_resumes() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| vendor.logs.entries = many());
    let refusal = status(
        429,
        &json!({ "errors": ["Too many requests"] }),
        &[("x-ratelimit-reset", "37"), ("x-ratelimit-period", "3600")],
    );
    desk.wire.next("POST", SEARCH, 1, Fate::Answer(refusal));
    let page = desk.logs(hour().limit(2_000)).await.unwrap();
    assert_eq!(
        (page.items.len(), page.failures[0].code.as_str(), page.failures[0].retryable),
        (1_000, "rate_limited", true)
    );
    let rest = desk.logs(hour().limit(5_000).after(page.next.unwrap())).await.unwrap();
    assert_eq!(rest.items.len(), 1_700);
}

#[tokio::test]
async fn a_span_has_its_beginning_and_not_its_end_to_the_nanosecond() {
    let desk = Desk::open().await;
    let times =
        ["2025-12-31T23:00:00.0004Z", "2025-12-31T23:00:00.0006Z", "2025-12-31T23:30:00Z", "2025-12-31T23:30:00.0005Z"];
    let logs: Vec<_> = times
        .iter()
        .rev()
        .map(|time| json!({ "id": time, "attributes": { "timestamp": time, "message": time } }))
        .collect();
    desk.wire.answer("POST", SEARCH, ok(&json!({ "data": logs })));
    let span = LogQuery::new("2025-12-31T23:00:00.0005Z".parse().unwrap(), "2025-12-31T23:30:00Z".parse().unwrap());
    assert_eq!(messages(&desk.logs(span).await.unwrap()), ["2025-12-31T23:00:00.0006Z"]);
}

#[tokio::test]
async fn times_before_1970_are_not_sent() {
    let desk = Desk::open().await;
    let year_1: Time = "0001-01-01T00:00:00Z".parse().unwrap();
    assert!(desk.logs(LogQuery::new(year_1, year_1)).await.unwrap().is_complete());
    assert!(desk.wire.paths().is_empty(), "nothing was written then");
    desk.logs(LogQuery::new(year_1, ManualClock::default().now())).await.unwrap();
    assert_eq!(desk.wire.bodies(SEARCH)[0]["filter"]["from"], "0");
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_and_nothing_is_sent() {
    let desk = Desk::open().await;
    assert_unsupported(desk.logs(hour().filter("path", "regex", "a.*")).await, "regular expression");
    assert_unsupported(desk.logs(hour().filter("message", "contains", "a")).await, "search");
    assert_unsupported(desk.logs(hour().search("***")).await, "expression.search");
    assert_unsupported(desk.logs(hour().metadata("env", "prod")).await, "metadata.env");
    assert_invalid(desk.logs(hour().filter("path", "~~", "a")).await, "expression.filters[0].operator");
    assert_invalid(desk.logs(hour().metadata("query", "a) OR (b")).await, "metadata.query");
    assert_invalid(desk.logs(hour().metadata("indexes", "main")).await, "metadata.indexes");
    assert_invalid(desk.logs(hour().metadata("storage_tier", "cold")).await, "metadata.storage_tier");
    assert_invalid(desk.logs(hour().limit(0)).await, "limit");
    assert_invalid(desk.logs(hour().service(" ")).await, "scope.service");
    assert_invalid(desk.logs(LogQuery::new(ago(0), ago(1))).await, "end");
    for cursor in ["", "logs/", "no-such-cursor", "logs/https://evil.example", "series/{}"] {
        assert_invalid(desk.logs(hour().after(opsorch::Cursor::new(cursor))).await, "cursor");
    }
    assert!(desk.wire.paths().is_empty());
}

#[tokio::test]
async fn a_position_that_datadog_no_longer_knows_is_a_wrong_cursor() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| vendor.logs.entries = many());
    let next = desk.logs(hour().limit(10)).await.unwrap().next.unwrap();
    desk.wire.answer("POST", SEARCH, status(400, &json!({ "errors": ["invalid cursor"] }), &[]));
    assert_invalid(desk.logs(hour().after(next)).await, "cursor");
}

#[tokio::test]
async fn a_search_of_the_caller_is_joined_with_the_other_conditions() {
    let desk = Desk::open().await;
    let page =
        desk.logs(hour().metadata("query", "status:error OR status:warn").environment("production")).await.unwrap();
    assert_eq!(messages(&page), ["slow \"query\"", "no space left"]);
    assert_eq!(desk.wire.bodies(SEARCH)[0]["filter"]["query"], "(status:error OR status:warn) env:production");
}

#[tokio::test]
async fn a_text_is_found_with_what_stands_between_its_words() {
    let desk = Desk::open().await;
    for (text, expected) in [
        ("NO SPACE", vec!["no space left"]),
        ("slow \"query\"", vec!["slow \"query\""]),
        ("slow 'query'", vec![]),
        ("/v1/a-b*c", vec!["took 3 s"]),
        ("v1 a b c", vec!["took 3 s"]),
        ("/v1/a*b", vec![]),
        ("enospc", vec!["no space left"]),
        ("200", vec!["took 3 s"]),
    ] {
        assert_eq!(messages(&desk.logs(hour().search(text)).await.unwrap()), expected, "{text}");
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_an_error() {
    let desk = Desk::open().await;
    for body in
        [json!(7), json!({}), json!({ "status": "error", "error": "x" }), json!({ "data": {} }), json!({ "data": [7] })]
    {
        desk.wire.answer("POST", SEARCH, ok(&body));
        let error = desk.logs(hour()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unexpected, "{body}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The double reads a search as Datadog documents it; what it finds by a value is what has that value.
    #[test]
    fn a_value_finds_what_has_it_whatever_stands_in_it(value in "[\"\\\\}{*?:()“\n a-c#@-]{1,10}", other in "\\PC{1,10}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::open().await;
            desk.wire.vendor(|vendor| {
                for (index, text) in [&value, &other].into_iter().enumerate() {
                    vendor.logs.entries[index].attributes["path"] = json!(text);
                    vendor.logs.entries[index].service = Some(text.clone());
                }
            });
            let found = desk.logs(hour().filter("path", "=", &value)).await.unwrap();
            let expected = if value == other { 2 } else { 1 };
            assert_eq!(found.items.len(), expected, "{value:?}");
            assert!(found.items.iter().all(|entry| entry.fields["path"] == *value));
            let found = desk.logs(hour().filter("path", "!=", &value)).await.unwrap();
            assert_eq!(found.items.len(), 6 - expected, "{value:?}");
            if !value.trim().is_empty() {
                let found = desk.logs(hour().service(&value)).await.unwrap();
                assert_eq!(found.items.len(), expected, "{value:?}");
            }
        });
    }
}
