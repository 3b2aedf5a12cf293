//! Doubles of vendors, through HTTP: what is created is read, updated and listed, in the words of each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod chat;
mod incident_tool;
mod telemetry;
mod tracker;

use std::sync::Arc;

use opsorch::transport::{Client, Method, Reply, ReqwestTransport, StatusCode};
use opsorch_testkit::double::{Double, Server};
use serde_json::Value;

use crate::{cx, done};

/// A double that is served, and its client.
struct Vendor {
    client: Client,
    _server: Server,
}

impl Vendor {
    async fn of(double: impl Double) -> Self {
        let server = Server::start(double).await;
        let client = done(Client::new(Arc::new(done(ReqwestTransport::new())), server.url()));
        Self { client, _server: server }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Reply {
        let path: Vec<&str> = path.split('/').collect();
        done(self.client.get(&path[..]).query(query).send_any(&cx()).await)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        let path: Vec<&str> = path.split('/').collect();
        done(self.client.request(method, &path[..]).json(body).send_any(&cx()).await)
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body).await
    }
}

/// The JSON of an answer of this status.
#[track_caller]
fn read(reply: &Reply, status: StatusCode) -> Value {
    assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
    done(reply.json())
}
