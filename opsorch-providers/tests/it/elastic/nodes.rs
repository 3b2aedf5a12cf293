//! Several addresses: any node answers, and one that is down is passed over.

use opsorch::ErrorKind;
use opsorch_providers::elastic::ElasticConfig;

use super::desk::{Desk, config, day, refusal};
use super::simulated::elastic::{Flavor, world};

fn three() -> ElasticConfig {
    config().address("http://es-2.internal:9200".parse().unwrap()).address("http://es-3.internal:9200".parse().unwrap())
}

async fn desk() -> Desk {
    Desk::with(world::small(Flavor::Elasticsearch, &opsorch::ManualClock::default()), three()).await
}

fn hosts(desk: &Desk) -> Vec<String> {
    desk.wire.requests().iter().map(|request| request.url.host_str().unwrap()[..4].to_owned()).collect()
}

#[tokio::test]
async fn a_node_that_is_down_is_passed_over_and_not_asked_again() {
    let desk = desk().await;
    desk.wire.takes_down("es-1.internal", None);
    assert_eq!(desk.all(day()).await.len(), 9);
    assert_eq!(hosts(&desk), ["es-1", "es-2", "es-2", "es-2", "es-2", "es-2"]);
}

#[tokio::test]
async fn a_node_that_goes_down_in_the_middle_is_passed_over() {
    for (status, reply) in [(502, true), (503, true), (504, true), (0, false)] {
        let desk = desk().await;
        assert_eq!(desk.all(day()).await.len(), 9);
        desk.wire.takes_down("es-1.internal", reply.then(|| refusal(status, "x", "down")));
        assert_eq!(desk.all(day()).await.len(), 9);
        desk.wire.takes_down("es-2.internal", None);
        assert_eq!(desk.all(day()).await.len(), 9);
        assert_eq!(hosts(&desk).last().unwrap(), "es-3");
        desk.wire.takes_down("es-3.internal", None);
        desk.wire.brings_up("es-1.internal");
        assert_eq!(desk.all(day()).await.len(), 9);
        assert_eq!(desk.wire.open(), 0);
    }
}

#[tokio::test]
async fn a_cluster_of_which_every_node_is_down_is_unavailable() {
    let desk = desk().await;
    for host in ["es-1.internal", "es-2.internal", "es-3.internal"] {
        desk.wire.takes_down(host, None);
    }
    let error = desk.query(day()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("addresses tried: 3"), "{error}");
    assert_eq!(hosts(&desk), ["es-1", "es-2", "es-3"]);
}

#[tokio::test]
async fn a_refusal_is_not_asked_of_another_node() {
    let desk = desk().await;
    desk.wire.answer("GET", "/_field_caps", refusal(429, "es_rejected_execution_exception", "busy"));
    assert!(matches!(desk.query(day()).await.unwrap_err().kind(), ErrorKind::RateLimited { .. }));
    assert_eq!(hosts(&desk), ["es-1"]);
}
