//! The messages of protocol 2; see sections 5 to 9 of `docs/plugin-protocol.md`.

use std::time::Duration;

use opsorch_schema::{Actor, Digest, GrantId, Operation, OperationSet, OutcomeStatus, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind};

/// The version of the protocol.
pub(super) const VERSION: u32 = 2;

/// The longest frame in either direction, its line break included: 8 MiB. OpsOrch sets no limit; the largest reply seen from its
/// plugins is below 1 MiB.
pub(super) const FRAME_BYTES: usize = 8 << 20;

/// How many calls the host sends at most before it waits for replies.
pub(super) const CALLS_IN_FLIGHT: u32 = 4096;

/// How many calls a plugin takes at once that does not say.
pub(super) const CALLS_OF_THE_MODEST: u32 = 64;

/// The ids of `initialize` and of what else the host asks outside of calls. Calls count from 1.
pub(super) const INITIALIZE_ID: u64 = 0;

/// A call that was cancelled.
pub(super) const CANCELLED: i64 = -32800;

/// What the host says first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initialize {
    /// The versions that the host speaks.
    pub(super) versions: Vec<u32>,
    /// Which program the host is.
    pub(super) host: Program,
    /// The name of the provider.
    pub(super) provider: String,
    /// The plugin's own configuration, with its secrets.
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    /// What the host takes.
    #[serde(default)]
    pub(super) limits: HostLimits,
}

/// The name and the version of a program.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) version: String,
}

/// What the host takes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HostLimits {
    /// The longest frame in bytes, its line break included.
    pub(super) frame_bytes: usize,
    /// How many calls it sends at most before it waits for replies.
    pub(super) calls_in_flight: u32,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self { frame_bytes: FRAME_BYTES, calls_in_flight: CALLS_IN_FLIGHT }
    }
}

/// What the plugin says of itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initialized {
    /// The version chosen.
    pub(super) version: u32,
    /// The name of the plugin.
    #[serde(default)]
    pub(super) name: String,
    /// The plugin's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) release: Option<String>,
    /// The operations that it answers.
    pub(super) operations: Vec<String>,
    /// What the plugin takes.
    #[serde(default)]
    pub(super) limits: PluginLimits,
    /// Whether it answers `health`.
    #[serde(default)]
    pub(super) health: bool,
    /// The changes whose idempotency key it honours: the same key twice takes effect once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) idempotent_by_key: Vec<String>,
    /// The changes that it finds again by a mark that holds the key, in `reconcile`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) found_by_marker: Vec<String>,
    /// Whether it answers `reconcile`.
    #[serde(default)]
    pub(super) reconcile: bool,
}

impl Initialized {
    /// The operations of it that this host knows.
    pub(super) fn known(&self) -> OperationSet {
        known(&self.operations)
    }

    /// What another declared that this one does not.
    pub(super) fn lacks(&self, other: &Self) -> Vec<String> {
        let lists = [
            ("operations", &self.operations, &other.operations),
            ("idempotentByKey", &self.idempotent_by_key, &other.idempotent_by_key),
            ("foundByMarker", &self.found_by_marker, &other.found_by_marker),
        ];
        let lacking = lists.into_iter().flat_map(|(member, these, others)| {
            let missing = others.iter().filter(|name| !these.contains(name));
            missing.map(move |name| format!("{name} in `{member}`"))
        });
        let flags = [("health", self.health, other.health), ("reconcile", self.reconcile, other.reconcile)];
        let unset = flags.into_iter().filter(|(_, this, other)| *other && !this);
        lacking.chain(unset.map(|(member, ..)| format!("`{member}`"))).collect()
    }
}

/// The operations of a list of names that this side knows.
pub(super) fn known(names: &[String]) -> OperationSet {
    names.iter().filter_map(|name| name.parse::<Operation>().ok()).collect()
}

/// What the plugin takes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PluginLimits {
    /// How many calls it takes at once.
    #[schemars(range(min = 1))]
    pub(super) calls_in_flight: u32,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self { calls_in_flight: CALLS_OF_THE_MODEST }
    }
}

/// The `params` of a call, as the host writes them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked<'a, I> {
    pub(super) input: &'a I,
    pub(super) context: Caller<&'a Actor, &'a str>,
    pub(super) timeout_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approval: Option<Approval<&'a Target, &'a [Actor], &'a str>>,
}

/// The `params` of a call, as the plugin reads them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Params {
    #[serde(default)]
    pub(super) input: Value,
    pub(super) context: Caller<Actor, String>,
    #[serde(default)]
    pub(super) timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) approval: Option<Approval<Target, Vec<Actor>, String>>,
}

/// Who calls.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Context")]
pub(super) struct Caller<A, S> {
    /// The id of the request.
    pub(super) request_id: S,
    /// The id of the trace, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<S>,
    /// Who calls.
    pub(super) actor: A,
}

