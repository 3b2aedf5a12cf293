//! Teams, their members, and repositories as services.

use opsorch::{ErrorKind, Operation, Service, ServiceQuery, Team, TeamQuery};
use serde_json::json;

use super::desk::{Desk, bare};
use super::simulated::github::organization::{Repository, Team as Known};
use super::{assert_kind, assert_unsupported};

async fn services(desk: &Desk, query: ServiceQuery) -> Vec<String> {
    let page = desk.ops.services(&desk.cx).query(query).await.unwrap();
    page.items.into_iter().map(|service| service.name).collect()
}

async fn teams(desk: &Desk, query: TeamQuery) -> Vec<String> {
    let page = desk.ops.teams(&desk.cx).query(query).await.unwrap();
    page.items.into_iter().map(|team| team.id.to_string()).collect()
}

#[tokio::test]
async fn a_repository_is_a_service_with_its_topics_as_tags() {
    let desk = Desk::open().await;
    let service: Service = desk.ops.services(&desk.cx).get("acme/api").await.unwrap();
    assert_eq!(desk.wire.sent(), ["GET /repos/acme/api"]);
    assert_eq!((service.id.as_str(), service.name.as_str()), ("acme/api", "api"));
    assert_eq!(service.url.as_ref().unwrap().as_str(), "https://github.example.org/acme/api");
    assert_eq!(json!(service.tags), json!({ "payments": "true", "tier-1": "true" }));
    assert_eq!((&service.metadata["language"], &service.metadata["archived"]), (&json!("Rust"), &json!(false)));
    assert_eq!(service, desk.ops.services(&desk.cx).get("api").await.unwrap());
    for unknown in ["acme/nosuch", "nosuch", "other/api", "../api", "acme/..", "a/b/c", ""] {
        assert_kind(desk.ops.services(&desk.cx).get(unknown).await, ErrorKind::NotFound, "");
    }
}

#[tokio::test]
async fn services_are_found_by_everything_that_a_query_may_say() {
    let desk = Desk::open().await;
    for (query, expected) in [
        (ServiceQuery::new(), vec!["api", "web"]),
        (ServiceQuery::new().name("AP"), vec!["api"]),
        (ServiceQuery::new().tag("tier-1", "true"), vec!["api", "web"]),
        (ServiceQuery::new().tag("payments", "true").tag("tier-1", "true"), vec!["api"]),
        (ServiceQuery::new().tag("payments", "no"), vec![]),
        (ServiceQuery::new().id("acme/web"), vec!["web"]),
        (ServiceQuery::new().service("web"), vec!["web"]),
        (ServiceQuery::new().team("sre"), vec!["api"]),
        (ServiceQuery::new().team("nosuch"), vec![]),
        (ServiceQuery::new().team("../sre"), vec![]),
    ] {
        assert_eq!(services(&desk, query.clone()).await, expected, "{query:?}");
    }
    let services = desk.ops.services(&desk.cx);
    assert_unsupported(services.query(ServiceQuery::new().environment("x")).await, "scope.environment");
    assert_unsupported(services.query(ServiceQuery::new().metadata("x", 1)).await, "metadata.x");
}

#[tokio::test]
async fn without_an_organization_the_repositories_of_the_configuration_are_the_services() {
    let desk = Desk::configured(bare().repository("acme/web").repository("acme/api"), |_| ()).await;
    assert_eq!(services(&desk, ServiceQuery::new()).await, ["api", "web"]);
    assert_eq!(desk.wire.sent(), ["GET /repos/acme/web", "GET /repos/acme/api"]);
    assert_unsupported(desk.ops.services(&desk.cx).query(ServiceQuery::new().team("sre")).await, "scope.team");
    assert_kind(desk.ops.services(&desk.cx).get("acme/other").await, ErrorKind::NotFound, "");
    assert!(!desk.ops.providers().next().unwrap().operations().contains(Operation::TeamQuery));
}

