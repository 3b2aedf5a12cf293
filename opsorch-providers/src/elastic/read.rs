//! Log entries: which fields there are, a point in time, and searches in it until there is enough.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::LogReader;
use opsorch::transport::{Method, Reply, Url};
use opsorch::{Context, Error, LogEntry, LogQuery, Page, ProviderName, Result};

use self::cursor::Position;
use self::walk::Walk;
use super::FieldNames;
use super::api::{Ask, Cluster};
use super::conditions::Conditions;
use super::dsl;
use super::link::Dashboards;
use super::mapping::Mapping;
use super::wire::{FieldCaps, Names};
use crate::query::page_size;

mod cursor;
mod gather;
mod pit;
mod walk;

pub(super) use self::pit::Pit;

/// Reads the logs of a cluster.
#[derive(Debug)]
pub(super) struct Logs {
    provider: ProviderName,
    cluster: Arc<Cluster>,
    index: String,
    fields: FieldNames,
    names: Names,
    dashboards: Option<Dashboards>,
}

impl Logs {
    pub(super) fn new(
        provider: ProviderName,
        cluster: Arc<Cluster>,
        index: String,
        fields: FieldNames,
        dashboards: Option<Dashboards>,
    ) -> Self {
        Self { provider, cluster, index, names: Names::new(&fields), fields, dashboards }
    }

    async fn url(&self, cx: &Context, conditions: &Conditions, clauses: &[serde_json::Value]) -> Result<Option<Url>> {
        let Some(dashboards) = &self.dashboards else { return Ok(None) };
        let distribution = self.cluster.distribution(cx).await?;
        Ok(dashboards.page(distribution, (conditions.start, conditions.end), &self.fields.timestamp, clauses))
    }
}

#[async_trait]
impl LogReader for Logs {
    async fn query(&self, cx: &Context, query: &LogQuery) -> Result<Page<LogEntry>> {
        let limit = page_size(query.page_size())?;
        let conditions = Conditions::new(query, &self.fields)?;
        let from = query.cursor.as_ref().map(|cursor| Position::parse(cursor, query)).transpose()?;
        let mapping = mapping(cx, &self.cluster, &self.index, &conditions.names(&self.fields)?).await?;
        if mapping.is_of_nothing() {
            return Ok(Page::new(Vec::new()));
        }
        let clock = mapping.clock(&self.fields.timestamp)?;
        let clauses = dsl::filter(&conditions, &self.fields, &mapping)?;
        let url = self.url(cx, &conditions, &clauses).await?;
        let walk = Walk {
            provider: &self.provider,
            cluster: &self.cluster,
            index: &self.index,
            names: &self.names,
            timestamp: &self.fields.timestamp,
            clock,
            mapping: &mapping,
            clauses,
            conditions: &conditions,
        };
        Ok(walk.page(cx, limit, from, query).await?.url(url))
    }
}

/// Asks which fields of these names there are, and how they are indexed.
pub(super) async fn mapping(cx: &Context, cluster: &Cluster, index: &str, names: &str) -> Result<Mapping> {
    let path = [index, "_field_caps"];
    let ask = Ask { method: Method::GET, path: &path, parameters: &[("fields", names)], body: None };
    let caps: FieldCaps = cluster.ask(cx, &ask).await?.json()?;
    Ok(Mapping::new(caps))
}

/// A body that cannot be read, as the error that says where and why.
fn unreadable<T>(reply: &Reply, error: serde_json::Error) -> Result<T> {
    // The reader of the client says what it expected without showing what it found.
    match reply.json::<serde::de::IgnoredAny>() {
        Err(error) => Err(error),
        Ok(_) => {
            let place = format!("line {} column {}", error.line(), error.column());
            let message = "expected the answer to a search as documented by the vendor, with its hits and what they are \
                           ordered by";
            Err(Error::unexpected(message).with_context("place", place))
        }
    }
}
