//! Services, teams and who is on call, from a file.

use std::fs;
use std::time::Duration;

use opsorch::{ErrorKind, ManualClock, Page, Service, ServiceQuery, Team, TeamMember, TeamQuery};
use opsorch_providers::local::LocalConfig;
use tempfile::TempDir;

use super::{Desk, assert_invalid, assert_unsupported, build, folder, time};

const CATALOG: &str = r#"
[services.api]
name = "Public API"
description = "what customers call"
url = "https://wiki.example.com/api"
team = "core"
environments = ["production", "staging"]
tags = { tier = "1" }

[services.batch]
team = "data"
environments = ["production"]
tags = { tier = "2" }

[services.old]

[teams.core]
name = "Core Services"
parent = "platform"
url = "https://wiki.example.com/core"
tags = { site = "eu" }
members = [
    { id = "alice", name = "Alice Adams", email = "alice@example.com", handle = "@alice", role = "owner" },
    { id = "bob" },
    { id = "carol" },
]

[teams.core.on_call]
rotation = ["alice", "bob"]
start = 2026-01-05T09:00:00Z
every = "7d"
overrides = [{ from = 2026-01-07T00:00:00+01:00, until = 2026-01-08T00:00:00+01:00, member = "carol" }]

[teams.data]

[teams.platform]
"#;

struct Office {
    folder: TempDir,
    desk: Desk,
}

impl Office {
    async fn open(text: &str) -> Self {
        let folder = folder();
        fs::write(folder.path().join("catalog.toml"), text).unwrap();
        let desk = Desk::of(config(&folder)).await;
        Self { folder, desk }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("catalog.toml"), text).unwrap();
    }

    async fn services(&self, query: ServiceQuery) -> Page<Service> {
        self.desk.ops.services(&self.desk.cx).query(query).await.unwrap()
    }

    async fn teams(&self, query: TeamQuery) -> Page<Team> {
        self.desk.ops.teams(&self.desk.cx).query(query).await.unwrap()
    }

    async fn on_call(&self, at: &str) -> Vec<TeamMember> {
        self.desk.clock.set(time(at));
        self.desk.ops.teams(&self.desk.cx).oncall("core").await.unwrap().items
    }
}

fn config(folder: &TempDir) -> LocalConfig {
    LocalConfig::new(folder.path().join("data")).metrics(false).catalog(folder.path().join("catalog.toml"))
}

/// The error of building with this catalog.
async fn refusal(text: &str) -> String {
    let folder = folder();
    fs::write(folder.path().join("catalog.toml"), text).unwrap();
    let error = build(config(&folder), &ManualClock::default()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "catalog".into() }, "{error}");
    assert!(error.to_string().contains("catalog.toml"), "{error}");
    error.message().to_owned()
}

fn service_ids(page: &Page<Service>) -> Vec<&str> {
    page.items.iter().map(|service| service.id.as_str()).collect()
}

fn team_ids(page: &Page<Team>) -> Vec<&str> {
    page.items.iter().map(|team| team.id.as_str()).collect()
}

#[tokio::test]
async fn services_say_what_the_file_says() {
    let office = Office::open(CATALOG).await;
    let services = office.desk.ops.services(&office.desk.cx);
    let api = services.get("api").await.unwrap();
    assert_eq!(api.name, "Public API");
    assert_eq!(api.url.unwrap().as_str(), "https://wiki.example.com/api");
    assert_eq!(api.tags["tier"], "1");
    assert_eq!(api.metadata["team"], "core");
    assert_eq!(api.metadata["description"], "what customers call");
    assert_eq!(api.metadata["environments"], serde_json::json!(["production", "staging"]));
    let old = services.get("old").await.unwrap();
    assert!(old.name == "old" && old.metadata.is_empty(), "{old:?}");
    let error = services.get("api2").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("api, batch, old"), "{error}");
}

#[tokio::test]
async fn every_filter_of_services_is_honoured() {
    let office = Office::open(CATALOG).await;
    for (query, expected) in [
        (ServiceQuery::new(), vec!["api", "batch", "old"]),
        (ServiceQuery::new().id("old").id("api").id("none"), vec!["api", "old"]),
        (ServiceQuery::new().name("public"), vec!["api"]),
        (ServiceQuery::new().name("BATCH"), vec!["batch"]),
        (ServiceQuery::new().tag("tier", "2"), vec!["batch"]),
        (ServiceQuery::new().tag("tier", "2").tag("site", "eu"), vec![]),
        (ServiceQuery::new().team("core"), vec!["api"]),
        (ServiceQuery::new().team("Core Services"), vec!["api"]),
        (ServiceQuery::new().team("platform"), vec![]),
        (ServiceQuery::new().team("nobody"), vec![]),
        (ServiceQuery::new().service("Public API"), vec!["api"]),
        (ServiceQuery::new().service("old"), vec!["old"]),
        (ServiceQuery::new().environment("production"), vec!["api", "batch"]),
        (ServiceQuery::new().environment("staging").team("data"), vec![]),
    ] {
        let page = office.services(query.clone()).await;
        assert_eq!(service_ids(&page), expected, "{query:?}");
        assert!(page.is_complete());
    }
}

