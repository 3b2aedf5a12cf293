//! AWS KMS against a double that checks what AWS checks.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::secret::{
    AwsCredentials, AwsKms, EncryptedFile, EncryptionKey, Key, Kms, KmsContext, Secret, SecretStore,
};
use opsorch::transport::{ReqwestTransport, Url};
use opsorch::{Error, ErrorKind, ManualClock};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Match, Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::{CANARY, assert_hidden, printed};

const KEY_ID: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";

fn kms(server: &MockServer) -> AwsKms {
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let credentials =
        AwsCredentials::new("AKIDEXAMPLE", Secret::new(CANARY)).session_token(Secret::new("session-hunter2"));
    AwsKms::new(transport.clone(), "eu-central-1", KEY_ID, credentials)
        .unwrap()
        .endpoint(transport, Url::parse(&server.uri()).unwrap())
        .unwrap()
        .clock(Arc::new(ManualClock::default()))
}

fn context() -> KmsContext {
    KmsContext::from([("opsorch:purpose".to_owned(), "secrets".to_owned())])
}

/// The double: it wraps a key as the bytes of the key, reversed, after the context.
struct Service;

impl Respond for Service {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["KeyId"], KEY_ID);
        let context = body["EncryptionContext"].to_string();
        let target = request.headers["x-amz-target"].to_str().unwrap();
        let wrap = |key: &[u8]| {
            let reversed: Vec<u8> = key.iter().rev().copied().collect();
            STANDARD.encode([context.as_bytes(), &reversed].concat())
        };
        let answer = match target {
            "TrentService.GenerateDataKey" => {
                assert_eq!(body["KeySpec"], "AES_256");
                let key = Key::generate().unwrap();
                json!({ "KeyId": KEY_ID, "Plaintext": STANDARD.encode(key.expose()), "CiphertextBlob": wrap(key.expose()) })
            }
            "TrentService.Encrypt" => {
                let key = STANDARD.decode(body["Plaintext"].as_str().unwrap()).unwrap();
                json!({ "KeyId": KEY_ID, "CiphertextBlob": wrap(&key), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" })
            }
            "TrentService.Decrypt" => {
                let wrapped = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap();
                let Some(reversed) = wrapped.strip_prefix(context.as_bytes()) else {
                    return ResponseTemplate::new(400).set_body_json(json!({ "__type": "InvalidCiphertextException" }));
                };
                let key: Vec<u8> = reversed.iter().rev().copied().collect();
                json!({ "KeyId": KEY_ID, "Plaintext": STANDARD.encode(key), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" })
            }
            other => panic!("{other}"),
        };
        ResponseTemplate::new(200).set_body_raw(answer.to_string(), "application/x-amz-json-1.1")
    }
}

/// Whether a request is signed over everything that matters.
struct IsSigned;

impl Match for IsSigned {
    fn matches(&self, request: &Request) -> bool {
        let value = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value("authorization").starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-central-1/kms/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
        ) && value("x-amz-date") == "20260101T000000Z"
            && value("x-amz-security-token") == "session-hunter2"
    }
}

async fn service() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/"))
        .and(header("content-type", "application/x-amz-json-1.1"))
        .and(IsSigned)
        .respond_with(Service)
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn data_keys_are_made_wrapped_and_unwrapped() {
    let server = service().await;
    let kms = kms(&server);
    let made = kms.generate_data_key(&context()).await.unwrap();
    assert_eq!(kms.unwrap_data_key(&made.wrapped, &context()).await.unwrap(), made.key);
    assert_eq!(kms.wrap(&made.key, &context()).await.unwrap(), made.wrapped);

    let error = kms.unwrap_data_key(&made.wrapped, &KmsContext::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "kms.wrapped"), "{error}");
}

#[tokio::test]
async fn an_encrypted_file_is_locked_with_it() {
    let server = service().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let open = || EncryptedFile::new(&path, EncryptionKey::from_kms(Arc::new(kms(&server))));
    open().put("a", &Secret::new("x")).await.unwrap();
    assert_eq!(open().get("a").await.unwrap().expose(), "x");
    let bodies: Vec<Value> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0]["EncryptionContext"], bodies[1]["EncryptionContext"]);
    assert_eq!(bodies[0]["EncryptionContext"]["opsorch:purpose"], "secrets");
}

async fn refused(status: u16, body: Value) -> Error {
    let server = MockServer::start().await;
    Mock::given(body_partial_json(json!({ "KeyId": KEY_ID })))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(&server)
        .await;
    let error = kms(&server).generate_data_key(&context()).await.unwrap_err();
    assert_hidden(&printed(&error));
    error
}

#[tokio::test]
async fn errors_are_told_apart_and_none_is_a_missing_secret() {
    let invalid = |field: &str| ErrorKind::Invalid { field: field.to_owned() };
    let cases = [
        (400, "AccessDeniedException", ErrorKind::Forbidden),
        (400, "UnrecognizedClientException", ErrorKind::Unauthenticated),
        (400, "com.amazonaws.kms#ExpiredTokenException", ErrorKind::Unauthenticated),
        (400, "NotFoundException", invalid("kms.key_id")),
        (400, "DisabledException", ErrorKind::Conflict),
        (400, "ThrottlingException", ErrorKind::RateLimited { retry_after: None }),
        (500, "KMSInternalException", ErrorKind::Unavailable),
        (400, "SomethingNew", invalid("request")),
        (404, "UnknownOperationException", invalid("kms.endpoint")),
        (503, "", ErrorKind::Unavailable),
    ];
    for (status, name, expected) in cases {
        let message = format!("refused for {CANARY} with session-hunter2");
        let error = refused(status, json!({ "__type": name, "message": message })).await;
        assert_eq!(*error.kind(), expected, "{error}");
    }
    let short = refused(200, json!({ "Plaintext": "AAAA", "CiphertextBlob": "AAAA" })).await;
    assert!(short.message().contains("32 bytes"), "{short}");
    let text = refused(200, json!({ "Plaintext": "canary!", "CiphertextBlob": "AAAA" })).await;
    assert!(text.message().contains("does not fit at Plaintext"), "{text}");
}

#[tokio::test]
async fn nothing_prints_a_credential_and_a_bad_setting_is_named() {
    let server = MockServer::start().await;
    let kms = kms(&server);
    assert_hidden(&format!("{kms:?} {kms:#?} {:?}", EncryptionKey::from_kms(Arc::new(kms.clone()))));

    let transport = Arc::new(ReqwestTransport::new().unwrap());
    for (region, key, field) in [
        ("", "k", "kms.region"),
        ("eu central", "k", "kms.region"),
        ("x/../y", "k", "kms.region"),
        ("eu-west-1", " ", "kms.key_id"),
    ] {
        let credentials = AwsCredentials::new("id", Secret::new(CANARY));
        let error = AwsKms::new(transport.clone(), region, key, credentials).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { field: got } if got == field), "{error}");
    }
}
