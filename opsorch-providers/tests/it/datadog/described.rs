//! Whether what is said of incidents, alerts, services, teams and deployments, and what the organization in memory answers, is
//! what Datadog's own description says.
//!
//! The description is not part of this repository: the variable `OPSORCH_CONTRACTS` names the folder that it is in.

use std::path::PathBuf;
use std::time::Duration;

use opsorch::{
    AlertQuery, CreateIncident, DeploymentQuery, IncidentQuery, Result, ServiceQuery, SilenceAlert, TeamQuery,
    UpdateIncident,
};
use opsorch_testkit::Contract;
use opsorch_testkit::double::Double;
use serde_json::{Value, json};

use super::desk::{Desk, ago, done};
use super::simulated::datadog::deployments::SEARCH;
use super::simulated::datadog::listing::uuid;

/// Where the description contradicts its own words or its own examples, or leaves something out.
const CONTRADICTIONS: [&str; 3] = [
    // `role` is `null` for a member who is no administrator, by the words of the description.
    "/attributes/role: null is not one of",
    // The attributes of an event may be of one category or of none: those of none fit all.
    "/data/attributes/attributes: value is valid under more than one",
    // The part of the description that is looked at has no way to cancel a downtime; Datadog's documents have.
    "DELETE /api/v2/downtime/",
];

#[tokio::test]
#[ignore = "set OPSORCH_CONTRACTS to the folder of Datadog's description, and run it with --ignored"]
async fn what_is_said_is_what_datadog_describes() {
    let folder = PathBuf::from(std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names a folder"));
    let contract = Contract::open(folder.join("datadog.json")).unwrap();
    let mut found = Vec::new();
    for source in [json!("dora"), json!({ "events": { "query": SEARCH } })] {
        let desk = Desk::configured(json!({ "deployments": source })).await;
        everything(&desk).await.unwrap();
        let requests = desk.wire.requests();
        assert!(requests.len() > 30, "{:?}", desk.wire.paths());
        for request in requests {
            let reply = desk.wire.vendor(|vendor| vendor.answer(&request));
            let violations = contract.check(&request, &reply).err().unwrap_or_default();
            let violations = violations.iter().map(ToString::to_string);
            found.extend(violations.filter(|it| !CONTRADICTIONS.iter().any(|known| it.contains(known))));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Makes every call that is offered.
async fn everything(desk: &Desk) -> Result<()> {
    let incidents = desk.ops.incidents(&desk.cx);
    incidents.query(IncidentQuery::open().severity("critical").service("api")).await?;
    incidents.query(IncidentQuery::new()).await?;
    let new = CreateIncident::new("disk full").description("since 03:00").status("open").severity("high").service("db");
    let new = new
        .field("customer_impacted", true)
        .field("customer_impact_scope", "no orders")
        .field("commander", "ada@example.com")
        .field("detection_method", "monitor")
        .field("regions", json!({ "type": "multiselect", "value": ["eu"] }))
        .field("notification_handles", json!(["@slack-ops"]))
        .field("initial_cells", json!(["looking"]));
    let id = done(incidents.create(new).await)?.id;
    let change = UpdateIncident::new(&id).title("fuller").status("resolved").severity("SEV-5").description("");
    let change = change.field("customer_impact_end", ago(0).to_rfc3339()).field("commander", Value::Null);
    done(incidents.update(change).await)?;
    incidents.get(&id).await?;
    let alerts = desk.ops.alerts(&desk.cx);
    alerts.query(AlertQuery::firing().metadata("monitor_tags", "team:core")).await?;
    alerts.query(AlertQuery::new()).await?;
    done(alerts.silence(SilenceAlert::new("12:env:prod,host:web-1", ago(0) + Duration::from_secs(60))).await)?;
    done(alerts.silence(SilenceAlert::new("12:env:prod,host:web-1", ago(0))).await)?;
    let services = desk.ops.services(&desk.cx);
    services.query(ServiceQuery::new()).await?;
    services.get("shop/api").await?;
    let teams = desk.ops.teams(&desk.cx);
    teams.query(TeamQuery::new()).await?;
    teams.get(uuid(0xb, 0)).await?;
    teams.members(uuid(0xb, 0)).await?;
    teams.oncall(uuid(0xb, 0)).await?;
    let deployments = desk.ops.deployments(&desk.cx);
    let found = deployments.query(DeploymentQuery::new().service("api").environment("prod")).await?;
    deployments.get(&found.items[0].id).await.map(|_| ())
}
