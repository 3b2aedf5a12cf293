//! The façade: two doors, and typed handles over them.

mod approvals;
mod builder;
mod configure;
mod fan_out;
mod handles;
mod inbound;
mod investigate;
mod read;
mod roster;
mod routing;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use opsorch_schema::{Action, Actor, Capability, Entry, GrantId, Operation, ProviderName, Query, Response};
#[cfg(feature = "http")]
use opsorch_schema::{Effect, GrantState};
use tokio::time::Instant;

pub use approvals::Approvals;
pub use builder::Builder;
pub(crate) use fan_out::IdentityRule;
pub use handles::*;
pub(crate) use routing::Routing;
pub use routing::RoutingRule;

use self::roster::Roster;
use crate::audit::AuditLog;
use crate::gate::{Gate, Path, Submitted};
use crate::layer::Layer;
use crate::{BuildEnv, Context, Error, Provider, Registry, Result};

/// How long recovery asks vendors, in all.
const RECOVERY: Duration = Duration::from_secs(30);

/// How many vendors it asks at the same time.
const ASKED_AT_ONCE: usize = 16;

/// A control plane over many providers: everything is read through [`query`](Self::query) and changed through
/// [`submit`](Self::submit), whatever the surface.
///
/// A value: cheap to clone, nothing global. The typed handles are sugar over the two doors.
///
/// ```
/// use opsorch::gate::Decision;
/// use opsorch::{Action, Actor, Context, CreateTicket, OpsOrch, Submitted, Target};
/// use opsorch_testkit::MemoryProvider;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let ops = OpsOrch::builder()
///     .provider(MemoryProvider::new(opsorch::SystemClock).provider("tracker"))
///     .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("everything, in this example"))
///     .build()
///     .await?;
///
/// let cx = Context::new(Actor::agent("triage"));
/// let Submitted::Done(ticket) = ops.tickets(&cx).create(CreateTicket::new("disk full")).await? else {
///     unreachable!("the policy asks nobody");
/// };
/// assert_eq!(ops.tickets(&cx).get(&ticket.id).await?.title, "disk full");
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct OpsOrch {
    core: Arc<Core>,
    recovered: Arc<[Entry]>,
}

#[derive(Debug)]
struct Core {
    roster: RwLock<Arc<Roster>>,
    layers: Arc<[Arc<dyn Layer>]>,
    gate: Arc<Gate>,
    audit: AuditLog,
    /// What a provider is built from that is configured later.
    registry: Registry,
    env: BuildEnv,
    /// By which fields items of several providers are the same thing.
    identities: BTreeMap<Capability, IdentityRule>,
}

/// A read to be done: what is asked, and whom.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ask {
    /// What is asked.
    pub query: Query,
    /// Whom; everyone routed for the capability, if it is not said.
    pub on: Option<ProviderName>,
}

impl Ask {
    /// Asks one provider only.
    pub fn on(mut self, provider: impl Into<ProviderName>) -> Self {
        self.on = Some(provider.into());
        self
    }
}

impl<Q: Into<Query>> From<Q> for Ask {
    fn from(query: Q) -> Self {
        Self { query: query.into(), on: None }
    }
}

/// A change to be made: what, where, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Submission {
    /// What is to be done.
    pub action: Action,
    /// By which provider; if it is not said, the one that a [`RoutingRule`] sends it to, else the only one routed for it.
    pub on: Option<ProviderName>,
    /// Makes a repetition harmless: the same key again gives what the first submission gave, for a day.
    pub idempotency_key: Option<String>,
    /// Why, for those who are asked.
    pub reason: Option<String>,
}

impl Submission {
    /// Names the provider.
    pub fn on(mut self, provider: impl Into<ProviderName>) -> Self {
        self.on = Some(provider.into());
        self
    }

