//! GitHub in memory: small, and strict about what it is asked.
//!
//! It knows the requests that the provider sends, with exactly the parameters that it sends; every other one is answered
//! with 501, which no test takes for a success.
// It is part of several tests.
#![allow(unreachable_pub)]

pub mod deployments;
pub mod issues;
pub mod organization;
pub mod search;
pub mod shape;
pub mod world;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use opsorch::transport::{HeaderName, HeaderValue, Reply, Request, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::{Double, Part, SECRET, json, parameter, path};
use serde_json::{Value, json};

use self::deployments::{Deployment, Run};
use self::issues::{Comment, Issue};
use self::organization::{Repository, Team};

/// The repository, or the organization, of most tests.
pub const OWNER: &str = "acme";

/// A GitHub, below `/api/v3` as an Enterprise Server is.
pub struct GitHub {
    pub clock: Arc<dyn Clock>,
    /// What it lets in.
    pub token: String,
    pub repositories: Vec<Repository>,
    pub teams: Vec<Team>,
    pub issues: Vec<Issue>,
    pub comments: Vec<Comment>,
    pub deployments: Vec<Deployment>,
    pub runs: Vec<Run>,
    /// Who can be assigned, and exists.
    pub people: Vec<&'static str>,
    /// Whether the token has the right to push.
    pub can_push: bool,
    /// Whether lists of issues go on after a cursor, and refuse the number of a page.
    pub by_cursor: bool,
    /// Whether a search says that it ran out of time.
    pub runs_out_of_time: bool,
    /// Whether it answers with tags, and with 304 to what has not changed.
    pub has_tags: bool,
    /// Headers of every answer.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl GitHub {
    /// One with the [world] that there is at this time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut this = Self::empty(clock);
        world::fill(&mut this);
        this
    }

    /// One with two repositories, `acme/api` and `acme/web`, and nothing in them.
    pub fn empty(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            token: SECRET.to_owned(),
            repositories: vec![Repository::new("api", &["payments", "tier-1"]), Repository::new("web", &["tier-1"])],
            teams: Vec::new(),
            issues: Vec::new(),
            comments: Vec::new(),
            deployments: Vec::new(),
            runs: Vec::new(),
            people: vec!["alice", "bob", "carol", "opsorch-bot"],
            can_push: true,
            by_cursor: false,
            runs_out_of_time: false,
            has_tags: true,
            headers: Vec::new(),
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn route(&mut self, request: &Request) -> Reply {
        let path = path(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        match (method, path.as_slice()) {
            (_, ["api", "v3", "repos", owner, name, rest @ ..]) => {
                let known = self.repositories.iter().find(|it| it.is(owner, name)).map(|it| it.name.clone());
                let Some(repository) = known else { return not_found() };
                match (method, rest) {
                    ("GET", []) => self.repository(request, &repository),
                    ("GET", ["teams"]) => self.teams_of(request, &repository),
                    ("GET", ["milestones"]) => self.milestones(request),
                    (_, ["issues", ..]) => self.issue_routes(request, &repository, &rest[1..]),
                    (_, ["deployments", ..]) => self.deployment_routes(request, &repository, &rest[1..]),
                    ("GET", ["actions", "runs", rest @ ..]) => self.run_routes(request, &repository, rest),
                    _ => unmatched(request),
                }
            }
            ("GET", ["api", "v3", "search", "issues"]) => self.search(request),
            ("GET", ["api", "v3", "orgs", organization, rest @ ..]) if *organization == OWNER => {
                self.organization_routes(request, rest)
            }
            ("GET", ["api", "v3", "orgs", ..]) => not_found(),
            _ => unmatched(request),
        }
    }
}

impl Double for GitHub {
    fn answer(&mut self, request: &Request) -> Reply {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header("user-agent").is_empty() {
            return problem(StatusCode::FORBIDDEN, "Request forbidden by administrative rules.");
        }
        if !["2022-11-28", "2026-03-10"].contains(&header("x-github-api-version")) {
            return problem(StatusCode::BAD_REQUEST, "Invalid API version");
        }
        if header("accept") != "application/vnd.github+json" {
            return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported 'Accept' header");
        }
        if header("authorization") != format!("Bearer {}", self.token) {
            return problem(StatusCode::UNAUTHORIZED, "Bad credentials");
        }
        let is_old = header("x-github-api-version") == "2022-11-28";
        let mut reply = self.route(request);
        if reply.status.is_success() && !is_old {
            reply = without_assignee(reply);
        }
        for (name, value) in &self.headers {
            reply.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if !self.has_tags || request.method != "GET" || reply.status != StatusCode::OK {
            return reply;
        }
        let tag = tag(&reply);
        if header("if-none-match") == tag {
            let mut headers = reply.headers;
            headers.remove("content-type");
            reply = Reply::new(StatusCode::NOT_MODIFIED).headers(headers);
        }
        reply.headers.insert("etag", tag.parse().unwrap());
        reply
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        problem(status, status.canonical_reason().unwrap_or("no"))
    }
}

/// The version of 2026 has no singular assignee any more.
fn without_assignee(reply: Reply) -> Reply {
    fn drop(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("assignee");
                members.values_mut().for_each(drop);
            }
            Value::Array(items) => items.iter_mut().for_each(drop),
            _ => {}
        }
    }
    let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    drop(&mut body);
    json(reply.status, &body).headers(reply.headers)
}

fn tag(reply: &Reply) -> String {
    let mut hasher = DefaultHasher::new();
    (&reply.body[..], reply.header("link")).hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// A refusal in GitHub's words.
pub fn problem(status: StatusCode, message: &str) -> Reply {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.as_str(),
    });
    json(status, &body)
}

