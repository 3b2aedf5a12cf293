//! The answers of vendors as anybody would derive them: owned, with the members that the schema has a place for.
#![allow(missing_docs, missing_debug_implementations, clippy::exhaustive_structs)]

use std::collections::BTreeMap;

use opsorch::Time;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub struct PagerDuty {
    pub incidents: Vec<PagerDutyIncident>,
    pub more: bool,
    pub limit: u64,
}

#[derive(Deserialize)]
pub struct PagerDutyIncident {
    pub id: String,
    pub incident_number: u64,
    pub title: String,
    pub summary: String,
    pub html_url: String,
    pub created_at: Time,
    pub updated_at: Time,
    pub last_status_change_at: Time,
    pub resolved_at: Option<Time>,
    pub status: String,
    pub urgency: String,
    pub incident_key: Option<String>,
    pub service: Reference,
    pub priority: Option<Reference>,
    pub escalation_policy: Reference,
    pub teams: Vec<Reference>,
    pub assignments: Vec<Assignment>,
    pub alert_counts: AlertCounts,
    pub incident_type: IncidentType,
    pub body: Body,
}

#[derive(Deserialize)]
pub struct Reference {
    pub id: String,
    pub summary: String,
    pub name: Option<String>,
    pub html_url: Option<String>,
}

#[derive(Deserialize)]
pub struct Assignment {
    pub assignee: Reference,
}

#[derive(Deserialize)]
pub struct AlertCounts {
    pub all: u64,
    pub triggered: u64,
    pub resolved: u64,
}

#[derive(Deserialize)]
pub struct IncidentType {
    pub name: String,
}

#[derive(Deserialize)]
pub struct Body {
    pub details: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Jira {
    pub issues: Vec<JiraIssue>,
    pub next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub struct JiraIssue {
    pub id: String,
    pub key: String,
    pub fields: JiraFields,
}

#[derive(Deserialize)]
pub struct JiraFields {
    pub summary: String,
    pub description: Option<Node>,
    pub status: Status,
    pub assignee: Option<JiraUser>,
    pub reporter: Option<JiraUser>,
    pub created: String,
    pub updated: String,
    pub priority: Named,
    pub issuetype: Named,
    pub labels: Vec<String>,
    pub components: Vec<Named>,
    pub resolution: Option<Named>,
    pub duedate: Option<String>,
    pub parent: Option<Keyed>,
    pub issuelinks: Vec<Link>,
}

/// A node of a document.
#[derive(Deserialize)]
pub struct Node {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    pub attrs: Option<Map<String, Value>>,
    #[serde(default)]
    pub marks: Vec<Mark>,
    #[serde(default)]
    pub content: Vec<Node>,
}

#[derive(Deserialize)]
pub struct Mark {
    #[serde(rename = "type")]
    pub kind: String,
    pub attrs: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub name: String,
    pub status_category: StatusCategory,
}

#[derive(Deserialize)]
pub struct StatusCategory {
    pub key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JiraUser {
    pub account_id: String,
    pub display_name: String,
    pub email_address: Option<String>,
}

#[derive(Deserialize)]
pub struct Named {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
}

#[derive(Deserialize)]
pub struct Keyed {
    pub key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    #[serde(rename = "type")]
    pub kind: Named,
    pub outward_issue: Option<Keyed>,
    pub inward_issue: Option<Keyed>,
}

#[derive(Deserialize)]
pub struct GitHubIssue {
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub state: String,
    pub state_reason: Option<String>,
    pub user: GitHubUser,
    pub labels: Vec<Label>,
    pub assignees: Vec<GitHubUser>,
    pub milestone: Option<Milestone>,
    pub html_url: String,
    pub comments: u64,
    pub locked: bool,
    pub author_association: String,
    pub created_at: Time,
    pub updated_at: Time,
    pub closed_at: Option<Time>,
    pub closed_by: Option<GitHubUser>,
}

#[derive(Deserialize)]
pub struct GitHubUser {
    pub login: String,
}

#[derive(Deserialize)]
pub struct Label {
    pub name: String,
}

#[derive(Deserialize)]
pub struct Milestone {
    pub number: u64,
    pub title: String,
}

#[derive(Deserialize)]
pub struct Elastic {
    pub hits: Hits,
}

#[derive(Deserialize)]
pub struct Hits {
    pub hits: Vec<Hit>,
}

#[derive(Deserialize)]
pub struct Hit {
    #[serde(rename = "_index")]
    pub index: String,
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(rename = "_source")]
    pub source: Source,
    pub sort: (i64, i64),
}

/// A document in the Elastic Common Schema. What is nobody's own stays the tree that it is.
#[derive(Deserialize)]
pub struct Source {
    pub message: String,
    pub log: Log,
    pub service: Service,
    pub labels: BTreeMap<String, String>,
    pub event: Value,
    pub ecs: Value,
    pub host: Value,
    pub agent: Value,
    pub kubernetes: Value,
    pub tags: Value,
    pub trace: Value,
    pub error: Option<Value>,
}

#[derive(Deserialize)]
pub struct Log {
    pub level: String,
    pub logger: String,
    pub file: Value,
    pub offset: u64,
}

#[derive(Deserialize)]
pub struct Service {
    pub name: String,
    pub version: String,
    pub environment: String,
}

#[derive(Deserialize)]
pub struct Datadog {
    pub data: Vec<DatadogLog>,
    pub meta: Meta,
}

#[derive(Deserialize)]
pub struct DatadogLog {
    pub id: String,
    pub attributes: DatadogAttributes,
}

#[derive(Deserialize)]
pub struct DatadogAttributes {
    pub timestamp: Time,
    pub message: String,
    pub status: String,
    pub service: String,
    pub host: String,
    pub tags: Vec<String>,
    pub attributes: Map<String, Value>,
}

#[derive(Deserialize)]
pub struct Meta {
    pub status: String,
    pub page: After,
}

#[derive(Deserialize)]
pub struct After {
    pub after: Option<String>,
}
