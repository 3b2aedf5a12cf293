//! What a status means here. A 403 alone says five things.

use std::time::Duration;

use opsorch::transport::{RateHeaders, Reply, Reset, StatusCode};
use opsorch::{Error, ErrorKind, Time};

use crate::github::wire::Failure;

/// How long to wait for the secondary limit to pass where GitHub does not say: its documentation asks for a minute.
const SECONDARY_WAIT: Duration = Duration::from_secs(60);

/// How GitHub writes of its limits.
pub(in crate::github) const RATE_HEADERS: RateHeaders =
    RateHeaders::new("x-ratelimit", Reset::Epoch).refusal(|_, reply, now| {
        let is_refusal = matches!(reply.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
        is_refusal.then(|| wait(reply, &says(&failure(reply)), now)).flatten()
    });

/// The error of an answer that is no success.
pub(in crate::github) fn refusal(reply: &Reply, now: Time) -> Error {
    let failure = failure(reply);
    let says = says(&failure);
    match reply.status.as_u16() {
        403 | 429 => match wait(reply, &says, now) {
            Some(wait) => limited(reply, wait),
            None => forbidden(reply, &says),
        },
        404 => reply
            .error(ErrorKind::NotFound)
            .with_context("hint", "GitHub says so too of what the credential may not see"),
        410 if says.contains("version") => reply
            .error(ErrorKind::Unsupported)
            .with_context("hint", "this version of the API is no longer served; set another one as `api_version`"),
        422 => invalid(reply, &failure),
        451 => reply.error(ErrorKind::Forbidden).with_context("hint", "it is blocked for legal reasons"),
        _ => match reply.clone().error_for_status() {
            Err(error) => error,
            // A success that is none here, such as a 202 in place of a 201.
            Ok(_) => reply.error(ErrorKind::Unexpected),
        },
    }
}

/// The fields of the input that GitHub names in a refusal, where it does.
pub(in crate::github) fn refused_fields(reply: &Reply) -> Vec<String> {
    failure(reply).problems().filter_map(|problem| problem.field).collect()
}

fn failure(reply: &Reply) -> Failure {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

fn says(failure: &Failure) -> String {
    failure.message.to_lowercase()
}

/// How long to wait, if this is a limit. The time of the primary one says nothing of the secondary one.
fn wait(reply: &Reply, says: &str, now: Time) -> Option<Duration> {
    let is_primary = reply.header("x-ratelimit-remaining").is_some_and(|left| left.trim() == "0");
    let is_secondary = says.contains("secondary rate limit") || says.contains("abuse detection");
    match reply.retry_after() {
        Some(wait) => Some(wait),
        None if is_primary => Some(RATE_HEADERS.until_reset(reply, now).unwrap_or(SECONDARY_WAIT)),
        None if is_secondary || reply.status == StatusCode::TOO_MANY_REQUESTS => Some(SECONDARY_WAIT),
        None => None,
    }
}

fn limited(reply: &Reply, wait: Duration) -> Error {
    let error = reply.error(ErrorKind::RateLimited { retry_after: Some(wait) });
    let error = match reply.header("x-ratelimit-resource").filter(|name| is_word(name)) {
        Some(resource) => error.with_context("limit", resource),
        None => error,
    };
    match reply.retry_after() {
        // That one is shown already.
        Some(_) => error,
        None => error.with_context("retry after", format_args!("{} s", wait.as_secs())),
    }
}

fn forbidden(reply: &Reply, says: &str) -> Error {
    let error = reply.error(ErrorKind::Forbidden);
    // The header also holds an address to authorize at, which is nobody else's to see.
    if reply.headers.contains_key("x-github-sso") {
        return error.with_context("hint", "the organization asks for single sign-on; authorize the token for it");
    }
    if says.contains("user-agent") || says.contains("administrative rules") {
        return error.with_context("hint", "something on the way takes the header User-Agent away");
    }
    let wanted = reply.header("x-accepted-github-permissions").or_else(|| reply.header("x-accepted-oauth-scopes"));
    match wanted.filter(|wanted| !wanted.is_empty() && wanted.split([',', ';', '=', ' ']).all(is_word_or_nothing)) {
        Some(wanted) => error.with_context("the credential needs", wanted),
        None => error,
    }
}

fn invalid(reply: &Reply, failure: &Failure) -> Error {
    let problems: Vec<_> = failure.problems().collect();
    let field = problems.iter().find_map(|problem| problem.field.clone()).filter(|field| is_word(field));
    let error = reply.error(ErrorKind::Invalid { field: field.unwrap_or_else(|| "request".to_owned()) });
    // Fields and codes are GitHub's own words. What else a problem says may be anything, and the answer shows a part of it.
    let word = |text: Option<String>| text.filter(|text| is_word(text)).unwrap_or_default();
    let words = problems.into_iter().map(|problem| format!("{} {}", word(problem.field), word(problem.code)));
    let words: Vec<_> = words.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty()).collect();
    match words.is_empty() {
        true => error,
        false => error.with_context("problems", words.join(", ")),
    }
}

fn is_word_or_nothing(text: &str) -> bool {
    text.is_empty() || is_word(text)
}

/// Whether it is a name of GitHub's, which holds nothing that was sent.
fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_:".contains(&byte))
}
