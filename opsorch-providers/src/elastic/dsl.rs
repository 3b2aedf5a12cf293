//! Conditions in the query language of Elasticsearch. Texts stand in JSON and nowhere else, so that none of them can be
//! more than a text; where a text is a pattern, what means something there is escaped.

use std::net::IpAddr;

use chrono::{NaiveDate, NaiveTime, SecondsFormat, SubsecRound, TimeDelta};
use opsorch::{Error, LogSeverity, Result, Time, visible};
use serde_json::{Value, json};

use super::FieldNames;
use super::conditions::{Comparison, Conditions, Operator};
use super::map;
use super::mapping::{Field, Kind, Mapping};

/// The clauses for everything but the time, all of which must hold.
pub(super) fn filter(conditions: &Conditions, names: &FieldNames, mapping: &Mapping) -> Result<Vec<Value>> {
    let mut clauses = Vec::new();
    if let Some(text) = &conditions.search {
        clauses.push(search(text, names, mapping)?);
    }
    if !conditions.severities.is_empty() {
        let words = spellings(&conditions.severities);
        clauses.push(first_of(&names.severity, mapping, |field| means(field, &words))?);
    }
    for comparison in &conditions.comparisons {
        clauses.push(compare(comparison, mapping)?);
    }
    if let Some(lucene) = &conditions.lucene {
        clauses.push(json!({ "query_string": { "query": lucene } }));
    }
    Ok(clauses)
}

/// The clause for the span. Each way to count time has its own: `[start, end)` in whole milliseconds begins and ends at
/// the first one that is not before.
pub(super) fn span(start: Time, end: Bound, name: &str, mapping: &Mapping) -> Result<Value> {
    let fields = mapping.fields(name)?;
    let clauses = fields.iter().map(|field| {
        let in_milliseconds = field.kind == Kind::Date;
        let first = |time: Time| if in_milliseconds { round_up(time) } else { time };
        let last = |time: Time| if in_milliseconds { time.trunc_subsecs(3) } else { time };
        let (compare, end) = match end {
            Bound::Before(time) => ("lt", first(time)),
            Bound::Until(time) => ("lte", last(time)),
        };
        let format = if in_milliseconds { SecondsFormat::Millis } else { SecondsFormat::Nanos };
        let write = |time: Time| time.to_rfc3339_opts(format, true);
        let range = json!({ "gte": write(first(start)), compare: write(end), "format": "strict_date_optional_time" });
        within(field, json!({ "range": { name: range } }))
    });
    Ok(any_of(clauses.collect()))
}

/// Where a span ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// Before this time.
    Before(Time),
    /// With this time.
    Until(Time),
}

fn round_up(time: Time) -> Time {
    match time.trunc_subsecs(3) {
        rounded if rounded == time => time,
        rounded => rounded.checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(rounded),
    }
}

/// Words in their order, in what entries say; where that is indexed as a whole, a part of it.
fn search(text: &str, names: &FieldNames, mapping: &Mapping) -> Result<Value> {
    let mut clauses = Vec::new();
    for name in &names.message {
        for field in mapping.fields(name)? {
            clauses.push(within(
                &field,
                match field.kind {
                    Kind::Text => json!({ "match_phrase": { name: { "query": text } } }),
                    Kind::Keyword => part(name, text, true),
                    _ => continue,
                },
            ));
        }
    }
    Ok(any_of(clauses))
}

fn compare(comparison: &Comparison, mapping: &Mapping) -> Result<Value> {
    let Comparison { fields, operator, value } = comparison;
    let clause = |field: &Field| match operator {
        Operator::Equals | Operator::NotEquals => equals(field, value),
        Operator::Means | Operator::MeansNot => means(field, &spellings(&[LogSeverity::new(value)])),
        Operator::Contains if field.kind == Kind::Keyword => Ok(part(&field.name, value, false)),
        Operator::Regex if field.kind == Kind::Keyword => Ok(regex(&field.name, value)),
        Operator::Contains | Operator::Regex => {
            let name = visible(&field.name);
            Err(Error::unsupported(format!(
                "`contains` and `regex` compare texts, which `{name}` does not hold; use `=`"
            )))
        }
    };
    let clause = first_of(fields, mapping, clause)?;
    Ok(match operator {
        Operator::NotEquals | Operator::MeansNot => json!({ "bool": { "must_not": [clause] } }),
        _ => clause,
    })
}

