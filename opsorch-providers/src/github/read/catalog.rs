//! Teams, their members, and repositories as services.
//!
//! There are few of them and GitHub promises no order of names, so that all are read and put in order here. What has not
//! changed since the last time costs nothing of the rate limit.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use opsorch::capability::{ServiceReader, TeamReader};
use opsorch::{
    Context, Cursor, Error, ErrorKind, Page, Result, Service, ServiceId, ServiceQuery, Team, TeamId, TeamMember,
    TeamQuery,
};
use serde::de::DeserializeOwned;

use super::refuse;
use crate::github::api::{Api, LARGEST_PAGE, Pairs, next_page};
use crate::github::map::catalog::{member, service, team};
use crate::github::repository::{self, Repositories, Repository};
use crate::github::walk::AT_ONCE;
use crate::github::wire;
use crate::query::{Text, page_size, refuse_metadata_but};

/// The most pages that are read of a list: 10,000 items.
const MOST_PAGES: usize = 100;

/// Repositories: those of the organization where there is one, else those of the configuration.
#[derive(Debug)]
pub(in crate::github) struct Services {
    api: Arc<Api>,
    repositories: Arc<Repositories>,
    organization: Option<String>,
}

/// The teams of an organization.
#[derive(Debug)]
pub(in crate::github) struct Teams {
    api: Arc<Api>,
    repositories: Arc<Repositories>,
    organization: String,
}

impl Services {
    pub(in crate::github) fn new(
        api: &Arc<Api>,
        repositories: &Arc<Repositories>,
        organization: Option<String>,
    ) -> Self {
        Self { api: Arc::clone(api), repositories: Arc::clone(repositories), organization }
    }

    async fn all(&self, cx: &Context, of_team: Option<&str>) -> Result<All<wire::Repository>> {
        let Some(organization) = &self.organization else {
            let one = |repository: &Repository| {
                let path = repository.path(&[]);
                async move { self.api.get(cx, &path, &Vec::new()).await }
            };
            let all: Vec<_> = self.repositories.iter().map(one).collect();
            return Ok(All { items: stream::iter(all).buffered(AT_ONCE).try_collect().await?, truncated: None });
        };
        match of_team {
            Some(team) => {
                all(&self.api, cx, &below(organization, &["teams", team, "repos"]), &[]).await.or_else(nobody)
            }
            None => all(&self.api, cx, &below(organization, &["repos"]), &[("sort", "full_name")]).await,
        }
    }

    /// The repository of an id, if it may be one that is served.
    fn resolve(&self, id: &ServiceId) -> Option<Repository> {
        let id = id.as_str();
        match &self.organization {
            Some(organization) if !id.contains('/') => Repository::parse(&format!("{organization}/{id}")),
            Some(organization) => Repository::parse(id).filter(|it| it.owner.eq_ignore_ascii_case(organization)),
            None => self.repositories.find(id).cloned(),
        }
    }
}

#[async_trait]
impl ServiceReader for Services {
    async fn query(&self, cx: &Context, query: &ServiceQuery) -> Result<Page<Service>> {
        refuse("scope.environment", query.scope.environment.is_some())?;
        refuse("scope.team", query.scope.team.is_some() && self.organization.is_none())?;
        refuse_metadata_but(&[], &query.metadata)?;
        let size = page_size(query.page_size())?;
        let position = query.cursor.as_ref().map(parse).transpose()?;
        let of_team = query.scope.team.as_deref();
        if of_team.is_some_and(|slug| !is_slug(slug)) {
            return Ok(Page::new(Vec::new()));
        }
        let name = Text::new(&query.name);
        let found = self.all(cx, of_team).await?.map(service);
        let is_wanted = |service: &Service| {
            let is_service =
                |it: &String| it.eq_ignore_ascii_case(&service.name) || it.eq_ignore_ascii_case(service.id.as_str());
            (query.ids.is_empty() || query.ids.contains(&service.id))
                && name.occurs_in([Some(service.name.as_str())])
                && query.tags.iter().all(|(name, value)| service.tags.get(name) == Some(value))
                && query.scope.service.as_ref().is_none_or(is_service)
        };
        let key = |service: &Service| (service.name.to_lowercase(), service.id.as_str().to_owned());
        Ok(found.page(is_wanted, key, position, size))
    }

    async fn get(&self, cx: &Context, id: &ServiceId) -> Result<Service> {
        let unknown = || Error::not_found(format!("there is no service {:?}", id.as_str()));
        let repository = self.resolve(id).ok_or_else(unknown)?;
        Ok(service(self.api.get(cx, &repository.path(&[]), &Vec::new()).await?))
    }
}

impl Teams {
    pub(in crate::github) fn new(api: &Arc<Api>, repositories: &Arc<Repositories>, organization: String) -> Self {
        Self { api: Arc::clone(api), repositories: Arc::clone(repositories), organization }
    }

    fn path(&self, rest: &[&str]) -> Vec<String> {
        below(&self.organization, &[&["teams"], rest].concat())
    }

    /// The teams that may do something in a repository.
    async fn of_service(&self, cx: &Context, service: &str) -> Result<All<wire::Team>> {
        let configured = self.repositories.of_service(Some(service))?.first().map(|it| (*it).clone());
        let named = Repository::parse(service).filter(|it| it.owner.eq_ignore_ascii_case(&self.organization));
        let of_organization = || Repository::parse(&format!("{}/{service}", self.organization));
        match configured.or(named).or_else(of_organization) {
            Some(repository) => all(&self.api, cx, &repository.path(&["teams"]), &[]).await.or_else(nobody),
            None => Ok(All { items: Vec::new(), truncated: None }),
        }
    }
}

