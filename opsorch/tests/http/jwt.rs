//! Tokens of issuers: what counts, and every way to forge one that is known.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use opsorch::http::{Authentication, Jwt, Role};
use opsorch::secret::Secret;
use opsorch::transport::{HeaderMap, HeaderValue, Reply, Request, StatusCode, Transport};
use opsorch::{Actor, Clock, Error, ErrorKind, ManualClock, Result, async_trait};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn claims() -> Value {
    let now = ManualClock::default().now().timestamp();
    json!({ "iss": ISSUER, "aud": "ops", "sub": "alice", "exp": now + 300, "iat": now, "roles": ["viewer"] })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn hs256(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A key pair of an issuer: PKCS #8 of the private key, and the public one.
fn ed25519(seed: u8) -> (EncodingKey, [u8; 32]) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let mut der = hex("302e020100300506032b657004220420");
    der.extend(key.to_bytes());
    (EncodingKey::from_ed_der(&der), key.verifying_key().to_bytes())
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn eddsa(claims: &Value, key: &EncodingKey, kid: Option<&str>) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn people() -> Jwt {
    Jwt::people(ISSUER, "ops").hs256(&Secret::new(SECRET)).unwrap()
}

fn auth(jwt: Jwt) -> Authentication {
    Authentication::builder().jwt(jwt).build().unwrap()
}

async fn who(auth: &Authentication, token: &str, clock: &ManualClock) -> Result<Actor> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    auth.authenticate(&headers, clock.now()).await.map(|principal| principal.actor().clone())
}

async fn is_let_in(jwt: Jwt, token: &str) -> bool {
    match who(&auth(jwt), token, &ManualClock::default()).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
            assert!(token.len() < 20 || !error.to_string().contains(token));
            false
        }
    }
}

#[tokio::test]
async fn a_good_token_is_whom_it_names_with_the_roles_it_says() {
    let clock = ManualClock::default();
    let claims = with("realm", json!({ "roles": ["oncall", "sre"] }));
    let jwt = people().roles_claim(["realm", "roles"]).map_role("oncall", Role::Approver).role("everybody");
    let alice = who(&auth(jwt), &hs256(&claims), &clock).await.unwrap();
    assert_eq!(alice.to_string(), "user alice@https://id.example");
    assert_eq!(alice.authentication, "jwt");
    assert_eq!(alice.roles.iter().map(String::as_str).collect::<Vec<_>>(), ["approver", "everybody", "oncall", "sre"]);
}

#[tokio::test]
async fn a_token_is_good_for_its_issuer_its_audience_and_its_time() {
    let now = ManualClock::default().now().timestamp();
    assert!(is_let_in(people(), &hs256(&claims())).await);
    assert!(is_let_in(people(), &hs256(&with("aud", json!(["other", "ops"])))).await);
    assert!(is_let_in(people(), &hs256(&with("exp", json!(now - 29)))).await, "clocks differ");
    let wrong = [
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("aud", json!(["other"])),
        ("aud", json!([])),
        ("sub", json!("")),
        ("exp", json!(now - 30)),
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
    ];
    for (name, value) in wrong {
        assert!(!is_let_in(people(), &hs256(&with(name, value.clone()))).await, "{name}: {value}");
    }
    for missing in ["iss", "aud", "sub", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        assert!(!is_let_in(people(), &hs256(&claims)).await, "without {missing}");
    }
}

#[tokio::test]
async fn the_token_does_not_choose_its_algorithm() {
    let (_, public) = ed25519(1);
    let pem = public_pem(&public);
    let issuer = || Jwt::people(ISSUER, "ops").ed25519(&pem).unwrap();
    // The public key, which everybody has, as if it were a shared secret.
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), &public] {
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(secret));
        assert!(!is_let_in(issuer(), &forged.unwrap()).await);
    }
    for algorithm in ["none", "None", "NONE", "nOnE", "HS256", "RS256", "EdDSA", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "typ": "JWT" }).to_string());
        let body = URL_SAFE_NO_PAD.encode(claims().to_string());
        for signature in ["", "AAAA"] {
            assert!(!is_let_in(issuer(), &format!("{header}.{body}.{signature}")).await, "{algorithm}");
        }
    }
    let (key, _) = ed25519(1);
    assert!(is_let_in(issuer(), &eddsa(&claims(), &key, None)).await, "the right one is let in");
    assert!(!is_let_in(people(), &eddsa(&claims(), &key, None)).await, "another issuer's key");
}

