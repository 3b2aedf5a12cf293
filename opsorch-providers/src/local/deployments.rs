//! Deployments: recorded by a call, or read from the tags of git repositories.

use std::cmp::Reverse;

use async_trait::async_trait;
use opsorch::capability::{DeploymentReader, DeploymentRecorder};
use opsorch::gate::Approved;
use opsorch::{
    Context, Cursor, Deployment, DeploymentId, DeploymentQuery, Error, Operation, Page, RecordDeployment, Result, Time,
};

pub use self::git::GitTags;
use super::database::{Attempt, Database, Edit, Part, Position, Record};
use super::input::{described, refuse_deep, require};
use super::query::{Text, among, is_or_any, is_within, page_size, refuse, refuse_metadata};

pub(super) mod git;

impl Record for Deployment {
    const KIND: &'static str = "deployment";
    const PREFIX: &'static str = "DEP";

    fn at(&self) -> Option<Time> {
        self.started_at
    }
}

/// Answers questions about deployments, and records them.
#[derive(Clone, Debug)]
pub(super) struct Deployments {
    database: Database,
    git: Vec<GitTags>,
}

impl Deployments {
    pub(super) fn new(database: Database, git: Vec<GitTags>) -> Self {
        Self { database, git }
    }
}

#[async_trait]
impl DeploymentReader for Deployments {
    async fn query(&self, cx: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>> {
        refuse_metadata(&query.metadata)?;
        refuse("scope.team", query.scope.team.is_some())?;
        let size = page_size(query.page_size())?;
        let below = query.cursor.as_ref().map(Place::parse).transpose()?;
        // One more tells whether there is more.
        let position = below.as_ref().map_or(Position::TOP, Place::position);
        let part = Part::below(query.page_size().saturating_add(1), position)?.within(query.since, query.until);

        let matches = matching(query);
        let select = matches.clone();
        let wanted = self.git.iter().filter(|git| git.is_wanted(query));
        let ((tags, failures), recorded) = tokio::join!(
            git::tags(cx, wanted),
            self.database.read(cx, move |view| view.newest(part, |it: Deployment| Some(it).filter(&select)))
        );
        let tags = tags.into_iter().filter(matches).map(|tag| (Place::of_tag(&tag), tag));
        let mut found: Vec<_> = tags.filter(|(place, _)| below.as_ref().is_none_or(|below| place < below)).collect();
        found.extend(recorded?.into_iter().map(|(position, it)| (Place::of_record(position), it)));

        found.sort_unstable_by(|(one, _), (other, _)| Reverse(one).cmp(&Reverse(other)));
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().filter(|_| more).map(|(place, _)| place.to_cursor());
        let page = Page::new(found.into_iter().map(|(_, deployment)| deployment).collect()).next(last);
        Ok(failures.into_iter().fold(page, Page::failure))
    }

    async fn get(&self, cx: &Context, id: &DeploymentId) -> Result<Deployment> {
        if let Some(git) = self.git.iter().find(|git| git.is_of(id.as_str())) {
            let found = git.read(cx).await?.into_iter().find(|tag| tag.id == *id);
            return found.ok_or_else(|| Error::not_found(format!("there is no deployment `{id}`")));
        }
        let id = id.to_string();
        self.database.read(cx, move |view| view.get(&id)).await
    }
}

#[async_trait]
impl DeploymentRecorder for Deployments {
    async fn record(&self, cx: &Context, input: Approved<'_, RecordDeployment>) -> Result<Deployment> {
        require("service", Some(&input.service))?;
        require("environment", Some(&input.environment))?;
        require("version", Some(&input.version))?;
        require("status", Some(&input.status))?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::DeploymentRecord, &input)?;
        let (input, actor) = (RecordDeployment::clone(&input), described(cx.actor()));
        let work = move |edit: &Edit<'_>| {
            let started_at = input.started_at.unwrap_or_else(|| edit.now());
            if let Some(finished) = input.finished_at.filter(|finished| *finished < started_at) {
                let message = format!("expected a time from {started_at} on, when it started, got {finished}");
                return Err(Error::invalid("finishedAt", message));
            }
            edit.add(|id| {
                let deployment = Deployment::new(id, input.status).started_at(started_at);
                let mut deployment =
                    deployment.service(input.service).environment(input.environment).version(input.version);
                (deployment.finished_at, deployment.url, deployment.actor) = (input.finished_at, input.url, actor);
                (deployment.fields, deployment.metadata) = (input.fields, input.metadata);
                deployment
            })
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }
}

fn matching(query: &DeploymentQuery) -> impl Fn(&Deployment) -> bool + Clone + Send + 'static {
    let (query, text) = (query.clone(), Text::new(&query.query));
    move |deployment| {
        let Deployment { service, environment, version, .. } = deployment;
        text.occurs_in([service.as_deref(), environment.as_deref(), version.as_deref()])
            && among(&query.statuses, &deployment.status)
            && (query.versions.is_empty() || version.as_ref().is_some_and(|version| query.versions.contains(version)))
            && is_or_any(&query.scope.service, service)
            && is_or_any(&query.scope.environment, environment)
            && is_within(deployment.started_at, query.since, query.until)
    }
}

/// Where a deployment stands among all of both sources; the greatest is the newest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: i64,
    source: Source,
}

/// At one time, what was recorded comes before tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Tag(String),
    Record(i64),
}

impl Place {
    fn of_tag(tag: &Deployment) -> Self {
        Self { at: Position::at_time(tag.started_at), source: Source::Tag(tag.id.to_string()) }
    }

    fn of_record(Position { at, number }: Position) -> Self {
        Self { at, source: Source::Record(number) }
    }

    /// Below which the records are that come after it.
    fn position(&self) -> Position {
        match self.source {
            Source::Record(number) => Position { at: self.at, number },
            Source::Tag(_) => Position { at: self.at, number: 0 },
        }
    }

    fn to_cursor(&self) -> Cursor {
        match &self.source {
            Source::Record(_) => self.position().to_cursor(),
            Source::Tag(id) => Cursor::new(format!("{}/{id}", self.at)),
        }
    }

    fn parse(cursor: &Cursor) -> Result<Self> {
        match cursor.as_str().split_once('/').map(|(at, id)| (at.parse(), id)) {
            Some((Ok(at), id)) if git::is_tag(id) => Ok(Self { at, source: Source::Tag(id.to_owned()) }),
            _ => Position::parse(cursor).map(Self::of_record),
        }
    }
}
