//! What one line says, whichever of the formats it has.

use std::collections::BTreeMap;

use opsorch::{Fields, LogEntry, LogSeverity, LogSeverityLevel, Time};
use serde_json::{Map, Value};

use super::{syslog, time};

/// The bytes at the beginning of a message in which a severity is looked for.
const SEVERITY_WITHIN: usize = 64;

/// What the beginning of an entry says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed {
    /// When it was written, if it says so.
    pub(super) time: Option<Time>,
    pub(super) fields: Fields,
    message: String,
    severity: Option<(LogSeverity, String)>,
    service: Option<String>,
    labels: BTreeMap<String, String>,
}

/// Reads a line; `None` if it neither has a time nor is a record of its own, so that it may continue the one above.
pub(super) fn parse(text: &str, now: Time) -> Option<Parsed> {
    match text.bytes().next()? {
        b'{' => json(text),
        b'<' => syslog::rfc_5424(text).or_else(|| syslog::rfc_3164(text, now)),
        b'[' => bracketed(text),
        b'0'..=b'9' => time::leading(text).map(|(at, rest)| plain(Some(at), rest)),
        b'A'..=b'Z' => syslog::rfc_3164(text, now),
        _ => None,
    }
}

/// A line that is an entry by itself.
pub(super) fn plain(time: Option<Time>, text: &str) -> Parsed {
    let mut parsed = Parsed::new(time, text.trim_start_matches([' ', '\t']));
    if let Some(word) = severity_in(text) {
        parsed.severity(LogSeverity::new(word).level(), word);
    }
    parsed
}

/// `[2026-01-01 00:00:00] message`.
fn bracketed(text: &str) -> Option<Parsed> {
    let (at, rest) = time::leading(text.strip_prefix('[')?)?;
    Some(plain(Some(at), rest.strip_prefix(']')?))
}

/// A line that is a JSON object.
fn json(text: &str) -> Option<Parsed> {
    let mut members: Map<String, Value> = serde_json::from_str(text).ok()?;
    let mut take = |names: &[&str], accept: &dyn Fn(&Value) -> bool| {
        let name = names.iter().find(|name| members.get(**name).is_some_and(accept))?;
        members.remove(*name)
    };
    let at = take(&["time", "timestamp", "@timestamp", "ts"], &|value| time::of_value(value).is_some());
    let message = take(&["message", "msg"], &Value::is_string);
    let severity = take(&["level", "severity"], &Value::is_string);
    let service = take(&["service"], &Value::is_string);

    let message = message.as_ref().and_then(Value::as_str).unwrap_or(text);
    let mut parsed = Parsed::new(at.as_ref().and_then(time::of_value), message);
    if let Some(word) = severity.as_ref().and_then(Value::as_str) {
        parsed.severity(LogSeverity::new(word).level(), word);
    }
    parsed.service = service.as_ref().and_then(Value::as_str).map(str::to_owned);
    parsed.fields = members.into_iter().collect();
    Some(parsed)
}

