//! Issues as tickets: what is shown of them, and which are found.

use opsorch::{ErrorKind, Ticket, TicketQuery, TicketStatusLevel};
use serde_json::json;

use super::desk::{Desk, bare, minute};
use super::simulated::github::issues::Issue;
use super::{assert_invalid, assert_kind, assert_unsupported};

const LIST: &str = "GET /repos/acme/api/issues?state=all&sort=created&direction=desc&per_page=100&page=1";

async fn found(desk: &Desk, query: TicketQuery) -> Vec<String> {
    let page = desk.ops.tickets(&desk.cx).query(query).await.unwrap();
    assert!(page.is_complete(), "{page:?}");
    page.items.into_iter().map(|ticket| ticket.id.to_string()).collect()
}

#[tokio::test]
async fn an_issue_is_a_ticket() {
    let desk = Desk::with(|github| {
        let mut issue = Issue::new("api", 17, "disk full", minute(-5)).closed(Some("not_planned"));
        issue.body = Some("on db-1".to_owned());
        (issue.labels, issue.assignees) = (vec!["bug".into()], vec!["carol".into(), "bob".into()]);
        (issue.milestone, issue.kind) = (Some(2), Some("Bug".to_owned()));
        github.issues.push(issue);
    })
    .await;
    let ticket = desk.ops.tickets(&desk.cx).get("17").await.unwrap();
    assert_eq!(desk.wire.sent(), ["GET /repos/acme/api/issues/17"]);
    let mut expected = Ticket::new("17", "disk full", TicketStatusLevel::Cancelled)
        .key("acme/api#17")
        .description("on db-1")
        .status_raw("not_planned")
        .assignee("carol")
        .assignee("bob")
        .reporter("alice")
        .url("https://github.example.org/acme/api/issues/17".parse::<opsorch::transport::Url>().unwrap())
        .created_at(minute(-5))
        .updated_at(minute(-5))
        .field("labels", json!(["bug"]))
        .field("milestone", "v2.0")
        .field("type", "Bug")
        .field("closed_at", json!(minute(-5)))
        .field("comments", 0)
        .metadata("repository", "acme/api")
        .metadata("author_association", "MEMBER");
    expected.provider = Some("github".into());
    assert_eq!(ticket, expected);
}

#[tokio::test]
async fn what_github_leaves_out_is_absent_and_what_is_new_is_kept() {
    let desk = Desk::with(|github| {
        let mut ghost = Issue::new("api", 1, "of a ghost", minute(-9));
        ghost.author = None;
        ghost.odd = json!({
            "labels": ["a text", { "name": "an object" }, { "name": null }], "assignees": null, "state_reason": "reopened",
            "html_url": "javascript:alert(1)", "something_new": { "a": 1 },
        });
        let superseded = Issue::new("api", 2, "of a later year", minute(-8)).closed(Some("superseded"));
        github.issues.extend([ghost, superseded, Issue::new("api", 3, "plain", minute(-7)).closed(None)]);
    })
    .await;
    let tickets = desk.ops.tickets(&desk.cx).query(TicketQuery::new()).await.unwrap().items;
    let [plain, superseded, ghost] = &tickets[..] else { panic!("{tickets:?}") };
    assert_eq!((plain.status.as_str(), plain.status_raw.as_deref()), ("done", Some("closed")));
    assert_eq!((superseded.status.as_str(), superseded.status_raw.as_deref()), ("superseded", Some("superseded")));
    assert_eq!((ghost.status.as_str(), ghost.status_raw.as_deref()), ("todo", Some("reopened")));
    assert_eq!((&ghost.reporter, &ghost.url, &ghost.description), (&None, &None, &None));
    assert_eq!(ghost.fields["labels"], json!(["a text", "an object"]));
    assert_eq!(found(&desk, TicketQuery::new().status("superseded")).await, ["2"]);
    assert_eq!(found(&desk, TicketQuery::new().status("done")).await, ["3"], "what is not known is no guess");
}

#[tokio::test]
async fn a_pull_request_is_no_ticket_and_shortens_no_page() {
    let desk = Desk::with(|github| {
        for number in 1..=250 {
            let mut issue = Issue::new("api", number, "x", minute(i64::try_from(number).unwrap()));
            issue.is_pull_request = ![1, 249].contains(&number);
            github.issues.push(issue);
        }
    })
    .await;
    let tickets = desk.ops.tickets(&desk.cx);
    let page = tickets.query(TicketQuery::new().limit(2)).await.unwrap();
    assert_eq!(page.items.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["249", "1"]);
    assert!(page.is_complete());
    assert_eq!(desk.wire.sent().len(), 3, "a page of nothing but pull requests is followed by the next");
    assert_kind(tickets.get("7").await, ErrorKind::NotFound, "acme/api#7 is a pull request");
}

