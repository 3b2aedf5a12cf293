//! Whether what is sent, and what the account in memory answers, is what PagerDuty's own description says.
//!
//! The description is not part of this repository: the variable `OPSORCH_CONTRACTS` names the folder that it is in.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use opsorch::gate::Decision;
use opsorch::secret::StaticSecrets;
use opsorch::transport::{Reply, Request, Transport};
use opsorch::{
    Action, Actor, AlertQuery, Context, CreateIncident, IncidentQuery, ManualClock, OpsOrch, RaiseAlert, ResolveAlert,
    Result, ServiceQuery, Target, TeamQuery, TimelineAppend, UpdateIncident, async_trait,
};
use opsorch_testkit::Contract;
use opsorch_testkit::double::{Double, SECRET};
use serde_json::json;

use super::desk::{ago, config, done};
use super::simulated::pagerduty::Vendor;

/// Where the description contradicts its own words or its own examples.
const CONTRADICTIONS: [&str; 6] = [
    // `Incident.body` says that it is given for `include[]=body`; the list of what can be included leaves it out.
    "query parameter \"include[]\" at /0: value is not one of \"acknowledgers\"",
    // The details of an incident are an object there, and a text in the example of opening one.
    "/body/details: value is not of type \"object\"",
    // `include[]=users` gives whole users in place of references.
    "/user/type: value is not one of \"user_reference\"",
    // `start` and `end` are null for those who are always on call, by their own words; then there is no schedule either.
    "/start: value is not of type \"string\"",
    "/end: value is not of type \"string\"",
    "/schedule: value is not valid under any",
];

/// Checks every exchange.
#[derive(Clone)]
struct Guard {
    vendor: Arc<Mutex<Vendor>>,
    api: Contract,
    events: Contract,
    found: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Transport for Guard {
    async fn send(&self, request: Request) -> Result<Reply> {
        let reply = self.vendor.lock().unwrap().answer(&request);
        let contract = if request.url.path().starts_with("/api") { &self.api } else { &self.events };
        let violations = contract.check(&request, &reply).err().unwrap_or_default();
        let mut found = self.found.lock().unwrap();
        let violations = violations.iter().map(ToString::to_string);
        found.extend(violations.filter(|it| !CONTRADICTIONS.iter().any(|known| it.contains(known))));
        Ok(reply)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

#[tokio::test]
#[ignore = "set OPSORCH_CONTRACTS to the folder of PagerDuty's description, and run it with --ignored"]
async fn what_is_said_is_what_pagerduty_describes() {
    let folder = PathBuf::from(std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names a folder"));
    let guard = Guard {
        vendor: Arc::new(Mutex::new(Vendor::new(Arc::new(ManualClock::default())))),
        api: Contract::open(folder.join("pagerduty.json")).unwrap().base_path("/api"),
        events: Contract::open(folder.join("pagerduty-events.json")).unwrap().base_path("/events"),
        found: Arc::default(),
    };
    let config: opsorch_providers::pagerduty::PagerDutyConfig = serde_json::from_value(config()).unwrap();
    let ops = OpsOrch::builder()
        .configure("pd", config)
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
        .clock(ManualClock::default())
        .secrets(StaticSecrets::new([("TOKEN", SECRET), ("KEY", SECRET), ("HOOK", "a"), ("NEXT_HOOK", "b")]))
        .transport(guard.clone())
        .without_layers()
        .build()
        .await
        .unwrap();
    everything(&ops, &Context::new(Actor::agent("triage"))).await.unwrap();
    let found = guard.found.lock().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Makes every call that is offered.
async fn everything(ops: &OpsOrch, cx: &Context) -> Result<()> {
    let incidents = ops.incidents(cx);
    incidents.query(IncidentQuery::new().limit(500)).await?;
    incidents.query(IncidentQuery::open().service("api").team("Core").since(ago(9_999)).until(ago(0))).await?;
    incidents.query(IncidentQuery::new().metadata("urgency", "low").metadata("user_id", "PUSER1")).await?;
    let new = CreateIncident::new("disk full").service("db").description("since 03:00").severity("critical");
    let id = done(incidents.create(new.field("assignees", json!(["PUSER1"]))).await)?.id;
    let change = UpdateIncident::new(&id).title("fuller").service("api").severity("P3").field("escalation_level", 2);
    done(incidents.update(change).await)?;
    done(incidents.append(TimelineAppend::new(&id, "note", "looking")).await)?;
    done(incidents.update(UpdateIncident::new(&id).status("resolved").field("resolution", "done")).await)?;
    incidents.get(&id).await?;
    incidents.timeline(&id).await?;
    let alerts = ops.alerts(cx);
    done(alerts.raise(RaiseAlert::new("k", "slow", "high").metadata("client", "opsorch")).await)?;
    alerts.query(AlertQuery::new()).await?;
    done(alerts.resolve(ResolveAlert::new("k")).await)?;
    ops.services(cx).query(ServiceQuery::new().name("api").team("Core")).await?;
    ops.services(cx).get("PSVC1").await?;
    let teams = ops.teams(cx);
    teams.query(TeamQuery::new().name("core")).await?;
    teams.get("PTEAM1").await?;
    teams.members("PTEAM1").await?;
    teams.oncall("PTEAM1").await?;
    ops.health(cx, "pd").await.map(|_| ())
}
