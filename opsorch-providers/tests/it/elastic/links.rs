//! Pages for people.

use opsorch::LogQuery;
use opsorch_providers::elastic::ElasticConfig;

use super::desk::{Desk, ago, config, day};
use super::simulated::elastic::{Flavor, world};

async fn url(flavor: Flavor, config: ElasticConfig, query: LogQuery) -> Option<String> {
    let desk = Desk::with(world::small(flavor, &opsorch::ManualClock::default()), config).await;
    desk.query(query).await.unwrap().url.map(|url| url.to_string())
}

fn with_pages() -> ElasticConfig {
    config().dashboards_url("https://kibana.example.org/s/sre/".parse().unwrap())
}

#[tokio::test]
async fn a_link_shows_the_same_entries_in_kibana() {
    let hour = || LogQuery::new(ago(60), ago(0));
    let time = "(time:(from:'2025-12-31T23:00:00.000Z',to:'2026-01-01T00:00:00.000Z'))";
    let expected = format!(
        "https://kibana.example.org/s/sre/app/discover#/?_g={time}&_a=(filters:!(),query:(language:kuery,query:''),\
         sort:!(!('@timestamp',desc)))"
    );
    assert_eq!(url(Flavor::Elasticsearch, with_pages(), hour()).await.unwrap(), expected);
    let found =
        url(Flavor::Elasticsearch, with_pages().data_view("logs-1"), hour().filter("host.name", "=", "it's \"a\" & b"))
            .await;
    let found = found.unwrap();
    assert!(found.contains("dataSource:(dataViewId:'logs-1',type:dataView)"), "{found}");
    let term = "(bool:(filter:!((term:('host.name':(value:'it!'s%20%22a%22%20%26%20b'))))))";
    assert!(found.contains(&format!("query:{term}")), "{found}");
    assert!(found.contains("type:custom") && found.contains("store:appState"), "{found}");
}

#[tokio::test]
async fn a_link_shows_the_same_entries_in_opensearch_dashboards() {
    let hour = LogQuery::new(ago(60), ago(0));
    let found = url(Flavor::OpenSearch, with_pages().data_view("abc"), hour.severity("purple")).await.unwrap();
    let start = "https://kibana.example.org/s/sre/app/data-explorer/discover#?_a=(discover:(columns:!('_source'),";
    let start = start.replace("'_source'", "_source");
    assert!(found.starts_with(&start), "{found}");
    assert!(found.contains("metadata:(indexPattern:abc,view:discover)"), "{found}");
    assert!(found.contains("&_q=(filters:!(('$state'") || found.contains("&_q=(filters:!(($state"), "{found}");
    assert!(found.contains("case_insensitive:!t,value:purple"), "{found}");
}

#[tokio::test]
async fn there_is_no_link_without_a_page_and_none_that_is_too_long() {
    assert_eq!(url(Flavor::Elasticsearch, config(), day()).await, None);
    let long = day().search("x".repeat(9_000));
    assert_eq!(url(Flavor::Elasticsearch, with_pages(), long).await, None);
}
