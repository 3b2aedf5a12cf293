//! What is asked of Jira, and what is found.

use std::time::Duration;

use opsorch::transport::{Method, Reply, ReqwestTransport, StatusCode};
use opsorch::{Clock, CreateTicket, ErrorKind, Ticket, TicketQuery, TicketStatus, TicketStatusLevel, UpdateTicket};
use opsorch_providers::jira::Deployment;
use opsorch_testkit::double::json;
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, failure};
use super::simulated::jira::issue::Issue;
use super::simulated::jira::{Jira, world};

const FIELDS: &str = "summary,description,status,assignee,reporter,created,updated,priority,issuetype,labels,components,\
                      resolution,duedate,parent,issuelinks";

fn fields() -> Vec<&'static str> {
    FIELDS.split(',').collect()
}

#[tokio::test]
async fn a_search_of_cloud_names_its_fields_and_its_project() {
    let desk = Desk::cloud().await;
    let tickets = desk.query(TicketQuery::new().limit(2)).await.unwrap();
    assert_eq!(
        desk.vendor.requests(),
        [(
            "POST".to_owned(),
            "/rest/api/3/search/jql".to_owned(),
            json!({
                "jql": "project = \"OPS\" ORDER BY created DESC, key DESC",
                "maxResults": 2,
                "fields": fields(),
                "properties": ["opsorch.description"],
            })
        )]
    );
    assert_eq!(desk.vendor.last_header("content-type").as_deref(), Some("application/json"));
    assert_eq!(desk.vendor.last_header("x-atlassian-token").as_deref(), Some("no-check"));
    assert!(desk.vendor.last_header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(tickets.items.len(), 2);
    assert!(tickets.next.is_some());
}

#[tokio::test]
async fn a_search_of_data_center_counts() {
    let desk = Desk::data_center().await;
    desk.query(TicketQuery::new().limit(2)).await.unwrap();
    let body = json!({
        "jql": "project = \"OPS\" ORDER BY created DESC, key DESC", "startAt": 0, "maxResults": 2, "fields": fields(),
    });
    assert_eq!(desk.vendor.requests(), [("POST".to_owned(), "/jira/rest/api/2/search".to_owned(), body)]);
    assert!(desk.vendor.last_header("authorization").unwrap().starts_with("Bearer "));
}

#[tokio::test]
async fn a_ticket_has_what_its_issue_has() {
    let desk = Desk::cloud().await;
    let ticket = desk.get("OPS-1").await.unwrap();
    assert_eq!((ticket.id.as_str(), ticket.key.as_deref()), ("10001", Some("OPS-1")));
    assert_eq!(
        (ticket.title.as_str(), ticket.description.as_deref()),
        ("disk full on \"db-1\"", Some("seen by a check"))
    );
    assert_eq!((ticket.status.level(), ticket.status_raw.as_deref()), (TicketStatusLevel::Done, Some("Done")));
    assert_eq!((ticket.assignees, ticket.reporter), (vec!["alice".to_owned()], Some("opsorch".to_owned())));
    assert!(ticket.url.unwrap().as_str().ends_with("/browse/OPS-1"));
    assert_eq!(ticket.created_at.unwrap(), desk.clock.now() - Duration::from_secs(500 * 60), "`+0000` is a time");
    assert_eq!(ticket.fields["components"], json!(["db"]));
    assert_eq!(ticket.fields["issueType"], "Task");
    assert!(!ticket.fields.contains_key("priority"), "a ticket without a priority has none");
    let metadata = ["source", "assignee_name", "issue_type", "issue_type_id", "issue_type_description"];
    assert_eq!(
        metadata.map(|name| ticket.metadata[name].clone()),
        ["jira", "ALICE", "Task", "10001", "A piece of work."]
    );
    assert_eq!(ticket.metadata["component_details"], json!([{ "id": "1", "name": "db" }]));
    let (_, path, _) = desk.vendor.requests().remove(0);
    assert_eq!(
        path,
        format!("/rest/api/3/issue/OPS-1?fields={}&properties=opsorch.description", FIELDS.replace(',', "%2C"))
    );
}

#[tokio::test]
async fn custom_fields_are_read_where_they_are_configured() {
    let prepare = |jira: &mut Jira| {
        jira.issues[0].fields.insert("customfield_10010".to_owned(), json!({ "value": "Core" }));
    };
    let transport = ReqwestTransport::new().unwrap();
    let desk = Desk::over(Deployment::Cloud, prepare, |config| config.field("customfield_10010"), transport).await;
    assert_eq!(desk.get("OPS-1").await.unwrap().fields["customfield_10010"]["value"], "Core");
}

#[tokio::test]
async fn every_condition_is_in_the_query() {
    let desk = Desk::cloud().await;
    let query = TicketQuery::new()
        .query("disk \"full\"")
        .status(TicketStatusLevel::Todo)
        .status("Waiting for customer")
        .assignee("alice")
        .reporter("opsorch")
        .service("db")
        .since(desk.clock.now())
        .metadata("labels", json!(["a\" OR project = \"HR"]))
        .metadata("priorities", json!(["High"]));
    assert!(desk.keys(query).await.is_empty());
    assert_eq!(
        desk.vendor.last_jql(),
        "project = \"OPS\" AND text ~ \"\\\"disk \\\\\\\"full\\\\\\\"\\\"\" AND (statusCategory in (2, 4) OR status in \
         (\"Waiting for customer\")) AND component in (\"db\") AND labels in (\"a\\\" OR project = \\\"HR\") AND priority in \
         (\"High\") AND assignee in (\"alice\") AND reporter in (\"opsorch\") AND created >= \"2025-12-31 09:00\" ORDER BY \
         created DESC, key DESC"
    );
}

#[tokio::test]
async fn what_jira_cannot_be_asked_is_refused() {
    let desk = Desk::cloud().await;
    for (query, name) in [
        (TicketQuery::new().team("core"), "scope.team"),
        (TicketQuery::new().environment("prod"), "scope.environment"),
        (TicketQuery::new().metadata("jql", "project = HR"), "metadata.jql"),
        (TicketQuery::new().query("*"), "query"),
    ] {
        let error = desk.query(query).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_invalid(desk.query(TicketQuery::new().metadata("labels", "a")).await, "metadata.labels");
    assert!(desk.vendor.requests().is_empty());
}

#[tokio::test]
async fn what_does_not_exist_finds_nothing_and_does_not_hide_what_does() {
    for desk in Desk::both().await {
        let nothing = [
            TicketQuery::new().status("Frobnicated"),
            TicketQuery::new().assignee("nobody"),
            TicketQuery::new().reporter("nobody"),
            TicketQuery::new().reporter(" "),
            TicketQuery::new().service("web"),
        ];
        for query in nothing {
            let page = desk.query(query.clone()).await.unwrap();
            assert!(page.items.is_empty() && page.is_complete(), "{query:?}");
        }
        let some = TicketQuery::new().status("Frobnicated").status("triage").assignee("nobody").assignee("alice");
        assert_eq!(desk.keys(some).await, ["OPS-7"]);
    }
}

#[tokio::test]
async fn another_refusal_of_a_query_is_an_error() {
    let desk = Desk::cloud().await;
    for messages in [
        &["The value 'OPS' does not exist for the field 'project'."][..],
        &["The value 'x' does not exist for the field 'status'.", "Something else is wrong."],
        &["The value 'X' does not exist for the field 'status'."],
        &[],
    ] {
        desk.vendor.fail(Method::POST, "/jql", failure(400, messages, json!({})));
        let text = assert_invalid(desk.query(TicketQuery::new().status("x")).await, "query");
        assert!(messages.iter().all(|message| text.contains(message)), "{text}");
    }
}

#[tokio::test]
async fn people_are_found_by_their_email_addresses() {
    for desk in Desk::both().await {
        assert_eq!(desk.keys(TicketQuery::new().assignee("Alice@Example.com")).await, ["OPS-7", "OPS-2", "OPS-1"]);
        assert!(desk.vendor.last_jql().contains("assignee in (\"alice\")"));
        assert!(desk.keys(TicketQuery::new().assignee("bob@example.com")).await.is_empty(), "he hides it");
        assert!(desk.keys(TicketQuery::new().assignee("alic@example.com")).await.is_empty(), "it is another one");
        let error = assert_invalid(desk.query(TicketQuery::new().assignee("twin@example.com")).await, "assignees");
        assert!(error.contains("twin-1, twin-2"), "{error}");
    }
}

/// 2 500 issues, of each of which something else is true.
fn many(jira: &mut Jira) {
    let is_cloud = jira.is_cloud;
    jira.page = 100;
    jira.issues = (0..2_500_u64)
        .map(|number| {
            let created = jira.clock.now() - Duration::from_secs(37 * (2_500 - number) / 2);
            let mut issue = Issue::new(10_000 + number, format!("OPS-{}", number + 1), created, is_cloud);
            let (status, _, _) = world::STATUSES[(number * number % 7) as usize];
            issue.fields.insert("summary".to_owned(), json!(format!("ticket {number}")));
            issue.fields.insert("status".to_owned(), world::status(status));
            issue.fields.insert("assignee".to_owned(), world::user(is_cloud, world::PEOPLE[(number % 3) as usize]));
            issue
        })
        .collect();
}

#[tokio::test]
async fn what_is_found_among_2_500_is_what_is_meant() {
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let desk = Desk::over(deployment, many, |config| config, ReqwestTransport::new().unwrap()).await;
        let all = desk.query(TicketQuery::new().limit(3_000)).await.unwrap();
        assert_eq!(all.items.len(), 2_500);
        let (since, until) =
            (desk.clock.now() - Duration::from_secs(30_000), desk.clock.now() - Duration::from_secs(4_000));
        let query = TicketQuery::new()
            .status(TicketStatusLevel::InReview)
            .status(TicketStatusLevel::Cancelled)
            .status("Waiting for customer")
            .assignee("alice")
            .assignee("bob")
            .since(since)
            .until(until);
        let is_meant = |ticket: &&Ticket| {
            let status = ticket.status.level();
            let at = ticket.created_at.unwrap();
            (matches!(status, TicketStatusLevel::InReview | TicketStatusLevel::Cancelled)
                || ticket.status_raw.as_deref() == Some("Waiting for customer"))
                && ["alice", "bob"].contains(&ticket.assignees[0].as_str())
                && since <= at
                && at < until
        };
        let expected: Vec<_> = all.items.iter().filter(is_meant).map(|ticket| ticket.key.clone().unwrap()).collect();
        assert!(expected.len() > 100);
        assert_eq!(desk.keys(query.clone().limit(3_000)).await, expected);
        assert_eq!(desk.all_keys(query.limit(70)).await, expected);
    }
}

#[tokio::test]
async fn pages_that_are_smaller_than_asked_are_followed() {
    for desk in Desk::both().await {
        let keys = desk.keys(TicketQuery::new().limit(7)).await;
        assert_eq!(keys, ["OPS-7", "OPS-6", "OPS-5", "OPS-4", "OPS-3", "OPS-2", "OPS-1"]);
        let sizes: Vec<_> = desk.vendor.requests().into_iter().map(|(_, _, body)| body["maxResults"].clone()).collect();
        // By counting, the issue before the place is asked for again.
        let is_cloud = desk.vendor.with(|jira| jira.is_cloud);
        assert_eq!(sizes[..2], [json!(7), json!(if is_cloud { 4 } else { 5 })]);
    }
}

#[tokio::test]
async fn a_cursor_of_another_query_is_refused() {
    for desk in Desk::both().await {
        let next = desk.query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
        for cursor in [next.as_str(), "", "x.y.z", &format!("{next}x")[1..]] {
            let query = TicketQuery::new().assignee("alice").after(opsorch::Cursor::new(cursor));
            assert_invalid(desk.query(query).await, "cursor");
        }
    }
}

#[tokio::test]
async fn a_token_that_expired_is_a_cursor_that_is_refused() {
    let desk = Desk::cloud().await;
    let next = desk.query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
    desk.vendor.fail(
        Method::POST,
        "/jql",
        failure(400, &["The provided next page token is invalid or expired."], json!({})),
    );
    let error = assert_invalid(desk.query(TicketQuery::new().after(next)).await, "cursor");
    assert!(error.contains("expired"), "{error}");
}

#[tokio::test]
async fn an_answer_without_fields_is_no_list_of_blank_tickets() {
    let desk = Desk::cloud().await;
    for body in
        [json!({ "issues": [{ "id": "1", "key": "OPS-1" }], "isLast": true }), json!({}), json!({ "issues": null })]
    {
        desk.vendor.fail(Method::POST, "/jql", json(StatusCode::OK, &body));
        assert_eq!(*desk.query(TicketQuery::new()).await.unwrap_err().kind(), ErrorKind::Unexpected);
    }
}

#[tokio::test]
async fn a_token_that_leads_to_itself_is_an_error() {
    let desk = Desk::cloud().await;
    let page = json!({ "issues": [], "nextPageToken": "again" });
    for _ in 0..2 {
        desk.vendor.fail(Method::POST, "/jql", json(StatusCode::OK, &page));
    }
    assert_eq!(*desk.query(TicketQuery::new()).await.unwrap_err().kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn the_last_page_may_have_a_token() {
    let desk = Desk::cloud().await;
    let page = json!({ "issues": [], "nextPageToken": "more", "isLast": true });
    desk.vendor.fail(Method::POST, "/jql", json(StatusCode::OK, &page));
    assert!(desk.query(TicketQuery::new()).await.unwrap().is_complete());
}

#[tokio::test]
async fn what_was_written_a_moment_ago_is_found() {
    let prepare = |jira: &mut Jira| jira.is_late = true;
    let desk = Desk::over(Deployment::Cloud, prepare, |config| config, ReqwestTransport::new().unwrap()).await;
    let ticket = desk.create(CreateTicket::new("new")).await.unwrap();
    assert_eq!(desk.keys(TicketQuery::new().limit(1)).await, ["OPS-8"]);
    assert_eq!(desk.vendor.last_body("POST")["reconcileIssues"], json!([10_008]), "by its number: {}", ticket.id);

    desk.update(UpdateTicket::new("OPS-3").title("changed")).await.unwrap();
    let page = desk.query(TicketQuery::new().limit(1)).await.unwrap();
    assert_eq!(desk.vendor.last_body("POST")["reconcileIssues"], json!([10_008, 10_003]));
    desk.create(CreateTicket::new("newer")).await.unwrap();
    desk.query(TicketQuery::new().limit(1).after(page.next.unwrap())).await.unwrap();
    let told = &desk.vendor.last_body("POST")["reconcileIssues"];
    assert_eq!(*told, json!([10_008, 10_003]), "the same for all pages");

    desk.clock.advance(Duration::from_secs(11 * 60));
    desk.query(TicketQuery::new().limit(1)).await.unwrap();
    assert_eq!(desk.vendor.last_body("POST").get("reconcileIssues"), None, "by then Jira knows");
}

#[tokio::test]
async fn what_comes_and_goes_between_two_pages_neither_hides_nor_repeats() {
    type Change = fn(&mut Jira);
    let add: Change = |jira| {
        let created = jira.clock.now();
        let mut issue = Issue::new(10_100, "OPS-100".to_owned(), created, jira.is_cloud);
        issue.fields.insert("summary".to_owned(), json!("new"));
        jira.issues.push(issue);
    };
    let remove: Change = |jira| jira.issues.retain(|issue| issue.key != "OPS-7");
    let remove_last: Change = |jira| jira.issues.retain(|issue| issue.key != "OPS-5");
    let remove_two: Change = |jira| jira.issues.retain(|issue| issue.key != "OPS-7" && issue.key != "OPS-6");
    for change in [add, remove, remove_last, remove_two] {
        for desk in Desk::both().await {
            let page = desk.query(TicketQuery::new().limit(3)).await.unwrap();
            desk.vendor.with(change);
            let rest = desk.all_keys(TicketQuery::new().limit(3).after(page.next.unwrap())).await;
            assert_eq!(rest, ["OPS-4", "OPS-3", "OPS-2", "OPS-1"]);
        }
    }
}

#[tokio::test]
async fn an_address_may_have_a_path_before_the_api() {
    let prefix = |jira: &mut Jira| jira.prefix = vec!["ex", "jira", "11111111-2222"];
    let configure = |config: opsorch_providers::jira::JiraConfig| {
        config.browse_url("https://example.atlassian.net".parse().unwrap())
    };
    let desk = Desk::over(Deployment::Cloud, prefix, configure, ReqwestTransport::new().unwrap()).await;
    let ticket = desk.get("OPS-1").await.unwrap();
    assert!(desk.vendor.requests()[0].1.starts_with("/ex/jira/11111111-2222/rest/api/3/issue/OPS-1?"));
    assert_eq!(ticket.url.unwrap().as_str(), "https://example.atlassian.net/browse/OPS-1");
}

#[tokio::test]
async fn an_id_stays_one_segment() {
    let desk = Desk::cloud().await;
    let error = desk.get("OPS-1/../../myself?x#y").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("may not see it"), "{error}");
    assert!(desk.vendor.requests()[0].1.starts_with("/rest/api/3/issue/OPS-1%2F..%2F..%2Fmyself%3Fx%23y?"));
}

#[tokio::test]
async fn a_removed_search_is_no_empty_list() {
    let desk = Desk::data_center().await;
    let removed = failure(410, &["The requested API has been removed. Please migrate"], json!({}));
    desk.vendor.fail(Method::POST, "/search", removed);
    let error = desk.query(TicketQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(error.to_string().contains("set `deployment` to `cloud`"), "{error}");
    desk.vendor.fail(Method::POST, "/search", Reply::new(StatusCode::NOT_FOUND));
    assert_eq!(
        *desk.query(TicketQuery::new()).await.unwrap_err().kind(),
        ErrorKind::Unexpected,
        "nor is a wrong address"
    );
}

#[tokio::test]
async fn open_tickets_are_those_that_are_not_done() {
    for desk in Desk::both().await {
        assert_eq!(desk.keys(TicketQuery::open()).await, ["OPS-7", "OPS-5", "OPS-4", "OPS-3", "OPS-2"]);
        let jql = desk.vendor.last_jql();
        assert!(jql.contains("AND statusCategory in (2, 4) ORDER"), "{jql}");
        let review = TicketQuery::new().status(TicketStatus::new("under review"));
        assert_eq!(desk.keys(review).await, ["OPS-5"]);
        assert_eq!(desk.keys(TicketQuery::new().status("WAITING FOR CUSTOMER")).await, ["OPS-3"]);
        let value: Value = json!(desk.get("OPS-3").await.unwrap().status);
        assert_eq!(value, "in_progress", "its own word is kept beside it");
    }
}
