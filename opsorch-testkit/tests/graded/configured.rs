//! Worlds in memory that are made from a configuration: a sound one, and some with a fault.

use std::sync::Arc;

use opsorch::secret::SecretRef;
use opsorch::transport::Request;
use opsorch::*;
use opsorch_testkit::conformance::Place;
use opsorch_testkit::{Conformance, MemoryProvider};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The suite over a kind of configured provider.
pub fn suite<C: ProviderConfig>() -> Conformance {
    Conformance::of::<C>(config).channel("#ops")
}

fn config(place: &Place) -> Value {
    json!({ "folder": place.folder(), "token": place.secret("TOKEN"), "seed": 7 })
}

/// Defines kinds whose configurations are read and built in different ways.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $kind:ident { $(#[$of_seed:meta])? seed } builds $build:ident;)+) => {$(
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        $(#[$attribute])*
        pub struct $kind {
            folder: std::path::PathBuf,
            token: SecretRef,
            #[serde(default)]
            $(#[$of_seed])?
            seed: u64,
        }

        #[async_trait]
        impl ProviderConfig for $kind {
            const KIND: &'static str = stringify!($kind);

            async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
                let Self { folder, token, seed } = self;
                $build(Parts { folder, token, seed }, name, env).await
            }
        }
    )+};
}

kinds! {
    /// It keeps every rule.
    #[serde(deny_unknown_fields)]
    Sound { seed } builds properly;
    /// It does not write down all that it read.
    #[serde(deny_unknown_fields)]
    Forgetful { #[serde(skip_serializing)] seed } builds properly;
    /// It takes a slip of the pen for nothing.
    Lenient { seed } builds properly;
    /// It goes on without its token, and fails when it is used.
    #[serde(deny_unknown_fields)]
    Trusting { seed } builds without_its_token;
    /// It does not say which secret is missing.
    #[serde(deny_unknown_fields)]
    Vague { seed } builds without_saying_why;
    /// It asks its vendor whether it is there.
    #[serde(deny_unknown_fields)]
    Eager { seed } builds asking_the_vendor;
    /// It offers less where it was before.
    #[serde(deny_unknown_fields)]
    Moody { seed } builds by_what_it_finds;
}

struct Parts {
    folder: std::path::PathBuf,
    token: SecretRef,
    seed: u64,
}

async fn properly(parts: Parts, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
    env.secret(&parts.token).await?;
    Ok(world(&parts, name, env))
}

async fn without_its_token(parts: Parts, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
    env.secret(&parts.token).await.ok();
    Ok(world(&parts, name, env))
}

async fn without_saying_why(parts: Parts, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
    env.secret(&parts.token).await.map_err(|_| Error::invalid("token", "expected a token"))?;
    Ok(world(&parts, name, env))
}

async fn asking_the_vendor(parts: Parts, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
    // Nobody listens there; it is the attempt that counts.
    let url = "http://127.0.0.1:9/version".parse().unwrap();
    env.transport()?.send(Request::new("GET".parse().unwrap(), url)).await.ok();
    properly(parts, name, env).await
}

async fn by_what_it_finds(parts: Parts, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
    let trace = parts.folder.join("was-here");
    let was_here = trace.exists();
    std::fs::write(trace, "").unwrap();
    let provider = properly(parts, name, env).await?;
    Ok(if was_here { provider.read_only() } else { provider })
}

fn world(parts: &Parts, name: &ProviderName, env: &BuildEnv) -> Provider {
    MemoryProvider::seeded(parts.seed, Shared(env.clock())).provider(name)
}

/// The clock of an environment as one that a world can take.
#[derive(Debug)]
struct Shared(Arc<dyn Clock>);

impl Clock for Shared {
    fn now(&self) -> Time {
        self.0.now()
    }
}