    /// Makes a repetition harmless: 1 to 255 visible ASCII characters that no other change has.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Says why.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

impl<A: Into<Action>> From<A> for Submission {
    fn from(action: A) -> Self {
        Self { action: action.into(), on: None, idempotency_key: None, reason: None }
    }
}

impl OpsOrch {
    /// Starts to put one together.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The only door for changes.
    ///
    /// The change is made at once, or waits for people, or is refused, as policy says. Once it is being made, dropping
    /// this future does not stop it: it runs to its outcome on a task of this control plane, and the audit log tells
    /// what became of it.
    ///
    /// # Errors
    /// [`Denied`](crate::ErrorKind::Denied) by access or policy; [`Invalid`](crate::ErrorKind::Invalid) for an action that
    /// cannot be written canonically, or a provider that is not there or not clear; [`Unsupported`](crate::ErrorKind::Unsupported);
    /// [`Conflict`](crate::ErrorKind::Conflict) for an idempotency key that was used otherwise; those of the store, which
    /// refuse the change; and those of the provider, of which [`Error::may_have_applied`] tells the worst.
    pub async fn submit(&self, cx: &Context, submission: impl Into<Submission>) -> Result<Submitted<Response>> {
        self.recover_beside();
        let submission = submission.into();
        let on = submission.on.clone().or_else(|| self.by_rule(&submission.action));
        let provider = self.one_provider(submission.action.operation(), on.as_ref())?;
        self.core.gate.submit(cx, self.path(provider), submission).await
    }

    /// What waits for people, and their answers.
    pub fn approvals<'a>(&'a self, cx: &'a Context) -> Approvals<'a> {
        Approvals::new(self, cx)
    }

    /// The audit log.
    pub fn audit(&self) -> &AuditLog {
        &self.core.audit
    }

    /// The providers that there are at this moment, by name.
    pub fn providers(&self) -> impl Iterator<Item = Arc<Provider>> + use<> {
        self.roster().providers().cloned().collect::<Vec<_>>().into_iter()
    }

    /// Marks changes whose process ended before it wrote an outcome as `unknown` in the audit log, asks the vendors that
    /// [can tell](crate::capability::Reconciler) what became of them, and returns the entries it wrote.
    ///
    /// It is done when a control plane is built, and beside the changes that pass it, about once in the time of a lease. One
    /// that waits for changes for long can call it by itself.
    ///
    /// # Errors
    /// Those of the store. A vendor that cannot be asked, or does not answer within 30 seconds, leaves the outcome unknown.
    pub async fn recover(&self) -> Result<Vec<Entry>> {
        let mut written = self.core.gate.recover().await?;
        let asked: Vec<_> = written.iter().cloned().map(|unknown| self.addendum(unknown)).collect();
        // Whoever waits for a control plane to be built does not wait for each vendor that is down.
        let until = Instant::now() + RECOVERY;
        let mut answers = stream::iter(asked).buffered(ASKED_AT_ONCE);
        while let Ok(Some(addendum)) = tokio::time::timeout_at(until, answers.next()).await {
            written.extend(addendum);
        }
        Ok(written)
    }

    /// What the vendor says of a change that was found to be unknown.
    async fn addendum(&self, unknown: Entry) -> Option<Entry> {
        let provider = self.roster().find(unknown.provider.as_ref()?)?;
        let (cx, grant) = (Context::new(Actor::service("recovery")), unknown.grant?);
        let answer = self.core.gate.reconcile(&cx, &grant, &provider).await;
        answer.unwrap_or_else(|error| {
            tracing::warn!(%grant, %error, "a vendor could not say what became of a change");
            None
        })
    }

    /// What was found when this control plane was built: the entries that [`recover`](Self::recover) wrote then.
    pub fn recovered(&self) -> &[Entry] {
        &self.recovered
    }

    /// Asks the vendor what became of a change whose outcome is unknown, and writes an addendum to the audit log if it
    /// knows. `None` if the outcome is known already, or nobody can tell: a provider that is configured otherwise than when
    /// the change was made is not asked.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for an unknown grant, [`Denied`](crate::ErrorKind::Denied) by access,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the provider cannot look it up, and those of the provider and the store.
    pub async fn reconcile(&self, cx: &Context, grant: &GrantId) -> Result<Option<Entry>> {
        let gate = &self.core.gate;
        let (operation, name) = gate.permitted(cx, grant).await?;
        let provider = self.named(&name)?;
        if provider.reconciler().is_none() {
            let message =
                format!("provider `{name}` cannot look up what became of a change; look for it there yourself");
            return Err(Error::unsupported(message).with_context("operation", operation));
        }
        gate.reconcile(cx, grant, &provider).await
    }

