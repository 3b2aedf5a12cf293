//! Incidents, their log, their notes and their alerts.

use chrono::SecondsFormat;
use opsorch::Time;
use opsorch_testkit::double::{Alert, Incident};

use super::account::{merged, reference, whole};
use super::*;

/// The longest span of a search, in days, and the usual one.
const LONGEST: i64 = 184;
const USUAL: i64 = 31;

pub(super) fn list(account: &Account, request: &Request) -> Answer {
    known(
        request,
        &[
            "limit",
            "offset",
            "date_range",
            "since",
            "until",
            "statuses[]",
            "service_ids[]",
            "team_ids[]",
            "user_ids[]",
            "urgencies[]",
            "incident_key",
            "sort_by",
            "include[]",
        ],
    )?;
    let (since, until) = span(account, request)?;
    let (statuses, services) = (parameters(request, "statuses[]"), parameters(request, "service_ids[]"));
    let (teams, urgencies) = (parameters(request, "team_ids[]"), parameters(request, "urgencies[]"));
    if let Some(other) = statuses.iter().find(|one| !["triggered", "acknowledged", "resolved"].contains(&one.as_str()))
    {
        return Err(bad(&format!("unknown status {other}")));
    }
    let key = parameter(request, "incident_key").filter(|key| !key.is_empty());
    let is_any = |wanted: &[String], has: &str| wanted.is_empty() || wanted.iter().any(|one| one == has);
    let mut found: Vec<&Incident> = account
        .tool
        .incidents()
        .filter(|incident| {
            is_any(&statuses, &incident.status)
                && is_any(&services, text(incident, "service"))
                && is_any(&teams, team_of(account, incident))
                && is_any(&urgencies, text(incident, "urgency"))
                && key.as_deref().is_none_or(|key| has_key(account, incident, key))
                && (since..=until).contains(&incident.created)
        })
        .collect();
    found.sort_by_key(|incident| incident.created);
    match parameter(request, "sort_by").as_deref() {
        Some("created_at:desc") => found.reverse(),
        Some("created_at:asc") | None => {}
        Some(other) => return Err(bad(&format!("cannot sort by {other}"))),
    }
    page(request, "incidents", found, |incident| shown(account, incident, request))
}

fn span(account: &Account, request: &Request) -> Result<(Time, Time), Reply> {
    if parameter(request, "date_range").as_deref() == Some("all") {
        return Ok((Time::MIN_UTC, Time::MAX_UTC));
    }
    let time = |name: &str| {
        let text = parameter(request, name);
        text.map(|text| text.parse::<Time>().map_err(|_| bad(&format!("{name} is no time")))).transpose()
    };
    let until = time("until")?.unwrap_or_else(|| account.clock.now());
    let since =
        time("since")?.or_else(|| until.checked_sub_signed(chrono::TimeDelta::days(USUAL))).unwrap_or(Time::MIN_UTC);
    match (until - since).num_days() > LONGEST {
        true => Err(bad("The date range is too large: at most 6 months")),
        false => Ok((since, until)),
    }
}

pub(super) fn create(account: &mut Account, request: &Request) -> Answer {
    let incident = body(request)["incident"].clone();
    if incident["type"] != "incident" {
        return Err(bad("Incident type is wrong"));
    }
    let service = incident["service"]["id"].as_str().unwrap_or_default().to_owned();
    if incident["service"]["type"] != "service_reference" || !account.services.iter().any(|it| it["id"] == service) {
        return Err(bad("Service Not Found"));
    }
    let title = incident["title"].as_str().filter(|title| !title.trim().is_empty());
    let title = title.ok_or_else(|| bad("Title can't be blank"))?;
    let key = incident["incident_key"].as_str().unwrap_or_default();
    let is_taken =
        |known: &Incident| known.status != "resolved" && text(known, "key") == key && text(known, "service") == service;
    if !key.is_empty() && account.tool.incidents().any(is_taken) {
        return Err(bad("Open incident with matching dedup key already exists on this service"));
    }
    let now = account.clock.now();
    let id = account.open(title, &service, now);
    write(account, &id, &incident);
    let details = incident["body"]["details"].as_str().unwrap_or_default().to_owned();
    account.tool.update(&id, |incident| {
        incident.fields.insert("key".to_owned(), value!(key));
        incident.fields.insert("details".to_owned(), value!(details));
    });
    let made = account.tool.incident(&id).unwrap();
    Ok(json(StatusCode::CREATED, &value!({ "incident": render(account, made, false) })))
}

