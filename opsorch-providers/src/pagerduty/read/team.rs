//! Reads teams, their members, and who of them is on call.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{OnCallReader, TeamReader};
use opsorch::{Context, Error, Page, Result, Team, TeamId, TeamMember, TeamQuery};

use super::directory::Directory;
use crate::pagerduty::api::{Api, Parameters, WALL, known_id};
use crate::pagerduty::map::Map;
use crate::pagerduty::wire::{MemberList, OnCallList, OneTeam, PolicyList, TeamList};
use crate::query::{Text, page_size, refuse_metadata_but};

/// How many escalation policies are named in one request.
const POLICIES: usize = 50;

/// The teams of an account.
#[derive(Debug)]
pub(in crate::pagerduty) struct Teams {
    api: Api,
    map: Arc<Map>,
}

impl Teams {
    pub(in crate::pagerduty) fn new(api: Api, map: Arc<Map>) -> Self {
        Self { api, map }
    }

    async fn find(&self, cx: &Context, id: &TeamId) -> Result<Team> {
        let found: OneTeam = self.api.get(cx, ["teams", known_id("team", id.as_str())?], &[]).await?;
        self.map.team(found.team).ok_or_else(|| Error::unexpected("the team has no id"))
    }
}

#[async_trait]
impl TeamReader for Teams {
    async fn query(&self, cx: &Context, query: &TeamQuery) -> Result<Page<Team>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        let mut parameters = Parameters::new();
        parameters.extend(query.name.iter().filter(|name| !name.is_empty()).map(|name| ("query", name.clone())));
        let text = Text::new(&query.name);
        let is_meant = |team: &Team| {
            text.occurs_in([Some(team.name.as_str())])
                && query.scope.team.as_ref().is_none_or(|name| team.name == *name)
        };
        let map = |team| self.map.team(team);
        let directory = Directory { api: &self.api, path: &["teams"], parameters, map };
        directory.page::<TeamList, _>(cx, size, query.cursor.as_ref(), is_meant).await
    }

    async fn get(&self, cx: &Context, id: &TeamId) -> Result<Team> {
        self.find(cx, id).await
    }

    async fn members(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let path = ["teams", known_id("team", id.as_str())?, "members"];
        let (members, is_cut) =
            self.api.list(&path, vec![("include[]", "users".to_owned())]).all::<MemberList>(cx).await?;
        Ok(whole(members.into_iter().filter_map(|member| self.map.member(member)).collect(), is_cut))
    }
}

#[async_trait]
impl OnCallReader for Teams {
    /// Those whom the team's escalation policies would call now, by a schedule of either version or by name.
    async fn oncall(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        let team = self.find(cx, id).await?;
        let of_team = vec![("team_ids[]", team.id.to_string())];
        let (policies, mut is_cut) = self.api.list(&["escalation_policies"], of_team).all::<PolicyList>(cx).await?;
        let policies: Vec<String> = policies.into_iter().filter_map(|policy| policy.id).collect();
        let mut entries = Vec::new();
        // Without a policy nobody is asked for: PagerDuty would name everybody who is on call anywhere.
        for some in policies.chunks(POLICIES) {
            let mut parameters: Parameters = vec![("include[]", "users".to_owned())];
            parameters.extend(some.iter().map(|id| ("escalation_policy_ids[]", id.clone())));
            let (found, cut) = self.api.list(&["oncalls"], parameters).all::<OnCallList>(cx).await?;
            entries.extend(found);
            is_cut |= cut;
        }
        Ok(whole(self.map.on_call(entries), is_cut))
    }
}

fn whole(members: Vec<TeamMember>, is_cut: bool) -> Page<TeamMember> {
    let page = Page::new(members);
    if is_cut { page.truncated(format!("PagerDuty gives {WALL} of a list at most")) } else { page }
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
        false => Err(Error::unsupported("PagerDuty finds teams by name only; leave tags and the rest of `scope` out")),
    }
}
