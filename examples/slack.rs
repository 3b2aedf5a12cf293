//! Whether a Slack token works and, when asked, a message.
//!
//! `SLACK_TOKEN=xoxb-… cargo run --example slack -- [CHANNEL TEXT]`
//!
//! CHANNEL is a channel or a person: `#ops`, `C012AB3CD`, `@ada`, `ada@example.com`. Nothing is sent without it. TEXT is
//! CommonMark.
//!
//! ```text
//! this token may: messaging.send, messaging.update
//! sent to C012AB3CD: https://acme.slack.com/archives/C012AB3CD/p1763737445000100
//! ```

use std::process::ExitCode;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{Action, Actor, Context, Message, OpsOrch, Submitted, Target};
use opsorch_providers::slack::SlackConfig;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The variable that holds the token.
const TOKEN: &str = "SLACK_TOKEN";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let message = match arguments.as_slice() {
        [] => None,
        [channel, text] => Some(Message::new(channel, text)),
        _ => {
            eprintln!("expected nothing, or CHANNEL TEXT, such as: slack '#ops' 'disk **full**'");
            return ExitCode::FAILURE;
        }
    };
    match run(message).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(message: Option<Message>) -> Outcome {
    if std::env::var_os(TOKEN).is_none() {
        return Err(format!("expected the token of a Slack app's bot in {TOKEN}; it begins with xoxb-").into());
    }
    let ops = OpsOrch::builder()
        .configure("slack", SlackConfig::new(SecretRef::env(TOKEN)))
        .transport(ReqwestTransport::new()?)
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("whoever runs this asks for it"))
        .build()
        .await?;
    let cx = Context::new(Actor::user("you")).timeout(Duration::from_secs(30));

    let health = ops.health(&cx, "slack").await?;
    if let Some(problem) = health.problems.first() {
        return Err(problem.message.clone().into());
    }
    println!("this token may: {}", health.operations);
    let Some(message) = message else { return Ok(()) };
    match ops.messages(&cx).send(message).await? {
        Submitted::Done(sent) => {
            let page = sent.url.map_or_else(|| sent.id.to_string(), |url| url.to_string());
            println!("sent to {}: {page}", sent.channel);
        }
        Submitted::Pending(request) => println!("waits for {}", request.quorum),
    }
    ops.idle().await;
    Ok(())
}