#[async_trait]
impl TeamReader for Teams {
    async fn query(&self, cx: &Context, query: &TeamQuery) -> Result<Page<Team>> {
        refuse("scope.environment", query.scope.environment.is_some())?;
        refuse_metadata_but(&[], &query.metadata)?;
        let size = page_size(query.page_size())?;
        let position = query.cursor.as_ref().map(parse).transpose()?;
        let name = Text::new(&query.name);
        let found = match &query.scope.service {
            Some(service) => self.of_service(cx, service).await?,
            None => all(&self.api, cx, &self.path(&[]), &[]).await?,
        };
        let is_wanted = |team: &Team| {
            let is_team = |it: &String| it == team.id.as_str() || *it == team.name;
            name.occurs_in([Some(team.name.as_str()), Some(team.id.as_str())])
                && query.tags.iter().all(|(name, value)| team.tags.get(name) == Some(value))
                && query.scope.team.as_ref().is_none_or(is_team)
        };
        let key = |team: &Team| (team.name.to_lowercase(), team.id.as_str().to_owned());
        Ok(found.map(|found| team(&self.organization, found)).page(is_wanted, key, position, size))
    }

    async fn get(&self, cx: &Context, id: &TeamId) -> Result<Team> {
        let path = self.path(&[slug(id)?]);
        Ok(team(&self.organization, self.api.get(cx, &path, &Vec::new()).await?))
    }

    /// Two lists, because that of all members does not say everywhere who maintains the team.
    async fn members(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let path = self.path(&[slug(id)?, "members"]);
        let of_role = async |role| all::<wire::Member>(&self.api, cx, &path, &[("role", role)]).await;
        let maintainers = of_role("maintainer").await?;
        let members = of_role("member").await?;
        let cut = maintainers.truncated.or(members.truncated);
        let maintainers = maintainers.items.into_iter().map(|it| member(it, true));
        let page = Page::new(maintainers.chain(members.items.into_iter().map(|it| member(it, false))).collect());
        Ok(match cut {
            Some(reason) => page.truncated(reason),
            None => page,
        })
    }
}

/// A path below an organization.
fn below(organization: &str, rest: &[&str]) -> Vec<String> {
    ["orgs", organization].iter().chain(rest).map(|segment| (*segment).to_owned()).collect()
}

/// The short name of a team, if it can be one.
fn slug(id: &TeamId) -> Result<&str> {
    let unknown = || Error::not_found(format!("there is no team {:?}; an id is the short name of a team", id.as_str()));
    Some(id.as_str()).filter(|slug| is_slug(slug)).ok_or_else(unknown)
}

fn is_slug(text: &str) -> bool {
    repository::is_name(text)
}

/// A name that nothing has finds nothing.
fn nobody<T>(error: Error) -> Result<All<T>> {
    match error.kind() {
        ErrorKind::NotFound => Ok(All { items: Vec::new(), truncated: None }),
        _ => Err(error),
    }
}

/// Everything that a list has.
#[derive(Debug)]
struct All<T> {
    items: Vec<T>,
    truncated: Option<&'static str>,
}

async fn all<T: DeserializeOwned>(
    api: &Api,
    cx: &Context,
    path: &[String],
    parameters: &[(&'static str, &str)],
) -> Result<All<T>> {
    let (mut items, mut turn): (Vec<T>, _) = (Vec::new(), (Some(1), None));
    for _ in 0..MOST_PAGES {
        let (page, after) = turn;
        let mut query: Pairs = parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        query.push(("per_page", LARGEST_PAGE.to_string()));
        query.extend(page.map(|page: u32| ("page", page.to_string())));
        query.extend(after.map(|after| ("after", after)));
        let reply = api.read(cx, path, &query).await?;
        items.append(&mut reply.json::<Vec<T>>()?);
        match next_page(&reply) {
            Some(next) => turn = next,
            None => return Ok(All { items, truncated: None }),
        }
    }
    Ok(All { items, truncated: Some("no more than 10,000 are read") })
}

impl<T> All<T> {
    fn map<U>(self, map: impl FnMut(T) -> U) -> All<U> {
        All { items: self.items.into_iter().map(map).collect(), truncated: self.truncated }
    }

    /// The first items that are wanted after a position, in the order of a key. Keys are distinct.
    fn page(
        self,
        is_wanted: impl Fn(&T) -> bool,
        key: impl Fn(&T) -> (String, String),
        position: Option<(String, String)>,
        size: usize,
    ) -> Page<T> {
        let mut items: Vec<T> = self.items.into_iter().filter(is_wanted).collect();
        items.sort_by_cached_key(&key);
        items.retain(|item| position.as_ref().is_none_or(|position| key(item) > *position));
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|item| Cursor::new(serde_json::json!(key(item)).to_string()));
        let page = Page::new(items).next(next);
        match self.truncated {
            Some(reason) => page.truncated(reason),
            None => page,
        }
    }
}

fn parse(cursor: &Cursor) -> Result<(String, String)> {
    serde_json::from_str(cursor.as_str())
        .map_err(|_| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
}
