//! What one line says, whichever of the formats it has.

use std::collections::BTreeMap;

use opsorch::{Fields, LogEntry, LogSeverity, LogSeverityLevel, Time};

use super::json::json;
use super::logfmt::logfmt;
use super::severity::severity_in;
use super::{syslog, time};

/// What the beginning of an entry says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed {
    /// When it was written, if it says so.
    pub(super) time: Option<Time>,
    pub(super) fields: Fields,
    message: String,
    severity: Option<(LogSeverity, String)>,
    pub(super) service: Option<String>,
    labels: BTreeMap<String, String>,
    /// What is to be known of how it was read.
    metadata: Fields,
}

/// Reads a line; `None` if it neither has a time nor is a record of its own, so that it may continue the one above.
pub(super) fn parse(text: &str, now: Time) -> Option<Parsed> {
    let text = bare(text);
    match text.bytes().next()? {
        b'{' => json(text),
        b'<' => syslog::rfc_5424(text).or_else(|| syslog::rfc_3164(text, now)),
        b'[' => bracketed(text, now),
        b'0'..=b'9' => timed(text, now).or_else(|| access(text)),
        b'A'..=b'Z' => klog(text, now)
            .or_else(|| syslog::rfc_3164(text, now))
            .or_else(|| timed(text, now))
            .or_else(|| logfmt(text))
            .or_else(|| access(text)),
        b' ' | b'\t' => None,
        _ => logfmt(text).or_else(|| access(text)),
    }
}

/// A line without what may stand around it: NULs, where a file was truncated while its writer stayed where it was; a byte
/// order mark, where files were put together; and the colours of a terminal.
fn bare(mut line: &str) -> &str {
    loop {
        let rest = line.trim_start_matches(['\0', '\u{feff}']);
        let rest = colour(rest).unwrap_or(rest);
        if rest.len() == line.len() {
            break;
        }
        line = rest;
    }
    let plain = line.strip_suffix("\u{1b}[0m").or_else(|| line.strip_suffix("\u{1b}[m"));
    if line.starts_with('{') { plain.unwrap_or(line).trim_end() } else { line }
}

