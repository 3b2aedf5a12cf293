//! Whether what is said is what the vendors' own descriptions permit.
//!
//! The descriptions are not part of this repository: the variable `OPSORCH_CONTRACTS` names the folder that they are in.

use std::path::PathBuf;

use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::{Actor, Context, LogOperatorLevel, ManualClock, OpsOrch};
use opsorch_providers::elastic::ElasticConfig;
use opsorch_testkit::Contract;
use opsorch_testkit::double::SECRET;

use super::desk::{Wire, day};
use super::simulated::elastic::{Flavor, world};

#[tokio::test]
#[ignore = "needs the OpenAPI documents of Elasticsearch and OpenSearch in the folder that OPSORCH_CONTRACTS names"]
async fn what_is_said_is_what_the_descriptions_permit() {
    let folder = PathBuf::from(std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names a folder"));
    for (flavor, file) in [(Flavor::Elasticsearch, "elasticsearch.json"), (Flavor::OpenSearch, "opensearch.json")] {
        let contract = Contract::open(folder.join(file)).unwrap();
        let clock = ManualClock::default();
        let config = ElasticConfig::new("http://es-1.internal:9200".parse().unwrap()).api_key(SecretRef::env("KEY"));
        let guarded = contract.guard(Wire::over(world::small(flavor, &clock)));
        let exchanges = guarded.exchanges();
        let ops = OpsOrch::builder()
            .configure("logs", config)
            .clock(clock)
            .secrets(StaticSecrets::new([("KEY", SECRET)]))
            .transport(guarded)
            .without_layers()
            .build()
            .await
            .unwrap();
        let cx = Context::new(Actor::agent("triage"));
        ops.health(&cx, "logs").await.unwrap();
        let logs = ops.logs(&cx);
        let everything = day()
            .search("disk")
            .severity("error")
            .service("db")
            .team("data")
            .environment("production")
            .filter("host.name", LogOperatorLevel::Equals, "a")
            .filter("host.name", LogOperatorLevel::NotEquals, "a")
            .filter("host.name", LogOperatorLevel::Contains, "a")
            .filter("host.name", LogOperatorLevel::Regex, "a")
            .filter("event.duration", LogOperatorLevel::Equals, "7")
            .metadata("lucene", "a:b");
        logs.query(everything).await.unwrap();
        let first = logs.query(day().limit(1)).await.unwrap();
        logs.query(day().limit(3).after(first.next.unwrap())).await.unwrap();
        exchanges.assert_kept();
    }
}
