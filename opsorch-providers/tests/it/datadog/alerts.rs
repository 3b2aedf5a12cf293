//! Monitors and their groups as alerts.

use std::sync::Arc;

use opsorch::{Alert, AlertQuery, AlertStatusLevel, Clock, ErrorKind, ManualClock, Page, Result, SeverityLevel};
use opsorch_testkit::double::parameters;
use serde_json::json;

use super::desk::{Desk, Fate, ago, ok, status};
use super::simulated::datadog::Vendor;
use super::simulated::datadog::monitors::{Downtime, Monitors, monitor, split, with};
use super::{assert_invalid, assert_unsupported};

impl Desk {
    async fn alerts(&self, query: AlertQuery) -> Result<Page<Alert>> {
        self.ops.alerts(&self.cx).query(query).await
    }

    async fn alert_ids(&self, query: AlertQuery) -> Vec<String> {
        let page = self.alerts(query).await.unwrap();
        assert!(page.truncated.is_none() && page.failures.is_empty());
        page.items.iter().map(|alert| alert.id.to_string()).collect()
    }

    /// All pages of a query.
    async fn all_alerts(&self, query: AlertQuery) -> Vec<String> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let mut query = query.clone();
            query.cursor = next;
            let page = self.alerts(query).await.unwrap();
            all.extend(page.items.iter().map(|alert| alert.id.to_string()));
            match page.next {
                Some(cursor) => next = Some(cursor),
                None => return all,
            }
        }
    }
}

async fn over(monitors: Vec<serde_json::Value>) -> Desk {
    let mut vendor = Vendor::new(Arc::new(ManualClock::default()));
    vendor.monitors.monitors = monitors;
    Desk::over(vendor, json!({})).await
}

fn seconds(ago_: u64) -> i64 {
    ago(ago_).timestamp()
}

#[tokio::test]
async fn a_monitor_is_an_alert_and_each_of_its_groups_is_one() {
    let desk = Desk::open().await;
    let ids = desk.alert_ids(AlertQuery::new()).await;
    assert_eq!(
        ids,
        [
            "12:env:prod,host:web-4",
            "12:env:prod,host:web-1",
            "11",
            "12:env:staging,host:web-3",
            "12:env:prod,host:web-2",
            "13",
            "14",
            "15",
        ]
    );
    let alert = desk.ops.alerts(&desk.cx).get("12:env:prod,host:web-1").await.unwrap();
    assert_eq!(alert.title, "Slow answers on env:prod,host:web-1");
    assert_eq!(alert.description.as_deref(), Some("Slow answers: see the runbook"));
    assert_eq!((alert.status.level(), alert.status_raw.as_deref()), (AlertStatusLevel::Firing, Some("Alert")));
    assert_eq!((alert.severity.level(), alert.severity_raw.as_deref()), (SeverityLevel::High, Some("P2")));
    assert_eq!(alert.service.as_deref(), Some("api"));
    assert_eq!(alert.created_at, Some(ago(300)));
    assert_eq!(alert.url.unwrap().as_str(), "https://app.datadoghq.com/monitors/12?group=env%3Aprod%2Chost%3Aweb-1");
    assert_eq!(alert.metadata["monitor_id"], 12);
    assert_eq!(alert.metadata["source"], "datadog");
    assert_eq!(alert.fields["thresholds"], json!({ "critical": 1.0 }));
    let whole = desk.ops.alerts(&desk.cx).get("12").await.unwrap();
    assert_eq!((whole.id.as_str(), whole.title.as_str()), ("12", "Slow answers"));
}