/// Writes what both an opening and a change can say.
fn write(account: &mut Account, id: &str, incident: &Value) {
    account.tool.update(id, |known| {
        if let Some(title) = incident["title"].as_str() {
            known.title = title.to_owned();
        }
        for (field, place) in [("priority", "/priority/id"), ("urgency", "/urgency"), ("service", "/service/id")] {
            if let Some(text) = incident.pointer(place).and_then(Value::as_str) {
                known.fields.insert(field.to_owned(), value!(text));
            }
        }
    });
}

pub(super) fn update(account: &mut Account, id: &str, request: &Request) -> Answer {
    let incident = body(request)["incident"].clone();
    let known = account.tool.incident(id).ok_or_else(not_found)?;
    assert_eq!(incident["type"], "incident_reference");
    match (known.status.as_str(), incident["status"].as_str()) {
        ("acknowledged", Some("acknowledged")) => {
            return Err(refusal(StatusCode::BAD_REQUEST, 1002, "Incident Already Acknowledged"));
        }
        ("resolved", Some("resolved")) => {
            return Err(refusal(StatusCode::BAD_REQUEST, 1001, "Incident Already Resolved"));
        }
        _ => {}
    }
    write(account, id, &incident);
    if let Some(status) = incident["status"].as_str() {
        account.tool.update(id, |known| known.status = status.to_owned());
        let kind = match status {
            "acknowledged" => "acknowledge_log_entry",
            "resolved" => "resolve_log_entry",
            _ => "unacknowledge_log_entry",
        };
        account.tool.note(id, kind, "PUSER1", status);
    }
    let now = account.tool.incident(id).unwrap();
    Ok(json(StatusCode::OK, &value!({ "incident": render(account, now, false) })))
}

/// What an event does to the incident of an alert.
pub(super) fn set_status(account: &mut Account, alert: &str, status: &str) {
    let incident = account.tool.incidents().find(|incident| text(incident, "alert") == alert);
    let id = incident.map(|incident| incident.id.clone()).unwrap();
    account.tool.update(&id, |incident| incident.status = status.to_owned());
}

pub(super) fn get(account: &Account, id: &str, request: &Request) -> Answer {
    known(request, &["include[]"])?;
    let incident = account.tool.incident(id).ok_or_else(not_found)?;
    Ok(json(StatusCode::OK, &value!({ "incident": shown(account, incident, request) })))
}

/// Everything that happened, notes too, the newest first.
pub(super) fn log(account: &Account, id: &str, request: &Request) -> Answer {
    known(request, &["limit", "offset"])?;
    let incident = account.tool.incident(id).ok_or_else(not_found)?;
    let entries = incident.timeline.iter().rev().map(|note| {
        let summary = if note.kind == "annotate_log_entry" { "Annotated by Alice" } else { note.text.as_str() };
        value!({
            "id": format!("R{}", note.id), "type": note.kind, "summary": summary,
            "self": format!("https://api.pagerduty.com/log_entries/R{}", note.id),
            "html_url": null, "created_at": written(note.created),
            "agent": reference("user", &note.author, &note.author),
        })
    });
    page(request, "log_entries", entries.collect(), |entry| entry)
}

fn annotations(account: &Account, id: &str) -> Result<Vec<Value>, Reply> {
    let incident = account.tool.incident(id).ok_or_else(not_found)?;
    let notes = incident.timeline.iter().filter(|note| note.kind == "annotate_log_entry");
    let shown = notes.map(|note| {
        value!({
            "id": note.id, "content": note.text, "created_at": written(note.created),
            "user": reference("user", &note.author, &note.author), "channel": { "summary": "The PagerDuty API" },
        })
    });
    Ok(shown.collect())
}

pub(super) fn notes(account: &Account, id: &str, request: &Request) -> Answer {
    known(request, &[])?;
    Ok(json(StatusCode::OK, &value!({ "notes": annotations(account, id)? })))
}

pub(super) fn note(account: &mut Account, id: &str, request: &Request) -> Answer {
    let content = body(request)["note"]["content"].as_str().unwrap_or_default().to_owned();
    if content.trim().is_empty() {
        return Err(bad("Content can't be blank"));
    }
    account.tool.note(id, "annotate_log_entry", "PUSER1", content).ok_or_else(not_found)?;
    let note = annotations(account, id)?.pop();
    Ok(json(StatusCode::OK, &value!({ "note": note })))
}

