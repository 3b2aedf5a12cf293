//! The configuration of a plugin.

mod span;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use opsorch_schema::{Operation, OperationSet};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

pub use self::span::Span;
use super::line;
use super::settings::Settings;
use crate::secret::SecretRef;
use crate::{Error, Result};

/// The configuration of a provider that is a child process; `docs/plugin-protocol.md` has all keys in an example.
///
/// ```
/// use opsorch::plugin::{PluginConfig, Protocol};
///
/// let config = PluginConfig::new("/usr/lib/opsorch/tracker").protocol(Protocol::Legacy).operation("ticket.*");
/// assert_eq!(config.timeout.to_string(), "30s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PluginConfig {
    /// The program, absolute or relative to the working directory of the host. It is started without a shell.
    pub path: PathBuf,
    /// Its arguments. They can be read by every user of the system: no secret belongs here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its whole environment; nothing is inherited. Values are references to secrets, or plain text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, SecretRef>,
    /// What it gets as its configuration. Text such as `env:NAME` or `file:PATH` is replaced by the secret it refers to.
    #[serde(default)]
    pub config: Settings,
    /// Which protocol it speaks; found out where it is absent.
    #[serde(default)]
    pub protocol: Protocol,
    /// What it offers: names of operations and patterns such as `ticket.*`. Must be said for the line protocol, and narrows
    /// what a plugin of protocol 2 says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<String>>,
    /// How long one call may take: 30 s.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// The SHA-256 of the program, 64 hexadecimal digits; compared before each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What it may use of the system; needs `/bin/sh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What it may touch; needs Linux with Landlock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jail: Option<Jail>,
    /// When it is started again after a crash.
    #[serde(default)]
    pub restart: Restart,
    /// How many processes of it answer: 1, at most 64. A plugin of the line protocol answers one call after the other; with
    /// several processes so many calls are answered at once, by processes that share nothing.
    #[serde(default = "processes")]
    pub processes: u32,
}

impl PluginConfig {
    /// The program at this path, with the defaults for everything else.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            config: Settings::default(),
            protocol: Protocol::Auto,
            operations: None,
            timeout: timeout(),
            sha256: None,
            limits: None,
            jail: None,
            restart: Restart::default(),
            processes: processes(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: SecretRef) -> Self {
        self.env.insert(name.into(), value);
        self
    }

    /// Sets what it gets as its configuration.
    pub fn config(mut self, config: Map<String, Value>) -> Self {
        self.config = Settings::new(config);
        self
    }

    /// Says which protocol it speaks.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Adds an operation that it offers, or a pattern such as `ticket.*`.
    pub fn operation(mut self, pattern: impl Into<String>) -> Self {
        self.operations.get_or_insert_default().push(pattern.into());
        self
    }

    /// Sets how long one call may take, at most one day.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Span(timeout);
        self
    }

    /// Pins the content of the program.
    pub fn sha256(mut self, digits: impl Into<String>) -> Self {
        self.sha256 = Some(digits.into());
        self
    }

    /// Limits what it may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Confines what it may touch.
    pub fn jail(mut self, jail: Jail) -> Self {
        self.jail = Some(jail);
        self
    }

    /// Says when it is started again after a crash.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets how many processes of it answer.
    pub fn processes(mut self, processes: u32) -> Self {
        self.processes = processes;
        self
    }

    /// The operations that it was told to have; `None` if nothing was told.
    pub(super) fn told(&self) -> Result<Option<Told>> {
        let Some(patterns) = &self.operations else { return Ok(None) };
        let mut told = Told::default();
        for (index, pattern) in patterns.iter().enumerate() {
            let refuse = |message: String| Error::invalid(format!("operations[{index}]"), message);
            let Some(start) = pattern.strip_suffix('*') else {
                let operation = pattern.parse().map_err(|unknown| refuse(format!("{unknown}")))?;
                told.line.insert(operation);
                told.rpc.insert(operation);
                continue;
            };
            let mut meant = Operation::ALL.iter().copied().filter(|one| one.name().starts_with(start)).peekable();
            if meant.peek().is_none() {
                return Err(refuse(format!("`{pattern}` stands for no operation; write one such as `ticket.*`")));
            }
            for operation in meant {
                told.rpc.insert(operation);
                if line::has(operation) {
                    told.line.insert(operation);
                }
            }
        }
        Ok(Some(told))
    }
}