#[tokio::test]
async fn a_monitor_that_leaves_while_the_list_is_read_hides_no_other() {
    let monitors = || (0..600).map(|number| monitor(number, "m", "OK", seconds(60 * number))).collect();
    let desk = over(monitors()).await;
    let leave = || Fate::After(|vendor| _ = vendor.monitors.monitors.remove(0));
    desk.wire.next("GET", "/api/v1/monitor", 1, leave());
    let expected: Vec<_> = (1..600).map(|number: u64| number.to_string()).collect();
    assert_eq!(desk.all_alerts(AlertQuery::new().limit(1_000)).await, expected);

    let desk = over(monitors()).await;
    for number in 0..12 {
        desk.wire.next("GET", "/api/v1/monitor", usize::from(number == 0), leave());
    }
    let error = desk.alerts(AlertQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
}

/// Only US1, EU and GOV have their pages below `app.`.
#[tokio::test]
async fn a_page_is_where_the_site_has_it() {
    for (site, host) in [
        ("datadoghq.com", "app.datadoghq.com"),
        ("us3.datadoghq.com", "us3.datadoghq.com"),
        ("us5.datadoghq.com", "us5.datadoghq.com"),
        ("datadoghq.eu", "app.datadoghq.eu"),
        ("ap1.datadoghq.com", "ap1.datadoghq.com"),
        ("ap2.datadoghq.com", "ap2.datadoghq.com"),
        ("uk1.datadoghq.com", "uk1.datadoghq.com"),
        ("ddog-gov.com", "app.ddog-gov.com"),
        ("us2.ddog-gov.com", "us2.ddog-gov.com"),
    ] {
        let desk = Desk::configured(json!({ "site": site })).await;
        let alert = desk.ops.alerts(&desk.cx).get("11").await.unwrap();
        assert_eq!(alert.url.unwrap().as_str(), format!("https://{host}/monitors/11"));
        let incident = desk.ops.incidents(&desk.cx).get("2").await.unwrap();
        assert_eq!(incident.url.unwrap().as_str(), format!("https://{host}/incidents/2"));
        let asked = desk.wire.requests()[0].url.host_str().unwrap().to_owned();
        assert_eq!(asked, format!("api.{site}"));
    }
}

#[tokio::test]
async fn states_and_priorities_have_their_levels_and_other_words_are_kept() {
    let desk = Desk::open().await;
    let level = async |id: &str| {
        let alert = desk.ops.alerts(&desk.cx).get(id).await.unwrap();
        (alert.status.as_str().to_owned(), alert.severity.as_str().to_owned(), alert.severity_raw)
    };
    let expected =
        |status: &str, severity: &str, raw: &str| (status.to_owned(), severity.to_owned(), Some(raw.to_owned()));
    assert_eq!(level("11").await, expected("firing", "critical", "P1"));
    assert_eq!(level("12:env:staging,host:web-3").await, expected("firing", "high", "P2"));
    assert_eq!(level("12:env:prod,host:web-4").await, expected("No Data", "high", "P2"));
    assert_eq!(level("13").await, expected("resolved", "unknown", "OK"));
    assert_eq!(level("14").await, expected("firing", "medium", "Warn"));
    assert_eq!(level("15").await, expected("Ignored", "info", "P5"));
}

/// `group_states` of Datadog narrows the groups that are shown, and no monitors: statuses are looked at here.
#[tokio::test]
async fn a_filter_by_state_finds_what_is_in_it_and_nothing_else() {
    let desk = Desk::open().await;
    let firing = desk.alert_ids(AlertQuery::firing()).await;
    assert_eq!(firing, ["12:env:prod,host:web-1", "11", "12:env:staging,host:web-3", "14"]);
    assert_eq!(desk.alert_ids(AlertQuery::new().status("ok")).await, ["12:env:prod,host:web-2", "13"]);
    assert_eq!(desk.alert_ids(AlertQuery::new().status("no data")).await, ["12:env:prod,host:web-4"]);
    assert_eq!(desk.alert_ids(AlertQuery::new().severity("P1")).await, ["11"], "the vendor's own word means its level");
    assert!(desk.alert_ids(AlertQuery::new().status("acknowledged")).await.is_empty());
    let states: Vec<_> = desk.wire.requests().iter().flat_map(|request| parameters(request, "group_states")).collect();
    assert_eq!(states, ["alert,warn", "all", "all", "all", "all"]);
}

#[tokio::test]
async fn a_scope_is_looked_for_in_the_tags_of_the_group_and_then_of_the_monitor() {
    let desk = Desk::open().await;
    assert_eq!(desk.alert_ids(AlertQuery::new().service("db")).await, ["11"]);
    let staging = AlertQuery::new().service("api").environment("staging");
    assert_eq!(desk.alert_ids(staging).await, ["12:env:staging,host:web-3"]);
    assert_eq!(desk.alert_ids(AlertQuery::new().team("core")).await, ["11", "13"]);
    for nobody in ["dbs", "DB", "*", "d*", "db\" OR *", "db}", "db\\", "db,service:api", "db\nx"] {
        assert!(desk.alert_ids(AlertQuery::new().service(nobody)).await.is_empty(), "{nobody}");
    }
    assert_invalid(desk.alerts(AlertQuery::new().service(" ")).await, "scope.service");
    // A group that names its own service does not belong to that of its monitor.
    let desk = over(vec![with(split(1, "x", &[("service:a", "Alert", 5)]), json!({ "tags": ["service:b"] }))]).await;
    assert!(desk.alert_ids(AlertQuery::new().service("b")).await.is_empty());
    assert_eq!(desk.alert_ids(AlertQuery::new().service("a")).await, ["1:service:a"]);
}

#[tokio::test]
async fn requests_are_those_that_datadog_documents() {
    let desk = Desk::open().await;
    desk.alert_ids(AlertQuery::firing().metadata("monitor_tags", json!(["team:core", "env:prod"]))).await;
    assert_eq!(
        desk.wire.paths(),
        [
            "GET /api/v1/monitor?group_states=alert%2Cwarn&monitor_tags=team%3Acore%2Cenv%3Aprod&page=0&page_size=250",
            "GET /api/v2/downtime?current_only=true&page%5Boffset%5D=0&page%5Blimit%5D=100",
        ]
    );
    assert_invalid(desk.alerts(AlertQuery::new().metadata("monitor_tags", "a:b,c:d")).await, "metadata.monitor_tags");
    assert_invalid(desk.alerts(AlertQuery::new().metadata("monitor_tags", json!([]))).await, "metadata.monitor_tags");
    assert_unsupported(desk.alerts(AlertQuery::new().metadata("monitor", "11")).await, "metadata.monitor");
}

#[tokio::test]
async fn a_downtime_keeps_quiet_what_it_includes() {
    let downtime = |identifier: serde_json::Value, scope: &str| Downtime {
        id: format!("{identifier} {scope}"),
        attributes: json!({ "monitor_identifier": identifier, "scope": scope, "schedule": { "end": null } }),
        canceled: false,
    };
    let of = |id: u64, scope: &str| downtime(json!({ "monitor_id": id }), scope);
    let tagged = |tags: &[&str], scope: &str| downtime(json!({ "monitor_tags": tags }), scope);
    let cases: [(Downtime, &[&str]); 8] = [
        (of(12, "*"), &["12:env:prod,host:web-4", "12:env:prod,host:web-1", "12:env:staging,host:web-3"]),
        (of(12, "env:prod"), &["12:env:prod,host:web-4", "12:env:prod,host:web-1"]),
        (of(12, "env:(staging OR dev)"), &["12:env:staging,host:web-3"]),
        (of(12, "NOT env:prod"), &["12:env:staging,host:web-3"]),
        (of(11, "*"), &["11"]),
        (tagged(&["service:api"], "host:web-1"), &["12:env:prod,host:web-1"]),
        (
            tagged(&["*"], "*"),
            &["12:env:prod,host:web-4", "12:env:prod,host:web-1", "11", "12:env:staging,host:web-3", "14"],
        ),
        // What cannot be read keeps nothing quiet: an alert must not be hidden by mistake.
        (of(12, "env:(prod"), &[]),
    ];
    for (downtime, quiet) in cases {
        let desk = Desk::open().await;
        let id = downtime.id.clone();
        desk.wire.vendor(|vendor| vendor.monitors.downtimes.push(downtime));
        assert_eq!(desk.alert_ids(AlertQuery::new().status("suppressed")).await, quiet, "{id}");
        let firing = desk.alert_ids(AlertQuery::firing()).await;
        assert!(quiet.iter().all(|quiet| !firing.contains(&(*quiet).to_owned())), "{id}");
    }
}

#[tokio::test]
async fn an_id_that_nothing_has_is_not_found() {
    let desk = Desk::open().await;
    for id in [
        "",
        "99",
        "x",
        "12:host:web-9",
        "12:",
        "012",
        "+12",
        "12:host:web-1,env:prod",
        "12/../11",
        "11:*",
        "12?x=y",
        "*",
    ] {
        let error = desk.ops.alerts(&desk.cx).get(id).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{id}: {error}");
    }
}

#[tokio::test]
async fn a_query_over_thousands_finds_what_a_look_at_each_finds() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let states = ["Alert", "OK", "Warn", "No Data"];
    let mut state = 11_u64;
    let mut number = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut monitors = Monitors::new(&clock);
    let mut expected: Vec<(i64, String, usize, u64)> = Vec::new();
    monitors.monitors = (1..=2_000_u64)
        .map(|id| {
            let priority = 1 + number(5);
            let mut groups = Vec::new();
            if id % 4 == 0 {
                for host in 0..3 {
                    let (state, at) = (number(4) as usize, seconds(60 * number(50)));
                    groups.push((format!("host:h{host}"), states[state], at));
                    expected.push((at, format!("{id}:host:h{host}"), state, priority));
                }
                let groups: Vec<_> = groups.iter().map(|(name, state, at)| (name.as_str(), *state, *at)).collect();
                with(split(id, "many", &groups), json!({ "priority": priority }))
            } else {
                let (state, at) = (number(4) as usize, seconds(60 * number(50)));
                expected.push((at, id.to_string(), state, priority));
                with(monitor(id, "one", states[state], at), json!({ "priority": priority }))
            }
        })
        .collect();
    expected.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    assert_eq!(expected.len(), 3_000);
    let meant = |is_meant: &dyn Fn(&(i64, String, usize, u64)) -> bool| -> Vec<String> {
        expected.iter().filter(|it| is_meant(it)).map(|it| it.1.clone()).collect()
    };
    let mut vendor = Vendor::new(clock);
    vendor.monitors = monitors;
    let desk = Desk::over(vendor, json!({})).await;
    assert_eq!(desk.all_alerts(AlertQuery::new().limit(700)).await, meant(&|_| true));
    assert_eq!(desk.all_alerts(AlertQuery::firing().limit(400)).await, meant(&|it| it.2 == 0 || it.2 == 2));
    let old = AlertQuery::new().status("ok").severity("critical").severity("P3").since(ago(2_400)).until(ago(600));
    let is_old = |it: &(i64, String, usize, u64)| {
        it.2 == 1 && [1, 3].contains(&it.3) && it.0 >= seconds(2_400) && it.0 < seconds(600)
    };
    assert_eq!(desk.all_alerts(old.limit(40)).await, meant(&is_old));
    assert_eq!(
        desk.all_alerts(AlertQuery::new().query("MANY on host:h1").limit(300)).await,
        meant(&|it| it.1.ends_with("h1"))
    );
}

