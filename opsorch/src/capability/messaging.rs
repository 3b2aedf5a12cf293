//! Messages to people and channels.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::gate::Approved;
use crate::{Context, Message, MessageResult, Result, UpdateMessage};

/// Sends messages.
#[async_trait]
pub trait MessageSender: Debug + Send + Sync + 'static {
    /// Sends a message; an unknown channel is `NotFound`.
    async fn send(&self, cx: &Context, input: Approved<'_, Message>) -> Result<MessageResult>;
}

/// Replaces messages that were sent.
#[async_trait]
pub trait MessageEditor: Debug + Send + Sync + 'static {
    /// Replaces a message; an unknown one is `NotFound`.
    async fn update(&self, cx: &Context, input: Approved<'_, UpdateMessage>) -> Result<MessageResult>;
}
