//! What a wire reads of a request.

use opsorch::transport::{Request, Url};
use serde_json::Value;

/// The parts of the path, decoded: `/issue/a%20b` is `["issue", "a b"]`.
pub fn path(request: &Request) -> Vec<String> {
    let parts = request.url.path_segments().into_iter().flatten();
    parts.map(decode).filter(|part| !part.is_empty()).collect()
}

/// The first value of a parameter of the query, decoded.
pub fn parameter(request: &Request, name: &str) -> Option<String> {
    parameters(request, name).into_iter().next()
}

/// All values of a parameter of the query, decoded, in their order: `statuses[]=a&statuses[]=b`.
pub fn parameters(request: &Request, name: &str) -> Vec<String> {
    let pairs = request.url.query_pairs().filter(|(found, _)| found == name);
    pairs.map(|(_, value)| value.into_owned()).collect()
}

/// The body as JSON; `Null` where it is not JSON, or there is none.
pub fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// Percent-decodes one part of a path. What is not UTF-8 becomes U+FFFD.
pub(crate) fn decode(part: &str) -> String {
    // In a form a plus is a space; in a path it is a plus.
    let form = part.replace('+', "%2B");
    let mut pairs = form_pairs(&format!("={}", form.replace('&', "%26")));
    pairs.pop().map(|(_, value)| value).unwrap_or_default()
}

/// The pairs of an `application/x-www-form-urlencoded` text, decoded.
pub(crate) fn form_pairs(text: &str) -> Vec<(String, String)> {
    // The only reader of forms among our dependencies is that of a URL's query.
    let Ok(mut url) = Url::parse("http://form") else { return Vec::new() };
    url.set_query(Some(text));
    url.query_pairs().into_owned().collect()
}
