//! Takes out of exchanges what must not be written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::secret::Secret;
use serde_json::Value;
use url::form_urlencoded;

use super::body::{Body, Pairs, parse_json};
use super::needle::{self, Needle};
use super::{RecordedReply, RecordedRequest, Scrub};

/// The shortest value found by a rule that is then looked for elsewhere, in bytes: `"password": "no"` says nothing of
/// the word elsewhere.
const LEARNT: usize = 8;

/// The schemes that are left to read before what is secret in `authorization`, in small letters.
const SCHEMES: [&str; 7] = ["apikey", "basic", "bearer", "bot", "geniekey", "splunk", "token"];

/// Applies a [`Scrub`] and remembers which number stands for which value.
#[derive(Debug)]
pub(crate) struct Scrubber {
    rules: Scrub,
    /// The value of number 1 first. Those that were given come before those that rules found.
    values: Vec<Secret>,
    needles: Vec<Needle>,
    given: Vec<Needle>,
    numbered: bool,
}

impl Scrubber {
    pub(crate) fn new(rules: Scrub) -> Self {
        let mut scrubber = Self { rules, values: Vec::new(), needles: Vec::new(), given: Vec::new(), numbered: true };
        for secret in scrubber.rules.secrets().to_vec() {
            scrubber.number(secret.expose(), 0);
        }
        scrubber.given = scrubber.needles.clone();
        scrubber
    }

    /// Writes `<scrubbed>` for every value, also where there is a number already: for comparing.
    pub(crate) fn without_numbers(mut self) -> Self {
        self.numbered = false;
        self
    }

    /// Whether a secret that was given is in this text.
    pub(super) fn finds(&self, text: &[u8]) -> bool {
        needle::contains(text, &self.given)
    }

    pub(crate) fn request(&mut self, request: &RecordedRequest) -> RecordedRequest {
        RecordedRequest {
            method: request.method.clone(),
            path: self.text(&request.path),
            query: self.pairs(&request.query).unordered(),
            headers: self.headers(&request.headers, &request.sensitive),
            body: request.body.as_ref().map(|body| self.body(body)),
            sensitive: Vec::new(),
        }
    }

    pub(crate) fn reply(&mut self, reply: &RecordedReply) -> RecordedReply {
        RecordedReply {
            status: reply.status,
            headers: self.headers(&reply.headers, &reply.sensitive),
            body: reply.body.as_ref().map(|body| self.body(body)),
            sensitive: Vec::new(),
        }
    }

    fn headers(&mut self, headers: &Pairs, sensitive: &[String]) -> Pairs {
        // A wait until a date cannot be read without the date that it counts from.
        let waits_until = headers.values("retry-after").iter().any(|wait| wait.contains(':'));
        let mut scrubbed = Pairs::default();
        for (name, value) in headers.iter() {
            if self.rules.omits_header(name) && !(name == "date" && waits_until) {
                continue;
            }
            let value = match self.rules.hides_header(name) || sensitive.iter().any(|sensitive| sensitive == name) {
                true => self.credential(name, value),
                false => self.text(value),
            };
            scrubbed.push(self.text(name), value);
        }
        scrubbed
    }

