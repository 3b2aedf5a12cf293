//! The client of one vendor: a base address, a credential, limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::Instant;
use url::Url;

use super::redact::Redactor;
use super::redirect::{Redirects, is_safe};
use super::reply::Asked;
use super::{
    Auth, Budget, DEFAULT_BODY_LIMIT, DEFAULT_TIMEOUT, HeaderNames, Path, Reply, Request, RequestBuilder, Tls,
    Transport,
};
use crate::secret::Secret;
use crate::{Context, Error, ErrorKind, Result};

/// The longest timeout; what is above is cut to it, so that a deadline can always be computed.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// What a provider talks to its vendor with: a base address, a credential and limits over a [`Transport`].
///
/// * **Paths** are below the base address, whose own path is kept. See [`Path`] for how an id stays one segment.
/// * **Redirects** are followed up to five times: GET and HEAD anywhere but from `https` to `http`, other methods only
///   with 307 and 308 and only to the same origin. Another origin gets no credential, no client certificate, no body and
///   no header but `Accept`, `Accept-Language` and `User-Agent`.
/// * **Time**: a request ends at its timeout or at the deadline of the [`Context`], whichever is first, redirects
///   included. What it waits for its turn in the [`Budget`] is not part of the timeout.
/// * **Errors** name the method, the path and the status, never the query, and never one of the client's secrets,
///   also where the vendor echoes one.
///
/// Cheap to clone; clones share the transport and the budget. An example is at the top of the [module](super).
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    base: Url,
    headers: HeaderMap,
    redactor: Redactor,
    timeout: Duration,
    body_limit: usize,
    tls: Option<Tls>,
    budget: Option<Budget>,
}

impl Client {
    /// A client without credential that accepts JSON, with [`DEFAULT_TIMEOUT`] and [`DEFAULT_BODY_LIMIT`].
    ///
    /// # Errors
    /// `Invalid` for a base that is not `http` or `https`, or that has a query, a fragment, a user or a password.
    pub fn new(transport: Arc<dyn Transport>, base: Url) -> Result<Self> {
        let problem = if !matches!(base.scheme(), "http" | "https") {
            Some("expected an address that begins with https:// or http://")
        } else if !base.username().is_empty() || base.password().is_some() {
            Some("expected an address without user and password; put credentials into the auth settings")
        } else if base.query().is_some() || base.fragment().is_some() {
            Some("expected an address without query (?) and fragment (#)")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(Error::invalid("url", problem));
        }
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let (timeout, body_limit) = (DEFAULT_TIMEOUT, DEFAULT_BODY_LIMIT);
        let redactor = Redactor::default();
        Ok(Self { transport, base, headers, redactor, timeout, body_limit, tls: None, budget: None })
    }

    /// Adds a credential to every request; several calls add several headers.
    ///
    /// # Errors
    /// `Invalid` for an empty credential and for one that a header cannot carry, such as one with a newline.
    pub fn auth(mut self, auth: Auth) -> Result<Self> {
        if let Some(parts) = auth.into_parts()? {
            self.headers.insert(parts.name, parts.value);
            parts.secrets.iter().for_each(|secret| self.redactor.add(secret));
        }
        Ok(self)
    }

    /// Takes this secret out of errors too: for one that travels in a body.
    pub fn redact(mut self, secret: &Secret) -> Self {
        self.redactor.add(secret);
        self
    }

    /// Adds a header to every request, in place of one of the same name. A secret goes through [`Client::auth`].
    ///
    /// # Errors
    /// `Invalid` for what is no name or no value of a header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let (name, value) = parse_header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the time for a request, redirects included. At most 24 hours.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// Sets the largest body of an answer, in bytes after decompression.
    pub fn body_limit(mut self, limit: usize) -> Self {
        self.body_limit = limit;
        self
    }

    /// Sets the certificate to show and the authorities to trust. The base must be `https`: nothing is sent without them.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets how many requests the vendor allows, and how it says so; `None` for no such budget. Requests to other origins do
    /// not count.
    pub fn budget(mut self, budget: impl Into<Option<Budget>>) -> Self {
        self.budget = budget.into();
        self
    }

