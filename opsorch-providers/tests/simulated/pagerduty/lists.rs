//! Services, teams, users, priorities, policies, and who is on call.

use super::account::merged;
use super::*;

pub(super) fn list(account: &Account, list: &str, request: &Request) -> Answer {
    let paging = ["limit", "offset"];
    let (items, names): (&[Value], &[&str]) = match list {
        "services" => (&account.services, &["query", "name", "team_ids[]", "sort_by"]),
        "teams" => (&account.teams, &["query"]),
        "users" => (&account.users, &["query"]),
        "priorities" => (&account.priorities, &[]),
        "escalation_policies" => (&account.policies, &["team_ids[]"]),
        "oncalls" => (&account.on_calls, &["escalation_policy_ids[]", "include[]"]),
        _ => return Err(not_found()),
    };
    known(request, &[names, &paging].concat())?;
    let includes_users = parameters(request, "include[]").iter().any(|one| one == "users");
    let included = |item: &Value| match item.get("user").filter(|_| includes_users) {
        Some(user) => merged(item.clone(), value!({ "user": whole_user(account, user) })),
        None => item.clone(),
    };
    page(request, list, items.iter().filter(|item| is_meant(item, request)).collect(), included)
}

fn is_meant(item: &Value, request: &Request) -> bool {
    let name = item["name"].as_str().unwrap_or_default();
    let email = item["email"].as_str().unwrap_or_default();
    let says = |text: String| [name, email].iter().any(|it| it.to_lowercase().contains(&text.to_lowercase()));
    let teams = parameters(request, "team_ids[]");
    let of_teams =
        item["teams"].as_array().is_some_and(|its| its.iter().any(|it| teams.iter().any(|id| it["id"] == **id)));
    let policies = parameters(request, "escalation_policy_ids[]");
    parameter(request, "query").is_none_or(says)
        && parameter(request, "name").is_none_or(|text| name == text)
        && (teams.is_empty() || of_teams)
        && (policies.is_empty() || policies.iter().any(|id| item["escalation_policy"]["id"] == **id))
}

fn whole_user(account: &Account, user: &Value) -> Value {
    account.users.iter().find(|known| known["id"] == user["id"]).unwrap_or(user).clone()
}

pub(super) fn get(account: &Account, list: &str, id: &str, request: &Request) -> Answer {
    known(request, &[])?;
    let (items, member) = match list {
        "services" => (&account.services, "service"),
        "teams" => (&account.teams, "team"),
        _ => return Err(not_found()),
    };
    let found = items.iter().find(|item| item["id"] == id).ok_or_else(not_found)?;
    Ok(json(StatusCode::OK, &value!({ member: found })))
}

/// Everybody is in the team `Core`.
pub(super) fn members(account: &Account, id: &str, request: &Request) -> Answer {
    known(request, &["limit", "offset", "include[]"])?;
    account.teams.iter().find(|team| team["id"] == id).ok_or_else(not_found)?;
    let roles = ["manager", "responder", "observer"];
    let members = account.users.iter().zip(roles).map(|(user, role)| value!({ "user": user, "role": role }));
    page(request, "members", if id == "PTEAM1" { members.collect() } else { Vec::new() }, |member| member)
}
