//! Entities of the catalogue, and their definitions in every version of the schema.

use opsorch::Fields;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{One, lenient};

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Entity {
    pub(in crate::datadog) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: EntityAttributes,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) meta: EntityMeta,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) relationships: EntityRelationships,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::datadog) struct EntityAttributes {
    pub(in crate::datadog) api_version: Option<String>,
    pub(in crate::datadog) kind: Option<String>,
    pub(in crate::datadog) name: Option<String>,
    pub(in crate::datadog) namespace: Option<String>,
    pub(in crate::datadog) display_name: Option<String>,
    pub(in crate::datadog) description: Option<String>,
    pub(in crate::datadog) owner: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) tags: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::datadog) struct EntityMeta {
    pub(in crate::datadog) origin: Option<String>,
    pub(in crate::datadog) ingestion_source: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct EntityRelationships {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) schema: One,
}

/// What is given beside entities: definitions, where they were asked for.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Included {
    pub(in crate::datadog) id: String,
    #[serde(default)]
    attributes: Value,
}

impl Included {
    /// The definition. One that cannot be read, since teams write them by hand, is none.
    pub(in crate::datadog) fn schema(&self) -> Schema {
        self.attributes.get("schema").and_then(|schema| Schema::deserialize(schema).ok()).unwrap_or_default()
    }
}

/// A definition, in any version: what v3 keeps in `metadata` and `spec`, v2 to v2.2 keep at the top, and v1 in `info`,
/// `org` and `contact`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Schema {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    #[serde(rename = "schema-version")]
    schema_version: Option<String>,
    metadata: Metadata,
    spec: Spec,
    info: Info,
    org: Org,
    team: Option<String>,
    #[serde(rename = "dd-team")]
    dd_team: Option<String>,
    application: Option<String>,
    description: Option<String>,
    tier: Option<String>,
    lifecycle: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    languages: Vec<String>,
    tags: Vec<String>,
    contacts: Vec<Contact>,
    contact: OldContact,
    links: Vec<Link>,
    docs: Vec<Link>,
    repos: Vec<Link>,
    #[serde(rename = "external-resources")]
    external_resources: Vec<Link>,
    integrations: Fields,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    display_name: Option<String>,
    description: Option<String>,
    owner: Option<String>,
    additional_owners: Vec<Owner>,
    tags: Vec<String>,
    contacts: Vec<Contact>,
    links: Vec<Link>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    tier: Option<String>,
    lifecycle: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    languages: Vec<String>,
    depends_on: Vec<String>,
    component_of: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Info {
    display_name: Option<String>,
    description: Option<String>,
    service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Org {
    application: Option<String>,
    team: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OldContact {
    email: Option<String>,
    slack: Option<String>,
}

/// How to reach those who are responsible.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(in crate::datadog) struct Contact {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    contact: String,
}

/// Where something about it is written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(in crate::datadog) struct Link {
    name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    url: String,
}

/// What a definition says, whatever its version.
#[derive(Debug, Default)]
pub(in crate::datadog) struct Definition {
    pub(in crate::datadog) version: Option<String>,
    pub(in crate::datadog) display_name: Option<String>,
    pub(in crate::datadog) description: Option<String>,
    /// The team that owns it, then the others.
    pub(in crate::datadog) owners: Vec<String>,
    pub(in crate::datadog) application: Option<String>,
    pub(in crate::datadog) tier: Option<String>,
    pub(in crate::datadog) lifecycle: Option<String>,
    pub(in crate::datadog) kind: Option<String>,
    pub(in crate::datadog) languages: Vec<String>,
    pub(in crate::datadog) depends_on: Vec<String>,
    pub(in crate::datadog) component_of: Vec<String>,
    pub(in crate::datadog) tags: Vec<String>,
    pub(in crate::datadog) contacts: Vec<Contact>,
    pub(in crate::datadog) links: Vec<Link>,
    pub(in crate::datadog) integrations: Fields,
}

impl From<Schema> for Definition {
    fn from(schema: Schema) -> Self {
        let Schema { metadata, spec, info, org, contact, .. } = schema;
        let owner = metadata.owner.or(schema.team).or(schema.dd_team).or(org.team);
        let owners = owner.into_iter().chain(metadata.additional_owners.into_iter().map(|owner| owner.name));
        let old = [("email", contact.email), ("slack", contact.slack)];
        let old = old
            .into_iter()
            .filter_map(|(kind, contact)| Some(Contact { kind: kind.to_owned(), name: None, contact: contact? }));
        let link = |kind: &str, mut link: Link| {
            link.kind = link.kind.or_else(|| Some(kind.to_owned()));
            link
        };
        let docs = schema.docs.into_iter().map(|one| link("doc", one));
        let repos = schema.repos.into_iter().map(|one| link("repo", one));
        Self {
            version: schema.api_version.or(schema.schema_version),
            display_name: metadata.display_name.or(info.display_name),
            description: metadata.description.or(schema.description).or(info.description),
            owners: owners.filter(|owner| !owner.is_empty()).collect(),
            application: schema.application.or(org.application),
            tier: spec.tier.or(schema.tier).or(info.service_tier),
            lifecycle: spec.lifecycle.or(schema.lifecycle),
            kind: spec.kind.or(schema.kind),
            languages: [spec.languages, schema.languages].concat(),
            depends_on: spec.depends_on,
            component_of: spec.component_of,
            tags: [metadata.tags, schema.tags].concat(),
            contacts: metadata.contacts.into_iter().chain(schema.contacts).chain(old).collect(),
            links: [metadata.links, schema.links, schema.external_resources]
                .concat()
                .into_iter()
                .chain(docs)
                .chain(repos)
                .collect(),
            integrations: schema.integrations,
        }
    }
}
