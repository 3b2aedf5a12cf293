//! PagerDuty in memory: small, and strict about what it is asked.
//!
//! The REST API is below `/api`, the Events API below `/events`; the token, the integration key are [`SECRET`].
// It is part of several tests.
#![allow(unreachable_pub, clippy::result_large_err)]

pub mod account;
mod events;
mod incidents;
mod lists;

use std::sync::Arc;

use opsorch::Clock;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode};
use opsorch_testkit::double::{Double, SECRET, body, by_offset, json, parameter, parameters, path};
use serde_json::{Value, json as value};

use self::account::Account;

/// How far a list goes.
const WALL: usize = 10_000;

/// An account of PagerDuty.
pub struct Vendor {
    pub account: Account,
}

impl Vendor {
    /// An account with the [world](account) that there is at this time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { account: Account::new(clock) }
    }
}

impl Double for Vendor {
    fn answer(&mut self, request: &Request) -> Reply {
        let path = path(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let result = match path.as_slice() {
            ["events", below @ ..] => events::answer(&mut self.account, below, request),
            ["api", below @ ..] => check(request).and_then(|()| api(&mut self.account, below, request)),
            _ => Err(not_found()),
        };
        result.unwrap_or_else(|refusal| refusal)
    }

    /// What PagerDuty has words of its own for is said in them; the rest comes from a proxy.
    fn refusal(&self, status: StatusCode) -> Reply {
        match status.as_u16() {
            400 => refusal(status, 2001, "Invalid Input Provided"),
            401 => refusal(status, 2006, "You are not authorized"),
            403 => refusal(status, 2010, "Access Denied"),
            404 => not_found(),
            429 => {
                let reset = (HeaderName::from_static("ratelimit-reset"), HeaderValue::from_static("20"));
                let reply = refusal(status, 2020, "Rate Limit Exceeded");
                let headers = reply.headers.clone();
                reply.headers(HeaderMap::from_iter(
                    headers.into_iter().filter_map(|(n, v)| Some((n?, v))).chain([reset]),
                ))
            }
            _ => Reply::new(status).body(format!("<html><h1>{status}</h1></html>")),
        }
    }
}

pub type Answer = Result<Reply, Reply>;

/// Who asks, and in which version.
fn check(request: &Request) -> Result<(), Reply> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("authorization") != format!("Token token={SECRET}") {
        return Err(refusal(StatusCode::UNAUTHORIZED, 2006, "Authentication failed"));
    }
    assert_eq!(header("accept"), "application/vnd.pagerduty+json;version=2");
    if request.method != "GET" {
        assert_eq!(header("content-type"), "application/json");
        let from = header("from");
        if from.is_empty() {
            return Err(bad("Requester User Not Found: the From header is missing"));
        }
        if !account::USERS.iter().any(|(_, _, email)| *email == from) {
            return Err(bad("Requester User Not Found"));
        }
    }
    Ok(())
}

fn api(account: &mut Account, path: &[&str], request: &Request) -> Answer {
    match (request.method.as_str(), path) {
        ("GET", ["incidents"]) => incidents::list(account, request),
        ("POST", ["incidents"]) => incidents::create(account, request),
        ("GET", ["incidents", id]) => incidents::get(account, id, request),
        ("PUT", ["incidents", id]) => incidents::update(account, id, request),
        ("GET", ["incidents", id, "log_entries"]) => incidents::log(account, id, request),
        ("GET", ["incidents", id, "notes"]) => incidents::notes(account, id, request),
        ("POST", ["incidents", id, "notes"]) => incidents::note(account, id, request),
        ("GET", ["incidents", id, "alerts"]) => incidents::alerts(account, id, request),
        ("GET", ["incidents", id, "alerts", alert]) => incidents::alert(account, id, alert, request),
        ("GET", [list]) => lists::list(account, list, request),
        ("GET", [list, id]) => lists::get(account, list, id, request),
        ("GET", ["teams", id, "members"]) => lists::members(account, id, request),
        _ => Err(not_found()),
    }
}

/// Refuses parameters that PagerDuty does not know: it would ignore them, and find everything.
fn known(request: &Request, names: &[&str]) -> Result<(), Reply> {
    let pairs: Vec<String> = request.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    match pairs.into_iter().find(|name| !names.contains(&name.as_str())) {
        Some(other) => Err(bad(&format!("unknown parameter {other}"))),
        None => Ok(()),
    }
}

/// A page of a list in its envelope. `total` is null unless it is asked for.
fn page<T>(request: &Request, member: &str, items: Vec<T>, show: impl Fn(T) -> Value) -> Answer {
    let number = |name: &str, usual: usize| match parameter(request, name) {
        Some(text) => text.parse::<usize>().map_err(|_| bad(&format!("{name} must be a number"))),
        None => Ok(usual),
    };
    let (limit, offset) = (number("limit", 25)?.min(100), number("offset", 0)?);
    if offset + limit > WALL {
        return Err(bad("Offset must be a number such that offset + limit <= 10000"));
    }
    let part = by_offset(items, offset, limit);
    let items: Vec<Value> = part.items.into_iter().map(show).collect();
    let envelope = value!({
        member: items, "limit": limit, "offset": offset, "more": part.next.is_some(), "total": null
    });
    Ok(json(StatusCode::OK, &envelope))
}

fn refusal(status: StatusCode, code: u32, message: &str) -> Reply {
    json(status, &value!({ "error": { "message": message, "code": code, "errors": [message] } }))
}

fn bad(error: &str) -> Reply {
    let error = value!({ "error": { "message": "Invalid Input Provided", "code": 2001, "errors": [error] } });
    json(StatusCode::BAD_REQUEST, &error)
}

fn not_found() -> Reply {
    refusal(StatusCode::NOT_FOUND, 2100, "Not Found")
}
