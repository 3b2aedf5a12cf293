//! One exchange against the document.

use std::fmt;

use opsorch::transport::{HeaderMap, Reply, Request};
use serde_json::Value;

use super::Terms;
use super::media::{self, Format, Media, essence};
use super::operation::{Operation, PathItem};
use super::parameter::{Parameter, Place};
use super::schemas::{Fault, Schemas};
use super::value;
use crate::double::form_pairs;

/// Something that the document does not permit.
///
/// It names the operation, the place and what is wrong, and holds no value: a value may be a secret.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Violation {
    /// The operation, such as `GET /incidents/{id}`; the method and the path where the document has no such operation.
    pub operation: String,
    /// Where it is, such as `query parameter "limit"` or `body of the answer at /incidents/0/id`.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.place, self.message)
    }
}

/// The violations of one exchange, in the order in which they are found.
struct Check<'a> {
    operation: String,
    violations: Vec<Violation>,
    terms: &'a Terms,
}

pub(super) fn check(terms: &Terms, request: &Request, reply: &Reply) -> Vec<Violation> {
    let operation = format!("{} {}", request.method, request.url.path());
    let mut check = Check { operation, violations: Vec::new(), terms };
    if let Some((operation, path)) = check.find(request) {
        check.operation.clone_from(&operation.name);
        check.request(operation, path, request);
        check.answer(operation, request, reply);
    }
    check.violations
}

type Pairs = Vec<(String, String)>;

impl<'a> Check<'a> {
    fn find(&mut self, request: &Request) -> Option<(&'a Operation, Pairs)> {
        let path = request.url.path().strip_prefix(self.terms.base_path.as_str());
        let path = path.filter(|path| path.starts_with('/'));
        let fits = |item: &'a PathItem| Some((item, item.template.values(path?)?));
        let Some((item, values)) = self.terms.paths.iter().find_map(fits) else {
            let message = format!("no path of the document fits, below {:?}", self.terms.base_path);
            self.add("path", message);
            return None;
        };
        let operation = item.operations.iter().find(|operation| operation.method == request.method);
        if operation.is_none() {
            let known: Vec<_> = item.operations.iter().map(|operation| operation.method.as_str()).collect();
            self.add("method", format!("{} takes {}", item.template.text(), known.join(", ")));
        }
        Some((operation?, values))
    }

    fn request(&mut self, operation: &Operation, mut path: Pairs, request: &Request) {
        let schemas = &self.terms.requests;
        let mut query: Pairs = request.url.query_pairs().into_owned().collect();
        let mut headers = header_pairs(&request.headers);
        let mut cookies = cookie_pairs(&headers);
        for parameter in &operation.parameters {
            let (word, pairs) = match parameter.place {
                Place::Path => ("path parameter", &mut path),
                Place::Query => ("query parameter", &mut query),
                Place::Header => ("header", &mut headers),
                Place::Cookie => ("cookie", &mut cookies),
            };
            let faults = parameter.take(pairs, schemas);
            self.faults(&format!("{word} {:?}", parameter.name), faults);
        }
        query.retain(|(name, _)| !self.terms.credentials.contains(name));
        query.dedup_by(|one, other| one.0 == other.0);
        for (name, _) in query {
            let known = operation.parameters.iter().filter(|known| known.place == Place::Query);
            let known: Vec<_> = known.map(|known| known.name.as_str()).collect();
            self.add(format!("query parameter {name:?}"), format!("it is unknown; known: {}", known.join(", ")));
        }
        self.request_body(operation, request);
    }

    fn request_body(&mut self, operation: &Operation, request: &Request) {
        let place = "body of the request";
        match &operation.body {
            None if !request.body.is_empty() => self.add(place, "there is one, and the operation takes none"),
            Some(body) if request.body.is_empty() && body.required => self.add(place, "it is required, and missing"),
            Some(body) if !request.body.is_empty() => {
                self.body(place, &body.media, &request.headers, &request.body, &self.terms.requests);
            }
            _ => (),
        }
    }

    fn answer(&mut self, operation: &Operation, request: &Request, reply: &Reply) {
        let Some(answer) = operation.answer(reply.status) else {
            let known = operation.statuses();
            return self.add("status of the answer", format!("{} is not among {known}", reply.status.as_str()));
        };
        let mut headers = header_pairs(&reply.headers);
        for header in &answer.headers {
            let faults = Parameter::take(header, &mut headers, &self.terms.answers);
            self.faults(&format!("header {:?} of the answer", header.name), faults);
        }
        let bodiless = request.method == "HEAD" || reply.status == 204 || reply.status == 304;
        let place = "body of the answer";
        if bodiless && !reply.is_empty() {
            self.add(place, "there is one where HTTP has none");
        } else if !bodiless && reply.is_empty() && answer.media.iter().any(|media| media.schema.is_some()) {
            self.add(place, "it is empty, and the document says what it holds");
        } else if !reply.is_empty() && !answer.media.is_empty() {
            self.body(place, &answer.media, &reply.headers, &reply.body, &self.terms.answers);
        }
    }

    fn body(&mut self, place: &str, known: &[Media], headers: &HeaderMap, body: &[u8], schemas: &Schemas) {
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).map(essence).unwrap_or_default();
        let Some(media) = media::find(known, &kind) else {
            let known: Vec<_> = known.iter().map(|media| media.kind.as_str()).collect();
            return self.add(place, format!("content type {kind:?} is not among {}", known.join(", ")));
        };
        let format = Format::of(&kind);
        let read = match format {
            Format::Other => return,
            Format::Json => serde_json::from_slice(body).map(|value| vec![value]).ok(),
            Format::JsonLines => json_lines(body).map(|value| vec![value]),
            Format::Text => std::str::from_utf8(body).ok().map(|text| vec![Value::String(text.to_owned())]),
            Format::Form => {
                let pairs = std::str::from_utf8(body).ok().map(form_pairs);
                pairs.map(|pairs| value::objects(&pairs, media.schema, schemas))
            }
        };
        let Some(candidates) = read else { return self.add(place, format!("it is not what {kind:?} says")) };
        let faults = media.schema.map(|schema| value::judge(candidates, schema, schemas)).unwrap_or_default();
        self.faults(place, faults);
    }

    fn faults(&mut self, place: &str, faults: Vec<Fault>) {
        for fault in faults {
            match fault.at.as_str() {
                "" => self.add(place, fault.message),
                at => self.add(format!("{place} at {at}"), fault.message),
            }
        }
    }

    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        let (place, message) = (place.into(), message.into());
        self.violations.push(Violation { operation: self.operation.clone(), place, message });
    }
}

fn header_pairs(headers: &HeaderMap) -> Pairs {
    let text = |value: &opsorch::transport::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn cookie_pairs(headers: &Pairs) -> Pairs {
    let cookies = headers.iter().filter(|(name, _)| name == "cookie").flat_map(|(_, value)| value.split(';'));
    cookies.filter_map(|pair| pair.trim().split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// A list of the values, as documents describe such bodies.
fn json_lines(body: &[u8]) -> Option<Value> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect::<Option<Vec<Value>>>().map(Value::Array)
}
