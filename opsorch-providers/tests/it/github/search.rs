//! Texts, which GitHub's list cannot look for and its search can.

use opsorch::TicketQuery;
use serde_json::json;
use url::form_urlencoded;

use super::desk::{Desk, minute};
use super::simulated::github::issues::Issue;
use super::{assert_invalid, assert_unsupported};

/// What GitHub is asked for by a query.
async fn asked(desk: &Desk, query: TicketQuery) -> String {
    desk.wire.sent();
    desk.ops.tickets(&desk.cx).query(query).await.unwrap();
    let sent = desk.wire.sent();
    let query = sent[0].strip_prefix("GET /search/issues?").unwrap();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let rest: Vec<_> = pairs[1..].iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!((&*pairs[0].0, rest.join("&").as_str()), ("q", "sort=created&order=desc&per_page=100&page=1"));
    pairs[0].1.clone().into_owned()
}

#[tokio::test]
async fn a_text_is_searched_for_with_the_other_conditions() {
    let desk = Desk::open().await;
    let start = "\"disk full\" in:title,body repo:acme/api is:issue";
    let text = TicketQuery::new().query(" disk full ");
    assert_eq!(asked(&desk, text.clone()).await, start);
    let both = text.clone().status("todo").assignee("carol").reporter("bob");
    assert_eq!(asked(&desk, both).await, format!("{start} state:open assignee:carol author:bob"));
    let labels = text.clone().metadata("labels", json!(["a \"b\"", "c\\"])).metadata("milestone", "v1.0");
    assert_eq!(asked(&desk, labels).await, format!(r#"{start} label:"a \"b\"" label:"c\\" milestone:"v1.0""#));
    let half = minute(-90) + chrono::TimeDelta::milliseconds(500);
    let span = text.clone().since(half).until(half + chrono::TimeDelta::minutes(80));
    let expected = format!("{start} created:2025-12-31T22:30:00Z..2025-12-31T23:50:01Z");
    assert_eq!(asked(&desk, span).await, expected);
    let found = desk.ops.tickets(&desk.cx).query(text).await.unwrap().items;
    assert!(found.len() > 10 && found.iter().all(|ticket| ticket.title.starts_with("disk full")));
}

#[tokio::test]
async fn whatever_a_text_holds_it_is_only_a_text() {
    let desk = Desk::open().await;
    for (text, expected) in [
        ("a\" repo:other/secret \"", r#""a\" repo:other/secret \"""#),
        ("a\\\" OR is:pr", r#""a\\\" OR is:pr""#),
        ("a\\", r#""a\\""#),
        ("repo:other/secret", r#""repo:other/secret""#),
        ("C++ 漢字 a+b", r#""C++ 漢字 a+b""#),
    ] {
        let asked = asked(&desk, TicketQuery::new().query(text)).await;
        assert_eq!(asked, format!("{expected} in:title,body repo:acme/api is:issue"));
    }
}

#[tokio::test]
async fn a_text_without_a_word_would_find_everything_and_is_refused() {
    let desk = Desk::open().await;
    let tickets = desk.ops.tickets(&desk.cx);
    assert_unsupported(tickets.query(TicketQuery::new().query("* \"\" ::")).await, "words");
    assert_invalid(tickets.query(TicketQuery::new().query("x".repeat(257))).await, "query");
    assert!(desk.wire.sent().is_empty());
    tickets.query(TicketQuery::new().query("x".repeat(256))).await.unwrap();
}

#[tokio::test]
async fn more_results_than_github_gives_are_read_span_by_span() {
    let desk = Desk::with(|github| {
        for number in 1..=2_500_u64 {
            let at = minute(i64::try_from(number / 3).unwrap());
            let title = if number % 10 == 0 { "latency" } else { "disk full" };
            github.issues.push(Issue::new("api", number, title, at));
        }
    })
    .await;
    let query = TicketQuery::new().query("disk").limit(3_000);
    let page = desk.ops.tickets(&desk.cx).query(query.clone()).await.unwrap();
    let numbers: Vec<u64> = page.items.iter().map(|ticket| ticket.id.as_str().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=2_500).rev().filter(|number| number % 10 != 0).collect::<Vec<_>>());
    assert!(page.is_complete());
    assert!(desk.wire.sent().iter().any(|sent| sent.contains("created%3A%3C%3D2026")));

    let tickets = desk.ops.tickets(&desk.cx);
    let (mut paged, mut next) = (0, None);
    loop {
        let mut query = query.clone().limit(700);
        query.cursor = next;
        let page = tickets.query(query).await.unwrap();
        paged += page.items.len();
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(paged, numbers.len());
}

#[tokio::test]
async fn what_a_search_cannot_reach_is_said() {
    let desk = Desk::with(|github| {
        github.issues.extend((1..=1_200).map(|number| Issue::new("api", number, "disk full", minute(0))));
    })
    .await;
    let tickets = desk.ops.tickets(&desk.cx);
    let page = tickets.query(TicketQuery::new().query("disk").limit(2_000)).await.unwrap();
    assert!(page.items.len() < 1_200 && page.truncated.unwrap().contains("thousand"), "{}", page.items.len());

    desk.wire.with(|github| github.runs_out_of_time = true);
    let page = tickets.query(TicketQuery::new().query("disk").limit(5)).await.unwrap();
    assert!(page.truncated.unwrap().contains("ran out of time"));
}
