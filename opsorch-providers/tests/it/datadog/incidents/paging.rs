//! Incidents in pages, while others come and go.

use opsorch::{ErrorKind, IncidentQuery};
use opsorch_testkit::double::parameters;
use serde_json::json;

use super::super::desk::{Desk, Fate, ago, status};
use super::super::simulated::datadog::Vendor;
use super::super::simulated::datadog::listing::uuid;
use super::many;

#[tokio::test]
async fn a_query_over_thousands_finds_what_a_look_at_each_finds() {
    let mut state = 5_u64;
    let mut number = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let troubles: Vec<_> =
        (0..2_600).map(|_| (60 * number(900), number(4) as usize, number(5) as usize, number(2) as usize)).collect();
    let expected = |is_meant: &dyn Fn(&(u64, usize, usize, usize)) -> bool| {
        let id = |number: usize| uuid((number as u32 + 1).wrapping_mul(2_654_435_761), number + 1);
        let mut meant: Vec<_> = troubles.iter().enumerate().filter(|(_, it)| is_meant(it)).collect();
        meant.sort_by_key(|(number, it)| (it.0, id(*number)));
        meant.into_iter().map(|(number, _)| format!("trouble {number}")).collect::<Vec<_>>()
    };
    let desk = Desk::over(many(&troubles), json!({})).await;
    for limit in [2_600, 700] {
        assert_eq!(desk.titles(IncidentQuery::new().limit(limit)).await, expected(&|_| true), "{limit}");
    }
    let open = IncidentQuery::new().status("active").severity("critical").service("db").limit(31);
    assert_eq!(desk.titles(open).await, expected(&|it| it.1 == 0 && it.2 < 2 && it.3 == 1));
    let old = IncidentQuery::new().status("resolved").since(ago(40_000)).until(ago(6_000)).limit(83);
    assert_eq!(desk.titles(old).await, expected(&|it| it.1 >= 2 && it.0 <= 40_000 && it.0 > 6_000));
    let text = expected(&|_| true).into_iter().filter(|title| title.contains("71")).collect::<Vec<_>>();
    assert_eq!(desk.titles(IncidentQuery::new().query("71").limit(40)).await, text);
}

#[tokio::test]
async fn a_page_is_read_no_further_than_it_needs() {
    let troubles: Vec<_> = (0..1_000).map(|number| (60 * number, 0, 0, 0)).collect();
    let desk = Desk::over(many(&troubles), json!({})).await;
    let first = desk.incidents(IncidentQuery::new().limit(50)).await.unwrap();
    assert_eq!(desk.wire.requests().len(), 1);
    desk.incidents(IncidentQuery::new().limit(50).after(first.next.unwrap())).await.unwrap();
    let offset = parameters(desk.wire.requests().last().unwrap(), "page[offset]");
    assert_eq!(offset, ["49"], "one before the place, to see that it is still there");
    desk.wire.vendor(|vendor| assert_eq!(vendor.incidents.incidents.len(), 1_000));
    desk.incidents(IncidentQuery::new().since(ago(30 * 60))).await.unwrap();
    assert_eq!(desk.wire.requests().len(), 3, "what is older than asked for ends it");
}

#[tokio::test]
async fn what_comes_and_goes_between_pages_hides_nothing_and_repeats_nothing() {
    for take_out in [false, true] {
        let troubles: Vec<_> = (0..300).map(|number| (3_600 + 60 * (number / 3), 0, 0, 0)).collect();
        let desk = Desk::over(many(&troubles), json!({})).await;
        let whole = desk.titles(IncidentQuery::new().limit(300)).await;
        let first = desk.incidents(IncidentQuery::new().limit(100)).await.unwrap();
        desk.wire.vendor(|vendor| match take_out {
            true => {
                vendor.incidents.incidents.drain(..150);
            }
            false => {
                for number in 0..70 {
                    vendor.incidents.open(&format!("new {number}"), ago(number));
                }
            }
        });
        let mut found: Vec<_> = first.items.iter().map(|incident| incident.title.clone()).collect();
        let mut next = first.next;
        while let Some(cursor) = next {
            let page = desk.incidents(IncidentQuery::new().limit(100).after(cursor)).await.unwrap();
            found.extend(page.items.iter().map(|incident| incident.title.clone()));
            next = page.next;
        }
        let is_left = |title: &&String| {
            let number: usize = title.strip_prefix("trouble ").unwrap().parse().unwrap();
            !take_out || number >= 150 || whole.iter().position(|it| it == *title).unwrap() < 100
        };
        assert_eq!(found, whole.iter().filter(is_left).cloned().collect::<Vec<_>>(), "{take_out}");
    }
}

