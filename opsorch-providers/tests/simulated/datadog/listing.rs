//! What the lists of Datadog have in common.

use opsorch::Time;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{by_offset, parameter};
use serde_json::{Value, json};

use super::{bad_request, errors, ok};

pub type Answer = Result<Reply, Reply>;

/// Refuses parameters that Datadog does not know: it would ignore them, and find everything.
pub fn known(request: &Request, names: &[&str]) -> Result<(), Reply> {
    let pairs: Vec<String> = request.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    match pairs.into_iter().find(|name| !names.contains(&name.as_str())) {
        Some(other) => Err(bad_request(&format!("unknown parameter {other}"))),
        None => Ok(()),
    }
}

pub fn number(request: &Request, name: &str, usual: usize) -> Result<usize, Reply> {
    parameter(request, name)
        .map_or(Ok(usual), |text| text.parse().map_err(|_| bad_request(&format!("{name} must be a number"))))
}

/// A part of a list by `page[number]` and `page[size]`, of at most 100.
pub fn numbered(request: &Request, items: Vec<Value>, included: impl Fn(&[Value]) -> Vec<Value>) -> Answer {
    let (number, size) = (number(request, "page[number]", 0)?, number(request, "page[size]", 10)?.min(100));
    let part = by_offset(items, number * size, size);
    let included = included(&part.items);
    Ok(ok(&json!({
        "data": part.items, "included": included, "meta": { "pagination": { "total": part.total, "offset": number * size } }
    })))
}

pub fn not_found(what: &str) -> Reply {
    errors(StatusCode::NOT_FOUND, &format!("{what} not found"))
}

pub fn forbidden_media(request: &Request) -> Result<(), Reply> {
    let kind = request.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind == "application/json" {
        true => Ok(()),
        false => Err(errors(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json")),
    }
}

pub fn written(time: Time) -> String {
    time.to_rfc3339()
}

/// An id as Datadog makes them.
pub fn uuid(part: u32, number: usize) -> String {
    format!("{part:08x}-0000-4000-8000-{number:012x}")
}

/// The people of the organization.
pub fn people() -> Vec<Value> {
    [("Ada", "ada@example.com"), ("Grace", "grace@example.com"), ("Alan", "alan@example.com")]
        .into_iter()
        .enumerate()
        .map(|(number, (name, email))| {
            json!({ "type": "users", "id": uuid(0xa, number), "attributes": { "name": name, "email": email, "handle": email, "disabled": false } })
        })
        .collect()
}

pub fn person(id: &str) -> Option<Value> {
    people().into_iter().find(|user| user["id"] == id)
}