#[tokio::test]
async fn a_token_that_was_altered_or_is_none_is_nobodys() {
    let good = hs256(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let admin = URL_SAFE_NO_PAD.encode(with("roles", json!(["admin"])).to_string());
    let altered = format!("{}.{admin}.{}", parts[0], parts[2]);
    for token in [altered.as_str(), "a.b.c", "..", "....", &good[..good.len() - 2], "x"] {
        assert!(!is_let_in(people(), token).await, "{token}");
    }
}

#[tokio::test]
async fn a_token_that_demands_or_is_something_else_is_refused() {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let critical = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
    let logout = Header { typ: Some("logout+jwt".into()), ..Header::new(Algorithm::HS256) };
    let access = Header { typ: Some("at+jwt".into()), ..Header::new(Algorithm::HS256) };
    for (header, good) in [(critical, false), (logout, false), (access, true)] {
        let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        assert_eq!(is_let_in(people(), &token).await, good, "{header:?}");
    }
}

#[tokio::test]
async fn only_a_person_is_a_person() {
    let clock = ManualClock::default();
    let agent = who(&auth(people()), &hs256(&with("act", json!({ "sub": "copilot" }))), &clock).await.unwrap();
    assert_eq!(agent.to_string(), "agent copilot@https://id.example for user alice@https://id.example");
    let clients = [
        ("client_id", json!("alice")),
        ("azp", json!("alice")),
        ("appid", json!("alice")),
        ("cid", json!("alice")),
        ("gty", json!("client-credentials")),
        ("gty", json!(["client_credentials"])),
        ("idtyp", json!("app")),
        ("oid", json!("alice")),
        ("preferred_username", json!("service-account-deployer")),
    ];
    for (name, value) in clients {
        let client = who(&auth(people()), &hs256(&with(name, value)), &clock).await.unwrap();
        assert_eq!(client.to_string(), "service alice@https://id.example", "{name}");
    }
    let of_people = [("gty", json!(["authorization_code"])), ("idtyp", json!("user")), ("cid", json!("console"))];
    for (name, value) in of_people {
        let person = who(&auth(people()), &hs256(&with(name, value)), &clock).await.unwrap();
        assert_eq!(person.to_string(), "user alice@https://id.example", "{name}");
    }
    let mut delegated = with("oid", json!("alice"));
    delegated["scp"] = json!("ops.read");
    let person = who(&auth(people()), &hs256(&delegated), &clock).await.unwrap();
    assert_eq!(person.to_string(), "user alice@https://id.example", "somebody delegated it");
    let services = Jwt::services(ISSUER, "ops").hs256(&Secret::new(SECRET)).unwrap();
    let service = who(&auth(services), &hs256(&claims()), &clock).await.unwrap();
    assert_eq!(service.to_string(), "service alice@https://id.example");
}

/// An issuer whose keys cannot be fetched.
#[derive(Debug)]
struct Down;

#[async_trait]
impl Transport for Down {
    async fn send(&self, _: Request) -> Result<Reply> {
        Err(Error::new(ErrorKind::Unavailable, "it is down"))
    }
}

#[tokio::test]
async fn of_two_audiences_of_one_issuer_each_is_tried_and_a_token_for_both_is_a_services() {
    let clock = ManualClock::default();
    let services = || Jwt::services(ISSUER, "machines").hs256(&Secret::new(SECRET)).unwrap();
    let both = Authentication::builder().jwt(people()).jwt(services()).build().unwrap();
    for (audience, kind) in
        [(json!("ops"), "user"), (json!("machines"), "service"), (json!(["ops", "machines"]), "service")]
    {
        let actor = who(&both, &hs256(&with("aud", audience)), &clock).await.unwrap();
        assert_eq!(actor.to_string(), format!("{kind} alice@https://id.example"));
    }

    // One whose keys cannot be fetched stands in the way of nobody but its own.
    let url = || "https://id.example/keys".parse().unwrap();
    let other_people = Jwt::people(ISSUER, "others").jwks(url(), Arc::new(Down)).unwrap();
    let auth = Authentication::builder().jwt(other_people).jwt(people()).build().unwrap();
    assert!(who(&auth, &hs256(&claims()), &clock).await.is_ok());
    let error = who(&auth, &hs256(&with("aud", json!("others"))), &clock).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    let machines = Jwt::services(ISSUER, "machines").jwks(url(), Arc::new(Down)).unwrap();
    let auth = Authentication::builder().jwt(people()).jwt(machines).build().unwrap();
    assert!(who(&auth, &hs256(&claims()), &clock).await.is_ok());
    let error = who(&auth, &hs256(&with("aud", json!(["ops", "machines"]))), &clock).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "it may be a service's");
}