/// A clause on the first of some fields that an entry has.
fn first_of(names: &[String], mapping: &Mapping, clause: impl Fn(&Field) -> Result<Value>) -> Result<Value> {
    let (mut clauses, mut earlier) = (Vec::new(), Vec::new());
    for name in names {
        let fields = mapping.whole_fields(name)?;
        for field in &fields {
            let clause = within(field, clause(field)?);
            clauses.push(match earlier.is_empty() {
                true => clause,
                false => json!({ "bool": { "filter": [clause], "must_not": earlier } }),
            });
        }
        if !fields.is_empty() {
            earlier.push(json!({ "exists": { "field": name } }));
        }
    }
    Ok(any_of(clauses))
}

/// One value and no other. What is no time, no address or no number is the value of no such field: the cluster would take
/// a day for all of its moments, and the prefix of a network for all of its addresses.
fn equals(field: &Field, value: &str) -> Result<Value> {
    let name = &field.name;
    let term = || json!({ "term": { name: { "value": value } } });
    let nothing = || any_of(Vec::new());
    Ok(match field.kind {
        Kind::Keyword | Kind::Flattened => term(),
        Kind::Address if value.parse::<IpAddr>().is_ok() => term(),
        Kind::Address => nothing(),
        Kind::Date => moment(value).map_or_else(nothing, |time| at(name, time, SecondsFormat::Millis)),
        Kind::DateNanos => moment(value).map_or_else(nothing, |time| at(name, time, SecondsFormat::Nanos)),
        Kind::Range => {
            let message = format!("`=` compares one value, and `{}` holds spans of them", visible(name));
            return Err(Error::unsupported(message));
        }
        Kind::Text | Kind::Other => json!({ "match": { name: { "query": value, "lenient": true } } }),
    })
}

/// A time in RFC 3339, a day, which is its first moment, or milliseconds since 1970.
fn moment(value: &str) -> Option<Time> {
    let day = || Some(value.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc());
    let milliseconds = || Time::from_timestamp_millis(value.parse().ok()?);
    value.parse().ok().or_else(day).or_else(milliseconds)
}

fn at(name: &str, time: Time, format: SecondsFormat) -> Value {
    let time = time.to_rfc3339_opts(format, true);
    json!({ "range": { name: { "gte": time, "lte": time, "format": "strict_date_optional_time" } } })
}

/// Any of these words, in whatever case.
fn means(field: &Field, words: &[String]) -> Result<Value> {
    let clauses = words.iter().map(|word| match field.kind {
        Kind::Keyword | Kind::Flattened => {
            Ok(json!({ "term": { &field.name: { "value": word, "case_insensitive": true } } }))
        }
        _ => equals(field, word),
    });
    Ok(any_of(clauses.collect::<Result<_>>()?))
}

fn spellings(wanted: &[LogSeverity]) -> Vec<String> {
    let mut words: Vec<String> = wanted.iter().flat_map(map::spellings).collect();
    words.sort();
    words.dedup();
    words
}

fn part(name: &str, text: &str, in_any_case: bool) -> Value {
    let escaped = text.chars().fold(String::new(), |mut escaped, character| {
        if matches!(character, '\\' | '*' | '?') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    });
    let pattern = format!("*{escaped}*");
    match in_any_case {
        true => json!({ "wildcard": { name: { "value": pattern, "case_insensitive": true } } }),
        false => json!({ "wildcard": { name: { "value": pattern } } }),
    }
}

/// A pattern is of the whole value, so that anchors at its ends say nothing. Lucene's own operators, such as `@` and `~`,
/// are switched off.
fn regex(name: &str, pattern: &str) -> Value {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let is_escaped = |rest: &&str| !(rest.len() - rest.trim_end_matches('\\').len()).is_multiple_of(2);
    let pattern = pattern.strip_suffix('$').filter(|rest| !is_escaped(rest)).unwrap_or(pattern);
    json!({ "regexp": { name: { "value": pattern, "flags": "NONE" } } })
}

/// A clause that holds only in the indices that have a field so.
fn within(field: &Field, clause: Value) -> Value {
    match &field.indices {
        Some(indices) => json!({ "bool": { "filter": [{ "terms": { "_index": indices } }, clause] } }),
        None => clause,
    }
}

/// Any of these; nothing where there are none.
fn any_of(mut clauses: Vec<Value>) -> Value {
    match clauses.pop() {
        None => json!({ "match_none": {} }),
        Some(only) if clauses.is_empty() => only,
        Some(last) => {
            clauses.push(last);
            json!({ "bool": { "should": clauses, "minimum_should_match": 1 } })
        }
    }
}
