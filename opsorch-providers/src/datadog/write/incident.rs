//! Opens and changes incidents.

use async_trait::async_trait;
use opsorch::capability::IncidentWriter;
use opsorch::gate::Approved;
use opsorch::{Context, CreateIncident, Error, Fields, Incident, Result, UpdateIncident};
use serde_json::{Map, Value, json};

use super::fields::{self, Change, dropdown, texts};
use crate::datadog::api::Datadog;
use crate::datadog::list::{List, Paging};
use crate::datadog::map::incident::{self as map, SERVICES, SUMMARY, severity_for, state_for};
use crate::datadog::read::incident::{Incidents, is_uuid};
use crate::datadog::wire::incident::OneIncident;
use crate::datadog::wire::resource::{Document, User};

/// Opens and changes the incidents of an organization.
///
/// Datadog has no key by which an incident could be found again: one whose answer was lost may have been opened.
#[derive(Debug)]
pub(in crate::datadog) struct IncidentDesk {
    incidents: Incidents,
}

impl IncidentDesk {
    pub(in crate::datadog) fn new(incidents: Incidents) -> Self {
        Self { incidents }
    }

    fn datadog(&self) -> &Datadog {
        &self.incidents.datadog
    }

    async fn new_incident(&self, cx: &Context, input: &CreateIncident) -> Result<Change> {
        check_title(&input.title)?;
        no_metadata(&input.metadata)?;
        let mut change = Change::default();
        change.attribute("title", &*input.title);
        let status = input.status.as_ref().map(state_for).transpose()?;
        change.fields.extend(status.map(|state| ("state".to_owned(), dropdown(state))));
        let severity = input.severity.as_ref().map(severity_for).transpose()?;
        change.fields.extend(severity.map(|severity| ("severity".to_owned(), dropdown(severity))));
        let description = input.description.as_deref().filter(|text| !text.is_empty());
        change.fields.extend(description.map(|text| (SUMMARY.to_owned(), textbox(Some(text)))));
        let service = input.service.as_deref().filter(|name| !name.is_empty());
        change.fields.extend(service.map(|name| (SERVICES.to_owned(), texts(&[name]))));
        fields::write(&input.fields, &mut change, true)?;
        fields::check_impact(&mut change)?;
        self.name_commander(cx, &mut change).await?;
        Ok(change)
    }

    async fn changed(&self, cx: &Context, input: &UpdateIncident) -> Result<Change> {
        no_metadata(&input.metadata)?;
        let mut change = Change::default();
        if let Some(title) = &input.title {
            check_title(title)?;
            change.attribute("title", title.as_str());
        }
        let status = input.status.as_ref().map(state_for).transpose()?;
        change.fields.extend(status.map(|state| ("state".to_owned(), dropdown(state))));
        let severity = input.severity.as_ref().map(severity_for).transpose()?;
        change.fields.extend(severity.map(|severity| ("severity".to_owned(), dropdown(severity))));
        let description = input.description.as_deref().map(|text| Some(text).filter(|text| !text.is_empty()));
        change.fields.extend(description.map(|text| (SUMMARY.to_owned(), textbox(text))));
        let services = input.service.as_deref().map(|name| if name.is_empty() { vec![] } else { vec![name] });
        change.fields.extend(services.map(|names| (SERVICES.to_owned(), texts(&names))));
        fields::write(&input.fields, &mut change, false)?;
        self.name_commander(cx, &mut change).await?;
        Ok(change)
    }

    /// Makes the address of the one who leads the incident the id that Datadog knows them by.
    async fn name_commander(&self, cx: &Context, change: &mut Change) -> Result<()> {
        let Some(Some(named)) = &change.commander else { return Ok(()) };
        if is_uuid(named) {
            return Ok(());
        }
        let list = List {
            datadog: self.datadog(),
            path: &["api", "v2", "users"],
            parameters: vec![("filter", named.clone())],
            paging: Paging::Number("page[number]", "page[size]"),
            size: 100,
        };
        let users = list.all::<Document<Vec<User>>>(cx).await?;
        let is_it =
            |user: &&User| user.attributes.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(named));
        let found: Vec<&str> = users.iter().filter(is_it).map(|user| user.id.as_str()).collect();
        let name = opsorch::visible(named);
        let problem = match found.as_slice() {
            [id] => {
                change.commander = Some(Some((*id).to_owned()));
                return Ok(());
            }
            [] => format!("no user of the organization has the address `{name}`"),
            several => format!("several users have the address `{name}`; name one by its id: {}", several.join(", ")),
        };
        Err(Error::invalid("fields.commander", problem))
    }

    fn answer(&self, made: OneIncident) -> Incident {
        map::incident(self.datadog(), made.data, &made.included)
    }
}

#[async_trait]
impl IncidentWriter for IncidentDesk {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident> {
        let change = self.new_incident(cx, &input).await.map_err(Error::not_applied)?;
        let names_commander = change.commander.is_some();
        let body = json!({ "data": body(change) });
        let made: OneIncident = self.datadog().post(cx, ["api", "v2", "incidents"], &body).await?;
        let made = self.answer(made);
        if !names_commander {
            return Ok(made);
        }
        // It is opened; the answer names the commander by the id alone. What cannot be read again is shown as answered.
        match self.incidents.find(cx, &made.id).await {
            Ok(whole) => Ok(whole),
            Err(error) => {
                tracing::debug!(code = error.kind().code(), "a new incident could not be read again");
                Ok(made)
            }
        }
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident> {
        if *input == UpdateIncident::new(&input.id) {
            return self.incidents.find(cx, &input.id).await;
        }
        let change = self.changed(cx, &input).await.map_err(Error::not_applied)?;
        // A change is made by the UUID.
        let id = match is_uuid(input.id.as_str()) {
            true => input.id.to_string(),
            false => self.incidents.find(cx, &input.id).await.map_err(Error::not_applied)?.id.to_string(),
        };
        let mut body = body(change);
        body.insert("id".to_owned(), json!(id));
        let path = ["api", "v2", "incidents", &id];
        let request = self.datadog().client.patch(path).query(&[("include", "users")]).json(&json!({ "data": body }));
        Ok(self.answer(self.datadog().ask(cx, request).await?.json()?))
    }
}

/// The change as Datadog takes it: what is not named in it stays as it is.
fn body(change: Change) -> Map<String, Value> {
    let Change { mut attributes, fields, commander } = change;
    if !fields.is_empty() {
        attributes.insert("fields".to_owned(), Value::Object(fields));
    }
    let mut body =
        Map::from_iter([("type".to_owned(), json!("incidents")), ("attributes".to_owned(), Value::Object(attributes))]);
    if let Some(commander) = commander {
        let user = commander.map(|id| json!({ "type": "users", "id": id }));
        body.insert("relationships".to_owned(), json!({ "commander_user": { "data": user } }));
    }
    body
}

fn textbox(text: Option<&str>) -> Value {
    json!({ "type": "textbox", "value": text })
}

fn check_title(title: &str) -> Result<()> {
    match title.trim().is_empty() {
        true => Err(Error::invalid("title", "expected a title, got a blank one")),
        false => Ok(()),
    }
}

fn no_metadata(metadata: &Fields) -> Result<()> {
    match metadata.keys().next() {
        Some(name) => Err(Error::unsupported(format!("Datadog takes no `metadata.{name}`; leave it out"))),
        None => Ok(()),
    }
}
