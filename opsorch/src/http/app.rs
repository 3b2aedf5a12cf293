//! What all requests of one router share, and what is known of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use opsorch_schema::{Capability, Operation, ProviderName};
use tokio::sync::Semaphore;

use super::auth::{Authentication, Principal};
use super::headers::Headers;
use super::limit::Limiter;
use super::options::Options;
use super::request_id::RequestIds;
use super::respond::Problem;
use super::v1::Deliveries;
use crate::{Context, Error, OpsOrch, Result};

/// The most streams of events at once.
const MOST_STREAMS: usize = 128;

/// What all requests of one router share.
pub(crate) struct App {
    pub(crate) ops: OpsOrch,
    pub(super) auth: Authentication,
    pub(super) options: Options,
    pub(super) headers: Headers,
    pub(super) limiter: Limiter,
    pub(super) request_ids: RequestIds,
    pub(super) deliveries: Deliveries,
    /// Places for streams of events.
    pub(super) streams: Arc<Semaphore>,
    /// The first provider that is routed for each operation.
    first: BTreeMap<Operation, ProviderName>,
    served: BTreeSet<Capability>,
}

impl App {
    pub(super) fn new(ops: OpsOrch, auth: Authentication, options: Options) -> Self {
        let first = |operation: &Operation| {
            let provider = ops.routed(*operation).first()?.name().clone();
            Some((*operation, provider))
        };
        let first: BTreeMap<_, _> = Operation::ALL.iter().filter_map(first).collect();
        Self {
            headers: Headers::new(&options.cors_origin),
            limiter: Limiter::new(options.rate_limit),
            request_ids: RequestIds::default(),
            deliveries: Deliveries::default(),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            served: first.keys().map(|operation| operation.capability()).collect(),
            first,
            ops,
            auth,
            options,
        }
    }

    /// Whether any operation of a capability has a provider.
    pub(super) fn serves(&self, capability: Capability) -> bool {
        self.served.contains(&capability)
    }

    /// The provider that answers where OpsOrch has only one.
    pub(super) fn first_provider(&self, operation: Operation) -> Option<&ProviderName> {
        self.first.get(&operation)
    }
}

/// Who makes a request: put there by the pipeline, before any handler runs.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// The context of this request: its actor, bounds, ids and deadline.
    pub(crate) cx: Context,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let missing = || Problem(Error::unexpected("a request reached a handler without its caller")).into_response();
        parts.extensions.get::<Arc<Self>>().map(|caller| Self::clone(caller)).ok_or_else(missing)
    }
}
