//! Messages, kept in the file and written to an outbox that people follow.

use std::path::PathBuf;

use async_trait::async_trait;
use opsorch::capability::{MessageEditor, MessageSender};
use opsorch::gate::Approved;
use opsorch::{Block, Context, Error, Fields, Message, MessageResult, Operation, Result, Time, UpdateMessage};
use serde::{Deserialize, Serialize};

use self::outbox::{Line, Outbox};
use super::database::{Attempt, Database, Edit, Record, View};
use super::input::{refuse_deep, require};

pub(super) mod outbox;

/// Sends and replaces messages.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    database: Database,
    /// Those that can be sent to; empty for all.
    channels: Vec<String>,
    outbox: Option<Outbox>,
}

/// A message as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    id: String,
    message: Message,
    sent_at: Time,
    /// Who sent it.
    sender: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited: Option<Edited>,
}

/// When a message was replaced last, and by whom.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edited {
    at: Time,
    by: String,
}

impl Record for Sent {
    const KIND: &'static str = "message";
    const PREFIX: &'static str = "MSG";

    fn at(&self) -> Option<Time> {
        Some(self.sent_at)
    }
}

impl Messages {
    pub(super) fn new(database: Database, channels: Vec<String>, outbox: Option<PathBuf>) -> Self {
        Self { database, channels, outbox: outbox.map(Outbox::new) }
    }

    fn check(&self, channel: &String, body: &String, blocks: &[Block], metadata: &Fields) -> Result<()> {
        require("channel", Some(channel))?;
        if blocks.is_empty() {
            require("body", Some(body))?;
        }
        refuse_deep(&[("metadata", metadata)])?;
        if self.channels.is_empty() || self.channels.contains(channel) {
            return Ok(());
        }
        Err(Error::not_found(format!("there is no channel `{channel}`; there are: {}", self.channels.join(", "))))
    }
}

#[async_trait]
impl MessageSender for Messages {
    /// A message to answer that is not in the channel is `NotFound` too.
    async fn send(&self, cx: &Context, input: Approved<'_, Message>) -> Result<MessageResult> {
        self.check(&input.channel, &input.body, &input.blocks, &input.metadata)?;
        let attempt = Attempt::new(Operation::MessagingSend, &input)?;
        let (message, sender) = (Message::clone(&input), cx.actor().to_string());
        let outbox = self.outbox.clone();
        let work = move |edit: &Edit<'_>| {
            if let Some(thread) = &message.thread_ref {
                in_channel(edit, thread, &message.channel)?;
            }
            let sent_at = edit.now();
            let id = edit.add(|id| Sent { id: id.to_owned(), message, sent_at, sender, edited: None })?;
            write(edit, outbox.as_ref(), &id)?;
            Ok(id)
        };
        self.database.change(cx, attempt, work, |view, id| Ok(view.get::<Sent>(id)?.result())).await
    }
}

#[async_trait]
impl MessageEditor for Messages {
    async fn update(&self, cx: &Context, input: Approved<'_, UpdateMessage>) -> Result<MessageResult> {
        self.check(&input.channel, &input.body, &input.blocks, &input.metadata)?;
        let attempt = Attempt::new(Operation::MessagingUpdate, &input)?;
        let (input, by) = (UpdateMessage::clone(&input), cx.actor().to_string());
        let outbox = self.outbox.clone();
        let work = move |edit: &Edit<'_>| {
            let UpdateMessage { id, channel, body, blocks, metadata, .. } = input;
            let mut sent = in_channel(edit, id.as_str(), &channel)?;
            (sent.message.body, sent.message.blocks) = (body, blocks);
            sent.message.metadata.extend(metadata);
            sent.edited = Some(Edited { at: edit.now(), by });
            edit.put(id.as_str(), &sent)?;
            write(edit, outbox.as_ref(), id.as_str())?;
            Ok(id.to_string())
        };
        self.database.change(cx, attempt, work, |view, id| Ok(view.get::<Sent>(id)?.result())).await
    }
}

fn in_channel(view: &View<'_>, id: &str, channel: &str) -> Result<Sent> {
    let sent: Sent = view.get(id)?;
    match sent.message.channel == channel {
        true => Ok(sent),
        false => Err(Error::not_found(format!("there is no message `{id}` in channel `{channel}`"))),
    }
}

/// Writes a message to the outbox, where there is one, before it is acknowledged.
fn write(view: &View<'_>, outbox: Option<&Outbox>, id: &str) -> Result<()> {
    let Some(outbox) = outbox else { return Ok(()) };
    let sent: Sent = view.get(id)?;
    let (time, sender) = match &sent.edited {
        None => (sent.sent_at, &sent.sender),
        Some(edited) => (edited.at, &edited.by),
    };
    outbox.append(&Line {
        time,
        message: &sent.message.body,
        channel: &sent.message.channel,
        sender,
        id,
        thread_ref: sent.message.thread_ref.as_deref(),
        edited: sent.edited.is_some(),
        blocks: &sent.message.blocks,
    })
}

impl Sent {
    fn result(self) -> MessageResult {
        MessageResult::new(self.id, self.message.channel).sent_at(self.sent_at)
    }
}