/// The word for a severity near the beginning of a message: one in capitals, or one in brackets. Other words that
/// mean a severity may as well be a part of the sentence.
pub(super) fn severity_in(message: &str) -> Option<&str> {
    const WORDS: [&str; 16] = [
        "TRACE", "DEBUG", "FINE", "INFO", "NOTICE", "WARN", "WARNING", "ERR", "ERROR", "SEVERE", "CRIT", "CRITICAL",
        "FATAL", "PANIC", "ALERT", "EMERG",
    ];
    let near = message.get(..message.floor_char_boundary(SEVERITY_WITHIN)).unwrap_or(message);
    let mut before = ' ';
    let mut rest = near;
    while let Some(start) = rest.find(|next: char| next.is_ascii_alphabetic()) {
        before = rest.get(..start)?.chars().next_back().unwrap_or(before);
        rest = rest.get(start..)?;
        let end = rest.find(|next: char| !next.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // The word may go on beyond what was looked at.
        let next = after.chars().next().or_else(|| message.get(near.len()..)?.chars().next()).unwrap_or(' ');
        let alone =
            matches!(before, ' ' | '\t' | '[' | '(' | '|') && matches!(next, ' ' | '\t' | ']' | ')' | '|' | ':' | ',');
        let known =
            WORDS.contains(&word) || (before == '[' && next == ']' && WORDS.contains(&&*word.to_ascii_uppercase()));
        if alone && known {
            return Some(word);
        }
        before = word.chars().next_back().unwrap_or(before);
        rest = after;
    }
    None
}

impl Parsed {
    pub(super) fn new(time: Option<Time>, message: &str) -> Self {
        Self {
            time,
            fields: Fields::new(),
            message: message.to_owned(),
            severity: None,
            service: None,
            labels: BTreeMap::new(),
        }
    }

    /// Notes how bad it says it is: the word of the closed set, if it is known, beside its own.
    pub(super) fn severity(&mut self, level: LogSeverityLevel, word: &str) {
        let severity = match level {
            LogSeverityLevel::Unknown => LogSeverity::new(word),
            level => LogSeverity::from(level),
        };
        self.severity = Some((severity, word.to_owned()));
    }

    /// Notes the host and the application, which is the service that wrote it.
    pub(super) fn origin(&mut self, host: Option<&str>, app: Option<&str>) {
        self.service = app.map(str::to_owned);
        let parts = [("host", host), ("app", app)];
        self.labels.extend(parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?.to_owned()))));
    }

    /// The entry, with the lines that continue it.
    pub(super) fn into_entry<'a>(self, time: Time, continued: impl IntoIterator<Item = &'a str>) -> LogEntry {
        let mut message = self.message;
        for line in continued {
            message.push('\n');
            message.push_str(line);
        }
        message.truncate(message.trim_end_matches('\n').len());
        let mut entry = LogEntry::new(time, message);
        (entry.severity, entry.severity_raw) = self.severity.unzip();
        (entry.service, entry.labels, entry.fields) = (self.service, self.labels, self.fields);
        entry
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn now() -> Time {
        "2026-03-04T05:06:07Z".parse().unwrap()
    }

    fn entry(text: &str) -> LogEntry {
        let parsed = parse(text, now()).unwrap_or_else(|| panic!("not an entry: {text}"));
        let time = parsed.time.unwrap_or_else(|| panic!("no time: {text}"));
        parsed.into_entry(time, [])
    }

    fn severity(entry: &LogEntry) -> (&str, &str) {
        (entry.severity.as_ref().unwrap().as_str(), entry.severity_raw.as_deref().unwrap())
    }

    #[test]
    fn a_json_line_gives_its_parts_and_keeps_the_rest_as_fields() {
        let entry =
            entry(r#"{"ts":"2026-01-02T03:04:05Z","msg":"paid","level":"WARN","service":"shop","order":{"id":7}}"#);
        assert_eq!(entry.timestamp.to_rfc3339(), "2026-01-02T03:04:05+00:00");
        assert_eq!(entry.message, "paid");
        assert_eq!(severity(&entry), ("warning", "WARN"));
        assert_eq!(entry.service.as_deref(), Some("shop"));
        assert_eq!(entry.fields, Fields::from([("order".into(), json!({ "id": 7 }))]));
    }

    #[test]
    fn a_json_line_without_a_message_is_its_own_message() {
        let line = r#"{"time":1767323045,"event":"start","level":30}"#;
        let entry = entry(line);
        assert_eq!(entry.message, line);
        assert_eq!(entry.severity, None, "the meaning of a number depends on the library that wrote it");
        assert_eq!(entry.fields["level"], 30);
    }

    #[test]
    fn a_line_of_rfc_5424_is_understood() {
        let line = r#"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" q="a \"b\" \] \n"][e] An application event"#;
        let entry = entry(line);
        assert_eq!(entry.timestamp.to_rfc3339(), "2003-10-11T22:14:15.003+00:00");
        assert_eq!(entry.message, "An application event");
        assert_eq!(severity(&entry), ("info", "notice"));
        assert_eq!(entry.service.as_deref(), Some("evntslog"));
        assert_eq!(entry.labels["host"], "mymachine.example.com");
        assert_eq!(entry.fields["exampleSDID@32473"], json!({ "iut": "3", "q": r#"a "b" ] \n"# }));
        assert_eq!(entry.fields["msgId"], "ID47");
        assert!(!entry.fields.contains_key("procId"));
    }

    #[test]
    fn a_line_of_rfc_3164_is_understood_with_and_without_a_priority() {
        for (line, word) in [
            ("<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed", Some("crit")),
            ("Oct 11 22:14:15 mymachine su[12]: 'su root' failed", None),
        ] {
            let entry = entry(line);
            assert_eq!(entry.timestamp.to_rfc3339(), "2025-10-11T22:14:15+00:00");
            assert_eq!(entry.message, "'su root' failed");
            assert_eq!(entry.severity_raw.as_deref(), word);
            assert_eq!(entry.labels["app"], "su");
            assert_eq!(entry.fields["procId"], "12");
        }
        let without_tag = entry("Oct 11 22:14:15 mymachine something happened");
        assert_eq!(without_tag.message, "something happened");
        assert_eq!(without_tag.service, None);
    }

    #[test]
    fn a_plain_line_begins_with_its_time() {
        for line in ["2026-01-02 03:04:05,678 disk full", "[2026-01-02T03:04:05.678Z] disk full"] {
            let entry = entry(line);
            assert_eq!(entry.timestamp.to_rfc3339(), "2026-01-02T03:04:05.678+00:00");
            assert_eq!(entry.message, "disk full");
        }
    }

    #[test]
    fn a_line_without_a_time_is_not_an_entry() {
        for line in ["\tat main.rs:7", "", "Caused by: timeout", "{not json", "<b>", "[x]", "2026 was a year"] {
            assert_eq!(parse(line, now()), None, "{line}");
        }
    }

    #[test]
    fn a_severity_is_found_as_a_word_near_the_beginning_and_nowhere_else() {
        for (message, word) in [
            ("ERROR disk full", Some("ERROR")),
            (" - root - WARNING - disk full", Some("WARNING")),
            ("[main] INFO com.example - started", Some("INFO")),
            ("[error] 12#0: upstream", Some("error")),
            ("FATAL: password", Some("FATAL")),
            ("no error was found", None),
            ("INFORMATION for you", None),
            ("GET /ERROR/INFO.html", None),
            ("level_ERROR=1", None),
            ("XERROR ERRORX", None),
        ] {
            assert_eq!(severity_in(message), word, "{message}");
        }
        assert_eq!(severity_in(&format!("{}ERROR", " ".repeat(SEVERITY_WITHIN))), None);
        let across = format!("{}INFORMATION", " ".repeat(SEVERITY_WITHIN - 4));
        assert_eq!(severity_in(&across), None, "a word that goes on is another word");
    }

    proptest! {
        #[test]
        fn any_line_is_survived(text in "\\PC*|[<{\\[]?[0-9<>{}\\[\\]\" :=TZJan.-]{0,80}") {
            let _ = parse(&text, now());
            let _ = plain(None, &text);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), start in "<165>1 |<34>Oct 11 22:14:15 |[{]\"ts\":|") {
            let text = format!("{start}{}", String::from_utf8_lossy(&bytes));
            let _ = parse(&text, now());
        }
    }
}
