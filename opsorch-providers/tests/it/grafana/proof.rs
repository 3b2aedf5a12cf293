//! Who is believed, and who is not.

use std::time::Duration;

use opsorch::ErrorKind;
use opsorch::secret::SecretRef;
use opsorch_providers::grafana::{GrafanaConfig, WebhookCredential};

use super::desk::{CANARY, Desk, NEXT, SIGNATURE, TIMESTAMP, bearer, message, signature, signed};

async fn refused(desk: &Desk, headers: &[(&str, String)], body: &str) -> String {
    let error = desk.send(headers, body).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{headers:?}: {error}");
    error.to_string()
}

fn stamped() -> GrafanaConfig {
    signed().timestamp_header(TIMESTAMP)
}

/// The headers of a request that was signed at this time.
fn at(stamp: &str, body: &str) -> [(&'static str, String); 2] {
    [(SIGNATURE, signature(CANARY, format!("{stamp}:{body}"))), (TIMESTAMP, stamp.to_owned())]
}

/// Computed with OpenSSL: `printf '{"alerts":[]}' | openssl dgst -sha256 -hmac key`, and of `1767225600:{"alerts":[]}`.
#[test]
fn the_signature_of_these_tests_is_that_of_others() {
    assert_eq!(signature("key", "{\"alerts\":[]}"), BODY);
    assert_eq!(signature("key", "1767225600:{\"alerts\":[]}"), STAMPED);
}

const BODY: &str = "616c0d2e0ce8983650a0ae8537c348e448bbef423b32ba12d8dabba04daa8c11";
const STAMPED: &str = "e0b339c359385619fd02d1beab3a15b94c332d8ab45c15bfa6265023e4539d2a";

#[tokio::test]
async fn a_signature_over_these_bytes_is_believed_and_nothing_else_is() {
    let desk = Desk::of(signed()).await;
    let body = message().to_string();
    let right = signature(CANARY, &body);
    for good in [right.clone(), right.to_uppercase()] {
        assert_eq!(desk.send(&[(SIGNATURE, good)], body.clone()).await.unwrap().events.len(), 1);
    }
    refused(&desk, &[], &body).await;
    let wrong = [
        String::new(),
        signature("another", &body),
        signature(CANARY, body.replace("HighMemory", "AllIsWell")),
        right[1..].to_owned(),
        right[..62].to_owned(),
        format!("{right}00"),
        format!("sha256={right}"),
        format!("{right},{right}"),
        CANARY.to_owned(),
        "zz".repeat(32),
    ];
    for signature in wrong {
        refused(&desk, &[(SIGNATURE, signature)], &body).await;
    }
    refused(&desk, &[(SIGNATURE, right.clone()), (SIGNATURE, right.clone())], &body).await;
    refused(&desk, &[(SIGNATURE, right.clone())], &body[..body.len() - 1]).await;
    refused(&desk, &[(SIGNATURE, right.clone())], &format!("{body} ")).await;
    refused(&desk, &[("X-Other", right)], &body).await;
}

#[tokio::test]
async fn a_credential_does_not_replace_a_signature_nor_a_signature_a_credential() {
    let desk = Desk::of(signed().credential(bearer())).await;
    let body = message().to_string();
    let signature = (SIGNATURE, signature(CANARY, &body));
    let authorization = ("authorization", format!("Bearer {CANARY}"));
    refused(&desk, std::slice::from_ref(&signature), &body).await;
    refused(&desk, std::slice::from_ref(&authorization), &body).await;
    desk.send(&[signature, authorization], body).await.unwrap();
}

#[tokio::test]
async fn a_message_is_believed_for_five_minutes_and_once() {
    let desk = Desk::of(stamped()).await;
    let body = message().to_string();
    for difference in [-300, -1, 0, 60] {
        desk.send(&at(&desk.stamp(difference), &body), body.clone()).await.unwrap();
    }
    for difference in [-301, -100_000, 61, 100_000] {
        refused(&desk, &at(&desk.stamp(difference), &body), &body).await;
    }
    let now = at(&desk.stamp(0), &body);
    assert!(refused(&desk, &now, &body).await.contains("received before"));
    let [(_, upper), _] = now.clone().map(|(name, value)| (name, value.to_uppercase()));
    assert!(refused(&desk, &[(SIGNATURE, upper), now[1].clone()], &body).await.contains("received before"));
    desk.clock.advance(Duration::from_secs(301));
    assert!(refused(&desk, &now, &body).await.contains("older than 5 minutes"));
    desk.send(&at(&desk.stamp(0), &body), body).await.unwrap();
}

#[tokio::test]
async fn a_time_stamp_is_signed_and_there_once() {
    let desk = Desk::of(stamped()).await;
    let body = message().to_string();
    let now = desk.stamp(0);
    let [right, stamp] = at(&now, &body);
    refused(&desk, std::slice::from_ref(&right), &body).await;
    refused(&desk, &[right.clone(), stamp.clone(), stamp.clone()], &body).await;
    refused(&desk, &[right.clone(), (TIMESTAMP, desk.stamp(1))], &body).await;
    refused(&desk, &[(SIGNATURE, signature(CANARY, &body)), stamp.clone()], &body).await;
    for odd in ["", "now", "-1", "1e9", "1767225600.5", "99999999999999999999"] {
        refused(&desk, &at(odd, &body), &body).await;
    }
    desk.send(&[right, stamp], body.clone()).await.unwrap();

    // A contact point that signs a time stamp is not believed where none is configured, and the error says why.
    let plain = Desk::of(signed()).await;
    assert!(refused(&plain, &at(&now, &body), &body).await.contains("timestamp_header"));
}

#[tokio::test]
async fn both_secrets_and_both_credentials_are_believed_during_a_rotation() {
    let body = message().to_string();
    let both = Desk::of(signed().webhook_secret(SecretRef::env("NEXT"))).await;
    for key in [CANARY, NEXT] {
        both.send(&[(SIGNATURE, signature(key, &body))], body.clone()).await.unwrap();
    }
    refused(&both, &[(SIGNATURE, signature("neither", &body))], &body).await;

    let basic = WebhookCredential::Basic { user: "grafana".to_owned(), password: SecretRef::env("NEXT") };
    let scheme = WebhookCredential::Scheme { name: "Token".to_owned(), credentials: SecretRef::env("NEXT") };
    let desk = Desk::of(GrafanaConfig::authorized(bearer()).credential(basic).credential(scheme)).await;
    let user_and_password = "Basic Z3JhZmFuYTpjYW5hcnktbmV4dC01ZDJm"; // grafana:canary-next-5d2f
    for value in [format!("Bearer {CANARY}"), user_and_password.to_owned(), format!("token {NEXT}")] {
        desk.send(&[("authorization", value)], body.clone()).await.unwrap();
    }
    for value in [format!("Bearer {NEXT}"), format!("Token {CANARY}"), "Basic grafana".to_owned(), CANARY.to_owned()] {
        refused(&desk, &[("authorization", value)], &body).await;
    }
    refused(&desk, &[], &body).await;
}

#[tokio::test]
async fn the_headers_have_the_names_that_are_configured() {
    let mut config = stamped().timestamp_header("X-When");
    config.signature_header = "X-Mine".to_owned();
    let desk = Desk::of(config).await;
    let body = message().to_string();
    let [(_, signature), (_, stamp)] = at(&desk.stamp(0), &body);
    refused(&desk, &[(SIGNATURE, signature.clone()), (TIMESTAMP, stamp.clone())], &body).await;
    desk.send(&[("x-mine", signature), ("x-when", stamp)], body).await.unwrap();
}

#[tokio::test]
async fn what_is_not_proved_is_not_read() {
    for config in [signed(), stamped(), GrafanaConfig::authorized(bearer())] {
        let desk = Desk::of(config).await;
        for body in ["not JSON".to_owned(), String::new(), "[".repeat(100_000)] {
            refused(&desk, &[], &body).await;
        }
    }
}

#[tokio::test]
async fn a_configuration_by_which_anybody_could_send_alerts_is_refused() {
    let header = |name: &str| {
        let mut config = signed();
        config.signature_header = name.to_owned();
        config
    };
    let blank_label = || {
        let mut config = signed();
        config.service_label = " ".to_owned();
        config
    };
    let basic = |user: &str| WebhookCredential::Basic { user: user.to_owned(), password: SecretRef::env("WEBHOOK") };
    let scheme =
        |name: &str| WebhookCredential::Scheme { name: name.to_owned(), credentials: SecretRef::env("WEBHOOK") };
    for (config, field) in [
        (GrafanaConfig::default(), "webhook_secrets"),
        (GrafanaConfig::default().timestamp_header(TIMESTAMP), "webhook_secrets"),
        (GrafanaConfig::authorized(bearer()).timestamp_header(TIMESTAMP), "timestamp_header"),
        (signed().timestamp_header(SIGNATURE.to_lowercase()), "timestamp_header"),
        (signed().timestamp_header("not a header"), "timestamp_header"),
        (header(""), "signature_header"),
        (blank_label(), "service_label"),
        (signed().credential(basic("a:b")), "credentials[0].basic.user"),
        (signed().credential(bearer()).credential(scheme("")), "credentials[1].scheme.name"),
        (signed().credential(scheme("a b")), "credentials[0].scheme.name"),
    ] {
        let error = Desk::built(config).await.err().unwrap();
        let field = format!("providers.grafana.{field}");
        assert_eq!(*error.kind(), ErrorKind::Invalid { field }, "{error}");
    }
    let error = Desk::built(GrafanaConfig::signed(SecretRef::env("NO_SUCH"))).await.err().unwrap();
    assert!(error.to_string().contains("NO_SUCH"), "{error}");
}

#[tokio::test]
async fn the_secret_is_seen_nowhere() {
    let config = stamped().credential(bearer());
    let desk = Desk::of(config.clone()).await;
    let body = message().to_string();
    let mut printed = format!("{config:?} {:?} {}", desk.ops, serde_json::to_string(&config).unwrap());
    let [right, stamp] = at(&desk.stamp(0), &body);
    for headers in [
        vec![("authorization", "Bearer guess-77".to_owned())],
        vec![("authorization", format!("Bearer {CANARY}")), (SIGNATURE, "guess-77".to_owned()), stamp.clone()],
        vec![("authorization", format!("Bearer {CANARY}")), right.clone(), (TIMESTAMP, "guess-77".to_owned())],
    ] {
        let error = desk.send(&headers, body.clone()).await.unwrap_err();
        printed += &format!("{error} {error:?}");
    }
    assert!(!printed.contains("canary") && !printed.contains("guess-77") && !printed.contains(&right.1), "{printed}");
}
