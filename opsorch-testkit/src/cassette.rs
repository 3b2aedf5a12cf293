//! Cassettes: exchanges with a vendor in a file that people can read and review.

mod body;
mod needle;
mod scrub;
mod scrubber;

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use chrono::NaiveDate;
use opsorch::transport::{Bytes, HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode};
use opsorch::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

pub(crate) use self::body::{Body, Pairs};
pub use self::scrub::Scrub;
pub(crate) use self::scrubber::Scrubber;

/// The version of the format that is written and read.
const VERSION: u32 = 1;

/// The largest file that is read: 64 MiB.
const FILE_LIMIT: usize = 64 * 1024 * 1024;

/// What was said between an adapter and its vendor, without secrets: made by a [`Recorder`](crate::Recorder), kept in
/// a file beside the tests, played by a [`Replay`](crate::Replay).
///
/// The file is JSON, indented, its keys sorted: a head with source, date and note, then one entry for each exchange. JSON
/// and forms are shown as what they are, other text as text, anything else in base64. The same exchanges make the same
/// bytes.
///
/// ```
/// use opsorch_testkit::Cassette;
///
/// let cassette = Cassette::parse(r#"{
///     "cassette": { "recorded": "2026-01-01", "source": "example 1.0", "version": 1 },
///     "exchanges": [
///         {
///             "reply": { "body": { "json": { "title": "disk full" } }, "status": 200 },
///             "request": { "headers": { "accept": "application/json" }, "method": "GET", "path": "/incidents/7" }
///         }
///     ]
/// }"#)?;
/// assert_eq!((cassette.source(), cassette.len()), ("example 1.0", 1));
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cassette {
    #[serde(rename = "cassette")]
    head: Head,
    exchanges: Vec<Exchange>,
}

impl Cassette {
    /// A cassette of these exchanges, scrubbed and searched for what must not be in it.
    pub(crate) fn record(head: Head, exchanges: &[Exchange], scrub: Scrub) -> Result<Self> {
        let mut scrubber = Scrubber::new(scrub);
        let mut all = |exchange: &Exchange| {
            let request = scrubber.request(&exchange.request);
            Exchange { reply: scrubber.reply(&exchange.reply), request }
        };
        // The first time finds the values, wherever rules apply; the second finds them elsewhere.
        exchanges.iter().for_each(|exchange| drop(all(exchange)));
        let cassette = Self { head, exchanges: exchanges.iter().map(all).collect() };
        cassette.expect_clean(&scrubber)?;
        match Self::parse(cassette.to_json()?) {
            Ok(read) if read == cassette => Ok(cassette),
            Ok(_) => Err(Error::unexpected("the cassette would read as something else than what was recorded")),
            Err(error) => Err(Error::unexpected("the cassette could not be read again").with_source(error)),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// `Invalid`, with the place, for a file that cannot be read, that is larger than 64 MiB or that is no cassette.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| {
            let message = format!("the file cannot be read: {error}");
            Error::invalid("cassette", message).with_context("file", path.display()).with_source(error)
        };
        let mut json = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut json).map_err(failed)?;
        if json.len() > FILE_LIMIT {
            let error = Error::invalid("cassette", format!("the file is larger than {FILE_LIMIT} bytes"));
            return Err(error.with_context("file", path.display()));
        }
        Self::parse(json).map_err(|error| error.with_context("file", path.display()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// `Invalid`, with the place, for what is no cassette of this version.
    pub fn parse(json: impl AsRef<[u8]>) -> Result<Self> {
        let cassette: Self = serde_json::from_slice(json.as_ref())
            .map_err(|error| Error::invalid("cassette", format!("expected a cassette: {error}")).with_source(error))?;
        if cassette.head.version != VERSION {
            let message = format!("expected version {VERSION}, got {}", cassette.head.version);
            return Err(Error::invalid("cassette.version", message));
        }
        for exchange in &cassette.exchanges {
            exchange.reply.to_reply()?;
        }
        Ok(cassette)
    }

    /// Writes the file: all of it or none, readable by its owner only.
    ///
    /// # Errors
    /// `Invalid` where the folder is missing or the file cannot be written; an earlier one is then left as it was.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, json) = (path.as_ref(), self.to_json()?);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            file.write_all(json.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)
        });
        match written {
            Ok(_) => Ok(()),
            Err(error) => {
                let message = format!("the file cannot be written: {error}");
                Err(Error::invalid("cassette", message).with_context("file", path.display()).with_source(error))
            }
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that are known; `Unexpected` if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let value = self.to_value()?;
        match serde_json::to_string_pretty(&value) {
            Ok(json) => Ok(json + "\n"),
            Err(error) => Err(Error::unexpected("the cassette cannot be written as JSON").with_source(error)),
        }
    }

    /// Where the exchanges come from, such as the vendor's product and version.
    pub fn source(&self) -> &str {
        &self.head.source
    }

    /// The day of the recording.
    pub fn recorded(&self) -> NaiveDate {
        self.head.recorded
    }

    /// What a reader should know.
    pub fn note(&self) -> Option<&str> {
        self.head.note.as_deref()
    }

