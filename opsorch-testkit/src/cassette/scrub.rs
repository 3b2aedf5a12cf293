//! The rules of scrubbing: what must not be written, and what is not worth it.

use std::collections::BTreeSet;

use opsorch::secret::Secret;
use opsorch::{Error, Result};

/// The shortest secret that is looked for by value, in bytes: a shorter one is part of ordinary words.
const SHORTEST: usize = 6;

/// The headers that hold credentials or signatures. A name with `*` at its end is the beginning of names.
const SECRET_HEADERS: [&str; 22] = [
    "api-key",
    "authorization",
    "circle-token",
    "cookie",
    "dd-api-key",
    "dd-application-key",
    "private-token",
    "proxy-authorization",
    "set-cookie",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-datadog-api-key",
    "x-gitlab-token",
    "x-goog-api-key",
    "x-hub-signature*",
    "x-pagerduty-signature*",
    "x-slack-signature",
    "x-token",
    "x-vault-token",
];

/// The fields that hold credentials or signatures, in small letters without `-` and `_`.
const SECRET_FIELDS: [&str; 51] = [
    "accesskey",
    "accesstoken",
    "accesstokensecret",
    "apikey",
    "apitoken",
    "appkey",
    "applicationkey",
    "assertion",
    "authorization",
    "authtoken",
    "bearertoken",
    "botaccesstoken",
    "bottoken",
    "clientassertion",
    "clientsecret",
    "cookie",
    "credential",
    "credentials",
    "idtoken",
    "integrationkey",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "privatekeypem",
    "privatetoken",
    "pwd",
    "refreshtoken",
    "routingkey",
    "secret",
    "secretaccesskey",
    "secretkey",
    "securitytoken",
    "servicekey",
    "sessionid",
    "sessiontoken",
    "sharedsecret",
    "sig",
    "signature",
    "signingsecret",
    "slacktoken",
    "token",
    "usertoken",
    "webhooksecret",
    "webhooktoken",
    "webhookurl",
    "xamzcredential",
    "xamzsecuritytoken",
    "xamzsignature",
    "xapikey",
];

/// The headers that differ from one recording to the next, or that belong to the connection.
const VOLATILE_HEADERS: [&str; 32] = [
    "age",
    "alt-svc",
    "cf-cache-status",
    "cf-ray",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy*",
    "date",
    "expect-ct",
    "host",
    "keep-alive",
    "nel",
    "permissions-policy",
    "report-to",
    "server-timing",
    "strict-transport-security",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-cache",
    "x-correlation-id",
    "x-github-request-id",
    "x-request-id",
    "x-runtime",
    "x-served-by",
];

/// What a cassette must not hold.
///
/// * **By rule**: what stands in headers that hold credentials (`authorization`, `cookie`, `x-api-key`, every header
///   marked sensitive, …), in parameters of a query or a form and in fields of JSON that are named like one (`token`,
///   `password`, `client_secret`, `routing_key`, …), and after such a name and `=` in any text. Capitals, `-` and `_`
///   in the name of a field do not matter, and a text that is JSON itself is looked into. What a rule has found and has 8
///   bytes or more is scrubbed elsewhere too, as are the values of cookies and the password of `Basic`.
/// * **By value**: the secrets that are given, anywhere, whatever their case, percent-encoded, in base64 (also as a part
///   of what is encoded) or JSON-escaped.
///
/// In their place stands `<scrubbed-1>`, with one number for one value. What is compressed or encrypted is not seen, nor
/// are the fields of bodies that are neither JSON up to 128 levels deep nor forms: there, give the secret itself.
///
/// Headers that differ from one recording to the next, such as `date` and `x-request-id`, are left out.
///
/// ```
/// use opsorch::secret::Secret;
/// use opsorch_testkit::Scrub;
///
/// let token = Secret::new("xoxb-5f1d-canary");
/// let scrub = Scrub::new().header("x-tenant").field("session").volatile_header("etag").secret(&token)?;
/// # let _ = scrub;
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scrub {
    headers: Names,
    fields: BTreeSet<String>,
    volatile: Names,
    secrets: Vec<Secret>,
}

impl Scrub {
    /// The rules that every recording has.
    pub fn new() -> Self {
        Self {
            headers: Names::of(&SECRET_HEADERS),
            fields: SECRET_FIELDS.map(str::to_owned).into(),
            volatile: Names::of(&VOLATILE_HEADERS),
            secrets: Vec::new(),
        }
    }

    /// Scrubs the header of this name too; with `*` at its end, the headers whose names begin so.
    pub fn header(mut self, name: impl AsRef<str>) -> Self {
        self.headers.add(name.as_ref());
        self
    }

    /// Scrubs the parameters and fields of this name too.
    pub fn field(mut self, name: impl AsRef<str>) -> Self {
        self.fields.insert(plain(name.as_ref()));
        self
    }

    /// Leaves out the header of this name too: it is neither written nor compared. With `*` at its end, the headers
    /// whose names begin so.
    pub fn volatile_header(mut self, name: impl AsRef<str>) -> Self {
        self.volatile.add(name.as_ref());
        self
    }

    /// Scrubs this text wherever it stands, in any of its spellings.
    ///
    /// # Errors
    /// `Invalid` for a secret of fewer than 6 bytes: it would be found in ordinary words.
    pub fn secret(mut self, secret: &Secret) -> Result<Self> {
        if secret.expose().len() < SHORTEST {
            let message = format!("expected at least {SHORTEST} bytes: a shorter one would be found in ordinary words");
            return Err(Error::invalid("secret", message));
        }
        self.secrets.push(secret.clone());
        Ok(self)
    }

    pub(super) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    pub(super) fn hides_header(&self, name: &str) -> bool {
        self.headers.hold(name)
    }

    pub(super) fn hides_field(&self, name: &str) -> bool {
        self.fields.contains(&plain(name))
    }

    pub(super) fn omits_header(&self, name: &str) -> bool {
        self.volatile.hold(name)
    }
}

impl Default for Scrub {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of a field without what vendors differ in.
fn plain(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Names of headers, and beginnings of names.
#[derive(Clone, Debug)]
struct Names {
    whole: BTreeSet<String>,
    beginnings: Vec<String>,
}

impl Names {
    fn of(names: &[&str]) -> Self {
        let mut all = Self { whole: BTreeSet::new(), beginnings: Vec::new() };
        names.iter().for_each(|name| all.add(name));
        all
    }

    fn add(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        match name.strip_suffix('*') {
            Some(beginning) => self.beginnings.push(beginning.to_owned()),
            None => _ = self.whole.insert(name),
        }
    }

    fn hold(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.whole.contains(&name) || self.beginnings.iter().any(|beginning| name.starts_with(beginning))
    }
}
