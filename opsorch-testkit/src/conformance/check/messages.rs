//! Messages: the answer names what was sent, and only what can be reached is.

use opsorch::{ErrorKind, Operation};
use serde_json::{Value, json};

use crate::conformance::lab::Lab;
use crate::conformance::maker::{change, is_not_found};
use crate::conformance::rule::{Broken, Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// A channel that nobody has.
const NO_CHANNEL: &str = "#no-such-channel-4711";

pub(in crate::conformance) async fn a_sent_message_can_be_replaced(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some(channel) = channel(bench, &lab, Operation::MessagingUpdate) else { return Ok(no_channel(&lab)) };
    let sent = send(&lab, json!({ "channel": channel, "body": lab.titled("the replica lags") })).await?;
    let input = json!({ "id": sent.get("id"), "channel": channel, "body": lab.titled("the replica has caught up") });
    let answer = change(&lab, Operation::MessagingUpdate, input.clone()).await?;
    let is_same = answer.as_ref().is_ok_and(|answer| answer.get("id") == sent.get("id"));
    ensure!(
        is_same,
        "messaging.update of {input}, which messaging.send answered: expected the same message, got {answer:?}"
    );
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_sent_message_can_be_answered(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some(channel) = channel(bench, &lab, Operation::MessagingSend) else { return Ok(no_channel(&lab)) };
    let first = send(&lab, json!({ "channel": channel, "body": lab.titled("the replica lags") })).await?;
    let thread = first.get("id").cloned().unwrap_or_default();
    let input = json!({ "channel": channel, "body": lab.titled("looking into it"), "threadRef": thread });
    let reply = match change(&lab, Operation::MessagingSend, input.clone()).await? {
        Err(error) if error.kind() == &ErrorKind::Unsupported => nothing!("the provider has no threads"),
        reply => reply,
    };
    let is_another = reply.as_ref().is_ok_and(|reply| reply.get("id") != first.get("id"));
    ensure!(is_another, "messaging.send of {input}, in reply to what it sent: expected another message, got {reply:?}");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_unknown_channel_is_not_replaced(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    if !lab.offers(Operation::MessagingSend) {
        return Ok(no_channel(&lab));
    }
    let input = json!({ "channel": NO_CHANNEL, "body": "is anybody there?" });
    let answer = change(&lab, Operation::MessagingSend, input.clone()).await?;
    // Where channels are not known beforehand, any will do.
    let is_sent_there = answer.as_ref().is_ok_and(|sent| sent.get("channel") == Some(&json!(NO_CHANNEL)));
    ensure!(
        is_sent_there || is_not_found(&answer),
        "messaging.send of {input}: expected `not_found`, or a message in that channel, got {answer:?}"
    );
    Ok(Verdict::Kept)
}

/// The channel that the suite was given, where an operation is offered.
fn channel<'a>(bench: &'a Bench<'_>, lab: &Lab, operation: Operation) -> Option<&'a str> {
    bench.channel().filter(|_| lab.offers(Operation::MessagingSend) && lab.offers(operation))
}

fn no_channel(lab: &Lab) -> Verdict {
    Verdict::Nothing(match lab.offers(Operation::MessagingSend) {
        true => "give the suite a channel, with `Conformance::channel`, and offer messaging.update".to_owned(),
        false => "the provider sends no messages".to_owned(),
    })
}

async fn send(lab: &Lab, input: Value) -> Checked<Value> {
    let sent = change(lab, Operation::MessagingSend, input.clone()).await?;
    sent.map_err(|error| Broken(format!("messaging.send of {input}: it is offered, but nothing is sent: {error}")))
}