/// What follows a sequence such as `ESC [ 31 m`.
fn colour(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\u{1b}[")?;
    rest.trim_start_matches(|next: char| next.is_ascii_digit() || next == ';').strip_prefix('m')
}

/// A line that is an entry by itself.
pub(super) fn plain(time: Option<Time>, text: &str) -> Parsed {
    let mut parsed = Parsed::new(time, text.trim_start_matches([' ', '\t']));
    if let Some(word) = severity_in(text) {
        parsed.severity(LogSeverity::new(word).level(), word);
    }
    parsed
}

/// `2026-01-01 00:00:00 message`.
fn timed(text: &str, now: Time) -> Option<Parsed> {
    time::of_plain(text, now).map(|(at, rest)| plain(Some(at), rest).zone(time::zone(rest)))
}

/// `[2026-01-01 00:00:00] message`.
fn bracketed(text: &str, now: Time) -> Option<Parsed> {
    let (at, rest) = time::of_plain(text.strip_prefix('[')?, now)?;
    let zone =
        time::zone(rest).filter(|zone| rest.trim_start().get(zone.len()..).is_some_and(|it| it.starts_with(']')));
    let message = zone.map_or(rest, |zone| rest.trim_start().strip_prefix(zone).unwrap_or(rest));
    Some(plain(Some(at), message.strip_prefix(']')?).zone(zone))
}

/// `E0101 00:00:00.000000 42 main.go:7] message`, as klog and glog write it.
fn klog(text: &str, now: Time) -> Option<Parsed> {
    const SEVERITIES: [(&str, LogSeverityLevel); 4] = [
        ("I", LogSeverityLevel::Info),
        ("W", LogSeverityLevel::Warning),
        ("E", LogSeverityLevel::Error),
        ("F", LogSeverityLevel::Critical),
    ];
    let (word, level) = SEVERITIES.iter().find(|(letter, _)| text.starts_with(letter))?;
    let (at, rest) = time::of_klog(text.strip_prefix(word)?, now)?;
    let (origin, message) = rest.split_once("] ")?;
    let mut parsed = Parsed::new(Some(at), message);
    parsed.severity(*level, word);
    if let Some((process, source)) = origin.trim_start().split_once(' ') {
        parsed.fields.insert("procId".into(), process.into());
        parsed.fields.insert("source".into(), source.trim_start().into());
    }
    Some(parsed)
}

/// `192.0.2.1 - alice [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 512`, as web servers note each request. It says
/// nothing of how bad that is. The user is whatever the client sent, but for quotes: the time is the first before one.
fn access(text: &str) -> Option<Parsed> {
    let (at, request) = text.match_indices(" [").find_map(|(start, bracket)| {
        let (at, rest) = time::of_access(text.get(start + bracket.len()..)?)?;
        Some((at, rest.strip_prefix("] \"")?))
    })?;
    let mut parsed = Parsed::new(Some(at), text);
    if let Some(status) = status(request) {
        parsed.fields.insert("status".into(), status.into());
    }
    Some(parsed)
}

/// The status after the quoted request, in which a backslash stands before a quote.
fn status(request: &str) -> Option<u16> {
    let mut is_escaped = false;
    let end = request.find(|next: char| {
        let is_end = next == '"' && !is_escaped;
        is_escaped = next == '\\' && !is_escaped;
        is_end
    })?;
    request.get(end + 1..)?.split_ascii_whitespace().next()?.parse().ok()
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
            metadata: Fields::new(),
        }
    }

    /// Notes how it was read.
    pub(super) fn mark(mut self, name: &str) -> Self {
        self.metadata.insert(name.to_owned(), true.into());
        self
    }

    /// Notes the name of a zone whose offset is not known.
    fn zone(mut self, name: Option<&str>) -> Self {
        self.metadata.extend(name.map(|name| ("zone".to_owned(), name.into())));
        self
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
        entry.metadata = self.metadata;
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
    fn a_line_of_klog_is_understood() {
        let entry = entry("E0221 13:00:00.123456   4711 controller.go:114] \"failed\" err=\"timeout\"");
        assert_eq!(entry.timestamp.to_rfc3339(), "2026-02-21T13:00:00.123456+00:00");
        assert_eq!(severity(&entry), ("error", "E"));
        assert_eq!(entry.message, "\"failed\" err=\"timeout\"");
        assert_eq!((&entry.fields["procId"], &entry.fields["source"]), (&json!("4711"), &json!("controller.go:114")));
        assert_eq!(parse("Exception: E0221 13:00:00.123456", now()), None);
    }

    #[test]
    fn an_access_log_has_a_status_and_no_severity() {
        for (line, status) in [
            (r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326"#, json!(200)),
            (r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET /\"x\" HTTP/1.1" 500 0 "http://a/" "curl/8""#, json!(500)),
            (r#"shop.example:443 192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "-" 408 - "-" "-""#, json!(408)),
        ] {
            let entry = entry(line);
            assert_eq!(entry.timestamp.to_rfc3339(), "2000-10-10T20:55:36+00:00");
            assert_eq!((entry.message.as_str(), &entry.severity), (line, &None));
            assert_eq!(entry.fields, Fields::from([("status".into(), status)]));
        }
    }

    #[test]
    fn error_logs_of_web_servers_are_understood() {
        let nginx = entry("2025/11/21 13:00:00 [error] 12#0: *1 open() failed");
        assert_eq!((severity(&nginx), nginx.message.as_str()), (("error", "error"), "[error] 12#0: *1 open() failed"));
        let apache = entry("[Fri Nov 21 13:00:00.902022 2025] [core:warn] [pid 35708] AH00037: denied");
        assert_eq!(severity(&apache), ("warning", "warn"));
        assert_eq!(apache.timestamp.to_rfc3339(), "2025-11-21T13:00:00.902022+00:00");
    }

    #[test]
    fn a_line_of_logfmt_gives_its_parts_and_keeps_the_rest_as_fields() {
        let line = r#"time="2025-11-21T13:00:00Z" level=error msg="disk \"a\" full\n" service=shop order.id=7 empty="#;
        let entry = entry(line);
        assert_eq!(entry.timestamp.to_rfc3339(), "2025-11-21T13:00:00+00:00");
        assert_eq!((severity(&entry), entry.message.as_str()), (("error", "error"), "disk \"a\" full"));
        assert_eq!(entry.service.as_deref(), Some("shop"));
        assert_eq!(entry.fields, Fields::from([("order.id".into(), json!("7")), ("empty".into(), json!(""))]));
        assert!(parse("level=info msg=started", now()).unwrap().time.is_none());
        for other in
            ["a=b", "level=info", "time=soon level=info", "a=1 and b=2 time=1767323045", "msg=\"open level=info"]
        {
            assert_eq!(parse(other, now()), None, "{other}");
        }
        let late = parse("level=info msg=x ts=1767323045.5", now()).unwrap();
        assert_eq!(late.time.unwrap().to_rfc3339(), "2026-01-02T03:04:05.500+00:00");
    }

    proptest! {
        #[test]
        fn any_line_is_survived(text in "\\PC*|[<{\\[EI]?[0-9<>{}\\[\\]\" :=/TZJan.\\\\-]{0,80}") {
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
