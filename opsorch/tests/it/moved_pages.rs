//! Merged pages of lists that change between one page and the next: nothing is left out unsaid.

use std::sync::{Arc, Mutex};

use opsorch::*;
use opsorch_testkit::MemoryProvider;

use crate::support::agent;

/// Two providers: `a` lists what a test says, and `b` nothing.
struct Moving {
    ops: OpsOrch,
    cx: Context,
    list: Arc<Mutex<Response>>,
}

/// Answers for the providers.
#[derive(Debug)]
struct Lists(Arc<Mutex<Response>>);

#[opsorch::async_trait]
impl layer::Layer for Lists {
    async fn call(&self, call: layer::Call<'_>, next: layer::Next<'_>) -> Result<Response> {
        if call.provider().as_str() == "a" { Ok(self.0.lock().unwrap().clone()) } else { next.run().await }
    }
}

impl Moving {
    async fn new(response: Response) -> Self {
        let list = Arc::new(Mutex::new(response));
        let mut builder = OpsOrch::builder().without_layers().layer(Lists(list.clone()));
        for name in ["a", "b"] {
            builder = builder.provider(MemoryProvider::new(ManualClock::default()).provider(name));
        }
        Self { ops: builder.build().await.unwrap(), cx: Context::new(agent()), list }
    }

    fn becomes(&self, response: Response) {
        *self.list.lock().unwrap() = response;
    }

    async fn services(&self, limit: u32, after: Option<Cursor>) -> Page<Service> {
        let mut query = ServiceQuery::new().limit(limit);
        query.cursor = after;
        self.ops.services(&self.cx).query(query).await.unwrap()
    }
}

fn time(second: u32) -> Time {
    format!("2026-01-01T00:00:{second:02}Z").parse().unwrap()
}

fn series(instances: &[&str], value: f64) -> Response {
    let one =
        |name: &&str| MetricSeries::new("up", vec![MetricPoint::new(time(0), value).unwrap()]).label("instance", *name);
    Response::Metrics(Page::new(instances.iter().map(one).collect()))
}

fn services(names: &[&str]) -> Response {
    Response::Services(Page::new(names.iter().map(|name| Service::new(*name, *name)).collect()))
}

fn lines(lines: &[(u32, &str)]) -> Response {
    let one = |(second, pod): &(u32, &str)| LogEntry::new(time(*second), "disk full").label("pod", *pod);
    Response::Logs(Page::new(lines.iter().map(one).collect()))
}

fn has_moved(warnings: &[String]) -> bool {
    warnings.iter().any(|warning| warning.starts_with("`a`: what it lists has moved"))
}

fn names(page: &Page<Service>) -> String {
    page.items.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn series_of_one_metric_are_told_by_their_labels_and_not_by_their_points() {
    for (now, rest, warns) in [
        (&["1", "2", "3", "4", "5"][..], "4 5", false),
        (&["1", "3", "4", "5"], "4 5", false),
        (&["1", "new", "2", "3", "4", "5"], "4 5", false),
        (&["1", "2", "4", "5"], "4 5", true),
        (&["3"], "", false),
    ] {
        let moving = Moving::new(series(&["1", "2", "3", "4", "5"], 1.0)).await;
        let query = MetricQuery::new("up", time(0), time(59)).limit(3);
        let first = moving.ops.metrics(&moving.cx).query(query.clone()).await.unwrap();
        moving.becomes(series(now, 2.0));
        let page = moving.ops.metrics(&moving.cx).query(query.after(first.next.unwrap())).await.unwrap();
        let given: Vec<_> = page.items.iter().map(|series| series.labels["instance"].as_str().unwrap()).collect();
        let given = given.join(" ");
        assert!(given.ends_with(rest), "{now:?}: {given}");
        assert_eq!((warns || given == rest, has_moved(&page.warnings)), (true, warns), "{now:?}: {page:?}");
    }
}

#[tokio::test]
async fn log_lines_of_one_time_and_text_are_told_by_the_rest_of_them() {
    for (now, rest) in [
        (&[(9, "a"), (5, "a"), (5, "b"), (5, "c"), (1, "a")][..], "c a"),
        (&[(5, "b"), (5, "c"), (1, "a")], "c a"),
        (&[(5, "b"), (5, "new"), (5, "c"), (1, "a")], "new c a"),
    ] {
        let moving = Moving::new(lines(&[(5, "a"), (5, "b"), (5, "c"), (1, "a")])).await;
        let query = LogQuery::new(time(0), time(59)).limit(2);
        let first = moving.ops.logs(&moving.cx).query(query.clone()).await.unwrap();
        moving.becomes(lines(now));
        let page = moving.ops.logs(&moving.cx).query(query.limit(9).after(first.next.unwrap())).await.unwrap();
        let given: Vec<_> = page.items.iter().map(|entry| entry.labels["pod"].as_str()).collect();
        assert_eq!((given.join(" ").as_str(), has_moved(&page.warnings)), (rest, false), "{now:?}");
    }
}

#[tokio::test]
async fn of_one_time_nothing_is_left_out_where_the_last_one_is_gone() {
    let moving = Moving::new(lines(&[(5, "a"), (5, "b"), (5, "c"), (1, "a")])).await;
    let query = LogQuery::new(time(0), time(59)).limit(2);
    let first = moving.ops.logs(&moving.cx).query(query.clone()).await.unwrap();
    moving.becomes(lines(&[(5, "a"), (5, "c"), (1, "a")]));
    let page = moving.ops.logs(&moving.cx).query(query.limit(9).after(first.next.unwrap())).await.unwrap();
    let given: Vec<_> = page.items.iter().map(|entry| entry.labels["pod"].as_str()).collect();
    assert_eq!((given.join(" ").as_str(), has_moved(&page.warnings)), ("c a", true));
}

#[tokio::test]
async fn what_has_no_time_is_not_left_out_where_the_last_one_is_gone() {
    let moving = Moving::new(services(&["1", "2", "3", "4", "5"])).await;
    let first = moving.services(3, None).await;
    assert_eq!((names(&first).as_str(), has_moved(&first.warnings)), ("1 2 3", false));
    moving.becomes(services(&["1", "2", "4", "5"]));
    let page = moving.services(1, first.next.clone()).await;
    assert_eq!((names(&page).as_str(), has_moved(&page.warnings)), ("4", true));
    let page = moving.services(9, page.next).await;
    assert_eq!((names(&page).as_str(), has_moved(&page.warnings)), ("5", false));

    moving.becomes(services(&["1", "2"]));
    let page = moving.services(3, first.next).await;
    assert!(has_moved(&page.warnings), "a list that has become shorter is one that has moved: {page:?}");
}

#[tokio::test]
async fn a_list_whose_items_are_others_each_time_comes_to_an_end() {
    for limit in [1, 2, 3] {
        let moving = Moving::new(services(&["0"; 6])).await;
        let (mut next, mut pages) = (None, 0);
        loop {
            let fresh: Vec<_> = (0..6).map(|index| format!("{pages}-{index}")).collect();
            moving.becomes(services(&fresh.iter().map(String::as_str).collect::<Vec<_>>()));
            let page = moving.services(limit, next).await;
            assert_eq!(has_moved(&page.warnings), pages > 0);
            pages += 1;
            next = page.next;
            if next.is_none() {
                break;
            }
            assert!(pages < 20, "pages of {limit}");
        }
    }
}
