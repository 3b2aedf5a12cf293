//! What an account of PagerDuty has to do, on one screen: open incidents, their alerts, and who is on call.
//!
//! `PAGERDUTY_TOKEN=… cargo run --example pagerduty -- [--eu] [TEAM]`
//!
//! With `--note INCIDENT TEXT` it appends a note to an incident, in the name of the user `PAGERDUTY_FROM`. Nothing else is
//! changed.

use std::process::ExitCode;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{
    Action, Actor, AlertQuery, Context, Incident, IncidentQuery, Operation, OpsOrch, Submitted, Target, TeamQuery,
    TimelineAppend, visible,
};
use opsorch_providers::pagerduty::{PagerDutyConfig, Region};

type Outcome = Result<(), Box<dyn std::error::Error>>;

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
    if std::env::var_os("PAGERDUTY_TOKEN").is_none() {
        return Err("expected a REST API key in PAGERDUTY_TOKEN; a read-only one is enough".into());
    }
    let mut config = PagerDutyConfig::new(SecretRef::env("PAGERDUTY_TOKEN"));
    config.from_email = std::env::var("PAGERDUTY_FROM").ok();
    let (regions, rest): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| **argument == "--eu");
    if !regions.is_empty() {
        config = config.region(Region::Eu);
    }
    let notes_only = |_: &Context, _: &Target, action: &Action| match action.operation() {
        Operation::IncidentTimelineAppend => Decision::allow("asked for on the command line"),
        _ => Decision::deny("the example appends notes and changes nothing else"),
    };
    let builder = OpsOrch::builder().configure("pagerduty", config).transport(ReqwestTransport::new()?);
    let ops = builder.policy(notes_only).build().await?;
    let cx = Context::new(Actor::service("example")).timeout(Duration::from_secs(60));
    match rest.as_slice() {
        ["--note", incident, text] => {
            match ops.incidents(&cx).append(TimelineAppend::new(*incident, "note", *text)).await? {
                Submitted::Done(()) => println!("the note is written"),
                Submitted::Pending(asked) => println!("the note waits for {}", asked.quorum),
            }
            Ok(())
        }
        [] => show(&ops, &cx, None).await,
        [team] => show(&ops, &cx, Some(team)).await,
        _ => Err("expected [--eu] [TEAM], or --note INCIDENT TEXT".into()),
    }
}

async fn show(ops: &OpsOrch, cx: &Context, team: Option<&str>) -> Outcome {
    for problem in ops.health(cx, "pagerduty").await?.problems {
        println!("! {}", problem.message);
    }
    let open = IncidentQuery::open().limit(20);
    let page = ops.incidents(cx).query(team.map_or(open.clone(), |team| open.team(team))).await?;
    println!("open incidents: {}{}", page.items.len(), if page.next.is_some() { " and more" } else { "" });
    page.items.iter().for_each(line);
    let firing = ops.alerts(cx).query(AlertQuery::firing().limit(10)).await?;
    println!("\nalerts firing: {}{}", firing.items.len(), if firing.is_complete() { "" } else { " and more" });
    for alert in &firing.items {
        println!("  {:<9} {}", alert.severity.as_str(), visible(&alert.title));
    }
    let Some(name) = team else { return Ok(()) };
    let teams = ops.teams(cx).query(TeamQuery::new().team(name)).await?.items;
    let team = teams.first().ok_or_else(|| format!("there is no team called {name}"))?;
    println!("\non call for {name}:");
    for person in ops.teams(cx).oncall(&team.id).await?.items {
        println!("  {} {}", visible(person.name.as_deref().unwrap_or("?")), person.email.unwrap_or_default());
    }
    Ok(())
}

fn line(incident: &Incident) {
    let since = incident.created_at.map_or(String::new(), |time| time.format("%m-%d %H:%M").to_string());
    let service = incident.service.as_deref().unwrap_or("-");
    println!("  {since}  {:<9} {:<20} {}", incident.severity.as_str(), visible(service), visible(&incident.title));
}
