//! Teams, their members and who is on call.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, Page, Result, Team, TeamId, TeamMember, TeamQuery};

/// Finds and reads teams.
#[async_trait]
pub trait TeamReader: Debug + Send + Sync + 'static {
    /// Finds teams by name: at most [`TeamQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &TeamQuery) -> Result<Page<Team>>;
    /// Reads one team; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &TeamId) -> Result<Team>;
    /// All members of a team; an unknown id is `NotFound`.
    async fn members(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>>;
}

/// Says who is on call.
#[async_trait]
pub trait OnCallReader: Debug + Send + Sync + 'static {
    /// Who of a team is on call now; an unknown id is `NotFound`.
    async fn oncall(&self, cx: &Context, id: &TeamId) -> Result<Page<TeamMember>>;
}
