//! Repositories, teams and their members.

use opsorch::transport::{Reply, Request};
use opsorch_testkit::double::{by_number, parameter};
use serde_json::{Value, json};

use super::shape::{API, PAGE, user};
use super::{GitHub, OWNER, has_only, listed, not_found, ok, page_of, unmatched};

/// A repository of the organization.
#[derive(Clone, Debug)]
pub struct Repository {
    pub name: String,
    pub topics: Vec<String>,
    pub is_archived: bool,
}

/// A team of the organization.
#[derive(Clone, Debug)]
pub struct Team {
    pub slug: String,
    pub name: String,
    pub parent: Option<String>,
    pub maintainers: Vec<String>,
    pub members: Vec<String>,
    pub repositories: Vec<String>,
}

impl Repository {
    pub fn new(name: &str, topics: &[&str]) -> Self {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Self { name: name.to_owned(), topics, is_archived: false }
    }

    pub fn is(&self, owner: &str, name: &str) -> bool {
        OWNER.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(name)
    }

    pub fn shape(&self, can_push: bool) -> Value {
        let url = format!("{API}/repos/{OWNER}/{}", self.name);
        let mut shape = json!({
            "id": 1, "node_id": "R_1", "name": self.name, "full_name": format!("{OWNER}/{}", self.name),
            "owner": user(OWNER), "private": false, "html_url": format!("{PAGE}/{OWNER}/{}", self.name),
            "description": null, "fork": false, "url": url, "homepage": null, "language": "Rust", "forks_count": 0,
            "stargazers_count": 0, "watchers_count": 0, "size": 1, "default_branch": "main", "open_issues_count": 0,
            "topics": self.topics, "has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false,
            "has_discussions": false, "archived": self.is_archived, "disabled": false, "visibility": "public",
            "pushed_at": "2025-01-01T00:00:00Z", "created_at": "2025-01-01T00:00:00Z",
            "updated_at": "2025-01-01T00:00:00Z", "subscribers_count": 0, "network_count": 0, "license": null,
            "forks": 0, "open_issues": 0, "watchers": 0, "mirror_url": null,
            "permissions": { "admin": false, "push": can_push, "pull": true },
        });
        for name in [
            "archive",
            "assignees",
            "blobs",
            "branches",
            "collaborators",
            "comments",
            "commits",
            "compare",
            "contents",
            "contributors",
            "deployments",
            "downloads",
            "events",
            "git_commits",
            "git_refs",
            "git_tags",
            "hooks",
            "issue_comment",
            "issue_events",
            "issues",
            "keys",
            "labels",
            "languages",
            "merges",
            "milestones",
            "notifications",
            "pulls",
            "releases",
            "stargazers",
            "statuses",
            "subscribers",
            "subscription",
            "tags",
            "teams",
            "trees",
            "forks",
            "git",
            "ssh",
            "clone",
            "svn",
        ] {
            shape[format!("{name}_url")] = json!(format!("{url}/{name}"));
        }
        shape
    }
}

impl Team {
    pub fn new(slug: &str, name: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            name: name.to_owned(),
            parent: None,
            maintainers: Vec::new(),
            members: Vec::new(),
            repositories: Vec::new(),
        }
    }

    fn plain(slug: &str, name: &str) -> Value {
        let url = format!("{API}/organizations/1/team/{slug}");
        json!({
            "id": 1, "node_id": "T_1", "url": url, "html_url": format!("{PAGE}/orgs/{OWNER}/teams/{slug}"),
            "name": name, "slug": slug, "description": null, "privacy": "closed", "permission": "pull",
            "notification_setting": "notifications_enabled", "members_url": format!("{url}/members"),
            "repositories_url": format!("{url}/repos"), "type": "organization", "organization_id": 1,
        })
    }

    pub fn shape(&self) -> Value {
        let mut shape = Self::plain(&self.slug, &self.name);
        shape["parent"] = self.parent.as_ref().map_or(Value::Null, |parent| Self::plain(parent, parent));
        shape
    }

    /// What is said of one team alone.
    fn whole(&self) -> Value {
        let mut shape = self.shape();
        shape["members_count"] = json!(self.maintainers.len() + self.members.len());
        shape["repos_count"] = json!(self.repositories.len());
        for name in ["created_at", "updated_at"] {
            shape[name] = json!("2025-01-01T00:00:00Z");
        }
        let url = format!("{API}/orgs/{OWNER}");
        shape["organization"] = json!({
            "login": OWNER, "id": 1, "node_id": "O_1", "url": url, "repos_url": url, "events_url": url,
            "hooks_url": url, "issues_url": url, "members_url": url, "public_members_url": url, "avatar_url": url,
            "description": null, "has_organization_projects": false, "has_repository_projects": false,
            "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "html_url": url,
            "created_at": "2025-01-01T00:00:00Z", "type": "Organization", "updated_at": "2025-01-01T00:00:00Z",
            "archived_at": null,
        });
        shape
    }
}

impl GitHub {
    pub fn repository(&self, request: &Request, name: &str) -> Reply {
        match self.repositories.iter().find(|it| it.name == name).filter(|_| has_only(request, &[])) {
            Some(repository) => ok(&repository.shape(self.can_push)),
            None => unmatched(request),
        }
    }

    pub fn teams_of(&self, request: &Request, repository: &str) -> Reply {
        if !has_only(request, &["per_page", "page"]) {
            return unmatched(request);
        }
        let (page, size) = page_of(request);
        let is_theirs = |team: &&Team| team.repositories.iter().any(|it| it == repository);
        listed(request, by_number(self.teams.iter().filter(is_theirs), page, size), Team::shape)
    }

    pub fn organization_routes(&self, request: &Request, rest: &[&str]) -> Reply {
        if !has_only(request, &["per_page", "page", "sort", "role"]) {
            return unmatched(request);
        }
        let (page, size) = page_of(request);
        let team = |slug: &str| self.teams.iter().find(|team| team.slug == slug);
        match rest {
            ["repos"] => listed(request, by_number(&self.repositories, page, size), |it| it.shape(self.can_push)),
            ["teams"] => listed(request, by_number(&self.teams, page, size), Team::shape),
            ["teams", slug] => team(slug).map_or_else(not_found, |team| ok(&team.whole())),
            ["teams", slug, "repos"] => {
                let Some(team) = team(slug) else { return not_found() };
                let is_theirs = |it: &&Repository| team.repositories.contains(&it.name);
                let theirs = self.repositories.iter().filter(is_theirs);
                listed(request, by_number(theirs, page, size), |it| it.shape(self.can_push))
            }
            ["teams", slug, "members"] => {
                let Some(team) = team(slug) else { return not_found() };
                let members = match parameter(request, "role").as_deref() {
                    Some("maintainer") => &team.maintainers,
                    Some("member") => &team.members,
                    _ => return unmatched(request),
                };
                listed(request, by_number(members, page, size), |login| user(login))
            }
            _ => unmatched(request),
        }
    }
}
