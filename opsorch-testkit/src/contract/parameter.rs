//! Parameters of requests, and headers of answers.

use opsorch::Result;
use serde_json::Value;

use super::document::Node;
use super::schemas::{Builder, Fault, SchemaId, Schemas};
use super::value;

/// What a document says of one parameter.
#[derive(Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) required: bool,
    allow_empty: bool,
    style: Style,
    /// Whether each item of a list, or property of an object, is a pair of its own.
    explode: bool,
    schema: Option<SchemaId>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// Items one after the other, with this between them.
    Joined(char),
    /// `name[property]=value`.
    DeepObject,
    /// The text is JSON.
    Json,
}

/// What OpenAPI says to ignore: these belong to types of bodies and to credentials.
const NO_PARAMETERS: [&str; 3] = ["accept", "content-type", "authorization"];

impl Parameter {
    /// Those of a path or an operation.
    pub(super) fn list(owner: &Node<'_>, schemas: &mut Builder) -> Result<Vec<Self>> {
        let Some(list) = owner.child("parameters")? else { return Ok(Vec::new()) };
        let mut parameters = Vec::new();
        for node in list.items()? {
            let name = node.text("name").ok_or_else(|| node.error("expected a parameter with a name"))?.to_owned();
            let place = match node.text("in") {
                Some("path") => Place::Path,
                Some("query") => Place::Query,
                Some("header") => Place::Header,
                Some("cookie") => Place::Cookie,
                _ => return Err(node.error("expected a parameter in path, query, header or cookie")),
            };
            parameters.extend(Self::read(&node, name, place, schemas)?);
        }
        Ok(parameters)
    }

    /// One parameter, or a header; `None` for headers that are none.
    pub(super) fn read(node: &Node<'_>, name: String, place: Place, schemas: &mut Builder) -> Result<Option<Self>> {
        if place == Place::Header && NO_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Ok(None);
        }
        let content = node.child("content")?.map(|content| content.entries()).transpose()?.unwrap_or_default();
        let json = content.into_iter().find(|(kind, _)| kind.contains("json")).map(|(_, media)| media);
        let owner = json.as_ref().unwrap_or(node);
        let schema = owner.value.get("schema").map(|schema| schemas.add(&owner.within(schema, "schema")));
        let style = match (&json, node.text("style")) {
            (Some(_), _) => Style::Json,
            (None, None | Some("form" | "simple")) => Style::Joined(','),
            (None, Some("spaceDelimited")) => Style::Joined(' '),
            (None, Some("pipeDelimited")) => Style::Joined('|'),
            (None, Some("deepObject")) => Style::DeepObject,
            (None, Some(_)) => {
                let message = "expected style form, simple, spaceDelimited, pipeDelimited or deepObject";
                return Err(node.error(message));
            }
        };
        let pairs = matches!(place, Place::Query | Place::Cookie) && matches!(node.text("style"), None | Some("form"));
        Ok(Some(Self {
            name,
            place,
            required: node.flag("required").unwrap_or_default() || place == Place::Path,
            allow_empty: node.flag("allowEmptyValue").unwrap_or_default(),
            style,
            explode: node.flag("explode").unwrap_or(pairs) && place != Place::Header && place != Place::Path,
            schema,
        }))
    }

    /// Takes what belongs to this parameter out of the pairs, and says what is wrong with it.
    pub(super) fn take(&self, pairs: &mut Vec<(String, String)>, schemas: &Schemas) -> Vec<Fault> {
        let shapes = self.schema.map(|schema| schemas.shapes(schema)).unwrap_or_default();
        if self.style == Style::DeepObject {
            let key =
                |name: &str| Some(name.strip_prefix(&self.name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
            let taken = take(pairs, key);
            return self.object(taken, schemas);
        }
        let joined = matches!(self.style, Style::Joined(_));
        if joined && self.explode && value::wants(&shapes, "object") {
            let known = value::properties(&shapes);
            let taken = take(pairs, |name| known.iter().find(|known| **known == name).map(|name| (*name).to_owned()));
            return self.object(taken, schemas);
        }
        let same = |name: &str| match self.place {
            Place::Header => name.eq_ignore_ascii_case(&self.name),
            _ => name == self.name,
        };
        let taken = take(pairs, |name| same(name).then(|| name.to_owned()));
        self.texts(taken.into_iter().map(|(_, value)| value).collect(), schemas)
    }

    fn object(&self, pairs: Vec<(String, String)>, schemas: &Schemas) -> Vec<Fault> {
        if pairs.is_empty() {
            return self.absent();
        }
        self.judge(value::objects(&pairs, self.schema, schemas), schemas)
    }

    fn texts(&self, mut texts: Vec<String>, schemas: &Schemas) -> Vec<Fault> {
        let shapes = self.schema.map(|schema| schemas.shapes(schema)).unwrap_or_default();
        let Some(first) = texts.first().cloned() else { return self.absent() };
        if self.allow_empty && first.is_empty() {
            return Vec::new();
        }
        let list = value::wants(&shapes, "array");
        if let Style::Json = self.style {
            return match serde_json::from_str(&first) {
                Ok(value) => self.judge(vec![value], schemas),
                Err(_) => vec![fault("expected JSON")],
            };
        }
        if texts.len() > 1 && !(list && (self.explode || self.place == Place::Header)) {
            return vec![fault("it is given more than once")];
        }
        let mut candidates = Vec::new();
        if list {
            if let (Style::Joined(mark), false) = (self.style, self.explode) {
                texts = texts.iter().flat_map(|text| text.split(mark)).map(|text| text.trim().to_owned()).collect();
            }
            candidates.extend(value::lists(&texts, &shapes, schemas));
        }
        if !list || shapes.len() > 1 {
            candidates.extend(value::scalars(&first, &shapes));
        }
        self.judge(candidates, schemas)
    }

    fn absent(&self) -> Vec<Fault> {
        if self.required { vec![fault("it is required, and missing")] } else { Vec::new() }
    }

    fn judge(&self, candidates: Vec<Value>, schemas: &Schemas) -> Vec<Fault> {
        self.schema.map(|schema| value::judge(candidates, schema, schemas)).unwrap_or_default()
    }
}

fn take(pairs: &mut Vec<(String, String)>, key: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut taken = Vec::new();
    pairs.retain(|(name, value)| match key(name) {
        Some(key) => {
            taken.push((key, value.clone()));
            false
        }
        None => true,
    });
    taken
}

fn fault(message: &str) -> Fault {
    Fault { at: String::new(), message: message.to_owned() }
}
