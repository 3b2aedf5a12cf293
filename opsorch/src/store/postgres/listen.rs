//! Waiting for commits of any process.

use std::fmt;
use std::future::poll_fn;

use tokio_postgres::{AsyncMessage, Client, Connection, Socket};

use super::failure::Failure;
use super::server::Server;
use super::tls::Encrypted;
use crate::{Error, ErrorKind, Result};

/// Commits of any process to a [`PostgresStore`](super::PostgresStore), as they happen; see
/// [`PostgresStore::listen`](super::PostgresStore::listen).
pub struct Commits {
    /// Kept, because the connection ends with it.
    _client: Client,
    connection: Connection<Socket, Encrypted<Socket>>,
    channel: String,
}

impl Commits {
    pub(super) async fn listen(server: &Server) -> Result<Self> {
        let (client, mut connection) = server.open().await?;
        let (sql, channel) = (format!("LISTEN \"{}\"", server.channel()), server.channel());
        let listening = async {
            tokio::select! {
                listening = client.batch_execute(&sql) => Ok(listening?),
                // Nothing is notified before it listens.
                () = serve(&mut connection) => Err(ended()),
            }
        };
        let listening: Result<(), Failure> =
            tokio::time::timeout(server.patience(), listening).await.unwrap_or(Err(Failure::TimedOut));
        listening?;
        Ok(Self { _client: client, connection, channel })
    }

    /// Waits for the next commit, and returns how many entries the log had after it. Commits that came together may be told
    /// as one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the connection is lost, and ever after: listen again, and look at
    /// what was missed.
    pub async fn next(&mut self) -> Result<u64> {
        loop {
            match poll_fn(|cx| self.connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(told))) if told.channel() == self.channel => {
                    // Anybody can notify; what is no number is not ours.
                    if let Ok(size) = told.payload().parse() {
                        return Ok(size);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Failure::from(error).into()),
                None => return Err(ended().into()),
            }
        }
    }
}

/// Serves a connection until it ends.
async fn serve(connection: &mut Connection<Socket, Encrypted<Socket>>) {
    while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {}
}

fn ended() -> Failure {
    let message = "the connection that listens to the store's database has ended; listen again";
    Failure::Found(Error::new(ErrorKind::Unavailable, message))
}

impl fmt::Debug for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commits").field("channel", &self.channel).finish_non_exhaustive()
    }
}
