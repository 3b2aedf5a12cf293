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
    let mut deserializer = serde_json::Deserializer::from_slice(body);
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

#[cfg(test)]
mod measured {
    use super::*;
    #[derive(serde::Deserialize)]
    struct A {
        hits: B,
    }
    #[derive(serde::Deserialize)]
    struct B {
        hits: Vec<C>,
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct C {
        #[serde(rename = "_index")]
        index: String,
        #[serde(rename = "_id")]
        id: String,
        #[serde(rename = "_source")]
        source: D,
        sort: (i64, i64),
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct D {
        message: String,
        log: L,
        service: S,
        #[serde(rename = "@timestamp")]
        t: String,
        #[serde(flatten)]
        rest: serde_json::Map<String, serde_json::Value>,
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct E {
        message: String,
        log: L,
        service: S,
        #[serde(rename = "@timestamp")]
        t: String,
        stream: String,
        host: serde_json::Value,
        kubernetes: serde_json::Value,
        trace: serde_json::Value,
        agent: serde_json::Value,
        http: serde_json::Value,
        event: serde_json::Value,
        labels: std::collections::BTreeMap<String, String>,
        tags: serde_json::Value,
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct A2 {
        hits: B2,
    }
    #[derive(serde::Deserialize)]
    struct B2 {
        hits: Vec<C2>,
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct C2 {
        #[serde(rename = "_index")]
        index: String,
        #[serde(rename = "_id")]
        id: String,
        #[serde(rename = "_source")]
        source: E,
        sort: (i64, i64),
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct L {
        level: String,
        logger: String,
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct S {
        name: String,
        environment: String,
    }
    #[test]
    fn measure() {
        for n in [1000usize, 10_000] {
            let hits: Vec<_> = (0..n).map(|i| serde_json::json!({"_index":".ds-logs-app-2026.01.01-000001","_id":format!("AZxyz{i:016}"),"_score":null,"_source":{
                "@timestamp":"2026-01-01T00:00:00.123Z","message":format!("GET /api/v1/orders/{i} 200 12ms user=alice some more text here to be realistic about it"),"log":{"level":"info","logger":"http"},
                "service":{"name":"shop","environment":"production"},"stream":"stdout","host":{"name":"node-1","ip":["10.0.0.1","10.0.0.2"]},"kubernetes":{"namespace":"shop","pod":{"name":"shop-5d4f","uid":"abc"},"labels":{"app":"shop"}},
                "trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736"},"agent":{"type":"filebeat","version":"9.1.0","id":"xx"},"http":{"request":{"method":"GET"},"response":{"status_code":200,"bytes":1234}},"event":{"duration":12345678,"dataset":"shop.access"},"labels":{"team":"core","region":"eu"},"tags":["a","b"]},"sort":[1767225600123i64 , i]})).collect();
            let body = serde_json::to_vec(&serde_json::json!({"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"max_score":null,"hits":hits}})).unwrap();
            let names = Names::new(&crate::elastic::FieldNames::default());
            let time = |f: &mut dyn FnMut()| {
                let mut best = f64::MAX;
                for _ in 0..15 {
                    let s = std::time::Instant::now();
                    f();
                    best = best.min(s.elapsed().as_secs_f64());
                }
                best * 1e3
            };
            let ours = time(&mut || {
                std::hint::black_box(read(&body, &names, Time::from_timestamp_millis).unwrap());
            });
            let typed = time(&mut || {
                std::hint::black_box(serde_json::from_slice::<A2>(&body).unwrap().hits.hits.len());
            });
            let flat = time(&mut || {
                std::hint::black_box(serde_json::from_slice::<A>(&body).unwrap().hits.hits.len());
            });
            let tree = time(&mut || {
                std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&body).unwrap());
            });
            println!(
                "{n}: body {} ours {ours:.2} typed {typed:.2} ratio {:.2} flatten {flat:.2} tree {tree:.2} ms",
                body.len(),
                ours / typed
            );
        }
    }
}
