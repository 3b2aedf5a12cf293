//! Log entries. Texts borrow from the answer where nothing in them is escaped.

use std::borrow::Cow;
use std::fmt;

use opsorch::Fields;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::null_as_default;

/// What is looked for.
#[derive(Debug, Serialize)]
pub(in crate::datadog) struct LogSearch<'a> {
    pub(in crate::datadog) filter: Filter<'a>,
    pub(in crate::datadog) sort: &'static str,
    pub(in crate::datadog) page: Paging<'a>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::datadog) struct Filter<'a> {
    pub(in crate::datadog) query: &'a str,
    /// Milliseconds since 1970, as text.
    pub(in crate::datadog) from: &'a str,
    pub(in crate::datadog) to: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(in crate::datadog) indexes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::datadog) storage_tier: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(in crate::datadog) struct Paging<'a> {
    pub(in crate::datadog) limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::datadog) cursor: Option<&'a str>,
}

/// Reads a page of entries. Each is handed over when it is read, so that they are not gathered twice.
pub(in crate::datadog) fn read<'a>(page: &'a str, each: impl FnMut(Log<'a>)) -> serde_json::Result<Meta> {
    let mut deserializer = serde_json::Deserializer::from_str(page);
    let meta = deserializer.deserialize_map(Page(each))?;
    deserializer.end()?;
    Ok(meta)
}

struct Page<F>(F);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Data,
    Meta,
    #[serde(other)]
    Other,
}

impl<'de, F: FnMut(Log<'de>)> Visitor<'de> for Page<F> {
    type Value = Meta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of logs")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Meta, A::Error> {
        let (mut meta, mut has_data) = (Meta::default(), false);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Data => {
                    map.next_value_seed(Each(&mut self.0))?;
                    has_data = true;
                }
                Key::Meta => meta = map.next_value::<Option<Meta>>()?.unwrap_or_default(),
                Key::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        if has_data { Ok(meta) } else { Err(A::Error::missing_field("data")) }
    }
}

struct Each<'f, F>(&'f mut F);

impl<'de, F: FnMut(Log<'de>)> DeserializeSeed<'de> for Each<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Log<'de>)> Visitor<'de> for Each<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of logs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(log) = list.next_element()? {
            (self.0)(log);
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Log<'a> {
    #[serde(borrow, default)]
    pub(in crate::datadog) id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) attributes: Attributes<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::datadog) struct Attributes<'a> {
    #[serde(borrow, default)]
    pub(in crate::datadog) timestamp: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::datadog) message: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::datadog) status: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::datadog) service: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::datadog) host: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) tags: Vec<Text<'a>>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) attributes: Fields,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::datadog) struct Meta {
    #[serde(default)]
    pub(in crate::datadog) status: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) warnings: Vec<Warning>,
    #[serde(default)]
    page: Option<After>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::datadog) struct Warning {
    #[serde(default)]
    pub(in crate::datadog) code: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) title: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) detail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct After {
    #[serde(default)]
    after: Option<String>,
}

impl Meta {
    /// Where the next page begins.
    pub(in crate::datadog) fn after(&mut self) -> Option<String> {
        self.page.take()?.after.filter(|after| !after.is_empty())
    }
}

/// A text, borrowed where it can be: serde borrows a [`Cow`] only where it is told to, and not inside an [`Option`].
#[derive(Debug, Default)]
pub(in crate::datadog) struct Text<'a>(pub(in crate::datadog) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Borrowed<'b>(#[serde(borrow)] Cow<'b, str>);
        Borrowed::deserialize(deserializer).map(|Borrowed(text)| Self(text))
    }
}