#[tokio::test]
async fn every_filter_of_teams_is_honoured() {
    let office = Office::open(CATALOG).await;
    for (query, expected) in [
        (TeamQuery::new(), vec!["core", "data", "platform"]),
        (TeamQuery::new().name("services"), vec!["core"]),
        (TeamQuery::new().tag("site", "eu"), vec!["core"]),
        (TeamQuery::new().tag("site", "us"), vec![]),
        (TeamQuery::new().team("platform"), vec!["platform"]),
        (TeamQuery::new().service("batch"), vec!["data"]),
        (TeamQuery::new().service("Public API"), vec!["core"]),
        (TeamQuery::new().service("old"), vec![]),
    ] {
        let page = office.teams(query.clone()).await;
        assert_eq!(team_ids(&page), expected, "{query:?}");
        assert!(page.is_complete());
    }
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let office = Office::open(CATALOG).await;
    let (services, teams) = (office.desk.ops.services(&office.desk.cx), office.desk.ops.teams(&office.desk.cx));
    assert_unsupported(services.query(ServiceQuery::new().metadata("a", 1)).await, "metadata");
    assert_unsupported(teams.query(TeamQuery::new().metadata("a", 1)).await, "metadata");
    assert_unsupported(teams.query(TeamQuery::new().environment("production")).await, "scope.environment");
    assert_invalid(services.query(ServiceQuery::new().limit(0)).await, "limit");
    assert_invalid(services.query(ServiceQuery::new().after(opsorch::Cursor::new("team/core"))).await, "cursor");
    assert_invalid(teams.query(TeamQuery::new().after(opsorch::Cursor::new("service/api"))).await, "cursor");
}

#[tokio::test]
async fn pages_resume_by_id_whatever_comes_and_goes() {
    let office = Office::open("[services.b]\n[services.d]\n[services.f]\n[services.g]\n").await;
    let first = office.services(ServiceQuery::new().limit(2)).await;
    assert_eq!(service_ids(&first), ["b", "d"]);
    office.write("[services.a]\n[services.c]\n[services.e]\n[services.f]\n");
    let mut second = ServiceQuery::new().limit(2);
    second.cursor = first.next;
    let second = office.services(second).await;
    assert_eq!(service_ids(&second), ["e", "f"], "what is after `d`, which has gone");
    assert!(second.is_complete());
}

#[tokio::test]
async fn teams_have_members() {
    let office = Office::open(CATALOG).await;
    let teams = office.desk.ops.teams(&office.desk.cx);
    let core = teams.get("core").await.unwrap();
    assert_eq!(core.name, "Core Services");
    assert_eq!(core.parent.unwrap().as_str(), "platform");
    assert_eq!(core.url.unwrap().path(), "/core");
    let members = teams.members("core").await.unwrap();
    assert!(members.is_complete());
    let [alice, bob, _carol] = members.items.as_slice() else { panic!("{members:?}") };
    assert_eq!(alice.name.as_deref(), Some("Alice Adams"));
    assert_eq!(alice.email.as_deref(), Some("alice@example.com"));
    assert_eq!(alice.handle.as_deref(), Some("@alice"));
    assert_eq!(alice.role.as_deref(), Some("owner"));
    assert_eq!(bob.id.as_str(), "bob");
    assert!(teams.members("data").await.unwrap().items.is_empty());
    for error in [teams.members("none").await.unwrap_err(), teams.oncall("none").await.unwrap_err()] {
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("core, data, platform"), "{error}");
    }
}

#[tokio::test]
async fn one_is_on_call_in_turn_and_an_override_wins() {
    let office = Office::open(CATALOG).await;
    for (at, who, until) in [
        ("2026-01-05T09:00:00Z", "alice", "2026-01-06T23:00:00Z"),
        ("2026-01-06T22:59:59.999999999Z", "alice", "2026-01-06T23:00:00Z"),
        ("2026-01-06T23:00:00Z", "carol", "2026-01-07T23:00:00Z"),
        ("2026-01-07T22:59:59Z", "carol", "2026-01-07T23:00:00Z"),
        ("2026-01-07T23:00:00Z", "alice", "2026-01-12T09:00:00Z"),
        ("2026-01-12T09:00:00Z", "bob", "2026-01-19T09:00:00Z"),
        ("2026-01-19T09:00:00Z", "alice", "2026-01-26T09:00:00Z"),
    ] {
        let on_call = office.on_call(at).await;
        let [member] = on_call.as_slice() else { panic!("{at}: {on_call:?}") };
        assert_eq!((member.id.as_str(), member.metadata["until"].as_str()), (who, Some(until)), "{at}");
    }
    assert!(office.on_call("2026-01-05T08:59:59Z").await.is_empty(), "before it starts");
    let nobody = office.desk.ops.teams(&office.desk.cx).oncall("data").await.unwrap();
    assert!(nobody.items.is_empty() && nobody.is_complete());
}

