//! From Elasticsearch's words to those of the schema, and back.

use opsorch::{LogEntry, LogSeverity, LogSeverityLevel, ProviderName, SourceFailure, visible};
use serde_json::Value;

use super::wire::{Clusters, Failure, ShardFailure, Shards};

/// The member of an entry's metadata that tells it from others of its index.
pub(super) const ID: &str = "_id";

/// The member of an entry's metadata that says which index it is in.
pub(super) const INDEX: &str = "_index";

/// The index and the id of an entry, by which entries of one time are ordered.
pub(super) fn key(entry: &LogEntry) -> (&str, &str) {
    let text = |name: &str| entry.metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    (text(INDEX), text(ID))
}

/// The word of the closed set, or the entry's own where nobody knows what it means.
pub(super) fn severity(word: &str) -> LogSeverity {
    match level(word) {
        LogSeverityLevel::Unknown => word.into(),
        level => level.into(),
    }
}

/// What a word means, in whatever case it is written: as the cluster compares it, so that a query finds what reads so.
fn level(word: &str) -> LogSeverityLevel {
    let is_it = |known: &str| word.eq_ignore_ascii_case(known);
    let means = |level: &&LogSeverityLevel| is_it(level.word()) || level.aliases().iter().any(|alias| is_it(alias));
    LogSeverityLevel::ALL.iter().find(means).copied().unwrap_or(LogSeverityLevel::Unknown)
}

/// All words that mean the same, in whatever case they are written.
pub(super) fn spellings(wanted: &LogSeverity) -> Vec<String> {
    match wanted.level() {
        LogSeverityLevel::Unknown => vec![wanted.as_str().to_owned()],
        level => [level.word()].iter().chain(level.aliases()).map(|&word| word.to_owned()).collect(),
    }
}

/// The most failures that are told one by one.
const MOST: usize = 20;

/// The longest that a failure says, in characters.
const LONGEST: usize = 300;

/// The sources that did not answer, each told once.
#[derive(Debug)]
pub(super) struct Failures {
    provider: ProviderName,
    found: Vec<SourceFailure>,
    more: usize,
}

impl Failures {
    pub(super) fn new(provider: ProviderName) -> Self {
        Self { provider, found: Vec::new(), more: 0 }
    }

    /// Adds the shards that failed.
    pub(super) fn add_shards(&mut self, shards: &Shards) {
        for failure in &shards.failures {
            self.add_shard(failure);
        }
        if shards.failed > 0 && shards.failures.is_empty() {
            let message = format!("{} shards did not answer, and the cluster does not say why", shards.failed);
            self.add(String::new(), "unavailable", message);
        }
    }

    fn add_shard(&mut self, failed: &ShardFailure) {
        let failure = failed.failure();
        let index = failed.index.as_deref().map(|index| format!("/{}", visible(index))).unwrap_or_default();
        let shard = failed.shard.map(|shard| format!("[{shard}]")).unwrap_or_default();
        self.add(format!("{index}{shard}"), code(&failure), shortened(&failure.to_string()));
    }

    /// Adds the clusters that a search across clusters got no answer from, or not all of it.
    pub(super) fn add_clusters(&mut self, clusters: &Clusters) {
        let failed = clusters.details.iter().filter(|(_, details)| !matches!(&*details.status, "successful" | ""));
        let failed: Vec<_> = failed.map(|(name, details)| (visible(name), visible(&details.status))).collect();
        for (name, status) in &failed {
            let name = if name.is_empty() { "(local)" } else { name };
            self.add(format!("/{name}"), "unavailable", format!("the cluster is {status} in this search"));
        }
        if clusters.skipped > 0 && failed.is_empty() {
            let message = format!("{} clusters were skipped, and it is not said which", clusters.skipped);
            self.add(String::new(), "unavailable", message);
        }
    }

    /// Adds that the search stopped at its own limit of time.
    pub(super) fn add_timeout(&mut self, patience: u128) {
        let message =
            format!("the search stopped at its limit of {patience} ms; narrow the span, or give it more time");
        self.add(String::new(), "timeout", message);
    }

    fn add(&mut self, part: String, code: &str, message: String) {
        let source = format!("{}{part}", self.provider);
        if self.found.iter().any(|known| known.source == source && known.code == code) {
            return;
        }
        if self.found.len() == MOST {
            self.more += 1;
            return;
        }
        let retryable = matches!(code, "timeout" | "unavailable" | "rate_limited");
        self.found.push(SourceFailure::new(source, code, message).retryable(retryable));
    }

    /// All of them; where there are too many, the last one says how many more.
    pub(super) fn finish(mut self) -> Vec<SourceFailure> {
        if self.more > 0 {
            let message = format!("{} more sources did not answer", self.more);
            self.found.push(SourceFailure::new(self.provider.as_str(), "unavailable", message).retryable(true));
        }
        self.found
    }
}

/// The code of what failed on a shard.
fn code(failure: &Failure) -> &'static str {
    let is = |word: &str| failure.types.iter().any(|found| found.contains(word));
    if is("timeout") || is("time_exceeded") {
        "timeout"
    } else if is("rejected_execution") {
        "rate_limited"
    } else if is("query_shard_exception") || is("illegal_argument") || is("parse") || is("number_format") {
        "invalid"
    } else if is("security_exception") {
        "forbidden"
    } else {
        "unavailable"
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
