//! What all requests of one router share, and what is known of each.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use opsorch_schema::Identity;
use tokio::sync::Semaphore;

use super::auth::{Authentication, Principal};
use super::headers::Headers;
use super::healths::Healths;
use super::limit::Limiter;
use super::options::Options;
use super::places::Places;
use super::request_id::RequestIds;
use super::respond::Problem;
use super::v1::Deliveries;
use crate::{Context, Error, OpsOrch, Result};

/// The most streams of events at once, and the most of one principal.
const MOST_STREAMS: usize = 128;
const MOST_STREAMS_EACH: usize = 32;

/// The most deliveries of vendors whose signatures are checked at once.
const MOST_CHECKS: usize = 16;

/// What all requests of one router share.
pub(crate) struct App {
    pub(crate) ops: OpsOrch,
    pub(super) auth: Authentication,
    pub(super) options: Options,
    pub(super) headers: Headers,
    pub(super) limiter: Limiter,
    pub(super) request_ids: RequestIds,
    pub(super) deliveries: Deliveries,
    pub(super) healths: Arc<Healths>,
    /// Places for streams of events.
    pub(super) streams: Places<Identity>,
    /// Places for checks of signatures.
    pub(super) checks: Semaphore,
}

impl App {
    pub(super) fn new(ops: OpsOrch, auth: Authentication, options: Options) -> Self {
        Self {
            headers: Headers::new(&options.cors_origin),
            limiter: Limiter::new(options.rate_limit),
            request_ids: RequestIds::default(),
            deliveries: Deliveries::default(),
            healths: Arc::default(),
            streams: Places::new(MOST_STREAMS, MOST_STREAMS_EACH),
            checks: Semaphore::new(MOST_CHECKS),
            ops,
            auth,
            options,
        }
    }
}

/// Who makes a request: put there by the pipeline, before any handler runs.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// The context of this request: its actor, bounds, ids and deadline.
    pub(crate) cx: Context,
}

impl Caller {
    /// Who makes the request with this head.
    pub(super) fn of(parts: &Parts) -> Result<Arc<Self>> {
        let missing = || Error::unexpected("a request reached a handler without its caller");
        parts.extensions.get().map(Arc::clone).ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = Self::of(parts).map_err(|error| Problem(error).into_response())?;
        Ok(Arc::unwrap_or_clone(caller))
    }
}
