//! What is said of a node or a mark beside its kind.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::jira::wire::Name;

/// Attributes in the order of their names. They are so few that a list is quicker to make than a map.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attributes<'a>(Vec<(Cow<'a, str>, Attribute<'a>)>);

impl<'a> Attributes<'a> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Attribute::Text(text) => Some(text),
            Attribute::Other(_) => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Attribute::Text(_) => None,
            Attribute::Other(value) => value.as_u64(),
        }
    }

    fn get(&self, name: &str) -> Option<&Attribute<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn insert(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Attribute<'a>>) {
        let (name, value) = (name.into(), value.into());
        let place = self.0.partition_point(|(known, _)| *known < name);
        match self.0.get_mut(place).filter(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.insert(place, (name, value)),
        }
    }
}

/// The value of an attribute: mostly a text, which need not be copied.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Attribute<'a> {
    Text(Cow<'a, str>),
    Other(Value),
}

impl From<&str> for Attribute<'_> {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned().into())
    }
}

impl From<String> for Attribute<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Attribute<'_> {
    fn from(number: u64) -> Self {
        Self::Other(number.into())
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachAttribute)
    }
}

struct EachAttribute;

impl<'de> Visitor<'de> for EachAttribute {
    type Value = Attributes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attributes of a node")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        while let Some((Name(name), value)) = map.next_entry::<_, Attribute<'de>>()? {
            attributes.insert(name, value);
        }
        Ok(attributes)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Attribute<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Borrows a text. A derived reader would keep the value first, to look at it twice.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Attribute<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Attribute::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Attribute::Other(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Attribute::Other(number.into()))
    }

    fn visit_bool<E>(self, is_so: bool) -> Result<Self::Value, E> {
        Ok(Attribute::Other(is_so.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Attribute::Other(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items)).map(Attribute::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(members)).map(Attribute::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_an_attribute_holds_is_kept() {
        let values = json!({
            "a": "text", "b": "a \"quoted\"\n", "c": 3, "d": -3, "e": 0.5, "f": true, "g": null,
            "h": [1, "two", null], "i": { "deep": { "er": [] } },
        });
        let text = values.to_string();
        let attributes: Attributes<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(json!(attributes), values);
        assert_eq!((attributes.text("b"), attributes.number("c")), (Some("a \"quoted\"\n"), Some(3)));
        assert_eq!((attributes.text("c"), attributes.number("a"), attributes.text("z")), (None, None, None));
    }

    #[test]
    fn the_last_of_two_attributes_of_one_name_holds_in_any_order() {
        let [one, other] = [r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#]
            .map(|text| serde_json::from_str::<Attributes<'_>>(text).unwrap());
        assert_eq!(one, other);
    }
}
