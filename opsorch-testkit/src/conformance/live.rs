//! A real account in place of a double: what a suite may do there, and how it cleans up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opsorch::secret::SecretSource;
use opsorch::transport::{Transport, Url};
use opsorch::{
    Action, CancelRun, Clock, Effect, Error, ErrorKind, IncidentStatusLevel, Operation, OperationSet, ResolveAlert,
    Response, Result, SystemClock, TicketStatusLevel, Time, UpdateIncident, UpdateTicket,
};
use serde_json::{Value, json};

use super::lab::{Hand, Lab};
use super::listing::{Listing, member};
use super::rule::Checked;

/// What everything begins with that a suite makes in a real account.
const PREFIX: &str = "opsorch-conformance-";

/// What is younger than this may belong to a suite that is running.
const AGE_OF_LEFTOVERS: Duration = Duration::from_secs(60 * 60);

/// A real account, for [`Conformance::live`](crate::Conformance::live): one that nobody else changes meanwhile.
///
/// The author decides when there is one, such as by a variable of the environment; the library reads none.
///
/// ```no_run
/// # use opsorch::{BuildEnv, Provider, ProviderConfig, ProviderName, Result, async_trait};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # struct DeskConfig { url: opsorch::transport::Url }
/// # #[async_trait]
/// # impl ProviderConfig for DeskConfig {
/// #     const KIND: &'static str = "desk";
/// #     async fn build(self, name: &ProviderName, _: &BuildEnv) -> Result<Provider> { Ok(Provider::new(name)) }
/// # }
/// use opsorch::secret::SystemSecrets;
/// use opsorch_testkit::Conformance;
/// use opsorch_testkit::conformance::Live;
/// use serde_json::json;
///
/// fn main() -> std::process::ExitCode {
///     let mut suite =
///         Conformance::of::<DeskConfig>(|place| json!({ "url": place.url(), "token": place.secret("DESK_TOKEN") }));
///     if let Ok(url) = std::env::var("DESK_URL") {
///         suite = suite.live(Live::new(url.parse().expect("DESK_URL is no address"), SystemSecrets::default()));
///     }
///     suite.main()
/// }
/// ```
///
/// It is only read, unless [writes are allowed](Self::allow_writes).
#[derive(Clone, Debug)]
pub struct Live {
    pub(super) url: Url,
    pub(super) secrets: Arc<dyn SecretSource>,
    pub(super) transport: Option<Arc<dyn Transport>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
}

impl Live {
    /// The account at this address, which is [`Place::url`](super::Place::url), with the secrets of this source, where
    /// [`Place::secret`](super::Place::secret) names them.
    pub fn new(url: Url, secrets: impl SecretSource) -> Self {
        let limits = Limits { writes: false, channel: None };
        Self { url, secrets: Arc::new(secrets), transport: None, clock: Arc::new(SystemClock), limits }
    }

    /// Sends requests through this transport, such as one that goes through a proxy.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Tells the time by this clock instead of the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Lets the suite make incidents, alerts, tickets and runs, and change and close those that it made; nothing else is
    /// changed.
    ///
    /// Titles and deduplication keys begin with `opsorch-conformance-`, the time of the run, and the rule. When a rule has
    /// been checked, what it made is resolved, done or cancelled: what cannot be closed, such as an incident where incidents
    /// cannot be updated, is not made. [`Conformance::sweep`](crate::Conformance::sweep) closes what a run that was killed has
    /// left open. Deployments are never recorded: there is no taking them back.
    pub fn allow_writes(mut self) -> Self {
        self.limits.writes = true;
        self
    }

    /// Sends messages to this channel, where writes are allowed too. They stay there. Without one, none are sent; the
    /// channel of [`Conformance::channel`](crate::Conformance::channel) is that of the double.
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.limits.channel = Some(channel.into());
        self
    }
}

/// What a suite may do in an account.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) writes: bool,
    pub(super) channel: Option<String>,
}

