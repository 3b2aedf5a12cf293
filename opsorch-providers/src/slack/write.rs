//! Sends messages and replaces them.

use std::time::Duration;

use async_trait::async_trait;
use opsorch::capability::{MessageEditor, MessageSender};
use opsorch::gate::Approved;
use opsorch::{Context, Error, ErrorKind, Fields, Message, MessageResult, Result, UpdateMessage, visible};
use serde_json::{Value, json};

use super::address::Address;
use super::api::{Said, Slack};
use super::layout::{self, Page};
use super::thread;
use super::wire::{Mark, Post, Posted};

/// The name of our metadata.
pub(super) const EVENT: &str = "opsorch_message";

/// The pause between messages to one channel: beyond one in a second Slack drops some.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Sends messages and replaces them.
///
/// Every message carries the idempotency key of its change in its metadata, by which it is found when nobody knows
/// whether it was sent: Slack itself has no such keys.
#[derive(Debug)]
pub(super) struct Messenger {
    slack: Slack,
}

impl Messenger {
    pub(super) fn new(slack: Slack) -> Self {
        Self { slack }
    }

    /// The channel to post to, and the thread in it.
    async fn place(&self, cx: &Context, input: &Message) -> Result<(String, Option<String>)> {
        let address = Address::parse(&input.channel)?;
        let Some(message) = &input.thread_ref else { return Ok((address.to_post(cx, &self.slack).await?, None)) };
        let ts = thread::ts(message)?;
        let channel = address.to_id(cx, &self.slack).await?;
        let root = thread::root(cx, &self.slack, &channel, ts).await?;
        Ok((channel, Some(root)))
    }

    /// The answer to a change that was made. Nothing from here on makes it a failure.
    async fn result(&self, cx: &Context, said: &Said<Posted>) -> MessageResult {
        let Posted { channel, ts } = &said.answer;
        let mut result = MessageResult::new(ts.as_str(), channel);
        result.sent_at = thread::sent_at(ts);
        result.url = self.slack.permalink(cx, channel, ts).await;
        match said.warnings.as_slice() {
            [] => result,
            warnings => result.metadata("warnings", json!(warnings)),
        }
    }

    /// Sends the messages after the first, in its thread.
    async fn send_rest(
        &self,
        cx: &Context,
        rest: &[Page],
        post: Post<'_>,
        key: &str,
        sent: &mut Vec<String>,
    ) -> Result<()> {
        let all = rest.len() + 1;
        for (index, page) in rest.iter().enumerate() {
            tokio::time::sleep(PAUSE).await;
            let mark = mark(key, index + 2, all);
            let post = Post { text: &page.text, blocks: &page.blocks, metadata: &mark, reply_broadcast: None, ..post };
            let said: Said<Posted> = self.slack.write(cx, "chat.postMessage", Some(post.channel), &post).await?;
            sent.push(said.answer.ts);
        }
        Ok(())
    }
}

#[async_trait]
impl MessageSender for Messenger {
    async fn send(&self, cx: &Context, input: Approved<'_, Message>) -> Result<MessageResult> {
        let options = Options::read(&input.metadata, &["reply_broadcast", "unfurl_links", "unfurl_media"])?;
        let pages = layout::message(&input.body, &input.blocks)?;
        let Some((first, rest)) = pages.split_first() else { return Err(Error::invalid("body", "expected a text")) };
        let needed = PAUSE * u32::try_from(rest.len()).unwrap_or(u32::MAX);
        if cx.remaining().is_some_and(|left| left < needed) {
            let message = format!("{} messages take {} s, and there is less time", pages.len(), needed.as_secs());
            return Err(Error::new(ErrorKind::Timeout, message).not_applied());
        }
        let (channel, root) = self.place(cx, &input).await.map_err(Error::not_applied)?;
        let key = input.idempotency_key();
        let metadata = mark(key, 1, pages.len());
        let post = Post {
            channel: &channel,
            ts: None,
            text: &first.text,
            blocks: &first.blocks,
            thread_ts: root.as_deref(),
            reply_broadcast: options.reply_broadcast.filter(|_| root.is_some()),
            unfurl_links: options.unfurl_links,
            unfurl_media: options.unfurl_media,
            metadata: &metadata,
        };
        let said: Said<Posted> = self.slack.write(cx, "chat.postMessage", Some(post.channel), &post).await?;
        let Posted { channel, ts } = &said.answer;
        let mut sent = vec![ts.clone()];
        let post = Post { channel, thread_ts: root.as_deref().or(Some(ts)), ..post };
        if let Err(error) = self.send_rest(cx, rest, post, key, &mut sent).await {
            let done = format_args!("{} of {} messages, the first is {ts} in {channel}", sent.len(), pages.len());
            return Err(error.maybe_applied().with_context("sent", done));
        }
        let mut result = self.result(cx, &said).await;
        if let Some(root) = root {
            result = result.metadata("threadRef", root);
        }
        match sent.len() {
            1 => Ok(result),
            _ => Ok(result.metadata("messages", json!(sent))),
        }
    }
}

#[async_trait]
impl MessageEditor for Messenger {
    async fn update(&self, cx: &Context, input: Approved<'_, UpdateMessage>) -> Result<MessageResult> {
        let options = Options::read(&input.metadata, &["reply_broadcast"])?;
        let pages = layout::message(&input.body, &input.blocks)?;
        let [page] = pages.as_slice() else {
            let message = "expected what fits into one message of Slack, 50 blocks and 12 000 characters: it takes the \
                           place of one";
            return Err(Error::invalid("body", message));
        };
        let ts = thread::ts(input.id.as_str())?;
        let channel = Address::parse(&input.channel)?.to_id(cx, &self.slack).await.map_err(Error::not_applied)?;
        let post = Post {
            channel: &channel,
            ts: Some(ts),
            text: &page.text,
            blocks: &page.blocks,
            thread_ts: None,
            reply_broadcast: options.reply_broadcast,
            unfurl_links: None,
            unfurl_media: None,
            metadata: &mark(input.idempotency_key(), 1, 1),
        };
        let said: Said<Posted> = self.slack.write(cx, "chat.update", Some(&channel), &post).await?;
        Ok(self.result(cx, &said).await)
    }
}

/// What a message is found by.
pub(super) fn mark(key: &str, part: usize, parts: usize) -> Mark {
    Mark { event_type: EVENT, event_payload: json!({ "key": key, "part": part, "parts": parts }) }
}

/// What only Slack understands.
#[derive(Debug, Default)]
struct Options {
    reply_broadcast: Option<bool>,
    unfurl_links: Option<bool>,
    unfurl_media: Option<bool>,
}

impl Options {
    fn read(metadata: &Fields, known: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in metadata {
            let field = || format!("metadata.{}", visible(name));
            let place = match name.as_str() {
                "reply_broadcast" => &mut options.reply_broadcast,
                "unfurl_links" => &mut options.unfurl_links,
                "unfurl_media" => &mut options.unfurl_media,
                _ => &mut None,
            };
            if !known.contains(&name.as_str()) {
                let message = format!("`{}` is nothing that can be sent; known are: {}", field(), known.join(", "));
                return Err(Error::unsupported(message));
            }
            let Value::Bool(value) = value else { return Err(Error::invalid(field(), "expected true or false")) };
            *place = Some(*value);
        }
        Ok(options)
    }
}
