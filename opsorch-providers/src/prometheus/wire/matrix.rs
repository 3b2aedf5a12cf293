//! The result of a query, read straight from the bytes into points: a matrix is most of what Prometheus ever sends, and
//! neither a value nor a string is made for a sample on the way.

use std::fmt;

use opsorch::signal;
use opsorch::{MetricPoint, Time};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Envelope;
use super::field::at_most;
use crate::prometheus::promql::NAME;

mod quick;

/// Reads the answer to a query; `None` where it is none.
pub(in crate::prometheus) fn read(body: &[u8]) -> Option<Envelope<QueryResult>> {
    quick::read(body).or_else(|| serde_json::from_slice(body).ok())
}

/// `data` of `/api/v1/query` and `/api/v1/query_range`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct QueryResult {
    /// `matrix`, `vector`, `scalar` or `string`.
    pub(in crate::prometheus) result_type: String,
    #[serde(deserialize_with = "at_most::<_, _, MOST_SERIES>")]
    pub(in crate::prometheus) result: Vec<Part>,
}

/// The most series that are read of one answer.
const MOST_SERIES: usize = 200_000;

/// An element of `result`: a series of a matrix or a vector, or one of the two parts of a scalar or a string.
#[derive(Debug)]
pub(in crate::prometheus) enum Part {
    Series(Series),
    Time(Time),
    Text(String),
}

/// A series of a matrix, or one of a vector, which has one sample.
#[derive(Debug, Default)]
pub(in crate::prometheus) struct Series {
    pub(in crate::prometheus) name: Option<String>,
    /// The other labels, sorted.
    pub(in crate::prometheus) labels: Vec<(String, String)>,
    pub(in crate::prometheus) points: Vec<MetricPoint>,
    pub(in crate::prometheus) dropped: Dropped,
}

/// How many samples are no points, because they are no finite numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::prometheus) struct Dropped {
    pub(in crate::prometheus) samples: signal::Dropped,
    pub(in crate::prometheus) histograms: u64,
}

impl Dropped {
    pub(in crate::prometheus) fn add(&mut self, other: Self) {
        self.samples.add(other.samples);
        self.histograms += other.histograms;
    }
}

impl Series {
    /// What tells it from others, and by which they are ordered.
    pub(in crate::prometheus) fn key(&self) -> (Option<&str>, &[(String, String)]) {
        (self.name.as_deref(), &self.labels)
    }

    /// Adds a sample as a point, or counts it as dropped.
    pub(in crate::prometheus) fn push(&mut self, time: Time, value: f64) {
        if let Some(point) = self.dropped.samples.point(time, value) {
            self.points.push(point);
        }
    }
}

/// Reads the number that a sample is: Prometheus writes it as Go does, `NaN`, `+Inf` and `-Inf` included.
pub(in crate::prometheus) fn parse_value(text: &str) -> Option<f64> {
    text.parse().ok()
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series, a time or a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut series = Series::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Metric => (series.name, series.labels) = map.next_value::<Labels>()?.0,
                Key::Values => map.next_value_seed(Samples(&mut series))?,
                Key::Value => map.next_value_seed(OneSample(&mut series))?,
                Key::Histograms => series.dropped.histograms += map.next_value::<Vec<IgnoredAny>>()?.len() as u64,
                Key::Histogram => {
                    map.next_value::<IgnoredAny>()?;
                    series.dropped.histograms += 1;
                }
                Key::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Part::Series(series))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Part, E> {
        to_time(seconds).map(Part::Time)
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Part, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Part, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Part, E> {
        Ok(Part::Text(text.to_owned()))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Metric,
    Values,
    Value,
    Histograms,
    Histogram,
    #[serde(other)]
    Other,
}

/// The name, and the other labels in order.
struct Labels((Option<String>, Vec<(String, String)>));

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;

        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let (mut name, mut labels) = (None, Vec::new());
                while let Some((label, value)) = map.next_entry::<String, String>()? {
                    match label == NAME {
                        true => name = Some(value),
                        false => labels.push((label, value)),
                    }
                }
                labels.sort_unstable();
                Ok(Labels((name, labels)))
            }
        }

        deserializer.deserialize_map(LabelsVisitor)
    }
}

/// Reads `values` into a series.
struct Samples<'a>(&'a mut Series);

impl<'de> DeserializeSeed<'de> for Samples<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut samples: A) -> Result<(), A::Error> {
        while samples.next_element_seed(OneSample(self.0))?.is_some() {}
        Ok(())
    }
}

/// Reads `[1435781451.781,"1"]` into a series.
struct OneSample<'a>(&'a mut Series);

impl<'de> DeserializeSeed<'de> for OneSample<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for OneSample<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time and a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sample: A) -> Result<(), A::Error> {
        let missing = |part| A::Error::invalid_length(part, &"a time and a value");
        let seconds = sample.next_element()?.ok_or_else(|| missing(0))?;
        let Value(value) = sample.next_element()?.ok_or_else(|| missing(1))?;
        self.0.push(to_time(seconds)?, value);
        Ok(())
    }
}

