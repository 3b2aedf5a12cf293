//! What a write sends: fields, in the form that Jira takes.

use opsorch::{Context, Error, Fields, Result};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::jira::people::People;

/// Names in `fields` that have another place.
const ELSEWHERE: [(&str, &str); 6] = [
    ("project", "it is that of the configuration"),
    ("summary", "it is `title`"),
    ("title", "it has a place of its own"),
    ("description", "it has a place of its own"),
    ("status", "it has a place of its own in an update; a new ticket begins with the first status of its workflow"),
    ("assignees", "it has a place of its own in an update; a new ticket takes `assignee`"),
];

/// Fields that take a name where Jira wants an object, by our name and by Jira's.
const NAMED: [(&str, &str); 4] =
    [("priority", "priority"), ("issueType", "issuetype"), ("issuetype", "issuetype"), ("resolution", "resolution")];

/// Fields that take a list of names.
const NAMED_LISTS: [&str; 3] = ["components", "fixVersions", "versions"];

/// A change on its way to Jira.
#[derive(Debug, Default)]
pub(super) struct Draft {
    fields: Map<String, Value>,
    links: Vec<Value>,
    properties: Vec<Value>,
    pub(super) remote_links: Vec<RemoteLink>,
}

/// A link to a page elsewhere.
#[derive(Debug)]
pub(super) struct RemoteLink {
    url: String,
    title: String,
}

impl RemoteLink {
    /// What Jira takes. The id follows from the address, so that the same link is not made twice.
    pub(super) fn body(&self) -> Value {
        let digest: [u8; 32] = Sha256::digest(&self.url).into();
        let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        json!({ "globalId": format!("opsorch-{id}"), "object": { "url": self.url, "title": self.title } })
    }
}

impl Draft {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Sets a field, by Jira's name and in its form.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    pub(super) fn property(&mut self, key: &str, value: Value) {
        self.properties.push(json!({ "key": key, "value": value }));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.links.is_empty()
    }

    /// Takes out the fields that a screen has: Jira wants each of them once.
    pub(super) fn take(&mut self, is_there: impl Fn(&str) -> bool) -> Map<String, Value> {
        let names: Vec<String> = self.fields.keys().filter(|name| is_there(name)).cloned().collect();
        names.into_iter().filter_map(|name| self.fields.remove_entry(&name)).collect()
    }

    /// Whether a field is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "fields": self.fields });
        if let Some(body) = body.as_object_mut() {
            if !self.links.is_empty() {
                body.insert("update".to_owned(), json!({ "issuelinks": self.links }));
            }
            if !self.properties.is_empty() {
                body.insert("properties".to_owned(), json!(self.properties));
            }
        }
        body
    }

    /// Sets the fields that a caller gave. Those that are not known here go to Jira as they are, by its own names.
    ///
    /// # Errors
    /// `Invalid` for a field that has another place, and for a value that cannot be meant.
    pub(super) async fn fields(
        &mut self,
        cx: &Context,
        people: &People,
        given: &Fields,
        is_update: bool,
    ) -> Result<()> {
        for (name, value) in given {
            let path = format!("fields.{name}");
            if let Some((_, place)) = ELSEWHERE.iter().find(|(known, _)| known == name) {
                return Err(Error::invalid(path, format!("`{name}` is no field to set here: {place}")));
            }
            match (name.as_str(), value) {
                ("assignee", _) if is_update => {
                    return Err(Error::invalid(path, "`assignee` is no field to set here: it is `assignees`"));
                }
                ("assignee" | "reporter", Value::String(text)) => {
                    self.set(name, person(cx, people, &path, text).await?);
                }
                ("labels", _) => self.set(name, labels(&path, value)?),
                ("links", _) => self.link(&path, value)?,
                ("parent", Value::String(key)) => self.set(name, json!({ "key": key })),
                ("dueDate", _) => self.set("duedate", value.clone()),
                _ => self.plain(name, &path, value)?,
            }
        }
        Ok(())
    }

    fn plain(&mut self, name: &str, path: &str, value: &Value) -> Result<()> {
        if let (Some((_, own)), Value::String(text)) = (NAMED.iter().find(|(known, _)| *known == name), value) {
            self.set(own, json!({ "name": text }));
        } else if let Some((_, own)) = NAMED.iter().find(|(known, _)| *known == name) {
            self.set(own, value.clone());
        } else if NAMED_LISTS.contains(&name) {
            let expected = || Error::invalid(path, "expected a list of names");
            let named = |value: &Value| match value {
                Value::String(text) => Ok(json!({ "name": text })),
                Value::Object(_) => Ok(value.clone()),
                _ => Err(expected()),
            };
            let values = value.as_array().ok_or_else(expected)?.iter().map(named).collect::<Result<Vec<_>>>()?;
            self.set(name, json!(values));
        } else {
            self.set(name, value.clone());
        }
        Ok(())
    }

    /// Links: `{"type": "Blocks", "to": "OPS-2"}`, `{"type": "Blocks", "from": "OPS-3"}`, or
    /// `{"url": "https://…", "title": "…"}` for a page elsewhere.
    fn link(&mut self, path: &str, value: &Value) -> Result<()> {
        let expected = || {
            let message = "expected a list of links: {\"type\": \"Blocks\", \"to\": \"OPS-2\"}, the same with `from`, or \
                           {\"url\": \"https://…\", \"title\": \"…\"}";
            Error::invalid(path, message)
        };
        for link in value.as_array().ok_or_else(expected)? {
            let text = |name: &str| link.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            let members = link.as_object().map(Map::len).unwrap_or_default();
            match (text("type"), text("to"), text("from"), text("url"), text("title")) {
                (Some(kind), Some(to), None, None, None) if members == 2 => {
                    self.links.push(json!({ "add": { "type": { "name": kind }, "outwardIssue": { "key": to } } }));
                }
                (Some(kind), None, Some(from), None, None) if members == 2 => {
                    self.links.push(json!({ "add": { "type": { "name": kind }, "inwardIssue": { "key": from } } }));
                }
                (None, None, None, Some(url), title) if members == 1 + usize::from(title.is_some()) => {
                    let title = title.unwrap_or(url).to_owned();
                    self.remote_links.push(RemoteLink { url: url.to_owned(), title });
                }
                _ => return Err(expected()),
            }
        }
        Ok(())
    }
}

/// A person in the form of the deployment.
pub(super) async fn person(cx: &Context, people: &People, field: &str, person: &str) -> Result<Value> {
    if person.trim().is_empty() {
        return Err(Error::invalid(field, "expected an account or an e-mail address, got a blank text"));
    }
    let id = people.known(cx, field, person).await?;
    Ok(people.reference(&id))
}

/// Labels, which Jira takes without blanks only.
fn labels(path: &str, value: &Value) -> Result<Value> {
    let expected = || Error::invalid(path, "expected a list of texts without blanks");
    let is_label = |label: &Value| {
        label
            .as_str()
            .is_some_and(|label| !label.is_empty() && !label.contains(char::is_whitespace) && label.len() <= 255)
    };
    match value.as_array().ok_or_else(expected)?.iter().all(is_label) {
        true => Ok(value.clone()),
        false => Err(expected()),
    }
}
