//! Pages: what a walk gives is what a brute-force filter gives, whatever the pages and whatever moves meanwhile.

use opsorch::{Cursor, Ticket, TicketQuery};
use proptest::prelude::*;

use super::assert_invalid;
use super::desk::{Desk, bare, config, minute};
use super::simulated::github::GitHub;
use super::simulated::github::issues::Issue;

/// Issues and pull requests in two repositories, some of one minute.
fn fill(github: &mut GitHub, count: u64) {
    for number in 1..=count {
        let repository = if number % 3 == 0 { "web" } else { "api" };
        let mut issue =
            Issue::new(repository, number, format!("number {number}"), minute(i64::try_from(number / 4).unwrap()));
        issue.is_pull_request = number % 7 == 0;
        if number % 5 == 0 {
            issue = issue.closed(Some("completed"));
        }
        github.issues.push(issue);
    }
}

async fn all(desk: &Desk, query: &TicketQuery, size: u32) -> Vec<Ticket> {
    let (mut found, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let mut query = query.clone().limit(size);
        query.cursor = cursor;
        let page = desk.ops.tickets(&desk.cx).query(query).await.unwrap();
        assert!(page.items.len() <= size as usize && page.truncated.is_none());
        found.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return found,
        }
    }
}

fn keys(tickets: &[Ticket]) -> Vec<&str> {
    tickets.iter().map(|ticket| ticket.key.as_deref().unwrap()).collect()
}

fn two() -> opsorch_providers::github::GitHubConfig {
    bare().repository("acme/api").repository("acme/web")
}

#[tokio::test]
async fn two_and_a_half_thousand_issues_are_those_of_a_brute_force_filter() {
    for by_cursor in [false, true] {
        let desk = Desk::configured(two(), |github| {
            github.by_cursor = by_cursor;
            fill(github, 2_500);
        })
        .await;
        let query = TicketQuery::open().since(minute(40)).until(minute(600));
        let mut expected: Vec<_> = desk.wire.with(|github| {
            let issues = github.issues.iter();
            let wanted = issues.filter(|it| {
                !it.is_pull_request && it.state == "open" && (minute(40)..minute(600)).contains(&it.created)
            });
            wanted
                .map(|it| {
                    (std::cmp::Reverse(it.created), format!("acme/{}#", it.repository), std::cmp::Reverse(it.number))
                })
                .collect()
        });
        expected.sort();
        let expected: Vec<_> =
            expected.into_iter().map(|(_, repository, number)| format!("{repository}{}", number.0)).collect();
        assert!(expected.len() > 1_500);
        for size in [1_000, 333] {
            assert_eq!(keys(&all(&desk, &query, size).await), expected, "pages of {size}, by cursor: {by_cursor}");
        }
    }
}

#[tokio::test]
async fn going_on_costs_a_request_for_each_repository_and_not_all_of_those_before() {
    let desk = Desk::configured(config(), |github| fill(github, 2_000)).await;
    let tickets = desk.ops.tickets(&desk.cx);
    let first = tickets.query(TicketQuery::new().limit(700)).await.unwrap();
    assert!(desk.wire.sent().len() >= 8);
    tickets.query(TicketQuery::new().limit(20).after(first.next.unwrap())).await.unwrap();
    assert!(desk.wire.sent().len() <= 2);
}

#[tokio::test]
async fn a_walk_that_finds_nothing_ends_its_call_and_goes_on_with_the_next() {
    let desk = Desk::configured(config(), |github| {
        for number in 1..=3_500 {
            let mut issue = Issue::new("api", number, "x", minute(i64::try_from(number).unwrap()));
            issue.is_pull_request = number > 3;
            github.issues.push(issue);
        }
    })
    .await;
    let page = desk.ops.tickets(&desk.cx).query(TicketQuery::new()).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_some(), "what was not looked at is not said to be absent");
    assert_eq!(desk.wire.sent().len(), 30);
    assert_eq!(all(&desk, &TicketQuery::new(), 100).await.len(), 3);
}

#[tokio::test]
async fn a_cursor_is_a_position_and_no_address() {
    let desk = Desk::configured(config(), |github| fill(github, 300)).await;
    let tickets = desk.ops.tickets(&desk.cx);
    let next = tickets.query(TicketQuery::new().limit(50)).await.unwrap().next.unwrap();
    assert!(!next.as_str().contains("http"), "{next}");
    for text in ["", "7", "{}", "null", "https://evil.example/", &next.as_str().replace("turns", "url")] {
        assert_invalid(tickets.query(TicketQuery::new().after(Cursor::new(text))).await, "cursor");
    }
    // What a cursor claims of the place is sent as a value, and to nobody else.
    let forged = next.as_str().replace("{\"page\":1}", "{\"after\":\"x&state=open#/../\",\"page\":1}");
    assert_ne!(forged, next.as_str());
    desk.wire.sent();
    tickets.query(TicketQuery::new().after(Cursor::new(forged))).await.unwrap();
    let sent = desk.wire.requests();
    assert!(
        sent.iter()
            .all(|it| it.url.as_str().starts_with("https://github.example.org/api/v3/repos/acme/api/issues?state=all"))
    );
    assert!(sent[0].url.query().unwrap().ends_with("&after=x%26state%3Dopen%23%2F..%2F"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Between two pages issues are opened and taken away: what was there all the time comes once.
    #[test]
    fn what_is_there_all_the_time_comes_once(
        size in 7_u32..160,
        by_cursor: bool,
        opened in prop::collection::vec(0_u64..3, 1..6),
        deleted in prop::collection::vec(prop::collection::vec(0_usize..260, 0..40), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::configured(two(), |github| {
                github.by_cursor = by_cursor;
                fill(github, 260);
            })
            .await;
            let mut gone = std::collections::BTreeSet::new();
            let (mut found, mut cursor, mut new) = (Vec::new(), None::<Cursor>, 10_000);
            for turn in 0.. {
                let mut query = TicketQuery::new().limit(size);
                query.cursor = cursor;
                let page = desk.ops.tickets(&desk.cx).query(query).await.unwrap();
                found.extend(page.items);
                let Some(next) = page.next else { break };
                cursor = Some(next);
                desk.wire.with(|github| {
                    for _ in 0..opened[turn % opened.len()] {
                        new += 1;
                        github.issues.push(Issue::new("api", new, "new", minute(i64::try_from(new).unwrap())));
                    }
                    for place in &deleted[turn % deleted.len()] {
                        if *place < github.issues.len() && github.issues[*place].number <= 260 {
                            let issue = github.issues.remove(*place);
                            gone.insert(format!("acme/{}#{}", issue.repository, issue.number));
                        }
                    }
                });
            }
            let found = keys(&found).into_iter().map(str::to_owned).collect::<Vec<_>>();
            let distinct: std::collections::BTreeSet<_> = found.iter().cloned().collect();
            assert_eq!(distinct.len(), found.len(), "nothing comes twice");
            desk.wire.with(|github| {
                for issue in github.issues.iter().filter(|it| !it.is_pull_request && it.number <= 260) {
                    assert!(distinct.contains(&format!("acme/{}#{}", issue.repository, issue.number)), "{issue:?} is left out");
                }
            });
        });
    }
}
