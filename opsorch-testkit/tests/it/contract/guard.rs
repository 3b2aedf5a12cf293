//! Contracts around doubles and transports.

use std::sync::Arc;

use opsorch::transport::{Client, ReqwestTransport, Transport};
use opsorch_testkit::double::{Double, Server};
use opsorch_testkit::{Exchanges, Guarded};

use super::*;
use crate::cx;

fn contract() -> Contract {
    let schema = json!({ "type": "integer" });
    let takes = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    one("3.1.0", json!({ "requestBody": takes, "responses": { "200": { "content": takes["content"] } } }))
}

#[tokio::test]
async fn every_exchange_with_a_double_is_checked_and_none_is_changed() {
    let guarded = contract().guard(answer(StatusCode::OK, &"seven"));
    let exchanges = guarded.exchanges();
    let server = Server::start(guarded).await;
    let client = done(Client::new(Arc::new(done(ReqwestTransport::new())), server.url()));
    let reply = done(client.post("x").json(&7).send(&cx()).await);
    assert_eq!(&reply.body[..], br#""seven""#);
    assert_eq!((exchanges.count(), exchanges.violations().len()), (1, 1));
    done(client.post("x").json(&"7").send(&cx()).await);
    let violations: Vec<_> = exchanges.violations().into_iter().map(|violation| violation.place).collect();
    assert_eq!(violations, ["body of the answer", "body of the request", "body of the answer"]);
}

/// What the assertion at the end of a test says, where it fails.
fn verdict(exchanges: &Exchanges) -> Option<String> {
    let exchanges = exchanges.clone();
    let panic = std::thread::spawn(move || exchanges.assert_kept()).join().err()?;
    Some(
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap(),
    )
}

#[test]
fn a_test_ends_well_only_when_something_was_seen_and_all_of_it_was_right() {
    let mut guarded = contract().guard(answer(StatusCode::OK, &7));
    let exchanges = guarded.exchanges();
    assert!(verdict(&exchanges).unwrap().contains("no exchange was seen"));
    guarded.answer(&sent(&json!(7)));
    assert_eq!(verdict(&exchanges), None);
    guarded.answer(&sent(&json!("7")));
    let verdict = verdict(&exchanges).unwrap();
    assert!(verdict.contains("1 places") && verdict.contains("POST /x: body of the request"), "{verdict}");
}

#[test]
fn a_refusal_is_no_exchange() {
    let guarded = contract().guard(answer(StatusCode::OK, &7));
    assert_eq!(guarded.refusal(StatusCode::FORBIDDEN).status, StatusCode::FORBIDDEN);
    assert_eq!(guarded.exchanges().count(), 0);
}

#[derive(Debug)]
struct Wire(Reply);

#[async_trait::async_trait]
impl Transport for Wire {
    async fn send(&self, _: Request) -> opsorch::Result<Reply> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_transport_is_guarded_too() {
    let guarded: Guarded<Wire> = contract().guard(Wire(answer(StatusCode::OK, &7)));
    let exchanges = guarded.exchanges();
    done(guarded.send(sent(&json!(7))).await);
    exchanges.assert_kept();
    done(guarded.send(post("/y")).await);
    assert_eq!(exchanges.violations()[0].place, "path");
}
