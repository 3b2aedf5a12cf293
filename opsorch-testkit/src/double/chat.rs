//! A chat.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch::{Clock, Time};
use serde_json::{Map, Value};

/// A chat in memory: channels, messages and threads.
///
/// Channels are `C1`, `C2` and so on. A message is known by its `ts`, seconds with six decimals from the clock, which
/// is distinct and grows even where the clock stands still.
///
/// ```
/// use opsorch::ManualClock;
/// use opsorch_testkit::double::Chat;
///
/// let mut chat = Chat::new(ManualClock::default());
/// let channel = chat.open("incidents").id.clone();
/// let ts = chat.post(&channel, "bot", "disk full").unwrap().ts.clone();
/// let reply = chat.reply(&channel, &ts, "ada", "on it").unwrap().ts.clone();
/// assert!(chat.reply(&channel, &reply, "ada", "done").is_none(), "a reply has no thread of its own");
///
/// chat.edit(&channel, &ts, |message| message.text = "disk full, solved".to_owned());
/// let thread: Vec<_> = chat.thread(&channel, &ts).map(|message| message.text.as_str()).collect();
/// assert_eq!(thread, ["disk full, solved", "on it"]);
/// assert_eq!(chat.history(&channel).count(), 1, "replies stand in their thread");
/// ```
#[derive(Debug)]
pub struct Chat {
    clock: Arc<dyn Clock>,
    channels: Vec<Channel>,
    last: i64,
    once: BTreeMap<String, (String, String)>,
}

/// A channel of a [`Chat`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Channel {
    /// The id, such as `C1`.
    pub id: String,
    /// The name, without `#`.
    pub name: String,
    /// Whether it is closed; the wire refuses posts to it.
    pub archived: bool,
    /// Everything else, as the vendor keeps it, such as members.
    pub fields: Map<String, Value>,
    messages: Vec<Posted>,
}

/// A message in a [`Channel`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Posted {
    /// Its id, such as `1767225600.000001`: a text, and never a number.
    pub ts: String,
    /// The `ts` of the message it answers.
    pub thread: Option<String>,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub text: String,
    /// Everything else, as the vendor keeps it, such as blocks.
    pub fields: Map<String, Value>,
    /// When it was last changed.
    pub edited: Option<Time>,
}

impl Chat {
    /// A chat without channels.
    pub fn new(clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), channels: Vec::new(), last: 0, once: BTreeMap::new() }
    }

    /// Opens a channel, or gives the one of this name.
    pub fn open(&mut self, name: &str) -> &mut Channel {
        let place = self.channels.iter().position(|channel| channel.name == name).unwrap_or_else(|| {
            let id = format!("C{}", self.channels.len() + 1);
            let (name, fields) = (name.to_owned(), Map::new());
            self.channels.push(Channel { id, name, archived: false, fields, messages: Vec::new() });
            self.channels.len() - 1
        });
        #[allow(clippy::indexing_slicing)] // it was found there, or just put there
        &mut self.channels[place]
    }

    /// The channel of this id or name.
    pub fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.is(id))
    }

    /// The channels in the order in which they were opened.
    pub fn channels(&self) -> impl DoubleEndedIterator<Item = &Channel> {
        self.channels.iter()
    }

    /// Writes to a channel; `None` where there is none of this id or name.
    pub fn post(&mut self, channel: &str, author: impl Into<String>, text: impl Into<String>) -> Option<&mut Posted> {
        self.write(channel, None, author.into(), text.into())
    }

    /// Writes to a channel, or gives the message that was written with this idempotency key, as it is now. `None` where
    /// there is no such channel, or the message is gone.
    pub fn post_once(
        &mut self,
        key: &str,
        channel: &str,
        author: impl Into<String>,
        text: impl Into<String>,
    ) -> Option<&mut Posted> {
        let (channel, ts) = match self.once.get(key) {
            Some(known) => known.clone(),
            None => {
                let channel = self.channel(channel)?.id.clone();
                let ts = self.post(&channel, author, text)?.ts.clone();
                self.once.insert(key.to_owned(), (channel.clone(), ts.clone()));
                (channel, ts)
            }
        };
        self.message_mut(&channel, &ts)
    }

    /// Writes into the thread of a message; `None` where there is none of this `ts`, or it is a reply itself.
    pub fn reply(
        &mut self,
        channel: &str,
        ts: &str,
        author: impl Into<String>,
        text: impl Into<String>,
    ) -> Option<&mut Posted> {
        self.message(channel, ts).filter(|message| message.thread.is_none())?;
        self.write(channel, Some(ts.to_owned()), author.into(), text.into())
    }

    /// The message of this `ts`.
    pub fn message(&self, channel: &str, ts: &str) -> Option<&Posted> {
        self.channel(channel)?.messages.iter().find(|message| message.ts == ts)
    }

    /// Changes a message; it is edited now. `None` where there is none of this `ts`.
    pub fn edit(&mut self, channel: &str, ts: &str, change: impl FnOnce(&mut Posted)) -> Option<&Posted> {
        let now = self.clock.now();
        let message = self.message_mut(channel, ts)?;
        change(message);
        message.edited = Some(now);
        Some(message)
    }

    /// Takes a message away; `None` where there is none of this `ts`. Its replies stay.
    pub fn delete(&mut self, channel: &str, ts: &str) -> Option<Posted> {
        let channel = self.channels.iter_mut().find(|known| known.is(channel))?;
        let place = channel.messages.iter().position(|message| message.ts == ts)?;
        Some(channel.messages.remove(place))
    }

    /// The messages of a channel that are no replies, from the newest.
    pub fn history(&self, channel: &str) -> impl DoubleEndedIterator<Item = &Posted> {
        let messages = self.channel(channel).map(|channel| channel.messages.as_slice()).unwrap_or_default();
        messages.iter().rev().filter(|message| message.thread.is_none())
    }

    /// A message and the replies to it, from the oldest.
    pub fn thread(&self, channel: &str, ts: &str) -> impl DoubleEndedIterator<Item = &Posted> {
        let messages = self.channel(channel).map(|channel| channel.messages.as_slice()).unwrap_or_default();
        messages.iter().filter(move |message| message.thread.as_deref().unwrap_or(&message.ts) == ts)
    }

    fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Posted> {
        let channel = self.channels.iter_mut().find(|known| known.is(channel))?;
        channel.messages.iter_mut().find(|message| message.ts == ts)
    }

    fn write(&mut self, channel: &str, thread: Option<String>, author: String, text: String) -> Option<&mut Posted> {
        let moment = self.clock.now().timestamp_micros().max(self.last + 1);
        let channel = self.channels.iter_mut().find(|known| known.is(channel))?;
        self.last = moment;
        let ts = format!("{}.{:06}", moment.div_euclid(1_000_000), moment.rem_euclid(1_000_000));
        channel.messages.push(Posted { ts, thread, author, text, fields: Map::new(), edited: None });
        channel.messages.last_mut()
    }
}

impl Channel {
    fn is(&self, id: &str) -> bool {
        self.id == id || self.name == id
    }
}
