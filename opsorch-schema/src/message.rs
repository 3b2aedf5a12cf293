//! Messages to people and channels.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_time, optional_url};
use crate::{BlockKind, BlockKindLevel, Fields, MessageId, ProviderName, Time};

/// A message to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Message {
    /// Where it goes, by the name or id the provider knows.
    pub channel: String,
    /// What it says, in CommonMark. Shown where blocks cannot be.
    pub body: String,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The message or thread it answers, by the provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_ref: Option<String>,
    /// The message laid out; absent to show the body.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
}

impl Message {
    /// A text for a channel.
    ///
    /// ```
    /// use opsorch_schema::{Block, Message};
    ///
    /// let message = Message::new("#ops", "disk full on db-1")
    ///     .block(Block::header("Disk full"))
    ///     .block(Block::section("`db-1` has no space left").field("region", "eu"));
    /// assert_eq!(message.blocks.len(), 2);
    /// ```
    pub fn new(channel: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            body: body.into(),
            metadata: Fields::new(),
            thread_ref: None,
            blocks: Vec::new(),
        }
    }

    setters! {
        entry metadata as metadata: Value;
        some thread_ref: String;
        each blocks as block: Block;
    }
}

/// A part of a message that is laid out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Block {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: BlockKind,
    /// What it says, in CommonMark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Short texts with a name, in the order of their names.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

impl Block {
    /// An empty block of a kind.
    pub fn new(kind: impl Into<BlockKind>) -> Self {
        Self { kind: kind.into(), text: None, fields: BTreeMap::new() }
    }

    /// A title.
    pub fn header(text: impl Into<String>) -> Self {
        Self::new(BlockKindLevel::Header).text(text)
    }

    /// Text, to which fields can be added.
    pub fn section(text: impl Into<String>) -> Self {
        Self::new(BlockKindLevel::Section).text(text)
    }

    /// A line between blocks.
    pub fn divider() -> Self {
        Self::new(BlockKindLevel::Divider)
    }

    setters! {
        some text: String;
        entry fields as field: String;
    }
}

/// A message to put in the place of one that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct UpdateMessage {
    /// The message that was sent.
    pub id: MessageId,
    /// Where it was sent, as the result of sending it says.
    pub channel: String,
    /// What it says from now on, in CommonMark.
    pub body: String,
    /// The message laid out; absent to show the body.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl UpdateMessage {
    /// A new text for this message of a channel.
    pub fn new(id: impl Into<MessageId>, channel: impl Into<String>, body: impl Into<String>) -> Self {
        Self { id: id.into(), channel: channel.into(), body: body.into(), blocks: Vec::new(), metadata: Fields::new() }
    }

    setters! {
        each blocks as block: Block;
        entry metadata as metadata: Value;
    }
}

/// A message that was sent or replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MessageResult {
    /// Its id.
    pub id: MessageId,
    /// Where it is, by the provider's id.
    pub channel: String,
    /// When it was sent.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Time>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl MessageResult {
    /// A message in a channel.
    pub fn new(id: impl Into<MessageId>, channel: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            channel: channel.into(),
            sent_at: None,
            url: None,
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some sent_at: Time;
        some url: Url;
        entry metadata as metadata: Value;
    }
}

item!(MessageResult { key: id, time: sent_at, url: url });
