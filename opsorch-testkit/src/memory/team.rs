//! Teams, their members and who is on call.

use std::collections::BTreeMap;

use async_trait::async_trait;
use opsorch::capability::{OnCallReader, TeamReader};
use opsorch::{Context, Error, Operation, Page, Result, Scope, Team, TeamId, TeamMember, TeamQuery};

use super::MemoryProvider;
use super::matching::{has_tags, mentions};
use super::table::{page_of, wanted};
use super::world::World;

impl MemoryProvider {
    /// Adds a member to a team.
    pub fn seed_member(&self, team: impl Into<TeamId>, member: TeamMember) {
        self.world().members.entry(team.into()).or_default().push(member);
    }

    /// Puts somebody of a team on call.
    pub fn seed_on_call(&self, team: impl Into<TeamId>, member: TeamMember) {
        self.world().on_call.entry(team.into()).or_default().push(member);
    }
}

#[async_trait]
impl TeamReader for MemoryProvider {
    /// A scope names the team by id or name, or a service that it owns; an environment is `Unsupported`: teams have
    /// none.
    async fn query(&self, _: &Context, query: &TeamQuery) -> Result<Page<Team>> {
        self.page(Operation::TeamQuery, |world| {
            if query.scope.environment.is_some() {
                return Err(Error::unsupported("a team belongs to no environment; leave it out of the scope"));
            }
            let by_name = |team: &Team, index| (team.name.clone(), index);
            page_of(world.teams.rows(), wanted!(query), by_name, |team| {
                mentions(&query.name, [Some(&team.name)])
                    && has_tags(&team.tags, &query.tags)
                    && in_scope(world, &query.scope, team)
            })
        })
        .await
    }

    async fn get(&self, _: &Context, id: &TeamId) -> Result<Team> {
        self.read(Operation::TeamGet, |world| world.teams.get(id).cloned()).await
    }

    async fn members(&self, _: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        self.page(Operation::TeamMembers, |world| people(world, id, &world.members)).await
    }
}

#[async_trait]
impl OnCallReader for MemoryProvider {
    async fn oncall(&self, _: &Context, id: &TeamId) -> Result<Page<TeamMember>> {
        self.page(Operation::TeamOncall, |world| people(world, id, &world.on_call)).await
    }
}

fn in_scope(world: &World, scope: &Scope, team: &Team) -> bool {
    let is_team = |name: &String| team.id.as_str() == name || team.name == *name;
    let owns =
        |service: &String| world.service(service).and_then(|service| service.tags.get("team")).is_some_and(is_team);
    scope.team.as_ref().is_none_or(is_team) && scope.service.as_ref().is_none_or(owns)
}

fn people(world: &World, id: &TeamId, lists: &BTreeMap<TeamId, Vec<TeamMember>>) -> Result<Page<TeamMember>> {
    world.teams.get(id)?;
    Ok(Page::new(lists.get(id).cloned().unwrap_or_default()))
}
