//! Services of the catalogue.

use std::collections::BTreeMap;

use opsorch::{Error, Result, Service, ServiceId};

use crate::datadog::api::Datadog;
use crate::datadog::wire::service::{Definition, Entity};
use crate::fields::put;

/// The namespace of entities that are in none.
const DEFAULT: &str = "default";

/// A service, and what a scope is looked for in.
#[derive(Debug)]
pub(in crate::datadog) struct Found {
    pub(in crate::datadog) service: Service,
    pub(in crate::datadog) owners: Vec<String>,
    pub(in crate::datadog) tags: Vec<String>,
}

impl Found {
    pub(in crate::datadog) fn has_tag(&self, tag: &str, value: &str) -> bool {
        self.tags.iter().filter_map(|it| it.split_once(':')).any(|(name, its)| name == tag && its == value)
    }
}

/// The id of a service: its name; with the namespace before it, as `shop/api`, where that is not the default one or where
/// the name has a `/` itself.
pub(in crate::datadog) fn id(namespace: &str, name: &str) -> String {
    match namespace == DEFAULT && !name.contains('/') {
        true => name.to_owned(),
        false => format!("{namespace}/{name}"),
    }
}

/// The namespace and the name of an id.
///
/// # Errors
/// `NotFound` for what is no id.
pub(in crate::datadog) fn parts(wanted: &ServiceId) -> Result<(&str, &str)> {
    let (namespace, name) = wanted.as_str().split_once('/').unwrap_or((DEFAULT, wanted.as_str()));
    match !name.trim().is_empty() && id(namespace, name) == wanted.as_str() {
        true => Ok((namespace, name)),
        false => Err(unknown(wanted)),
    }
}

pub(in crate::datadog) fn unknown(id: &ServiceId) -> Error {
    Error::not_found(format!("Datadog's catalogue has no service `{}`", opsorch::visible(id.as_str()))).not_applied()
}

/// A service as its entity and its definition say; `None` for an entity without a name.
pub(in crate::datadog) fn service(datadog: &Datadog, entity: Entity, definition: Definition) -> Option<Found> {
    let attributes = entity.attributes;
    // Datadog says an empty text of what it does not know.
    let is_text = |text: &String| !text.is_empty();
    let name = attributes.name.filter(is_text)?;
    let namespace = attributes.namespace.filter(is_text);
    let namespace = namespace.as_deref().unwrap_or(DEFAULT);
    let mut owners = definition.owners;
    if let Some(owner) = attributes.owner.filter(|owner| !owner.is_empty() && !owners.contains(owner)) {
        owners.insert(0, owner);
    }
    let mut tags = attributes.tags;
    tags.extend(definition.tags);
    let mut service = Service::new(id(namespace, &name), &*name);
    service.tags = pairs(&tags);
    if let Some(owner) = owners.first() {
        service.tags.entry(datadog.tags.team.clone()).or_insert_with(|| owner.clone());
    }
    service.url = Some(datadog.page(&["services", &name], &[]));
    service.metadata = datadog.metadata();
    let metadata = &mut service.metadata;
    put(metadata, "entity_id", entity.id);
    put(metadata, "namespace", namespace);
    put(metadata, "kind", attributes.kind);
    put(metadata, "schema", definition.version.or(attributes.api_version));
    put(metadata, "display_name", attributes.display_name.filter(is_text).or(definition.display_name));
    put(metadata, "description", attributes.description.filter(is_text).or(definition.description));
    put(metadata, "owners", &owners);
    put(metadata, "application", definition.application);
    put(metadata, "tier", definition.tier);
    put(metadata, "lifecycle", definition.lifecycle);
    put(metadata, "type", definition.kind);
    put(metadata, "languages", definition.languages);
    put(metadata, "depends_on", definition.depends_on);
    put(metadata, "component_of", definition.component_of);
    put(metadata, "contacts", definition.contacts);
    put(metadata, "links", definition.links);
    put(metadata, "integrations", definition.integrations);
    put(metadata, "origin", entity.meta.origin);
    put(metadata, "ingestion_source", entity.meta.ingestion_source);
    Some(Found { service, owners, tags })
}

/// Tags by their names. Of several with one name the first counts.
fn pairs(tags: &[String]) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for tag in tags {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        pairs.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    pairs
}
