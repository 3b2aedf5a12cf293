//! What `opsorch query` asks for, and how it is shown.

use clap::Args;
use opsorch::{Clock, IncidentQuery, SystemClock};
use serde_json::{Value, json};

use crate::{Done, without_nulls};

/// Which things, and how many.
#[derive(Args)]
pub(crate) struct Find {
    pub(crate) things: String,
    /// Only open incidents.
    #[arg(long)]
    pub(crate) open: bool,
    /// Words to look for.
    #[arg(long)]
    pub(crate) text: Option<String>,
    #[arg(long)]
    pub(crate) status: Vec<String>,
    #[arg(long)]
    pub(crate) severity: Vec<String>,
    #[arg(long)]
    pub(crate) service: Option<String>,
    #[arg(long)]
    pub(crate) team: Option<String>,
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// From when on: RFC 3339, or an age such as 90m, 2h or 7d. One hour for logs.
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// How many at most, over all pages.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Ask this provider alone.
    #[arg(long)]
    pub(crate) on: Option<String>,
}

/// The path of a kind of thing, and the columns it is shown in.
pub(crate) fn things(name: &str) -> Done<(&'static str, &'static [&'static str])> {
    Ok(match name {
        "incidents" => ("incidents", &["id", "status", "severity", "service", "title", "createdAt"]),
        "alerts" => ("alerts", &["id", "status", "severity", "service", "title", "createdAt"]),
        "logs" => ("logs", &["timestamp", "severity", "service", "message"]),
        "tickets" => ("tickets", &["id", "status", "assignees", "title", "updatedAt"]),
        "services" => ("services", &["id", "name", "url"]),
        "deployments" => ("deployments", &["id", "service", "environment", "version", "status", "startedAt"]),
        "teams" => ("teams", &["id", "name", "parent"]),
        "plans" => ("orchestration/plans", &["id", "version", "title"]),
        "runs" => ("orchestration/runs", &["id", "planId", "status", "createdAt"]),
        other => {
            let known = "incidents, alerts, logs, tickets, services, deployments, teams, plans, runs";
            return Err(format!("unknown `{other}`, expected one of: {known}").into());
        }
    })
}

/// The input of a query: what was said, and nothing else.
pub(crate) fn input(find: &Find) -> Done<Value> {
    let scope = json!({ "service": find.service, "team": find.team, "environment": find.environment });
    let mut input = json!({ "query": find.text, "scope": scope });
    let mut set = |name: &str, value: Value| input[name] = value;
    match (find.things.as_str(), find.open) {
        ("incidents", true) => set("statuses", serde_json::to_value(IncidentQuery::open().statuses)?),
        (_, true) => return Err("--open is for incidents; name a --status".into()),
        _ if !find.status.is_empty() => set("statuses", json!(find.status)),
        _ => {}
    }
    if find.things == "logs" {
        set("query", Value::Null);
        set("expression", json!({ "search": find.text, "severityIn": find.severity }));
        set("start", json!(time(find.since.as_deref().unwrap_or("1h"))?));
        set("end", json!(SystemClock.now()));
    } else {
        if !find.severity.is_empty() {
            set("severities", json!(find.severity));
        }
        set("since", json!(find.since.as_deref().map(time).transpose()?));
    }
    Ok(without_nulls(input))
}

/// A point in time, or how long ago it was.
fn time(text: &str) -> Done<opsorch::Time> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let ago =
        units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.parse::<u32>().ok()?, seconds)));
    match ago {
        Some((count, seconds)) => Ok(SystemClock.now() - std::time::Duration::from_secs(u64::from(count) * seconds)),
        None => {
            serde_json::from_value(json!(text)).map_err(|_| format!("expected 2h, 7d or RFC 3339, got `{text}`").into())
        }
    }
}
