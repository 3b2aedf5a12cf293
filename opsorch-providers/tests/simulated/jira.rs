//! A Jira in memory: small, and strict about what it is asked.
//!
//! The conformance suite runs over a [`Jira`]; other tests make it misbehave.
// It is part of several tests.
#![allow(unreachable_pub, dead_code)]

pub mod issue;
pub mod jql;
pub mod world;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::Clock;
use opsorch::transport::{Method, Reply, Request, StatusCode};
use opsorch_testkit::double::{Double, SECRET, body, by_key, by_offset, json, parameter, path};
use serde_json::{Map, Value, json};

use self::issue::{Issue, Refusal};

/// Whose token it is.
pub const EMAIL: &str = "opsorch@example.com";

/// A Jira with one project, `OPS`.
pub struct Jira {
    pub is_cloud: bool,
    pub clock: Arc<dyn Clock>,
    pub issues: Vec<Issue>,
    /// The most issues of one answer.
    pub page: usize,
    /// Whether a search of Cloud does not know of what was written, unless it is told to look.
    pub is_late: bool,
    /// A field that has to be set in a new issue.
    pub required: Option<&'static str>,
    /// The permissions that the credential lacks.
    pub lacks: Vec<&'static str>,
    /// Before the API.
    pub prefix: Vec<&'static str>,
    pub remote_links: Vec<(String, Value)>,
    pub comments: usize,
}

impl Jira {
    pub fn cloud(clock: Arc<dyn Clock>) -> Self {
        Self {
            is_cloud: true,
            issues: world::issues(clock.as_ref(), true),
            clock,
            page: 3,
            is_late: false,
            required: None,
            lacks: Vec::new(),
            prefix: Vec::new(),
            remote_links: Vec::new(),
            comments: 0,
        }
    }

    pub fn data_center(clock: Arc<dyn Clock>) -> Self {
        let issues = world::issues(clock.as_ref(), false);
        Self { is_cloud: false, issues, prefix: vec!["jira"], ..Self::cloud(clock) }
    }

    pub fn find(&mut self, id: &str) -> Result<&mut Issue, Refusal> {
        let found = self.issues.iter_mut().find(|issue| issue.id.to_string() == id || issue.key == id);
        found.ok_or_else(|| Refusal::new(404, "Issue does not exist or you do not have permission to see it."))
    }