struct Value(f64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl Visitor<'_> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                parse_value(text).map(Value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(ValueVisitor)
    }
}

/// Prometheus counts in milliseconds.
#[allow(clippy::cast_possible_truncation)] // what is too large becomes the largest, which is no time
fn to_time<E: Error>(seconds: f64) -> Result<Time, E> {
    let time = Time::from_timestamp_millis((seconds * 1000.0).round() as i64);
    time.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(seconds), &"seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The envelope around these series, as Prometheus writes it.
    fn body(series: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}},"warnings":["w"]}}"#)
    }

    /// All that a reader found; `{:?}` tells the bits of floats apart, 0 and -0 too.
    fn found(envelope: Option<Envelope<QueryResult>>) -> Option<String> {
        envelope.map(|envelope| format!("{envelope:?}"))
    }

    fn slow(body: &str) -> Option<String> {
        found(serde_json::from_str(body).ok())
    }

    /// Times and values as Prometheus writes them, and otherwise.
    fn samples() -> impl Strategy<Value = String> {
        let time = prop_oneof![
            (0..9_999_999_999_u64).prop_map(|seconds| seconds.to_string()),
            (0..9_999_999_999_999_i64).prop_map(|time| format!("{}.{:03}", time / 1000, time % 1000)),
            (0..99_999_999_999_i64).prop_map(|time| format!("{}.{}", time / 10, time % 10)),
        ];
        let value = prop_oneof![
            any::<f64>().prop_map(|value| value.to_string()),
            any::<f64>().prop_map(|value| format!("{value:e}")),
            any::<i64>().prop_map(|value| value.to_string()),
            (any::<i32>(), 0..22_usize).prop_map(|(value, places)| format!("{value}.{:0places$}", 7)),
            (0..10_000_000_000_000_000_u64, 0..1_000_u32).prop_map(|(whole, part)| format!("{whole}.{part}")),
            prop_oneof![Just("NaN"), Just("+Inf"), Just("-Inf"), Just("-0"), Just("5e-324")].prop_map(str::to_owned),
        ];
        prop::collection::vec((time, value), 1..20).prop_map(|samples| {
            let samples = samples.iter().map(|(time, value)| format!(r#"[{time},"{value}"]"#));
            samples.collect::<Vec<_>>().join(",")
        })
    }

    proptest! {
        #[test]
        fn the_quick_reader_reads_what_serde_reads(all in prop::collection::vec((any::<String>(), samples()), 1..4)) {
            let series = all.iter().map(|(label, samples)| {
                let metric = serde_json::json!({ "__name__": "up", "label": label });
                format!(r#"{{"metric":{metric},"values":[{samples}]}}"#)
            });
            let body = body(&series.collect::<Vec<_>>().join(","));
            let quick = found(quick::read(body.as_bytes()));
            prop_assert!(quick.is_some(), "this is how servers write");
            prop_assert_eq!(quick, slow(&body));
        }

        #[test]
        fn what_is_broken_anywhere_is_left_to_serde(
            samples in samples(), at: prop::sample::Index, byte in any::<char>(),
        ) {
            let whole = body(&format!(r#"{{"metric":{{"a":"b"}},"values":[{samples}]}}"#));
            let mut broken: Vec<char> = whole.chars().collect();
            let at = at.index(broken.len());
            broken[at] = byte;
            let broken: String = broken.into_iter().collect();
            if let Some(quick) = found(quick::read(broken.as_bytes())) {
                prop_assert_eq!(Some(quick), slow(&broken));
            }
        }
    }

    #[test]
    fn what_servers_do_not_write_is_left_to_serde() {
        let sample = r#"{"metric":{},"values":[[1,"1"]]}"#;
        for series in [
            r#"{"metric":{},"values":[]}"#,
            r#"{"metric":{},"value":[1,"1"]}"#,
            r#"{"metric":{},"values":[[1.0001,"1"]]}"#,
            r#"{"metric":{},"values":[[-1,"1"]]}"#,
            r#"{"metric":{},"values":[[1, "1"]]}"#,
            r#"{"metric":{},"values":[[1,"\u0031"]]}"#,
            r#"{"metric":{},"values":[[,"1"]]}"#,
            r#"{"metric":{},"values":[[01,"1"]]}"#,
            r#"{"metric":{},"values":[[1.,"1"]]}"#,
            r#"{"metric":{},"values":[[1,""]]}"#,
            r#"{"metric":{},"values":[[1,"1"]],"histograms":[]}"#,
            "",
        ] {
            assert!(quick::read(body(series).as_bytes()).is_none(), "{series}");
        }
        assert!(quick::read(body(sample).as_bytes()).is_some());
        let elsewhere = format!(r#"{{"status":"success","x":{{"y":1,"result":[{sample}]}},"data":{{}}}}"#);
        assert!(quick::read(elsewhere.as_bytes()).is_none());
        let twice = body(sample).replace(r#","warnings""#, r#","data":{"resultType":"x","result":[]},"warnings""#);
        assert_eq!(found(quick::read(twice.as_bytes())), slow(&twice));
    }
}
