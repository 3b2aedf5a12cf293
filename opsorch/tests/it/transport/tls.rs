//! Mutual TLS and private authorities: who is answered, who is trusted, and who never sees the client's certificate.

use std::sync::{Arc, Mutex};

use opsorch::secret::Secret;
use opsorch::transport::{Client, Method, Reply, Request, ReqwestTransport, StatusCode, Tls, Transport};
use opsorch::{Error, ErrorKind, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use wiremock::ResponseTemplate;

use super::{Scripted, answering, cx};

/// A private authority, made anew for each test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A client's certificate and its key, as PEM.
    fn identity(&self) -> String {
        let (certificate, key) = self.issue();
        certificate.pem() + &key.serialize_pem()
    }

    fn trusted(&self) -> Tls {
        Tls::new().roots(&self.0.pem()).unwrap()
    }

    /// What a client needs that shows a certificate of this authority.
    fn mutual(&self) -> Tls {
        self.trusted().identity(Secret::new(self.identity())).unwrap()
    }
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    /// Of each request whether the client showed a certificate.
    requests: Vec<bool>,
}

/// A TLS server that redirects `/old` and says yes to everything else.
struct Server {
    uri: String,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers nobody but clients with a certificate of the authority.
    async fn strict(authority: &Authority) -> Self {
        Self::start(authority, true, &TLS13, "/new").await
    }

    /// Asks for a certificate, and answers those without too.
    async fn asking(authority: &Authority) -> Self {
        Self::start(authority, false, &TLS13, "/new").await
    }

    async fn start(
        authority: &Authority,
        strict: bool,
        version: &'static SupportedProtocolVersion,
        location: &str,
    ) -> Self {
        let (certificate, key) = authority.issue();
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let clients = if strict { clients } else { clients.allow_unauthenticated() };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::default();
        let task = tokio::spawn(accept(listener, Arc::new(config).into(), Arc::clone(&seen), location.to_owned()));
        Self { uri, seen, task }
    }

    fn client(&self, transport: &ReqwestTransport, tls: Tls) -> Client {
        Client::new(Arc::new(transport.clone()), self.uri.parse().unwrap()).unwrap().tls(tls)
    }

    async fn get(&self, tls: Tls) -> Result<Reply> {
        self.client(&ReqwestTransport::new().unwrap(), tls).get("x").send(&cx()).await
    }

    fn requests(&self) -> Vec<bool> {
        self.seen.lock().unwrap().requests.clone()
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, seen: Arc<Mutex<Seen>>, location: String) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.lock().unwrap().connections += 1;
        connections.spawn(answer(stream, acceptor.clone(), seen.clone(), location.clone()));
    }
}