    /// How many exchanges there are.
    pub fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether there is no exchange.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    pub(crate) fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges
    }

    fn to_value(&self) -> Result<Value> {
        match serde_json::to_value(self) {
            Ok(value) => Ok(body::sorted(value)),
            Err(error) => Err(Error::unexpected("the cassette cannot be written as JSON").with_source(error)),
        }
    }

    /// Looks for the secrets in the file as it would be, whatever scrubbing did.
    fn expect_clean(&self, scrubber: &Scrubber) -> Result<()> {
        let leaks = |place: String| {
            let message =
                format!("a secret would be written in {place}, where it cannot be scrubbed; nothing is written");
            Err(Error::invalid("cassette", message))
        };
        for (place, text) in [("the source", Some(self.source())), ("the note", self.note())] {
            if text.is_some_and(|text| scrubber.finds(text.as_bytes())) {
                return leaks(place.to_owned());
            }
        }
        for (index, exchange) in self.exchanges.iter().enumerate() {
            let value = serde_json::to_value(exchange).unwrap_or_default();
            if any_text(&value, &|text| scrubber.finds(text)) || exchange.any_binary(|bytes| scrubber.finds(bytes)) {
                return leaks(format!("exchange {}", index + 1));
            }
        }
        match scrubber.finds(self.to_json()?.as_bytes()) {
            true => leaks("the file".to_owned()),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { note, recorded, source, .. } = &self.head;
        f.debug_struct("Cassette")
            .field("source", source)
            .field("recorded", recorded)
            .field("note", note)
            .field("exchanges", &self.exchanges.len())
            .finish()
    }
}

/// Whether one of the names, texts and numbers in a value is such.
fn any_text(value: &Value, is_such: &dyn Fn(&[u8]) -> bool) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| is_such(name.as_bytes()) || any_text(value, is_such))
        }
        Value::Array(items) => items.iter().any(|item| any_text(item, is_such)),
        Value::String(text) => is_such(text.as_bytes()),
        Value::Number(number) => is_such(number.to_string().as_bytes()),
        Value::Null | Value::Bool(_) => false,
    }
}

/// The head of a cassette.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    recorded: NaiveDate,
    source: String,
    version: u32,
}

impl Head {
    pub(crate) fn new(source: String, recorded: NaiveDate, note: Option<String>) -> Self {
        Self { note, recorded, source, version: VERSION }
    }
}

/// A request and what was answered.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub(crate) reply: RecordedReply,
    pub(crate) request: RecordedRequest,
}

impl Exchange {
    fn any_binary(&self, is_such: impl Fn(&[u8]) -> bool) -> bool {
        let is_such = |body: &Option<Body>| matches!(body, Some(Body::Base64(bytes)) if is_such(bytes));
        is_such(&self.request.body) || is_such(&self.reply.body)
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Body>,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub(crate) headers: Pairs,
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub(crate) query: Pairs,
    /// The headers that were marked as secret.
    #[serde(skip)]
    sensitive: Vec<String>,
}

impl RecordedRequest {
    /// The request as it is, secrets and all. The host is left out: it is the account's.
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            body: body_of(&request.body, &request.headers),
            headers: headers_of(&request.headers),
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: pairs_of(request.url.query().unwrap_or_default().as_bytes()),
            sensitive: sensitive_of(&request.headers),
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedReply {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Body>,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    headers: Pairs,
    status: u16,
    #[serde(skip)]
    sensitive: Vec<String>,
}

impl RecordedReply {
    /// The answer as it is, secrets and all.
    pub(crate) fn of(reply: &Reply) -> Self {
        Self {
            body: body_of(&reply.body, &reply.headers),
            headers: headers_of(&reply.headers),
            status: reply.status.as_u16(),
            sensitive: sensitive_of(&reply.headers),
        }
    }

    pub(crate) fn to_reply(&self) -> Result<Reply> {
        let status = StatusCode::from_u16(self.status)
            .map_err(|_| Error::invalid("status", format!("expected a status of HTTP, got {}", self.status)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter() {
            let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
            let (name, value) =
                parsed.ok_or_else(|| Error::invalid("headers", format!("expected a header, got {name:?}")))?;
            headers.append(name, value);
        }
        let body = self.body.as_ref().map(Body::to_bytes).unwrap_or_default();
        Ok(Reply::new(status).headers(headers).body(body))
    }
}

/// A value that is not UTF-8 is kept as far as it is text.
fn headers_of(headers: &HeaderMap) -> Pairs {
    let mut pairs = Pairs::default();
    for (name, value) in headers {
        pairs.push(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    pairs
}

fn sensitive_of(headers: &HeaderMap) -> Vec<String> {
    headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.to_string()).collect()
}

fn pairs_of(encoded: &[u8]) -> Pairs {
    let mut pairs = Pairs::default();
    for (name, value) in form_urlencoded::parse(encoded) {
        pairs.push(name.into_owned(), value.into_owned());
    }
    pairs
}

fn body_of(body: &Bytes, headers: &HeaderMap) -> Option<Body> {
    let content_type = headers.get("content-type").map(HeaderValue::as_bytes).unwrap_or_default();
    let is_form = content_type.starts_with(b"application/x-www-form-urlencoded");
    Some(match std::str::from_utf8(body) {
        Ok("") => return None,
        Err(_) => Body::Base64(body.to_vec()),
        Ok(text) if is_form => Body::Form(pairs_of(text.as_bytes())),
        Ok(text) => match body::parse_json(text) {
            Some(value) if body::is_faithful(text, &value) => Body::Json(value),
            _ => Body::Text(text.to_owned()),
        },
    })
}
