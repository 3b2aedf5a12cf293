//! A server that does what no proper server does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How an answer goes on after its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The connection is closed.
    Close,
    /// Nothing more comes.
    Hang,
    /// One byte every ten milliseconds.
    Trickle,
}

/// Answers every request with the same bytes, and remembers the first line of each.
#[derive(Debug)]
pub(crate) struct RawServer {
    pub(crate) uri: String,
    lines: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl RawServer {
    pub(crate) async fn start(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, answer.into(), then, lines.clone()));
        Self { uri, lines, task }
    }

    /// The first lines of the requests since the last call.
    pub(crate) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, answer: Vec<u8>, then: Then, lines: Arc<Mutex<Vec<String>>>) {
    let mut hanging = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let head = read_head(&mut stream).await;
        lines.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
        // A client that has seen enough closes first.
        _ = stream.write_all(&answer).await;
        match then {
            Then::Close => {}
            Then::Hang => hanging.push(stream),
            Then::Trickle => {
                while stream.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
