//! Looks for messages of which nobody knows whether they were sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use opsorch::capability::{Reconciled, Reconciler};
use opsorch::{Action, Clock, Context, Message, MessageResult, Response, Result, UpdateMessage};
use uuid::Uuid;

use super::address::Address;
use super::api::{Enough, Slack};
use super::thread;
use super::wire::{self, History};
use super::write::EVENT;

/// How far back is looked where the key does not say when the change was asked for: a key is remembered for a day.
const LOOK_BACK: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How far Slack's clock may be behind this one.
const SKEW: Duration = Duration::from_secs(5 * 60);

const PAGE: &str = "200";

/// Looks for the idempotency key of a change in the metadata of this app's own messages.
#[derive(Debug)]
pub(super) struct Search {
    slack: Slack,
    clock: Arc<dyn Clock>,
}

impl Search {
    pub(super) fn new(slack: Slack, clock: Arc<dyn Clock>) -> Self {
        Self { slack, clock }
    }

    /// A message that is found was sent, and all of it if all its parts are found. One that is not found may still be on
    /// its way.
    async fn sent(&self, cx: &Context, input: &Message, key: &str) -> Result<Reconciled> {
        let channel = Address::parse(&input.channel)?.to_id(cx, &self.slack).await?;
        let thread = match &input.thread_ref {
            Some(message) => Some(thread::root(cx, &self.slack, &channel, thread::ts(message)?).await?),
            None => None,
        };
        let found = self.marked(cx, &channel, thread.as_deref(), key).await?;
        let Some(first) = found.iter().find(|found| found.part == 1) else { return Ok(Reconciled::Unknown) };
        let mut parts: BTreeSet<u64> = found.iter().map(|found| found.part).collect();
        if first.parts > 1 && thread.is_none() {
            parts.extend(self.marked(cx, &channel, Some(&first.ts), key).await?.iter().map(|found| found.part));
        }
        match (1..=first.parts).all(|part| parts.contains(&part)) {
            true => Ok(Reconciled::Applied(self.response(cx, &channel, &first.ts).await)),
            false => Ok(Reconciled::Unknown),
        }
    }

    /// A message that has the key has the new text too.
    async fn updated(&self, cx: &Context, input: &UpdateMessage, key: &str) -> Result<Reconciled> {
        let channel = Address::parse(&input.channel)?.to_id(cx, &self.slack).await?;
        let ts = thread::ts(input.id.as_str())?;
        let arguments = [
            ("channel", channel.as_str()),
            ("ts", ts),
            ("latest", ts),
            ("oldest", ts),
            ("inclusive", "true"),
            ("include_all_metadata", "true"),
            ("limit", "2"),
        ];
        let own = self.slack.bot(cx).await?;
        let history = self.slack.read::<History>(cx, "conversations.replies", &arguments).await?.answer;
        let found = history.messages.iter().filter(|message| message.ts == ts);
        match found.filter_map(|message| marked(message, own.as_deref(), key)).next() {
            Some(_) => Ok(Reconciled::Applied(self.response(cx, &channel, ts).await)),
            None => Ok(Reconciled::Unknown),
        }
    }

    /// The messages of this app in a channel, or in a thread of it, that have a key.
    async fn marked(&self, cx: &Context, channel: &str, thread: Option<&str>, key: &str) -> Result<Vec<Found>> {
        let own = self.slack.bot(cx).await?;
        let oldest = self.oldest(key);
        let mut arguments =
            vec![("channel", channel), ("oldest", oldest.as_str()), ("include_all_metadata", "true"), ("limit", PAGE)];
        let method = match thread {
            Some(ts) => {
                arguments.push(("ts", ts));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        let mut found = Vec::new();
        let take = |page: History| {
            found.extend(page.messages.iter().filter_map(|message| marked(message, own.as_deref(), key)));
            // From the newest on: when the first part is found, nothing of it comes after in the channel.
            if thread.is_none() && found.iter().any(|found| found.part == 1) { Enough::Yes } else { Enough::No }
        };
        self.slack.pages(cx, method, &arguments, take).await?;
        Ok(found)
    }

    /// Nothing older than this has the key. A key that is made of a grant's id says when that was.
    fn oldest(&self, key: &str) -> String {
        let asked = key.get(..36).and_then(|id| Uuid::parse_str(id).ok()).and_then(|id| id.get_timestamp());
        let asked = asked.and_then(|stamp| DateTime::from_timestamp(i64::try_from(stamp.to_unix().0).ok()?, 0));
        let now = self.clock.now();
        let oldest = asked.map_or(now - LOOK_BACK, |asked| asked.min(now) - SKEW);
        format!("{}.000000", oldest.timestamp().max(0))
    }

    async fn response(&self, cx: &Context, channel: &str, ts: &str) -> Response {
        let mut result = MessageResult::new(ts, channel);
        result.sent_at = thread::sent_at(ts);
        result.url = self.slack.permalink(cx, channel, ts).await;
        Response::from(result)
    }
}

#[async_trait]
impl Reconciler for Search {
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        match action {
            Action::MessagingSend(input) => self.sent(cx, input, idempotency_key).await,
            Action::MessagingUpdate(input) => self.updated(cx, input, idempotency_key).await,
            _ => Ok(Reconciled::Unknown),
        }
    }
}

/// A part of a message that has a key.
#[derive(Debug)]
struct Found {
    ts: String,
    part: u64,
    parts: u64,
}

fn marked(message: &wire::Message, own: Option<&str>, key: &str) -> Option<Found> {
    let mark = message.mark(own, EVENT)?;
    let number = |name: &str| mark.get(name)?.as_u64();
    let has_key = mark.get("key").and_then(|found| found.as_str()) == Some(key);
    has_key.then(|| Found {
        ts: message.ts.clone(),
        part: number("part").unwrap_or_default(),
        parts: number("parts").unwrap_or_default(),
    })
}
