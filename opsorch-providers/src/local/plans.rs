//! Plans, from a folder of YAML files.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::PlanReader;
use opsorch::{Context, Cursor, Error, Page, Plan, PlanId, PlanQuery, ProviderName, Result, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::folder::{Broken, Contents, Folder};
use super::query::{Text, is_or_any, page_size, refuse_metadata};

mod cycle;
mod folder;
mod yaml;

/// How many names an error lists.
const LISTED: usize = 10;

/// Answers from the files as they are now: they are looked at before each answer.
#[derive(Debug)]
pub(super) struct Plans {
    name: ProviderName,
    folder: Arc<Folder>,
}

impl Plans {
    /// Looks at the folder. Files that are broken are no errors: they are listed with each answer.
    ///
    /// # Errors
    /// `Invalid`, under `plans`, if the folder cannot be read.
    pub(super) async fn open(name: ProviderName, path: PathBuf) -> Result<Self> {
        let plans = Self { name, folder: Arc::new(Folder::new(path)) };
        plans.contents().await.map_err(|error| {
            let invalid = Error::invalid("plans", error.message().to_owned());
            error.context().fold(invalid, |invalid, (name, value)| invalid.with_context(name, value))
        })?;
        Ok(plans)
    }

    async fn contents(&self) -> Result<Contents> {
        let folder = Arc::clone(&self.folder);
        let reading = tokio::task::spawn_blocking(move || folder.contents());
        reading.await.map_err(|error| Error::unexpected("reading the plans was interrupted").with_source(error))?
    }

    /// The plan with this id, as it is now.
    ///
    /// # Errors
    /// `NotFound`, which lists the known ones; `Unexpected` if the file is broken, with what is wrong.
    pub(super) async fn find(&self, id: &PlanId) -> Result<Plan> {
        let contents = self.contents().await?;
        if let Some(plan) = contents.plans.get(id.as_str()) {
            return Ok(Plan::clone(plan));
        }
        match contents.broken.iter().find(|broken| broken.id.as_deref() == Some(id.as_str())) {
            Some(broken) => Err(broken.error()),
            None => Err(Error::not_found(unknown(id, &contents))),
        }
    }
}

#[async_trait]
impl PlanReader for Plans {
    /// By title, then by id. A text is searched for in title and description. A scope is compared with what the plan
    /// says under `service`, `team` and `environment`: a plan that says nothing is in none.
    async fn query(&self, _cx: &Context, query: &PlanQuery) -> Result<Page<Plan>> {
        refuse_metadata(&query.metadata)?;
        let size = page_size(query.page_size())?;
        let after = query.cursor.as_ref().map(Place::parse).transpose()?;
        let text = Text::new(&query.query);
        let Contents { plans, broken, more } = self.contents().await?;

        let mut found: Vec<_> = plans.into_values().map(|plan| (Place::of(&plan), plan)).collect();
        found.retain(|(place, plan)| {
            after.as_ref().is_none_or(|after| place > after)
                && text.occurs_in([Some(plan.title.as_str()), plan.description.as_deref()])
                && query.tags.iter().all(|(name, value)| plan.tags.get(name) == Some(value))
                && is_in_scope(plan, &query.scope)
        });
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let rest = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| rest).map(|(place, _)| place.to_cursor());
        let mut page = Page::new(found.into_iter().map(|(_, plan)| Arc::unwrap_or_clone(plan)).collect()).next(next);
        for broken in broken {
            let source = format!("{}: {}", self.name, broken.path.display());
            page = page.failure(broken.error().to_source_failure(source));
        }
        Ok(if more { page.truncated(folder::TOO_MUCH) } else { page })
    }

    async fn get(&self, _cx: &Context, id: &PlanId) -> Result<Plan> {
        self.find(id).await
    }
}

fn is_in_scope(plan: &Plan, scope: &Scope) -> bool {
    let Scope { service, team, environment, .. } = scope_of(plan);
    is_or_any(&scope.service, &service) && is_or_any(&scope.team, &team) && is_or_any(&scope.environment, &environment)
}

/// What a plan is about.
pub(super) fn scope_of(plan: &Plan) -> Scope {
    let field = |name: &str| plan.fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let mut scope = Scope::new();
    (scope.service, scope.team, scope.environment) = (field("service"), field("team"), field("environment"));
    scope
}

/// What to say about an id that stands for nothing. What cannot be read may be what was meant.
fn unknown(id: &PlanId, contents: &Contents) -> String {
    let known: Vec<_> = contents.plans.keys().take(LISTED).map(String::as_str).collect();
    let mut message = match known.is_empty() {
        true => format!("there is no plan `{id}`; there are none"),
        false => format!("there is no plan `{id}`; there are: {}", known.join(", ")),
    };
    let broken: Vec<_> = contents.broken.iter().take(LISTED).map(Broken::name).collect();
    if !broken.is_empty() {
        message.push_str(&format!("; these files are broken: {}", broken.join(", ")));
    }
    if contents.more {
        message.push_str("; ");
        message.push_str(folder::TOO_MUCH);
    }
    message
}

/// Where a plan stands among all.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place(String, PlanId);

impl Place {
    fn of(plan: &Plan) -> Self {
        Self(plan.title.clone(), plan.id.clone())
    }

    fn to_cursor(&self) -> Cursor {
        Cursor::new(json!(self).to_string())
    }

    fn parse(cursor: &Cursor) -> Result<Self> {
        let message = "expected a cursor that an earlier page of this query returned";
        serde_json::from_str(cursor.as_str()).map_err(|_| Error::invalid("cursor", message))
    }
}
