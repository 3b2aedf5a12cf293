//! Reading text and values into types, with errors that name the place and show no value: any may be a secret.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use opsorch_schema::visible;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::{Error, Result};

/// The largest file or text that is read: 1 MiB.
const LARGEST: usize = 1 << 20;

/// The longest key or name that an error repeats, in characters.
const LONGEST_NAME: usize = 100;

/// The shortest text that is looked for in messages. Shorter ones are part of ordinary words.
const SHORTEST_SECRET: usize = 4;

/// So many bytes of a value in a row are too many to be there by chance.
const LONGEST_PIECE: usize = 10;

/// Reads a TOML text. A field of an error is `<what>.<path>`, or the path alone where `what` is empty.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    let file = if what.is_empty() { "config" } else { what };
    if text.len() > LARGEST {
        return Err(Error::invalid(file, format!("expected at most 1 MiB of TOML, got {} bytes", text.len())));
    }
    // The error of the parser prints the line, and a line may hold a secret: it is not kept.
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let message = error.message().to_owned();
        Error::invalid(
            file,
            match error.span() {
                Some(span) => format!("line {}: {message}", position(text, span.start)),
                None => message,
            },
        )
    })?;
    let value = json(toml::Value::Table(table)).map_err(|way| {
        let field = way.iter().rev().fold(what.to_owned(), below);
        Error::invalid(field, "expected a finite number, got `nan` or `inf`")
    })?;
    decode(&value, what)
}

/// Reads a file of at most 1 MiB.
pub(crate) fn read_limited(path: &Path, what: &'static str) -> Result<String> {
    let error = |message: &str| Error::invalid(what, format!("the file {message}")).with_context("file", shown(path));
    let mut bytes = Vec::new();
    let reading = File::open(path).and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes));
    reading.map_err(|cause| error(&format!("cannot be read: {}", cause.kind())).with_source(cause))?;
    if bytes.len() > LARGEST {
        return Err(error("is larger than 1 MiB; is it the right one?"));
    }
    // The error of the conversion holds the bytes: it is not kept.
    String::from_utf8(bytes).map_err(|_| error("is not UTF-8"))
}

/// A path as an error shows it.
pub(super) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy()).into_owned()
}

/// A name as an error shows it.
pub(crate) fn named(name: &str) -> String {
    visible(&name.chars().take(LONGEST_NAME).collect::<String>()).into_owned()
}

/// Reads a type out of a value that stands at this place.
pub(crate) fn decode<T: DeserializeOwned>(value: &Value, place: &str) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inside: Vec<&Segment> = error.path().iter().collect();
        let field = inside.iter().fold(place.to_owned(), |field, segment| below(field, segment));
        explain(field, &error.inner().to_string(), at(value, &inside))
    })
}

fn below(mut field: String, segment: &Segment) -> String {
    let name = match segment {
        Segment::Seq { index } => return field + &format!("[{index}]"),
        Segment::Map { key } => key,
        Segment::Enum { variant } => variant,
        Segment::Unknown => return field,
    };
    if !field.is_empty() {
        field.push('.');
    }
    field + &named(name)
}

/// The part of the value at a path, or the smallest part around it where the path leads out of it.
fn at<'a>(value: &'a Value, path: &[&Segment]) -> &'a Value {
    let mut part = value;
    for segment in path {
        part = match segment {
            Segment::Seq { index } => part.get(index),
            Segment::Map { key } => part.get(key),
            Segment::Enum { .. } | Segment::Unknown => None,
        }
        .unwrap_or(part);
    }
    part
}

/// Says what serde says, without the values that it repeats. Its source is not kept for the same reason.
///
/// serde's messages end in `, expected …`. The last such words are never part of a value: they come after it.
fn explain(mut field: String, message: &str, value: &Value) -> Error {
    let message = if let Some(key) = message.strip_prefix("missing field `") {
        field = below(field, &Segment::Map { key: key.trim_end_matches('`').to_owned() });
        "this key is missing".to_owned()
    } else if let Some((key, expected)) = unknown(message, "unknown field `") {
        unknown_key(key, expected)
    } else if let Some((_, expected)) = unknown(message, "unknown variant `") {
        format!("expected {}, got another word", expected.unwrap_or("nothing"))
    } else if let Some((got, expected)) = mismatch(message) {
        format!("expected {}, got {}", plain(expected), kind(got))
    } else {
        conceal(message, value)
    };
    Error::invalid(if field.is_empty() { "config".to_owned() } else { field }, message)
}

/// The name that serde does not know, and the names that it does.
fn unknown<'a>(message: &'a str, beginning: &str) -> Option<(&'a str, Option<&'a str>)> {
    let rest = message.strip_prefix(beginning)?;
    match rest.rsplit_once("`, expected ") {
        Some((name, expected)) => Some((name, Some(expected))),
        None => rest.rsplit_once("`, there are no ").map(|(name, _)| (name, None)),
    }
}

fn unknown_key(key: &str, expected: Option<&str>) -> String {
    match expected {
        Some(expected) => format!("unknown key `{}`, expected {expected}", named(key)),
        None => format!("unknown key `{}`, there are no keys here", named(key)),
    }
}

/// What serde got, and what it expected instead.
fn mismatch(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    rest.rsplit_once(", expected ")
}

