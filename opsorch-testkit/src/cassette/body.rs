//! Bodies, headers and parameters as a cassette writes them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::transport::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Number, Value};
use url::form_urlencoded;

/// The deepest JSON that is embedded as such: JSON is read 128 levels deep, and the cassette needs some of them.
const DEEPEST: usize = 100;

/// A body as people read it best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    /// An object or an array.
    Json(Value),
    /// The fields of a form.
    Form(Pairs),
    /// Any other text.
    Text(String),
    /// What is not UTF-8.
    #[serde(with = "as_base64")]
    Base64(Vec<u8>),
}

impl Body {
    /// The bytes to send: JSON without spaces and with its keys sorted, everything else as it was.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Json(value) => value.to_string().into(),
            Self::Form(pairs) => {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter()).finish().into()
            }
            Self::Text(text) => text.clone().into(),
            Self::Base64(bytes) => bytes.clone().into(),
        }
    }
}

/// The object or array that this text is, its keys sorted. A scalar is kept as text.
pub(super) fn parse_json(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object() || value.is_array()).map(sorted)
}

/// Whether the value says all that its text says: no number that changes, no name that comes twice; and not too deep.
pub(super) fn is_faithful(text: &str, value: &Value) -> bool {
    let (mut names_left, mut depth, mut rest) = (names(value), 0_usize, text);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' => {
                let length = rest.find(|digit: char| !"+-.0123456789eE".contains(digit)).unwrap_or(rest.len());
                if !rest.get(..length).is_some_and(is_kept) {
                    return false;
                }
                length
            }
            _ => first.len_utf8(),
        };
        match first {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if names_left == 0 => return false,
            ':' => names_left -= 1,
            _ => {}
        }
        if depth > DEEPEST {
            return false;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

fn is_kept(number: &str) -> bool {
    serde_json::from_str::<Number>(number).is_ok_and(|kept| kept.to_string() == number)
}

/// How many names the objects of a value have.
fn names(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len() + fields.values().map(names).sum::<usize>(),
        Value::Array(items) => items.iter().map(names).sum(),
        _ => 0,
    }
}

/// How long the JSON string is that this text begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Puts the keys of every object in order, whatever order the map of `serde_json` is compiled to keep.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> =
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

/// Names with their values, in order of the names. One value is written as text, several as a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pairs(BTreeMap<String, Vec<String>>);

impl Pairs {
    /// Adds a pair behind those of its name.
    pub(super) fn push(&mut self, name: String, value: String) {
        self.0.entry(name).or_default().push(value);
    }

    /// The same pairs in an order that does not depend on how they came, for what is a set.
    pub(super) fn unordered(mut self) -> Self {
        self.0.values_mut().for_each(|values| values.sort());
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name().flat_map(|(name, values)| values.iter().map(move |value| (name, value.as_str())))
    }

    pub(crate) fn by_name(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    pub(crate) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, values)| match values.as_slice() {
            [value] => (name, OneOrMany::One(value.clone())),
            values => (name, OneOrMany::Many(values.to_vec())),
        }))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = BTreeMap::<String, OneOrMany>::deserialize(deserializer)?;
        Ok(Self(pairs.into_iter().map(|(name, values)| (name, values.into())).collect()))
    }
}

impl From<OneOrMany> for Vec<String> {
    fn from(values: OneOrMany) -> Self {
        match values {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        }
    }
}

mod as_base64 {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|error| de::Error::custom(format!("expected base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_would_change_is_not_faithful() {
        let deep = "[".repeat(DEEPEST + 1) + &"]".repeat(DEEPEST + 1);
        for text in [r#"{"a":1e5}"#, "[1.10]", "[123456789012345678901]", r#"{"a":1,"a":1}"#, "[-0]", &deep] {
            assert!(!is_faithful(text, &parse_json(text).unwrap()), "{text}");
        }
        for text in
            [r#"{"a" : [ -1, 2.5, "1e5 \\\" : {" ] , "b":{"a":null}}"#, "[]", "[1.0, true, 18446744073709551615]"]
        {
            assert!(is_faithful(text, &parse_json(text).unwrap()), "{text}");
        }
        assert_eq!(parse_json("17"), None);
    }
}
