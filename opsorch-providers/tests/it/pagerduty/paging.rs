//! Everything is found, however much there is and whenever it was.

use std::sync::Arc;
use std::time::Duration;

use opsorch::{Cursor, ErrorKind, IncidentQuery, ManualClock, SeverityLevel, TeamQuery, Time};
use opsorch_testkit::double::parameters;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, Fate, ago, ok, refusal, too_many};
use super::simulated::pagerduty::account::{Account, whole};

const DAY: u64 = 24 * 60 * 60;

/// An incident of an account: how long ago, on which service, in which status, of which priority.
#[derive(Clone, Debug)]
struct Trouble {
    ago: u64,
    service: usize,
    status: usize,
    priority: usize,
}

const SERVICES: [(&str, &str); 3] = [("PSVC1", "api"), ("PSVC2", "api-gateway"), ("PSVC3", "db")];
const STATUSES: [&str; 3] = ["triggered", "acknowledged", "resolved"];
const PRIORITIES: [(&str, SeverityLevel); 4] = [
    ("", SeverityLevel::High),
    ("PPRIO1", SeverityLevel::Critical),
    ("PPRIO3", SeverityLevel::Medium),
    ("PPRIO5", SeverityLevel::Info),
];

fn account(troubles: &[Trouble]) -> Account {
    let mut account = Account::empty(Arc::new(ManualClock::default()));
    for (number, trouble) in troubles.iter().enumerate() {
        let title = format!("trouble {number}");
        let id = account.open(&title, SERVICES[trouble.service].0, ago(trouble.ago));
        account.tool.update(&id, |incident| {
            incident.status = STATUSES[trouble.status].to_owned();
            incident.fields.insert("priority".to_owned(), json!(PRIORITIES[trouble.priority].0));
        });
    }
    account
}

/// The titles, the newest first; those of one second in any order, which is that of their numbers here.
fn expected(troubles: &[Trouble], is_meant: impl Fn(&Trouble) -> bool) -> Vec<String> {
    let mut meant: Vec<(usize, &Trouble)> = troubles.iter().enumerate().filter(|(_, it)| is_meant(it)).collect();
    meant.sort_by_key(|(number, trouble)| (trouble.ago, std::cmp::Reverse(*number)));
    meant.into_iter().map(|(number, _)| format!("trouble {number}")).collect()
}

/// 2 600 incidents in three years, of which many share a second.
fn many() -> Vec<Trouble> {
    let mut state = 7_u64;
    let mut number = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let trouble = |_| Trouble {
        ago: if number(4) == 0 { 3_600 * (1 + number(5)) } else { number(3 * 365 * DAY) },
        service: number(3) as usize,
        status: number(3) as usize,
        priority: number(4) as usize,
    };
    (0..2_600).map(trouble).collect()
}

#[tokio::test]
async fn a_query_over_thousands_finds_what_a_look_at_each_finds() {
    let troubles = many();
    let desk = Desk::over(account(&troubles)).await;
    for limit in [2_600, 97] {
        assert_eq!(desk.titles(IncidentQuery::new().limit(limit)).await, expected(&troubles, |_| true), "{limit}");
    }
    let open = expected(&troubles, |it| it.status != 2 && it.service == 0);
    assert_eq!(desk.titles(IncidentQuery::open().service("api").limit(50)).await, open);
    let bad = expected(&troubles, |it| [1, 2].contains(&it.priority) && it.ago <= 400 * DAY && it.ago > 100 * DAY);
    let query = IncidentQuery::new().severity("sev1").severity("medium").since(ago(400 * DAY)).until(ago(100 * DAY));
    assert_eq!(desk.titles(query.limit(33)).await, bad);
    let numbered = expected(&troubles, |_| true).into_iter().filter(|title| title.contains("71")).collect::<Vec<_>>();
    assert_eq!(desk.titles(IncidentQuery::new().query("TROUBLE").query("71").limit(7)).await, numbered);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_size_are_the_whole(
        seconds in proptest::collection::vec(0_u64..400, 1..150),
        limit in 1_u32..60,
    ) {
        // Days and seconds, so that there are both wide gaps and many of one second.
        let trouble = |seconds: u64| Trouble {
            ago: if seconds < 200 { seconds / 40 } else { seconds * DAY },
            service: 0,
            status: 0,
            priority: 0,
        };
        let troubles: Vec<Trouble> = seconds.into_iter().map(trouble).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(async {
            Desk::over(account(&troubles)).await.titles(IncidentQuery::new().limit(limit)).await
        });
        prop_assert_eq!(found, expected(&troubles, |_| true));
    }
}

#[tokio::test]
async fn what_is_beyond_the_ten_thousandth_is_found() {
    // The account refuses an offset and a limit that are more than 10 000 together.
    let trouble = |number: u64| Trouble { ago: 60 * number, service: 0, status: 2, priority: 0 };
    let troubles: Vec<Trouble> = (0..10_250).map(trouble).collect();
    let desk = Desk::over(account(&troubles)).await;
    let first = desk.query(IncidentQuery::new().limit(10_240)).await.unwrap();
    assert_eq!(first.items.len(), 10_240);
    let rest = desk.query(IncidentQuery::new().limit(100).after(first.next.unwrap())).await.unwrap();
    assert_eq!(rest.items.len(), 10);
    assert_eq!(rest.items[9].title, "trouble 10249");
    assert!(rest.is_complete());
}

