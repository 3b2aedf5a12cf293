//! Services, teams, their members, and who of them is on call.

use opsorch::{ErrorKind, ServiceQuery, TeamQuery};
use serde_json::json;

use super::assert_unsupported;
use super::desk::{Desk, ok};
use super::simulated::pagerduty::account::on_call;

async fn services(desk: &Desk, query: ServiceQuery) -> Vec<String> {
    let page = desk.ops.services(&desk.cx).query(query).await.unwrap();
    page.items.into_iter().map(|service| service.name).collect()
}

#[tokio::test]
async fn a_service_says_what_pagerduty_says() {
    let desk = Desk::open().await;
    let service = desk.ops.services(&desk.cx).get("PSVC1").await.unwrap();
    assert_eq!((service.name.as_str(), service.tags["team_0"].as_str()), ("api", "Core"));
    assert_eq!(service.url.unwrap().as_str(), "https://acme.pagerduty.com/services/PSVC1");
    assert_eq!(service.metadata["description"], "what api does");
    assert_eq!(service.metadata["status"], "active");
    assert_eq!(service.metadata["escalation_policy"]["id"], "PEP1");
    assert_eq!(service.metadata["teams"][0]["name"], "Core");
}

#[tokio::test]
async fn every_filter_of_services_is_honoured_or_refused() {
    let desk = Desk::open().await;
    assert_eq!(services(&desk, ServiceQuery::new()).await, ["api", "api-gateway", "db"]);
    assert_eq!(services(&desk, ServiceQuery::new().name("API")).await, ["api", "api-gateway"]);
    assert_eq!(desk.wire.parameter("/services", "query"), ["API"]);
    assert_eq!(services(&desk, ServiceQuery::new().id("PSVC3").id("PSVC1")).await, ["api", "db"]);
    assert_eq!(services(&desk, ServiceQuery::new().tag("team_0", "Data")).await, ["db"]);
    assert_eq!(services(&desk, ServiceQuery::new().team("Core")).await, ["api"]);
    assert_eq!(services(&desk, ServiceQuery::new().service("api")).await, ["api"]);
    assert!(services(&desk, ServiceQuery::new().team("Cor")).await.is_empty());
    let ask = |query| async { desk.ops.services(&desk.cx).query(query).await };
    assert_unsupported(ask(ServiceQuery::new().environment("eu")).await, "scope.environment");
    assert_unsupported(ask(ServiceQuery::new().metadata("x", 1)).await, "metadata.x");
}

#[tokio::test]
async fn teams_are_found_by_name_and_have_members() {
    let desk = Desk::open().await;
    let teams = desk.ops.teams(&desk.cx);
    let names = |query| async {
        teams.query(query).await.map(|page| page.items.into_iter().map(|team| team.name).collect::<Vec<_>>())
    };
    assert_eq!(names(TeamQuery::new().name("core")).await.unwrap(), ["Core", "Core platform"]);
    assert_eq!(names(TeamQuery::new().team("Core")).await.unwrap(), ["Core"]);
    assert_unsupported(names(TeamQuery::new().tag("a", "b")).await, "tags");
    assert_unsupported(names(TeamQuery::new().service("api")).await, "scope");
    let members = teams.members("PTEAM1").await.unwrap().items;
    let shown: Vec<_> =
        members.iter().map(|one| (one.id.as_str(), one.email.as_deref(), one.role.as_deref())).collect();
    assert_eq!(
        shown,
        [
            ("PUSER1", Some("alice@example.com"), Some("manager")),
            ("PUSER2", Some("bob@example.com"), Some("responder")),
            ("PUSER3", Some("carol@example.com"), Some("observer")),
        ]
    );
    assert_eq!(desk.wire.parameter("/members", "include[]"), ["users"]);
    assert_eq!(teams.get("PTEAM3").await.unwrap().url.unwrap().as_str(), "https://acme.pagerduty.com/teams/PTEAM3");
}

#[tokio::test]
async fn those_are_on_call_whom_the_teams_policies_call_now() {
    let desk = Desk::open().await;
    let page = desk.ops.teams(&desk.cx).oncall("PTEAM1").await.unwrap();
    let shown: Vec<_> = page.items.iter().map(|one| (one.id.as_str(), one.email.as_deref())).collect();
    assert_eq!(shown, [("PUSER1", Some("alice@example.com")), ("PUSER2", Some("bob@example.com"))]);
    assert!(page.items.iter().all(|one| one.role.as_deref() == Some("oncall")));
    // Alice is called by a schedule of version 2 first, and by one of version 3 in the end; both are told.
    let duties = page.items[0].metadata["oncalls"].as_array().unwrap();
    assert_eq!(duties.len(), 2);
    assert_eq!(duties[0]["schedule"]["name"], "Weekly");
    assert_eq!(duties[0]["end"], "2026-01-07T14:00:00Z");
    // Bob is named in the policy itself, for ever.
    let duty = &page.items[1].metadata["oncalls"][0];
    assert_eq!((duty.get("schedule"), duty.get("start"), duty.get("end")), (None, None, None));
    assert_eq!(desk.wire.paths(), ["GET /teams/PTEAM1", "GET /escalation_policies", "GET /oncalls"]);
    assert_eq!(desk.wire.parameter("/oncalls", "escalation_policy_ids[]"), ["PEP1"]);
}

#[tokio::test]
async fn a_user_who_is_only_referred_to_has_no_address() {
    let desk = Desk::open().await;
    let entry = on_call("PUSER1", "PEP1", None, 1);
    desk.wire.answer("GET", "/oncalls", ok(&json!({ "oncalls": [entry, { "user": null }], "more": false })));
    let page = desk.ops.teams(&desk.cx).oncall("PTEAM1").await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!((page.items[0].name.as_deref(), page.items[0].email.as_deref()), (Some("PUSER1"), None));
}

#[tokio::test]
async fn a_team_without_a_policy_has_nobody_on_call_and_an_unknown_one_is_not_found() {
    let desk = Desk::open().await;
    // Without a policy in the request PagerDuty would name everybody.
    assert!(desk.ops.teams(&desk.cx).oncall("PTEAM2").await.unwrap().items.is_empty());
    assert!(!desk.wire.paths().contains(&"GET /oncalls".to_owned()));
    for error in [
        desk.ops.teams(&desk.cx).oncall("PNOBODY").await.unwrap_err(),
        desk.ops.teams(&desk.cx).members("PNOBODY").await.unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn many_policies_are_asked_for_in_parts() {
    let desk = Desk::open().await;
    desk.wire.account(|account| {
        let policy = |number| {
            let mut policy = account.policies[0].clone();
            policy["id"] = json!(format!("PEP{number}"));
            policy
        };
        account.policies = (1..=120).map(policy).collect();
    });
    let page = desk.ops.teams(&desk.cx).oncall("PTEAM1").await.unwrap();
    assert_eq!(page.items.len(), 3, "Carol is called by PEP2");
    assert_eq!(desk.wire.paths().iter().filter(|path| *path == "GET /oncalls").count(), 3);
}
