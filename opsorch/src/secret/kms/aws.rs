//! AWS KMS, over its JSON 1.1 protocol.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::sigv4::{Signed, Signer};
use super::{DataKey, Kms, KmsContext};
use crate::secret::{Key, Secret};
use crate::transport::{Client, Reply, Transport};
use crate::{Actor, Clock, Context, Error, ErrorKind, Result, SystemClock};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The largest answer: the longest ciphertext of KMS is 6144 bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Keys of AWS KMS. The credentials need `kms:GenerateDataKey` and `kms:Decrypt` for the key.
///
/// ```
/// # use std::sync::Arc;
/// # fn example(transport: Arc<dyn opsorch::transport::Transport>, secret: opsorch::secret::Secret) -> opsorch::Result<()> {
/// use opsorch::secret::{AwsCredentials, AwsKms};
///
/// let credentials = AwsCredentials::new("AKIAIOSFODNN7EXAMPLE", secret);
/// let kms = AwsKms::new(transport, "eu-central-1", "alias/opsorch", credentials)?;
/// # let _ = kms;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AwsKms {
    client: Client,
    region: String,
    key_id: String,
    credentials: AwsCredentials,
    clock: Arc<dyn Clock>,
}

/// Credentials of AWS: a pair of keys, with a session token where they are temporary. They are not looked up anywhere and not
/// renewed.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
}

impl AwsCredentials {
    /// An access key.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: Secret) -> Self {
        Self { access_key_id: access_key_id.into(), secret_access_key, session_token: None }
    }

    /// Adds the session token of temporary credentials.
    pub fn session_token(mut self, token: Secret) -> Self {
        self.session_token = Some(token);
        self
    }
}

impl AwsKms {
    /// A key of KMS by its id, ARN or alias.
    ///
    /// # Errors
    /// `Invalid` for a region that is none, and for an empty key id.
    pub fn new(
        transport: Arc<dyn Transport>,
        region: impl Into<String>,
        key_id: impl Into<String>,
        credentials: AwsCredentials,
    ) -> Result<Self> {
        let (region, key_id) = (region.into(), key_id.into());
        let is_region =
            !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_region {
            return Err(Error::invalid("kms.region", "expected a region such as `eu-central-1`"));
        }
        if key_id.trim().is_empty() {
            return Err(Error::invalid("kms.key_id", "expected the id, the ARN or an alias of a key, got nothing"));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = format!("https://kms.{region}.{domain}/");
        let endpoint = Url::parse(&endpoint).map_err(|error| {
            Error::invalid("kms.region", "expected a region such as `eu-central-1`").with_source(error)
        })?;
        let client = client(transport, endpoint, &credentials)?;
        Ok(Self { client, region, key_id, credentials, clock: Arc::new(SystemClock) })
    }

    /// Sends requests to another address, such as an endpoint of one's own network or a double.
    ///
    /// # Errors
    /// `Invalid` for what is no `http` or `https` address.
    pub fn endpoint(mut self, transport: Arc<dyn Transport>, endpoint: Url) -> Result<Self> {
        self.client = client(transport, endpoint, &self.credentials)?;
        Ok(self)
    }

    /// Takes another clock: AWS refuses a signature that is more than some minutes old.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Wraps a key that was made elsewhere.
    ///
    /// # Errors
    /// As [`Kms::generate_data_key`].
    pub async fn wrap(&self, key: &Key, context: &KmsContext) -> Result<Vec<u8>> {
        let plaintext = Zeroizing::new(STANDARD.encode(key.expose()));
        let body = Encrypt { key_id: &self.key_id, plaintext: &plaintext, encryption_context: context };
        let answer: Encrypted = self.call("Encrypt", &body).await?;
        Ok(answer.ciphertext_blob.0.to_vec())
    }

    async fn call<T: DeserializeOwned>(&self, operation: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(|error| Error::unexpected("not JSON").with_source(error))?;
        let AwsCredentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        let time = self.clock.now();
        let signer = Signer { access_key_id, secret_access_key, region: &self.region, service: "kms", time };
        let (date, target, host) = (signer.date(), format!("TrentService.{operation}"), host(self.client.base()));
        let mut headers = vec![("content-type", CONTENT_TYPE), ("host", &host), ("x-amz-date", &date)];
        headers.extend(session_token.as_ref().map(|token| ("x-amz-security-token", token.expose())));
        headers.push(("x-amz-target", &target));
        let path = self.client.base().path();
        let signed = Signed { method: "POST", path, query: "", headers: &headers, body: &body };
        let authorization = signer.authorization(&signed);
        let mut request = self.client.post("").header("authorization", &authorization);
        for (name, value) in headers.iter().filter(|(name, _)| !matches!(*name, "content-type" | "host")) {
            request = request.header(name, value);
        }
        let cx = Context::new(Actor::service("secrets"));
        let reply = request.body(CONTENT_TYPE, body).send_any(&cx).await?;
        if reply.status.is_success() {
            return reply.json();
        }
        Err(refusal(&reply).with_context("operation", operation.to_owned()))
    }
}

#[async_trait]
impl Kms for AwsKms {
    async fn generate_data_key(&self, context: &KmsContext) -> Result<DataKey> {
        let body = GenerateDataKey { key_id: &self.key_id, key_spec: "AES_256", encryption_context: context };
        let answer: Generated = self.call("GenerateDataKey", &body).await?;
        Ok(DataKey::new(key(&answer.plaintext)?, answer.ciphertext_blob.0.to_vec()))
    }

