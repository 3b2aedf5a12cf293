//! Whether what is sent, and what the organization in memory answers, is what Datadog's own description says.
//!
//! The description is not part of this repository: the variable `OPSORCH_CONTRACTS` names the folder that it is in.

use std::path::PathBuf;

use opsorch::{LogQuery, MetricQuery, Result, Scope};
use opsorch_testkit::Contract;
use opsorch_testkit::double::Double;
use serde_json::json;

use super::desk::{Desk, ago};

/// Where the description contradicts its own words or its own examples.
const CONTRADICTIONS: [&str; 0] = [];

#[tokio::test]
#[ignore = "set OPSORCH_CONTRACTS to the folder of Datadog's description, and run it with --ignored"]
async fn what_is_said_is_what_datadog_describes() {
    let folder = PathBuf::from(std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names a folder"));
    let contract = Contract::open(folder.join("datadog.json")).unwrap();
    let desk = Desk::open().await;
    everything(&desk).await.unwrap();
    let requests = desk.wire.requests();
    assert!(requests.len() > 10, "{:?}", desk.wire.paths());
    let mut found = Vec::new();
    for request in requests {
        let reply = desk.wire.vendor(|vendor| vendor.answer(&request));
        let violations = contract.check(&request, &reply).err().unwrap_or_default();
        let violations = violations.iter().map(ToString::to_string);
        found.extend(violations.filter(|it| !CONTRADICTIONS.iter().any(|known| it.contains(known))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Makes every call that is offered.
async fn everything(desk: &Desk) -> Result<()> {
    let logs = LogQuery::new(ago(3_600), ago(0));
    let first = desk.logs(logs.clone().limit(2)).await?;
    let second = logs.clone().limit(2).after(first.next.unwrap());
    desk.logs(second).await?;
    desk.logs(
        logs.severity("error").service("db").metadata("indexes", json!(["main"])).metadata("storage_tier", "flex"),
    )
    .await?;
    let metrics = MetricQuery::new("jobs.waiting", ago(3_600), ago(0)).step(60);
    desk.metrics(metrics.clone()).await?;
    desk.metrics(metrics.clone().aggregation("sum").group_by("host").filter("env", "=", "production")).await?;
    desk.metrics(metrics.metadata("aggregator", "max")).await?;
    desk.ops.metrics(&desk.cx).describe(Scope::new()).await?;
    desk.ops.metrics(&desk.cx).describe(Scope::new().service("api")).await?;
    desk.ops.health(&desk.cx, "dd").await.map(|_| ())
}
