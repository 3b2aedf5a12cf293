//! Slack's JSON, as far as it is read and written here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The beginning of every answer. Slack says nearly every error with status 200.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) ok: bool,
    pub(super) error: Option<String>,
    pub(super) needed: Option<String>,
    pub(super) warning: Option<String>,
    #[serde(default)]
    pub(super) response_metadata: Option<StatusMetadata>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct StatusMetadata {
    #[serde(default)]
    pub(super) next_cursor: String,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

/// `chat.postMessage` and `chat.update`.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    pub(super) channel: String,
    /// The id of a message: digits that are never read as a number.
    pub(super) ts: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Permalink {
    pub(super) permalink: String,
}

/// `conversations.open`.
#[derive(Debug, Deserialize)]
pub(super) struct Opened {
    pub(super) channel: Conversation,
}

/// `conversations.list`.
#[derive(Debug, Deserialize)]
pub(super) struct Conversations {
    #[serde(default)]
    pub(super) channels: Vec<Conversation>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Conversation {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// `users.lookupByEmail`.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) user: User,
}

/// `users.list`.
#[derive(Debug, Deserialize)]
pub(super) struct Users {
    #[serde(default)]
    pub(super) members: Vec<User>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) profile: Profile,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Profile {
    #[serde(default)]
    pub(super) display_name: Option<String>,
}

/// `conversations.history` and `conversations.replies`.
#[derive(Debug, Deserialize)]
pub(super) struct History {
    #[serde(default)]
    pub(super) messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) ts: String,
    #[serde(default)]
    pub(super) thread_ts: Option<String>,
    #[serde(default)]
    pub(super) bot_id: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Marked>,
}

impl Message {
    /// What a message of this bot says of itself under this name.
    pub(super) fn mark(&self, bot: Option<&str>, event: &str) -> Option<&serde_json::Value> {
        let is_by_bot = bot.is_some() && self.bot_id.as_deref() == bot;
        let mark = self.metadata.as_ref().filter(|mark| is_by_bot && mark.event_type == event)?;
        Some(&mark.event_payload)
    }
}

/// `auth.test`.
#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    #[serde(default)]
    pub(super) bot_id: Option<String>,
}

/// The metadata of a message, whoever wrote it.
#[derive(Debug, Deserialize)]
pub(super) struct Marked {
    #[serde(default)]
    pub(super) event_type: String,
    #[serde(default)]
    pub(super) event_payload: serde_json::Value,
}

/// The metadata of a message of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Mark {
    pub(super) event_type: &'static str,
    pub(super) event_payload: serde_json::Value,
}

/// A message to post, or to put in the place of another.
#[derive(Debug, Serialize)]
pub(super) struct Post<'a> {
    pub(super) channel: &'a str,
    /// The message to replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ts: Option<&'a str>,
    pub(super) text: &'a str,
    pub(super) blocks: &'a [Block],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_ts: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_broadcast: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unfurl_links: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unfurl_media: Option<bool>,
    pub(super) metadata: &'a Mark,
}

/// Block Kit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Header {
        text: Text,
    },
    Section {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Text>,
    },
    Divider {},
    RichText {
        elements: [Preformatted; 1],
    },
    Actions {
        elements: Vec<Button>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", content = "text", rename_all = "snake_case")]
pub(super) enum Text {
    PlainText(String),
    Mrkdwn(String),
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        let (Self::PlainText(text) | Self::Mrkdwn(text)) = self;
        text
    }
}

/// Text that is shown as it is: nothing in it is markup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "rich_text_preformatted")]
pub(super) struct Preformatted {
    pub(super) elements: [Literal; 1],
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "text")]
pub(super) struct Literal {
    pub(super) text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "button")]
pub(super) struct Button {
    pub(super) action_id: &'static str,
    pub(super) text: Text,
    pub(super) style: &'static str,
    pub(super) value: String,
}

/// A pressed button.
#[derive(Debug, Deserialize)]
pub(super) struct Interaction<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) user: Option<Presser>,
    #[serde(default)]
    pub(super) actions: Vec<Pressed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Presser {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) team_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pressed {
    #[serde(default)]
    pub(super) action_id: String,
    #[serde(default)]
    pub(super) value: Option<String>,
}