#[test]
fn two_for_the_same_tokens_are_refused() {
    let services = Jwt::services(ISSUER, "ops").hs256(&Secret::new(SECRET)).unwrap();
    let error = Authentication::builder().jwt(people()).jwt(services).build().unwrap_err().to_string();
    assert!(error.contains("same issuer and audience") && error.contains(ISSUER), "{error}");
}

#[test]
fn a_secret_that_could_be_guessed_is_refused() {
    assert!(Jwt::people(ISSUER, "ops").hs256(&Secret::new("short")).is_err());
    assert!(Jwt::people(ISSUER, "ops").rs256("no pem").is_err());
    assert!(Jwt::people(ISSUER, "ops").ed25519("no pem").is_err());
}

fn public_pem(public: &[u8; 32]) -> String {
    let mut der = hex("302a300506032b6570032100");
    der.extend(public);
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// An issuer that publishes what it is told to, or fails.
#[derive(Clone, Debug, Default)]
struct Issuer {
    answers: Arc<Mutex<VecDeque<Option<Value>>>>,
    asked: Arc<Mutex<usize>>,
}

impl Issuer {
    fn answering(answers: impl IntoIterator<Item = Option<Value>>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    fn auth(&self) -> Authentication {
        let url = "https://id.example/keys".parse().unwrap();
        auth(Jwt::people(ISSUER, "ops").jwks(url, Arc::new(self.clone())).unwrap())
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

#[async_trait]
impl Transport for Issuer {
    async fn send(&self, request: Request) -> Result<Reply> {
        assert!(request.body_limit <= 256 * 1024 && request.timeout <= Duration::from_secs(10), "it is bounded");
        *self.asked.lock().unwrap() += 1;
        let answer = self.answers.lock().unwrap().pop_front().flatten();
        let answer = answer.ok_or_else(|| Error::new(ErrorKind::Unavailable, "down"))?;
        Ok(Reply::new(StatusCode::OK).body(answer.to_string()))
    }
}

fn published(id: &str, public: &[u8; 32]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": URL_SAFE_NO_PAD.encode(public) })
}

fn set(keys: &[Value]) -> Option<Value> {
    Some(json!({ "keys": keys }))
}

#[tokio::test]
async fn published_keys_are_fetched_once_and_again_when_they_are_old_or_one_is_new() {
    let clock = ManualClock::default();
    let ((first, first_public), (second, second_public)) = (ed25519(1), ed25519(2));
    let both = [published("1", &first_public), published("2", &second_public)];
    let issuer = Issuer::answering([set(&both[..1]), set(&both), set(&both[1..])]);
    let auth = issuer.auth();
    let long = with("exp", json!(clock.now().timestamp() + 100_000));
    for _ in 0..3 {
        who(&auth, &eddsa(&long, &first, Some("1")), &clock).await.unwrap();
    }
    assert_eq!(issuer.asked(), 1);
    assert!(who(&auth, &eddsa(&long, &second, Some("2")), &clock).await.is_err(), "too soon to ask again");
    assert_eq!(issuer.asked(), 1);
    clock.advance(Duration::from_secs(30));
    who(&auth, &eddsa(&long, &second, Some("2")), &clock).await.unwrap();
    assert_eq!(issuer.asked(), 2, "a key that is new");
    clock.advance(Duration::from_secs(600));
    assert!(who(&auth, &eddsa(&long, &first, Some("1")), &clock).await.is_err(), "a key that was taken back");
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn invented_key_ids_and_other_issuers_do_not_become_requests() {
    let clock = ManualClock::default();
    let (key, public) = ed25519(1);
    let issuer = Issuer::answering(std::iter::repeat_n(set(&[published("1", &public)]), 100));
    let auth = issuer.auth();
    for number in 0..50 {
        assert!(who(&auth, &eddsa(&claims(), &key, Some(&format!("invented-{number}"))), &clock).await.is_err());
        let other = with("iss", json!("https://evil.example"));
        assert!(who(&auth, &eddsa(&other, &key, Some("1")), &clock).await.is_err());
    }
    assert_eq!(issuer.asked(), 1);
}

/// An issuer that takes a second to answer.
#[derive(Clone, Debug)]
struct Slow(Issuer);

#[async_trait]
impl Transport for Slow {
    async fn send(&self, request: Request) -> Result<Reply> {
        let reply = self.0.send(request).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        reply
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_takes_the_keys_from_nobody() {
    let clock = ManualClock::default();
    let (key, public) = ed25519(1);
    let issuer = Issuer::answering([set(&[published("1", &public)])]);
    let url = "https://id.example/keys".parse().unwrap();
    let auth = auth(Jwt::people(ISSUER, "ops").jwks(url, Arc::new(Slow(issuer.clone()))).unwrap());
    let forged = eddsa(&claims(), &ed25519(2).0, Some("1"));
    let stranger = tokio::time::timeout(Duration::from_millis(1), who(&auth, &forged, &clock)).await;
    assert!(stranger.is_err(), "it did not wait for the answer");
    who(&auth, &eddsa(&claims(), &key, Some("1")), &clock).await.unwrap();
    assert_eq!(issuer.asked(), 1, "and made nobody ask twice");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_each_other_ask_once_whoever_came_first() {
    let (earlier, later) = (ManualClock::default(), ManualClock::default());
    later.advance(Duration::from_millis(5));
    let (key, public) = ed25519(1);
    let issuer = Issuer::answering([set(&[published("1", &public)]), set(&[])]);
    let auth = issuer.auth();
    for clock in [&later, &earlier] {
        assert!(who(&auth, &eddsa(&claims(), &key, Some("invented")), clock).await.is_err());
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_down_known_keys_serve_for_an_hour_and_no_longer() {
    let clock = ManualClock::default();
    let (key, public) = ed25519(1);
    let issuer = Issuer::answering([None, set(&[published("1", &public)])]);
    let auth = issuer.auth();
    let token = eddsa(&with("exp", json!(clock.now().timestamp() + 100_000)), &key, Some("1"));
    let error = who(&auth, &token, &clock).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "it is not the caller's fault");
    clock.advance(Duration::from_secs(30));
    who(&auth, &token, &clock).await.unwrap();
    clock.advance(Duration::from_secs(3599));
    who(&auth, &token, &clock).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(*who(&auth, &token, &clock).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn of_a_published_set_only_public_keys_for_signatures_count() {
    let clock = ManualClock::default();
    let (key, public) = ed25519(1);
    let secret = json!({ "kty": "oct", "kid": "1", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let mut encryption = published("1", &public);
    encryption["use"] = json!("enc");
    let mut other_algorithm = published("1", &public);
    other_algorithm["alg"] = json!("HS256");
    let weak = json!({ "kty": "RSA", "kid": "1", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
    for bad in [secret, encryption, other_algorithm, weak] {
        let auth = Issuer::answering([set(std::slice::from_ref(&bad))]).auth();
        let header = Header { kid: Some("1".into()), ..Header::new(Algorithm::HS256) };
        let symmetric = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        assert!(who(&auth, &symmetric, &clock).await.is_err(), "{bad}");
        assert!(who(&auth, &eddsa(&claims(), &key, Some("1")), &clock).await.is_err(), "{bad}");
    }
}

#[test]
fn keys_are_fetched_over_https_but_from_this_machine() {
    let jwks = |url: &str| Jwt::people(ISSUER, "ops").jwks(url.parse().unwrap(), Arc::new(Issuer::default()));
    assert!(jwks("http://127.0.0.1:8080/keys").is_ok() && jwks("https://id.example/keys").is_ok());
    for url in ["http://id.example/keys", "ftp://id.example/keys", "http://localhost.evil.example/keys"] {
        assert!(jwks(url).is_err(), "{url}");
    }
}
