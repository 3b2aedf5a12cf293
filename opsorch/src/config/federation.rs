//! How several providers act as one: routing rules and identities.

use opsorch_schema::{Capability, UnknownName};

use super::{Config, named};
use crate::ops::{IdentityRule, Routing, RoutingRule};
use crate::{Error, Result};

impl Config {
    /// Adds a routing rule behind those there are.
    pub fn routing(mut self, rule: RoutingRule) -> Self {
        self.routing.push(rule);
        self
    }

    /// Says by which fields items of several providers are the same thing; see [`Builder::identity`](crate::Builder::identity).
    pub fn identity<F: Into<String>>(mut self, capability: Capability, fields: impl IntoIterator<Item = F>) -> Self {
        self.identities.insert(capability, fields.into_iter().map(Into::into).collect());
        self
    }

    pub(super) fn check_federation(&self) -> Result<()> {
        Routing::new(self.routing.clone())?;
        for (index, rule) in self.routing.iter().enumerate() {
            self.check_known(&rule.provider, || format!("routing[{index}].provider"))?;
        }
        self.identities.iter().try_for_each(|(capability, fields)| IdentityRule::new(*capability, fields).map(drop))
    }
}

/// The entries of a table whose keys are capabilities.
pub(super) fn by_capability<V, C>(table: &str, entries: impl IntoIterator<Item = (String, V)>) -> Result<C>
where
    C: FromIterator<(Capability, V)>,
{
    let entry = |(key, value): (String, V)| {
        let name = named(&key);
        let unknown = |unknown: UnknownName| Error::invalid(format!("{table}.{name}"), unknown.to_string());
        Ok((name.parse().map_err(unknown)?, value))
    };
    entries.into_iter().map(entry).collect()
}
