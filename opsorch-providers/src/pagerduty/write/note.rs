//! Writes notes into timelines.

use async_trait::async_trait;
use opsorch::capability::TimelineWriter;
use opsorch::gate::Approved;
use opsorch::{Context, Error, Result, TimelineAppend};
use serde_json::json;

use super::sender::Sender;
use crate::pagerduty::api::{Api, known_id};
use crate::pagerduty::map::timeline::NOTE;
use crate::pagerduty::wire::OneNote;

/// Writes notes. PagerDuty keeps at most 2 000 for an incident, and has no key by which one could be found again: a note
/// whose answer was lost may have been written.
#[derive(Debug)]
pub(in crate::pagerduty) struct Notes {
    api: Api,
    sender: Sender,
}

impl Notes {
    pub(in crate::pagerduty) fn new(api: Api, sender: Sender) -> Self {
        Self { api, sender }
    }
}

#[async_trait]
impl TimelineWriter for Notes {
    async fn append(&self, cx: &Context, input: Approved<'_, TimelineAppend>) -> Result<()> {
        check(&input)?;
        let from = self.sender.from(cx)?;
        let path = ["incidents", known_id("incident", input.id.as_str())?, "notes"];
        let note = json!({ "note": { "content": input.body } });
        let reply = self.api.ask(cx, self.api.client.post(path).header("From", from).json(&note)).await?;
        reply.json::<OneNote>().map(|_| ())
    }
}

/// A note is a text. What else an entry can say has no place in it.
fn check(input: &TimelineAppend) -> Result<()> {
    if input.body.trim().is_empty() {
        return Err(Error::invalid("body", "expected a text, got a blank one"));
    }
    let mut honoured = TimelineAppend::new(&input.id, NOTE, &*input.body);
    if *input == honoured {
        return Ok(());
    }
    honoured.kind.clone_from(&input.kind);
    let problem = match *input == honoured {
        true => format!("PagerDuty keeps notes only; expected the kind `{NOTE}`, got `{}`", input.kind),
        false => "PagerDuty notes its own time and author; leave `at`, `actor` and `metadata` out".to_owned(),
    };
    Err(Error::unsupported(problem))
}
