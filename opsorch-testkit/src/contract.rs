//! Whether what is said to a vendor, and what its double answers, is what the vendor's OpenAPI document says.

mod check;
mod document;
mod guard;
mod media;
mod operation;
mod parameter;
mod schema;
mod schemas;
mod swagger;
mod template;
mod value;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use opsorch::transport::{Reply, Request};
use opsorch::{Error, Result};
use serde_json::Value;

pub use self::check::Violation;
use self::document::{Direction, Document};
pub use self::guard::{Exchanges, Guarded};
use self::operation::PathItem;
use self::schemas::{Builder, Schemas};

/// The largest document that is read: 64 MiB.
const LARGEST_DOCUMENT: u64 = 64 * 1024 * 1024;

/// What a vendor's OpenAPI document says of its requests and answers. Clones share it.
///
/// OpenAPI 3.0 and 3.1 and Swagger 2.0, in JSON. Every schema that an operation needs is compiled when the document is
/// opened; one that cannot be is an error that names it. Nothing is fetched: what is referred to is in the document.
///
/// * **Path**: the most concrete template that fits, as the document writes it; see [`base_path`](Self::base_path).
/// * **Parameters** of the path, the query, headers and cookies, in the styles `form`, `simple`, `spaceDelimited`,
///   `pipeDelimited` and `deepObject`. A parameter of the query that the document does not know is a violation. Headers
///   `Accept`, `Content-Type` and `Authorization` are none, as OpenAPI says, and other unknown headers are let through.
/// * **Bodies** by their content type: JSON, `+json`, lines of JSON, forms, text. Of other types only the type is
///   checked.
/// * **Answers** by status, `2XX` or `default`: a status that is not there is a violation. Content type, body and
///   headers; where the document says nothing of a body, any will do.
/// * `readOnly` properties need not be in a request, `writeOnly` ones need not be in an answer. Formats that JSON Schema
///   knows are checked, those that OpenAPI adds (`int32`, `byte`, …) are not. Who may call is not checked.
///
/// ```
/// use opsorch::transport::{Method, Reply, Request, StatusCode};
/// use opsorch_testkit::Contract;
/// use opsorch_testkit::double::json;
///
/// let contract = Contract::parse(r#"{
///     "openapi": "3.1.0",
///     "paths": { "/incidents": { "get": {
///         "parameters": [{ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } }],
///         "responses": { "200": { "content": { "application/json": { "schema": { "type": "array" } } } } }
///     } } }
/// }"#)?;
///
/// let ask = |url: &str| Request::new(Method::GET, url.parse().unwrap());
/// let fine = json(StatusCode::OK, &["disk full"]);
/// assert!(contract.check(&ask("https://api.example.org/incidents?limit=25"), &fine).is_ok());
///
/// let violations = contract.check(&ask("https://api.example.org/incidents?limit=500"), &fine).unwrap_err();
/// assert_eq!(
///     violations[0].to_string(),
///     "GET /incidents: query parameter \"limit\": value is greater than the maximum of 100"
/// );
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone)]
pub struct Contract(Arc<Terms>);

#[derive(Clone)]
struct Terms {
    base_path: String,
    paths: Arc<[PathItem]>,
    /// The names of credentials that stand in the query.
    credentials: Vec<String>,
    requests: Arc<Schemas>,
    answers: Arc<Schemas>,
}

