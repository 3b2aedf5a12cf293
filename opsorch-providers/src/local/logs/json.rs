//! Lines that are JSON objects, also those that are not quite JSON.
//!
//! Writers of JSON take what their users send: `json.dumps` of Python writes lone surrogates and `NaN`, others numbers
//! and depths that no reader takes. Such a line is read member by member, so that nobody can hide it by what he sends.

use opsorch::{Fields, LogSeverity};
use serde_json::{Map, Value};

use super::line::Parsed;
use super::time;

/// Reads a line that is an object, or what can be read of one that is not quite.
pub(super) fn json(text: &str) -> Option<Parsed> {
    if let Ok(members) = serde_json::from_str(text) {
        return Some(entry(members, text));
    }
    if let Ok(members) = serde_json::from_str(&without_lone_surrogates(text)) {
        return Some(entry(members, text).mark("lossy"));
    }
    text.ends_with('}').then(|| broken(text).mark("malformed"))
}

/// Reads the members of what begins as an object, up to the first that has no end.
pub(super) fn broken(text: &str) -> Parsed {
    entry(Members(text.strip_prefix('{').unwrap_or(text)).collect(), text)
}

fn entry(mut members: Map<String, Value>, text: &str) -> Parsed {
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
    parsed.fields = members.into_iter().collect::<Fields>();
    parsed
}

/// The members of an object, of which the rest is left. What is no JSON is a text, as it stands there.
struct Members<'a>(&'a str);

impl Iterator for Members<'_> {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start();
        let key = rest.get(..quoted(rest)?)?;
        let rest = rest.get(key.len()..)?.trim_start().strip_prefix(':')?.trim_start();
        let value = rest.get(..extent(rest)?)?;
        let after = rest.get(value.len()..)?;
        // After the last member nothing is read.
        self.0 = after.strip_prefix(',').unwrap_or_default();
        let key = match read(key) {
            Value::String(key) => key,
            other => other.to_string(),
        };
        Some((key, read(value.trim_end())))
    }
}

fn read(text: &str) -> Value {
    let read = serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_lone_surrogates(text)));
    let unquoted = || text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    read.unwrap_or_else(|_| Value::String(unquoted().to_owned()))
}

/// How long the string is with which a text begins, with its quotes.
fn quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.strip_prefix('"')?.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    Some(end + 2)
}

/// How long the value is with which a text begins: up to the comma or the brace that follows.
fn extent(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    loop {
        match text.as_bytes().get(at)? {
            b'"' => at += quoted(text.get(at..)?)? - 1,
            b'{' | b'[' => depth = depth.checked_add(1)?,
            b',' | b'}' if depth == 0 => return Some(at),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
}

/// The text, in which escapes for one half of a character alone stand for U+FFFD.
fn without_lone_surrogates(text: &str) -> String {
    let (mut whole, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(backslash) = rest.find('\\') {
        let (before, escape) = rest.split_at(backslash);
        whole.push_str(before);
        let (read, written) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
            (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd")),
            // The next character is escaped, which may be a backslash.
            _ => (1 + escape.chars().nth(1).map_or(0, char::len_utf8), None),
        };
        let (escape, after) = escape.split_at_checked(read).unwrap_or((escape, ""));
        whole.push_str(written.unwrap_or(escape));
        rest = after;
    }
    whole + rest
}

/// What `\u1234` at the beginning of a text stands for.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn members(text: &str) -> Value {
        Value::Object(Members(text.strip_prefix('{').unwrap()).collect())
    }

    #[test]
    fn only_halves_that_are_alone_are_replaced() {
        for (text, expected) in [
            (r"\ud800", r"\ufffd"),
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\ude00\ud83d", r"\ufffd\ufffd"),
            (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\\ud800 \\\ud800", r"\\ud800 \\\ufffd"),
            (r"\", r"\"),
            (r"\ud8 \é", r"\ud8 \é"),
        ] {
            assert_eq!(without_lone_surrogates(text), expected);
        }
    }

    #[test]
    fn what_can_be_read_of_an_object_is_read() {
        assert_eq!(
            members(r#"{"a":NaN, "b" : [1,{"c":"}"}] ,"d":1e400}"#),
            json!({"a": "NaN", "b": [1, {"c": "}"}], "d": "1e400"})
        );
        assert_eq!(members(r#"{"a":"\"x","b":tr}, "c":1"#), json!({"a": "\"x", "b": "tr"}), "nothing after its end");
        assert_eq!(members(r#"{"a":1,"b":"cu"#), json!({"a": 1}), "nothing without an end");
        assert_eq!(members("{\"a\":\"\u{1}\\q\"}"), json!({"a": "\u{1}\\q"}));
    }

    proptest! {
        #[test]
        fn an_object_is_read_in_the_same_way_member_by_member(
            object in prop::collection::btree_map("\\PC{0,4}", prop_oneof![
                "\\PC{0,8}".prop_map(Value::from),
                any::<i64>().prop_map(Value::from),
                Just(json!([{"a": ["}", null]}, "\\\","])),
            ], 0..5),
            pretty in any::<bool>(),
        ) {
            let object = json!(object);
            let text = if pretty { format!("{object:#}") } else { object.to_string() };
            prop_assert_eq!(members(&text), object);
        }

        #[test]
        fn any_line_in_braces_is_an_entry(text in "\\PC*|[\"\\\\{}\\[\\]:,ud8é ]{0,40}") {
            let line = format!("{{{text}}}");
            prop_assert!(json(&line).is_some());
        }
    }
}
