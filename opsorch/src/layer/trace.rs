//! A span around every call.

use async_trait::async_trait;
use opsorch_schema::Response;
use tracing::Instrument;
use tracing::field::Empty;

use super::{Call, Layer, Next};
use crate::Result;

/// Opens a `tracing` span named `call` around every call, with the operation, provider, effect, request and trace ids and
/// actor, and notes the code of the error if there is one. Never the input: people write secrets into descriptions.
///
/// ```
/// use opsorch::layer::TraceLayer;
///
/// let layer = TraceLayer;
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)] // it has nothing to configure, so that its name is its value
pub struct TraceLayer;

#[async_trait]
impl Layer for TraceLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let cx = call.context();
        let span = tracing::info_span!(
            "call",
            operation = call.operation().name(),
            provider = call.provider().as_str(),
            effect = %call.effect(),
            actor = %cx.actor(),
            request_id = cx.id(),
            trace_id = cx.trace(),
            error = Empty,
        );
        let result = next.run().instrument(span.clone()).await;
        if let Err(error) = &result {
            span.record("error", error.kind().code());
        }
        result
    }
}
