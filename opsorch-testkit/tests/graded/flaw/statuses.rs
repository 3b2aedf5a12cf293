//! Faults in what an adapter takes its vendor's answers for.

use opsorch::Result;
use opsorch::transport::{HeaderName, Reply, Request, StatusCode};
use opsorch_testkit::double::{SECRET, json};
use serde_json::{Value, json};

use super::Fault::Desk;
use super::Flaw;
use crate::desk::DeskFlaw;

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");

pub const FLAWS: &[Flaw] = &[
    Flaw {
        name: "takes a wrong credential for a missing right",
        caught_by: &["TK-100", "TK-145"],
        fault: Desk(DeskFlaw::Reply(|_, reply| seen_as(reply, 401, 403))),
    },
    Flaw {
        name: "takes a credential that is withdrawn for a missing right",
        caught_by: &["TK-100"],
        fault: Desk(DeskFlaw::Reply(takes_401_for_403_if_right)),
    },
    Flaw {
        name: "takes a missing right for a missing thing",
        caught_by: &["TK-101"],
        fault: Desk(DeskFlaw::Reply(|_, reply| seen_as(reply, 403, 404))),
    },
    Flaw {
        name: "takes a missing list for an empty one",
        caught_by: &["TK-102"],
        fault: Desk(DeskFlaw::Reply(|request, reply| {
            let is_list = request.method == "GET" && request.url.path() == "/tickets";
            nothing_if(reply, |reply| is_list && reply.status == StatusCode::NOT_FOUND)
        })),
    },
    Flaw {
        name: "takes a conflict for an invalid input",
        caught_by: &["TK-103"],
        fault: Desk(DeskFlaw::Reply(|_, reply| seen_as(reply, 409, 422))),
    },
    Flaw {
        name: "takes a bad request for a conflict",
        caught_by: &["TK-104"],
        fault: Desk(DeskFlaw::Reply(|_, reply| seen_as(reply, 400, 409))),
    },
    Flaw {
        name: "takes too many calls for a vendor that is down",
        caught_by: &["TK-105", "TK-122"],
        fault: Desk(DeskFlaw::Reply(|_, reply| seen_as(reply, 429, 503))),
    },
    Flaw {
        name: "loses the wait that the vendor asks for",
        caught_by: &["TK-105"],
        fault: Desk(DeskFlaw::Reply(loses_the_wait)),
    },
    Flaw {
        name: "takes a bad gateway for a bad request when it reads",
        caught_by: &["TK-106"],
        fault: Desk(DeskFlaw::Reply(|request, reply| match request.method.as_str() {
            "GET" => seen_as(reply, 502, 400),
            _ => reply,
        })),
    },
    Flaw {
        name: "takes a login page for an empty list",
        caught_by: &["TK-107"],
        fault: Desk(DeskFlaw::Reply(|_, reply| nothing_if(reply, |reply| is_of(reply, "text/html")))),
    },
    Flaw {
        name: "takes a cut answer for an empty list",
        caught_by: &["TK-108"],
        fault: Desk(DeskFlaw::Reply(|_, reply| {
            nothing_if(reply, |reply| is_of(reply, "application/json") && read(reply).is_none())
        })),
    },
    Flaw {
        name: "panics over an answer that is not JSON",
        caught_by: &["TK-108"],
        fault: Desk(DeskFlaw::Reply(panics_over_what_is_not_json)),
    },
    Flaw {
        name: "takes a number for an empty list",
        caught_by: &["TK-109"],
        fault: Desk(DeskFlaw::Reply(|_, reply| {
            nothing_if(reply, |reply| read(reply).is_some_and(|body| !body.is_object()))
        })),
    },
    Flaw {
        name: "reads whatever the vendor sends",
        caught_by: &["TK-110"],
        fault: Desk(DeskFlaw::Request(|request| request.body_limit(usize::MAX))),
    },
];

fn seen_as(reply: Result<Reply>, status: u16, other: u16) -> Result<Reply> {
    let mut reply = reply?;
    if reply.status == status {
        reply.status = StatusCode::from_u16(other).unwrap();
    }
    Ok(reply)
}

/// An empty list in place of some answers.
fn nothing_if(reply: Result<Reply>, is_meant: impl Fn(&Reply) -> bool) -> Result<Reply> {
    let reply = reply?;
    Ok(match is_meant(&reply) {
        true => json(StatusCode::OK, &json!({ "tickets": [], "next": null })),
        false => reply,
    })
}

fn is_of(reply: &Reply, content_type: &str) -> bool {
    reply.status.is_success() && reply.header(CONTENT_TYPE.as_str()).is_some_and(|is| is.starts_with(content_type))
}

fn read(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(&reply.body).ok().filter(|_| reply.status.is_success())
}

/// Only with the right credential, which the suite then says is no longer one.
fn takes_401_for_403_if_right(request: &Request, reply: Result<Reply>) -> Result<Reply> {
    let credential = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    match credential.is_some_and(|credential| credential.ends_with(SECRET)) {
        true => seen_as(reply, 401, 403),
        false => reply,
    }
}

fn loses_the_wait(_: &Request, reply: Result<Reply>) -> Result<Reply> {
    let mut reply = reply?;
    reply.headers.remove("retry-after");
    Ok(reply)
}

fn panics_over_what_is_not_json(_: &Request, reply: Result<Reply>) -> Result<Reply> {
    let reply = reply?;
    if is_of(&reply, "application/json") {
        serde_json::from_slice::<Value>(&reply.body).expect("vendors answer JSON");
    }
    Ok(reply)
}
