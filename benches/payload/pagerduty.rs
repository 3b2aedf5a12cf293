//! Incidents of PagerDuty, as `GET /incidents?include[]=body` gives them (REST API v2).

use serde_json::{Value, json};

use super::{PAGE, Text, stamp};

pub(super) fn page(incidents: Vec<Value>, number: usize, is_last: bool) -> Value {
    json!({ "incidents": incidents, "limit": PAGE, "offset": number * PAGE, "total": null, "more": !is_last })
}

pub(super) fn incident(text: &mut Text, index: usize) -> Value {
    let (id, number, title) = (format!("Q{:05}{}", index, text.id(8)), 50_000 - index, text.title());
    let is_resolved = text.chance(60);
    let service = reference(text, "service");
    let assigned: Vec<_> = (0..1 + text.0.below(2))
        .map(|_| json!({ "at": stamp(index, 5), "assignee": reference(text, "user") }))
        .collect();
    let teams: Vec<_> = (0..1 + text.0.below(2)).map(|_| reference(text, "team")).collect();
    json!({
        "id": id,
        "type": "incident",
        "summary": format!("[#{number}] {title}"),
        "self": format!("https://api.pagerduty.com/incidents/{id}"),
        "html_url": format!("https://acme.pagerduty.com/incidents/{id}"),
        "incident_number": number,
        "title": title,
        "description": title,
        "created_at": stamp(index, 0),
        "updated_at": stamp(index, 900),
        "status": if is_resolved { "resolved" } else { *text.0.pick(&["triggered", "acknowledged"]) },
        "incident_key": format!("{:032x}", u128::from(text.0.number())),
        "service": service,
        "assignments": if is_resolved { Vec::new() } else { assigned },
        "assigned_via": "escalation_policy",
        "last_status_change_at": stamp(index, 900),
        "last_status_change_by": reference(text, "user"),
        "resolved_at": is_resolved.then(|| stamp(index, 900)),
        "first_trigger_log_entry": reference(text, "trigger_log_entry"),
        "alert_counts": { "all": 3, "triggered": 1, "resolved": 2 },
        "is_mergeable": true,
        "incident_type": { "name": "incident_default" },
        "escalation_policy": reference(text, "escalation_policy"),
        "teams": teams,
        "impacted_services": [reference(text, "service")],
        "pending_actions": [{ "type": "unacknowledge", "at": stamp(index, 1_800) }],
        "acknowledgements": [{ "at": stamp(index, 30), "acknowledger": reference(text, "user") }],
        "basic_alert_grouping": null,
        "alert_grouping": null,
        "priority": text.chance(70).then(|| priority(text, index)),
        "resolve_reason": null,
        "incidents_responders": [],
        "responder_requests": [],
        "subscriber_requests": [],
        "urgency": *text.0.pick(&["high", "low"]),
        "body": { "type": "incident_body", "details": text.markdown() },
    })
}

fn reference(text: &mut Text, kind: &str) -> Value {
    let (id, name) = (format!("P{}", text.id(6)), text.words(3));
    json!({
        "id": id,
        "type": format!("{kind}_reference"),
        "summary": name,
        "self": format!("https://api.pagerduty.com/{kind}s/{id}"),
        "html_url": format!("https://acme.pagerduty.com/{kind}s/{id}"),
    })
}

fn priority(text: &mut Text, index: usize) -> Value {
    let (name, order) = *text.0.pick(&[("P1", 1), ("P2", 2), ("P3", 3)]);
    json!({
        "id": "P53ZZH5",
        "type": "priority",
        "summary": name,
        "self": "https://api.pagerduty.com/priorities/P53ZZH5",
        "html_url": null,
        "account_id": "PABCDEF",
        "color": "a8171c",
        "created_at": stamp(index, 0),
        "description": text.sentence(),
        "name": name,
        "order": order,
        "schema_version": 0,
        "updated_at": stamp(index, 0),
    })
}
