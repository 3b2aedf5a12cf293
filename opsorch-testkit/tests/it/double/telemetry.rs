//! Log stores and metric stores: Elasticsearch after the last line, Prometheus with values that are texts.

use std::cmp::Reverse;
use std::time::Duration;

use opsorch::transport::{Reply, Request, StatusCode};
use opsorch::{Clock, ManualClock, Time};
use opsorch_testkit::double::{Line, LogStore, MetricStore, Served, body, by_key, json as answer, parameter};
use serde_json::{Value, json};

use super::{Vendor, read};

fn now() -> Time {
    ManualClock::default().now()
}

/// Lines of a level, the newest first, two at a time, after the sort values of the last one.
fn elastic(store: &mut LogStore, request: &Request) -> Reply {
    let body = body(request);
    let level = &body["query"]["term"]["log.level"];
    let key = |line: &&Line| Reverse((line.time.timestamp_millis(), line.sequence));
    let after = body["search_after"].as_array().map(|after| {
        let sequence = after[1].as_u64().and_then(|number| usize::try_from(number).ok());
        Reverse((after[0].as_i64().unwrap(), sequence.unwrap()))
    });
    let part = by_key(store.lines(..).filter(|line| line.fields["log.level"] == *level), key, after, 2);
    let hits = part.items.iter().map(|line| {
        let source = json!({ "@timestamp": line.time, "message": line.message });
        json!({ "_id": line.id, "_source": source, "sort": [line.time.timestamp_millis(), line.sequence] })
    });
    let hits: Vec<Value> = hits.collect();
    answer(StatusCode::OK, &json!({ "hits": { "total": { "value": part.total }, "hits": hits } }))
}

#[tokio::test]
async fn lines_of_one_time_are_neither_lost_nor_repeated_while_others_arrive() {
    let mut store = LogStore::default();
    let mut append = |level: &str, message: String| {
        store.append(now(), message).fields.insert("log.level".to_owned(), level.into());
    };
    for number in 1..=5 {
        append("error", format!("line {number}"));
        append("info", "noise".to_owned());
    }
    let double = Served::new(store, elastic);
    let (state, vendor) = (double.state(), Vendor::of(double).await);

    let (mut messages, mut ask) = (Vec::new(), json!({ "query": { "term": { "log.level": "error" } } }));
    loop {
        let page = read(&vendor.post("logs/_search", &ask).await, StatusCode::OK);
        let hits = page["hits"]["hits"].as_array().unwrap();
        let Some(last) = hits.last() else { break };
        messages.extend(hits.iter().map(|hit| hit["_source"]["message"].as_str().unwrap().to_owned()));
        ask["search_after"] = last["sort"].clone();
        state.with(|store| {
            store.append(now(), "late").fields.insert("log.level".to_owned(), "error".into());
        });
    }
    assert_eq!(messages, ["line 5", "line 4", "line 3", "line 2", "line 1"]);
}

#[test]
fn lines_are_in_the_order_of_their_time_however_they_arrive() {
    let (mut store, second) = (LogStore::default(), Duration::from_secs(1));
    for (after, message) in [(2, "c"), (0, "a"), (2, "d"), (1, "b")] {
        store.append(now() + after * second, message);
    }
    let messages: Vec<_> = store.lines(..).map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["a", "b", "c", "d"]);
    assert_eq!(store.lines(now() + second..now() + 2 * second).count(), 1, "the end is not in it");
    assert_eq!(store.lines(now() + second..=now() + 2 * second).count(), 3, "the end is in it");
}

fn prometheus(store: &mut MetricStore, request: &Request) -> Reply {
    let number = |name: &str| parameter(request, name).unwrap().parse::<i64>().unwrap();
    let at = |name: &str| Time::from_timestamp(number(name), 0).unwrap();
    let step = Duration::from_secs(number("step").unsigned_abs());
    let query = parameter(request, "query").unwrap();
    let result = store.series().filter(|series| series.name == query).map(|series| {
        let steps = series.steps(at("start"), at("end"), step, Duration::from_secs(90)).into_iter();
        let values: Vec<Value> = steps.map(|(time, value)| json!([time.timestamp(), value.to_string()])).collect();
        json!({ "metric": series.labels, "values": values })
    });
    let result: Vec<Value> = result.collect();
    answer(StatusCode::OK, &json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }))
}

#[tokio::test]
async fn a_range_of_samples_has_its_gaps() {
    let (minute, mut store) = (Duration::from_secs(60), MetricStore::default());
    for (after, value) in [(0, 1.0), (4, f64::NAN)] {
        store.record("up", [("job", "db")], now() + after * minute, value);
    }
    store.record("up", [("job", "web")], now() + 2 * minute, 0.5);
    store.record("down", [("job", "web")], now(), 7.0);
    let vendor = Vendor::of(Served::new(store, prometheus)).await;

    let begin = now().timestamp();
    let [start, end] = [begin, begin + 300].map(|second| second.to_string());
    let query = [("query", "up"), ("start", start.as_str()), ("end", &end), ("step", "60")];
    let found = read(&vendor.get("api/v1/query_range", &query).await, StatusCode::OK);
    let values = |first: i64, value: &str| json!([[begin + first, value], [begin + first + 60, value]]);
    let mut db = values(0, "1");
    db.as_array_mut().unwrap().extend(values(240, "NaN").as_array().unwrap().clone());
    assert_eq!(
        found["data"]["result"],
        json!([
            { "metric": { "job": "db" }, "values": db },
            { "metric": { "job": "web" }, "values": values(120, "0.5") },
        ])
    );
}

#[test]
fn a_step_of_nothing_and_a_time_without_end_do_not_hang() {
    let mut store = MetricStore::default();
    store.record("up", [("job", "db")], now(), 1.0);
    let series = store.series().next().unwrap();
    assert_eq!(series.steps(now(), now(), Duration::ZERO, Duration::MAX), [(now(), 1.0)]);
    let second = Duration::from_secs(1);
    assert_eq!(series.steps(now(), Time::MAX_UTC, second, Duration::MAX).len(), opsorch_testkit::double::MOST_STEPS);
    assert_eq!(series.steps(now(), Time::MAX_UTC, Duration::MAX, second), [(now(), 1.0)]);
}