#[tokio::test]
async fn hundreds_of_one_second_are_each_found_once() {
    let trouble = |_| Trouble { ago: 5, service: 0, status: 0, priority: 0 };
    let troubles: Vec<Trouble> = (0..350).map(trouble).collect();
    let desk = Desk::over(account(&troubles)).await;
    for limit in [350, 300, 60] {
        assert_eq!(desk.titles(IncidentQuery::new().limit(limit)).await, expected(&troubles, |_| true), "{limit}");
    }
}

#[tokio::test]
async fn a_crowd_in_the_seconds_before_hides_nothing() {
    // A part may hold nothing but what was seen already, and what follows it is less than a whole page away.
    let seconds = [2, 1, 2, 2, 4, 4, 0, 390 * DAY, 334 * DAY];
    let troubles = seconds.map(|ago| Trouble { ago, service: 0, status: 0, priority: 0 });
    let desk = Desk::over(account(&troubles)).await;
    assert_eq!(desk.titles(IncidentQuery::new().limit(2)).await, expected(&troubles, |_| true));
}

#[tokio::test]
async fn what_is_older_than_a_month_or_half_a_year_is_found() {
    // PagerDuty looks back a month unless it is told otherwise, and refuses more than six at once.
    let ages = [1, 40, 200, 800, 2_000];
    let troubles = ages.map(|days| Trouble { ago: days * DAY, service: 0, status: 2, priority: 0 });
    let desk = Desk::over(account(&troubles)).await;
    assert_eq!(desk.titles(IncidentQuery::new()).await.len(), 5);
    assert_eq!(desk.titles(IncidentQuery::new().limit(1)).await.len(), 5);
    assert_eq!(desk.titles(IncidentQuery::new().since(ago(1_000 * DAY))).await.len(), 4);
    assert_eq!(desk.titles(IncidentQuery::new().until(ago(100 * DAY))).await.len(), 3);
    assert_eq!(desk.titles(IncidentQuery::new().since(ago(900 * DAY)).until(ago(100 * DAY))).await.len(), 2);
    for request in desk.wire.requests() {
        let time = |name: &str| parameters(&request, name).pop().map(|time| time.parse::<Time>().unwrap());
        match (time("since"), time("until")) {
            (Some(since), Some(until)) => assert!((until - since).num_days() <= 181, "{}", request.url),
            _ => assert_eq!(parameters(&request, "date_range"), ["all"], "{}", request.url),
        }
    }
}

#[tokio::test]
async fn a_span_may_be_as_long_or_as_senseless_as_one_likes() {
    let desk =
        Desk::over(account(&[1, 300].map(|days| Trouble { ago: days * DAY, service: 0, status: 2, priority: 0 })))
            .await;
    let far = |text: &str| text.parse::<Time>().unwrap();
    let (past, future) = (far("0001-01-01T00:00:00Z"), far("9999-12-31T00:00:00Z"));
    for (query, count) in [
        (IncidentQuery::new().since(past).until(future), 2),
        (IncidentQuery::new().since(past), 2),
        (IncidentQuery::new().until(future), 2),
        (IncidentQuery::new().until(past), 0),
        (IncidentQuery::new().since(future), 0),
        (IncidentQuery::new().since(future).until(past), 0),
        (IncidentQuery::new().since(Time::MIN_UTC).until(Time::MIN_UTC), 0),
        (IncidentQuery::new().since(Time::MIN_UTC).until(Time::MAX_UTC), 2),
    ] {
        let before = desk.wire.requests().len();
        assert_eq!(desk.titles(query.clone()).await.len(), count, "{query:?}");
        assert!(desk.wire.requests().len() - before < 8, "{query:?}");
    }
}

#[tokio::test]
async fn one_request_is_enough_where_everything_fits() {
    let troubles = [3, 2, 1].map(|days| Trouble { ago: days * DAY, service: 0, status: 0, priority: 0 });
    let desk = Desk::over(account(&troubles)).await;
    assert!(desk.query(IncidentQuery::open().limit(3)).await.unwrap().is_complete());
    let requests = desk.wire.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(parameters(&requests[0], "statuses[]"), ["acknowledged", "triggered"]);
    assert_eq!(parameters(&requests[0], "limit"), ["4"]);
}

