//! Where a check meets the provider: a fresh world, a control plane around the provider, and eyes on what passes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opsorch::gate::Decision;
use opsorch::secret::{Secret, SecretRef, SecretSource};
use opsorch::transport::{Request, Url};
use opsorch::{
    Action, Actor, BuildEnv, Context, ManualClock, Operation, OpsOrch, Provider, ProviderName, Query, Response, Result,
    Submitted, Target, async_trait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::rule::{Broken, Checked};
use super::subject::{Making, Subject};
use super::tap::{Count, Tap, Trouble};
use crate::double::{SECRET, Server};

/// The name of the provider in every lab.
pub(super) const NAME: &str = "subject";

/// The text of every secret that a place gives out: wherever it shows, a secret was given away.
pub(super) const CANARY: &str = SECRET;

/// Where a provider is made: what its configuration may point to.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    clock: ManualClock,
    vendor: Option<Arc<Server>>,
    secrets: Arc<Canaries>,
}

impl Place {
    /// An empty folder, which goes away after the check.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the vendor's double.
    ///
    /// # Panics
    /// If the suite was given no [double](crate::Conformance::double).
    #[allow(clippy::expect_used)]
    pub fn url(&self) -> Url {
        self.vendor.as_ref().expect("give the suite a double: only that has an address").url()
    }

    /// A reference to a secret, as it stands in a configuration. Any name will do; the text is
    /// [`SECRET`](crate::double::SECRET).
    pub fn secret(&self, name: &str) -> Value {
        json!(SecretRef::env(name))
    }

    /// The clock of the provider and its double; it stands still unless a check moves it.
    pub fn clock(&self) -> ManualClock {
        self.clock.clone()
    }
}

/// A provider in a fresh world.
#[derive(Debug)]
pub(super) struct Lab {
    ops: OpsOrch,
    cx: Context,
    place: Place,
    tap: Arc<Tap>,
}

impl Lab {
    pub(super) async fn open(subject: &Subject, secret: &'static str, observed: &Arc<AtomicU64>) -> Checked<Self> {
        let place = Place::open(subject, secret).await?;
        let tap = Arc::new(Tap::new(place.vendor.clone(), Arc::clone(observed)));
        let provider = make(&subject.making, &place, &tap).await?;
        let ops = OpsOrch::builder()
            .provider(provider)
            .clock(place.clock())
            .without_layers()
            .layer(Count(Arc::clone(observed)))
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("the conformance suite"))
            .build()
            .await?;
        Ok(Self { ops, cx: Context::new(Actor::service("conformance")), place, tap })
    }

    /// Whether the provider says that it can do this.
    pub(super) fn offers(&self, operation: Operation) -> bool {
        self.ops.providers().any(|provider| provider.operations().contains(operation))
    }

    /// Asks the provider.
    pub(super) async fn ask(&self, query: Query) -> Result<Response> {
        self.ask_within(&self.cx, query).await
    }

    /// Asks the provider within a context.
    pub(super) async fn ask_within(&self, cx: &Context, query: Query) -> Result<Response> {
        self.ops.query(cx, query).await
    }

    /// Asks the provider with an input in JSON, and answers in JSON.
    pub(super) async fn read(&self, operation: Operation, input: Value) -> Checked<Result<Value>> {
        let query = Query::from_parts(operation, input.clone())
            .map_err(|error| Broken(format!("the suite made a wrong {operation} of {input}: {error}")))?;
        Ok(self.ask(query).await.map(|response| content(&response)))
    }

    /// Has the provider make a change.
    pub(super) async fn change(&self, action: impl Into<Action>) -> Result<Response> {
        self.change_within(&self.cx, action).await
    }

    /// Has the provider make a change within a context.
    pub(super) async fn change_within(&self, cx: &Context, action: impl Into<Action>) -> Result<Response> {
        match self.ops.submit(cx, action.into()).await? {
            Submitted::Done(response) => Ok(response),
            Submitted::Pending(_) => Err(opsorch::Error::unexpected("the suite's policy asks nobody")),
        }
    }

    /// Every request that the provider sent.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.tap.requests()
    }

    /// Lets the vendor do what the next change asks for, and loses its answer.
    pub(super) fn lose_the_next_answer(&self) {
        self.tap.lose_the_next_answer();
    }

    /// What the provider was built with; its requests are seen here too.
    pub(super) fn env(&self) -> BuildEnv {
        env(&self.place, &self.tap)
    }

    /// Who asks, without a deadline.
    pub(super) fn context(&self) -> &Context {
        &self.cx
    }

    /// Lets something else become of the provider's requests from here on; `None` lets them through again.
    pub(super) fn trouble(&self, trouble: impl Into<Option<Trouble>>) {
        self.tap.trouble(trouble.into());
    }

    /// The way to the vendor, for what the helpers here do not cover.
    pub(super) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// Whether the provider asked for a secret when it was made.
    pub(super) fn gave_a_secret(&self) -> bool {
        self.place.secrets.asked.load(Ordering::Relaxed)
    }

    /// Where the provider was made.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The control plane, for what the helpers here do not cover.
    pub(super) fn ops(&self) -> &OpsOrch {
        &self.ops
    }
}

impl Place {
    async fn open(subject: &Subject, secret: &'static str) -> Checked<Self> {
        let clock = ManualClock::default();
        let folder = TempDir::new().map_err(|error| Broken(format!("no folder could be made: {error}")))?;
        let vendor = match &subject.double {
            Some(make) => Some(Arc::new(Server::start(make(Arc::new(clock.clone()))).await)),
            None => None,
        };
        let secrets = Arc::new(Canaries { text: secret, asked: AtomicBool::new(false) });
        let place = Self { folder, clock, vendor, secrets };
        if let Some(prepare) = &subject.prepare {
            prepare(&place);
        }
        Ok(place)
    }
}

async fn make(making: &Making, place: &Place, tap: &Arc<Tap>) -> Checked<Provider> {
    Ok(match making {
        Making::Configured { kind, registry, configure, .. } => {
            let name = ProviderName::from(NAME);
            registry.build(&name, kind, &configure(place), &env(place, tap)).await?
        }
        Making::Direct { make, .. } => make(place)?,
    })
}

/// What a provider is built with in a lab.
pub(super) fn env(place: &Place, tap: &Arc<Tap>) -> BuildEnv {
    BuildEnv::new()
        .with_transport(Arc::clone(tap) as _)
        .with_clock(Arc::new(place.clock()))
        .with_secrets(Arc::clone(&place.secrets) as _)
}

/// The same text for every name.
#[derive(Debug)]
struct Canaries {
    text: &'static str,
    asked: AtomicBool,
}

#[async_trait]
impl SecretSource for Canaries {
    async fn resolve(&self, _: &SecretRef) -> Result<Secret> {
        self.asked.store(true, Ordering::Relaxed);
        Ok(Secret::new(self.text))
    }
}

/// What a response says, in JSON.
pub(super) fn content(response: &Response) -> Value {
    let mut response = json!(response);
    response.get_mut("value").map(Value::take).unwrap_or_default()
}

/// The items of a page in JSON.
pub(super) fn items(page: &Value) -> Checked<Vec<Value>> {
    let items = page.get("items").and_then(Value::as_array);
    items.cloned().ok_or_else(|| Broken(format!("expected a page, got {page}")))
}
