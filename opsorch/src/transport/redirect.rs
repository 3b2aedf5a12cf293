//! Redirects: which are followed, and what is taken along.

use http::header::{ACCEPT, ACCEPT_LANGUAGE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use super::{Bytes, Reply, Request, Tls};
use crate::{Error, Result};

/// How many redirects of one request are followed.
const LIMIT: usize = 5;

/// All that another origin is told. What else a vendor's client sends may be a credential.
const FOR_OTHERS: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];

/// The redirects of one request.
pub(super) struct Redirects {
    visited: Vec<Url>,
}

impl Redirects {
    pub(super) fn of(request: &Request) -> Self {
        Self { visited: vec![request.url.clone()] }
    }

    /// Whether one was followed.
    pub(super) fn any(&self) -> bool {
        self.visited.len() > 1
    }

    /// The request to send after this answer; `None` where the answer is the last one.
    pub(super) fn next(&mut self, request: &Request, reply: &Reply) -> Result<Option<Request>> {
        if !is_followed(&request.method, reply.status) {
            return Ok(None);
        }
        let target = target(request, reply)?;
        let same_origin = target.origin() == request.url.origin();
        if !same_origin && !is_safe(&request.method) {
            return Ok(None);
        }
        if request.url.scheme() == "https" && target.scheme() == "http" {
            return Err(error("the server redirects from https to http, which is not followed", &target));
        }
        if self.visited.contains(&target) {
            return Err(error("the server redirects in a loop", &target));
        }
        if self.visited.len() > LIMIT {
            return Err(error("the server redirects more than 5 times", &target));
        }
        self.visited.push(target.clone());
        Ok(Some(redirected(request, target, same_origin)))
    }
}

/// Whether the method asks for nothing but an answer.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// 301, 302 and 303 may turn a change into a read, so only 307 and 308 are followed with one.
fn is_followed(method: &Method, status: StatusCode) -> bool {
    match status.as_u16() {
        301..=303 => is_safe(method),
        307 | 308 => true,
        _ => false,
    }
}

/// What is dropped for another origin stays dropped, even if that one redirects back.
fn redirected(request: &Request, target: Url, same_origin: bool) -> Request {
    let mut next = request.clone();
    next.url = target;
    if !same_origin {
        next.body = Bytes::new();
        next.tls = request.tls.as_ref().and_then(Tls::for_others);
        next.headers = FOR_OTHERS
            .into_iter()
            .filter_map(|name| request.headers.get(&name).cloned().map(|value| (name, value)))
            .collect::<HeaderMap>();
    }
    next
}

fn target(request: &Request, reply: &Reply) -> Result<Url> {
    let location = reply.headers.get(LOCATION).map(HeaderValue::as_bytes);
    let location = location.ok_or_else(|| Error::unexpected("the server redirects without saying where"))?;
    let mut target = std::str::from_utf8(location)
        .ok()
        .and_then(|location| request.url.join(location).ok())
        .ok_or_else(|| Error::unexpected("the server redirects to something that is no address"))?;
    target.set_fragment(None);
    if !matches!(target.scheme(), "http" | "https") {
        return Err(Error::unexpected("the server redirects to something that is not http or https"));
    }
    if !target.username().is_empty() || target.password().is_some() {
        return Err(error("the server redirects to an address with credentials, which is not followed", &target));
    }
    Ok(target)
}

/// Of a target only the origin is shown: addresses that are signed carry their credential in path or query.
fn error(message: &'static str, target: &Url) -> Error {
    Error::unexpected(message).with_context("target", target.origin().ascii_serialization())
}
