//! Types of bodies.

use opsorch::Result;

use super::document::Node;
use super::schemas::{Builder, SchemaId};

/// A type of body that a document knows.
pub(super) struct Media {
    /// In lower case, without parameters: `application/json`.
    pub(super) kind: String,
    /// `None` where anything will do.
    pub(super) schema: Option<SchemaId>,
}

/// How a body of a type is read.
#[derive(Debug, PartialEq)]
pub(super) enum Format {
    Json,
    /// One value a line.
    JsonLines,
    Form,
    Text,
    Other,
}

/// The types below a `content`.
pub(super) fn read(owner: &Node<'_>, schemas: &mut Builder) -> Result<Vec<Media>> {
    let Some(content) = owner.child("content")? else { return Ok(Vec::new()) };
    let media = content.entries()?.into_iter().map(|(kind, media)| {
        // A schema that is a reference stays one: many bodies then share what it refers to.
        let schema = media.value.get("schema").map(|schema| schemas.add(&media.within(schema, "schema")));
        Ok(Media { kind: essence(&kind), schema })
    });
    media.collect()
}

/// The type without its parameters.
pub(super) fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The one for a type: the same, else of the same family (`text/*`), else of any (`*/*`).
pub(super) fn find<'a>(media: &'a [Media], kind: &str) -> Option<&'a Media> {
    let family = kind.split('/').next().map(|family| format!("{family}/*"));
    let wanted = [Some(kind.to_owned()), family, Some("*/*".to_owned())];
    wanted.into_iter().flatten().find_map(|wanted| media.iter().find(|media| media.kind == wanted))
}

impl Format {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "application/x-www-form-urlencoded" => Self::Form,
            "application/json" | "text/json" => Self::Json,
            kind if kind.ends_with("ndjson") => Self::JsonLines,
            kind if kind.ends_with("+json") => Self::Json,
            kind if kind.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}
