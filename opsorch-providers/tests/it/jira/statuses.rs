//! Statuses: changed by the ways of the workflow.

use opsorch::transport::{Method, Reply, StatusCode};
use opsorch::{ErrorKind, OutcomeStatus, TicketStatusLevel, UpdateTicket};
use serde_json::json;

use super::assert_invalid;
use super::desk::{Desk, failure};

#[tokio::test]
async fn a_status_is_reached_by_a_way_that_leads_to_it() {
    for desk in Desk::both().await {
        let ticket = desk.update(UpdateTicket::new("OPS-4").status(TicketStatusLevel::Done)).await.unwrap();
        assert_eq!((ticket.status.level(), ticket.status_raw.as_deref()), (TicketStatusLevel::Done, Some("Done")));
        assert_eq!(
            desk.vendor.last_body("POST"),
            json!({ "transition": { "id": "31" } }),
            "and not the one that asks for more"
        );
        assert_eq!(desk.vendor.calls(), ["GET OPS-4", "GET transitions", "POST transitions", "GET OPS-4"]);
        let (_, path, _) = &desk.vendor.requests()[1];
        assert!(path.ends_with("/issue/OPS-4/transitions?expand=transitions.fields"), "{path}");
    }
}

#[tokio::test]
async fn a_status_may_be_named_in_any_case() {
    let desk = Desk::cloud().await;
    for (word, name) in [("waiting FOR customer", "Waiting for customer"), ("in review", "In Review")] {
        let ticket = desk.update(UpdateTicket::new("OPS-4").status(word)).await.unwrap();
        assert_eq!(ticket.status_raw.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn a_status_that_is_there_already_is_not_changed() {
    let desk = Desk::cloud().await;
    for (id, word) in [("OPS-1", "done"), ("OPS-1", "Closed"), ("OPS-3", "waiting for customer"), ("OPS-3", "doing")] {
        desk.update(UpdateTicket::new(id).status(word)).await.unwrap();
    }
    assert!(desk.vendor.requests().iter().all(|(method, _, _)| method == "GET"));
}

#[tokio::test]
async fn another_status_of_the_same_level_is_reached_by_its_name_only() {
    let desk = Desk::cloud().await;
    for word in ["in_progress", "doing"] {
        desk.update(UpdateTicket::new("OPS-3").status(word)).await.unwrap();
        assert_eq!(desk.get("OPS-3").await.unwrap().status_raw.as_deref(), Some("Waiting for customer"));
    }
    let ticket = desk.update(UpdateTicket::new("OPS-3").status("In Progress")).await.unwrap();
    assert_eq!(ticket.status_raw.as_deref(), Some("In Progress"));
}

#[tokio::test]
async fn a_level_with_several_statuses_is_not_guessed() {
    let desk = Desk::cloud().await;
    let error = assert_invalid(desk.update(UpdateTicket::new("OPS-4").status("doing")).await, "status");
    assert!(error.contains("In Progress, Waiting for customer"), "{error}");
    let ticket = desk.update(UpdateTicket::new("OPS-4").status("in progress")).await.unwrap();
    assert_eq!(ticket.status_raw.as_deref(), Some("In Progress"), "its own name is clear");
}

#[tokio::test]
async fn where_no_way_leads_it_is_a_conflict_that_names_those_that_do() {
    let desk = Desk::cloud().await;
    for (id, word, reachable) in [("OPS-6", "done", "none"), ("OPS-4", "Frobnicated", "Done, In Progress, In Review")] {
        let error = desk.update(UpdateTicket::new(id).title("x").status(word)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains(reachable), "{error}");
        assert_eq!(desk.outcome().await, OutcomeStatus::NotApplied);
    }
    assert!(desk.vendor.requests().iter().all(|(method, _, _)| method == "GET"), "nothing was half done");
}

#[tokio::test]
async fn what_the_screen_asks_for_goes_with_the_way_and_the_rest_after_it() {
    let desk = Desk::cloud().await;
    let drop = UpdateTicket::new("OPS-4").status(TicketStatusLevel::Cancelled);
    let error = assert_invalid(desk.update(drop.clone()).await, "fields.resolution");
    assert!(error.contains("`Drop`") && error.contains("Resolution") && error.contains("Done, Duplicate"), "{error}");

    let ticket = desk.update(drop.title("not ours").field("resolution", "Duplicate")).await.unwrap();
    assert_eq!((ticket.title.as_str(), &ticket.fields["resolution"]), ("not ours", &json!("Duplicate")));
    let sent = json!({ "transition": { "id": "41" }, "fields": { "resolution": { "name": "Duplicate" } } });
    assert_eq!(desk.vendor.last_body("POST"), sent);
    assert_eq!(desk.vendor.last_body("PUT"), json!({ "fields": { "summary": "not ours" } }));
}

#[tokio::test]
async fn when_the_second_half_fails_the_first_is_told() {
    let desk = Desk::cloud().await;
    let input = UpdateTicket::new("OPS-4").status(TicketStatusLevel::Done).title("changed");
    let refused = failure(400, &[], json!({ "summary": "is too dull" }));
    desk.vendor.fail(Method::PUT, "/OPS-4", refused);
    let error = desk.update(input).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "title".to_owned() });
    assert!(error.may_have_applied());
    assert!(error.to_string().contains("the status of OPS-4 is `Done` now, but the rest was not changed"), "{error}");
    assert!(error.to_string().contains("is too dull"), "{error}");
    assert_eq!(desk.outcome().await, OutcomeStatus::Unknown);
    let ticket = desk.get("OPS-4").await.unwrap();
    assert_eq!((ticket.status.level(), ticket.title.as_str()), (TicketStatusLevel::Done, "certificate expires"));
}

#[tokio::test]
async fn when_the_first_half_fails_the_second_is_not_tried() {
    let desk = Desk::cloud().await;
    for (status, kind) in [(409, ErrorKind::Conflict), (400, ErrorKind::Invalid { field: "request".to_owned() })] {
        desk.vendor.fail(Method::POST, "/transitions", failure(status, &["no"], json!({})));
        let error = desk.update(UpdateTicket::new("OPS-4").status("done").title("x")).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied()), (&kind, false), "{error}");
    }
    assert!(desk.vendor.requests().iter().all(|(method, _, _)| method != "PUT"));
}

#[tokio::test]
async fn what_was_changed_and_cannot_be_read_again_is_told() {
    let desk = Desk::cloud().await;
    desk.vendor.fail(Method::GET, "/OPS-4", Reply::new(StatusCode::FORBIDDEN));
    let error = desk.update(UpdateTicket::new("OPS-4").title("changed")).await.unwrap_err();
    assert!(error.may_have_applied() && error.to_string().contains("could not be read again"), "{error}");
    assert_eq!(desk.get("OPS-4").await.unwrap().title, "changed");
}

#[tokio::test]
async fn a_page_in_place_of_an_empty_answer_leaves_it_open() {
    let desk = Desk::cloud().await;
    desk.vendor.fail(Method::PUT, "/OPS-4", Reply::new(StatusCode::OK).body("<html>log in</html>"));
    let error = desk.update(UpdateTicket::new("OPS-4").title("changed")).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
}
