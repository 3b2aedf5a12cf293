//! What vendors answer, made from a seed: the members, the nesting and the lengths of the real answers.
//!
//! The same seed makes the same bytes.

mod datadog;
mod elastic;
mod github;
mod jira;
mod pagerduty;

use opsorch::transport::Bytes;
use serde_json::Value;

use crate::Random;

/// How many items a vendor gives at once: 100 is the most that each of them gives.
pub const PAGE: usize = 100;

/// How many log entries are given at once: the most that Datadog gives, and as many as Elasticsearch is asked for.
pub const LOG_PAGE: usize = 1_000;

/// The first moment, in seconds since 1970: 2026-01-01T00:00:00Z. Each item is a minute older than the one before.
const NEWEST: i64 = 1_767_225_600;

/// The seed of all payloads.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a search of Datadog's logs answers, the newest first.
pub fn datadog_logs(items: usize) -> Vec<Bytes> {
    pages(items, LOG_PAGE, datadog::log, datadog::page)
}

/// What searches of Elasticsearch answer, the newest first. After the last hit comes an answer without any.
pub fn elastic_hits(items: usize) -> Vec<Bytes> {
    let mut answers = pages(items, LOG_PAGE, elastic::hit, elastic::page);
    answers.push(Bytes::from(elastic::page(Vec::new(), answers.len(), true).to_string()));
    answers
}

/// What GitHub lists: the issues of a repository, the newest first.
pub fn github_issues(items: usize) -> Vec<Bytes> {
    pages(items, PAGE, github::issue, |issues, _, _| Value::Array(issues))
}

/// What a search of Jira Cloud answers: issues, with documents for descriptions.
pub fn jira_issues(items: usize) -> Vec<Bytes> {
    pages(items, PAGE, jira::issue, jira::page)
}

/// What PagerDuty lists: incidents with their bodies, the newest first.
pub fn pagerduty_incidents(items: usize) -> Vec<Bytes> {
    pages(items, PAGE, pagerduty::incident, pagerduty::page)
}

/// Makes items and puts them into pages of a size; `page` is given the items, the number of the page from 0, and whether it
/// is the last.
fn pages(
    items: usize,
    size: usize,
    item: fn(&mut Text, usize) -> Value,
    page: fn(Vec<Value>, usize, bool) -> Value,
) -> Vec<Bytes> {
    let (mut text, last) = (Text(Random::new(SEED)), items.div_ceil(size) - 1);
    let page = |number: usize| {
        let indices = number * size..items.min((number + 1) * size);
        let made = indices.map(|index| item(&mut text, index)).collect();
        Bytes::from(page(made, number, number == last).to_string())
    };
    (0..=last).map(page).collect()
}

/// What people write.
#[derive(Debug)]
struct Text(Random);

impl Text {
    /// A few words.
    fn title(&mut self) -> String {
        let words = 4 + self.0.below(8);
        self.words(words)
    }

    /// Words that end with a full stop. One in sixteen is not ASCII.
    fn sentence(&mut self) -> String {
        let words = 6 + self.0.below(14);
        format!("{}.", self.words(words))
    }

    fn words(&mut self, count: u64) -> String {
        (0..count).map(|_| *self.0.pick(&WORDS)).collect::<Vec<_>>().join(" ")
    }

    /// Text with headings, lists, code and quotes: 0.5 to 3 kB, with what JSON has to escape.
    fn markdown(&mut self) -> String {
        let mut text = format!("## What happened\n\n{}\n\n", self.paragraph());
        for _ in 0..1 + self.0.below(4) {
            text += &format!("* {}\n", self.sentence());
        }
        text += &format!("\n```text\n{}\n```\n\n> \"{}\"\n\n{}\n", self.trace(), self.sentence(), self.paragraph());
        text
    }

    fn paragraph(&mut self) -> String {
        (0..2 + self.0.below(5)).map(|_| self.sentence()).collect::<Vec<_>>().join(" ")
    }

    /// A few lines of a log.
    fn trace(&mut self) -> String {
        let line = |text: &mut Self| format!("ERROR\tcheckout\tid={:016x} \"{}\"", text.0.number(), text.title());
        (0..2 + self.0.below(4)).map(|_| line(self)).collect::<Vec<_>>().join("\n")
    }

    /// Letters and digits, as ids are.
    fn id(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(*self.0.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))).collect()
    }

    fn person(&mut self) -> (&'static str, &'static str) {
        *self.0.pick(&PEOPLE)
    }

    /// Whether something that happens so many times in a hundred happens.
    fn chance(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }
}

/// A moment: that of an item, and so many seconds after.
fn moment(index: usize, seconds: i64) -> opsorch::Time {
    let at = NEWEST - 60 * i64::try_from(index).unwrap() + seconds;
    opsorch::Time::from_timestamp_secs(at).unwrap()
}

/// As GitHub and PagerDuty write it.
fn stamp(index: usize, seconds: i64) -> String {
    moment(index, seconds).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment of a log, which has 50 entries in a second, and up to two in a millisecond.
fn log_moment(index: usize) -> opsorch::Time {
    let at = NEWEST * 1_000 - 40 * i64::try_from(index / 2).unwrap();
    opsorch::Time::from_timestamp_millis(at).unwrap()
}

/// As Elasticsearch and Datadog write it.
fn log_stamp(index: usize) -> String {
    log_moment(index).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

const SERVICES: [&str; 4] = ["checkout", "payments", "inventory", "shipping"];

const WORDS: [&str; 48] = [
    "the",
    "pool",
    "of",
    "connections",
    "runs",
    "dry",
    "after",
    "deploy",
    "and",
    "checkout",
    "fails",
    "with",
    "timeout",
    "latency",
    "on",
    "db-1",
    "is",
    "above",
    "threshold",
    "replica",
    "lags",
    "behind",
    "primary",
    "by",
    "minutes",
    "queue",
    "grows",
    "while",
    "workers",
    "restart",
    "memory",
    "limit",
    "reached",
    "out",
    "disk",
    "full",
    "certificate",
    "expires",
    "soon",
    "retry",
    "budget",
    "spent",
    "customers",
    "see",
    "errors",
    "/api/v2/orders",
    "größer",
    "→",
];

const PEOPLE: [(&str, &str); 6] = [
    ("ada", "Ada Lovelace"),
    ("grace", "Grace Hopper"),
    ("edsger", "Edsger Dijkstra"),
    ("barbara", "Barbara Liskov"),
    ("tony", "Tony Hoare"),
    ("radia", "Radia Perlman"),
];
