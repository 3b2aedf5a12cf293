//! Connections that break while a transaction commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use opsorch::ErrorKind;
use opsorch::secret::Secret;
use opsorch::store::{PostgresStore, Requested, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::place::{Place, assert_sound, log, request, tcp_url};

/// Passes everything on.
const PASS: u8 = 0;
/// Passes the next commit on, and cuts the connection before the answer.
const CUT_AFTER: u8 = 1;
/// Cuts the connection before the next commit.
const CUT_BEFORE: u8 = 2;
/// As `CUT_AFTER`, and lets nobody connect again.
const CUT_FOR_EVER: u8 = 3;
/// Lets nobody connect.
const CLOSED: u8 = 4;

/// Between a store and its database.
struct Proxy {
    mode: Arc<AtomicU8>,
    url: String,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (credentials, rest) =
            tcp_url().split_once("@127.0.0.1:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let (target, rest) = rest.split_once('/').unwrap();
        let target = format!("127.0.0.1:{target}");
        let mode = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if shared.load(Ordering::SeqCst) != CLOSED {
                    tokio::spawn(pass(client, target.clone(), Arc::clone(&shared)));
                }
            }
        });
        Self { mode, url: format!("{credentials}@127.0.0.1:{port}/{rest}") }
    }

    async fn open(&self, place: &Place, timeout: Duration) -> PostgresStore {
        place.options().timeout(timeout).open(&Secret::new(&self.url)).await.unwrap()
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

async fn pass(mut client: TcpStream, target: String, mode: Arc<AtomicU8>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let (mut from_client, mut from_server) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &from_client[..length];
                if bytes.windows(6).any(|word| word == b"COMMIT") {
                    match mode.load(Ordering::SeqCst) {
                        CUT_BEFORE => return mode.store(PASS, Ordering::SeqCst),
                        cut @ (CUT_AFTER | CUT_FOR_EVER) => {
                            mode.store(if cut == CUT_AFTER { PASS } else { CLOSED }, Ordering::SeqCst);
                            server.write_all(bytes).await.unwrap();
                            // The answer is not passed on.
                            assert_ne!(server.read(&mut from_server).await.unwrap(), 0);
                            return;
                        }
                        _ => {}
                    }
                }
                if server.write_all(bytes).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&from_server[..length]).await.is_err() { return }
            }
        }
    }
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_looked_up_and_not_done_again() {
    let (place, proxy) = (Place::new(), Proxy::start().await);
    let (store, log) = (proxy.open(&place, Duration::from_secs(30)).await, log());
    for (number, mode) in [CUT_AFTER, PASS, CUT_BEFORE, CUT_AFTER].into_iter().enumerate() {
        proxy.set(mode);
        let answer = store.request(&log, request(&format!("g-{number}"), "")).await;
        assert!(matches!(&answer, Ok(Requested::Written(entry)) if entry.sequence == number as u64), "{answer:?}");
    }
    assert_sound(&place.open().await, 4).await;
}

#[ignore = "needs PostgreSQL: .ci/postgres"]
#[tokio::test]
async fn a_commit_that_cannot_be_looked_up_is_not_called_undone() {
    let (place, proxy) = (Place::new(), Proxy::start().await);
    let (store, log) = (proxy.open(&place, Duration::from_millis(200)).await, log());
    store.request(&log, request("g-0", "")).await.unwrap();
    proxy.set(CUT_FOR_EVER);
    let error = store.request(&log, request("g-1", "")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.may_have_applied(), "{error:?}");
    // While nobody can connect, nothing is written, and that is certain.
    let error = store.request(&log, request("g-2", "")).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Unavailable && !error.may_have_applied(), "{error:?}");
    proxy.set(PASS);
    assert_eq!(*store.request(&log, request("g-1", "")).await.unwrap_err().kind(), ErrorKind::Conflict);
    store.request(&log, request("g-2", "")).await.unwrap();
    assert_sound(&place.open().await, 3).await;
}
