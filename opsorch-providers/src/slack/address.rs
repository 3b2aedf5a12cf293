//! Whom a message is for: a channel, or people, by id, name or e-mail address.

use std::collections::BTreeSet;

use opsorch::{Context, Error, ErrorKind, Result, visible};
use serde_json::json;

use super::api::{Enough, Slack};
use super::people::is_id;
use super::wire::{Conversations, Found, Opened, User, Users};

/// The most people of one conversation, beside the app.
const MOST_PEOPLE: usize = 8;

/// The most conversations and people on a page of a list.
const PAGE: &str = "1000";

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A channel, a group or a conversation by its id.
    Id(String),
    /// A channel by its name, without `#`.
    Name(String),
    /// People, in one conversation.
    People(Vec<Person>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Person {
    Id(String),
    Email(String),
    /// The name or the display name, without `@`.
    Handle(String),
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(person) = Person::parse(text).filter(|_| !text.contains(',')) {
            return Ok(Self::People(vec![person]));
        }
        if text.contains(',') {
            return Self::parse_people(text);
        }
        match text.strip_prefix('#').unwrap_or(text) {
            "" | "@" => Err(Error::invalid("channel", "expected a channel or a person, got nothing")),
            id if is_id(id, "CGD") => Ok(Self::Id(id.to_owned())),
            name => Ok(Self::Name(name.to_owned())),
        }
    }

    fn parse_people(text: &str) -> Result<Self> {
        let people: Option<Vec<Person>> = text.split(',').map(|person| Person::parse(person.trim())).collect();
        let expected =
            "expected a channel, a person, or several people with commas between: ids, @names or e-mail addresses";
        let people = people.ok_or_else(|| Error::invalid("channel", expected))?;
        if people.len() > MOST_PEOPLE {
            let message =
                format!("expected at most {MOST_PEOPLE} people, got {}; make a channel for more", people.len());
            return Err(Error::invalid("channel", message));
        }
        Ok(Self::People(people))
    }

    /// What a message is posted to: a name stays one, because Slack knows its channels best.
    pub(super) async fn to_post(&self, cx: &Context, slack: &Slack) -> Result<String> {
        match self {
            Self::Name(name) => Ok(format!("#{name}")),
            other => other.to_id(cx, slack).await,
        }
    }

    /// The id of the conversation, which most methods need.
    pub(super) async fn to_id(&self, cx: &Context, slack: &Slack) -> Result<String> {
        match self {
            Self::Id(id) => Ok(id.clone()),
            Self::Name(name) => channel_of_name(cx, slack, name).await,
            Self::People(people) => {
                let mut users = BTreeSet::new();
                for person in people {
                    users.insert(person.to_id(cx, slack).await?);
                }
                let users = users.into_iter().collect::<Vec<_>>().join(",");
                let opened = slack.write::<Opened>(cx, "conversations.open", None, &json!({ "users": users })).await;
                // No message is sent by opening a conversation, and opening it again gives the same.
                Ok(opened.map_err(Error::not_applied)?.answer.channel.id)
            }
        }
    }
}

impl Person {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('@') {
            Some("") => None,
            Some(id) if is_id(id, "UW") => Some(Self::Id(id.to_owned())),
            Some(handle) => Some(Self::Handle(handle.to_owned())),
            None if text.contains('@') => Some(Self::Email(text.to_owned())),
            None if is_id(text, "UW") => Some(Self::Id(text.to_owned())),
            None => None,
        }
    }

    async fn to_id(&self, cx: &Context, slack: &Slack) -> Result<String> {
        match self {
            Self::Id(id) => Ok(id.clone()),
            Self::Email(email) => {
                let arguments = [("email", email.as_str())];
                Ok(slack.read::<Found>(cx, "users.lookupByEmail", &arguments).await?.answer.user.id)
            }
            Self::Handle(handle) => user_of_handle(cx, slack, handle).await,
        }
    }
}

/// The one channel of a name that the app sees and that is not archived.
async fn channel_of_name(cx: &Context, slack: &Slack, name: &str) -> Result<String> {
    let mut arguments =
        vec![("types", "public_channel,private_channel"), ("exclude_archived", "true"), ("limit", PAGE)];
    arguments.extend(slack.team());
    let mut found = None;
    let take = |page: Conversations| {
        found = page.channels.into_iter().find(|channel| channel.name.as_deref() == Some(name));
        if found.is_some() { Enough::Yes } else { Enough::No }
    };
    slack.pages(cx, "conversations.list", &arguments, take).await?;
    let hint = "archived channels and private ones without the app are not seen";
    found
        .map(|channel| channel.id)
        .ok_or_else(|| Error::not_found(format!("there is no channel `#{}`", visible(name))).with_context("hint", hint))
}

/// The one person whose name or display name this is.
async fn user_of_handle(cx: &Context, slack: &Slack, handle: &str) -> Result<String> {
    let mut arguments = vec![("limit", PAGE)];
    arguments.extend(slack.team());
    let (mut named, mut displayed) = (Vec::new(), Vec::new());
    let take = |page: Users| {
        for user in page.members.into_iter().filter(|user| !user.deleted) {
            if user.name.as_deref() == Some(handle) {
                named.push(user);
            } else if user.profile.display_name.as_deref() == Some(handle) {
                displayed.push(user);
            }
        }
        Enough::No
    };
    slack.pages(cx, "users.list", &arguments, take).await?;
    named.append(&mut displayed);
    match named.as_slice() {
        [] => Err(Error::not_found(format!("there is nobody called `@{}`", visible(handle)))),
        [user] => Ok(user.id.clone()),
        several => {
            let candidates: Vec<_> = several.iter().take(10).map(describe).collect();
            let message = format!("several people are called that; name one by id: {}", candidates.join(", "));
            Err(Error::new(ErrorKind::Invalid { field: "channel".to_owned() }, message))
        }
    }
}

fn describe(user: &User) -> String {
    format!("{} (@{})", visible(&user.id), visible(user.name.as_deref().unwrap_or_default()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_form() {
        let person = |person| Address::People(vec![person]);
        for (text, address) in [
            ("C012AB3CD", Address::Id("C012AB3CD".into())),
            ("D012AB3CD", Address::Id("D012AB3CD".into())),
            ("#ops", Address::Name("ops".into())),
            ("ops", Address::Name("ops".into())),
            ("café", Address::Name("café".into())),
            ("@ada", person(Person::Handle("ada".into()))),
            ("U012AB3CD", person(Person::Id("U012AB3CD".into()))),
            ("ada@example.com", person(Person::Email("ada@example.com".into()))),
        ] {
            assert_eq!(Address::parse(text).unwrap(), address);
        }
        let several = Address::parse("@ada, bob@example.com,U012AB3CD").unwrap();
        assert!(matches!(several, Address::People(people) if people.len() == 3));
        for wrong in ["", " ", "#", "#ops,#dev", "@", &["@a"; 9].join(",")] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