#[tokio::test]
async fn a_list_that_ends_with_a_full_part_ends() {
    let desk = over((1..=250).map(|id| monitor(id, "x", "Alert", 5)).collect()).await;
    assert_eq!(desk.alert_ids(AlertQuery::new().limit(1_000)).await.len(), 250);
    let pages = desk.wire.paths().iter().filter(|path| path.starts_with("GET /api/v1/monitor")).count();
    assert_eq!(pages, 3, "the second is empty, and ends it, because the last of the first is where it was");
}

#[tokio::test]
async fn what_fails_midway_is_an_error_and_no_complete_page() {
    let desk = over((1..=600).map(|id| monitor(id, "x", "Alert", 5)).collect()).await;
    desk.wire.next("GET", "/monitor", 1, super::desk::Fate::Answer(status(503, &json!({}), &[])));
    assert_eq!(*desk.alerts(AlertQuery::new()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/downtime", status(403, &json!({ "errors": ["Forbidden"] }), &[]));
    assert_eq!(*desk.alerts(AlertQuery::new()).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn what_datadog_leaves_out_or_adds_does_not_stop_a_list() {
    let bare = json!([
        { "id": 1, "type": "metric alert", "query": "x" },
        { "id": 2, "type": "new kind", "query": "x", "name": null, "tags": null, "priority": 9, "overall_state": "Paused",
          "options": null, "state": null, "state_of_the_art": { "groups": [] } },
        { "id": 3, "type": "x", "query": "x", "state": { "groups": { "a": {}, "no tag": { "status": "Alert", "last_triggered_ts": 7 } } } },
    ]);
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/monitor", ok(&bare));
    let page = desk.alerts(AlertQuery::new()).await.unwrap();
    let shown: Vec<_> =
        page.items.iter().map(|it| (it.id.as_str(), it.status.as_str(), it.severity.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("3:no tag", "firing", "high"),
            ("1", "unknown", "unknown"),
            ("2", "Paused", "P9"),
            ("3:a", "unknown", "unknown")
        ]
    );
}
