//! Reads inputs as Go's decoder does, so that what an OpsOrch client sends is understood.
//!
//! * The name of a field is matched without regard to case; the exact spelling wins.
//! * `null`, and a field that is not there, is the zero value: no text, no list, no time.
//! * In all but changes of existing things, an empty text and the number 0 are as good as absent.
//! * Only the first JSON value of a body is read. Unknown fields are refused, at any depth that has types.

use std::borrow::Cow;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde_json::{Error, Map, Value};

/// What Go prints for a time that was never set.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Reads the first value of a body.
pub(super) fn first_value(body: &[u8]) -> Result<Value, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::custom("EOF"));
    }
    Value::deserialize(&mut serde_json::Deserializer::from_slice(body))
}

/// An input on its way to its type.
#[derive(Clone, Debug)]
pub(super) struct GoInput {
    value: Value,
    /// Whether an optional field is a pointer in Go, so that empty and absent differ.
    pointers: bool,
}

impl GoInput {
    pub(super) fn new(value: Value, pointers: bool) -> Self {
        Self { value, pointers }
    }

    fn with(&self, value: Value) -> Self {
        Self { value, pointers: self.pointers }
    }

    /// The fields of an object, by the names of the type; those that are missing are `null`.
    fn named(self, fields: &'static [&'static str]) -> Result<Vec<(Cow<'static, str>, Self)>, Error> {
        let pointers = self.pointers;
        let object = match self.value {
            Value::Null => Map::new(),
            Value::Object(object) => object,
            other => return Err(Error::invalid_type(unexpected(&other), &"an object")),
        };
        let mut found: Vec<_> = fields.iter().map(|field| (Cow::Borrowed(*field), Value::Null)).collect();
        let mut exact = vec![false; found.len()];
        for (key, value) in object {
            let known = fields.iter().position(|field| *field == key);
            let alike = known.or_else(|| fields.iter().position(|field| field.eq_ignore_ascii_case(&key)));
            let place = alike.and_then(|at| Some((found.get_mut(at)?, exact.get_mut(at)?)));
            match place {
                Some(((_, place), was_exact)) if known.is_some() || !*was_exact => {
                    *was_exact = known.is_some();
                    *place = value;
                }
                Some(_) => {}
                None => found.push((key.into(), value)),
            }
        }
        Ok(found.into_iter().map(|(key, value)| (key, Self { value, pointers })).collect())
    }
}

fn unexpected(value: &Value) -> de::Unexpected<'_> {
    match value {
        Value::Null => de::Unexpected::Unit,
        Value::Bool(flag) => de::Unexpected::Bool(*flag),
        Value::Number(_) => de::Unexpected::Other("number"),
        Value::String(text) => de::Unexpected::Str(text),
        Value::Array(_) => de::Unexpected::Seq,
        Value::Object(_) => de::Unexpected::Map,
    }
}

