//! One request of a client, from its path to its answer.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::client::{Share, parse_header};
use super::{Bytes, Client, Reply, Request};
use crate::{Context, Error, Result};

/// A request on its way: made by [`Client::get`] and the like, ended by [`fetch`](RequestBuilder::fetch),
/// [`send`](RequestBuilder::send) or [`send_any`](RequestBuilder::send_any).
///
/// What is wrong with it is said when it is sent, and then nothing is sent.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder<'a> {
    client: &'a Client,
    request: Result<Request>,
    share: Share,
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(client: &'a Client, request: Result<Request>) -> Self {
        Self { client, request, share: Share::default() }
    }

    /// Adds pairs to the query; a name may come again. They are encoded here, once.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(self, pairs: &[(K, V)]) -> Self {
        self.and_then(|mut request| {
            if !pairs.is_empty() {
                request.url.query_pairs_mut().extend_pairs(pairs);
            }
            Ok(request)
        })
    }

    /// Sets a header, in place of the client's one of the same name.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.and_then(|mut request| {
            let (name, value) = parse_header(name, value)?;
            request.headers.insert(name, value);
            Ok(request)
        })
    }

    /// Sets a JSON body.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.and_then(|_| Err(Error::invalid("body", format!("it cannot be written as JSON: {error}"))))
            }
        }
    }

    /// Sets a body of these pairs, as an HTML form has it.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(self, pairs: &[(K, V)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sets a body of another type, such as `application/x-ndjson`.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.header(CONTENT_TYPE.as_str(), content_type).and_then(|mut request| {
            request.body = body.into();
            Ok(request)
        })
    }

    /// Names its class in the client's [`Budget`](super::Budget), in place of the one that follows from method and path.
    pub fn class(mut self, class: &'static str) -> Self {
        self.share.class = Some(class);
        self
    }

    /// Names what it is about, such as a channel, for the limits that the vendor has for [each](super::Limit::each).
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.share.key = Some(key.into());
        self
    }

    /// Sends it and reads the answer as JSON: [`send`](RequestBuilder::send), then [`Reply::json`].
    ///
    /// # Errors
    /// Those of the two.
    pub async fn fetch<T: DeserializeOwned>(self, cx: &Context) -> Result<T> {
        self.send(cx).await?.json()
    }

    /// Sends it and returns the answer if its status is 2xx.
    ///
    /// # Errors
    /// Those of [`send_any`](RequestBuilder::send_any) and [`Reply::error_for_status`].
    pub async fn send(self, cx: &Context) -> Result<Reply> {
        self.send_any(cx).await?.error_for_status()
    }

    /// Sends it and returns the answer, whatever its status: for vendors whose errors need a closer look.
    ///
    /// # Errors
    /// `Invalid` for a path, header or body that cannot be sent; `RateLimited` when the [`Budget`](super::Budget) has no
    /// room before the deadline; `Timeout` when time runs out, also before sending;
    /// `Unavailable` for a connection that cannot be made or breaks; `Unexpected` for a redirect that cannot be
    /// followed and for an answer above the limit. [`Error::may_have_applied`] tells whether it may have been acted on.
    pub async fn send_any(self, cx: &Context) -> Result<Reply> {
        self.client.exchange(cx, self.request?, self.share).await
    }

    fn and_then(self, change: impl FnOnce(Request) -> Result<Request>) -> Self {
        Self { request: self.request.and_then(change), ..self }
    }
}
