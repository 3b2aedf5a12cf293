//! The operations of a document.

use opsorch::Result;
use opsorch::transport::{Method, StatusCode};

use super::document::{Document, Node};
use super::media::{self, Media};
use super::parameter::{Parameter, Place};
use super::schemas::Builder;
use super::template::Template;

/// What may be sent to a path.
pub(super) struct PathItem {
    pub(super) template: Template,
    pub(super) operations: Vec<Operation>,
}

/// A method of a path.
pub(super) struct Operation {
    pub(super) method: Method,
    /// Such as `GET /incidents/{id}`.
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    answers: Vec<(String, Answer)>,
}

/// The body of a request.
pub(super) struct Body {
    pub(super) required: bool,
    pub(super) media: Vec<Media>,
}

/// An answer of an operation.
pub(super) struct Answer {
    pub(super) media: Vec<Media>,
    pub(super) headers: Vec<Parameter>,
}

const METHODS: [Method; 8] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
    Method::HEAD,
    Method::PATCH,
    Method::TRACE,
];

/// All of them, the most concrete paths first. Both documents are the same but for what their schemas require.
pub(super) fn read(requests: (&Document, &mut Builder), answers: (&Document, &mut Builder)) -> Result<Vec<PathItem>> {
    let Some(paths) = requests.0.node().child("paths")? else {
        return Err(requests.0.node().error("expected \"paths\""));
    };
    let mut items = Vec::new();
    for (path, item) in paths.entries()? {
        let shared = Parameter::list(&item, requests.1)?;
        let mut operations = Vec::new();
        for method in METHODS {
            let Some(node) = item.child(&method.as_str().to_ascii_lowercase())? else { continue };
            let mut parameters = Parameter::list(&node, requests.1)?;
            let new = |one: &&Parameter| !parameters.iter().any(|own| own.name == one.name && own.place == one.place);
            let inherited: Vec<_> = shared.iter().filter(new).cloned().collect();
            parameters.extend(inherited);
            let body = read_body(&node, requests.1)?;
            // The same place in the other document.
            let answers = match answers.0.at(&node.pointer) {
                Some(node) => read_answers(&node, answers.1)?,
                None => Vec::new(),
            };
            operations.push(Operation { name: format!("{method} {path}"), method, parameters, body, answers });
        }
        items.push(PathItem { template: Template::new(&path), operations });
    }
    items.sort_by_cached_key(|item| item.template.looseness());
    Ok(items)
}

fn read_body(operation: &Node<'_>, schemas: &mut Builder) -> Result<Option<Body>> {
    let Some(body) = operation.child("requestBody")? else { return Ok(None) };
    Ok(Some(Body { required: body.flag("required").unwrap_or_default(), media: media::read(&body, schemas)? }))
}

fn read_answers(operation: &Node<'_>, schemas: &mut Builder) -> Result<Vec<(String, Answer)>> {
    let Some(answers) = operation.child("responses")? else { return Ok(Vec::new()) };
    let mut read = Vec::new();
    for (status, answer) in answers.entries()? {
        let mut headers = Vec::new();
        for (name, header) in answer.child("headers")?.map(|headers| headers.entries()).transpose()?.unwrap_or_default()
        {
            headers.extend(Parameter::read(&header, name, Place::Header, schemas)?);
        }
        read.push((status.to_ascii_uppercase(), Answer { media: media::read(&answer, schemas)?, headers }));
    }
    Ok(read)
}

impl Operation {
    /// The answer for a status: its own, that of its class (`2XX`), else the default one.
    pub(super) fn answer(&self, status: StatusCode) -> Option<&Answer> {
        let wanted = [status.as_str().to_owned(), format!("{}XX", status.as_u16() / 100), "DEFAULT".to_owned()];
        wanted.iter().find_map(|wanted| Some(&self.answers.iter().find(|(status, _)| status == wanted)?.1))
    }

    /// The statuses that are known, to be read.
    pub(super) fn statuses(&self) -> String {
        self.answers.iter().map(|(status, _)| status.as_str()).collect::<Vec<_>>().join(", ")
    }
}
