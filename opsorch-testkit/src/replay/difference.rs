//! What differs between a recorded request and one that is made.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::cassette::{Body, Pairs, RecordedRequest};

/// The most differences that an error lists.
const LISTED: usize = 8;

/// The most characters of a value that an error shows.
const SHOWN: usize = 120;

/// One thing that differs.
#[derive(Debug)]
pub(super) struct Difference {
    place: String,
    recorded: Option<String>,
    asked: Option<String>,
    weight: usize,
}

impl Difference {
    /// How much it counts: requests of another method or to another path are further away than others.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [recorded, asked] = [&self.recorded, &self.asked].map(|value| value.as_deref().unwrap_or("nothing"));
        write!(f, "{}: recorded {}, asked {}", self.place, Short(recorded), Short(asked))
    }
}

struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}…", self.0.get(..end).unwrap_or_default()),
            None => f.write_str(self.0),
        }
    }
}

/// The differences in words.
pub(super) fn list(differences: &[Difference]) -> String {
    let mut lines: Vec<String> = differences.iter().take(LISTED).map(Difference::to_string).collect();
    if differences.len() > LISTED {
        lines.push(format!("{} more", differences.len() - LISTED));
    }
    lines.join("; ")
}

/// All that differs; nothing where the requests are the same.
pub(super) fn all(recorded: &RecordedRequest, asked: &RecordedRequest) -> Vec<Difference> {
    let mut found = Found::default();
    found.texts("method", &recorded.method, &asked.method, 8);
    found.texts("path", &recorded.path, &asked.path, 4 * segments_apart(&recorded.path, &asked.path));
    found.pairs("query", &recorded.query, &asked.query);
    found.pairs("header", &recorded.headers, &asked.headers);
    found.bodies(recorded.body.as_ref(), asked.body.as_ref());
    found.0
}

/// In how many segments two paths differ.
fn segments_apart(one: &str, other: &str) -> usize {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split('/').collect(), other.split('/').collect());
    let changed = one.iter().zip(&other).filter(|(one, other)| one != other).count();
    changed + one.len().abs_diff(other.len())
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, place: impl Into<String>, recorded: Option<String>, asked: Option<String>, weight: usize) {
        self.0.push(Difference { place: place.into(), recorded, asked, weight });
    }

    fn texts(&mut self, place: &str, recorded: &str, asked: &str, weight: usize) {
        if recorded != asked {
            self.add(place, Some(quoted(recorded)), Some(quoted(asked)), weight);
        }
    }

    fn pairs(&mut self, place: &str, recorded: &Pairs, asked: &Pairs) {
        let names: BTreeSet<&str> = recorded.by_name().chain(asked.by_name()).map(|(name, _)| name).collect();
        for name in names {
            let (recorded, asked) = (recorded.values(name), asked.values(name));
            if recorded != asked {
                self.add(format!("{place} {name}"), listed(recorded), listed(asked), 1);
            }
        }
    }

    fn bodies(&mut self, recorded: Option<&Body>, asked: Option<&Body>) {
        match (recorded, asked) {
            (Some(Body::Json(recorded)), Some(Body::Json(asked))) => self.values("", recorded, asked),
            (Some(Body::Form(recorded)), Some(Body::Form(asked))) => self.pairs("form", recorded, asked),
            (recorded, asked) if recorded != asked => self.add("body", recorded.map(shown), asked.map(shown), 2),
            _ => {}
        }
    }

    /// Goes down to the fields that differ; `at` is a JSON pointer (RFC 6901).
    fn values(&mut self, at: &str, recorded: &Value, asked: &Value) {
        match (recorded, asked) {
            (Value::Object(recorded), Value::Object(asked)) => {
                let names: BTreeSet<&String> = recorded.keys().chain(asked.keys()).collect();
                for name in names {
                    let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                    self.maybe_values(&at, recorded.get(name), asked.get(name));
                }
            }
            (Value::Array(recorded), Value::Array(asked)) => {
                for index in 0..recorded.len().max(asked.len()) {
                    self.maybe_values(&format!("{at}/{index}"), recorded.get(index), asked.get(index));
                }
            }
            (recorded, asked) => self.maybe_add(at, Some(recorded), Some(asked)),
        }
    }

    fn maybe_values(&mut self, at: &str, recorded: Option<&Value>, asked: Option<&Value>) {
        match (recorded, asked) {
            (Some(recorded), Some(asked)) => self.values(at, recorded, asked),
            _ => self.maybe_add(at, recorded, asked),
        }
    }

    fn maybe_add(&mut self, at: &str, recorded: Option<&Value>, asked: Option<&Value>) {
        if recorded != asked {
            let place = if at.is_empty() { "body".to_owned() } else { format!("body {at}") };
            self.add(place, recorded.map(Value::to_string), asked.map(Value::to_string), 1);
        }
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn listed(values: &[String]) -> Option<String> {
    match values {
        [] => None,
        [value] => Some(quoted(value)),
        values => Some(format!("{values:?}")),
    }
}

fn shown(body: &Body) -> String {
    match body {
        Body::Json(value) => value.to_string(),
        Body::Form(pairs) => format!("the form {:?}", pairs.iter().collect::<Vec<_>>()),
        Body::Text(text) => quoted(text),
        Body::Base64(bytes) => format!("{} bytes that are no text", bytes.len()),
    }
}
