//! The answer to a search. The names of fields go down with the readers, so that no tree is made of a hit.

use std::fmt;

use opsorch::{LogEntry, Time};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::entry::{Draft, Source};
use super::names::Names;
use super::{Clusters, Shards};

/// What a search found.
#[derive(Debug, Default)]
pub(in crate::elastic) struct Answer {
    /// The point in time as it is to be named from now on.
    pub(in crate::elastic) pit: Option<String>,
    pub(in crate::elastic) timed_out: bool,
    pub(in crate::elastic) shards: Shards,
    pub(in crate::elastic) clusters: Clusters,
    pub(in crate::elastic) hits: Vec<LogEntry>,
    /// What the last hit is ordered by: its time, as the cluster counts, and what tells it from others of that time.
    pub(in crate::elastic) last: Option<(i64, i64)>,
    /// How many hits came without a source.
    pub(in crate::elastic) without_source: usize,
}

/// Reads an answer. `to_time` knows how the cluster counts time.
pub(in crate::elastic) fn read(
    body: &[u8],
    names: &Names,
    to_time: fn(i64) -> Option<Time>,
) -> serde_json::Result<Answer> {
    // All of it is known to be UTF-8 sooner than each text in it.
    let text = std::str::from_utf8(body).map_err(serde_json::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let answer = Reader { names, to_time }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(answer)
}

#[derive(Clone, Copy)]
struct Reader<'n> {
    names: &'n Names,
    to_time: fn(i64) -> Option<Time>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    PitId,
    TimedOut,
    #[serde(rename = "_shards")]
    Shards,
    #[serde(rename = "_clusters")]
    Clusters,
    Hits,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Answer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Answer, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer to a search")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answer, A::Error> {
        let (mut answer, mut has_shards, mut has_hits) = (Answer::default(), false, false);
        while let Some(key) = map.next_key()? {
            match key {
                Key::PitId => answer.pit = map.next_value()?,
                Key::TimedOut => answer.timed_out = map.next_value()?,
                Key::Shards => (answer.shards, has_shards) = (map.next_value()?, true),
                Key::Clusters => answer.clusters = map.next_value()?,
                Key::Hits => {
                    map.next_value_seed(Hits { reader: self, answer: &mut answer })?;
                    has_hits = true;
                }
                Key::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        match (has_shards, has_hits) {
            (true, true) => Ok(answer),
            (false, _) => Err(A::Error::missing_field("_shards")),
            (_, false) => Err(A::Error::missing_field("hits")),
        }
    }
}

/// Reads `hits`, whose member `hits` is the list; it also has totals, which nobody asked for.
struct Hits<'n, 'a> {
    reader: Reader<'n>,
    answer: &'a mut Answer,
}

impl<'de> DeserializeSeed<'de> for Hits<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Hits<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hits")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            match key {
                Key::Hits => map.next_value_seed(Hits { reader: self.reader, answer: &mut *self.answer })?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Hit { reader: self.reader, answer: &mut *self.answer })?.is_some() {}
        Ok(())
    }
}

/// Reads one hit.
struct Hit<'n, 'a> {
    reader: Reader<'n>,
    answer: &'a mut Answer,
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum HitKey {
    #[serde(rename = "_index")]
    Index,
    #[serde(rename = "_id")]
    Id,
    #[serde(rename = "_source")]
    Source,
    #[serde(rename = "sort")]
    Sort,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Hit<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Hit<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hit")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut index, mut id, mut sort) = (None, None, None::<(Count, Count)>);
        let (mut draft, mut has_source) = (Draft::default(), false);
        while let Some(key) = map.next_key()? {
            match key {
                HitKey::Index => index = Some(map.next_value()?),
                HitKey::Id => id = Some(map.next_value()?),
                HitKey::Sort => sort = Some(map.next_value()?),
                HitKey::Source => {
                    map.next_value_seed(Source { names: self.reader.names, draft: &mut draft })?;
                    has_source = true;
                }
                HitKey::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let index = index.ok_or_else(|| A::Error::missing_field("_index"))?;
        let id = id.ok_or_else(|| A::Error::missing_field("_id"))?;
        let (Count(time), Count(tiebreak)) = sort.ok_or_else(|| A::Error::missing_field("sort"))?;
        let at = (self.reader.to_time)(time).ok_or_else(|| A::Error::custom("a time that is none"))?;
        self.answer.hits.push(draft.finish(at, index, id));
        self.answer.last = Some((time, tiebreak));
        self.answer.without_source += usize::from(!has_source);
        Ok(())
    }
}

/// A number; a large one may be written as a text.
struct Count(i64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;

        impl Visitor<'_> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Count, E> {
                Ok(Count(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Count, E> {
                i64::try_from(number).map(Count).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map(Count).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(CountVisitor)
    }
}
