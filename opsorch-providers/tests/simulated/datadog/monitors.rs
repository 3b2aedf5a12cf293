//! Monitors with the states of their groups, and downtimes.

use std::sync::Arc;

use opsorch::transport::{Reply, Request, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::{body, by_offset, parameter};
use serde_json::{Value, json};

use super::listing::{Answer, forbidden_media, known, not_found, number, uuid, written};
use super::{bad_request, ok};

pub struct Monitors {
    pub clock: Arc<dyn Clock>,
    pub monitors: Vec<Value>,
    pub downtimes: Vec<Downtime>,
}

/// A downtime, and the attributes that it was made with.
pub struct Downtime {
    pub id: String,
    pub attributes: Value,
    pub canceled: bool,
}

/// A monitor without groups.
pub fn monitor(id: u64, name: &str, state: &str, triggered: i64) -> Value {
    json!({
        "id": id, "name": name, "message": format!("{name}: see the runbook"), "type": "query alert", "query": "avg(last_5m):avg:x{*} > 1",
        "tags": [], "priority": null, "multi": false, "overall_state": state, "created": "2026-01-02T03:04:05.678+00:00",
        "modified": "2026-01-02T03:04:05.678+00:00", "options": { "thresholds": { "critical": 1.0 } },
        "state": { "groups": { "*": group(state, triggered) } },
    })
}

/// A monitor with groups: their names, states, and when they last triggered.
pub fn split(id: u64, name: &str, groups: &[(&str, &str, i64)]) -> Value {
    let mut monitor = monitor(id, name, "Alert", 0);
    monitor["multi"] = json!(true);
    let groups = groups.iter().map(|(name, state, at)| ((*name).to_owned(), group(state, *at))).collect();
    monitor["state"]["groups"] = Value::Object(groups);
    monitor
}

fn group(state: &str, at: i64) -> Value {
    let nodata = if state == "No Data" { at } else { 0 };
    json!({ "status": state, "last_triggered_ts": at, "last_resolved_ts": 0, "last_nodata_ts": nodata, "last_notified_ts": at })
}

pub fn with(mut monitor: Value, members: Value) -> Value {
    monitor.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    monitor
}

impl Monitors {
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let at = |ago: i64| clock.now().timestamp() - ago;
        let monitors = vec![
            with(
                monitor(11, "Disk full", "Alert", at(600)),
                json!({ "priority": 1, "tags": ["service:db", "team:core", "env:prod"] }),
            ),
            with(
                split(
                    12,
                    "Slow answers",
                    &[
                        ("host:web-1,env:prod", "Alert", at(300)),
                        ("host:web-2,env:prod", "OK", at(9_000)),
                        ("host:web-3,env:staging", "Warn", at(1_200)),
                        ("host:web-4,env:prod", "No Data", at(100)),
                    ],
                ),
                json!({ "priority": 2, "tags": ["service:api", "team:web"] }),
            ),
            with(
                monitor(13, "Queue grows", "OK", at(50_000)),
                json!({ "tags": ["service:jobs", "team:core", "env:prod"] }),
            ),
            with(monitor(14, "Certificate ends", "Warn", at(86_400)), json!({ "tags": ["service:api", "env:prod"] })),
            with(monitor(15, "Backup missing", "Ignored", 0), json!({ "priority": 5, "tags": [] })),
        ];
        Self { clock: Arc::clone(clock), monitors, downtimes: Vec::new() }
    }

    pub fn answer(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        let answer = match (request.method.as_str(), path) {
            ("GET", ["api", "v1", "monitor"]) => self.list(request),
            ("GET", ["api", "v1", "monitor", id]) => self.get(request, id),
            ("GET", ["api", "v2", "downtime"]) => self.downtimes(request),
            ("POST", ["api", "v2", "downtime"]) => self.mute(request),
            ("DELETE", ["api", "v2", "downtime", id]) => self.cancel(id),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    /// Without `page` the whole list comes back, whatever `page_size` says; `group_states` narrows groups, not monitors.
    fn list(&self, request: &Request) -> Answer {
        known(request, &["group_states", "monitor_tags", "page", "page_size"])?;
        let tags = parameter(request, "monitor_tags");
        let tags: Vec<&str> = tags.as_deref().map(|tags| tags.split(',').collect()).unwrap_or_default();
        let is_meant =
            |monitor: &&Value| tags.iter().all(|tag| monitor["tags"].as_array().unwrap().contains(&json!(tag)));
        let meant = self.monitors.iter().filter(is_meant);
        let size = number(request, "page_size", 100)?;
        if size > 1_000 {
            return Err(bad_request("page_size must be at most 1000"));
        }
        let meant: Vec<&Value> = match parameter(request, "page") {
            Some(_) => by_offset(meant, number(request, "page", 0)? * size, size).items,
            None => meant.collect(),
        };
        let shown: Result<Vec<Value>, Reply> = meant.into_iter().map(|monitor| shown(monitor, request)).collect();
        Ok(ok(&shown?))
    }

    fn get(&self, request: &Request, id: &str) -> Answer {
        known(request, &["group_states"])?;
        let id: u64 =
            id.parse().map_err(|_| bad_request("The value provided for parameter 'monitor_id' is invalid"))?;
        let found = self.monitors.iter().find(|monitor| monitor["id"] == id).ok_or_else(|| not_found("Monitor"))?;
        Ok(ok(&shown(found, request)?))
    }

    fn downtimes(&self, request: &Request) -> Answer {
        known(request, &["current_only", "page[offset]", "page[limit]"])?;
        let is_current = parameter(request, "current_only").as_deref() == Some("true");
        let all = self.downtimes.iter().map(|downtime| self.shown(downtime));
        let found = all.filter(|downtime| !is_current || downtime["attributes"]["status"] == "active");
        let part = by_offset(found, number(request, "page[offset]", 0)?, number(request, "page[limit]", 30)?);
        Ok(ok(&json!({ "data": part.items, "meta": { "page": { "total_filtered_count": part.total } } })))
    }

    fn mute(&mut self, request: &Request) -> Answer {
        forbidden_media(request)?;
        let sent = body(request)["data"].clone();
        let attributes = sent["attributes"].clone();
        let is_fit = sent["type"] == "downtime"
            && attributes["monitor_identifier"]["monitor_id"].is_u64()
            && attributes["scope"].as_str().is_some_and(|scope| !scope.is_empty())
            && attributes["schedule"]["end"].as_str().is_some_and(|end| end.parse::<Time>().is_ok());
        if !is_fit {
            return Err(bad_request("Invalid downtime"));
        }
        let id = uuid(0xd, self.downtimes.len());
        self.downtimes.push(Downtime { id, attributes, canceled: false });
        Ok(ok(&json!({ "data": self.shown(self.downtimes.last().unwrap()) })))
    }

    fn cancel(&mut self, id: &str) -> Answer {
        let downtime = self.downtimes.iter_mut().find(|downtime| downtime.id == id && !downtime.canceled);
        downtime.ok_or_else(|| not_found("Downtime"))?.canceled = true;
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }

    fn shown(&self, downtime: &Downtime) -> Value {
        let now = self.clock.now();
        let end = downtime.attributes["schedule"]["end"].as_str().and_then(|end| end.parse::<Time>().ok());
        let status = match (downtime.canceled, end) {
            (true, _) => "canceled",
            (_, Some(end)) if end <= now => "ended",
            _ => "active",
        };
        let mut attributes = downtime.attributes.clone();
        attributes["status"] = json!(status);
        attributes["schedule"] = json!({ "start": written(now), "end": end.map(written) });
        json!({ "type": "downtime", "id": downtime.id, "attributes": attributes })
    }
}

fn shown(monitor: &Value, request: &Request) -> Shown {
    let states = parameter(request, "group_states").unwrap_or_default();
    let states: Vec<&str> = states.split(',').collect();
    if states.iter().any(|state| !["", "all", "alert", "warn", "no data"].contains(state)) {
        return Err(bad_request("unknown group_states"));
    }
    let mut monitor = monitor.clone();
    let groups = monitor["state"]["groups"].as_object_mut().unwrap();
    groups.retain(|_, group| {
        let state = group["status"].as_str().unwrap_or_default().to_lowercase();
        states.contains(&"all") || states.contains(&state.as_str())
    });
    Ok(monitor)
}

type Shown = Result<Value, Reply>;