impl<'de> IntoDeserializer<'de, Error> for GoInput {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for GoInput {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(MapDeserializer::new(self.named(fields)?.into_iter()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let is_zero = match &self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty() && !self.pointers,
            Value::Number(number) => number.as_u64() == Some(0) && !self.pointers,
            _ => false,
        };
        if is_zero { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = match &self.value {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(|item| self.with(item.clone())).collect(),
            other => return Err(Error::invalid_type(unexpected(other), &visitor)),
        };
        visitor.visit_seq(SeqDeserializer::new(items.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Null => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(String, Self)>())),
            Value::Object(object) => {
                let entries: Vec<_> =
                    object.iter().map(|(key, value)| (key.clone(), self.with(value.clone()))).collect();
                visitor.visit_map(MapDeserializer::new(entries.into_iter()))
            }
            other => Err(Error::invalid_type(unexpected(other), &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_string(String::new()),
            value => value.deserialize_string(visitor),
        }
    }

    /// Times ask for a borrowed text; texts for an owned one.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_str(ZERO_TIME),
            value => value.deserialize_str(visitor),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_any(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_u32(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use opsorch_schema::{IncidentQuery, LogQuery, MetricQuery, TimelineAppend, UpdateIncident, UpdateTicket};
    use serde_json::json;

    use super::*;

    fn read<T: Deserialize<'static>>(body: &str) -> Result<T, Error> {
        T::deserialize(GoInput::new(first_value(body.as_bytes())?, false))
    }

    #[test]
    fn names_match_without_case_and_the_exact_spelling_wins() {
        assert_eq!(read::<IncidentQuery>(r#"{"LIMIT": 5, "Scope": {"SERVICE": "api"}}"#).unwrap().limit, Some(5));
        for body in [r#"{"LIMIT": 5, "limit": 7}"#, r#"{"limit": 7, "LIMIT": 5}"#, r#"{"limit": 5, "limit": 7}"#] {
            assert_eq!(read::<IncidentQuery>(body).unwrap().limit, Some(7), "{body}");
        }
    }

    #[test]
    fn null_absent_and_zero_are_the_same() {
        for body in ["null", "{}", r#"{"limit": 0, "query": "", "statuses": null, "scope": null, "metadata": null}"#] {
            assert_eq!(read::<IncidentQuery>(body).unwrap(), IncidentQuery::new(), "{body}");
        }
        assert_eq!(read::<LogQuery>("{}").unwrap().start.timestamp(), -62_135_596_800);
        assert_eq!(read::<MetricQuery>(r#"{"step": null}"#).unwrap().step, 0);
        assert_eq!(read::<TimelineAppend>("{}").unwrap().at, None);
    }

    #[test]
    fn pointers_tell_empty_from_absent() {
        let go = |value| GoInput::new(value, true);
        let update = UpdateIncident::deserialize(go(json!({ "id": "i", "title": "", "service": null }))).unwrap();
        assert_eq!((update.title.as_deref(), update.service), (Some(""), None));
        let update = UpdateTicket::deserialize(go(json!({ "id": "t", "assignees": [] }))).unwrap();
        assert_eq!(update.assignees, Some(Vec::new()));
    }

    #[test]
    fn unknown_fields_are_refused_at_any_depth_but_not_in_maps() {
        for body in [r#"{"bogus": 1}"#, r#"{"scope": {"bogus": 1}}"#] {
            assert!(read::<IncidentQuery>(body).unwrap_err().to_string().contains("unknown field `bogus`"), "{body}");
        }
        let query = read::<IncidentQuery>(r#"{"metadata": {"bogus": {"Deep": [1, null, ""]}}}"#).unwrap();
        assert_eq!(query.metadata["bogus"], json!({ "Deep": [1, null, ""] }));
    }

    #[test]
    fn only_the_first_value_is_read_and_nothing_is_eof() {
        assert_eq!(read::<IncidentQuery>("{\"limit\": 3} trailing").unwrap().limit, Some(3));
        for body in ["", " \n"] {
            assert_eq!(read::<IncidentQuery>(body).unwrap_err().to_string(), "EOF");
        }
    }

    #[test]
    fn integers_are_literals_and_times_are_texts_with_a_zone() {
        for body in [r#"{"limit": 1.0}"#, r#"{"limit": 1e2}"#, r#"{"limit": "1"}"#, r#"{"limit": -1}"#, "[]", "1"] {
            assert!(read::<IncidentQuery>(body).is_err(), "{body}");
        }
        for time in [r#""""#, r#""2026-01-01""#, r#""2026-01-01T00:00:00""#, "1"] {
            assert!(read::<LogQuery>(&format!("{{\"start\": {time}}}")).is_err(), "{time}");
        }
        let query = read::<LogQuery>(r#"{"start": "2026-01-01T00:00:00.5-07:00"}"#).unwrap();
        assert_eq!(query.start.to_rfc3339(), "2026-01-01T07:00:00.500+00:00");
    }
}
