//! Who serves what.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch_schema::{Capability, Operation, ProviderName, UnknownName};

use super::Routing;
use crate::{Error, Provider, Result};

/// The providers and their routes. It is replaced as a whole, so that a call sees one state of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    providers: BTreeMap<ProviderName, Arc<Provider>>,
    routes: BTreeMap<Capability, Vec<ProviderName>>,
    /// Who is asked for each operation, in order: what follows from the other two.
    routed: BTreeMap<Operation, Arc<[Arc<Provider>]>>,
    routing: Routing,
}

impl Roster {
    /// # Errors
    /// `Invalid` for a route that leads to nobody, or to somebody twice.
    pub(super) fn new(
        providers: BTreeMap<ProviderName, Arc<Provider>>,
        routes: BTreeMap<Capability, Vec<ProviderName>>,
    ) -> Result<Self> {
        let mut roster = Self { providers, routes, ..Self::default() };
        roster.check_routes()?;
        let routed = Operation::ALL.iter().map(|operation| (*operation, roster.route(*operation)));
        roster.routed = routed.filter(|(_, providers)| !providers.is_empty()).collect();
        Ok(roster)
    }

    /// The same, but that this provider serves a capability alone.
    ///
    /// # Errors
    /// `Invalid` for a provider that offers nothing of the capability, or has the name of one that serves another.
    pub(super) fn with(&self, capability: Capability, provider: Provider) -> Result<Self> {
        let name = provider.name().clone();
        let is_of_it = |one: &Provider| one.operations().iter().any(|operation| operation.capability() == capability);
        if !is_of_it(&provider) {
            let message =
                format!("provider `{name}` offers nothing of `{capability}`; it offers: {}", provider.operations());
            return Err(Error::invalid("provider", message));
        }
        let serves_more = |former: &Arc<Provider>| {
            former.operations().iter().any(|operation| operation.capability() != capability)
                || self.routes.iter().any(|(other, names)| *other != capability && names.contains(&name))
        };
        if self.providers.get(&name).is_some_and(serves_more) {
            let message = format!("a provider named `{name}` serves more than `{capability}`; it is not replaced");
            return Err(Error::invalid("provider", message));
        }
        let (mut providers, mut routes) = (self.providers.clone(), self.routes.clone());
        providers.insert(name.clone(), Arc::new(provider));
        routes.insert(capability, vec![name]);
        Self::new(providers, routes)?.routed_by(self.routing.without(capability))
    }

    /// The same, with rules that say where changes go.
    ///
    /// # Errors
    /// `Invalid` for a rule that leads to nobody who could make the change.
    pub(super) fn routed_by(mut self, routing: Routing) -> Result<Self> {
        routing.check(&self.providers, &self.routes)?;
        self.routing = routing;
        Ok(self)
    }

    pub(super) fn routing(&self) -> &Routing {
        &self.routing
    }

    /// The providers, by name.
    pub(super) fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }

    pub(super) fn find(&self, name: &ProviderName) -> Option<Arc<Provider>> {
        self.providers.get(name).cloned()
    }

    pub(super) fn named(&self, name: &ProviderName) -> Result<Arc<Provider>> {
        self.find(name).ok_or_else(|| {
            let known = self.providers.keys().map(ProviderName::as_str);
            Error::invalid("on", UnknownName::new("provider", name.as_str(), known).to_string())
        })
    }

    /// The providers routed for an operation that offer it, in the order of the route. Without a route these are all that
    /// offer it, by name.
    pub(super) fn routed(&self, operation: Operation) -> Arc<[Arc<Provider>]> {
        self.routed.get(&operation).cloned().unwrap_or_default()
    }

    /// Whether any operation of a capability has a provider.
    #[cfg(feature = "http")]
    pub(super) fn serves(&self, capability: Capability) -> bool {
        self.routed.keys().any(|operation| operation.capability() == capability)
    }

    fn route(&self, operation: Operation) -> Arc<[Arc<Provider>]> {
        let offers = |provider: &&Arc<Provider>| provider.operations().contains(operation);
        match self.routes.get(&operation.capability()) {
            Some(route) => route.iter().filter_map(|name| self.providers.get(name)).filter(offers).cloned().collect(),
            None => self.providers.values().filter(offers).cloned().collect(),
        }
    }

    fn check_routes(&self) -> Result<()> {
        for (capability, route) in &self.routes {
            if let Some(unknown) = route.iter().find(|name| !self.providers.contains_key(*name)) {
                let known = self.providers.keys().map(ProviderName::as_str);
                let message = UnknownName::new("provider", unknown.as_str(), known).to_string();
                return Err(Error::invalid(format!("routes.{capability}"), message));
            }
            let is_repeated =
                |(index, name): &(usize, &ProviderName)| route.iter().take(*index).any(|one| one == *name);
            if let Some((_, twice)) = route.iter().enumerate().find(is_repeated) {
                return Err(Error::invalid(format!("routes.{capability}"), format!("`{twice}` is there twice")));
            }
        }
        Ok(())
    }
}
