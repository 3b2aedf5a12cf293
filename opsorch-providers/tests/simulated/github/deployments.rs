//! Deployments, what was said of them, and runs of workflows.

use std::cmp::Reverse;

use opsorch::Time;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{body, by_number, json, parameter};
use serde_json::{Value, json};

use super::issues::wrong_members;
use super::organization::Repository;
use super::search::is_in;
use super::shape::{API, PAGE, time, user};
use super::{GitHub, OWNER, has_only, invalid, listed, not_found, ok, page_of, problem, unmatched};

/// A deployment with its statuses, the oldest first.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub repository: String,
    pub id: u64,
    pub reference: String,
    pub environment: String,
    pub payload: Value,
    pub created: Time,
    pub statuses: Vec<Status>,
}

/// What was said of a deployment.
#[derive(Clone, Debug)]
pub struct Status {
    pub id: u64,
    pub state: String,
    pub log_url: String,
    pub created: Time,
}

/// A run of a workflow.
#[derive(Clone, Debug)]
pub struct Run {
    pub repository: String,
    pub id: u64,
    pub name: String,
    pub branch: String,
    pub sha: String,
    pub status: Option<String>,
    pub conclusion: Option<String>,
    pub attempt: u64,
    pub created: Time,
    pub updated: Time,
}

impl Deployment {
    pub fn new(repository: &str, id: u64, reference: &str, environment: &str, created: Time) -> Self {
        Self {
            repository: repository.to_owned(),
            id,
            reference: reference.to_owned(),
            environment: environment.to_owned(),
            payload: json!({}),
            created,
            statuses: Vec::new(),
        }
    }

    /// With a status that was given so many seconds after it was made.
    pub fn said(mut self, state: &str, after: u64) -> Self {
        let created = self.created + std::time::Duration::from_secs(after);
        let id = self.id * 100 + self.statuses.len() as u64;
        self.statuses.push(Status { id, state: state.to_owned(), log_url: String::new(), created });
        self
    }

    pub fn shape(&self) -> Value {
        let repository = format!("{API}/repos/{OWNER}/{}", self.repository);
        let url = format!("{repository}/deployments/{}", self.id);
        json!({
            "url": url, "id": self.id, "node_id": "D_1", "sha": format!("{:040x}", self.id), "ref": self.reference,
            "task": "deploy", "payload": self.payload, "environment": self.environment, "description": null,
            "creator": user("alice"), "created_at": time(self.created), "updated_at": time(self.created),
            "statuses_url": format!("{url}/statuses"), "repository_url": repository,
        })
    }

    pub fn shape_of(&self, status: &Status) -> Value {
        let repository = format!("{API}/repos/{OWNER}/{}", self.repository);
        let url = format!("{repository}/deployments/{}", self.id);
        json!({
            "url": format!("{url}/statuses/{}", status.id), "id": status.id, "node_id": "DS_1", "state": status.state,
            "creator": user("alice"), "description": "", "target_url": status.log_url, "log_url": status.log_url,
            "created_at": time(status.created), "updated_at": time(status.created), "deployment_url": url,
            "repository_url": repository, "environment": self.environment,
        })
    }
}

impl Run {
    pub fn new(repository: &str, id: u64, name: &str, created: Time) -> Self {
        Self {
            repository: repository.to_owned(),
            id,
            name: name.to_owned(),
            branch: "main".to_owned(),
            sha: format!("{id:040x}").chars().rev().collect(),
            status: Some("completed".to_owned()),
            conclusion: Some("success".to_owned()),
            attempt: 1,
            created,
            updated: created + std::time::Duration::from_secs(90),
        }
    }

    pub fn shape(&self) -> Value {
        let repository = format!("{API}/repos/{OWNER}/{}", self.repository);
        let url = format!("{repository}/actions/runs/{}", self.id);
        let served = Repository::new(&self.repository, &[]).shape(true);
        json!({
            "id": self.id, "name": self.name, "node_id": "WFR_1", "head_branch": self.branch, "head_sha": self.sha,
            "path": ".github/workflows/deploy.yml", "run_number": 7, "run_attempt": self.attempt, "event": "push",
            "status": self.status, "conclusion": self.conclusion, "workflow_id": 1, "url": url,
            "html_url": format!("{PAGE}/{OWNER}/{}/actions/runs/{}", self.repository, self.id), "pull_requests": [],
            "created_at": time(self.created), "updated_at": time(self.updated), "actor": user("alice"),
            "jobs_url": "", "logs_url": "", "check_suite_url": "", "artifacts_url": "", "cancel_url": "",
            "rerun_url": "", "workflow_url": "", "head_commit": null, "display_title": "a change",
            "repository": served.clone(), "head_repository": served,
        })
    }
}

impl GitHub {
    pub fn deployment_routes(&mut self, request: &Request, repository: &str, rest: &[&str]) -> Reply {
        let id = rest.first().and_then(|id| id.parse::<u64>().ok());
        let place = self.deployments.iter().position(|it| it.repository == repository && Some(it.id) == id);
        match (request.method.as_str(), rest, place) {
            ("GET", [], _) => self.list_deployments(request, repository),
            ("POST", [], _) => self.deploy(&body(request), repository),
            (_, [_, ..], None) => not_found(),
            ("GET", [_], Some(place)) => ok(&self.deployments[place].shape()),
            ("GET", [_, "statuses"], Some(place)) => self.list_statuses(request, place),
            ("POST", [_, "statuses"], Some(place)) => self.say(&body(request), place),
            _ => unmatched(request),
        }
    }

