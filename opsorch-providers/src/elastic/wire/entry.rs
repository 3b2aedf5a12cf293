//! The source of a hit, read straight from the bytes into a log entry: what has a place goes there, and a value is made
//! only of what goes to the other fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use opsorch::{Fields, LogEntry, Time};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::names::{Names, Role};
use crate::elastic::map;

/// An entry in the making.
#[derive(Debug, Default)]
pub(super) struct Draft<'n> {
    message: Slot<'n>,
    severity: Slot<'n>,
    service: Slot<'n>,
    labels: BTreeMap<String, String>,
    fields: Fields,
}

/// A text for a place: its rank, its name, and itself.
type Slot<'n> = Option<(usize, &'n str, String)>;

impl<'n> Draft<'n> {
    /// Puts a text where it belongs. Of several, the one whose name comes first stays; others are fields.
    fn put(&mut self, names: &'n Names, text: String) {
        let Some(place) = names.place() else { return };
        let slot = match place.role {
            Role::Timestamp => return,
            Role::Message => &mut self.message,
            Role::Severity => &mut self.severity,
            Role::Service => &mut self.service,
        };
        let mut other = Some((place.rank, place.name.as_str(), text));
        if slot.as_ref().is_none_or(|(rank, ..)| place.rank < *rank) {
            std::mem::swap(slot, &mut other);
        }
        if let Some((_, name, text)) = other {
            self.fields.insert(name.to_owned(), Value::String(text));
        }
    }

    /// Puts a member that has no place: a text of the outermost object is a label, everything else a field.
    fn put_other(&mut self, name: String, value: Value) {
        match value {
            Value::String(text) => _ = self.labels.insert(name, text),
            value => _ = self.fields.insert(name, value),
        }
    }

    pub(super) fn finish(self, time: Time, index: String, id: String) -> LogEntry {
        let message = self.message.map(|(.., text)| text).unwrap_or_default();
        let mut entry = LogEntry::new(time, message);
        if let Some((.., word)) = self.severity {
            entry.severity = Some(map::severity(&word));
            entry.severity_raw = Some(word);
        }
        entry.service = self.service.map(|(.., service)| service);
        entry.labels = self.labels;
        entry.fields = self.fields;
        entry.metadata.insert(map::ID.to_owned(), Value::String(id));
        entry.metadata.insert(map::INDEX.to_owned(), Value::String(index));
        entry
    }
}

/// Reads `_source`.
pub(super) struct Source<'d, 'n> {
    pub(super) names: &'n Names,
    pub(super) draft: &'d mut Draft<'n>,
}

impl<'de> DeserializeSeed<'de> for Source<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Source<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of a hit")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let Some(names) = self.names.below(&key) else {
                self.draft.put_other(key.into_owned(), map.next_value()?);
                continue;
            };
            match map.next_value_seed(Member { names, draft: self.draft })? {
                Some(rest) if names.place().is_some() => _ = self.draft.fields.insert(key.into_owned(), rest),
                Some(rest) => self.draft.put_other(key.into_owned(), rest),
                None => {}
            }
        }
        Ok(())
    }
}

/// Reads the name of a member, which is not copied unless somebody keeps it.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Reads what may hold something that has a place. What is left of it is returned.
struct Member<'d, 'n> {
    names: &'n Names,
    draft: &'d mut Draft<'n>,
}

impl Member<'_, '_> {
    fn scalar(self, value: Value) -> Option<Value> {
        match self.names.place().map(|place| place.role) {
            None => Some(value),
            // The hit says the time as the cluster orders by it.
            Some(Role::Timestamp) => None,
            Some(_) => {
                self.draft.put(self.names, value.to_string());
                None
            }
        }
    }
}

/// The length of `2026-01-01T00:00:00.123Z`. What is longer may say more than the cluster keeps of a `date`.
const MILLISECONDS: usize = 24;

impl<'de> DeserializeSeed<'de> for Member<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Value>, E> {
        Ok(match self.names.place().map(|place| place.role) {
            None => Some(Value::from(text)),
            Some(Role::Timestamp) => (text.len() > MILLISECONDS).then(|| Value::from(text)),
            Some(_) => {
                self.draft.put(self.names, text.to_owned());
                None
            }
        })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<Value>, E> {
        Ok(self.scalar(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<Value>, E> {
        Ok(self.scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<Value>, E> {
        Ok(self.scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<Value>, E> {
        Ok(self.scalar(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    /// Of a list the first text is taken, and the list stays where it says more.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Value>, A::Error> {
        let mut all = Vec::<Value>::new();
        while let Some(value) = list.next_element()? {
            all.push(value);
        }
        let is_text = self.names.place().is_some_and(|place| place.role != Role::Timestamp);
        let first = all.first().and_then(Value::as_str).filter(|_| is_text).map(str::to_owned);
        let is_taken = first.is_some() && all.len() == 1;
        if let Some(first) = first {
            self.draft.put(self.names, first);
        }
        Ok((!is_taken && !all.is_empty()).then_some(Value::Array(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let mut rest = Map::new();
        while let Some(key) = map.next_key_seed(Key)? {
            let value = match self.names.below(&key) {
                Some(names) => map.next_value_seed(Member { names, draft: self.draft })?,
                None => Some(map.next_value()?),
            };
            match value {
                Some(Value::String(text)) if self.names.holds_labels => {
                    self.draft.labels.insert(format!("labels.{key}"), text);
                }
                Some(value) => _ = rest.insert(key.into_owned(), value),
                None => {}
            }
        }
        Ok((!rest.is_empty()).then_some(Value::Object(rest)))
    }
}
