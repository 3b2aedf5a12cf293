//! Services, teams and who is on call, from one TOML file.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{OnCallReader, ServiceReader, TeamReader};
use opsorch::{
    Clock, Context, Cursor, Error, Fields, Page, Result, Scope, Service, ServiceId, ServiceQuery, Team, TeamId,
    TeamMember, TeamQuery,
};

use self::contents::{Contents, OwnedService, StaffedTeam};
use self::source::Source;
use super::query::{page_size, refuse, refuse_metadata};

mod contents;
mod rota;
mod source;
mod toml_file;

/// Answers from the file as it is now. It is looked at before each answer, and read again when it changed; while it
/// cannot be understood there are no answers, so that nobody is called who is not on call any more.
#[derive(Debug)]
pub(super) struct Catalog {
    source: Arc<Source>,
    clock: Arc<dyn Clock>,
}

impl Catalog {
    /// Reads the file. It blocks. What is wrong with the file is `Invalid`, under `catalog`.
    pub(super) fn open(path: PathBuf, clock: Arc<dyn Clock>) -> Result<Self> {
        let source = Source::new(path);
        source.contents().map_err(|error| {
            let invalid = Error::invalid("catalog", error.message().to_owned());
            error.context().fold(invalid, |invalid, (name, value)| invalid.with_context(name, value))
        })?;
        Ok(Self { source: Arc::new(source), clock })
    }

    async fn contents(&self) -> Result<Arc<Contents>> {
        let source = Arc::clone(&self.source);
        let reading = tokio::task::spawn_blocking(move || source.contents());
        reading.await.map_err(|error| Error::unexpected("reading the catalog was interrupted").with_source(error))?
    }
}

#[async_trait]
impl ServiceReader for Catalog {
    /// By id. A scope names the service or its team by id or name, and one of its environments.
    async fn query(&self, _cx: &Context, query: &ServiceQuery) -> Result<Page<Service>> {
        let wanted = Wanted::new("service", query.page_size(), query.cursor.as_ref(), &query.metadata)?;
        let contents = self.contents().await?;
        let passes = |service: &OwnedService| {
            (query.ids.is_empty() || query.ids.contains(&service.service.id))
                && mentions(&service.service.name, query.name.as_deref())
                && has_tags(&service.service.tags, &query.tags)
                && service_in_scope(&contents, service, &query.scope)
        };
        Ok(wanted.page(&contents.services, passes, |service| service.service.clone()))
    }

    async fn get(&self, _cx: &Context, id: &ServiceId) -> Result<Service> {
        let contents = self.contents().await?;
        find("service", id.as_str(), &contents.services).map(|service| service.service.clone())
    }
}

#[async_trait]
impl TeamReader for Catalog {
    /// By id. A scope names the team, or a service that it owns, by id or name; an environment is `Unsupported`: teams
    /// have none.
    async fn query(&self, _cx: &Context, query: &TeamQuery) -> Result<Page<Team>> {
        refuse("scope.environment", query.scope.environment.is_some())?;
        let wanted = Wanted::new("team", query.page_size(), query.cursor.as_ref(), &query.metadata)?;
        let contents = self.contents().await?;
        let passes = |team: &StaffedTeam| {
            mentions(&team.team.name, query.name.as_deref())
                && has_tags(&team.team.tags, &query.tags)
                && team_in_scope(&contents, team, &query.scope)
        };
        Ok(wanted.page(&contents.teams, passes, |team| team.team.clone()))
    }

    async fn get(&self, _cx: &Context, id: &TeamId) -> Result<Team> {
        let contents = self.contents().await?;
        find("team", id.as_str(), &contents.teams).map(|team| team.team.clone())
    }

    /// In the order of the file.
    async fn members(&self, _cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let contents = self.contents().await?;
        find("team", id.as_str(), &contents.teams).map(|team| Page::new(team.members.clone()))
    }
}

#[async_trait]
impl OnCallReader for Catalog {
    /// One member, or none: before the rotation starts, and where there is none. Its metadata has under `until` when
    /// the turn ends.
    async fn oncall(&self, _cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let contents = self.contents().await?;
        let team = find("team", id.as_str(), &contents.teams)?;
        let turn = team.rota.as_ref().and_then(|rota| rota.turn(self.clock.now()));
        let member = turn.and_then(|turn| {
            let member = team.members.iter().find(|member| member.id == turn.member)?;
            let until = turn.until.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            Some(member.clone().metadata("until", until))
        });
        Ok(Page::new(member.into_iter().collect()))
    }
}

fn service_in_scope(contents: &Contents, service: &OwnedService, scope: &Scope) -> bool {
    let is_owner = |name: &String| {
        let team = service.team.as_ref().and_then(|id| contents.teams.get(id.as_str()));
        team.is_some_and(|team| is_called(team.team.id.as_str(), &team.team.name, name))
    };
    let is_service = |name: &String| is_called(service.service.id.as_str(), &service.service.name, name);
    scope.service.as_ref().is_none_or(is_service)
        && scope.team.as_ref().is_none_or(is_owner)
        && scope.environment.as_ref().is_none_or(|environment| service.environments.contains(environment))
}

fn team_in_scope(contents: &Contents, team: &StaffedTeam, scope: &Scope) -> bool {
    let owns = |name: &String| {
        contents.services.values().any(|service| {
            service.team.as_ref() == Some(&team.team.id)
                && is_called(service.service.id.as_str(), &service.service.name, name)
        })
    };
    scope.team.as_ref().is_none_or(|name| is_called(team.team.id.as_str(), &team.team.name, name))
        && scope.service.as_ref().is_none_or(owns)
}

fn is_called(id: &str, name: &str, wanted: &str) -> bool {
    id == wanted || name == wanted
}

/// Whether a name has a text in it, in any case.
fn mentions(name: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
}

fn has_tags(tags: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| tags.get(name) == Some(value))
}

fn find<'a, T>(noun: &str, id: &str, items: &'a BTreeMap<String, T>) -> Result<&'a T> {
    items.get(id).ok_or_else(|| Error::not_found(contents::unknown(noun, id, items.keys())))
}

/// The part of the result that a query wants.
struct Wanted<'a> {
    noun: &'static str,
    limit: usize,
    /// The last id of the page before: what comes into the file or leaves it moves nothing.
    after: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn new(noun: &'static str, limit: u32, cursor: Option<&'a Cursor>, metadata: &Fields) -> Result<Self> {
        refuse_metadata(metadata)?;
        let limit = page_size(limit)?;
        let after = cursor.map(|cursor| {
            let id = cursor.as_str().strip_prefix(noun).and_then(|rest| rest.strip_prefix('/'));
            id.ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
        });
        Ok(Self { noun, limit, after: after.transpose()? })
    }

    fn page<T, I>(&self, items: &BTreeMap<String, T>, passes: impl Fn(&T) -> bool, item: impl Fn(&T) -> I) -> Page<I> {
        let after = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = items.range::<str, _>((after, Bound::Unbounded)).filter(|(_, one)| passes(one)).peekable();
        let page: Vec<_> = found.by_ref().take(self.limit).collect();
        let last = page.last().filter(|_| found.peek().is_some());
        let next = last.map(|(id, _)| Cursor::new(format!("{}/{id}", self.noun)));
        Page::new(page.into_iter().map(|(_, one)| item(one)).collect()).next(next)
    }
}
