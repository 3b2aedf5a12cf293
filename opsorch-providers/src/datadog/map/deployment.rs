//! Deployments of DORA Metrics, and events that are deployments.

use opsorch::{Deployment, DeploymentStatus, DeploymentStatusLevel, Time};

use crate::datadog::api::Datadog;
use crate::datadog::deployments::DeploymentEvents;
use crate::datadog::wire::deployment::{Dora, Event};
use crate::fields::put;

/// A deployment, its team, and the time that Datadog puts it in order by.
#[derive(Debug)]
pub(in crate::datadog) struct Found {
    pub(in crate::datadog) deployment: Deployment,
    pub(in crate::datadog) teams: Vec<String>,
    pub(in crate::datadog) listed_at: Option<Time>,
}

/// A deployment of DORA Metrics: it is told when it is out. That it did harm does not change that.
pub(in crate::datadog) fn of_dora(datadog: &Datadog, found: Dora) -> Found {
    let attributes = found.attributes;
    let status = match attributes.finished_at {
        Some(_) => DeploymentStatusLevel::Success,
        None => DeploymentStatusLevel::Running,
    };
    let mut deployment =
        Deployment::new(&*found.id, status).service(attributes.service).started_at(attributes.started_at);
    deployment.environment = attributes.env;
    deployment.version = attributes.version;
    deployment.finished_at = attributes.finished_at;
    let git = attributes.git.unwrap_or_default();
    put(&mut deployment.fields, "team", &attributes.team);
    put(&mut deployment.fields, "commit_sha", git.commit_sha);
    put(&mut deployment.fields, "repository", git.repository_id);
    put(&mut deployment.fields, "tags", attributes.custom_tags);
    put(&mut deployment.fields, "change_failure", attributes.change_failure);
    deployment.metadata = datadog.metadata();
    let listed_at = attributes.finished_at.or(Some(attributes.started_at));
    Found { deployment, teams: attributes.team.into_iter().collect(), listed_at }
}

/// An event that is a deployment: its tags say what of, where and by whom.
pub(in crate::datadog) fn of_event(datadog: &Datadog, found: Event, source: &DeploymentEvents) -> Found {
    let attributes = found.attributes;
    let details = attributes.attributes;
    let mut tags = attributes.tags;
    tags.extend(details.tags);
    tags.sort();
    tags.dedup();
    let values = |name: &str| -> Vec<String> {
        let pairs = tags.iter().filter_map(|tag| tag.split_once(':'));
        pairs.filter(|(its, _)| *its == name).map(|(_, value)| value.to_owned()).collect()
    };
    let raw = details.status.filter(|word| !word.is_empty());
    let mut deployment = Deployment::new(&*found.id, status(raw.as_deref()));
    deployment.status_raw = raw;
    deployment.service = values(&datadog.tags.service).into_iter().next().or(details.service);
    deployment.environment = values(&datadog.tags.environment).into_iter().next();
    deployment.version = values(&source.version_tag).into_iter().next();
    deployment.started_at = attributes.timestamp;
    deployment.url = details.evt.id.map(|id| datadog.page(&["event", "event"], &[("id", &id)]));
    put(&mut deployment.fields, "title", details.title);
    put(&mut deployment.fields, "message", attributes.message);
    put(&mut deployment.fields, "source", details.source_type_name);
    let teams = values(&datadog.tags.team);
    put(&mut deployment.fields, "tags", tags);
    deployment.metadata = datadog.metadata();
    Found { deployment, teams, listed_at: attributes.timestamp }
}

/// `ok` says of an event what `success` says of a deployment; a word that says nothing of it, such as `info`, is kept.
fn status(raw: Option<&str>) -> DeploymentStatus {
    let Some(raw) = raw else { return DeploymentStatusLevel::Unknown.into() };
    let own = DeploymentStatus::new(raw);
    match own.level() {
        DeploymentStatusLevel::Unknown if raw == "ok" => DeploymentStatusLevel::Success.into(),
        DeploymentStatusLevel::Unknown => own,
        level => level.into(),
    }
}
