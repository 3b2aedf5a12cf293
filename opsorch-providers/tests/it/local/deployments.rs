//! Deployments that are recorded, and those that are tags of git repositories. These tests need `git`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use opsorch::{Cursor, DeploymentQuery, DeploymentStatusLevel, ErrorKind, RecordDeployment};
use opsorch_providers::local::{GitTags, LocalConfig};

use super::{Desk, assert_invalid, assert_unsupported, done, folder, time};

fn git(repository: &Path, seconds: u32, arguments: &[&str]) {
    let date = format!("@{} +0000", 1_767_225_600 + seconds);
    let output = Command::new("git")
        .args(["-c", "user.name=Alice", "-c", "user.email=alice@example.com", "-C"])
        .arg(repository)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .output()
        .unwrap_or_else(|error| panic!("git is needed to develop this: {error}"));
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with a commit for each tag, each a minute after the one before.
fn repository(folder: &Path, name: &str, tags: &[&str]) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::create_dir(&path).unwrap();
    git(&path, 0, &["init", "--quiet"]);
    for (index, tag) in (1..).zip(tags) {
        git(&path, index * 60, &["commit", "--quiet", "--allow-empty", "-m", &format!("Release {tag}\n\nBody")]);
        git(&path, index * 60, &["tag", tag]);
    }
    path
}

async fn desk(folder: &Path, git: &[GitTags]) -> Desk {
    let config = LocalConfig::new(folder.join("data")).metrics(false);
    Desk::of(git.iter().cloned().fold(config, LocalConfig::git)).await
}

async fn versions(desk: &Desk, query: DeploymentQuery) -> Vec<String> {
    let page = desk.ops.deployments(&desk.cx).query(query).await.unwrap();
    assert!(page.failures.is_empty(), "{:?}", page.failures);
    page.items.into_iter().map(|deployment| deployment.version.unwrap()).collect()
}

#[tokio::test]
async fn a_deployment_is_recorded_and_each_record_is_another() {
    let folder = folder();
    let desk = desk(folder.path(), &[]).await;
    let deployments = desk.ops.deployments(&desk.cx);
    let record = RecordDeployment::new("api", "production", "v1.4.2", "rolled out").field("pipeline", 7);
    let recorded = done(deployments.record(record.clone()).await.unwrap());
    assert_eq!((recorded.id.as_str(), recorded.status.as_str()), ("DEP-1", "rolled out"));
    assert_eq!((recorded.service.as_deref(), recorded.environment.as_deref()), (Some("api"), Some("production")));
    assert_eq!(recorded.started_at, Some(time("2026-01-01T00:00:00Z")));
    assert_eq!((&recorded.fields["pipeline"], &recorded.actor["subject"]), (&7.into(), &"triage".into()));
    assert_eq!(deployments.get("DEP-1").await.unwrap().version.as_deref(), Some("v1.4.2"));
    assert_eq!(done(deployments.record(record).await.unwrap()).id.as_str(), "DEP-2");
    assert_eq!(*deployments.get("DEP-3").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let folder = folder();
    let desk = desk(folder.path(), &[]).await;
    let deployments = desk.ops.deployments(&desk.cx);
    assert_invalid(deployments.record(RecordDeployment::new("", "test", "v1", "success")).await, "service");
    assert_invalid(deployments.record(RecordDeployment::new("api", " ", "v1", "success")).await, "environment");
    assert_invalid(deployments.record(RecordDeployment::new("api", "test", "", "success")).await, "version");
    assert_invalid(deployments.record(RecordDeployment::new("api", "test", "v1", "")).await, "status");
    let backwards = RecordDeployment::new("api", "test", "v1", "success").finished_at(time("2025-12-31T00:00:00Z"));
    assert_invalid(deployments.record(backwards).await, "finishedAt");
    for cursor in ["", "1", "x/git:api:test:v1", "1/tag", "1/1/1"] {
        assert_invalid(deployments.query(DeploymentQuery::new().after(Cursor::new(cursor))).await, "cursor");
    }
    assert_invalid(deployments.query(DeploymentQuery::new().limit(0)).await, "limit");
}

#[tokio::test]
async fn a_tag_is_a_deployment() {
    let folder = folder();
    let api = repository(folder.path(), "api", &["v1.0.0", "nightly"]);
    git(&api, 300, &["tag", "-a", "v1.1.0", "-m", "The second\n\nAt length"]);
    let desk = desk(folder.path(), &[GitTags::new(&api, "api", "production").tags("v*")]).await;
    assert_eq!(versions(&desk, DeploymentQuery::new()).await, ["v1.1.0", "v1.0.0"], "the pattern holds");

    let deployments = desk.ops.deployments(&desk.cx);
    let light = deployments.get("git:api:production:v1.0.0").await.unwrap();
    assert_eq!((light.service.as_deref(), light.environment.as_deref()), (Some("api"), Some("production")));
    assert_eq!((light.status.level(), light.status_raw.as_deref()), (DeploymentStatusLevel::Success, Some("tag")));
    assert_eq!(light.started_at, Some(time("2026-01-01T00:01:00Z")));
    assert_eq!(light.fields["subject"], "Release v1.0.0");
    assert_eq!(light.fields["commit"].as_str().unwrap().len(), 40);
    assert!(!light.fields.contains_key("tagger"));
    let annotated = deployments.get("git:api:production:v1.1.0").await.unwrap();
    assert_eq!(annotated.started_at, Some(time("2026-01-01T00:05:00Z")), "when it was tagged");
    assert_eq!(
        (&annotated.fields["subject"], &annotated.fields["tagger"]),
        (&"The second".into(), &"Alice <alice@example.com>".into())
    );
    assert_ne!(annotated.fields["commit"], light.fields["commit"]);

    for id in ["git:api:production:nightly", "git:api:test:v1.0.0", "git:api:production:v*", "git:x", "git:"] {
        assert_eq!(*deployments.get(id).await.unwrap_err().kind(), ErrorKind::NotFound, "{id}");
    }
}

#[tokio::test]
async fn records_and_tags_come_newest_first_and_pages_have_no_gap_and_no_repeat() {
    let folder = folder();
    let api = repository(folder.path(), "api", &["a", "b", "c", "d", "e"]);
    let web = repository(folder.path(), "web", &["a", "b", "c"]);
    let tags = [GitTags::new(api, "api", "production"), GitTags::new(web, "web", "production")];
    let desk = desk(folder.path(), &tags).await;
    let deployments = desk.ops.deployments(&desk.cx);
    for minute in ["03", "01", "05", "03"] {
        let record = RecordDeployment::new("db", "production", "v1", "success");
        let record = record.started_at(time(&format!("2026-01-01T00:{minute}:00Z")));
        done(deployments.record(record).await.unwrap());
    }
    let whole = deployments.query(DeploymentQuery::new()).await.unwrap().items;
    assert_eq!(whole.len(), 12);
    assert!(whole.is_sorted_by(|one, other| one.started_at >= other.started_at));
    for size in 1..=4 {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let mut query = DeploymentQuery::new().limit(size);
            query.cursor = cursor;
            let page = deployments.query(query).await.unwrap();
            assert!(page.items.len() <= size as usize);
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            // What is recorded meanwhile is newer, and is not seen.
            desk.clock.advance(Duration::from_secs(3600));
            done(deployments.record(RecordDeployment::new("x", "test", "new", "success")).await.unwrap());
        }
        seen.retain(|deployment| deployment.environment.as_deref() == Some("production"));
        assert_eq!(seen, whole, "in pages of {size}");
    }
}

