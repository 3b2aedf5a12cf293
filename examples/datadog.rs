//! What an organization in Datadog has to do, on one screen: open incidents, alerts that fire, errors in its logs, and a metric.
//!
//! `DD_API_KEY=… DD_APP_KEY=… cargo run --example datadog -- [SITE] [SERVICE]`
//!
//! With `--silence ALERT MINUTES` it mutes an alert. Nothing else is changed.

use std::process::ExitCode;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{
    Action, Actor, AlertQuery, Clock, Context, IncidentQuery, LogQuery, LogSeverityLevel, MetricQuery, Operation,
    OpsOrch, SilenceAlert, Submitted, SystemClock, Target, visible,
};
use opsorch_providers::datadog::{DatadogConfig, Site};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The metric that every organization with an agent has.
const METRIC: &str = "system.load.1";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Outcome {
    if ["DD_API_KEY", "DD_APP_KEY"].iter().any(|name| std::env::var_os(name).is_none()) {
        return Err(
            "expected an API key in DD_API_KEY and an application key in DD_APP_KEY; a read-only one is enough".into(),
        );
    }
    let is_site = |text: &&&str| Site::ALL.iter().any(|site| site.domain() == **text);
    let site =
        arguments.iter().find(is_site).and_then(|text| Site::ALL.into_iter().find(|site| site.domain() == *text));
    let rest: Vec<&str> = arguments.iter().filter(|text| !is_site(text)).copied().collect();
    let keys = (SecretRef::env("DD_API_KEY"), SecretRef::env("DD_APP_KEY"));
    let config = DatadogConfig::new(keys.0, keys.1).site(site.unwrap_or_default());
    let silences_only = |_: &Context, _: &Target, action: &Action| match action.operation() {
        Operation::AlertSilence => Decision::allow("asked for on the command line"),
        _ => Decision::deny("the example mutes alerts and changes nothing else"),
    };
    let builder = OpsOrch::builder().configure("datadog", config).transport(ReqwestTransport::new()?);
    let ops = builder.policy(silences_only).build().await?;
    let cx = Context::new(Actor::service("example")).timeout(Duration::from_secs(60));
    match rest.as_slice() {
        ["--silence", alert, minutes] => {
            let until = SystemClock.now() + Duration::from_secs(60 * minutes.parse::<u64>()?);
            match ops.alerts(&cx).silence(SilenceAlert::new(*alert, until)).await? {
                Submitted::Done(_) => println!("the alert is muted until {until}"),
                Submitted::Pending(asked) => println!("the silence waits for {}", asked.quorum),
            }
            Ok(())
        }
        [] => show(&ops, &cx, None).await,
        [service] => show(&ops, &cx, Some(service)).await,
        _ => Err("expected [SITE] [SERVICE], or [SITE] --silence ALERT MINUTES".into()),
    }
}

async fn show(ops: &OpsOrch, cx: &Context, service: Option<&str>) -> Outcome {
    for problem in ops.health(cx, "datadog").await?.problems {
        println!("! {}", problem.message);
    }
    let open = IncidentQuery::open().limit(10);
    let incidents = ops.incidents(cx).query(service.map_or(open.clone(), |service| open.service(service))).await?;
    println!("open incidents: {}", incidents.items.len());
    for incident in &incidents.items {
        println!("  {:<9} {}", incident.severity.as_str(), visible(&incident.title));
    }
    let firing = ops.alerts(cx).query(AlertQuery::firing().limit(10)).await?;
    println!("\nalerts firing: {}{}", firing.items.len(), if firing.is_complete() { "" } else { " and more" });
    for alert in &firing.items {
        println!("  {:<9} {}  {}", alert.severity.as_str(), alert.id, visible(&alert.title));
    }
    let (start, end) = (SystemClock.now() - Duration::from_secs(3_600), SystemClock.now());
    let errors = LogQuery::new(start, end).severity(LogSeverityLevel::Error).limit(10);
    let errors = ops.logs(cx).query(service.map_or(errors.clone(), |service| errors.service(service))).await?;
    println!(
        "\nerrors in the last hour: {}{}",
        errors.items.len(),
        if errors.is_complete() { "" } else { " and more" }
    );
    for entry in &errors.items {
        println!(
            "  {}  {}",
            entry.timestamp.format("%H:%M:%S"),
            visible(entry.message.lines().next().unwrap_or_default())
        );
    }
    let load = MetricQuery::new(METRIC, end, end).aggregation("max").group_by("host").limit(10);
    println!("\n{METRIC}:");
    for series in ops.metrics(cx).query(load).await?.items {
        let host = series.labels.get("host").and_then(|host| host.as_str()).unwrap_or("?");
        println!("  {host:<30} {}", series.points.last().map_or(0.0, |point| point.value()));
    }
    Ok(())
}