pub(super) fn alerts(account: &Account, id: &str, request: &Request) -> Answer {
    known(request, &["limit", "offset", "alert_key", "statuses[]", "sort_by"])?;
    let incident = account.tool.incident(id).ok_or_else(not_found)?;
    let key = parameter(request, "alert_key");
    let alert = alert_of(account, incident).filter(|alert| key.as_deref().is_none_or(|key| alert.dedup_key == key));
    page(request, "alerts", alert.into_iter().collect(), |alert| render_alert(incident, alert))
}

pub(super) fn alert(account: &Account, id: &str, alert: &str, request: &Request) -> Answer {
    known(request, &[])?;
    let incident = account.tool.incident(id).ok_or_else(not_found)?;
    let found = alert_of(account, incident).filter(|known| known.id == alert).ok_or_else(not_found)?;
    Ok(json(StatusCode::OK, &value!({ "alert": render_alert(incident, found) })))
}

fn alert_of<'a>(account: &'a Account, incident: &Incident) -> Option<&'a Alert> {
    account.tool.alerts().find(|alert| alert.id == text(incident, "alert"))
}

fn has_key(account: &Account, incident: &Incident, key: &str) -> bool {
    text(incident, "key") == key || alert_of(account, incident).is_some_and(|alert| alert.dedup_key == key)
}

fn team_of<'a>(account: &'a Account, incident: &Incident) -> &'a str {
    let service = account.services.iter().find(|service| service["id"] == text(incident, "service"));
    service.and_then(|service| service["teams"][0]["id"].as_str()).unwrap_or_default()
}

fn text<'a>(incident: &'a Incident, field: &str) -> &'a str {
    incident.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// PagerDuty keeps whole seconds.
fn written(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn shown(account: &Account, incident: &Incident, request: &Request) -> Value {
    render(account, incident, parameters(request, "include[]").iter().any(|one| one == "body"))
}

fn render(account: &Account, incident: &Incident, with_body: bool) -> Value {
    let Incident { id, number, title, status, .. } = incident;
    let name_in = |list: &[Value], id: &str| {
        list.iter().find(|item| item["id"] == id).and_then(|item| item["name"].as_str()).unwrap_or_default().to_owned()
    };
    let (service, priority) = (text(incident, "service"), text(incident, "priority"));
    let has_alert = !text(incident, "alert").is_empty();
    let mut shown = value!({
        "id": id, "type": "incident", "summary": format!("[#{number}] {title}"),
        "self": format!("https://api.pagerduty.com/incidents/{id}"),
        "html_url": format!("https://acme.pagerduty.com/incidents/{id}"),
        "incident_number": number, "title": title, "status": status,
        "created_at": written(incident.created), "updated_at": written(incident.updated),
        "urgency": text(incident, "urgency"),
        "service": reference("service", service, &name_in(&account.services, service)),
        "assignments": [], "teams": [reference("team", team_of(account, incident), "team")],
        "alert_counts": { "all": i32::from(has_alert), "triggered": 0, "resolved": 0 },
        "escalation_policy": reference("escalation_policy", "PEP1", "Core first"),
        "last_status_change_at": written(incident.updated),
    });
    if !has_alert && !text(incident, "key").is_empty() {
        shown["incident_key"] = value!(text(incident, "key"));
    }
    if !priority.is_empty() {
        shown["priority"] = whole("priority", priority, &name_in(&account.priorities, priority));
    }
    match with_body {
        true => merged(shown, value!({ "body": { "type": "incident_body", "details": text(incident, "details") } })),
        false => shown,
    }
}

fn render_alert(incident: &Incident, alert: &Alert) -> Value {
    let Alert { id, dedup_key, summary, .. } = alert;
    let status = if alert.resolved.is_some() || incident.status == "resolved" { "resolved" } else { "triggered" };
    value!({
        "id": id, "type": "alert", "summary": summary, "status": status, "alert_key": dedup_key, "suppressed": false,
        "self": format!("https://api.pagerduty.com/incidents/{}/alerts/{id}", incident.id),
        "html_url": format!("https://acme.pagerduty.com/alerts/{id}"),
        "created_at": written(alert.created), "severity": alert.fields.get("severity"),
        "service": reference("service", text(incident, "service"), "api"),
        "incident": reference("incident", &incident.id, &incident.title),
        "body": { "type": "alert_body", "contexts": [], "details": alert.fields.get("details") },
    })
}
