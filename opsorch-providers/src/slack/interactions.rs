//! Receives what people answer with the buttons of a request.

use opsorch::capability::Webhook;
use opsorch::{Actor, ApprovalRequest, BuildEnv, Context, Digest, Error, GrantId, OpsOrch, Result, Verdict};
use serde::{Deserialize, Serialize};

use super::SlackConfig;
use super::people::Listed;
use super::proof::{Proof, Seen};
use super::webhook::limit;
use super::wire::{Interaction, Pressed};

/// What the buttons are called.
pub(super) const APPROVE: &str = "opsorch_approve";
pub(super) const DENY: &str = "opsorch_deny";

/// What the log says of a No.
const NO: &str = "denied in Slack";

/// Receives the answers that people give with the buttons of a [`SlackApprovals`](super::SlackApprovals) message.
///
/// A request of Slack is believed for its signature, if it is not older than five minutes and was not received before.
/// Who answers is the Slack user that Slack names in it, if `approvals.people` lists exactly that user of that workspace.
/// What a button says of the grant and the digest is only passed on: the gate knows both, and refuses anything else.
///
/// ```
/// use opsorch::capability::Webhook;
/// use opsorch::{BuildEnv, OpsOrch, Result};
/// use opsorch_providers::slack::{SlackConfig, SlackInteractions};
///
/// async fn start(config: &SlackConfig, env: &BuildEnv) -> Result<SlackInteractions> {
///     SlackInteractions::new(config, env).await
/// }
///
/// /// What the embedding server calls for the interactivity request URL; it then answers 200 with an empty body.
/// async fn pressed(interactions: &SlackInteractions, ops: &OpsOrch, webhook: &Webhook) -> Result<()> {
///     let request = interactions.answer(ops, webhook).await?;
///     println!("{} is {}", request.id, request.state);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct SlackInteractions {
    proof: Proof,
    seen: Seen,
    people: Listed,
}

impl SlackInteractions {
    /// Receives for this app. `env` has the secrets and the clock.
    ///
    /// # Errors
    /// `Invalid` without `signing_secrets` or `approvals`, for a secret that is not there, and for a list of people that
    /// does not say who is who.
    pub async fn new(config: &SlackConfig, env: &BuildEnv) -> Result<Self> {
        let people = Listed::new(&config.asked()?.people)?;
        let missing =
            || Error::invalid("signing_secrets", "expected what Slack signs with; without it nobody is believed");
        Ok(Self { proof: config.proof(env).await?.ok_or_else(missing)?, seen: Seen::default(), people })
    }

    /// Checks that Slack sent this now and for the first time, and reads who answered what.
    ///
    /// # Errors
    /// `Unauthenticated` for a signature that is missing or wrong, for what is older than five minutes or from the
    /// future, and for what was received before; `Denied` for somebody who is not listed; `Unsupported` for buttons of
    /// others; `Invalid` for what is no answer.
    pub fn receive(&self, webhook: &Webhook) -> Result<Answered> {
        let signed = self.proof.check(webhook)?;
        limit(&webhook.body)?;
        self.seen.once(&signed)?;
        let payload = payload(&webhook.body)?;
        let interaction: Interaction<'_> = serde_json::from_str(&payload).map_err(|error| {
            Error::invalid(
                "payload",
                format!("expected an interaction in JSON: line {} column {}", error.line(), error.column()),
            )
        })?;
        if interaction.kind != "block_actions" {
            return Err(Error::unsupported("this interaction is no button of a request for approval"));
        }
        let [pressed] = interaction.actions.as_slice() else {
            return Err(Error::invalid("payload.actions", "expected one button"));
        };
        let verdict = match pressed.action_id.as_str() {
            APPROVE => Verdict::Yes,
            DENY => Verdict::No,
            _ => return Err(Error::unsupported("this button is none of a request for approval")),
        };
        let subject = Subject::read(pressed)?;
        let user = interaction.user.ok_or_else(|| Error::invalid("payload.user", "expected who pressed the button"))?;
        let actor = self.people.actor(&user.id, &user.team_id)?;
        Ok(Answered { actor, verdict, grant: subject.grant, digest: subject.digest })
    }

    /// Receives an answer and gives it to the gate, which decides whether it counts. It runs nothing.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive), and those of [`Approvals::approve`](opsorch::Approvals::approve): `Denied`
    /// for the requester themselves, for a second answer, for another digest and for a role that was not asked for;
    /// `Conflict` for what no longer waits.
    pub async fn answer(&self, ops: &OpsOrch, webhook: &Webhook) -> Result<ApprovalRequest> {
        let answered = self.receive(webhook)?;
        let cx = Context::new(answered.actor);
        match answered.verdict {
            Verdict::Yes => ops.approvals(&cx).approve(&answered.grant, &answered.digest).await,
            _ => ops.approvals(&cx).deny(&answered.grant, &answered.digest, NO).await,
        }
    }
}

/// Who answered what. The gate has not seen it yet.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answered {
    /// Who answered: somebody of `approvals.people`, with the roles listed there.
    pub actor: Actor,
    /// Yes or no.
    pub verdict: Verdict,
    /// The grant that the button names.
    pub grant: GrantId,
    /// The digest that the button names.
    pub digest: Digest,
}

/// What a button is about: nothing in it is trusted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject {
    pub(super) grant: GrantId,
    pub(super) digest: Digest,
}

impl Subject {
    fn read(pressed: &Pressed) -> Result<Self> {
        let wrong = || Error::invalid("payload.actions[0].value", "expected a grant and a digest");
        serde_json::from_str(pressed.value.as_deref().ok_or_else(wrong)?).map_err(|_| wrong())
    }

    /// The value of a button.
    pub(super) fn value(&self) -> String {
        serde_json::json!({ "grant": self.grant, "digest": self.digest }).to_string()
    }
}

/// The field `payload` of a form, which must be its only one.
fn payload(body: &[u8]) -> Result<String> {
    let mut pairs = url::form_urlencoded::parse(body);
    match (pairs.next(), pairs.next()) {
        (Some((name, value)), None) if name == "payload" => Ok(value.into_owned()),
        _ => Err(Error::invalid("body", "expected a form with one field `payload`")),
    }
}
