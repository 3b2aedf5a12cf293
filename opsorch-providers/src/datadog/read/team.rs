//! Reads teams, their members, and who of them is on call.

use async_trait::async_trait;
use opsorch::capability::{OnCallReader, TeamReader};
use opsorch::{Context, Error, ErrorKind, Page, Result, Team, TeamId, TeamMember, TeamQuery};

use crate::datadog::KIND;
use crate::datadog::api::{Datadog, known_id};
use crate::datadog::list::{List, Paging, Place, page};
use crate::datadog::map::team as map;
use crate::datadog::wire::resource::Document;
use crate::datadog::wire::team::{self as wire, Included, Membership, OnCall, Schedule};
use crate::query::{Text, page_size, refuse_metadata_but};

const PAGING: Paging = Paging::Number("page[number]", "page[size]");

/// The largest part of a list that Datadog gives of these.
const LARGEST_PAGE: usize = 100;

/// The teams of an organization.
#[derive(Debug)]
pub(in crate::datadog) struct Teams {
    datadog: Datadog,
}

impl Teams {
    pub(in crate::datadog) fn new(datadog: Datadog) -> Self {
        Self { datadog }
    }

    fn list<'a>(&'a self, path: &'a [&'a str]) -> List<'a> {
        List { datadog: &self.datadog, path, parameters: Vec::new(), paging: PAGING, size: LARGEST_PAGE }
    }

    async fn all(&self, cx: &Context) -> Result<Vec<Team>> {
        let teams = self.list(&["api", "v2", "team"]).all::<Document<Vec<wire::Team>>>(cx).await?;
        Ok(teams.into_iter().map(|team| map::team(&self.datadog, team)).collect())
    }

    async fn find(&self, cx: &Context, id: &TeamId) -> Result<Team> {
        let path = ["api", "v2", "team", known_id("team", id.as_str())?];
        let found: Document<wire::Team> = self.datadog.get(cx, path, &[]).await?;
        Ok(map::team(&self.datadog, found.data))
    }

    /// Those whom the team's escalation calls now; nobody, where it has none.
    async fn by_escalation(&self, cx: &Context, team: &Team) -> Result<Vec<TeamMember>> {
        let path = ["api", "v2", "on-call", "teams", team.id.as_str(), "on-call"];
        let include = [("include", "responders,escalations.responders".to_owned())];
        match self.datadog.get::<Document<OnCall, Included>>(cx, path, &include).await {
            Ok(found) => Ok(map::of_team(&self.datadog, &found)),
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds those whose shift in one of the team's schedules is now.
    async fn by_schedules(&self, cx: &Context, team: &Team, on_call: &mut Vec<TeamMember>) -> Result<()> {
        let list = self.list(&["api", "v2", "on-call", "schedules"]);
        let schedules = list.all::<Document<Vec<Schedule>>>(cx).await?;
        let is_of_team =
            |schedule: &&Schedule| schedule.relationships.teams.data.iter().any(|its| its.id == team.id.as_str());
        for schedule in schedules.iter().filter(is_of_team) {
            let path = ["api", "v2", "on-call", "schedules", &schedule.id, "responders"];
            let parameters =
                [("include", "responders.shifts.user".to_owned()), ("filter[position]", "current".to_owned())];
            let found: Document<serde::de::IgnoredAny, Included> = self.datadog.get(cx, path, &parameters).await?;
            map::of_schedule(&self.datadog, schedule, &found.included, on_call);
        }
        Ok(())
    }
}

#[async_trait]
impl TeamReader for Teams {
    async fn query(&self, cx: &Context, query: &TeamQuery) -> Result<Page<Team>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        self.datadog.tags.wanted(&query.scope)?;
        let after = query.cursor.as_ref().map(Place::parse).transpose()?;
        let mut teams = self.all(cx).await?;
        if let Some(name) = &query.scope.team {
            teams = named(teams, name)?;
        }
        let text = Text::new(&query.name);
        teams.retain(|team| text.occurs_in([Some(team.name.as_str())]));
        Ok(page(teams, size, after.as_ref(), |team: &Team| Place::by_name(&team.name, team.id.as_str())))
    }

    async fn get(&self, cx: &Context, id: &TeamId) -> Result<Team> {
        self.find(cx, id).await
    }

    async fn members(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let path = ["api", "v2", "team", known_id("team", id.as_str())?, "memberships"];
        let parts = self.list(&path).parts::<Document<Vec<Membership>, Included>>(cx).await?;
        let mut members: Vec<TeamMember> = Vec::new();
        for member in parts.into_iter().flat_map(|part| map::members(&self.datadog, part)) {
            if !members.iter().any(|known| known.id == member.id) {
                members.push(member);
            }
        }
        Ok(Page::new(members))
    }
}

#[async_trait]
impl OnCallReader for Teams {
    /// Those whom the team's escalation calls, the first to be called first, then those of its schedules whom it does not.
    async fn oncall(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let team = self.find(cx, id).await?;
        let mut on_call = self.by_escalation(cx, &team).await?;
        // Whom the escalation calls is known: that the schedules are not is said beside it.
        Ok(match self.by_schedules(cx, &team, &mut on_call).await {
            Ok(()) => Page::new(on_call),
            Err(error) if on_call.is_empty() => return Err(error),
            Err(error) => Page::new(on_call).failure(error.to_source_failure(format!("{KIND}: on-call schedules"))),
        })
    }
}

/// The team of this handle, else the one of this name.
///
/// # Errors
/// `Invalid` where several have the name.
fn named(teams: Vec<Team>, name: &str) -> Result<Vec<Team>> {
    let (by_handle, others): (Vec<Team>, Vec<Team>) =
        teams.into_iter().partition(|team| map::handle(team) == Some(name));
    if !by_handle.is_empty() {
        return Ok(by_handle);
    }
    let by_name: Vec<Team> = others.into_iter().filter(|team| team.name == name).collect();
    if by_name.len() > 1 {
        let handles: Vec<&str> = by_name.iter().filter_map(map::handle).collect();
        let name = opsorch::visible(name);
        let message = format!("several teams are called `{name}`; give the handle of one: {}", handles.join(", "));
        return Err(Error::invalid("scope.team", message));
    }
    Ok(by_name)
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &TeamQuery) -> Result<()> {
    refuse_metadata_but(&[], &query.metadata)?;
    let mut honoured = TeamQuery::new();
    honoured.name.clone_from(&query.name);
    honoured.scope.team.clone_from(&query.scope.team);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    match *query == honoured {
        true => Ok(()),
        false => Err(Error::unsupported("Datadog finds teams by name only; leave tags and the rest of `scope` out")),
    }
}
