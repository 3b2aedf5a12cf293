//! Issues, pull requests among them, and comments.

use std::cmp::Reverse;

use opsorch::Time;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{body, by_key, by_number, json, parameter};
use serde_json::{Value, json};

use super::shape::{API, PAGE, label, milestone, time, user};
use super::{GitHub, OWNER, has_only, invalid, linked, listed, not_found, page_of, problem, unmatched};

/// The milestones of every repository.
pub const MILESTONES: [(u64, &str); 2] = [(1, "v1.0"), (2, "v2.0")];

/// An issue or a pull request.
#[derive(Clone, Debug)]
pub struct Issue {
    pub repository: String,
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub is_pull_request: bool,
    pub state: String,
    pub state_reason: Option<String>,
    pub author: Option<String>,
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    pub milestone: Option<u64>,
    pub kind: Option<String>,
    pub created: Time,
    pub updated: Time,
    /// Members that replace those of the answer.
    pub odd: Value,
}

impl Issue {
    pub fn new(repository: &str, number: u64, title: impl Into<String>, created: Time) -> Self {
        Self {
            repository: repository.to_owned(),
            number,
            title: title.into(),
            body: None,
            is_pull_request: false,
            state: "open".to_owned(),
            state_reason: None,
            author: Some("alice".to_owned()),
            labels: Vec::new(),
            assignees: Vec::new(),
            milestone: None,
            kind: None,
            created,
            updated: created,
            odd: Value::Null,
        }
    }

    pub fn closed(mut self, reason: Option<&str>) -> Self {
        (self.state, self.state_reason) = ("closed".to_owned(), reason.map(str::to_owned));
        self
    }

    pub fn shape(&self) -> Value {
        let url = format!("{API}/repos/{OWNER}/{}/issues/{}", self.repository, self.number);
        let below = |name: &str| format!("{url}/{name}");
        let kind = if self.is_pull_request { "pull" } else { "issues" };
        let known = MILESTONES.iter().find(|(number, _)| Some(*number) == self.milestone);
        let is_closed = self.state == "closed";
        let mut shape = json!({
            "id": 10_000 + self.number, "node_id": "I_1", "url": url,
            "repository_url": format!("{API}/repos/{OWNER}/{}", self.repository), "labels_url": below("labels{/name}"),
            "comments_url": below("comments"), "events_url": below("events"),
            "html_url": format!("{PAGE}/{OWNER}/{}/{kind}/{}", self.repository, self.number),
            "number": self.number, "state": self.state, "state_reason": self.state_reason, "title": self.title,
            "body": self.body, "user": self.author.as_deref().map(user),
            "labels": self.labels.iter().map(|name| label(name)).collect::<Vec<_>>(),
            "assignee": self.assignees.first().map(|login| user(login)),
            "assignees": self.assignees.iter().map(|login| user(login)).collect::<Vec<_>>(),
            "milestone": known.map(|(number, title)| milestone(*number, title)), "locked": false,
            "active_lock_reason": null, "comments": 0, "closed_at": is_closed.then(|| time(self.updated)),
            "created_at": time(self.created), "updated_at": time(self.updated), "author_association": "MEMBER",
        });
        if self.is_pull_request {
            shape["pull_request"] = json!({ "diff_url": null, "html_url": null, "patch_url": null, "url": null });
        }
        if let Some(kind) = &self.kind {
            shape["type"] = json!({ "id": 1, "node_id": "IT_1", "name": kind, "description": null });
        }
        for (name, value) in self.odd.as_object().into_iter().flatten() {
            shape[name] = value.clone();
        }
        shape
    }
}

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    pub repository: String,
    pub issue: u64,
    pub id: u64,
    pub body: String,
    pub created: Time,
}

impl Comment {
    pub fn shape(&self) -> Value {
        let issue = format!("{API}/repos/{OWNER}/{}/issues/{}", self.repository, self.issue);
        let page = format!("{PAGE}/{OWNER}/{}/issues/{}", self.repository, self.issue);
        json!({
            "id": self.id, "node_id": "IC_1", "url": format!("{API}/repos/{OWNER}/{}/issues/comments/{}", self.repository, self.id),
            "html_url": format!("{page}#issuecomment-{}", self.id), "body": self.body, "user": user("opsorch-bot"),
            "created_at": time(self.created), "updated_at": time(self.created), "issue_url": issue,
            "author_association": "MEMBER",
        })
    }
}