impl Limits {
    /// Whether an operation may be used that is among the offered.
    pub(super) fn allow(&self, operation: Operation, offered: &OperationSet) -> bool {
        use Operation as O;
        let makes_what_it_closes = |make: O, close: O| offered.contains(make) && offered.contains(close);
        match operation {
            _ if operation.effect() == Effect::Read => true,
            _ if !self.writes => false,
            O::MessagingSend | O::MessagingUpdate => self.channel.is_some(),
            O::IncidentCreate | O::IncidentUpdate | O::IncidentTimelineAppend => {
                makes_what_it_closes(O::IncidentCreate, O::IncidentUpdate)
            }
            O::TicketCreate | O::TicketUpdate | O::TicketComment => {
                makes_what_it_closes(O::TicketCreate, O::TicketUpdate)
            }
            O::AlertRaise | O::AlertAcknowledge | O::AlertResolve | O::AlertSilence => {
                makes_what_it_closes(O::AlertRaise, O::AlertResolve)
            }
            O::OrchestrationRunsStart | O::OrchestrationRunsStepsComplete | O::OrchestrationRunsCancel => {
                makes_what_it_closes(O::OrchestrationRunsStart, O::OrchestrationRunsCancel)
            }
            // There is no taking these back.
            _ => false,
        }
    }
}

/// The name of a run: the time, and the process for two at the same time.
pub(super) fn run_id(now: Time) -> String {
    let digits: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{digits}-{}", std::process::id())
}

/// What everything begins with that a lab makes.
pub(super) fn tag(run: &str, rule: &str, lab: usize) -> String {
    format!("{PREFIX}{run}-{}-{lab}", rule.to_lowercase())
}

/// When the run began that made something with this title.
fn begun(title: &str) -> Option<Time> {
    let (_, run) = title.split_once(PREFIX)?;
    let part = |from: usize, to: usize| run.get(from..to);
    let (date, time) = ([part(0, 4)?, part(4, 6)?, part(6, 8)?], [part(8, 10)?, part(10, 12)?, part(12, 14)?]);
    format!("{}T{}Z", date.join("-"), time.join(":")).parse().ok()
}

/// What a lab has made in its provider's world, which is all that it may change in a real account.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<BTreeSet<(Operation, String)>>);

impl Made {
    /// Notes what a change has made.
    pub(super) fn note(&self, action: &Action, response: &Response) {
        let id = match (action, response) {
            (Action::IncidentCreate(_), Response::Incident(incident)) => incident.id.as_str(),
            (Action::TicketCreate(_), Response::Ticket(ticket)) => ticket.id.as_str(),
            (Action::AlertRaise(_), Response::Alert(alert)) => alert.id.as_str(),
            (Action::OrchestrationRunsStart(_), Response::Run(run)) => run.id.as_str(),
            (Action::MessagingSend(_), Response::Message(sent)) => sent.id.as_str(),
            _ => return,
        };
        self.adopt(action.operation(), id);
    }

    /// Takes something for what was made by this operation.
    pub(super) fn adopt(&self, create: Operation, id: &str) {
        self.all().insert((create, id.to_owned()));
    }

    /// Whether a change is of what was made here, or of what nobody has: its vendor may well be asked for that.
    pub(super) fn is_ours(&self, action: &Action) -> bool {
        let action = json!(action);
        let input = action.get("input").unwrap_or(&Value::Null);
        let id = ["id", "runId"].into_iter().find_map(|name| input.get(name)?.as_str());
        id.is_none_or(|id| is_nobodys(id) || self.all().iter().any(|(_, made)| made == id))
    }

    fn all(&self) -> MutexGuard<'_, BTreeSet<(Operation, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids that the checks take for those of nobody.
fn is_nobodys(id: &str) -> bool {
    id.starts_with("no-such-")
}

/// The change that closes what an operation has made; `None` where there is none.
fn closing(create: Operation, id: &str) -> Option<Action> {
    Some(match create {
        Operation::IncidentCreate => UpdateIncident::new(id).status(IncidentStatusLevel::Resolved).into(),
        Operation::TicketCreate => UpdateTicket::new(id).status(TicketStatusLevel::Done).into(),
        Operation::AlertRaise => ResolveAlert::new(id).into(),
        Operation::OrchestrationRunsStart => CancelRun::new(id).reason("the conformance suite has ended").into(),
        _ => return None,
    })
}

/// Closes what was made. Says what stays open, and why.
pub(super) async fn clean_up(hand: &Hand) -> Vec<String> {
    let mut left = Vec::new();
    // Closing asks what was made: it must not be locked meanwhile.
    let made = { hand.made().all().clone() };
    for (create, id) in made {
        let Some(closing) = closing(create, &id) else { continue };
        // What is in conflict with being closed is closed already.
        match hand.change(hand.context(), closing).await {
            Err(error) if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                left.push(format!("{create} made {id}: {error}"));
            }
            _ => {}
        }
    }
    left
}

