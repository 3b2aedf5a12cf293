//! Puts things into a world that has too few of them to look at, through the provider's own writers.

use std::time::Duration;

use opsorch::{
    Action, CreateIncident, CreateTicket, DeploymentStatusLevel, ErrorKind, Operation, RaiseAlert, RecordDeployment,
    SeverityLevel, StartRun, TimelineAppend,
};
use serde_json::{Value, json};

use super::lab::{Lab, items};
use super::rule::Checked;

/// How many things of each sort there should be.
const ENOUGH: usize = 3;

/// Fills up what the provider lists and can make. What it cannot make stays as it is.
pub(super) async fn fill(lab: &Lab) -> Checked {
    fill_one(
        lab,
        Operation::IncidentQuery,
        |number| incident(lab, number),
        |number| CreateIncident::new(title(lab, number)).into(),
    )
    .await?;
    fill_one(
        lab,
        Operation::TicketQuery,
        |number| ticket(lab, number),
        |number| CreateTicket::new(title(lab, number)).into(),
    )
    .await?;
    fill_one(lab, Operation::AlertQuery, |number| alert(lab, number), |number| plain_alert(lab, number).into()).await?;
    fill_one(lab, Operation::DeploymentQuery, deployment, |number| plain_deployment(number).into()).await?;
    let plans = list(lab, Operation::OrchestrationPlansQuery).await?;
    if let Some(plan) = plans.first().and_then(|plan| plan.get("id")).and_then(Value::as_str) {
        let start = || Action::from(StartRun::new(plan));
        fill_one(lab, Operation::OrchestrationRunsQuery, |_| start(), |_| start()).await?;
    }
    let incidents = list(lab, Operation::IncidentQuery).await?;
    let newest = incidents.first().and_then(|incident| incident.get("id")).and_then(Value::as_str);
    // In a real account the newest may be somebody's.
    let is_ours = !lab.is_live("live, and only what the suite made is changed");
    if let Some(id) = newest.filter(|_| is_ours && lab.offers(Operation::IncidentTimelineAppend)) {
        for number in 1..ENOUGH {
            make(lab, TimelineAppend::new(id, "note", title(lab, number)).into()).await?;
        }
    }
    Ok(())
}

/// Makes things until there are enough: in full, or plainly where that is refused.
async fn fill_one(
    lab: &Lab,
    query: Operation,
    full: impl Fn(usize) -> Action,
    plain: impl Fn(usize) -> Action,
) -> Checked {
    if !lab.offers(query) || !lab.offers(plain(0).operation()) {
        return Ok(());
    }
    for number in list(lab, query).await?.len()..ENOUGH {
        if !make(lab, full(number)).await? {
            make(lab, plain(number)).await?;
        }
    }
    Ok(())
}

/// What there is, as far as a few go.
async fn list(lab: &Lab, query: Operation) -> Checked<Vec<Value>> {
    match lab.offers(query) {
        true => items(&lab.read(query, json!({ "limit": ENOUGH })).await??),
        false => Ok(Vec::new()),
    }
}

/// Makes something a minute after what was made before; says whether it was not refused.
async fn make(lab: &Lab, action: Action) -> Checked<bool> {
    if !lab.time_passes() {
        lab.place().clock().advance(Duration::from_secs(60));
    }
    match lab.change(action).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Invalid { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Words that are found apart from each other.
fn title(lab: &Lab, number: usize) -> String {
    let symptom = match number % ENOUGH {
        0 => "latency above 2 s",
        1 => "disk full",
        _ => "error rate above 5 %",
    };
    lab.titled(format_args!("{symptom} ({number})"))
}

fn severity(number: usize) -> SeverityLevel {
    match number % ENOUGH {
        0 => SeverityLevel::Critical,
        1 => SeverityLevel::High,
        _ => SeverityLevel::Low,
    }
}

fn service(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "api" } else { "db" }
}

fn incident(lab: &Lab, number: usize) -> Action {
    CreateIncident::new(title(lab, number))
        .description(format!("seen by check {number}"))
        .severity(severity(number))
        .service(service(number))
        .into()
}

fn ticket(lab: &Lab, number: usize) -> Action {
    CreateTicket::new(title(lab, number)).description(format!("after incident {number}")).into()
}

fn plain_alert(lab: &Lab, number: usize) -> RaiseAlert {
    RaiseAlert::new(lab.named(format_args!("conformance/{number}")), title(lab, number), severity(number))
}

fn alert(lab: &Lab, number: usize) -> Action {
    plain_alert(lab, number).description(format!("seen by check {number}")).service(service(number)).into()
}

fn plain_deployment(number: usize) -> RecordDeployment {
    let status = if number == 0 { DeploymentStatusLevel::Failed } else { DeploymentStatusLevel::Success };
    RecordDeployment::new(service(number), "production", format!("v1.{number}.0"), status)
}

fn deployment(number: usize) -> Action {
    plain_deployment(number).field("sha", json!(format!("{number:040}"))).into()
}
