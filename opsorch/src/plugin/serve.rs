//! A provider as a plugin: the other side of the protocol.

mod calls;
mod lines;
mod stdio;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use opsorch_schema::{Operation, ProviderName};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use self::calls::Calls;
use self::stdio::Stdio;
use super::wire::{CALLS_IN_FLIGHT, Failure, FromHost, Initialize, Initialized, PluginLimits, VERSION};
use crate::{BuildEnv, Error, Provider, ProviderConfig, Result};

pub use self::calls::progress;

/// Serves a provider on this process's standard input and output, until the host closes them. The whole `main` of a plugin:
///
/// ```no_run
/// use opsorch::Provider;
///
/// # fn tracker() -> Provider { Provider::new("tracker") }
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> opsorch::Result<()> {
///     opsorch::plugin::serve(tracker()).await
/// }
/// ```
///
/// It speaks protocol 2 and the line protocol of OpsOrch, whichever the host begins with. What the host sends as
/// configuration is not looked at; see [`serve_kind`]. While it runs, and afterwards, standard output is standard error for
/// everything else in the process, and standard input is empty, so that nothing but the protocol reaches the host.
///
/// A host of the line protocol gets whole lists: page after page is fetched, up to the limit of the query, or to 10 000 items where
/// it has none. What cannot be had whole is an error, because a bare list would pass for everything.
///
/// In protocol 2 a change is made only if it carries an approval whose digest is that of its input and target, and whose
/// target is the provider that the host named. The host is the gate here: whoever starts this program decides.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) if standard input or output is no pipe, such as a terminal, and
/// [`Unavailable`](crate::ErrorKind::Unavailable) if they fail.
pub async fn serve(provider: Provider) -> Result<()> {
    run(Source::Ready(Box::new(provider))).await
}

/// Serves a kind of provider, built from the configuration that the host sends; otherwise as [`serve`].
///
/// ```no_run
/// use opsorch::plugin::{self, PluginConfig as TrackerConfig};
/// use opsorch::BuildEnv;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> opsorch::Result<()> {
///     plugin::serve_kind::<TrackerConfig>(BuildEnv::new()).await
/// }
/// ```
///
/// # Errors
/// As [`serve`]. An error of the configuration goes to the host.
pub async fn serve_kind<C: ProviderConfig>(env: BuildEnv) -> Result<()> {
    let build = move |name: ProviderName, config: Value| -> Building {
        let env = env.clone();
        Box::pin(async move {
            let registry = crate::Registry::new().register::<C>();
            registry.build(&name, C::KIND, &config, &env).await
        })
    };
    run(Source::Kind(Box::new(build))).await
}

type Building = Pin<Box<dyn Future<Output = Result<Provider>> + Send>>;

/// Where the provider comes from.
enum Source {
    Ready(Box<Provider>),
    Kind(Box<dyn Fn(ProviderName, Value) -> Building + Send + Sync>),
}

impl Source {
    async fn provider(&self, name: &str, config: Map<String, Value>) -> Result<Provider> {
        match self {
            Self::Ready(provider) => Ok((**provider).clone()),
            Self::Kind(build) => build(name.into(), config.into()).await,
        }
    }
}

async fn run(source: Source) -> Result<()> {
    let mut stdio = Stdio::take()?;
    let Some(first) = stdio.line().await? else { return Ok(()) };
    let is_two = serde_json::from_slice::<Map<String, Value>>(&first).is_ok_and(|line| line.contains_key("jsonrpc"));
    if !is_two {
        return lines::serve(stdio, source, first).await;
    }
    match initialize(&source, &first).await {
        Ok((id, name, provider)) => {
            let reply = greeting(&provider);
            stdio.push(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{reply}}}"#));
            Calls::new(provider, name).serve(stdio).await
        }
        Err(error) => {
            let error = serde_json::to_string(&error).unwrap_or_default();
            stdio.push(&format!(r#"{{"jsonrpc":"2.0","id":0,"error":{error}}}"#));
            stdio.flush().await
        }
    }
}

/// Reads the first request, and builds the provider.
async fn initialize(source: &Source, line: &[u8]) -> Result<(u64, ProviderName, Arc<Provider>), Failure> {
    let request: FromHost<'_> =
        serde_json::from_slice(line).map_err(|_| Failure::of_protocol(-32600, "expected a request"))?;
    let (Some(id), "initialize") = (request.id, &*request.method) else {
        return Err(Failure::of_protocol(-32600, "expected initialize first"));
    };
    let params: Initialize = serde_json::from_str(request.params.map_or("null", RawValue::get))
        .map_err(|error| Failure::of_protocol(-32602, format!("the params of initialize do not fit: {error}")))?;
    if !params.versions.contains(&VERSION) {
        let error = Error::unsupported(format!("this plugin speaks version {VERSION} of the protocol only"));
        return Err(Failure::new(&error, false));
    }
    let provider = source.provider(&params.provider, params.config).await;
    let provider = provider.map_err(|error| Failure::new(&error, false))?;
    Ok((id, params.provider.into(), Arc::new(provider)))
}

fn greeting(provider: &Provider) -> Value {
    let offered = provider.operations();
    let names = |which: &dyn Fn(Operation) -> bool| {
        offered.iter().filter(|operation| which(*operation)).map(|operation| operation.name().to_owned()).collect()
    };
    json!(Initialized {
        version: VERSION,
        name: provider.name().to_string(),
        release: None,
        operations: names(&|_| true),
        limits: PluginLimits { calls_in_flight: CALLS_IN_FLIGHT },
        health: provider.health_check().is_some(),
        idempotent_by_key: names(&|operation| provider.is_idempotent_by_key(operation)),
        found_by_marker: names(&|operation| provider.is_found_by_marker(operation)),
        reconcile: provider.reconciler().is_some(),
    })
}