#[tokio::test]
async fn every_filter_is_honoured_or_refused() {
    let folder = folder();
    let api = repository(folder.path(), "api", &["v1", "v2"]);
    let desk = desk(folder.path(), &[GitTags::new(api, "api", "production")]).await;
    let deployments = desk.ops.deployments(&desk.cx);
    let record = RecordDeployment::new("db", "test", "v2", "rolled back").started_at(time("2026-01-01T01:00:00Z"));
    done(deployments.record(record).await.unwrap());
    let all = DeploymentQuery::new;
    assert_eq!(versions(&desk, all()).await, ["v2", "v2", "v1"]);
    assert_eq!(versions(&desk, all().query("DB")).await, ["v2"]);
    assert_eq!(versions(&desk, all().status("success")).await, ["v2", "v1"]);
    assert_eq!(versions(&desk, all().version("v1").version("v3")).await, ["v1"]);
    assert_eq!(versions(&desk, all().service("api").version("v2")).await, ["v2"]);
    assert_eq!(versions(&desk, all().environment("test")).await, ["v2"]);
    assert_eq!(versions(&desk, all().until(time("2026-01-01T00:02:00Z"))).await, ["v1"]);
    assert_eq!(versions(&desk, all().since(time("2026-01-01T00:02:00Z"))).await, ["v2", "v2"]);
    assert_unsupported(deployments.query(all().team("sre")).await, "scope.team");
    assert_unsupported(deployments.query(all().metadata("x", 1)).await, "metadata");
}

#[tokio::test]
async fn a_repository_that_does_not_answer_is_named_and_the_others_go_on() {
    let folder = folder();
    let api = repository(folder.path(), "api", &["v1"]);
    // A folder below a repository is none itself.
    fs::create_dir(api.join("below")).unwrap();
    let missing = folder.path().join("missing");
    let tags = [
        GitTags::new(&missing, "missing", "test"),
        GitTags::new(api.join("below"), "below", "test"),
        GitTags::new(&api, "api", "test"),
    ];
    let desk = desk(folder.path(), &tags).await;
    let deployments = desk.ops.deployments(&desk.cx);
    done(deployments.record(RecordDeployment::new("db", "test", "v7", "success")).await.unwrap());
    let page = deployments.query(DeploymentQuery::new()).await.unwrap();
    let found: Vec<_> = page.items.iter().map(|deployment| deployment.version.as_deref().unwrap()).collect();
    assert_eq!(found, ["v1", "v7"]);
    assert_eq!(page.failures.len(), 2, "{:?}", page.failures);
    assert!(page.failures[0].source.ends_with("missing"), "{:?}", page.failures);
    assert!(page.failures[1].message.contains("not a git repository"), "{:?}", page.failures);
    assert!(!page.is_complete());
    let error = deployments.get("git:missing:test:v1").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    let page = deployments.query(DeploymentQuery::new().service("api")).await.unwrap();
    assert!(page.is_complete(), "a repository that could not have any is not asked");
}

#[tokio::test]
async fn a_path_or_a_pattern_is_no_option_and_no_command() {
    let folder = folder();
    let marker = folder.path().join("marker");
    let odd = format!("--exec=$(touch {});v1", marker.display());
    fs::create_dir_all(folder.path().join("x")).unwrap();
    let tags =
        GitTags::new(folder.path().join("x").join(&odd), "api", "test").tags(format!("$(touch {})", marker.display()));
    let desk = desk(folder.path(), &[tags, GitTags::new("--version", "web", "test")]).await;
    let page = desk.ops.deployments(&desk.cx).query(DeploymentQuery::new()).await.unwrap();
    assert_eq!((page.items.len(), page.failures.len()), (0, 2), "{:?}", page.failures);
    assert!(!marker.exists());
}
