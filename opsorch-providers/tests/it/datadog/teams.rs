//! Teams, their members, and who of them is on call.

use std::sync::Arc;

use opsorch::{ErrorKind, ManualClock, Page, Result, Team, TeamMember, TeamQuery};
use serde_json::json;

use super::assert_unsupported;
use super::desk::{Desk, status};
use super::simulated::datadog::Vendor;
use super::simulated::datadog::listing::uuid;
use super::simulated::datadog::teams::team;

impl Desk {
    async fn teams(&self, query: TeamQuery) -> Result<Page<Team>> {
        self.ops.teams(&self.cx).query(query).await
    }

    async fn oncall(&self, team: usize) -> Result<Page<TeamMember>> {
        self.ops.teams(&self.cx).oncall(uuid(0xb, team)).await
    }
}

fn names(page: Page<Team>) -> Vec<String> {
    page.items.into_iter().map(|team| team.name).collect()
}

#[tokio::test]
async fn a_team_is_found_by_a_part_of_its_name_and_a_scope_by_handle_or_name() {
    let desk = Desk::open().await;
    assert_eq!(names(desk.teams(TeamQuery::new()).await.unwrap()), ["Core", "Shop", "Web"]);
    assert_eq!(names(desk.teams(TeamQuery::new().name("O")).await.unwrap()), ["Core", "Shop"]);
    assert_eq!(names(desk.teams(TeamQuery::new().team("core")).await.unwrap()), ["Core"]);
    assert_eq!(names(desk.teams(TeamQuery::new().team("Core")).await.unwrap()), ["Core"]);
    for nobody in ["cor", "CORE", "*", "core\"", "core)"] {
        assert!(names(desk.teams(TeamQuery::new().team(nobody)).await.unwrap()).is_empty(), "{nobody}");
    }
    assert_unsupported(desk.teams(TeamQuery::new().tag("a", "b")).await, "tags");
    assert_unsupported(desk.teams(TeamQuery::new().service("api")).await, "scope");
    let team = desk.ops.teams(&desk.cx).get(uuid(0xb, 0)).await.unwrap();
    assert_eq!((team.name.as_str(), &team.metadata["handle"]), ("Core", &json!("core")));
    assert_eq!(team.url.unwrap().as_str(), "https://app.datadoghq.com/teams/core");
    let paths = desk.wire.paths();
    assert_eq!(paths[0], "GET /api/v2/team?page%5Bnumber%5D=0&page%5Bsize%5D=100");
    assert_eq!(paths.last().unwrap(), &format!("GET /api/v2/team/{}", uuid(0xb, 0)));
}

#[tokio::test]
async fn a_name_of_two_teams_names_neither_and_a_renamed_one_is_somebody_else() {
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| vendor.teams.teams.extend([team(3, "Core", "core-2"), team(4, "Ops", "web-ops")]));
    let error = desk.teams(TeamQuery::new().team("Core")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "scope.team".into() });
    assert!(error.to_string().contains("core, core-2"), "{error}");
    assert_eq!(names(desk.teams(TeamQuery::new().team("core-2")).await.unwrap()), ["Core"]);
    desk.wire.vendor(|vendor| vendor.teams.teams[4]["attributes"]["name"] = json!("Operations"));
    assert!(names(desk.teams(TeamQuery::new().team("Ops")).await.unwrap()).is_empty());
}

