//! Faults of messages.

use opsorch::{Action, Error, MessageResult, Response, Result};
use opsorch_testkit::MemoryProvider;

use super::Fault::Write;
use super::{Flaw, Properly};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "does not know what it sent", caught_by: &["TK-065"], fault: Write(does_not_know_what_it_sent) },
    Flaw { name: "replaces instead of replying", caught_by: &["TK-066"], fault: Write(replaces_instead_of_replying) },
    Flaw { name: "sends elsewhere", caught_by: &["TK-067"], fault: Write(sends_elsewhere) },
];

fn does_not_know_what_it_sent(_: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match action {
        Action::MessagingUpdate(input) => Err(Error::not_found(format!("there is no message `{}`", input.id))),
        _ => properly(),
    }
}

fn replaces_instead_of_replying(_: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match action {
        Action::MessagingSend(input) => match &input.thread_ref {
            Some(thread) => Ok(MessageResult::new(thread.as_str(), &input.channel).into()),
            None => properly(),
        },
        _ => properly(),
    }
}

/// Sends what is for a channel that is not there to one that is.
fn sends_elsewhere(_: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match (action, properly()) {
        (Action::MessagingSend(_), Err(_)) => Ok(MessageResult::new("msg-elsewhere", "#general").into()),
        (_, answer) => answer,
    }
}