#[tokio::test]
async fn every_filter_is_asked_for_or_looked_at() {
    let desk = Desk::open().await;
    let all = desk.ops.tickets(&desk.cx).query(TicketQuery::new().limit(200)).await.unwrap().items;
    assert_eq!(all.len(), 100);
    desk.wire.sent();
    let page = "sort=created&direction=desc&per_page=100&page=1";
    type Passes = fn(&Ticket) -> bool;
    let cases: [(TicketQuery, String, Passes); 9] = [
        (TicketQuery::open(), format!("state=open&{page}"), |it| it.status.as_str() == "todo"),
        (TicketQuery::new().status("closed"), format!("state=closed&{page}"), |it| it.status.as_str() == "done"),
        (TicketQuery::new().status("won't fix").status("open"), format!("state=all&{page}"), |it| {
            it.status.as_str() != "done"
        }),
        (TicketQuery::new().assignee("carol"), format!("state=all&assignee=carol&{page}"), |it| {
            it.assignees == ["carol"]
        }),
        (TicketQuery::new().assignee("carol").assignee("bob"), format!("state=all&{page}"), |it| {
            it.assignees == ["carol"]
        }),
        (TicketQuery::new().reporter("bob"), format!("state=all&creator=bob&{page}"), |it| {
            it.reporter.as_deref() == Some("bob")
        }),
        (TicketQuery::new().metadata("labels", json!(["bug"])), format!("state=all&labels=bug&{page}"), |it| {
            it.fields.get("labels") == Some(&json!(["bug"]))
        }),
        (TicketQuery::new().since(minute(-30)).until(minute(-3)), format!("state=all&{page}"), |it| {
            (minute(-30)..minute(-3)).contains(&it.created_at.unwrap())
        }),
        (TicketQuery::new().service("api").status("todo"), format!("state=open&{page}"), |it| {
            it.status.as_str() == "todo"
        }),
    ];
    for (query, parameters, passes) in cases {
        let expected: Vec<_> = all.iter().filter(|it| passes(it)).map(|it| it.id.to_string()).collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{query:?}");
        assert_eq!(found(&desk, query.clone().limit(200)).await, expected, "{query:?}");
        assert_eq!(desk.wire.sent()[0], format!("GET /repos/acme/api/issues?{parameters}"));
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_finds_nothing_whatever_it_means_to_github() {
    let desk = Desk::open().await;
    for query in [
        TicketQuery::new().assignee("nobody4711"),
        TicketQuery::new().reporter("nobody4711"),
        TicketQuery::new().assignee("*"),
        TicketQuery::new().assignee("none"),
        TicketQuery::new().reporter("a b"),
        TicketQuery::new().service("nosuch"),
        TicketQuery::new().status("in_progress"),
        TicketQuery::new().metadata("labels", "*"),
        TicketQuery::new().metadata("milestone", "none"),
    ] {
        assert!(found(&desk, query.clone()).await.is_empty(), "{query:?}");
    }
    assert!(desk.wire.sent().iter().all(|sent| !sent.contains("assignee=none") && !sent.contains("assignee=*")));
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let desk = Desk::open().await;
    let tickets = desk.ops.tickets(&desk.cx);
    // OpsOrch sends the team as the assignee.
    assert_unsupported(tickets.query(TicketQuery::new().team("carol")).await, "scope.team");
    assert_unsupported(tickets.query(TicketQuery::new().environment("production")).await, "scope.environment");
    assert_unsupported(tickets.query(TicketQuery::new().metadata("color", "red")).await, "labels, milestone");
    assert_invalid(tickets.query(TicketQuery::new().metadata("labels", json!([1]))).await, "metadata.labels");
    assert_invalid(tickets.query(TicketQuery::new().limit(0)).await, "limit");
    assert!(desk.wire.sent().is_empty());
}

#[tokio::test]
async fn ids_of_several_repositories_name_them() {
    let config = bare().repository("acme/api").repository("acme/web");
    let desk = Desk::configured(config, |github| {
        for (repository, at) in [("api", 1), ("web", 2), ("api", 3), ("web", 3)] {
            let number = u64::try_from(at).unwrap();
            github.issues.push(Issue::new(repository, number, "x", minute(at)));
        }
    })
    .await;
    assert_eq!(found(&desk, TicketQuery::new()).await, ["acme/api#3", "acme/web#3", "acme/web#2", "acme/api#1"]);
    assert_eq!(desk.wire.sent(), [LIST, &LIST.replace("api", "web")]);
    assert_eq!(found(&desk, TicketQuery::new().service("web")).await, ["acme/web#3", "acme/web#2"]);
    assert_eq!(found(&desk, TicketQuery::new().service("ACME/web").limit(9)).await.len(), 2);
    let tickets = desk.ops.tickets(&desk.cx);
    assert_eq!(tickets.get("Acme/Web#2").await.unwrap().id.as_str(), "acme/web#2");
    for id in ["2", "acme/other#2", "acme/web#02", "acme/web#+2", "acme/web/2", "#2", "acme/web#99999999999999999999"] {
        assert_kind(tickets.get(id).await, ErrorKind::NotFound, "");
    }
}

#[tokio::test]
async fn a_service_name_of_two_owners_is_not_guessed() {
    let config = bare().repository("acme/api").repository("other/api");
    let desk = Desk::configured(config, |_| ()).await;
    let result = desk.ops.tickets(&desk.cx).query(TicketQuery::new().service("api")).await;
    let kind = ErrorKind::Invalid { field: "service".into() };
    assert_kind(result, kind, "`api` may be any of `acme/api`, `other/api`");
}

#[tokio::test]
async fn an_issue_that_was_moved_is_not_found() {
    let desk = Desk::with(|github| {
        let mut moved = Issue::new("api", 5, "moved", minute(-1));
        moved.odd = json!({ "number": 900 });
        github.issues.push(moved);
    })
    .await;
    let result = desk.ops.tickets(&desk.cx).get("5").await;
    assert_kind(result, ErrorKind::NotFound, "moved to another repository");
}
