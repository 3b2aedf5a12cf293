//! Messages to channels.

use async_trait::async_trait;
use opsorch::capability::{MessageEditor, MessageSender};
use opsorch::gate::Approved;
use opsorch::{Context, Message, MessageId, MessageResult, Result, UpdateMessage};

use super::MemoryProvider;
use super::table::unknown;
use super::world::World;

impl MemoryProvider {
    /// Opens a channel that messages can be sent to.
    pub fn seed_channel(&self, channel: impl Into<String>) {
        self.world().channels.insert(channel.into());
    }

    /// The messages as they now are, in the order in which they were sent; no operation reads them.
    pub fn messages(&self) -> Vec<(MessageId, Message)> {
        let world = self.world();
        let ids = world.messages.rows().iter().map(|result| result.id.clone());
        ids.zip(world.sent.iter().cloned()).collect()
    }
}

#[async_trait]
impl MessageSender for MemoryProvider {
    /// An unknown message to answer is `NotFound` too.
    async fn send(&self, _: &Context, input: Approved<'_, Message>) -> Result<MessageResult> {
        self.change(input, |world, input| {
            world.check_channel(&input.channel)?;
            if let Some(thread) = &input.thread_ref {
                world.messages.get(thread)?;
            }
            let now = world.now();
            world.sent.push(input.clone());
            Ok(world.messages.add(|id| MessageResult::new(id, &input.channel).sent_at(now)))
        })
        .await
    }
}

#[async_trait]
impl MessageEditor for MemoryProvider {
    async fn update(&self, _: &Context, input: Approved<'_, UpdateMessage>) -> Result<MessageResult> {
        self.change(input, |world, input| {
            world.check_channel(&input.channel)?;
            let index = world.messages.position(&input.id)?;
            let in_channel = world.sent.get_mut(index).filter(|message| message.channel == input.channel);
            let message = in_channel.ok_or_else(|| {
                unknown(&format!("message of {}", input.channel), input.id.as_str(), std::iter::empty())
            })?;
            message.body = input.body.clone();
            message.blocks = input.blocks.clone();
            message.metadata.extend(input.metadata.clone());
            world.messages.get(&input.id).cloned()
        })
        .await
    }
}

impl World {
    fn check_channel(&self, channel: &str) -> Result<()> {
        if self.channels.contains(channel) {
            return Ok(());
        }
        Err(unknown("channel", channel, self.channels.iter().map(String::as_str)))
    }
}