/// What a plugin was told to offer. A pattern stands for what its protocol has; what is named in full counts in either.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) line: OperationSet,
    pub(super) rpc: OperationSet,
}

fn timeout() -> Span {
    Span(Duration::from_secs(30))
}

fn processes() -> u32 {
    1
}

/// Which protocol a plugin speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// What the plugin says: protocol 2 is offered first.
    #[default]
    Auto,
    /// The line protocol of OpsOrch's own plugins.
    Legacy,
    /// Protocol 2.
    Two,
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Legacy => serializer.serialize_str("legacy"),
            Self::Two => serializer.serialize_u8(2),
        }
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "auto" => Ok(Self::Auto),
            Value::String(word) if word == "legacy" => Ok(Self::Legacy),
            Value::String(word) if word == "2" => Ok(Self::Two),
            Value::Number(number) if number.as_u64() == Some(2) => Ok(Self::Two),
            _ => Err(de::Error::custom("expected `auto`, `legacy` or 2")),
        }
    }
}

impl JsonSchema for Protocol {
    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["auto", "legacy", 2] })
    }
}

/// What each process of a plugin may use of the system. What is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Address space, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Processor time, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u32>,
    /// Files, sockets and pipes that are open at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
}

impl Limits {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the address space, in MiB.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = Some(mib);
        self
    }

    /// Limits the processor time, in seconds.
    pub fn cpu_seconds(mut self, seconds: u32) -> Self {
        self.cpu_seconds = Some(seconds);
        self
    }

    /// Limits the files that are open at once.
    pub fn open_files(mut self, files: u32) -> Self {
        self.open_files = Some(files);
        self
    }
}

/// What a plugin may touch beside itself and the system's own directories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Jail {
    /// Files and directories that it may read.
    pub read: Vec<PathBuf>,
    /// Files and directories that it may read and write.
    pub write: Vec<PathBuf>,
    /// TCP ports that it may connect to.
    pub connect: Vec<u16>,
}

impl Jail {
    /// Nothing beside itself and the system's own directories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file or directory that it may read.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Adds a file or directory that it may read and write.
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Adds a TCP port that it may connect to.
    pub fn connect(mut self, port: u16) -> Self {
        self.connect.push(port);
        self
    }
}

/// When a plugin is started again after a crash: at once after the first, then after 0.1, 0.2, 0.4 … seconds, and not at all
/// for a while after too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Restart {
    /// After so many crashes within `window` it is not started for `pause`: 5.
    pub crashes: u32,
    /// How long a crash counts: 1 min.
    pub window: Span,
    /// How long it is not started: 30 s.
    pub pause: Span,
}

impl Restart {
    /// Pauses for so long after so many crashes within a time.
    pub fn new(crashes: u32, window: Duration, pause: Duration) -> Self {
        Self { crashes, window: Span(window), pause: Span(pause) }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self::new(5, Duration::from_secs(60), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_what_the_protocol_has() {
        let told = |pattern: &str| PluginConfig::new("/p").operation(pattern).told();
        let tickets = told("ticket.*").unwrap().unwrap();
        assert_eq!(tickets.line.to_string(), "ticket.query, ticket.get, ticket.create, ticket.update");
        assert_eq!(tickets.rpc.to_string(), "ticket.query, ticket.get, ticket.create, ticket.update, ticket.comment");
        assert_eq!(told("ticket.comment").unwrap().unwrap().line.to_string(), "ticket.comment");
        assert!(told("tickets.*").unwrap_err().to_string().contains("operations[0]"));
        assert!(told("ticket.delete").unwrap_err().to_string().contains("expected one of"));
        assert!(PluginConfig::new("/p").told().unwrap().is_none());
    }
}
