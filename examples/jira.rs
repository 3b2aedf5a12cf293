//! What is open in a project of Jira, on one screen; and, if it is asked for, a new ticket there.
//!
//! `cargo run --example jira -- URL PROJECT [--data-center] [--create TITLE]`
//!
//! The token is in `JIRA_TOKEN`, and in `JIRA_EMAIL` whose it is (Cloud). Without `--create` nothing is changed.
//!
//! ```text
//! Jira 1001.0.0; works: ticket.query, ticket.get, ticket.create, ticket.update, ticket.comment
//! OPS-7     todo         alice     noise at night
//! OPS-5     in_review    bob       review the runbook
//! ```

use std::process::ExitCode;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{Action, Actor, Context, CreateTicket, Operation, OpsOrch, Submitted, Target, TicketQuery, visible};
use opsorch_providers::jira::{Deployment, JiraConfig};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match show(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(arguments: &[String]) -> Outcome {
    let (title, rest) = match arguments.iter().position(|argument| argument == "--create") {
        Some(index) => (arguments.get(index + 1), arguments.get(..index).unwrap_or_default()),
        None => (None, arguments),
    };
    let is_data_center = rest.iter().any(|argument| argument == "--data-center");
    let mut names = rest.iter().filter(|argument| !argument.starts_with("--"));
    let (Some(url), Some(project)) = (names.next(), names.next()) else {
        return Err("expected an address and a project, such as https://example.atlassian.net OPS".into());
    };
    if std::env::var_os("JIRA_TOKEN").is_none() {
        return Err("expected an API token in JIRA_TOKEN, and in JIRA_EMAIL whose it is".into());
    }
    let deployment = if is_data_center { Deployment::DataCenter } else { Deployment::Cloud };
    let mut config = JiraConfig::new(deployment, url.parse()?, project, SecretRef::env("JIRA_TOKEN"));
    if let Ok(email) = std::env::var("JIRA_EMAIL") {
        config = config.email(email);
    }
    // Only what was asked for on the command line is allowed.
    let is_asked = title.is_some();
    let policy = move |_: &Context, _: &Target, action: &Action| match action.operation() {
        Operation::TicketCreate if is_asked => Decision::allow("the command line"),
        _ => Decision::deny("only --create changes anything"),
    };
    let builder = OpsOrch::builder().configure("jira", config).policy(policy).transport(ReqwestTransport::new()?);
    let ops = builder.build().await?;
    let cx = Context::new(Actor::user("you")).timeout(Duration::from_secs(30));

    let health = ops.health(&cx, "jira").await?;
    for problem in &health.problems {
        eprintln!("{}", problem.message);
    }
    let works: Vec<_> = health.operations.iter().map(Operation::name).collect();
    println!("Jira {}; works: {}", health.version.unwrap_or_default(), works.join(", "));
    let page = ops.tickets(&cx).query(TicketQuery::open().limit(20)).await?;
    for ticket in &page.items {
        let key = ticket.key.as_deref().unwrap_or(ticket.id.as_str());
        let assignee = ticket.assignees.first().map_or("", String::as_str);
        println!("{key:<9} {:<12} {assignee:<9} {}", ticket.status.as_str(), visible(&ticket.title));
    }
    if page.next.is_some() {
        println!("…");
    }
    if let Some(title) = title {
        let input = CreateTicket::new(title).description("Opened by the example `jira` of **opsorch**.");
        if let Submitted::Done(ticket) = ops.tickets(&cx).create(input).await? {
            println!("opened {}", ticket.url.map_or(ticket.id.to_string(), |url| url.to_string()));
        }
    }
    Ok(())
}