/// Answers what comes on one connection, until it ends.
async fn answer(stream: TcpStream, acceptor: TlsAcceptor, seen: Arc<Mutex<Seen>>, location: String) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let certified = stream.get_ref().1.peer_certificates().is_some();
    while let Some(head) = read_head(&mut stream).await {
        seen.lock().unwrap().requests.push(certified);
        let answer = match head.contains(" /old ") {
            true => format!("HTTP/1.1 307 Go\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"),
            false => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Lets hyper put the connection of an answered request back before the next one asks for it.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn printed(error: &Error) -> String {
    format!("{error} {error:?} {error:#?}")
}

#[tokio::test]
async fn a_private_server_answers_a_client_that_trusts_its_authority_and_shows_a_certificate() {
    let authority = Authority::new();
    let server = Server::strict(&authority).await;
    server.get(authority.mutual()).await.unwrap();
    assert_eq!(server.requests(), [true]);
}

#[tokio::test]
async fn a_server_of_an_authority_that_is_not_trusted_is_sent_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::asking(&authority).await;
    let identity = Tls::new().identity(Secret::new(authority.identity())).unwrap();
    for tls in [Tls::new(), identity, other.mutual()] {
        let error = server.get(tls).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
        assert!(!error.may_have_applied(), "{error}");
    }
    assert_eq!((server.connections(), server.requests().len()), (3, 0));
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_answers_nobody_without_or_with_anothers() {
    let (authority, other) = (Authority::new(), Authority::new());
    for version in [&TLS12, &TLS13] {
        let server = Server::start(&authority, true, version, "/new").await;
        let anothers = authority.trusted().identity(Secret::new(other.identity())).unwrap();
        for tls in [authority.trusted(), anothers] {
            let error = server.get(tls).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Unavailable, "{error}");
            // In TLS 1.3 the request is on its way before the server has looked at the certificate.
            assert_eq!(error.may_have_applied(), version == &TLS13, "{error}");
        }
        assert_eq!(server.requests(), [false; 0]);
    }
}

#[tokio::test]
async fn the_same_origin_is_shown_the_certificate_again() {
    let authority = Authority::new();
    let server = Server::strict(&authority).await;
    let client = server.client(&ReqwestTransport::new().unwrap(), authority.mutual());
    client.post("old").send(&cx()).await.unwrap();
    assert_eq!(server.requests(), [true, true]);
}

#[tokio::test]
async fn another_origin_is_never_shown_the_certificate_not_even_when_it_redirects_back() {
    let authority = Authority::new();
    let other = Server::asking(&authority).await;
    let server = Server::start(&authority, true, &TLS13, &format!("{}/x", other.uri)).await;
    let transport = ReqwestTransport::new().unwrap();
    // The other origin has a connection with the certificate, which must not be used for the redirect.
    other.client(&transport, authority.mutual()).get("x").send(&cx()).await.unwrap();
    settle().await;
    server.client(&transport, authority.mutual()).get("old").send(&cx()).await.unwrap();
    assert_eq!((server.requests(), other.requests()), (vec![true], vec![true, false]));

    let back = Server::start(&authority, false, &TLS13, &format!("{}/x", server.uri)).await;
    let server = Server::start(&authority, true, &TLS13, &format!("{}/old", back.uri)).await;
    server.client(&transport, authority.mutual()).get("old").send(&cx()).await.unwrap_err();
    assert_eq!((server.requests(), back.requests()), (vec![true], vec![false]));
}

#[tokio::test]
async fn any_transport_is_told_which_tls_holds_for_which_request() {
    let authority = Authority::new();
    let identity = Tls::new().identity(Secret::new(authority.identity())).unwrap();
    let cases = [(authority.mutual(), Some(authority.trusted())), (identity, None)];
    for (tls, for_others) in cases {
        let location = |to: &str| [("location".parse().unwrap(), to.parse().unwrap())].into_iter().collect();
        let redirect = |to| Reply::new(StatusCode::FOUND).headers(location(to));
        let replies =
            [redirect("/y"), redirect("https://other/z"), redirect("https://h/w"), Reply::new(StatusCode::OK)];
        let transport = Scripted::new(replies);
        let client = Client::new(transport.clone(), "https://h".parse().unwrap()).unwrap().tls(tls.clone());
        client.get("x").send(&cx()).await.unwrap();
        let sent: Vec<Option<Tls>> = transport.sent().into_iter().map(|request| request.tls).collect();
        assert_eq!(sent, [Some(tls.clone()), Some(tls), for_others.clone(), for_others]);
    }
}

#[tokio::test]
async fn plain_http_is_refused_and_nothing_is_sent() {
    let server = answering(ResponseTemplate::new(200)).await;
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let client = Client::new(transport, server.uri().parse().unwrap()).unwrap().tls(Authority::new().mutual());
    let error = client.post("x").send(&cx()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unsupported, "{error}");
    assert!(!error.may_have_applied() && error.message().contains("https://"), "{error}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_goes_through_an_http_proxy_to_the_server_alone() {
    let authority = Authority::new();
    let server = Server::strict(&authority).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let tunnel = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let head = read_head(&mut near).await.unwrap();
        let mut far = TcpStream::connect(head.split(' ').nth(1).unwrap()).await.unwrap();
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        _ = copy_bidirectional(&mut near, &mut far).await;
    });
    let transport = ReqwestTransport::through_proxy(&proxy).unwrap();
    server.client(&transport, authority.mutual()).get("x").send(&cx()).await.unwrap();
    assert_eq!(server.requests(), [true]);
    tunnel.abort();
}

#[tokio::test]
async fn a_proxy_that_does_tls_itself_is_shown_nothing() {
    let authority = Authority::new();
    let (server, proxy) = (Server::strict(&authority).await, Server::asking(&authority).await);
    let transport = ReqwestTransport::through_proxy(&proxy.uri.parse().unwrap()).unwrap();
    let error = server.client(&transport, authority.mutual()).get("x").send(&cx()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unsupported, "{error}");
    assert!(!error.may_have_applied());
    assert_eq!((server.connections(), proxy.connections()), (0, 0));
}

#[tokio::test]
async fn requests_with_equal_tls_share_connections_and_others_do_not() {
    let authority = Authority::new();
    let server = Server::asking(&authority).await;
    let transport = ReqwestTransport::new().unwrap();
    let identity = Secret::new(authority.identity());
    let equal = || authority.trusted().identity(identity.clone()).unwrap();
    for tls in [equal(), equal()] {
        server.client(&transport.clone(), tls).get("x").send(&cx()).await.unwrap();
        settle().await;
    }
    assert_eq!((server.connections(), server.requests()), (1, vec![true, true]));

    server.client(&transport, authority.trusted()).get("x").send(&cx()).await.unwrap();
    assert_eq!((server.connections(), server.requests()), (2, vec![true, true, false]));
}

