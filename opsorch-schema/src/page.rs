//! Pages: what a query returns, and whether that is everything.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::wire::{null_as_default, optional_url};
use crate::{ProviderName, Time};

/// How many items a query returns when it sets no limit.
pub const DEFAULT_LIMIT: u32 = 100;

/// The items that a query found, and the truth about what is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the order the query promises.
    pub items: Vec<T>,
    /// Where the next page begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
    /// Why items are missing that no cursor leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
    /// The sources that did not answer.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<SourceFailure>,
    /// What a source says about its answer, to be read. Nothing is missing because of it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was left out because another provider gave the same thing, by a rule. Nothing is missing because of it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<Duplicate>,
    /// The page a person would open to see the same.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
}

impl<T> Page<T> {
    /// A complete page.
    ///
    /// ```
    /// use opsorch_schema::{Page, Service};
    ///
    /// let page = Page::new(vec![Service::new("svc-1", "api")]);
    /// assert!(page.is_complete());
    /// assert!(!page.truncated("the vendor stops at 10 000 items").is_complete());
    /// ```
    pub fn new(items: Vec<T>) -> Self {
        Self {
            items,
            next: None,
            truncated: None,
            failures: Vec::new(),
            warnings: Vec::new(),
            duplicates: Vec::new(),
            url: None,
        }
    }

    /// Says where the next page begins.
    pub fn next(mut self, cursor: Option<Cursor>) -> Self {
        self.next = cursor;
        self
    }

    /// Says why items are missing that no cursor leads to. A reason given before is kept.
    pub fn truncated(mut self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        self.truncated = Some(match self.truncated {
            Some(earlier) => format!("{earlier}; {reason}"),
            None => reason,
        });
        self
    }

    /// Adds a source that did not answer.
    pub fn failure(mut self, failure: SourceFailure) -> Self {
        self.failures.push(failure);
        self
    }

    /// Adds what a source says about its answer.
    pub fn warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// Adds an item that was left out because another provider gave the same thing.
    pub fn duplicate(mut self, duplicate: Duplicate) -> Self {
        self.duplicates.push(duplicate);
        self
    }

    /// Sets the page a person would open to see the same.
    pub fn url(mut self, url: Option<Url>) -> Self {
        self.url = url;
        self
    }

    /// Whether the items are everything there is: no next page, nothing cut, no source failed.
    pub fn is_complete(&self) -> bool {
        self.next.is_none() && self.truncated.is_none() && self.failures.is_empty()
    }
}

/// Where the next page of a query begins; opaque to everyone but the provider that made it.
///
/// A cursor holds a position, never an address that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Wraps a provider's own position.
    pub fn new(position: impl Into<String>) -> Self {
        Self(position.into())
    }

    /// The position, for the provider that made it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A source that did not answer a query which others answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SourceFailure {
    /// The source: a provider's name, sometimes with a part of it such as a shard.
    pub source: String,
    /// The kind of the error, by its code: `unavailable`, `timeout`, …
    pub code: String,
    /// What happened, to be read.
    pub message: String,
    /// Whether asking again may help.
    pub retryable: bool,
}

impl SourceFailure {
    /// A failure of a source, by the code of its error.
    pub fn new(source: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source: source.into(), code: code.into(), message: message.into(), retryable: false }
    }

    /// Says whether asking again may help.
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }
}

/// An item that was left out of a merged page, because another provider gave the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Duplicate {
    /// What stayed, on this page or an earlier one, as it was given.
    pub kept: Origin,
    /// What was left out.
    pub dropped: Origin,
    /// The rule by which they are the same: the capability and the fields that are equal, such as `alert: title, service`.
    pub rule: String,
}

impl Duplicate {
    /// Says what was left out, and why.
    pub fn new(kept: Origin, dropped: Origin, rule: impl Into<String>) -> Self {
        Self { kept, dropped, rule: rule.into() }
    }
}

/// Where an item came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Origin {
    /// The provider that gave it.
    pub provider: ProviderName,
    /// What tells it from others of that provider, such as its id; absent where it was on an earlier page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Origin {
    /// An item of a provider.
    pub fn new(provider: impl Into<ProviderName>, id: Option<String>) -> Self {
        Self { provider: provider.into(), id }
    }
}

/// What a page can hold: enough to say where an item came from and to merge pages of several providers.
pub trait Item {
    /// What tells this item from others of its provider: an id, or the text where there is none.
    fn key(&self) -> &str;
    /// The time that merged pages are ordered by, newest first; items without one come last.
    fn time(&self) -> Option<Time>;
    /// The page a person would open.
    fn url(&self) -> Option<&Url>;
    /// The provider it came from.
    fn provider(&self) -> Option<&ProviderName>;
    /// Notes the provider it came from.
    fn set_provider(&mut self, provider: ProviderName);
}

/// Implements [`Item`] for a type with the fields `provider` and, where named, a key, a time and a url.
macro_rules! item {
    ($type:ty { key: $($key:ident).+ $(, time: $time:ident)? $(, url: $url:ident)? }) => {
        impl crate::Item for $type {
            fn key(&self) -> &str {
                self.$($key).+.as_ref()
            }
            fn time(&self) -> Option<crate::Time> {
                item!(@time self $($time)?)
            }
            fn url(&self) -> Option<&url::Url> {
                item!(@url self $($url)?)
            }
            fn provider(&self) -> Option<&crate::ProviderName> {
                self.provider.as_ref()
            }
            fn set_provider(&mut self, provider: crate::ProviderName) {
                self.provider = Some(provider);
            }
        }
    };
    (@time $self:ident $time:ident) => { Into::<Option<crate::Time>>::into($self.$time) };
    (@time $self:ident) => { None };
    (@url $self:ident $url:ident) => { $self.$url.as_ref() };
    (@url $self:ident) => { None };
}
pub(crate) use item;
