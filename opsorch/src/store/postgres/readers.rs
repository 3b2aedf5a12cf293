//! Connections that only read: a pool.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};

use super::failure::Failure;
use super::server::Server;
use crate::{Error, ErrorKind, Result};

/// How many read at once; more wait for their turn.
const MOST: usize = 4;

/// A few connections, opened when they are needed.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    pool: Pool,
    patience: Duration,
}

impl Readers {
    pub(super) fn new(server: &Server) -> Result<Self> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(server.config.clone(), server.tls.clone(), config))
            .max_size(MOST)
            .wait_timeout(Some(server.patience()))
            .create_timeout(Some(server.patience()))
            .recycle_timeout(Some(server.patience()))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::unexpected("the pool of connections cannot be made").with_source(error))?;
        Ok(Self { pool, patience: server.patience() })
    }

    /// Reads with one of them.
    pub(super) async fn read<T>(
        &self,
        query: impl AsyncFnOnce(&ClientWrapper) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Unavailable, "the store is read within a tokio runtime"));
        }
        let connection = self.pool.get().await.map_err(Failure::from)?;
        match tokio::time::timeout(self.patience, query(&connection)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                // Whoever came next would wait for the same answer.
                drop(Object::take(connection));
                Err(Failure::TimedOut.into())
            }
        }
    }
}
