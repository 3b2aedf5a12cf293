//! Where a check meets the provider: a fresh world, a control plane around the provider, and eyes on what passes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opsorch::gate::Decision;
use opsorch::secret::{Secret, SecretRef, SecretSource};
use opsorch::transport::{Request, Url};
use opsorch::{
    Action, Actor, BuildEnv, Context, ManualClock, Operation, OperationSet, OpsOrch, Provider, ProviderName, Query,
    Response, Result, Submission, Submitted, Target, async_trait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::live::Made;
use super::rule::{Broken, Checked};
use super::session::{Given, Session};
use super::subject::{Making, Subject};
use super::tap::{Lost, Tap, Trouble, Watch};
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
    url: Option<Url>,
    vendor: Option<Arc<Server>>,
    secrets: Arc<Asked>,
}

impl Place {
    /// An empty folder, which goes away after the check.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The vendor's address: that of its double, or of the [real account](super::Live).
    ///
    /// # Panics
    /// If the suite was given no [double](crate::Conformance::double).
    #[allow(clippy::expect_used)]
    pub fn url(&self) -> Url {
        self.url.clone().expect("give the suite a double: only that has an address")
    }

    /// A reference to a secret, as it stands in a configuration. Any name will do; the text is
    /// [`SECRET`](crate::double::SECRET), and in a [real account](super::Live) what its source has under this name.
    pub fn secret(&self, name: &str) -> Value {
        json!(SecretRef::env(name))
    }

    /// The clock of the provider and its double; it stands still unless a check moves it. In a real account it stands at the
    /// time at which it was opened.
    pub fn clock(&self) -> ManualClock {
        self.clock.clone()
    }
}

/// A provider in a fresh world.
#[derive(Debug)]
pub(super) struct Lab {
    hand: Arc<Hand>,
    place: Place,
    tap: Arc<Tap>,
    session: Arc<Session>,
    offered: OperationSet,
    tag: Option<String>,
}

impl Lab {
    /// Opens a lab in which every secret is this text, if there is one.
    pub(super) async fn open(subject: &Subject, session: &Arc<Session>, secret: Option<&'static str>) -> Checked<Self> {
        let start = session.start();
        let place = Place::open(subject, session, start.clock, secret).await?;
        let tap = Arc::new(Tap::new(session, place.vendor.clone().filter(|_| session.is_direct())));
        let mut provider = make(&subject.making, &place, &tap).await?;
        let offered = provider.operations();
        if session.limits().is_some_and(|limits| !limits.writes) {
            provider = provider.read_only();
        }
        let made = Arc::new(Made::default());
        let limits = session.limits().map(|limits| (limits.clone(), offered));
        let watch = Watch { observed: Arc::clone(&session.observed), made: Arc::clone(&made), limits };
        let ops = OpsOrch::builder()
            // Keys are made of what is configured too, where a replay has another address.
            .provider(provider.fingerprint("conformance"))
            .clock(place.clock())
            .without_layers()
            .layer(watch.clone())
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("the conformance suite"))
            .build()
            .await?;
        let cx = Context::new(Actor::service("conformance"));
        let hand = Arc::new(Hand { ops, cx, made, watch, key: start.key, changes: AtomicU64::new(0) });
        if session.limits().is_some() {
            session.remember(&hand);
        }
        Ok(Self { hand, place, tap, session: Arc::clone(session), offered, tag: start.tag })
    }

    /// Whether the provider says that it can do this, and it may be done here.
    pub(super) fn offers(&self, operation: Operation) -> bool {
        self.offered.contains(operation) && self.session.allows(operation, &self.offered)
    }

    /// A title, or another text that people see, of something that is made: in a real account it tells whose it is.
    pub(super) fn titled(&self, title: impl std::fmt::Display) -> String {
        titled(self.tag(), title)
    }

    /// A name without blanks of something that is made: in a real account it is one that nobody else has.
    pub(super) fn named(&self, name: impl std::fmt::Display) -> String {
        match self.tag() {
            Some(tag) => format!("{tag}-{name}"),
            None => name.to_string(),
        }
    }

    /// What everything begins with that is made in a real account.
    pub(super) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Whether this is a real account; what the check cannot do there, for its report.
    pub(super) fn is_live(&self, lacks: &'static str) -> bool {
        self.session.is_live(lacks)
    }

    /// Whether time passes by itself, and cannot be moved.
    pub(super) fn time_passes(&self) -> bool {
        self.session.is_live("live, where time passes by itself")
            || self.session.is_process("a plugin, where time passes by itself")
    }

    /// Asks the provider.
    pub(super) async fn ask(&self, query: Query) -> Result<Response> {
        self.ask_within(self.context(), query).await
    }

    /// Asks the provider within a context.
    pub(super) async fn ask_within(&self, cx: &Context, query: Query) -> Result<Response> {
        self.ops().query(cx, query).await
    }

    /// Asks the provider with an input in JSON, and answers in JSON.
    pub(super) async fn read(&self, operation: Operation, input: Value) -> Checked<Result<Value>> {
        let query = Query::from_parts(operation, input.clone())
            .map_err(|error| Broken(format!("the suite made a wrong {operation} of {input}: {error}")))?;
        Ok(self.ask(query).await.map(|response| content(&response)))
    }

    /// Has the provider make a change.
    pub(super) async fn change(&self, action: impl Into<Action>) -> Result<Response> {
        self.change_within(self.context(), action).await
    }

    /// Has the provider make a change within a context.
    pub(super) async fn change_within(&self, cx: &Context, action: impl Into<Action>) -> Result<Response> {
        self.hand.change(cx, action).await
    }

    /// Every request that the provider sent.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.tap.requests()
    }

    /// Lets the vendor do what the next change asks for, and loses its answer.
    pub(super) fn lose_the_next_answer(&self) {
        self.tap.lose(Lost::Answer);
    }

    /// Loses the next change on its way to the vendor, in a way that leaves open whether it arrived.
    pub(super) fn lose_the_next_request(&self) {
        self.tap.lose(Lost::Request);
    }

    /// What the provider was built with; its requests are seen here too.
    pub(super) fn env(&self) -> BuildEnv {
        env(&self.place, &self.tap)
    }

    /// Who asks, without a deadline.
    pub(super) fn context(&self) -> &Context {
        self.hand.context()
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
        !self.is_live("live, and its secrets are looked for with a double")
            && self.place.secrets.were.load(Ordering::Relaxed)
    }

    /// Where the provider was made.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The control plane, for what the helpers here do not cover.
    pub(super) fn ops(&self) -> &OpsOrch {
        &self.hand.ops
    }

    /// What makes the changes.
    pub(super) fn hand(&self) -> &Hand {
        &self.hand
    }
}