#[tokio::test]
async fn what_leaves_while_a_page_is_read_hides_nothing() {
    let leave: [(fn(&mut Vendor), std::ops::Range<usize>); 4] = [
        (|vendor| _ = vendor.incidents.incidents.remove(0), 0..0),
        (|vendor| _ = vendor.incidents.incidents.remove(99), 0..0),
        (|vendor| _ = vendor.incidents.incidents.drain(40..140), 100..140),
        (|vendor| _ = vendor.incidents.incidents.drain(..250), 100..250),
    ];
    for (leave, gone) in leave {
        let troubles: Vec<_> = (0..400).map(|number| (60 * number, 0, 0, 0)).collect();
        let desk = Desk::over(many(&troubles), json!({})).await;
        desk.wire.next("GET", "/search", 1, Fate::After(leave));
        let expected: Vec<_> =
            (0..400).filter(|number| !gone.contains(number)).map(|number| format!("trouble {number}")).collect();
        assert_eq!(desk.titles(IncidentQuery::new().limit(400)).await, expected, "{gone:?}");
    }
}

#[tokio::test]
async fn what_leaves_with_every_request_is_told_and_leads_on() {
    let troubles: Vec<_> = (0..300).map(|number| (60 * number, 0, 0, 0)).collect();
    let desk = Desk::over(many(&troubles), json!({})).await;
    for number in 0..60 {
        let leave: fn(&mut Vendor) = |vendor| _ = vendor.incidents.incidents.remove(0);
        desk.wire.next("GET", "/search", usize::from(number == 0), Fate::After(leave));
    }
    let page = desk.incidents(IncidentQuery::new().limit(300)).await.unwrap();
    assert_eq!((page.failures.len(), page.failures[0].code.as_str()), (1, "unavailable"));
    assert!(page.next.is_some() && page.items.len() >= 99);
}

#[tokio::test]
async fn an_incident_is_found_by_its_number_though_another_leaves() {
    let troubles: Vec<_> = (0..250).map(|number| (60 * number, 0, 0, 0)).collect();
    let desk = Desk::over(many(&troubles), json!({})).await;
    desk.wire.next("GET", "/search", 1, Fate::After(|vendor| _ = vendor.incidents.incidents.remove(7)));
    assert_eq!(desk.ops.incidents(&desk.cx).get("101").await.unwrap().title, "trouble 100");
}

#[tokio::test]
async fn what_breaks_off_is_told_and_leads_on() {
    let troubles: Vec<_> = (0..300).map(|number| (60 * number, 0, 0, 0)).collect();
    let desk = Desk::over(many(&troubles), json!({})).await;
    let down = || Fate::Answer(status(503, &json!({}), &[]));
    desk.wire.next("GET", "/search", 1, down());
    let page = desk.incidents(IncidentQuery::new().limit(250)).await.unwrap();
    assert_eq!(
        (page.items.len(), page.failures.len()),
        (99, 1),
        "the hundredth may have others of its moment after it"
    );
    assert_eq!((page.failures[0].source.as_str(), page.failures[0].code.as_str()), ("datadog", "unavailable"));
    assert!(!page.is_complete());
    let rest = desk.incidents(IncidentQuery::new().limit(250).after(page.next.unwrap())).await.unwrap();
    assert_eq!((rest.items.len(), rest.is_complete()), (201, true));
    desk.wire.next("GET", "/search", 0, down());
    assert_eq!(*desk.incidents(IncidentQuery::new()).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
