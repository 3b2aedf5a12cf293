//! Whether the cluster answers, and what works.

use opsorch::capability::Health;
use opsorch::{ErrorKind, Operation, Result};

use super::desk::{Desk, config, refusal};
use super::simulated::elastic::store::Index;
use super::simulated::elastic::world::ECS;
use super::simulated::elastic::{Cluster, Flavor};

async fn check(desk: &Desk) -> Result<Health> {
    desk.ops.health(&desk.cx, "logs").await
}

#[tokio::test]
async fn it_is_healthy_where_logs_can_be_read_and_leaves_nothing_open() {
    for (flavor, version) in [(Flavor::Elasticsearch, "elasticsearch 9.1.0"), (Flavor::OpenSearch, "opensearch 2.19.0")]
    {
        let desk = Desk::of(flavor, Index::new(ECS)).await;
        let health = check(&desk).await.unwrap();
        assert!(health.is_healthy() && health.operations.contains(Operation::LogQuery), "{health:?}");
        assert_eq!(health.version.as_deref(), Some(version));
        assert_eq!(desk.wire.open(), 0);
    }
}

#[tokio::test]
async fn what_is_in_the_way_is_said_with_what_to_do() {
    let nothing = Desk::over(Cluster::new(Flavor::Elasticsearch)).await;
    let untimed = Desk::of(Flavor::Elasticsearch, Index::new(&[("time", "date")])).await;
    let unknown = Desk::with(Cluster::new(Flavor::Elasticsearch), config().index("app")).await;
    let forbidden = Desk::of(Flavor::OpenSearch, Index::new(ECS)).await;
    forbidden.wire.answer("POST", "/point_in_time", refusal(403, "security_exception", "no permissions"));
    let wrong = Desk::of(Flavor::OpenSearch, Index::new(ECS)).await;
    wrong.wire.answer("GET", "/proxy", refusal(401, "security_exception", "who are you"));
    for (desk, says) in [
        (nothing, "no index or data stream is called `logs-*`"),
        (untimed, "fields.timestamp"),
        (unknown, "no such index [app]"),
        (forbidden, "view_index_metadata"),
        (wrong, "who are you"),
    ] {
        let health = check(&desk).await.unwrap();
        assert!(!health.is_healthy() && !health.operations.contains(Operation::LogQuery));
        assert!(health.problems[0].message.contains(says), "{says}: {health:?}");
    }
}

#[tokio::test]
async fn that_nobody_answers_says_nothing() {
    let desk = Desk::of(Flavor::Elasticsearch, Index::new(ECS)).await;
    desk.wire.takes_down("es-1.internal", None);
    assert_eq!(*check(&desk).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_version_that_may_not_be_asked_for_is_no_problem() {
    let desk = Desk::with(
        {
            let mut cluster = Cluster::new(Flavor::OpenSearch);
            cluster.indices.insert("logs-1".to_owned(), Index::new(ECS));
            cluster
        },
        config().distribution(opsorch_providers::elastic::Distribution::OpenSearch),
    )
    .await;
    desk.wire.answer("GET", "/proxy", refusal(403, "security_exception", "no permissions for [cluster:monitor/main]"));
    let health = check(&desk).await.unwrap();
    assert!(health.is_healthy() && health.version.is_none(), "{health:?}");
}
