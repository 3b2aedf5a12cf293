//! The newest log entries of an Elasticsearch or OpenSearch cluster that say something.
//!
//! `cargo run --example elastic -- URL [TEXT]`, or `ELASTIC_CLOUD_ID=… cargo run --example elastic -- cloud [TEXT]`. The
//! credential is an API key in `ELASTIC_API_KEY`, or `ELASTIC_USER` and `ELASTIC_PASSWORD`, or none. `ELASTIC_INDEX` names
//! other indices than `logs-*`. Nothing is changed.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{Actor, Clock, Context, LogEntry, LogQuery, OpsOrch, SystemClock, visible};
use opsorch_providers::elastic::ElasticConfig;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [address] => run(address, None).await,
        [address, text] => run(address, Some(text)).await,
        _ => Err("expected the address of a cluster, or `cloud`, and maybe a text to search for".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(address: &str, text: Option<&str>) -> Outcome {
    let builder = OpsOrch::builder().configure("logs", config(address)?).transport(ReqwestTransport::new()?);
    let ops = builder.build().await?;
    let cx = Context::new(Actor::service("example")).timeout(Duration::from_secs(60));
    let health = ops.health(&cx, "logs").await?;
    println!("{}", health.version.as_deref().unwrap_or("a cluster that does not say its version"));
    for problem in &health.problems {
        println!("! {}", problem.message);
    }
    let now = SystemClock.now();
    let query = LogQuery::new(now - Duration::from_secs(60 * 60), now).limit(20);
    let page = ops.logs(&cx).query(text.map_or(query.clone(), |text| query.search(text))).await?;
    let more = if page.next.is_some() { " and more" } else { "" };
    println!("entries of the last hour: {}{more}", page.items.len());
    page.items.iter().for_each(line);
    for failure in &page.failures {
        println!("! {}: {}", failure.source, failure.message);
    }
    if let Some(url) = page.url {
        println!("{url}");
    }
    Ok(())
}

fn config(address: &str) -> Result<ElasticConfig, Box<dyn std::error::Error>> {
    let mut config = match address {
        "cloud" => ElasticConfig::cloud(env::var("ELASTIC_CLOUD_ID").map_err(|_| "expected ELASTIC_CLOUD_ID")?),
        address => ElasticConfig::new(address.parse()?),
    };
    if env::var_os("ELASTIC_API_KEY").is_some() {
        config = config.api_key(SecretRef::env("ELASTIC_API_KEY"));
    } else if let Ok(user) = env::var("ELASTIC_USER") {
        config = config.basic(user, SecretRef::env("ELASTIC_PASSWORD"));
    }
    if let Ok(index) = env::var("ELASTIC_INDEX") {
        config = config.index(index);
    }
    config.dashboards_url = env::var("KIBANA_URL").ok().map(|url| url.parse()).transpose()?;
    Ok(config)
}

fn line(entry: &LogEntry) {
    let severity = entry.severity.as_ref().map_or("-", |severity| severity.as_str());
    let service = entry.service.as_deref().unwrap_or("-");
    let time = entry.timestamp.format("%H:%M:%S");
    println!("  {time}  {severity:<8} {:<16} {}", visible(service), visible(&entry.message));
}