#[tokio::test]
async fn a_catalogue_of_thousands_is_read_to_its_end_and_paged_by_name() {
    let desk = Desk::with(|github| {
        github
            .repositories
            .extend((0..2_500).map(|number| Repository::new(&format!("R{:04}", (number * 7) % 2_500), &[])));
    })
    .await;
    let page = desk.ops.services(&desk.cx).query(ServiceQuery::new().limit(3_000)).await.unwrap();
    let all: Vec<_> = page.items.into_iter().map(|service| service.name).collect();
    assert!(all.len() == 2_502 && all.is_sorted_by_key(|name| name.to_lowercase()));
    assert_eq!(desk.wire.sent().len(), 26);
    let (mut paged, mut next) = (Vec::new(), None);
    loop {
        let mut query = ServiceQuery::new().limit(900);
        query.cursor = next;
        let page = desk.ops.services(&desk.cx).query(query).await.unwrap();
        paged.extend(page.items.into_iter().map(|service| service.name));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn a_team_has_its_parent_and_is_found_by_its_short_name() {
    let desk = Desk::open().await;
    let sre: Team = desk.ops.teams(&desk.cx).get("sre").await.unwrap();
    assert_eq!(desk.wire.sent(), ["GET /orgs/acme/teams/sre"]);
    assert_eq!((sre.name.as_str(), sre.parent.as_ref().unwrap().as_str()), ("Site Reliability", "platform"));
    assert_eq!(sre.url.as_ref().unwrap().as_str(), "https://github.example.org/orgs/acme/teams/sre");
    assert_eq!(json!(sre.tags), json!({ "organization": "acme", "permission": "pull", "privacy": "closed" }));
    assert_eq!((&sre.metadata["members_count"], &sre.metadata["repos_count"]), (&json!(1), &json!(1)));
    for (query, expected) in [
        (TeamQuery::new(), vec!["platform", "sre", "web"]),
        (TeamQuery::new().name("site"), vec!["sre"]),
        (TeamQuery::new().tag("privacy", "closed").limit(2), vec!["platform", "sre"]),
        (TeamQuery::new().tag("privacy", "secret"), vec![]),
        (TeamQuery::new().team("Platform"), vec!["platform"]),
        (TeamQuery::new().service("api"), vec!["platform", "sre"]),
        (TeamQuery::new().service("web"), vec!["platform"]),
        (TeamQuery::new().service("nosuch"), vec![]),
    ] {
        assert_eq!(teams(&desk, query.clone()).await, expected, "{query:?}");
    }
    assert_unsupported(desk.ops.teams(&desk.cx).query(TeamQuery::new().environment("x")).await, "scope.environment");
}

#[tokio::test]
async fn a_slug_of_digits_is_a_slug() {
    let desk = Desk::with(|github| github.teams.push(Known::new("4711", "The 4711"))).await;
    assert_eq!(desk.ops.teams(&desk.cx).get("4711").await.unwrap().name, "The 4711");
    assert_eq!(desk.wire.sent(), ["GET /orgs/acme/teams/4711"], "OpsOrch takes it for an id");
}

#[tokio::test]
async fn maintainers_are_owners_and_nobody_is_asked_about_one_by_one() {
    let desk = Desk::with(|github| {
        let mut team = Known::new("sre", "SRE");
        team.maintainers = vec!["alice".to_owned()];
        team.members = (0..250).map(|number| format!("member-{number}")).collect();
        github.teams.push(team);
    })
    .await;
    let page = desk.ops.teams(&desk.cx).members("sre").await.unwrap();
    assert!(page.is_complete() && page.items.len() == 251);
    let alice = &page.items[0];
    assert_eq!(
        (alice.id.as_str(), alice.handle.as_deref(), alice.role.as_deref()),
        ("alice", Some("alice"), Some("owner"))
    );
    assert!(page.items[1..].iter().all(|member| member.role.as_deref() == Some("member")));
    assert_eq!(
        desk.wire.sent(),
        [
            "GET /orgs/acme/teams/sre/members?role=maintainer&per_page=100&page=1",
            "GET /orgs/acme/teams/sre/members?role=member&per_page=100&page=1",
            "GET /orgs/acme/teams/sre/members?role=member&per_page=100&page=2",
            "GET /orgs/acme/teams/sre/members?role=member&per_page=100&page=3",
        ]
    );
    for unknown in ["secret-team", "..", "a/b", ""] {
        assert_kind(desk.ops.teams(&desk.cx).members(unknown).await, ErrorKind::NotFound, "");
    }
}
