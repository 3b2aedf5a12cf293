//! What waits in a GitHub repository: its open issues, its deployments, and the teams of its organization.
//!
//! `GITHUB_TOKEN=… cargo run --example github -- OWNER/REPO [ORGANIZATION] [--open TITLE]`
//!
//! `GITHUB_API_URL` is the address of the API where it is not `https://api.github.com`. With `--open` an issue is opened.

use std::process::ExitCode;
use std::time::Duration;

use opsorch::gate::{Decision, Submitted};
use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{
    Action, Actor, Context, CreateTicket, DeploymentQuery, OpsOrch, Target, TeamQuery, TicketQuery, visible,
};
use opsorch_providers::github::GitHubConfig;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match show(std::env::args().skip(1).collect()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(mut arguments: Vec<String>) -> Outcome {
    let title =
        arguments.iter().position(|it| it == "--open").map(|place| arguments.split_off(place).split_off(1).join(" "));
    let (repository, organization) = match arguments.as_slice() {
        [repository] => (repository, None),
        [repository, organization] => (repository, Some(organization)),
        _ => return Err("expected a repository as OWNER/REPO, such as rust-lang/rust".into()),
    };
    if std::env::var_os("GITHUB_TOKEN").is_none() {
        return Err("expected a personal access token in GITHUB_TOKEN; read access to issues is enough".into());
    }
    let mut config = GitHubConfig::new(SecretRef::env("GITHUB_TOKEN")).repository(repository);
    if let Some(organization) = organization {
        config = config.organization(organization);
    }
    if let Ok(url) = std::env::var("GITHUB_API_URL") {
        config = config.url(url.parse()?);
    }
    let policy = |_: &Context, _: &Target, _: &Action| Decision::allow("you asked for it");
    let builder = OpsOrch::builder().configure("github", config).policy(policy);
    let ops = builder.transport(ReqwestTransport::new()?).build().await?;
    let cx = Context::new(Actor::user("you")).timeout(Duration::from_secs(60));

    for problem in ops.health(&cx, "github").await?.problems {
        println!("note: {}", problem.message);
    }
    println!("\nopen issues, the newest first:");
    for ticket in ops.tickets(&cx).query(TicketQuery::open().limit(10)).await?.items {
        println!("  {:<8} {}", ticket.id, visible(&ticket.title));
    }
    println!("\ndeployments:");
    for it in ops.deployments(&cx).query(DeploymentQuery::new().limit(5)).await?.items {
        let (version, environment) = (it.version.unwrap_or_default(), it.environment.unwrap_or_default());
        println!("  {:<12} {:<12} {}", it.status, visible(&environment), visible(&version));
    }
    if organization.is_some() {
        println!("\nteams:");
        for team in ops.teams(&cx).query(TeamQuery::new().limit(20)).await?.items {
            println!("  {:<24} {}", team.id, visible(&team.name));
        }
    }
    if let Some(title) = title
        && let Submitted::Done(ticket) = ops.tickets(&cx).create(CreateTicket::new(title)).await?
    {
        println!("\nopened {}", ticket.url.map_or(ticket.id.to_string(), |url| url.to_string()));
    }
    Ok(())
}