/// A refusal of an input, naming a field.
pub fn invalid(resource: &str, field: &str, code: &str) -> Reply {
    let body = json!({
        "message": "Validation Failed",
        "errors": [{ "resource": resource, "field": field, "code": code }],
        "documentation_url": "https://docs.github.com/rest",
        "status": "422",
    });
    json(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

pub fn not_found() -> Reply {
    problem(StatusCode::NOT_FOUND, "Not Found")
}

fn unmatched(request: &Request) -> Reply {
    let text = format!("the double knows no {} {}", request.method, request.url);
    problem(StatusCode::NOT_IMPLEMENTED, &text)
}

fn ok(body: &impl serde::Serialize) -> Reply {
    json(StatusCode::OK, body)
}

/// Whether a request has no parameters but these.
fn has_only(request: &Request, known: &[&str]) -> bool {
    request.url.query_pairs().all(|(name, _)| known.contains(&&*name))
}

/// The number and the size of the page that is asked for: 30 where nothing is said, and never more than 100.
fn page_of(request: &Request) -> (usize, usize) {
    let number = |name| parameter(request, name).and_then(|text| text.parse().ok());
    (number("page").unwrap_or(1), number("per_page").unwrap_or(30).min(100))
}

/// A page of a list, with the link to the next one.
fn listed<T>(request: &Request, part: Part<T, usize>, shape: impl FnMut(T) -> Value) -> Reply {
    let next = part.next.map(|page| vec![("page", page.to_string())]);
    linked(request, &Value::Array(part.items.into_iter().map(shape).collect()), next)
}

/// An answer with a link to the next page, at which these parameters are others.
fn linked(request: &Request, body: &Value, next: Option<Vec<(&str, String)>>) -> Reply {
    let mut reply = ok(body);
    if let Some(parameters) = next {
        let mut url = request.url.clone();
        let others: Vec<_> = request.url.query_pairs().into_owned().collect();
        let is_other = |name: &str| parameters.iter().all(|(changed, _)| *changed != name);
        url.query_pairs_mut()
            .clear()
            .extend_pairs(others.iter().filter(|(name, _)| is_other(name)))
            .extend_pairs(&parameters);
        reply.headers.insert("link", format!("<{url}>; rel=\"next\"").parse().unwrap());
    }
    reply
}