/// Under what a change was approved.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Approval")]
pub(super) struct Approval<T, P, S> {
    /// The id of the grant.
    pub(super) grant: GrantId,
    /// The digest of the action that was approved.
    pub(super) digest: Digest,
    /// What it was approved for.
    pub(super) target: T,
    /// The same for every attempt of one change, and for no other change.
    pub(super) idempotency_key: S,
    /// The people who agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approved_by: Option<P>,
}

/// The `params` of `reconcile`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reconcile {
    /// The operation of the change.
    pub(super) operation: Operation,
    /// Its input, as it was sent.
    pub(super) input: Value,
    /// The key under which it was sent.
    pub(super) idempotency_key: String,
    /// Who asks.
    pub(super) context: Caller<Actor, String>,
    /// How long the host waits.
    #[serde(default)]
    pub(super) timeout_ms: Option<u64>,
}

/// The result of `reconcile`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct ReconcileReport {
    /// What became of the change.
    pub(super) outcome: OutcomeStatus,
    /// With `applied`: the output of the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Value>,
}

/// An error on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Failure {
    /// The number of JSON-RPC.
    #[serde(default)]
    pub(super) code: i64,
    /// Text for people.
    #[serde(default)]
    pub(super) message: String,
    /// What it is, to branch on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<FailureData>,
}

/// What an error is, to branch on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailureData {
    /// One of the words of section 7.2.
    pub(super) code: String,
    /// The path to the member that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// How long to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
    /// Whether a change may have been made all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) may_have_applied: Option<bool>,
}

impl Failure {
    /// An error of JSON-RPC itself.
    pub(super) fn of_protocol(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// An error of an operation.
    pub(super) fn new(error: &Error, is_change: bool) -> Self {
        let (field, retry_after) = match error.kind() {
            ErrorKind::Invalid { field } => (Some(field.clone()), None),
            ErrorKind::RateLimited { retry_after } => (None, *retry_after),
            _ => (None, None),
        };
        let data = FailureData {
            code: error.kind().code().into(),
            field,
            retry_after_ms: retry_after.map(milliseconds),
            may_have_applied: is_change.then(|| error.may_have_applied()),
        };
        Self { code: -32000, message: error.message().to_owned(), data: Some(data) }
    }

    /// The error that callers see; `shown` is the message as it may be shown.
    pub(super) fn into_error(self, shown: String) -> Error {
        let Some(data) = self.data else {
            let word = match self.code {
                -32601 => "unsupported",
                -32602 => "invalid",
                _ => "unexpected",
            };
            return Error::new(kind(word, None, None), shown);
        };
        let retry_after = data.retry_after_ms.map(Duration::from_millis);
        let error = Error::new(kind(&data.code, data.field.as_deref(), retry_after), shown);
        match data.may_have_applied {
            Some(true) => error.maybe_applied(),
            Some(false) => error.not_applied(),
            None => error,
        }
    }
}

/// The kind that a word means; `Unexpected` for an unknown one.
pub(super) fn kind(word: &str, field: Option<&str>, retry_after: Option<Duration>) -> ErrorKind {
    match word {
        "invalid" => {
            let field = opsorch_schema::visible(field.unwrap_or("input")).chars().take(200).collect();
            ErrorKind::Invalid { field }
        }
        "unauthenticated" => ErrorKind::Unauthenticated,
        "forbidden" => ErrorKind::Forbidden,
        "denied" => ErrorKind::Denied,
        "not_found" => ErrorKind::NotFound,
        "conflict" => ErrorKind::Conflict,
        "rate_limited" => ErrorKind::RateLimited { retry_after },
        "unavailable" => ErrorKind::Unavailable,
        "timeout" => ErrorKind::Timeout,
        "unsupported" => ErrorKind::Unsupported,
        _ => ErrorKind::Unexpected,
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a plugin wrote: a reply or a notification.
#[derive(Debug, Deserialize)]
pub(super) struct FromPlugin<'a> {
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) error: Option<Failure>,
}

/// What a host wrote: a request or a notification.
#[derive(Debug, Deserialize)]
pub(super) struct FromHost<'a> {
    #[serde(default)]
    pub(super) id: Option<u64>,
    pub(super) method: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
}

/// The `params` of `cancel`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Cancel {
    pub(super) id: u64,
}

/// The `params` of `progress`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Progress {
    pub(super) id: u64,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fraction: Option<f64>,
}

/// The result of `health`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct HealthReport {
    /// The operations that work.
    pub(super) operations: Vec<String>,
    /// What keeps others from working.
    #[serde(default)]
    pub(super) problems: Vec<HealthTrouble>,
    /// The version of the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

/// Something that keeps operations from working.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct HealthTrouble {
    pub(super) operations: Vec<String>,
    pub(super) message: String,
}
