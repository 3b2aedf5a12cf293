//! What Slack allows: each method by itself, and one message a second to a channel.

use std::time::Duration;

use opsorch::Time;
use opsorch::transport::{Budget, Limit, Method, RateHeaders, Reply, StatusCode};

use super::api::errors::is_rate_limited;
use super::wire::Status;

/// What a refusal that is no 429 has at most, in bytes.
const LARGEST_REFUSAL: usize = 1024;

/// The wait where Slack names none.
const UNSAID: Duration = Duration::from_secs(1);

/// How often a minute a method may be called: its tier.
const METHODS: [(&str, Option<u32>); 11] = [
    ("auth.test", None),
    ("chat.getPermalink", None),
    ("chat.postMessage", None),
    ("chat.update", Some(50)),
    ("conversations.history", Some(50)),
    ("conversations.list", Some(20)),
    ("conversations.open", Some(50)),
    ("conversations.replies", Some(50)),
    ("users.info", Some(100)),
    ("users.list", Some(20)),
    ("users.lookupByEmail", Some(50)),
];

/// The limits of Slack's documentation.
pub(super) fn budget() -> Budget {
    let posts = Limit::new("messages to a channel", 1, Duration::from_secs(1)).only(["chat.postMessage"]).each();
    let budget = Budget::new().headers(RateHeaders::default().refusal(refused)).classes(class).limit(posts);
    METHODS.iter().fold(budget, |budget, (method, per_minute)| {
        let limit = match per_minute {
            Some(per_minute) => Limit::new(method, *per_minute, Duration::from_secs(60)),
            None => Limit::unknown(method),
        };
        budget.limit(limit.only([*method]))
    })
}

fn class(_: &Method, path: &str) -> &'static str {
    METHODS.iter().find(|(method, _)| *method == path).map_or("other", |(method, _)| *method)
}

/// A refusal is a 429, but some come with the status 200.
fn refused(headers: &RateHeaders, reply: &Reply, now: Time) -> Option<Duration> {
    let is_word = || {
        reply.body.len() <= LARGEST_REFUSAL
            && reply.json::<Status>().is_ok_and(|status| !status.ok && is_rate_limited(&status))
    };
    let is_refusal = reply.status == StatusCode::TOO_MANY_REQUESTS || (reply.status == StatusCode::OK && is_word());
    is_refusal.then(|| headers.wait(reply, now).unwrap_or(UNSAID))
}
