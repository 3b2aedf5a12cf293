//! Issues, and what Jira takes as their fields.

use std::sync::Arc;

use opsorch::transport::{Reply, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::json;
use serde_json::{Map, Value, json};

use super::world;

#[derive(Clone, Debug)]
pub struct Issue {
    pub id: u64,
    pub key: String,
    pub created: Time,
    pub fields: Map<String, Value>,
    pub properties: Map<String, Value>,
    pub comments: Vec<Value>,
    /// Whether it was made by a request.
    pub is_new: bool,
}

/// What Jira refuses, in its own words.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    body: Value,
}

impl Refusal {
    pub fn new(status: u16, message: &str) -> Self {
        Self { status, body: json!({ "errorMessages": [message], "errors": {} }) }
    }

    pub fn of_field(field: &str, message: &str) -> Self {
        Self { status: 400, body: json!({ "errorMessages": [], "errors": { field: message } }) }
    }

    pub fn reply(self) -> Reply {
        json(StatusCode::from_u16(self.status).unwrap(), &self.body)
    }
}

/// As Jira writes times: the offset has no colon.
pub fn time(time: Time) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

impl Issue {
    pub fn new(id: u64, key: String, created: Time, is_cloud: bool) -> Self {
        let fields = json!({
            "status": world::status("To Do"),
            "created": time(created),
            "updated": time(created),
            "reporter": world::user(is_cloud, "opsorch"),
            "assignee": null,
            "priority": null,
            "resolution": null,
            "labels": [],
            "components": [],
            "issuelinks": [],
        });
        let Value::Object(fields) = fields else { unreachable!() };
        Self { id, key, created, fields, properties: Map::new(), comments: Vec::new(), is_new: false }
    }

    pub fn status(&self) -> &str {
        self.fields["status"]["name"].as_str().unwrap()
    }

    /// With the fields that are asked for, which are none by default.
    pub fn shown(&self, wanted: &[String], with_properties: bool) -> Value {
        let fields = self.fields.iter().filter(|(name, _)| wanted.contains(name));
        let fields: Map<_, _> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut shown =
            json!({ "id": self.id.to_string(), "key": self.key, "self": "https://example.atlassian.net/x" });
        if !fields.is_empty() {
            shown["fields"] = Value::Object(fields);
        }
        if with_properties {
            shown["properties"] = json!(self.properties);
        }
        shown
    }

    /// Sets the fields of the usual screens.
    pub fn set(&mut self, given: &Map<String, Value>, clock: &Arc<dyn Clock>, is_cloud: bool) -> Result<(), Refusal> {
        if given.contains_key("resolution") {
            return Err(Refusal::of_field(
                "resolution",
                "Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown.",
            ));
        }
        self.set_on_screen(given, clock, is_cloud)
    }

    pub fn set_on_screen(
        &mut self,
        given: &Map<String, Value>,
        clock: &Arc<dyn Clock>,
        is_cloud: bool,
    ) -> Result<(), Refusal> {
        for (name, value) in given {
            let value = match name.as_str() {
                "project" => continue,
                // Jira ignores it in an edit.
                "status" => continue,
                "summary" => summary(value)?,
                "description" if value.is_null() => Value::Null,
                "description" => {
                    check_text("description", value, is_cloud)?;
                    value.clone()
                }
                "assignee" | "reporter" if value.is_null() => Value::Null,
                "assignee" | "reporter" => {
                    let id = value[if is_cloud { "accountId" } else { "name" }].as_str();
                    let known = id.and_then(|id| world::PEOPLE.iter().find(|name| **name == id));
                    let known = known.ok_or_else(|| Refusal::of_field(name, "User does not exist."))?;
                    world::user(is_cloud, known)
                }
                "labels" | "components" | "customfield_10010" | "duedate" | "parent" => value.clone(),
                "priority" | "issuetype" | "resolution" => json!({ "id": "3", "name": value["name"] }),
                _ => {
                    let message =
                        format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown.");
                    return Err(Refusal::of_field(name, &message));
                }
            };
            self.fields.insert(name.clone(), value);
        }
        self.fields.insert("updated".to_owned(), json!(time(clock.now())));
        Ok(())
    }

    pub fn link(&mut self, update: &Value) -> Result<(), Refusal> {
        for link in update["issuelinks"].as_array().into_iter().flatten() {
            let link = link["add"].clone();
            if !link["type"]["name"].is_string() {
                return Err(Refusal::of_field("issuelinks", "a type is required"));
            }
            self.fields["issuelinks"].as_array_mut().unwrap().push(link);
        }
        Ok(())
    }

    pub fn keep(&mut self, properties: &Value) {
        for property in properties.as_array().into_iter().flatten() {
            self.properties.insert(property["key"].as_str().unwrap().to_owned(), property["value"].clone());
        }
    }
}

fn summary(value: &Value) -> Result<Value, Refusal> {
    let text = value.as_str().unwrap_or_default();
    match text {
        _ if text.trim().is_empty() => Err(Refusal::of_field("summary", "You must specify a summary of the issue.")),
        _ if text.contains(['\n', '\r']) => {
            Err(Refusal::of_field("summary", "The summary is invalid because it contains newline characters."))
        }
        _ if text.chars().count() > 255 => Err(Refusal::of_field("summary", "Summary can't exceed 255 characters.")),
        _ => Ok(value.clone()),
    }
}

/// Cloud takes documents without empty texts, Data Center takes texts.
pub fn check_text(field: &str, text: &Value, is_cloud: bool) -> Result<(), Refusal> {
    let is_document = text["type"] == "doc" && text["version"] == 1 && text["content"].is_array() && has_no_empty(text);
    match if is_cloud { is_document } else { text.is_string() } {
        true => Ok(()),
        false if is_cloud => Err(Refusal::of_field(
            field,
            "Operation value must be an Atlassian Document (see the Atlassian Document Format)",
        )),
        false => Err(Refusal::of_field(field, "Operation value must be a string")),
    }
}

fn has_no_empty(node: &Value) -> bool {
    let is_empty = node["type"] == "text" && node["text"].as_str().is_none_or(str::is_empty);
    !is_empty && node["content"].as_array().into_iter().flatten().all(has_no_empty)
}