    fn list_deployments(&self, request: &Request, repository: &str) -> Reply {
        if !has_only(request, &["environment", "ref", "sha", "task", "per_page", "page"]) {
            return unmatched(request);
        }
        let is = |name: &str, has: &str| parameter(request, name).is_none_or(|wanted| wanted == has);
        let is_wanted = |it: &&Deployment| {
            it.repository == repository
                && is("environment", &it.environment)
                && is("ref", &it.reference)
                && is("task", "deploy")
                && is("sha", &format!("{:040x}", it.id))
        };
        let mut found: Vec<_> = self.deployments.iter().filter(is_wanted).collect();
        found.sort_by_key(|it| Reverse((it.created, it.id)));
        let (page, size) = page_of(request);
        listed(request, by_number(found, page, size), Deployment::shape)
    }

    fn list_statuses(&self, request: &Request, place: usize) -> Reply {
        if !has_only(request, &["per_page"]) {
            return unmatched(request);
        }
        let deployment = &self.deployments[place];
        let (page, size) = page_of(request);
        let newest_first = deployment.statuses.iter().rev();
        listed(request, by_number(newest_first, page, size), |status| deployment.shape_of(status))
    }

    /// Only tags that begin with `v` or `conformance-`, and the branches `main` and `next`, are there. The default branch
    /// is ahead of `next`.
    fn deploy(&mut self, input: &Value, repository: &str) -> Reply {
        let known = ["ref", "auto_merge", "required_contexts", "environment", "payload", "task", "description"];
        if let Some(refusal) = wrong_members(input, &known) {
            return refusal;
        }
        let reference = input["ref"].as_str().unwrap_or_default();
        let is_there = ["v", "conformance-"].iter().any(|start| reference.starts_with(start))
            || ["main", "next"].contains(&reference)
            || reference.len() == 40;
        if !is_there {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, &format!("No ref found for: {reference}"));
        }
        if input["auto_merge"] != json!(false) && reference == "next" {
            return json(StatusCode::ACCEPTED, &json!({ "message": "Auto-merged main into next on deployment." }));
        }
        if input["required_contexts"] != json!([]) {
            return problem(StatusCode::CONFLICT, "Conflict: Commit status checks failed for main.");
        }
        let id = 9_000_000_000 + self.deployments.len() as u64;
        let environment = input["environment"].as_str().unwrap_or("production");
        let mut deployment = Deployment::new(repository, id, reference, environment, self.now());
        deployment.payload = input["payload"].clone();
        self.deployments.push(deployment.clone());
        json(StatusCode::CREATED, &deployment.shape())
    }

    fn say(&mut self, input: &Value, place: usize) -> Reply {
        if let Some(refusal) = wrong_members(input, &["state", "log_url"]) {
            return refusal;
        }
        let states = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
        let Some(state) = input["state"].as_str().filter(|state| states.contains(state)) else {
            return invalid("DeploymentStatus", "state", "custom");
        };
        let created = self.now();
        let deployment = &mut self.deployments[place];
        let id = deployment.id * 100 + deployment.statuses.len() as u64;
        let log_url = input["log_url"].as_str().unwrap_or_default().to_owned();
        let status = Status { id, state: state.to_owned(), log_url, created };
        deployment.statuses.push(status.clone());
        json(StatusCode::CREATED, &deployment.shape_of(&status))
    }

    pub fn run_routes(&self, request: &Request, repository: &str, rest: &[&str]) -> Reply {
        match rest {
            [] => self.list_runs(request, repository),
            [id] => {
                let is_it = |run: &&Run| run.repository == repository && run.id.to_string() == *id;
                self.runs.iter().find(is_it).map_or_else(not_found, |run| ok(&run.shape()))
            }
            _ => unmatched(request),
        }
    }

    /// At most the first thousand, as GitHub has it of searches.
    fn list_runs(&self, request: &Request, repository: &str) -> Reply {
        let known = ["actor", "branch", "event", "head_sha", "created", "exclude_pull_requests", "per_page", "page"];
        if !has_only(request, &known) {
            return unmatched(request);
        }
        let is = |name: &str, has: &str| parameter(request, name).is_none_or(|wanted| wanted == has);
        let is_wanted = |run: &&Run| {
            run.repository == repository
                && is("actor", "alice")
                && is("branch", &run.branch)
                && is("event", "push")
                && is("head_sha", &run.sha)
                && parameter(request, "created").is_none_or(|span| is_in(&time(run.created), &span).unwrap())
        };
        let mut found: Vec<_> = self.runs.iter().filter(is_wanted).collect();
        found.sort_by_key(|run| Reverse((run.created, run.id)));
        let total = found.len();
        found.truncate(1_000);
        let (page, size) = page_of(request);
        let part = by_number(found, page, size);
        let runs: Vec<_> = part.items.iter().map(|run| run.shape()).collect();
        ok(&json!({ "total_count": total, "workflow_runs": runs }))
    }
}