/// Closes what runs have left open that began more than an hour ago, and answers what it closed.
pub(super) async fn sweep(lab: &Lab, now: Time) -> Checked<Result<Vec<String>>> {
    let mut closed = Vec::new();
    for (query, create) in [
        (Operation::IncidentQuery, Operation::IncidentCreate),
        (Operation::TicketQuery, Operation::TicketCreate),
        (Operation::AlertQuery, Operation::AlertRaise),
    ] {
        if !lab.offers(query) || !lab.offers(create) {
            continue;
        }
        let listing = Listing::by(query)?;
        // A text that stands in each of them; all of them where texts cannot be searched for.
        let found = match listing.find(lab, &json!({ "query": PREFIX.trim_end_matches('-') })).await? {
            Some(found) if !found.is_empty() => found,
            _ => listing.all(lab).await?,
        };
        for thing in found.iter().filter(|thing| is_leftover(thing, now) && is_open(create, thing)) {
            let text = |name: &str| member(thing, name).as_str().unwrap_or_default().to_owned();
            lab.hand().made().adopt(create, &text("id"));
            closed.push(format!("{} {}: {}", create.capability(), text("id"), text("title")));
        }
    }
    let left = clean_up(lab.hand()).await;
    Ok(match left.is_empty() {
        true => Ok(closed),
        false => Err(Error::new(ErrorKind::Unexpected, format!("left open: {}", left.join("; ")))),
    })
}

fn is_leftover(thing: &Value, now: Time) -> bool {
    let begun = ["title", "dedupKey"].into_iter().find_map(|name| begun(member(thing, name).as_str()?));
    begun.is_some_and(|begun| begun + AGE_OF_LEFTOVERS < now)
}

fn is_open(create: Operation, thing: &Value) -> bool {
    use opsorch::{AlertStatus, AlertStatusLevel, IncidentStatus, TicketStatus};
    let status = member(thing, "status").as_str().unwrap_or_default();
    match create {
        Operation::IncidentCreate => IncidentStatus::new(status).level() != IncidentStatusLevel::Resolved,
        Operation::TicketCreate => {
            !matches!(TicketStatus::new(status).level(), TicketStatusLevel::Done | TicketStatusLevel::Cancelled)
        }
        _ => AlertStatus::new(status).level() != AlertStatusLevel::Resolved,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_title_tells_when_its_run_began() {
        let now: Time = "2026-03-01T10:20:30Z".parse().unwrap();
        let title = format!("{} disk full", tag(&run_id(now), "TK-050", 1));
        assert_eq!(begun(&title), Some(now), "{title}");
        assert_eq!(begun("opsorch-conformance-é"), None);
        assert_eq!(begun("disk full"), None);
    }

    #[test]
    fn nothing_is_allowed_that_cannot_be_taken_back() {
        let limits = Limits { writes: true, channel: None };
        let all: OperationSet = Operation::ALL.iter().copied().collect();
        let no_update: OperationSet =
            Operation::ALL.iter().copied().filter(|operation| *operation != Operation::IncidentUpdate).collect();
        assert!(limits.allow(Operation::IncidentCreate, &all));
        assert!(!limits.allow(Operation::IncidentCreate, &no_update));
        assert!(!limits.allow(Operation::DeploymentRecord, &all));
        assert!(!limits.allow(Operation::MessagingSend, &all));
        let reads = Limits { writes: false, channel: Some("#ops".to_owned()) };
        assert!(
            Operation::ALL
                .iter()
                .all(|operation| { reads.allow(*operation, &all) == (operation.effect() == Effect::Read) })
        );
    }
}