/// What makes the changes of a lab, and remembers what they made. It outlives the lab where that has to be closed.
#[derive(Debug)]
pub(super) struct Hand {
    ops: OpsOrch,
    cx: Context,
    made: Arc<Made>,
    watch: Watch,
    key: String,
    changes: AtomicU64,
}

impl Hand {
    /// Makes a change. Its idempotency key is its own, and the same in every run, so that its requests are too.
    pub(super) async fn change(&self, cx: &Context, action: impl Into<Action>) -> Result<Response> {
        let number = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        let submission = Submission::from(action.into()).idempotency_key(format!("{}-{number}", self.key));
        match self.ops.submit(cx, submission).await? {
            Submitted::Done(response) => Ok(response),
            Submitted::Pending(_) => Err(opsorch::Error::unexpected("the suite's policy asks nobody")),
        }
    }

    pub(super) fn context(&self) -> &Context {
        &self.cx
    }

    pub(super) fn made(&self) -> &Made {
        &self.made
    }

    /// The eyes on its changes, for another control plane around the same provider.
    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

/// A title with what tells whose it is.
pub(super) fn titled(tag: Option<&str>, title: impl std::fmt::Display) -> String {
    match tag {
        Some(tag) => format!("{tag} {title}"),
        None => title.to_string(),
    }
}

impl Place {
    async fn open(
        subject: &Subject,
        session: &Session,
        clock: ManualClock,
        secret: Option<&'static str>,
    ) -> Checked<Self> {
        let folder = TempDir::new().map_err(|error| Broken(format!("no folder could be made: {error}")))?;
        let vendor = match &subject.double {
            Some(make) if session.is_scripted() => Some(Arc::new(Server::start(make(Arc::new(clock.clone()))).await)),
            _ => None,
        };
        let url = session.url(vendor.as_ref().map(|vendor| vendor.url()));
        let secrets = Arc::new(Asked { source: session.secrets(secret), were: AtomicBool::new(false) });
        let place = Self { folder, clock, url, vendor, secrets };
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

/// Secrets, and whether they were asked for.
#[derive(Debug)]
struct Asked {
    source: Given,
    were: AtomicBool,
}

#[async_trait]
impl SecretSource for Asked {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        self.were.store(true, Ordering::Relaxed);
        self.source.resolve(reference).await
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