impl Contract {
    /// Reads a document from a file.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and `Invalid` where the file cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let about = |error: Error| error.with_context("file", path.display());
        let unreadable = |error| about(Error::invalid("contract", "the file cannot be read").with_source(error));
        let mut json = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(LARGEST_DOCUMENT + 1).read_to_string(&mut json).map_err(unreadable)?;
        Self::parse(&json).map_err(about)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// `Invalid` for what is not JSON, is larger than 64 MiB or nested deeper than 128 levels, is of another version,
    /// refers to something that it does not hold, or holds a schema that cannot be compiled; it names the place.
    pub fn parse(json: &str) -> Result<Self> {
        if json.len() as u64 > LARGEST_DOCUMENT {
            return Err(Error::invalid("contract", "expected a document of at most 64 MiB"));
        }
        let root: Value = serde_json::from_str(json)
            .map_err(|error| Error::invalid("contract", "expected a document in JSON").with_source(error))?;
        let document = Document::new(root)?;
        let requests = document.clone().facing(Direction::Request);
        let answers = document.facing(Direction::Answer);
        let (mut of_requests, mut of_answers) = (Builder::default(), Builder::default());
        let paths = operation::read((&requests, &mut of_requests), (&answers, &mut of_answers))?;
        let terms = Terms {
            base_path: String::new(),
            paths: paths.into(),
            credentials: credentials(&requests)?,
            requests: Arc::new(of_requests.build(requests)?),
            answers: Arc::new(of_answers.build(answers)?),
        };
        Ok(Self(Arc::new(terms)))
    }

    /// Says what stands before the document's paths in an address, such as `/api/v3`. The document's own `servers` are
    /// not looked at, as a double has its own address.
    pub fn base_path(self, path: impl Into<String>) -> Self {
        let path = path.into();
        let base_path = path.trim_end_matches('/').to_owned();
        Self(Arc::new(Terms { base_path, ..Terms::clone(&self.0) }))
    }

    /// The operations, such as `GET /incidents/{id}`, the most concrete paths first.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0.paths.iter().flat_map(|item| &item.operations).map(|operation| operation.name.as_str())
    }

    /// Checks one exchange.
    ///
    /// # Errors
    /// Everything that the document does not permit.
    pub fn check(&self, request: &Request, reply: &Reply) -> Result<(), Vec<Violation>> {
        let violations = check::check(&self.0, request, reply);
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    /// Checks every exchange with a [`Double`](crate::double::Double), or through a
    /// [`Transport`](opsorch::transport::Transport) such as a [`Replay`](crate::Replay).
    ///
    /// ```
    /// use opsorch::transport::{Client, ReqwestTransport, StatusCode};
    /// use opsorch::{Actor, Context};
    /// use opsorch_testkit::Contract;
    /// use opsorch_testkit::double::{Server, json};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let contract = Contract::parse(r#"{ "openapi": "3.1.0", "paths": { "/incidents": { "get": {
    ///     "responses": { "200": { "content": { "application/json": { "schema": { "type": "array" } } } } }
    /// } } } }"#)?;
    /// let guarded = contract.guard(json(StatusCode::OK, &["disk full"]));
    /// let exchanges = guarded.exchanges();
    /// let server = Server::start(guarded).await;
    ///
    /// let client = Client::new(std::sync::Arc::new(ReqwestTransport::new()?), server.url())?;
    /// client.get("incidents").send(&Context::new(Actor::agent("test"))).await?;
    /// exchanges.assert_kept();
    /// # Ok::<(), opsorch::Error>(())
    /// # }).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn guard<T>(&self, inner: T) -> Guarded<T> {
        Guarded::new(self.clone(), inner)
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operations = self.operations().count();
        f.debug_struct("Contract").field("operations", &operations).finish_non_exhaustive()
    }
}

/// The names of keys that stand in the query (`securitySchemes`): no operation lists them.
fn credentials(document: &Document) -> Result<Vec<String>> {
    let Some(components) = document.node().child("components")? else { return Ok(Vec::new()) };
    let Some(schemes) = components.child("securitySchemes")? else { return Ok(Vec::new()) };
    let schemes = schemes.entries()?.into_iter().map(|(_, scheme)| scheme);
    let in_query = schemes.filter(|scheme| scheme.text("in") == Some("query"));
    Ok(in_query.filter_map(|scheme| scheme.text("name").map(str::to_owned)).collect())
}