    /// The base address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// A GET of this path.
    pub fn get(&self, path: impl Into<Path>) -> RequestBuilder<'_> {
        self.request(Method::GET, path)
    }

    /// A POST to this path.
    pub fn post(&self, path: impl Into<Path>) -> RequestBuilder<'_> {
        self.request(Method::POST, path)
    }

    /// A PUT to this path.
    pub fn put(&self, path: impl Into<Path>) -> RequestBuilder<'_> {
        self.request(Method::PUT, path)
    }

    /// A PATCH of this path.
    pub fn patch(&self, path: impl Into<Path>) -> RequestBuilder<'_> {
        self.request(Method::PATCH, path)
    }

    /// A DELETE of this path.
    pub fn delete(&self, path: impl Into<Path>) -> RequestBuilder<'_> {
        self.request(Method::DELETE, path)
    }

    /// A request of any method. What is wrong with the path is said when it is sent.
    pub fn request(&self, method: Method, path: impl Into<Path>) -> RequestBuilder<'_> {
        let request = path.into().below(&self.base).map(|url| Request {
            headers: self.headers.clone(),
            body_limit: self.body_limit,
            tls: self.tls.clone(),
            ..Request::new(method, url)
        });
        RequestBuilder::new(self, request)
    }

    /// Sends a request and what redirects make of it; the answer knows what was asked.
    pub(super) async fn exchange(&self, cx: &Context, request: Request, share: Share) -> Result<Reply> {
        let asked = Arc::new(Asked::new(&request, &self.redactor));
        match self.follow(cx, request, share).await {
            Ok(reply) => Ok(reply.to(asked)),
            Err(error) => Err(asked.explain(error)),
        }
    }

    async fn follow(&self, cx: &Context, mut request: Request, share: Share) -> Result<Reply> {
        let share = Share { class: share.class.or_else(|| self.class_of(&request)), ..share };
        let mut deadline = None;
        let mut redirects = Redirects::of(&request);
        loop {
            let reply = self.take_turn(cx, &mut deadline, &request, &share).await.map_err(|error| {
                // The first server saw the change, whatever became of the redirect.
                if redirects.any() && !is_safe(&request.method) { error.maybe_applied() } else { error }
            })?;
            match redirects.next(&request, &reply)? {
                Some(next) => request = next,
                None => return Ok(reply),
            }
        }
    }

    /// Sends one request when the budget has room for it. Its time begins then, and that of its redirects with it.
    async fn take_turn(
        &self,
        cx: &Context,
        deadline: &mut Option<Instant>,
        request: &Request,
        share: &Share,
    ) -> Result<Reply> {
        let budget = self.budget.as_ref().filter(|_| request.url.origin() == self.base.origin());
        let permit = match (budget, share.class) {
            (Some(budget), Some(class)) => Some(budget.turn(cx, class, share.key.as_ref()).await?),
            _ => None,
        };
        if let Err(lapsed) = cx.check_lease() {
            if let Some(permit) = permit {
                permit.not_sent();
            }
            return Err(lapsed);
        }
        let time = cx.remaining().map_or(self.timeout, |remaining| remaining.min(self.timeout));
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + time);
        let result = self.send_before(deadline, request.clone()).await;
        match (permit, &result) {
            (Some(permit), Ok(reply)) => permit.answered(reply),
            (Some(permit), Err(error)) if !error.may_have_applied() => permit.not_sent(),
            _ => {}
        }
        result
    }

    /// The class of a request that does not name one.
    fn class_of(&self, request: &Request) -> Option<&'static str> {
        let path = request.url.path().strip_prefix(self.base.path().trim_end_matches('/')).unwrap_or_default();
        Some(self.budget.as_ref()?.class(&request.method, path.trim_start_matches('/')))
    }

    /// Holds the transport to the deadline, so that one which ignores it cannot hang a call.
    async fn send_before(&self, deadline: Instant, mut request: Request) -> Result<Reply> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(ErrorKind::Timeout, "no time is left to send the request").not_applied());
        }
        request.timeout = left;
        let (method, host) = (request.method.clone(), request.url.host_str().unwrap_or_default().to_owned());
        let result = match tokio::time::timeout_at(deadline, self.transport.send(request)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::Timeout, "no complete answer in time")),
        };
        match &result {
            Ok(reply) => tracing::debug!(%method, host, status = reply.status.as_u16(), "request answered"),
            Err(error) => tracing::debug!(%method, host, error = error.kind().code(), "request failed"),
        }
        result
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .field("headers", &HeaderNames(&self.headers))
            .field("timeout", &self.timeout)
            .field("body_limit", &self.body_limit)
            .field("tls", &self.tls)
            .field("budget", &self.budget)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// What a request counts as in the budget.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    /// `None` for what the budget says.
    pub(super) class: Option<&'static str>,
    pub(super) key: Option<Arc<str>>,
}

/// A header from text. The error names the header and does not show the value.
pub(super) fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name)
        .map_err(|_| Error::invalid("header", format!("expected the name of a header, got {name:?}")))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::invalid("header", format!("{name} holds a character that a header cannot carry")))?;
    value.set_sensitive([AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(&name));
    Ok((name, value))
}
