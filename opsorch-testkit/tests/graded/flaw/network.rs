//! Faults in what an adapter makes of broken connections.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use opsorch::transport::{Reply, Request, StatusCode, Transport};
use opsorch::{Error, Result};
use opsorch_testkit::double::json;
use serde_json::json;

use super::Fault::Desk;
use super::Flaw;
use crate::desk::DeskFlaw;

pub const FLAWS: &[Flaw] = &[
    Flaw {
        name: "leaves open what was never sent",
        caught_by: &["TK-120"],
        fault: Desk(DeskFlaw::Reply(|_, reply| reply.map_err(Error::maybe_applied))),
    },
    Flaw {
        name: "says after a reset that nothing happened",
        caught_by: &["TK-121"],
        fault: Desk(DeskFlaw::Reply(denies_after_a_reset)),
    },
    Flaw {
        name: "says after a status of 5xx that nothing happened",
        caught_by: &["TK-122"],
        fault: Desk(DeskFlaw::Error(|error| if is_status(&error, "5") { error.not_applied() } else { error })),
    },
    Flaw {
        name: "leaves open what was one call too many",
        caught_by: &["TK-122"],
        fault: Desk(DeskFlaw::Error(|error| if is_status(&error, "429") { error.maybe_applied() } else { error })),
    },
    Flaw {
        name: "tries a change again after a status of 5xx",
        caught_by: &["TK-123"],
        fault: Desk(DeskFlaw::Send(tries_again)),
    },
    Flaw {
        name: "takes a page that does not come for the end",
        caught_by: &["TK-124"],
        fault: Desk(DeskFlaw::Reply(ends_where_it_breaks)),
    },
];

/// The suite loses answers by an error of its own, which is another rule's.
fn denies_after_a_reset(_: &Request, reply: Result<Reply>) -> Result<Reply> {
    reply.map_err(|error| match error.message().starts_with("the connection broke") {
        true => error.not_applied(),
        false => error,
    })
}

fn is_status(error: &Error, class: &str) -> bool {
    error.context().any(|(name, value)| name == "status" && value.starts_with(class))
}

fn tries_again(transport: Arc<dyn Transport>, request: Request) -> BoxFuture<'static, Result<Reply>> {
    async move {
        let reply = transport.send(request.clone()).await?;
        match request.method != "GET" && reply.status.is_server_error() {
            true => transport.send(request).await,
            false => Ok(reply),
        }
    }
    .boxed()
}

fn ends_where_it_breaks(request: &Request, reply: Result<Reply>) -> Result<Reply> {
    let is_later = request.url.query_pairs().any(|(name, _)| name == "before");
    let is_broken = reply.as_ref().map_or(true, |reply| reply.status.is_server_error());
    match is_later && is_broken {
        true => Ok(json(StatusCode::OK, &json!({ "tickets": [], "next": null }))),
        false => reply,
    }
}