#[tokio::test]
async fn a_new_version_answers_at_once_even_one_of_the_same_size() {
    let office = Office::open("[teams.a]\n").await;
    for id in ["b", "c", "d", "e"] {
        office.write(&format!("[teams.{id}]\n"));
        assert_eq!(team_ids(&office.teams(TeamQuery::new()).await), [id]);
    }
    let beside = office.folder.path().join("beside");
    fs::write(&beside, "[teams.f]\n").unwrap();
    fs::rename(&beside, office.folder.path().join("catalog.toml")).unwrap();
    assert_eq!(team_ids(&office.teams(TeamQuery::new()).await), ["f"]);
}

#[tokio::test]
async fn a_file_that_has_settled_is_read_again_when_it_changes() {
    let office = Office::open("[teams.a]\n").await;
    let path = office.folder.path().join("catalog.toml");
    let age = |by: u64| {
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(by)).unwrap();
    };
    age(100);
    assert_eq!(team_ids(&office.teams(TeamQuery::new()).await), ["a"]);
    office.write("[teams.b]\n");
    age(100);
    assert_eq!(team_ids(&office.teams(TeamQuery::new()).await), ["b"]);
}

#[tokio::test]
async fn a_broken_version_gets_no_answers_and_says_where_until_it_is_mended() {
    let office = Office::open(CATALOG).await;
    let teams = office.desk.ops.teams(&office.desk.cx);
    office.write("[teams.core]\nnam = \"Core\"\n");
    let error = teams.oncall("core").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected);
    let message = error.to_string();
    assert!(message.contains("line 2, column 1") && message.contains("catalog.toml"), "{message}");
    assert!(teams.query(TeamQuery::new()).await.is_err(), "each time");
    fs::remove_file(office.folder.path().join("catalog.toml")).unwrap();
    assert_eq!(*teams.get("core").await.unwrap_err().kind(), ErrorKind::Unavailable);
    office.write("[teams.core]\n");
    assert_eq!(teams.get("core").await.unwrap().name, "core");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_path_and_the_known_names() {
    let on_call = |text: &str| {
        let start =
            "[teams.a]\nmembers = [{ id = 'x' }, { id = 'y' }]\n[teams.a.on_call]\nstart = 2026-01-01T00:00:00Z";
        format!("{start}\nevery = '1d'\n{text}")
    };
    let first = "{ from = 2026-01-01T00:00:00Z, until = 2026-01-03T00:00:00Z, member = 'x' }";
    let second = "{ from = 2026-01-02T00:00:00Z, until = 2026-01-04T00:00:00Z, member = 'y' }";
    for (text, parts) in [
        (
            "[services.a]\nteam = 'cor'\n[teams.core]\n[teams.ops]\n".into(),
            vec!["services.a.team", "`cor`", "core, ops"],
        ),
        ("[teams.a]\nparent = 'b'\n".into(), vec!["teams.a.parent", "`b`", "there are: a"]),
        ("[teams.a]\nparent = 'a'\n".into(), vec!["teams.a.parent", "below"]),
        ("[teams.a]\nparent = 'b'\n[teams.b]\nparent = 'c'\n[teams.c]\nparent = 'b'\n".into(), vec!["teams.c.parent"]),
        ("[teams.'']\n".into(), vec!["teams.", "empty"]),
        ("[services.a]\nname = ' '\n".into(), vec!["services.a.name"]),
        ("[teams.a]\nmembers = [{ id = 'x' }, { id = 'x' }]\n".into(), vec!["teams.a.members[1].id", "`x`"]),
        ("[teams.a]\nmembers = [{ name = 'X' }]\n".into(), vec!["line 2", "`id`"]),
        (on_call("rotation = []"), vec!["teams.a.on_call.rotation"]),
        (on_call("rotation = ['x', 'z']"), vec!["teams.a.on_call.rotation[1]", "`z`", "x, y"]),
        (
            on_call(&format!("rotation = ['x']\noverrides = [{second}, {first}]")),
            vec!["overrides[0].from", "overrides[1]"],
        ),
        (
            on_call(
                "rotation = ['x']\noverrides = [{ from = 2026-01-02T00:00:00Z, until = 2026-01-02T00:00:00Z, member = 'x' }]",
            ),
            vec!["teams.a.on_call.overrides[0].until"],
        ),
        ("[service.a]\n".into(), vec!["line 1, column 2", "`services`"]),
        ("[services.a]\nurl = 'nowhere'\n".into(), vec!["line 2"]),
        (format!("#{}", "x".repeat(1 << 20)), vec!["1 MiB"]),
    ] {
        let message = refusal(&text).await;
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
    }
}

#[tokio::test]
async fn a_file_that_is_missing_or_none_is_refused() {
    let folder = folder();
    assert_invalid(build(config(&folder), &ManualClock::default()).await, "catalog");
    fs::create_dir(folder.path().join("catalog.toml")).unwrap();
    assert_invalid(build(config(&folder), &ManualClock::default()).await, "catalog");
    assert_invalid(build(config(&folder).catalog(""), &ManualClock::default()).await, "catalog");
}