/// serde's name for what it expected, in the words of those who write configurations.
fn plain(expected: &str) -> &str {
    match expected {
        "a map" => "a table",
        "a sequence" => "a list",
        "a string" => "text",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// What kind of thing serde got, from the beginning of its description.
fn kind(description: &str) -> &'static str {
    const KINDS: [(&str, &str); 8] = [
        ("string", "text"),
        ("character", "text"),
        ("integer", "an integer"),
        ("floating point", "a fraction"),
        ("boolean", "a boolean"),
        ("sequence", "a list"),
        ("map", "a table"),
        ("null", "nothing"),
    ];
    KINDS.iter().find(|(word, _)| description.starts_with(word)).map_or("something else", |(_, kind)| kind)
}

/// Takes every text and number of the value out of a message that somebody's own code wrote.
fn conceal(message: &str, value: &Value) -> String {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    // The longest first: it may hold the others.
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let message = texts.iter().fold(message.to_owned(), |message, text| without(message, text));
    let pieces: HashSet<&[u8]> = message.as_bytes().windows(LONGEST_PIECE).collect();
    if texts.iter().any(|text| text.as_bytes().windows(LONGEST_PIECE).any(|piece| pieces.contains(piece))) {
        return "the value is not accepted".to_owned();
    }
    message
}

/// Every text and number in a value, also as Rust prints it in quotes.
fn collect(value: &Value, texts: &mut Vec<String>) {
    let mut add = |text: String| {
        if text.len() >= SHORTEST_SECRET {
            texts.push(text);
        }
    };
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => add(number.to_string()),
        Value::String(text) => {
            let quoted = format!("{text:?}");
            add(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned());
            add(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
    }
}

/// The message with `***` wherever the text stands by itself, not as part of a longer word.
fn without(message: String, text: &str) -> String {
    let mut result = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while let Some((before, after)) = rest.split_once(text) {
        let open =
            before.chars().next_back().or_else(|| result.chars().next_back()).is_none_or(|c| !c.is_alphanumeric());
        let closed = after.chars().next().is_none_or(|c| !c.is_alphanumeric());
        result.push_str(before);
        result.push_str(if open && closed { "***" } else { text });
        rest = after;
    }
    result + rest
}

/// The line and column of a byte, both from 1, the column in characters.
fn position(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}, column {column}")
}

/// TOML's values as JSON's; dates and times become text. What JSON cannot hold is refused with the way to it, from
/// the inside out.
fn json(value: toml::Value) -> Result<Value, Vec<Segment>> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Boolean(boolean) => Value::Bool(boolean),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(number).ok_or_else(Vec::new)?),
        toml::Value::Array(items) => {
            let item = |(index, item)| json(item).map_err(|way| further(way, Segment::Seq { index }));
            items.into_iter().enumerate().map(item).collect::<Result<_, _>>()?
        }
        toml::Value::Table(table) => {
            let member = |(key, item): (String, toml::Value)| match json(item) {
                Ok(item) => Ok((key, item)),
                Err(way) => Err(further(way, Segment::Map { key })),
            };
            Value::Object(table.into_iter().map(member).collect::<Result<_, _>>()?)
        }
    })
}

fn further(mut way: Vec<Segment>, segment: Segment) -> Vec<Segment> {
    way.push(segment);
    way
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// Says the value in its own words, as careless types do.
    #[derive(Debug)]
    struct Careless;

    impl<'de> Deserialize<'de> for Careless {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format!("cannot use {text:?} or `{text}`")))
        }
    }

    fn careless(text: &str) -> String {
        decode::<Careless>(&json!(text), "field").unwrap_err().to_string()
    }

    #[test]
    fn a_value_that_a_message_repeats_is_taken_out() {
        assert_eq!(careless("hunter2"), r#"invalid field: cannot use "***" or `***`"#);
        assert_eq!(careless("hun\"ter\n2"), r#"invalid field: cannot use "***" or `***`"#);
        assert_eq!(careless("hunter2, expected nothing"), r#"invalid field: cannot use "***" or `***`"#);
    }

    proptest! {
        #[test]
        fn no_text_shows_in_an_error(text in "\\PC{0,40}|[a\"'\\\\`, ]{0,12}|(secret ){20,40}") {
            // No URL begins so, so that nothing is accepted.
            let text = format!("-zq9x{text}");
            for value in [json!(text), json!([text]), json!({ "a": text })] {
                for error in [
                    decode::<Careless>(&value, "field").unwrap_err(),
                    decode::<u8>(&value, "field").unwrap_err(),
                    decode::<url::Url>(&value, "field").unwrap_err(),
                    decode::<opsorch_schema::Quorum>(&value, "field").unwrap_err(),
                    decode::<opsorch_schema::Capability>(&json!([value]), "field").unwrap_err(),
                ] {
                    prop_assert!(!format!("{error} {error:?}").contains("zq9"), "{}", error);
                }
            }
        }
    }

    #[test]
    fn a_piece_of_a_value_is_enough_to_drop_the_message() {
        let value = json!({ "outer": ["a-very-long-secret-value"] });
        assert_eq!(conceal("got `a-very-long-s`…", &value), "the value is not accepted");
        assert_eq!(conceal("expected a very long text", &value), "expected a very long text");
    }

    #[test]
    fn words_that_hold_a_short_value_stay_whole() {
        assert_eq!(conceal("expected env:NAME or file:PATH", &json!("env:")), "expected env:NAME or file:PATH");
    }

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("a\näö = 1", 7), "2, column 4");
        assert_eq!(position("", 0), "1, column 1");
    }
}