#[tokio::test]
async fn an_incident_that_leaves_the_list_hides_no_other() {
    let trouble = |number: u64| Trouble { ago: 60 * number, service: 0, status: 0, priority: 0 };
    let troubles: Vec<Trouble> = (0..10).map(trouble).collect();
    let desk = Desk::over(account(&troubles)).await;
    let first = desk.query(IncidentQuery::open().limit(5)).await.unwrap();
    desk.wire.account(|account| {
        let id = first.items[0].id.as_str();
        account.tool.update(id, |incident| incident.status = "resolved".to_owned());
        account.open("a new one", "PSVC1", ago(0));
    });
    let rest = desk.titles(IncidentQuery::open().limit(5).after(first.next.unwrap())).await;
    assert_eq!(rest, ["trouble 5", "trouble 6", "trouble 7", "trouble 8", "trouble 9"]);
}

#[tokio::test]
async fn an_answer_says_little_about_its_list_and_is_followed_all_the_same() {
    let desk = Desk::empty().await;
    let incident = |id: &str, at: Time| json!({ "id": id, "title": id, "status": "triggered", "created_at": at });
    let page = |incidents: Value, more: Value| ok(&json!({ "incidents": incidents, "more": more, "total": null }));
    // More is promised, and nothing is there: PagerDuty kept it back, or it is gone.
    desk.wire.answer("GET", "/incidents", page(json!([]), json!(true)));
    desk.wire.answer("GET", "/incidents", page(json!([incident("P1", ago(9)), incident("P2", ago(10))]), json!(true)));
    desk.wire.answer("GET", "/incidents", page(json!([incident("P2", ago(10))]), json!(null)));
    assert_eq!(desk.titles(IncidentQuery::new()).await, ["P1", "P2"]);
    // A last page that is full.
    desk.wire.answer("GET", "/incidents", page(json!([incident("P1", ago(9)), incident("P2", ago(10))]), json!(false)));
    assert!(desk.query(IncidentQuery::new().limit(2)).await.unwrap().is_complete());
}

#[tokio::test]
async fn what_was_read_before_a_refusal_is_kept_and_read_on_from() {
    let troubles = many();
    let desk = Desk::over(account(&troubles)).await;
    for reply in [too_many(&[("ratelimit-reset", "20")]), refusal(503, 0, "down")] {
        desk.wire.next("GET", "/incidents", 3, Fate::Answer(reply));
        let cut = desk.query(IncidentQuery::new().limit(1_000)).await.unwrap();
        assert!(!cut.is_complete() && cut.items.len() >= 100, "{}", cut.items.len());
        assert_eq!(cut.failures.len(), 1);
        let mut titles: Vec<String> = cut.items.iter().map(|incident| incident.title.clone()).collect();
        titles.extend(desk.titles(IncidentQuery::new().limit(1_000).after(cut.next.unwrap())).await);
        assert_eq!(titles, expected(&troubles, |_| true));
    }
    // What cannot be tried again is an error, and so is the first refusal.
    desk.wire.next("GET", "/incidents", 2, Fate::Answer(refusal(403, 2010, "Access Denied")));
    let error = desk.query(IncidentQuery::new().limit(1_000)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Forbidden);
    desk.wire.answer("GET", "/incidents", too_many(&[("ratelimit-reset", "20")]));
    let error = desk.query(IncidentQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(20)) });
}

#[tokio::test]
async fn a_cursor_is_a_position_and_nothing_else() {
    let desk = Desk::open().await;
    let next = desk.query(IncidentQuery::new().limit(1)).await.unwrap().next.unwrap();
    assert!(!next.as_str().contains("://"), "{next}");
    for other in
        ["", "x", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z,", "yesterday,P1", "2026-01-01T00:00:00Z,../P1"]
    {
        assert_invalid(desk.query(IncidentQuery::new().after(Cursor::new(other))).await, "cursor");
    }
    assert_invalid(desk.query(IncidentQuery::new().limit(0)).await, "limit");
}

#[tokio::test]
async fn lists_by_name_are_read_on_behind_the_last_one_even_if_it_moved() {
    let mut account = Account::empty(Arc::new(ManualClock::default()));
    account.teams =
        (0..250).map(|number| whole("team", &format!("PT{number:03}"), &format!("team {number:03}"))).collect();
    let desk = Desk::over(account).await;
    let teams = desk.ops.teams(&desk.cx);
    let first = teams.query(TeamQuery::new().limit(130)).await.unwrap();
    let cursor = first.next.unwrap();
    let second = teams.query(TeamQuery::new().limit(130).after(cursor.clone())).await.unwrap();
    assert_eq!((second.items[0].id.as_str(), second.items.len(), second.is_complete()), ("PT130", 120, true));
    // One before it is gone.
    desk.wire.account(|account| account.teams.remove(3));
    let again = teams.query(TeamQuery::new().limit(130).after(cursor.clone())).await.unwrap();
    assert_eq!((again.items[0].id.as_str(), again.items.len()), ("PT130", 120));
    // It is gone itself.
    desk.wire.account(|account| account.teams.retain(|team| team["id"] != "PT129"));
    assert_invalid(teams.query(TeamQuery::new().after(cursor)).await, "cursor");
    for other in ["", "5", "0,PT1", "99999,PT1", "x,PT1", "5,a b"] {
        assert_invalid(teams.query(TeamQuery::new().after(Cursor::new(other))).await, "cursor");
    }
}
