//! The server: TLS, and stopping without losing anything.

use std::time::Duration;

use opsorch::http::{Server, ServerTls};
use opsorch::transport::Tls;
use opsorch::transport::{Method, Request, ReqwestTransport, Transport};
use opsorch::{Event, Operation};
use opsorch_testkit::Fault;
use rcgen::{Certificate, CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Reply, World};

/// A certificate of this host, and what a server reads of it from files.
fn tls() -> (Certificate, ServerTls) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (certificate, ServerTls::from_files(&certificate_file, &key_file).unwrap())
}

#[tokio::test]
async fn it_serves_over_tls_with_a_certificate_from_files() {
    let (certificate, tls) = tls();

    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(listener, world.open().0).tls(tls);
    let server = tokio::spawn(server.run(std::future::pending()));

    let url = format!("https://{address}/health").parse().unwrap();
    let trusted = Tls::new().roots(&certificate.pem()).unwrap();
    let reply = ReqwestTransport::new().unwrap().send(Request::new(Method::GET, url).tls(trusted)).await.unwrap();
    assert_eq!(&reply.body[..], b"{\"status\":\"ok\"}\n");
    server.abort();
}

#[test]
fn files_that_are_no_certificate_and_no_key_are_refused_without_showing_them() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let other = KeyPair::generate().unwrap();
    let pem = CertificateParams::default().self_signed(&key).unwrap().pem();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key, other) =
        (file("c", &pem), file("k", &key.serialize_pem()), file("o", &other.serialize_pem()));
    let empty = file("e", "");
    let missing = folder.path().join("missing");
    assert!(ServerTls::from_files(&certificate, &key).is_ok());
    for (certificate, key) in
        [(&certificate, &other), (&empty, &key), (&certificate, &empty), (&missing, &key), (&key, &certificate)]
    {
        let error = ServerTls::from_files(certificate, key).unwrap_err().to_string();
        assert!(!error.contains("PRIVATE"), "{error}");
    }
}

#[tokio::test]
async fn told_to_stop_it_answers_what_was_asked_and_takes_nothing_more() {
    let world = World::new().await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_millis(50)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new(listener, world.open().0);
    let server = tokio::spawn(server.run(async { drop(stopped.await) }));

    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "POST /tickets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n{\"title\":\"x\"}";
    stream.write_all(request.as_bytes()).await.unwrap();
    while world.vendor.calls(Operation::TicketCreate) == 0 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Reply::parse(&answer).expect(201);
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_a_change() {
    let world = World::new().await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_millis(20)));
    let server = world.open().serve().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = "POST /tickets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n{\"title\":\"x\"}";
    stream.write_all(request.as_bytes()).await.unwrap();
    while world.vendor.calls(Operation::TicketCreate) == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    world.ops.idle().await;
    let events: Vec<_> = world.ops.audit().entries(0, 9).await.unwrap().iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Intent, Event::Outcome]);
}

#[tokio::test]
async fn a_connection_over_which_nothing_comes_is_closed() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(listener, world.open().0).idle(Duration::from_millis(50));
    let server = tokio::spawn(server.run(std::future::pending()));
    // One that says nothing, and one that has said something and then nothing.
    for said in ["", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "it is still open");
        assert_eq!(answer.is_empty(), said.is_empty());
    }
    server.abort();
}

#[tokio::test]
async fn a_connection_of_http_2_over_which_nothing_comes_is_closed_too() {
    let (certificate, tls) = tls();
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(listener, world.open().0).tls(tls).idle(Duration::from_millis(100));
    let server = tokio::spawn(server.run(std::future::pending()));

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(std::sync::Arc::new(client));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    // The preface and empty settings: a connection that is as good as any, and asks for nothing.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "it is still open");
    assert!(!answer.is_empty(), "it was a connection");
    server.abort();
}
