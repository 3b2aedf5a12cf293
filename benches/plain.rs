//! The answers of vendors as anybody would derive them: owned, with the members that the schema has a place for.
#![allow(missing_docs, missing_debug_implementations, clippy::exhaustive_structs)]

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