#[tokio::test]
async fn every_member_is_listed_with_the_role() {
    let desk = Desk::open().await;
    let page = desk.ops.teams(&desk.cx).members(uuid(0xb, 0)).await.unwrap();
    let shown: Vec<_> =
        page.items.iter().map(|it| (it.name.as_deref(), it.email.as_deref(), it.role.as_deref())).collect();
    assert_eq!(
        shown,
        [
            (Some("Ada"), Some("ada@example.com"), Some("admin")),
            (Some("Grace"), Some("grace@example.com"), Some("member"))
        ]
    );
    desk.wire.vendor(|vendor| vendor.teams.members = (0..1_234).map(|number| (0, number % 3, None)).collect());
    let page = desk.ops.teams(&desk.cx).members(uuid(0xb, 0)).await.unwrap();
    assert!(page.is_complete() && page.items.len() == 3, "each once");
    assert_eq!(
        desk.wire.paths().iter().filter(|path| path.contains("memberships")).count(),
        26,
        "to the end of the list, and between two parts a look at whether the last of the one is still there"
    );
    for id in ["", "core", "../team", &uuid(0xb, 77)] {
        let error = desk.ops.teams(&desk.cx).members(id).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{id}: {error}");
    }
}

#[tokio::test]
async fn a_query_over_thousands_of_teams_is_the_whole() {
    let mut vendor = Vendor::new(Arc::new(ManualClock::default()));
    vendor.teams.teams = (0..2_600)
        .map(|number| team(number, &format!("Team {:04}", number * 7 % 2_600), &format!("t{number}")))
        .collect();
    let desk = Desk::over(vendor, json!({})).await;
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let mut query = TeamQuery::new().name("1").limit(500);
        query.cursor = next;
        let page = desk.teams(query).await.unwrap();
        next = page.next.clone();
        found.extend(names(page));
        if next.is_none() {
            break;
        }
    }
    let mut expected: Vec<_> =
        (0..2_600).map(|number| format!("Team {number:04}")).filter(|name| name.contains('1')).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn those_on_call_are_those_of_the_escalation_and_then_of_the_schedules() {
    let desk = Desk::open().await;
    let page = desk.oncall(0).await.unwrap();
    let names: Vec<_> =
        page.items.iter().map(|it| (it.name.as_deref().unwrap(), it.role.as_deref().unwrap())).collect();
    assert_eq!(names, [("Ada", "oncall"), ("Grace", "oncall"), ("Alan", "oncall")]);
    assert_eq!(page.items[0].metadata["oncalls"], json!([{ "escalation_step": 0 }]));
    assert_eq!(page.items[1].metadata["oncalls"], json!([{ "escalation_step": 1 }]));
    assert_eq!(page.items[2].metadata["oncalls"][0]["schedule"]["name"], "rota 0");
    assert_eq!(page.items[2].metadata["oncalls"][0]["end"], "2026-01-08T00:00:00Z");
    let (team, schedule) = (uuid(0xb, 0), uuid(0xf, 0));
    assert_eq!(
        desk.wire.paths(),
        [
            format!("GET /api/v2/team/{team}"),
            format!("GET /api/v2/on-call/teams/{team}/on-call?include=responders%2Cescalations.responders"),
            "GET /api/v2/on-call/schedules?page%5Bnumber%5D=0&page%5Bsize%5D=100".to_owned(),
            format!(
                "GET /api/v2/on-call/schedules/{schedule}/responders?include=responders.shifts.user&filter%5Bposition%5D=current"
            ),
        ]
    );
}

#[tokio::test]
async fn a_team_without_on_call_has_nobody_and_one_that_is_not_there_is_not_found() {
    let desk = Desk::open().await;
    assert!(desk.oncall(2).await.unwrap().items.is_empty());
    let error = desk.oncall(77).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn schedules_that_do_not_answer_are_told_beside_those_who_are_known() {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/schedules", status(403, &json!({ "errors": ["Forbidden"] }), &[]));
    let page = desk.oncall(0).await.unwrap();
    assert_eq!(page.items.len(), 2);
    assert_eq!((page.failures[0].code.as_str(), page.is_complete()), ("forbidden", false));
    desk.wire.answer("GET", "/on-call", status(404, &json!({ "errors": ["not found"] }), &[]));
    desk.wire.answer("GET", "/schedules", status(503, &json!({}), &[]));
    assert_eq!(*desk.oncall(0).await.unwrap_err().kind(), ErrorKind::Unavailable, "nobody is no answer");
}