#[tokio::test]
async fn connections_are_kept_for_the_64_that_were_used_last() {
    let authority = Authority::new();
    let server = Server::asking(&authority).await;
    let transport = ReqwestTransport::new().unwrap();
    let numbered = |number: usize| Tls::new().roots(&format!("{number}\n{}", authority.0.pem())).unwrap();
    let ask = async |tls: Tls| {
        server.client(&transport, tls).get("x").send(&cx()).await.unwrap();
        settle().await;
        server.connections()
    };
    // The first is used all along, and so 63 of the others are kept: 2 to 64.
    for number in 1..=64 {
        assert_eq!(ask(numbered(0)).await, number);
        assert_eq!(ask(numbered(number)).await, number + 1);
    }
    assert_eq!(ask(numbered(2)).await, 65);
    assert_eq!(ask(numbered(0)).await, 65);
    assert_eq!(ask(numbered(1)).await, 66);
}

/// PEM that looks right and is not, with what is said of it.
fn broken(authority: &Authority) -> Vec<(Result<Tls>, &'static str)> {
    let (certificate, key) = authority.issue();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    let identity = |pem: String| Tls::new().identity(Secret::new(pem));
    let roots = |pem: String| Tls::new().roots(&pem);
    let cut = |pem: &str| pem.get(..pem.len() - 40).unwrap().to_owned();
    let garbage = |pem: &str| pem.replacen("-----\n", "-----\nAAAA", 1);
    vec![
        (identity(certificate.clone() + &cut(&key)), "from its BEGIN to its END"),
        (identity(certificate.clone() + &key.replacen("KEY-----\n", "KEY-----\n~", 1)), "whole from"),
        (identity(certificate.clone() + &key + &key.replace("PRIVATE", "PUBLIC")), "certificates and one private key"),
        (identity(certificate.clone() + &key.replace("PRIVATE KEY", "RSA PRIVATE KEY")), "the private key of it"),
        (identity(authority.0.pem() + &certificate + &key), "the client's own certificate before"),
        (identity(authority.identity() + &key), "got several"),
        (identity(authority.0.pem() + &key), "the private key of it"),
        (roots(cut(&certificate)), "from its BEGIN to its END"),
        (roots(garbage(&certificate)), "no X.509 certificate"),
        (roots(certificate + &key), "a key belongs into the identity"),
    ]
}

#[test]
fn pem_that_cannot_be_used_is_refused_where_it_is_given() {
    for (result, expected) in broken(&Authority::new()) {
        let error = result.expect_err(expected);
        assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "identity" || field == "roots"));
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

/// Each line of base64 that a text of PEM is made of.
fn lines(pem: &str) -> impl Iterator<Item = &str> {
    pem.lines().filter(|line| !line.contains("-----"))
}

#[tokio::test]
async fn neither_key_nor_certificate_is_seen_in_debug_or_errors() {
    let authority = Authority::new();
    let server = Server::strict(&authority).await;
    let identity = authority.identity();
    let tls = Tls::new().identity(Secret::new(identity.clone())).unwrap();
    let transport = ReqwestTransport::new().unwrap();
    let client = server.client(&transport, tls.clone());
    let request = Request::new(Method::GET, server.uri.parse().unwrap()).tls(tls.clone());
    let mut seen = format!("{tls:?} {tls:#?} {client:?} {client:#?} {request:?} {:?}", client.get("x"));
    seen += &printed(&client.get("x").send(&cx()).await.unwrap_err());
    seen += &printed(&transport.send(request).await.unwrap_err());
    seen += &format!("{transport:?} {:?}", authority.mutual());
    assert!(seen.contains("Secret(***)"));
    for line in lines(&identity).chain(lines(&authority.0.pem())) {
        assert!(line.len() > 1 && !seen.contains(line));
    }

    let misplaced = authority.identity();
    for error in [Tls::new().roots(&misplaced), Tls::new().identity(Secret::new(misplaced.replace('-', "")))] {
        let error = printed(&error.unwrap_err());
        assert!(lines(&misplaced).all(|line| !error.contains(line)), "{error}");
    }
    for (result, expected) in broken(&authority) {
        let error = printed(&result.expect_err(expected));
        // No word of an error is as long as a line of base64, whole or cut.
        let mut words = error.split(|letter: char| !letter.is_ascii_alphanumeric() && !"+/=".contains(letter));
        assert!(words.all(|word| word.len() < 30), "{error}");
    }
}
