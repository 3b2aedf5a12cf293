//! Syslog lines: RFC 5424, and RFC 3164 with or without its priority.

use opsorch::{Fields, LogSeverity, LogSeverityLevel, Time};
use serde_json::{Map, Value};

use super::line::Parsed;
use super::severity::severity_in;
use super::time;

/// Reads a line of RFC 5424: `<165>1 2026-01-01T00:00:00Z host app 42 ID47 [id name="value"] message`.
pub(super) fn rfc_5424(text: &str) -> Option<Parsed> {
    let (priority, rest) = priority(text)?;
    let rest = rest.strip_prefix("1 ")?;
    let mut parts = rest.splitn(6, ' ');
    let [at, host, app, process, id] = [(); 5].map(|()| parts.next());
    let (data, message) = structured_data(parts.next()?)?;
    let at = match at? {
        "-" => None,
        at => Some(time::leading(at).filter(|(_, rest)| rest.is_empty())?.0),
    };
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    let mut parsed = Parsed::new(at, message);
    parsed.origin(given(host?), given(app?));
    parsed.severity(priority.0, priority.1);
    parsed.fields = data;
    for (name, value) in [("procId", process?), ("msgId", id?)] {
        if let Some(value) = given(value) {
            parsed.fields.insert(name.into(), value.into());
        }
    }
    Some(parsed)
}

/// Reads a line of RFC 3164, or of a file that a syslog daemon writes: `Jan  1 00:00:00 host app[42]: message`.
pub(super) fn rfc_3164(text: &str, now: Time) -> Option<Parsed> {
    let (priority, rest) = priority(text).map_or((None, text), |(priority, rest)| (Some(priority), rest));
    let (at, rest) = time::leading_without_year(rest, now)?;
    let (host, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    let (app, process, message) = tag(rest).unwrap_or(("", None, rest));
    let mut parsed = Parsed::new(Some(at), message);
    parsed.origin(given(host), given(app));
    if let Some(process) = process {
        parsed.fields.insert("procId".into(), process.into());
    }
    match (priority, severity_in(message)) {
        (Some((level, word)), _) => parsed.severity(level, word),
        (None, Some(word)) => parsed.severity(LogSeverity::new(word).level(), word),
        (None, None) => {}
    }
    Some(parsed)
}

/// `<165>`: the severity is the rest of its division by 8.
fn priority(text: &str) -> Option<((LogSeverityLevel, &'static str), &str)> {
    const SEVERITIES: [(LogSeverityLevel, &str); 8] = [
        (LogSeverityLevel::Critical, "emerg"),
        (LogSeverityLevel::Critical, "alert"),
        (LogSeverityLevel::Critical, "crit"),
        (LogSeverityLevel::Error, "err"),
        (LogSeverityLevel::Warning, "warning"),
        (LogSeverityLevel::Info, "notice"),
        (LogSeverityLevel::Info, "info"),
        (LogSeverityLevel::Debug, "debug"),
    ];
    let (digits, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let priority: usize = is_number.then(|| digits.parse().ok())??;
    let severity = SEVERITIES.get(priority % 8).filter(|_| priority <= 191)?;
    Some((*severity, rest))
}

/// `app[42]: message`: the application, its process and the message.
fn tag(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let (tag, message) = text.split_once(':')?;
    let (app, process) = match tag.split_once('[') {
        Some((app, process)) => (app, Some(process.strip_suffix(']')?)),
        None => (tag, None),
    };
    let is_name = !app.is_empty() && !app.contains(char::is_whitespace) && app.len() <= 48;
    is_name.then(|| (app, process, message.strip_prefix(' ').unwrap_or(message)))
}

/// `[id name="value" …][…] message`, or `- message`: the elements by id, and the message.
fn structured_data(text: &str) -> Option<(Fields, &str)> {
    let mut elements = Fields::new();
    let mut rest = match text.strip_prefix('-') {
        Some(rest) => rest,
        None if text.starts_with('[') => text,
        None => return None,
    };
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        let (id, after) = element.split_at(end);
        let (parameters, after) = parameters(after)?;
        elements.insert(id.to_owned(), Value::Object(parameters));
        rest = after;
    }
    match rest {
        "" => Some((elements, "")),
        rest => Some((elements, rest.strip_prefix(' ')?)),
    }
}

/// ` name="value" …]`: the parameters, and what follows the bracket.
fn parameters(mut text: &str) -> Option<(Map<String, Value>, &str)> {
    let mut parameters = Map::new();
    while let Some(parameter) = text.strip_prefix(' ') {
        let (name, quoted) = parameter.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        parameters.insert(name.to_owned(), Value::String(value));
        text = after;
    }
    Some((parameters, text.strip_prefix(']')?))
}

/// A value up to its quote, in which a backslash stands before a quote, a backslash or a bracket.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => match characters.next()? {
                escaped @ ('"' | '\\' | ']') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}

/// A part that is not the `-` for nothing.
fn given(part: &str) -> Option<&str> {
    Some(part).filter(|part| !matches!(*part, "-" | ""))
}
