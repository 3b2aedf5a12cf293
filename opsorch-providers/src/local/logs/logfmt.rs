//! Lines of logfmt: `time=2026-01-01T00:00:00Z level=error msg="disk full"`.

use opsorch::{LogSeverity, Time};
use serde_json::Value;

use super::line::Parsed;
use super::time;

const TIMES: [&str; 4] = ["time", "timestamp", "ts", "t"];
const MESSAGES: [&str; 2] = ["msg", "message"];
const SEVERITIES: [&str; 3] = ["level", "lvl", "severity"];

/// Reads a line. It is one if it has a time, or a severity and a message; other lines have an equals sign, too.
pub(super) fn logfmt(text: &str) -> Option<Parsed> {
    let mut pairs = pairs(text)?;
    let mut take = |names: &[&str]| {
        let index = names.iter().find_map(|name| pairs.iter().position(|(key, _)| key == name))?;
        Some(pairs.remove(index))
    };
    let at = take(&TIMES);
    let message = take(&MESSAGES);
    let severity = take(&SEVERITIES);
    let service = take(&["service"]);

    let read = at.as_ref().and_then(|(_, value)| time_of(value));
    if read.is_none() && (message.is_none() || severity.is_none()) {
        return None;
    }
    let mut parsed = Parsed::new(read, message.as_ref().map_or(text, |(_, value)| value));
    if let Some((_, word)) = severity {
        parsed.severity(LogSeverity::new(&word).level(), &word);
    }
    parsed.service = service.map(|(_, value)| value);
    let unread = at.filter(|_| read.is_none());
    parsed.fields = pairs.into_iter().chain(unread).map(|(key, value)| (key, Value::String(value))).collect();
    Some(parsed)
}

fn time_of(value: &str) -> Option<Time> {
    time::leading(value).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time).or_else(|| time::of_number(value))
}

/// All keys and values; `None` if anything else is between them.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let is_key = |next: char| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '-' | '@' | '/');
        if key.is_empty() || !key.chars().all(is_key) {
            return None;
        }
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (bare, after) = value.split_at(value.find(' ').unwrap_or(value.len()));
                (bare.to_owned(), after)
            }
        };
        if !after.is_empty() && !after.starts_with(' ') {
            return None;
        }
        pairs.push((key.to_owned(), value));
        rest = after.trim_start_matches(' ');
    }
    Some(pairs)
}

/// A value up to its quote, with the escapes of Go and JSON that stand for one character; others are left as they are.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}