    fn serve(&mut self, request: &Request) -> Result<Reply, Refusal> {
        let whole = path(request);
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        let version = if self.is_cloud { "3" } else { "2" };
        let prefix = [self.prefix.as_slice(), &["rest", "api", version]].concat();
        let Some(below) = whole.strip_prefix(prefix.as_slice()) else { return Ok(Reply::new(StatusCode::NOT_FOUND)) };
        match (&request.method, below) {
            (&Method::POST, ["search", "jql"]) if self.is_cloud => self.search_by_token(&body(request)),
            (&Method::POST | &Method::GET, ["search"]) if self.is_cloud => Err(Refusal::new(
                410,
                "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.",
            )),
            (&Method::POST, ["search"]) => self.search_by_offset(&body(request)),
            (&Method::POST, ["issue"]) => self.create(&body(request)),
            (&Method::GET, ["issue", id]) => self.read(id, request),
            (&Method::PUT, ["issue", id]) => self.edit(id, &body(request)),
            (&Method::GET, ["issue", id, "transitions"]) => self.ways(id),
            (&Method::POST, ["issue", id, "transitions"]) => self.transition(id, &body(request)),
            (&Method::POST, ["issue", id, "comment"]) => self.comment(id, &body(request)),
            (&Method::GET, ["issue", id, "comment"]) => {
                let mut comments = self.find(id)?.comments.clone();
                comments.reverse();
                Ok(ok(&json!({ "startAt": 0, "maxResults": 100, "total": comments.len(), "comments": comments })))
            }
            (&Method::POST, ["issue", id, "remotelink"]) => self.remote_link(id, &body(request)),
            (&Method::GET, ["user", "search"]) => Ok(ok(&self.people(request))),
            (&Method::GET, ["myself"]) => Ok(ok(&world::user(self.is_cloud, "opsorch"))),
            (&Method::GET, ["serverInfo"]) => Ok(ok(&json!({ "version": "10.3.24", "buildNumber": 10_030_024 }))),
            (&Method::GET, ["mypermissions"]) => self.permissions(request),
            _ => Ok(Reply::new(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    /// The issues that a query finds, newest first.
    fn found(&self, query: &str, told: &[u64]) -> Result<Vec<&Issue>, Refusal> {
        let query =
            jql::Query::parse(query).ok_or_else(|| Refusal::new(400, &format!("Error in the JQL Query: {query}")))?;
        query.check()?;
        let is_known = |issue: &&Issue| !(self.is_late && issue.is_new) || told.contains(&issue.id);
        let mut found: Vec<_> = self.issues.iter().filter(is_known).filter(|issue| query.matches(issue)).collect();
        found.sort_by_key(|issue| std::cmp::Reverse((issue.created, issue.id)));
        Ok(found)
    }

    fn search_by_token(&self, body: &Value) -> Result<Reply, Refusal> {
        const KNOWN: [&str; 8] =
            ["jql", "fields", "fieldsByKeys", "maxResults", "nextPageToken", "expand", "properties", "reconcileIssues"];
        let members = body.as_object().ok_or_else(|| Refusal::new(400, "no body"))?;
        if let Some(unknown) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Refusal::new(400, &format!("Unrecognized field \"{unknown}\"")));
        }
        let told: Vec<u64> = serde_json::from_value(body["reconcileIssues"].clone()).unwrap_or_default();
        let after = match body["nextPageToken"].as_str() {
            None => None,
            Some(token) => Some(
                read_token(token)
                    .ok_or_else(|| Refusal::new(400, "The provided next page token is invalid or expired."))?,
            ),
        };
        let found = self.found(body["jql"].as_str().unwrap_or_default(), &told)?;
        let place = |issue: &&Issue| std::cmp::Reverse((issue.created.timestamp_millis(), issue.id));
        let part = by_key(found, place, after.map(std::cmp::Reverse), self.size(body));
        let issues: Vec<_> = part.items.iter().map(|issue| issue.shown(&fields(body), true)).collect();
        let mut answer = json!({ "issues": issues, "isLast": part.next.is_none() });
        if let Some(std::cmp::Reverse((created, id))) = part.next {
            answer["nextPageToken"] = json!(format!("Ch0jU3{created}.{id}"));
        }
        Ok(ok(&answer))
    }

    fn search_by_offset(&self, body: &Value) -> Result<Reply, Refusal> {
        let found = self.found(body["jql"].as_str().unwrap_or_default(), &[])?;
        let start = body["startAt"].as_u64().unwrap_or_default() as usize;
        let part = by_offset(found, start, self.size(body));
        let issues: Vec<_> = part.items.iter().map(|issue| issue.shown(&fields(body), false)).collect();
        Ok(ok(&json!({ "startAt": start, "maxResults": self.size(body), "total": part.total, "issues": issues })))
    }

    /// More than the most is silently less.
    fn size(&self, body: &Value) -> usize {
        (body["maxResults"].as_u64().unwrap_or(50) as usize).min(self.page)
    }

    fn read(&mut self, id: &str, request: &Request) -> Result<Reply, Refusal> {
        let fields = parameter(request, "fields").unwrap_or_default();
        let fields: Vec<String> = fields.split(',').map(str::to_owned).collect();
        let properties = parameter(request, "properties").unwrap_or_default();
        let issue = self.find(id)?;
        let mut shown = issue.shown(&fields, true);
        let wanted =
            properties.split(',').filter_map(|name| Some((name.to_owned(), issue.properties.get(name)?.clone())));
        shown["properties"] = Value::Object(wanted.collect());
        Ok(ok(&shown))
    }

    fn create(&mut self, body: &Value) -> Result<Reply, Refusal> {
        let given = body["fields"].as_object().cloned().unwrap_or_default();
        if given.get("project") != Some(&json!({ "key": "OPS" })) {
            return Err(Refusal::of_field("project", "valid project is required"));
        }
        if let Some(required) = self.required.filter(|name| !given.contains_key(*name)) {
            return Err(Refusal::of_field(required, "Team is required."));
        }
        let number = self.issues.len() as u64 + 1;
        let mut issue = Issue::new(10_000 + number, format!("OPS-{number}"), self.clock.now(), self.is_cloud);
        issue.is_new = true;
        issue.set(&given, &self.clock, self.is_cloud)?;
        if issue.fields.get("summary").is_none() {
            return Err(Refusal::of_field("summary", "You must specify a summary of the issue."));
        }
        issue.link(&body["update"])?;
        issue.keep(&body["properties"]);
        let created =
            json!({ "id": issue.id.to_string(), "key": issue.key, "self": "https://example.atlassian.net/x" });
        self.issues.push(issue);
        Ok(json(StatusCode::CREATED, &created))
    }

    fn edit(&mut self, id: &str, body: &Value) -> Result<Reply, Refusal> {
        let (clock, is_cloud) = (Arc::clone(&self.clock), self.is_cloud);
        let issue = self.find(id)?;
        let mut changed = issue.clone();
        changed.set(body["fields"].as_object().unwrap_or(&Map::new()), &clock, is_cloud)?;
        changed.link(&body["update"])?;
        changed.keep(&body["properties"]);
        *issue = changed;
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }

    fn ways(&mut self, id: &str) -> Result<Reply, Refusal> {
        let status = self.find(id)?.status().to_owned();
        let ways: Vec<_> = world::ways(&status).map(|way| way.shown()).collect();
        Ok(ok(&json!({ "expand": "transitions", "transitions": ways })))
    }

    fn transition(&mut self, id: &str, body: &Value) -> Result<Reply, Refusal> {
        let (clock, is_cloud) = (Arc::clone(&self.clock), self.is_cloud);
        let issue = self.find(id)?;
        let status = issue.status().to_owned();
        let Some(way) = world::ways(&status).find(|way| body["transition"]["id"] == way.id) else {
            return Err(Refusal::new(400, "It seems that you have tried to perform an illegal workflow operation."));
        };
        let given = body["fields"].as_object().cloned().unwrap_or_default();
        if let (Some(needed), true) = (way.needs, way.needs.is_some_and(|needed| !given.contains_key(needed))) {
            return Err(Refusal::of_field(needed, "Resolution is required."));
        }
        let mut changed = issue.clone();
        changed.set_on_screen(&given, &clock, is_cloud)?;
        changed.fields.insert("status".to_owned(), world::status(way.to));
        *issue = changed;
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }

    fn comment(&mut self, id: &str, body: &Value) -> Result<Reply, Refusal> {
        let (now, is_cloud, number) = (self.clock.now(), self.is_cloud, self.comments + 1);
        let issue = self.find(id)?;
        issue::check_text("comment", &body["body"], is_cloud)?;
        let comment = json!({
            "id": number.to_string(),
            "author": world::user(is_cloud, "opsorch"),
            "body": body["body"],
            "created": issue::time(now),
            "properties": body["properties"],
        });
        issue.comments.push(comment.clone());
        self.comments = number;
        Ok(json(StatusCode::CREATED, &comment))
    }

    fn remote_link(&mut self, id: &str, body: &Value) -> Result<Reply, Refusal> {
        let key = self.find(id)?.key.clone();
        let known = self.remote_links.iter().position(|(of, link)| *of == key && link["globalId"] == body["globalId"]);
        let status = match known {
            Some(index) => {
                self.remote_links[index].1 = body.clone();
                StatusCode::OK
            }
            None => {
                self.remote_links.push((key, body.clone()));
                StatusCode::CREATED
            }
        };
        Ok(json(status, &json!({ "id": 10_000, "self": "https://example.atlassian.net/x" })))
    }

    fn people(&self, request: &Request) -> Vec<Value> {
        let name = if self.is_cloud { "query" } else { "username" };
        let wanted = parameter(request, name).unwrap_or_default().to_lowercase();
        let everybody = world::PEOPLE.iter().map(|name| world::user(self.is_cloud, name));
        let begins = |user: &Value| {
            let email = user["emailAddress"].as_str().unwrap_or_default().to_lowercase();
            !wanted.is_empty() && email.starts_with(wanted.split('+').next().unwrap_or_default())
        };
        everybody.filter(begins).collect()
    }

    fn permissions(&self, request: &Request) -> Result<Reply, Refusal> {
        if parameter(request, "projectKey").as_deref() != Some("OPS") {
            return Err(Refusal::new(404, "No project could be found with key 'NO'."));
        }
        let asked = parameter(request, "permissions").unwrap_or_default();
        let permissions = asked
            .split(',')
            .map(|key| (key.to_owned(), json!({ "key": key, "havePermission": !self.lacks.contains(&key) })));
        Ok(ok(&json!({ "permissions": Value::Object(permissions.collect()) })))
    }
}

impl Double for Jira {
    fn answer(&mut self, request: &Request) -> Reply {
        let credential = match self.is_cloud {
            true => format!("Basic {}", STANDARD.encode(format!("{EMAIL}:{SECRET}"))),
            false => format!("Bearer {SECRET}"),
        };
        if request.headers.get("authorization").is_none_or(|sent| sent.as_bytes() != credential.as_bytes()) {
            // Jira itself says it in HTML.
            return Reply::new(StatusCode::UNAUTHORIZED).body("<html><h1>Unauthorized (401)</h1></html>");
        }
        self.serve(request).unwrap_or_else(|refusal| refusal.reply())
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        json(status, &json!({ "errorMessages": [status.canonical_reason().unwrap_or("no")], "errors": {} }))
    }
}

fn fields(body: &Value) -> Vec<String> {
    serde_json::from_value(body["fields"].clone()).unwrap_or_default()
}

fn read_token(token: &str) -> Option<(i64, u64)> {
    let (created, id) = token.strip_prefix("Ch0jU3")?.split_once('.')?;
    Some((created.parse().ok()?, id.parse().ok()?))
}

fn ok(body: &impl serde::Serialize) -> Reply {
    json(StatusCode::OK, body)
}
