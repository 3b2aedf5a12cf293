//! The JSON of Jira, as it sends it. Nothing here leaves the folder.

mod failure;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use opsorch::Fields;
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(super) use self::failure::Failure;
use super::adf::{Node, to_commonmark};

/// The property of an issue or a comment that holds the idempotency key of the change that made it.
pub(super) const CHANGE: &str = "opsorch.change";

/// The property of an issue that holds its description as it was written, where Jira's form cannot tell.
pub(super) const DESCRIPTION: &str = "opsorch.description";

/// The fields of an issue that are read.
pub(super) const FIELDS: [&str; 15] = [
    "summary",
    "description",
    "status",
    "assignee",
    "reporter",
    "created",
    "updated",
    "priority",
    "issuetype",
    "labels",
    "components",
    "resolution",
    "duedate",
    "parent",
    "issuelinks",
];

/// What a search answers. Data Center counts, Cloud gives a token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found<'a> {
    #[serde(borrow)]
    pub(super) issues: Vec<Issue<'a>>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) next_page_token: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) is_last: Option<bool>,
    #[serde(default)]
    pub(super) total: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Issue<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    /// Without fields there is no ticket: an empty one would be made up.
    #[serde(borrow)]
    pub(super) fields: IssueFields<'a>,
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Value>,
}

/// What a write answers.
#[derive(Debug, Deserialize)]
pub(super) struct Created {
    pub(super) id: String,
    pub(super) key: String,
}

#[derive(Debug, Default)]
pub(super) struct IssueFields<'a> {
    pub(super) summary: Option<Cow<'a, str>>,
    pub(super) description: Option<Text<'a>>,
    pub(super) status: Option<Status<'a>>,
    pub(super) assignee: Option<User<'a>>,
    pub(super) reporter: Option<User<'a>>,
    pub(super) created: Option<Cow<'a, str>>,
    pub(super) updated: Option<Cow<'a, str>>,
    pub(super) priority: Option<Named<'a>>,
    pub(super) issue_type: Option<Named<'a>>,
    pub(super) labels: Option<Vec<Cow<'a, str>>>,
    pub(super) components: Option<Vec<Named<'a>>>,
    pub(super) resolution: Option<Named<'a>>,
    pub(super) due_date: Option<Cow<'a, str>>,
    pub(super) parent: Option<Keyed<'a>>,
    pub(super) links: Option<Vec<Link<'a>>>,
    /// Custom fields that were asked for.
    pub(super) others: Fields,
}

impl<'de: 'a, 'a> Deserialize<'de> for IssueFields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachField)
    }
}

/// Reads each field into its place. A derived reader with a place for all others would copy everything twice.
struct EachField;

impl<'de> Visitor<'de> for EachField {
    type Value = IssueFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of an issue")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = IssueFields::default();
        while let Some(Name(name)) = map.next_key()? {
            match name.as_ref() {
                "summary" => fields.summary = text(&mut map)?,
                "description" => fields.description = map.next_value()?,
                "status" => fields.status = map.next_value()?,
                "assignee" => fields.assignee = map.next_value()?,
                "reporter" => fields.reporter = map.next_value()?,
                "created" => fields.created = text(&mut map)?,
                "updated" => fields.updated = text(&mut map)?,
                "priority" => fields.priority = map.next_value()?,
                "issuetype" => fields.issue_type = map.next_value()?,
                "labels" => fields.labels = map.next_value()?,
                "components" => fields.components = map.next_value()?,
                "resolution" => fields.resolution = map.next_value()?,
                "duedate" => fields.due_date = text(&mut map)?,
                "parent" => fields.parent = map.next_value()?,
                "issuelinks" => fields.links = map.next_value()?,
                // Webhooks have all fields, and what they hold without a value is not worth a place.
                name if name.starts_with("customfield_") => match map.next_value()? {
                    Value::Null => {}
                    value => _ = fields.others.insert(name.to_owned(), value),
                },
                name if !KNOWN_AND_LARGE.contains(&name) => {
                    let (name, value) = (name.to_owned(), map.next_value()?);
                    if value != Value::Null {
                        fields.others.insert(name, value);
                    }
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(fields)
    }
}

/// What only webhooks have, and nobody asked for.
const KNOWN_AND_LARGE: [&str; 6] = ["comment", "attachment", "worklog", "watches", "votes", "project"];

/// A name, or another short text, without a copy.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Borrows a text that may be absent: in an `Option`, serde would copy it.
pub(super) fn borrowed<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    Ok(Option::<Name<'a>>::deserialize(deserializer)?.map(|Name(text)| text))
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    Ok(map.next_value::<Option<Name<'de>>>()?.map(|Name(text)| text))
}

/// A text: a document in version 3, which is read as CommonMark at once; wiki markup in version 2 and in webhooks.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherText)
    }
}

struct EitherText;

impl<'de> Visitor<'de> for EitherText {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document or a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(text.to_owned().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'de>, A::Error> {
        let document = Node::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Text(to_commonmark(&document).into()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) status_category: Option<Category<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category<'a> {
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
}

/// A person: Cloud knows an account id, Data Center a name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User<'a> {
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) account_id: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) display_name: Option<Cow<'a, str>>,
    /// Often hidden.
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) email_address: Option<Cow<'a, str>>,
}

impl User<'_> {
    /// What the API knows the person by.
    pub(super) fn id(&self) -> Option<&str> {
        self.account_id.as_deref().or(self.name.as_deref())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Named<'a> {
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) description: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Keyed<'a> {
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Named<'a>,
    #[serde(default, borrow)]
    pub(super) outward_issue: Option<Keyed<'a>>,
    #[serde(default, borrow)]
    pub(super) inward_issue: Option<Keyed<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transitions<'a> {
    #[serde(borrow)]
    pub(super) transitions: Vec<Transition<'a>>,
}

/// A way from the present status to another.
#[derive(Debug, Deserialize)]
pub(super) struct Transition<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) to: Status<'a>,
    /// The fields of its screen.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, ScreenField>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ScreenField {
    pub(super) required: bool,
    pub(super) has_default_value: bool,
    pub(super) name: String,
    pub(super) allowed_values: Option<Vec<AllowedValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AllowedValue {
    pub(super) name: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comments<'a> {
    #[serde(borrow)]
    pub(super) comments: Vec<Comment<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comment<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) author: Option<User<'a>>,
    #[serde(default, borrow)]
    pub(super) body: Option<Text<'a>>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) created: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) properties: Vec<Property>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Property {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: Value,
}

/// What Jira posts to webhooks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(super) timestamp: Option<i64>,
    #[serde(default, borrow, deserialize_with = "borrowed")]
    pub(super) webhook_event: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "borrowed", rename = "issue_event_type_name")]
    pub(super) issue_event: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) issue: Option<EventIssue<'a>>,
    #[serde(default, borrow)]
    pub(super) comment: Option<Comment<'a>>,
    #[serde(default, borrow)]
    pub(super) user: Option<User<'a>>,
    #[serde(default)]
    pub(super) changelog: Option<Changelog>,
}

/// An issue of an event: with comments it has few fields, or none.
#[derive(Debug, Deserialize)]
pub(super) struct EventIssue<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) fields: Option<IssueFields<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Changelog {
    #[serde(default)]
    pub(super) items: Vec<Value>,
}