impl GitHub {
    pub fn issue_routes(&mut self, request: &Request, repository: &str, rest: &[&str]) -> Reply {
        let number = rest.first().and_then(|number| number.parse::<u64>().ok());
        let place = self.issues.iter().position(|it| it.repository == repository && Some(it.number) == number);
        match (request.method.as_str(), rest, place) {
            ("GET", [], _) => self.list_issues(request, repository),
            ("POST", [], _) => self.open_issue(&body(request), repository),
            (_, [_, ..], None) => not_found(),
            ("GET", [_], Some(place)) => super::ok(&self.issues[place].shape()),
            ("PATCH", [_], Some(place)) => self.change_issue(&body(request), place),
            ("GET", [_, "comments"], Some(place)) => self.list_comments(request, place),
            ("POST", [_, "comments"], Some(place)) => self.add_comment(&body(request), place),
            _ => unmatched(request),
        }
    }

    fn list_issues(&self, request: &Request, repository: &str) -> Reply {
        let known =
            ["state", "assignee", "creator", "labels", "sort", "direction", "since", "per_page", "page", "after"];
        if !has_only(request, &known) {
            return unmatched(request);
        }
        let of = |name: &str| parameter(request, name);
        for name in ["assignee", "creator"] {
            if of(name).is_some_and(|it| it != "none" && it != "*" && !self.people.contains(&it.as_str())) {
                return invalid("Issue", name, "invalid");
            }
        }
        let (page, size) = page_of(request);
        if self.by_cursor && page > 1 && of("after").is_none() {
            let text = "Pagination with the page parameter is not supported for large datasets, please use cursor based pagination (after/before)";
            return problem(StatusCode::UNPROCESSABLE_ENTITY, text);
        }
        let labels: Vec<String> = of("labels").iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
        let state = of("state").unwrap_or_else(|| "open".to_owned());
        let since: Option<Time> = of("since").map(|time| time.parse().unwrap());
        let is_wanted = |issue: &&Issue| {
            issue.repository == repository
                && (state == "all" || issue.state == state)
                && of("assignee").is_none_or(|name| match name.as_str() {
                    "none" => issue.assignees.is_empty(),
                    "*" => !issue.assignees.is_empty(),
                    name => issue.assignees.iter().any(|it| it == name),
                })
                && of("creator").is_none_or(|name| issue.author.as_deref() == Some(name.as_str()))
                && labels.iter().all(|label| issue.labels.contains(label))
                && since.is_none_or(|since| issue.updated >= since)
        };
        let mut found: Vec<&Issue> = self.issues.iter().filter(is_wanted).collect();
        found.sort_by_key(|issue| Reverse((issue.created, issue.number)));
        if !self.by_cursor {
            return listed(request, by_number(found, page, size), Issue::shape);
        }
        let after = of("after").and_then(|after| after.strip_prefix("cursor:")?.parse::<u64>().ok());
        let after = after.and_then(|number| found.iter().position(|it| it.number == number));
        let places = found.iter().enumerate();
        let part = by_key(places, |(place, _)| *place, after, size);
        let last = part.items.last().map(|(_, issue)| format!("cursor:{}", issue.number));
        let next = part.next.and(last).map(|after| vec![("after", after), ("page", (page + 1).to_string())]);
        linked(request, &Value::Array(part.items.iter().map(|(_, issue)| issue.shape()).collect()), next)
    }

    fn open_issue(&mut self, input: &Value, repository: &str) -> Reply {
        if let Some(refusal) = wrong_members(input, &["title", "body", "assignees", "labels", "milestone", "type"]) {
            return refusal;
        }
        let title = input["title"].as_str().unwrap_or_default().trim();
        if title.is_empty() {
            return invalid("Issue", "title", "missing_field");
        }
        let of_repository = self.issues.iter().filter(|it| it.repository == repository);
        let number = of_repository.map(|it| it.number).max().unwrap_or(0) + 1;
        let mut issue = Issue::new(repository, number, title, self.now());
        issue.author = Some("opsorch-bot".to_owned());
        issue.body = input["body"].as_str().map(str::to_owned);
        if let Some(refusal) = self.set(&mut issue, input) {
            return refusal;
        }
        self.issues.push(issue.clone());
        json(StatusCode::CREATED, &issue.shape())
    }

