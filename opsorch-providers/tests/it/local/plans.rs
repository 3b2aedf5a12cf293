//! Plans, from a folder of files.

use std::fs;
use std::path::PathBuf;

use opsorch::{Capability, ErrorKind, ManualClock, Operation, Page, Plan, PlanQuery, Provider, StepKindLevel};
use opsorch_providers::local::LocalConfig;
use tempfile::TempDir;

use super::{Desk, assert_invalid, assert_unsupported, build, folder};

const FAIL_OVER: &str = "
title: Fail over the database
description: When the primary is gone.
version: 3
service: db
team: storage
environment: production
tags: { tier: \"1\", kind: recovery }
steps:
  - { id: look, title: Is it gone?, type: observe }
  - { id: promote, title: Promote the replica, type: manual, depends_on: [look], fields: { minutes: 5 } }
";

/// A desk over a folder of plans, which tests write to.
pub(super) struct Office {
    _data: TempDir,
    pub(super) plans: TempDir,
    pub(super) desk: Desk,
}

impl Office {
    pub(super) async fn open() -> Self {
        let (data, plans) = (folder(), folder());
        let config = LocalConfig::new(data.path()).metrics(false).plans(plans.path());
        Self { desk: Desk::of(config).await, _data: data, plans }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.plans.path().join(name)
    }

    pub(super) fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn take_away(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    async fn query(&self, query: PlanQuery) -> Page<Plan> {
        self.desk.ops.plans(&self.desk.cx).query(query).await.unwrap()
    }

    async fn ids(&self, query: PlanQuery) -> Vec<String> {
        self.query(query).await.items.into_iter().map(|plan| plan.id.to_string()).collect()
    }

    async fn refused(&self, id: &str) -> opsorch::Error {
        self.desk.ops.plans(&self.desk.cx).get(id).await.unwrap_err()
    }
}

fn titled(title: &str, rest: &str) -> String {
    format!("title: {title}\n{rest}\nsteps: [{{ id: a, title: t }}]\n")
}

#[tokio::test]
async fn a_plan_is_as_its_file_is_now() {
    let office = Office::open().await;
    office.put("fail-over.yaml", FAIL_OVER);
    let plans = office.desk.ops.plans(&office.desk.cx);
    let plan = plans.get("fail-over").await.unwrap();
    assert_eq!((plan.title.as_str(), plan.version.as_deref()), ("Fail over the database", Some("3")));
    assert_eq!((&plan.fields["service"], &plan.fields["team"]), (&"db".into(), &"storage".into()));
    assert_eq!(plan.steps[0].kind.as_ref().map(|kind| kind.level()), Some(StepKindLevel::Observe));
    assert_eq!(plan.steps[1].depends_on, ["look".into()]);
    assert_eq!(office.query(PlanQuery::new()).await.items, [plan]);

    office.put("fail-over.yaml", FAIL_OVER.replace("version: 3", "version: 4"));
    assert_eq!(plans.get("fail-over").await.unwrap().version.as_deref(), Some("4"));
    office.take_away("fail-over.yaml");
    assert_eq!(*office.refused("fail-over").await.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_example_of_the_documentation_is_a_plan() {
    let office = Office::open().await;
    let documentation = include_str!("../../../src/local/docs.md");
    let example = documentation.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    office.put("example.yaml", example);
    let plan = office.desk.ops.plans(&office.desk.cx).get("fail-over").await.unwrap();
    assert_eq!((plan.version.as_deref(), plan.steps.len()), (Some("3"), 2));
}

#[tokio::test]
async fn without_a_folder_there_are_no_plans_and_no_runs() {
    let orchestrates = |provider: Provider| {
        let operations = provider.operations();
        Operation::ALL
            .iter()
            .filter(|it| it.capability() == Capability::Orchestration && operations.contains(**it))
            .count()
    };
    let data = folder();
    let without = build(LocalConfig::new(data.path()).metrics(false), &ManualClock::default()).await.unwrap();
    assert_eq!((orchestrates(without), orchestrates(Office::open().await.desk.provider)), (0, 7));
}

#[tokio::test]
async fn only_the_files_of_the_folder_itself_are_plans() {
    let office = Office::open().await;
    for name in ["a.yaml", "b.yml"] {
        office.put(name, titled("x", ""));
    }
    for name in ["c.txt", ".hidden.yaml", "yaml", "d.yaml.bak"] {
        office.put(name, "no plan");
    }
    fs::create_dir(office.path("more")).unwrap();
    office.put("more/e.yaml", titled("x", ""));
    let page = office.query(PlanQuery::new()).await;
    assert_eq!(page.items.len(), 2);
    assert!(page.is_complete(), "{page:?}");
    for id in ["more/e", "../data/x", "./a", "a.yaml", "", "/etc/passwd"] {
        assert_eq!(*office.refused(id).await.kind(), ErrorKind::NotFound, "{id}");
    }
    let error = office.refused("ghost").await.to_string();
    assert!(error.contains("there is no plan `ghost`; there are: a, b"), "{error}");
}

#[tokio::test]
async fn a_broken_file_is_named_with_its_place_and_hides_no_other() {
    let office = Office::open().await;
    office.put("good.yaml", titled("x", ""));
    office.put("bad.yaml", "title: x\nsteps:\n  - { id: a, title: t, depends_on: [b] }\n");
    office.put("latin.yaml", b"title: caf\xe9");
    fs::create_dir(office.path("folder.yaml")).unwrap();
    let page = office.query(PlanQuery::new()).await;
    assert_eq!(page.items.len(), 1);
    assert!(!page.is_complete());
    let failures: Vec<_> = page.failures.iter().map(|failure| (failure.code.as_str(), &failure.source)).collect();
    let source = |name: &str| format!("here: {}", office.path(name).display());
    let (bad, directory, latin) = (source("bad.yaml"), source("folder.yaml"), source("latin.yaml"));
    assert_eq!(failures, [("unexpected", &bad), ("unexpected", &directory), ("unexpected", &latin)]);
    let said = "line 3, column 37: there is no step `b`; there are: a";
    assert!(page.failures[0].message.contains(said), "{:?}", page.failures);
    assert!(page.failures[1].message.contains("expected a file, got something else"), "{:?}", page.failures);
    assert!(page.failures[2].message.contains("expected a plan in UTF-8"), "{:?}", page.failures);

    let error = office.refused("bad").await;
    assert_eq!(*error.kind(), ErrorKind::Unexpected);
    assert_eq!(error.message(), said);
    assert!(error.to_string().contains("bad.yaml"), "{error}");
    let error = office.refused("ghost").await.to_string();
    assert!(error.contains("these files are broken: bad.yaml, folder.yaml, latin.yaml"), "{error}");
}

#[tokio::test]
async fn of_two_files_with_one_id_neither_is_taken() {
    let office = Office::open().await;
    office.put("one.yaml", titled("x", "id: same"));
    office.put("two.yaml", titled("y", "id: same"));
    office.put("same.yml", titled("z", ""));
    office.put("other.yaml", titled("x", ""));
    let page = office.query(PlanQuery::new()).await;
    assert_eq!(page.items.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["other"]);
    let error = office.refused("same").await;
    assert!(page.failures.len() == 1 && page.failures[0].message.contains(error.message()), "{page:?}");
    for name in ["one.yaml", "`same.yml`", "`two.yaml`"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_out_of_the_folder_is_not_followed() {
    use std::os::unix::fs::symlink;
    let (office, outside) = (Office::open().await, folder());
    fs::write(outside.path().join("secret"), titled("s3cret", "")).unwrap();
    symlink(outside.path().join("secret"), office.path("out.yaml")).unwrap();
    symlink(outside.path(), office.path("away")).unwrap();
    symlink("away/secret", office.path("round.yaml")).unwrap();
    symlink("nowhere", office.path("dangling.yaml")).unwrap();
    symlink("loop.yaml", office.path("loop.yaml")).unwrap();
    // As the files of a mounted configuration are laid out.
    fs::create_dir(office.path("..2026")).unwrap();
    office.put("..2026/inside.yaml", titled("x", ""));
    symlink("..2026", office.path("..data")).unwrap();
    symlink("..data/inside.yaml", office.path("inside.yaml")).unwrap();
    let page = office.query(PlanQuery::new()).await;
    assert_eq!(page.items.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["inside"]);
    assert_eq!(page.failures.len(), 4, "{:?}", page.failures);
    assert!(!format!("{page:?}").contains("s3cret"));
    for id in ["out", "round"] {
        let error = office.refused(id).await.to_string();
        assert!(error.contains("a link that leads out of it") && !error.contains("s3cret"), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pipe_is_not_waited_for() {
    let office = Office::open().await;
    let made = std::process::Command::new("mkfifo").arg(office.path("pipe.yaml")).status().unwrap();
    assert!(made.success());
    let page = office.query(PlanQuery::new()).await;
    assert!(page.failures[0].message.contains("expected a file, got something else"), "{:?}", page.failures);
}

#[tokio::test]
async fn every_filter_is_honoured_or_refused() {
    let office = Office::open().await;
    office.put("fail-over.yaml", FAIL_OVER);
    office.put("restart.yaml", titled("Restart", "service: api\nenvironment: production\ntags: { tier: \"1\" }"));
    office.put("write.yaml", titled("write it down", "description: \"After the DATABASE was down\""));
    let all = PlanQuery::new;
    assert_eq!(office.ids(all()).await, ["fail-over", "restart", "write"]);
    assert_eq!(office.ids(all().query("dataBASE")).await, ["fail-over", "write"]);
    assert_eq!(office.ids(all().tag("tier", "1")).await, ["fail-over", "restart"]);
    assert_eq!(office.ids(all().tag("tier", "1").tag("kind", "recovery")).await, ["fail-over"]);
    assert_eq!(office.ids(all().tag("tier", "2")).await, [""; 0]);
    assert_eq!(office.ids(all().service("api")).await, ["restart"]);
    assert_eq!(office.ids(all().environment("production").team("storage")).await, ["fail-over"]);
    assert_eq!(office.ids(all().service("ap")).await, [""; 0]);
    let plans = office.desk.ops.plans(&office.desk.cx);
    assert_unsupported(plans.query(all().metadata("x", 1)).await, "metadata");
    assert_invalid(plans.query(all().limit(0)).await, "limit");
    assert_invalid(plans.query(all().after(opsorch::Cursor::new("x"))).await, "cursor");
}

#[tokio::test]
async fn pages_follow_each_other_while_files_come_and_go() {
    let office = Office::open().await;
    for (id, title) in [("p1", "b"), ("p2", "a"), ("p3", "b"), ("p4", "c"), ("p5", "'multi\\n line'")] {
        office.put(&format!("{id}.yaml"), titled(title, ""));
    }
    let first = office.query(PlanQuery::new().limit(2)).await;
    assert_eq!(first.items.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["p2", "p1"]);
    office.take_away("p1.yaml");
    office.put("p0.yaml", titled("a", ""));
    let second = office.query(PlanQuery::new().limit(2).after(first.next.unwrap())).await;
    assert_eq!(second.items.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["p3", "p4"]);
    let third = office.query(PlanQuery::new().limit(2).after(second.next.unwrap())).await;
    assert_eq!(third.items.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["p5"]);
    assert!(third.next.is_none());
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_refused_at_first_and_unavailable_later() {
    let data = folder();
    let config = LocalConfig::new(data.path()).metrics(false);
    for plans in [PathBuf::new(), data.path().join("nowhere"), data.path().join("local.db")] {
        assert_invalid(build(config.clone().plans(plans), &ManualClock::default()).await, "plans");
    }
    let office = Office::open().await;
    office.put("p.yaml", titled("x", ""));
    let moved = office.plans.path().with_extension("moved");
    fs::rename(office.plans.path(), &moved).unwrap();
    assert_eq!(*office.refused("p").await.kind(), ErrorKind::Unavailable);
    fs::rename(&moved, office.plans.path()).unwrap();
    assert_eq!(office.ids(PlanQuery::new()).await, ["p"]);
}