    /// Waits until every change that is being made has its outcome, and every hook and sink was told. Changes that are
    /// submitted meanwhile are waited for too.
    pub async fn idle(&self) {
        let tasks = &self.core.gate.notify.tasks;
        // A tracker reports idleness only once it is closed; it still takes tasks then.
        tasks.close();
        tasks.wait().await;
    }

    /// Clears up after processes that ended, at most once in the time of a lease, and delays nobody with it.
    pub(crate) fn recover_beside(&self) {
        let gate = &self.core.gate;
        if gate.recovery_is_due() {
            let ops = self.clone();
            gate.notify.tasks.spawn(async move {
                if let Err(error) = ops.recover().await {
                    tracing::warn!(
                        code = error.kind().code(),
                        "changes that no process finished could not be looked up"
                    );
                }
            });
        }
    }

    /// Hears of every commit of this process to the log.
    #[cfg(feature = "http")]
    pub(crate) fn commits(&self) -> tokio::sync::watch::Receiver<u64> {
        self.core.gate.notify.size.subscribe()
    }

    /// How many requests wait for people, and how many grants wait to be redeemed; at most 1000 are counted.
    #[cfg(feature = "http")]
    pub(crate) async fn count_grants(&self) -> Result<[(GrantState, usize); 2]> {
        self.core.gate.count_grants().await
    }

    /// The clock that everything here goes by.
    #[cfg(feature = "http")]
    pub(crate) fn clock(&self) -> &Arc<dyn crate::Clock> {
        &self.core.gate.clock
    }

    /// Refuses an actor who may use an operation on none of the providers that are routed for it, and writes that down. Both
    /// doors ask by themselves; a surface asks for a call that does not get there, such as one with a malformed input.
    #[cfg(feature = "http")]
    pub(crate) async fn check_access(&self, cx: &Context, operation: Operation) -> Result<()> {
        let gate = &self.core.gate;
        let targets: Vec<_> = self.routed(operation).iter().map(|provider| provider.target(None)).collect();
        match targets.first() {
            Some(first) if !targets.iter().any(|target| gate.permits(cx, operation, target)) => {
                gate.check_access(cx, operation, first).await
            }
            _ => Ok(()),
        }
    }

    /// Whether an actor may read anything of a provider: for what is no operation and shows what the provider knows.
    #[cfg(feature = "http")]
    pub(crate) fn may_read(&self, cx: &Context, provider: &Provider) -> bool {
        let (target, operations) = (provider.target(None), provider.operations());
        let mut reads = operations.iter().filter(|operation| operation.effect() == Effect::Read).peekable();
        reads.peek().is_none() || reads.any(|operation| self.core.gate.permits(cx, operation, &target))
    }

    /// Whether an actor may use an operation on any of the providers that are routed for it.
    #[cfg(feature = "mcp")]
    pub(crate) fn may_use(&self, cx: &Context, operation: Operation) -> bool {
        let permits = |provider: &Arc<Provider>| self.core.gate.permits(cx, operation, &provider.target(None));
        self.routed(operation).iter().any(permits)
    }

    fn path(&self, provider: Arc<Provider>) -> Path {
        Path { provider, layers: Arc::clone(&self.core.layers) }
    }

    /// The providers routed for an operation that offer it, in the order of the route. Without a route these are all
    /// that offer it, by name.
    pub(crate) fn routed(&self, operation: Operation) -> Arc<[Arc<Provider>]> {
        self.roster().routed(operation)
    }

    /// The named provider, else the only one that is routed.
    fn one_provider(&self, operation: Operation, on: Option<&ProviderName>) -> Result<Arc<Provider>> {
        if let Some(name) = on {
            return self.named(name);
        }
        match &*self.routed(operation) {
            [] => Err(self.nobody_offers(operation)),
            [only] => Ok(Arc::clone(only)),
            several => {
                let names: Vec<_> = several.iter().map(|provider| provider.name().as_str()).collect();
                let silence = self.roster().routing().silence(operation);
                let names = names.join(", ");
                let message = format!("several providers offer {operation}{silence}; name one of them: {names}");
                Err(Error::invalid("on", message))
            }
        }
    }

    fn named(&self, name: &ProviderName) -> Result<Arc<Provider>> {
        self.roster().named(name)
    }

    fn nobody_offers(&self, operation: Operation) -> Error {
        let message = format!("no provider is configured for {operation}");
        Error::unsupported(message).with_context("capability", operation.capability())
    }
}