    fn change_issue(&mut self, input: &Value, place: usize) -> Reply {
        let known = ["title", "body", "state", "state_reason", "assignees", "labels", "milestone", "type"];
        if let Some(refusal) = wrong_members(input, &known) {
            return refusal;
        }
        let mut issue = self.issues[place].clone();
        if let Some(title) = input["title"].as_str() {
            issue.title = title.trim().to_owned();
        }
        if let Some(text) = input["body"].as_str() {
            issue.body = Some(text.to_owned());
        }
        match (input["state"].as_str(), issue.state.as_str()) {
            (Some("closed"), "open") => {
                let reason = input["state_reason"].as_str().unwrap_or("completed");
                (issue.state, issue.state_reason) = ("closed".to_owned(), Some(reason.to_owned()));
            }
            (Some("open"), "closed") => {
                (issue.state, issue.state_reason) = ("open".to_owned(), Some("reopened".to_owned()));
            }
            _ => {}
        }
        if let Some(refusal) = self.set(&mut issue, input) {
            return refusal;
        }
        issue.updated = self.now();
        self.issues[place] = issue.clone();
        super::ok(&issue.shape())
    }

    /// What only those may set who may push; for others it is dropped without a word.
    fn set(&self, issue: &mut Issue, input: &Value) -> Option<Reply> {
        let texts = |name: &str| {
            let list = input[name].as_array()?;
            Some(list.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect::<Vec<_>>())
        };
        if let Some(number) = input["milestone"].as_u64()
            && MILESTONES.iter().all(|(known, _)| *known != number)
        {
            return Some(invalid("Issue", "milestone", "invalid"));
        }
        if !self.can_push {
            return None;
        }
        if let Some(names) = texts("assignees") {
            issue.assignees = names.into_iter().filter(|name| self.people.contains(&name.as_str())).collect();
        }
        if let Some(names) = texts("labels") {
            issue.labels = names;
        }
        if let Some(milestone) = input.get("milestone") {
            issue.milestone = milestone.as_u64();
        }
        if let Some(kind) = input["type"].as_str() {
            issue.kind = Some(kind.to_owned());
        }
        None
    }

    pub fn milestones(&self, request: &Request) -> Reply {
        if !has_only(request, &["state", "per_page", "page"]) {
            return unmatched(request);
        }
        let (page, size) = page_of(request);
        listed(request, by_number(MILESTONES, page, size), |(number, title)| milestone(number, title))
    }

    fn list_comments(&self, request: &Request, place: usize) -> Reply {
        if !has_only(request, &["since", "per_page", "page"]) {
            return unmatched(request);
        }
        let issue = &self.issues[place];
        let since: Option<Time> = parameter(request, "since").map(|time| time.parse().unwrap());
        let is_of_it = |it: &&Comment| {
            it.repository == issue.repository
                && it.issue == issue.number
                && since.is_none_or(|since| it.created >= since)
        };
        let (page, size) = page_of(request);
        listed(request, by_number(self.comments.iter().filter(is_of_it), page, size), Comment::shape)
    }

    fn add_comment(&mut self, input: &Value, place: usize) -> Reply {
        if let Some(refusal) = wrong_members(input, &["body"]) {
            return refusal;
        }
        let issue = &self.issues[place];
        let comment = Comment {
            repository: issue.repository.clone(),
            issue: issue.number,
            id: 7_000_000_000 + self.comments.len() as u64,
            body: input["body"].as_str().unwrap_or_default().to_owned(),
            created: self.now(),
        };
        self.comments.push(comment.clone());
        json(StatusCode::CREATED, &comment.shape())
    }
}

/// Whether an input has a member that the provider never sends.
pub fn wrong_members(input: &Value, known: &[&str]) -> Option<Reply> {
    let Some(members) = input.as_object() else {
        return Some(problem(StatusCode::BAD_REQUEST, "Problems parsing JSON"));
    };
    let unknown = members.keys().find(|name| !known.contains(&name.as_str()))?;
    Some(problem(StatusCode::NOT_IMPLEMENTED, &format!("the double knows no member {unknown}")))
}
