//! What JSON:API has in common everywhere.

use serde::{Deserialize, Deserializer, Serialize};

use crate::datadog::list::{Keyed, Part};

/// `{"data": …, "included": […]}`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>, I: Deserialize<'de>"))]
pub(in crate::datadog) struct Document<T, I = serde::de::IgnoredAny> {
    pub(in crate::datadog) data: T,
    #[serde(default = "Vec::new")]
    pub(in crate::datadog) included: Vec<I>,
    #[serde(default)]
    meta: Option<Meta>,
}

/// Each list says in its own way how many there are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    pagination: Option<Total>,
    page: Option<Total>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Total {
    #[serde(alias = "total_filtered_count")]
    total: Option<usize>,
}

impl<T, I> Part for Document<Vec<T>, I>
where
    T: for<'de> Deserialize<'de> + Keyed,
    I: for<'de> Deserialize<'de>,
{
    type Item = T;

    fn total(&self) -> Option<usize> {
        let meta = self.meta.as_ref()?;
        meta.pagination.as_ref().or(meta.page.as_ref())?.total
    }

    fn items(&self) -> &[T] {
        &self.data
    }

    fn into_items(self) -> Vec<T> {
        self.data
    }
}

/// A reference to something else.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::datadog) struct Pointer {
    pub(in crate::datadog) id: String,
    #[serde(rename = "type", default)]
    pub(in crate::datadog) kind: String,
}

/// A relationship to one thing, or to none.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::datadog) struct One {
    #[serde(default)]
    pub(in crate::datadog) data: Option<Pointer>,
}

impl One {
    pub(in crate::datadog) fn id(&self) -> Option<&str> {
        self.data.as_ref().map(|it| it.id.as_str())
    }
}

/// A relationship to several things.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::datadog) struct Many {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) data: Vec<Pointer>,
}

/// What is known of a person.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Person {
    pub(in crate::datadog) name: Option<String>,
    pub(in crate::datadog) email: Option<String>,
    pub(in crate::datadog) handle: Option<String>,
    pub(in crate::datadog) title: Option<String>,
    pub(in crate::datadog) disabled: Option<bool>,
}

/// A person.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::datadog) struct User {
    pub(in crate::datadog) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: Person,
}

/// Reads `null` as if the member were absent.
pub(in crate::datadog) fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
