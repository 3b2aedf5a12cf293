use std::time::Duration;

use opsorch::capability::{DeploymentReader, OnCallReader, ServiceReader, TeamReader};
use opsorch::{
    Clock, Deployment, DeploymentQuery, DeploymentStatusLevel, ErrorKind, Item, LogQuery, ManualClock, MetricQuery,
    Page, Service, ServiceQuery, Team, TeamMember, TeamQuery,
};
use opsorch_testkit::MemoryProvider;

use crate::{Lab, assert_kind, cx, done};

fn keys<T: Item>(page: Page<T>) -> String {
    page.items.iter().map(Item::key).collect()
}

#[tokio::test]
async fn services_are_found_by_name_in_order() {
    let memory = MemoryProvider::new(ManualClock::default());
    memory.seed_service(Service::new("1", "web").tag("tier", "2"));
    memory.seed_service(Service::new("2", "api").tag("tier", "1").tag("team", "core"));
    memory.seed_service(Service::new("3", "web-admin").tag("tier", "1"));
    let all = ServiceQuery::new;
    let cases = [
        (all(), "213"),
        (all().id("1").id("3").id("9"), "13"),
        (all().name("WEB"), "13"),
        (all().tag("tier", "1").tag("team", "core"), "2"),
        (all().service("api"), "2"),
        (all().team("core"), "2"),
        (all().environment("production"), ""),
    ];
    for (query, expected) in cases {
        assert_eq!(keys(done(ServiceReader::query(&memory, &cx(), &query).await)), expected, "{query:?}");
    }
    assert_eq!(done(ServiceReader::get(&memory, &cx(), &"3".into()).await).name, "web-admin");
    assert_kind(ServiceReader::get(&memory, &cx(), &"web".into()).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn teams_have_members_and_somebody_on_call() {
    let memory = MemoryProvider::new(ManualClock::default());
    memory.seed_team(Team::new("1", "payments").tag("site", "eu"));
    memory.seed_team(Team::new("2", "core"));
    memory.seed_service(Service::new("s", "checkout").tag("team", "payments"));
    memory.seed_member("1", TeamMember::new("alice"));
    memory.seed_member("1", TeamMember::new("bob"));
    memory.seed_on_call("1", TeamMember::new("bob"));
    let all = TeamQuery::new;
    let cases = [
        (all(), "21"),
        (all().name("pay"), "1"),
        (all().tag("site", "eu"), "1"),
        (all().team("core"), "2"),
        (all().service("checkout"), "1"),
        (all().service("nothing"), ""),
    ];
    for (query, expected) in cases {
        assert_eq!(keys(done(TeamReader::query(&memory, &cx(), &query).await)), expected, "{query:?}");
    }
    let query = all().environment("production");
    assert_kind(TeamReader::query(&memory, &cx(), &query).await, ErrorKind::Unsupported);

    assert_eq!(keys(done(memory.members(&cx(), &"1".into()).await)), "alicebob");
    assert_eq!(keys(done(memory.oncall(&cx(), &"1".into()).await)), "bob");
    assert!(done(memory.oncall(&cx(), &"2".into()).await).items.is_empty());
    assert_kind(memory.members(&cx(), &"9".into()).await, ErrorKind::NotFound);
    assert_kind(memory.oncall(&cx(), &"9".into()).await, ErrorKind::NotFound);
    assert_kind(TeamReader::get(&memory, &cx(), &"9".into()).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn deployments_are_found_by_what_they_deploy() {
    let clock = ManualClock::default();
    let memory = MemoryProvider::new(clock.clone());
    let now = clock.now();
    memory.seed_deployment(Deployment::new("1", "succeeded").service("api").environment("production").started_at(now));
    memory.seed_deployment(Deployment::new("2", "failed").service("api").version("v2").environment("staging"));
    let all = DeploymentQuery::new;
    let cases = [
        (all(), "12"),
        (all().query("V2"), "2"),
        (all().status(DeploymentStatusLevel::Success), "1"),
        (all().version("v1").version("v2"), "2"),
        (all().service("api").environment("staging"), "2"),
        (all().since(now), "1"),
        (all().until(now), ""),
    ];
    for (query, expected) in cases {
        assert_eq!(keys(done(DeploymentReader::query(&memory, &cx(), &query).await)), expected, "{query:?}");
    }
    assert_kind(DeploymentReader::get(&memory, &cx(), &"9".into()).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_seed_makes_the_same_world_again_and_another_seed_another() {
    let incidents = async |seed| {
        let memory = MemoryProvider::seeded(seed, ManualClock::default());
        done(opsorch::capability::IncidentReader::query(&memory, &cx(), &Default::default()).await).items
    };
    assert_eq!(incidents(1).await, incidents(1).await);
    assert_ne!(incidents(1).await, incidents(2).await);
}

#[tokio::test]
async fn a_seeded_world_has_a_handful_of_everything() {
    let lab = Lab::new().await;
    let memory = MemoryProvider::seeded(7, lab.clock.clone());
    let ops = done(opsorch::OpsOrch::builder().provider(memory.provider("memory")).build().await);
    let (cx, now) = (&lab.cx, lab.clock.now());
    let hour = now - Duration::from_secs(3600);
    let counts = [
        done(ops.incidents(cx).query(opsorch::IncidentQuery::new()).await).items.len(),
        done(ops.incidents(cx).timeline("inc-1").await).items.len(),
        done(ops.alerts(cx).query(opsorch::AlertQuery::new()).await).items.len(),
        done(ops.logs(cx).query(LogQuery::new(hour, now)).await).items.len(),
        done(ops.metrics(cx).query(MetricQuery::new("request_duration_seconds", hour, now)).await).items.len(),
        done(ops.metrics(cx).describe(opsorch::Scope::new()).await).items.len(),
        done(ops.tickets(cx).query(opsorch::TicketQuery::new()).await).items.len(),
        done(ops.services(cx).query(ServiceQuery::new()).await).items.len(),
        done(ops.deployments(cx).query(DeploymentQuery::new()).await).items.len(),
        done(ops.teams(cx).query(TeamQuery::new()).await).items.len(),
        done(ops.teams(cx).members("team-platform").await).items.len(),
        done(ops.teams(cx).oncall("team-platform").await).items.len(),
        done(ops.plans(cx).query(opsorch::PlanQuery::new()).await).items.len(),
    ];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}
