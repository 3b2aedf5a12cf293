//! Events API v2.

use super::*;

pub(super) fn answer(account: &mut Account, path: &[&str], request: &Request) -> Answer {
    let (true, ["v2", "enqueue"]) = (request.method == "POST", path) else { return Err(not_found()) };
    assert!(request.headers.get("authorization").is_none(), "the Events API has no header for a credential");
    let event = body(request);
    if event["routing_key"] != SECRET {
        return Err(invalid("Invalid routing key"));
    }
    let key = event["dedup_key"].as_str().unwrap_or_default().to_owned();
    match event["event_action"].as_str() {
        Some("trigger") => {
            let payload = &event["payload"];
            let text = |name: &str| payload[name].as_str().filter(|text| !text.is_empty());
            let (Some(summary), Some(_), Some(severity)) = (text("summary"), text("source"), text("severity")) else {
                return Err(invalid("'payload.summary', 'payload.source' and 'payload.severity' are required"));
            };
            if !["critical", "error", "warning", "info"].contains(&severity) {
                return Err(invalid("'payload.severity' is invalid"));
            }
            let summary: String = summary.chars().take(1_024).collect();
            account.event(&key, &summary, severity, &payload["custom_details"]);
        }
        // What is about no open alert is dropped without a word.
        Some("acknowledge") => drop_silently(account.tool.acknowledge(&key).map(|alert| alert.id.clone()), |id| {
            incidents::set_status(account, &id, "acknowledged");
        }),
        Some("resolve") => drop_silently(account.tool.resolve(&key).map(|alert| alert.id.clone()), |id| {
            incidents::set_status(account, &id, "resolved");
        }),
        _ => return Err(invalid("'event_action' is invalid")),
    }
    Ok(json(StatusCode::ACCEPTED, &value!({ "status": "success", "message": "Event processed", "dedup_key": key })))
}

fn drop_silently(found: Option<String>, act: impl FnOnce(String)) {
    if let Some(id) = found {
        act(id);
    }
}

fn invalid(error: &str) -> Reply {
    let body = value!({ "status": "invalid event", "message": "Event object is invalid", "errors": [error] });
    json(StatusCode::BAD_REQUEST, &body)
}