    /// The value of a header that is secret, with the scheme left to read.
    fn credential(&mut self, name: &str, value: &str) -> String {
        for part in parts(name, value) {
            self.number(&part, LEARNT);
        }
        match value.split_once(' ') {
            Some((scheme, secret))
                if name.ends_with("authorization") && SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) =>
            {
                format!("{scheme} {}", self.hide(secret))
            }
            _ => self.hide(value),
        }
    }

    fn pairs(&mut self, pairs: &Pairs) -> Pairs {
        let mut scrubbed = Pairs::default();
        for (name, value) in pairs.iter() {
            let value = if self.rules.hides_field(name) { self.hide(value) } else { self.text(value) };
            scrubbed.push(self.text(name), value);
        }
        scrubbed
    }

    fn body(&mut self, body: &Body) -> Body {
        match body {
            Body::Json(value) => Body::Json(self.json(value, false)),
            Body::Form(pairs) => Body::Form(self.pairs(pairs).unordered()),
            Body::Text(text) => Body::Text(self.text(text)),
            Body::Base64(bytes) => Body::Base64(self.bytes(bytes)),
        }
    }

    fn json(&mut self, value: &Value, is_secret: bool) -> Value {
        match value {
            Value::String(text) if is_secret => self.hide(text).into(),
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => {
                let number = number.to_string();
                let scrubbed = if is_secret { self.hide(&number) } else { self.text(&number) };
                if scrubbed == number { value.clone() } else { scrubbed.into() }
            }
            Value::Array(items) => items.iter().map(|item| self.json(item, is_secret)).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| {
                    let is_secret = is_secret || self.rules.hides_field(name);
                    (self.text(name), self.json(value, is_secret))
                };
                Value::Object(fields.iter().map(field).collect())
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// A text that is JSON, as in a field of a form, is scrubbed as such. Where it holds no secret it stays as it is.
    fn text(&mut self, text: &str) -> String {
        if let Some(value) = parse_json(text) {
            let scrubbed = self.json(&value, false);
            if scrubbed != value {
                return scrubbed.to_string();
            }
        }
        // A spelling begins and ends where a character does, so that what is left is text.
        let scrubbed = String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned();
        self.parameters(&scrubbed)
    }

    /// Scrubs what stands after a name and `=`: addresses in headers and fields, lines of a log.
    fn parameters(&mut self, text: &str) -> String {
        let (mut scrubbed, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, after)) = rest.split_once('=') {
            let is_part = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
            let name = before.rsplit(|character| !is_part(character)).next().unwrap_or_default();
            scrubbed.push_str(before);
            scrubbed.push('=');
            rest = after;
            if self.rules.hides_field(name) {
                let quotes = after.len() - after.trim_start_matches(['"', '\'', '\\']).len();
                let (quotes, after) = after.split_at(quotes);
                let ends = |character: char| character.is_whitespace() || "&#;,\"'\\".contains(character);
                let (value, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
                scrubbed.push_str(quotes);
                scrubbed.push_str(&self.hide(&decoded(value)));
                rest = behind;
            }
        }
        scrubbed.push_str(rest);
        scrubbed
    }

    fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match self.numbered {
            true => needle::replace(bytes, &self.needles, numbered),
            false => without_numbers(&needle::replace(bytes, &self.needles, plain)),
        }
    }

    /// What stands in the place of this value. The empty text is no secret, and a placeholder stays what it is.
    fn hide(&mut self, value: &str) -> String {
        match is_placeholder(value) {
            true if self.numbered => value.to_owned(),
            true => plain(0),
            false if value.is_empty() => String::new(),
            false => {
                let number = self.number(value, LEARNT);
                if self.numbered { numbered(number) } else { plain(number) }
            }
        }
    }

    /// The number of a value. A new one that is long enough is looked for from here on.
    fn number(&mut self, value: &str, learnt: usize) -> usize {
        if let Some(index) = self.values.iter().position(|known| known.matches(value)) {
            return index + 1;
        }
        let (secret, number) = (Secret::new(value), self.values.len() + 1);
        if value.len() >= learnt && !value.contains(BEGINNING) {
            self.needles.extend(Needle::all(&secret, number));
        }
        self.values.push(secret);
        number
    }
}

/// What is secret by itself within the value of a header: the values of cookies, and the password of `Basic`.
fn parts(name: &str, value: &str) -> Vec<String> {
    let cookie = |pair: &str| pair.split_once('=').map(|(_, value)| value.trim().trim_matches('"').to_owned());
    match name {
        "cookie" => value.split(';').filter_map(cookie).collect(),
        // What stands behind the first are its attributes.
        "set-cookie" => value.split(';').take(1).filter_map(cookie).collect(),
        _ => password(value).into_iter().collect(),
    }
}

fn password(value: &str) -> Option<String> {
    let (scheme, pair) = value.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(pair.trim()).ok())??;
    let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some(password.to_owned())
}

/// What a placeholder begins with, with or without a number.
const BEGINNING: &str = "<scrubbed";

fn numbered(number: usize) -> String {
    format!("{BEGINNING}-{number}>")
}

fn plain(_: usize) -> String {
    format!("{BEGINNING}>")
}

fn is_placeholder(text: &str) -> bool {
    placeholder_length(text.as_bytes()) == Some(text.len())
}

/// How long the placeholder is that this text begins with, if it does.
fn placeholder_length(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(BEGINNING.as_bytes())?;
    let number = rest.iter().position(|byte| *byte == b'>')?;
    let is_number = match rest.get(..number)? {
        [] => true,
        [b'-', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_number.then_some(BEGINNING.len() + number + 1)
}

fn without_numbers(bytes: &[u8]) -> Vec<u8> {
    let (mut replaced, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((first, others)) = rest.split_first() {
        if let Some(length) = placeholder_length(rest) {
            replaced.extend_from_slice(plain(0).as_bytes());
            rest = rest.get(length..).unwrap_or_default();
        } else {
            replaced.push(*first);
            rest = others;
        }
    }
    replaced
}

/// A parameter's value as it was before it was encoded, so that one value has one number.
fn decoded(value: &str) -> String {
    let pair = format!("={value}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
