//! Paths of which an id cannot be more than one segment.

use std::fmt::Write;

use url::Url;

use crate::{Error, Result};

/// A path below the base address of a [`Client`](super::Client).
///
/// Two forms. Text in the source, such as `"api/v1/query"`, is split at `/`; leading and trailing slashes mean
/// nothing. A list, such as `["incidents", id]`, holds one segment each: whatever an id holds, it is percent-encoded
/// and stays one segment. Everything but ASCII letters, digits and `-._~` is encoded.
///
/// Because only text with a `'static` lifetime is split, an id cannot be formatted into a path by mistake:
///
/// ```compile_fail,E0716
/// # let id = String::from("7/../users");
/// let path = opsorch::transport::Path::from(&*format!("incidents/{id}"));
/// ```
/// ```
/// # let id = String::from("7/../users");
/// let path = opsorch::transport::Path::from(["incidents", &id]);
/// ```
#[derive(Clone, Debug)]
pub struct Path(Vec<String>);

impl From<&'static str> for Path {
    fn from(text: &'static str) -> Self {
        match text.trim_matches('/') {
            "" => Self(Vec::new()),
            text => Self(text.split('/').map(str::to_owned).collect()),
        }
    }
}

impl<const N: usize> From<[&str; N]> for Path {
    fn from(segments: [&str; N]) -> Self {
        Self::from(segments.as_slice())
    }
}

impl From<&[&str]> for Path {
    fn from(segments: &[&str]) -> Self {
        Self(segments.iter().copied().map(str::to_owned).collect())
    }
}

impl From<Vec<String>> for Path {
    fn from(segments: Vec<String>) -> Self {
        Self(segments)
    }
}

impl Path {
    /// The address of this path below a base; an empty path is the base itself.
    pub(super) fn below(&self, base: &Url) -> Result<Url> {
        if self.0.is_empty() {
            return Ok(base.clone());
        }
        let mut path = base.path().trim_end_matches('/').to_owned();
        for segment in &self.0 {
            path.push('/');
            push_segment(&mut path, segment)?;
        }
        let mut url = base.clone();
        url.set_path(&path);
        Ok(url)
    }
}

/// Dot segments are refused rather than encoded, because servers resolve `%2e%2e` as they do `..`.
fn push_segment(path: &mut String, segment: &str) -> Result<()> {
    match segment {
        "" => Err(Error::invalid("path", "expected an id, got an empty one: it would name another resource")),
        "." | ".." => {
            Err(Error::invalid("path", format!("`{segment}` cannot be an id: it would name another resource")))
        }
        _ => {
            path.push_str(&percent_encode(segment));
            Ok(())
        }
    }
}

/// Encodes everything but the unreserved characters of RFC 3986, section 2.3.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}