    async fn unwrap_data_key(&self, wrapped: &[u8], context: &KmsContext) -> Result<Key> {
        let ciphertext_blob = STANDARD.encode(wrapped);
        // With the key's id, so that a key of somebody else's account is not taken for ours.
        let body = Decrypt { key_id: &self.key_id, ciphertext_blob: &ciphertext_blob, encryption_context: context };
        let answer: Decrypted = self.call("Decrypt", &body).await?;
        key(&answer.plaintext)
    }
}

fn client(transport: Arc<dyn Transport>, endpoint: Url, credentials: &AwsCredentials) -> Result<Client> {
    let client = Client::new(transport, endpoint)?.body_limit(BODY_LIMIT).redact(&credentials.secret_access_key);
    Ok(match &credentials.session_token {
        Some(token) => client.redact(token),
        None => client,
    })
}

/// The host as it is sent, and so signed.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

fn key(bytes: &Blob) -> Result<Key> {
    Key::from_bytes(&bytes.0)
        .ok_or_else(|| Error::unexpected("expected a data key of 32 bytes from KMS, got another length"))
}

/// What an error of KMS means. A key that is not found is no missing secret, so nothing here is `NotFound`.
fn refusal(reply: &Reply) -> Error {
    let name: String = reply.json::<Failure>().map(|failure| failure.kind).unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default();
    let invalid = |field: &str| ErrorKind::Invalid { field: field.to_owned() };
    let kind = match name {
        "AccessDeniedException" => ErrorKind::Forbidden,
        "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorKind::Unauthenticated,
        "DisabledException" | "KMSInvalidStateException" => ErrorKind::Conflict,
        "DependencyTimeoutException" | "KeyUnavailableException" | "KMSInternalException" => ErrorKind::Unavailable,
        "LimitExceededException" | "ThrottlingException" => ErrorKind::RateLimited { retry_after: reply.retry_after() },
        "IncorrectKeyException" | "InvalidCiphertextException" => invalid("kms.wrapped"),
        "InvalidArnException" | "InvalidKeyUsageException" | "NotFoundException" => invalid("kms.key_id"),
        _ => match reply.clone().error_for_status() {
            Err(error) if *error.kind() != ErrorKind::NotFound => error.kind().clone(),
            _ => invalid("kms.endpoint"),
        },
    };
    reply.error(kind)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKey<'a> {
    key_id: &'a str,
    key_spec: &'a str,
    #[serde(skip_serializing_if = "KmsContext::is_empty")]
    encryption_context: &'a KmsContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Generated {
    ciphertext_blob: Blob,
    plaintext: Blob,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt<'a> {
    key_id: &'a str,
    ciphertext_blob: &'a str,
    #[serde(skip_serializing_if = "KmsContext::is_empty")]
    encryption_context: &'a KmsContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Blob,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    #[serde(skip_serializing_if = "KmsContext::is_empty")]
    encryption_context: &'a KmsContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: Blob,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "__type")]
    kind: String,
}

/// Bytes in base64, wiped when they are dropped.
struct Blob(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The error of the decoder is dropped: it holds a byte of the text.
        STANDARD
            .decode(text.as_bytes())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .map_err(|_| serde::de::Error::custom("expected base64"))
    }
}
