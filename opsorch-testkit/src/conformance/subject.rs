//! The provider under test, and the places where it is made.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use opsorch::transport::{Reply, StatusCode};
use opsorch::{Clock, Error, ManualClock, Operation, OperationSet, Provider, ProviderConfig, Registry, Result};
use serde_json::Value;

use super::lab::{Lab, Place};
use super::live::{self, Live};
use super::report::Outcome;
use super::rule::{Broken, Checked, Rule, Verdict};
use super::session::{Session, Way};
use super::stock;
use crate::double::Double;

/// The longest a check may take: far more than any needs, so that only a provider that hangs meets it.
const LONGEST_CHECK: Duration = Duration::from_secs(60);

/// What is needed to make the provider again and again.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) making: Making,
    pub(super) double: Option<MakeDouble>,
    pub(super) prepare: Option<At<()>>,
    channel: Option<String>,
    pub(super) way: Way,
    pub(super) record_to: Option<PathBuf>,
    /// The name of this run, where it is in a real account.
    run: String,
}

/// What is done at each place.
pub(super) type At<T> = Arc<dyn Fn(&Place) -> T + Send + Sync>;

pub(super) type MakeDouble = Arc<dyn Fn(Arc<dyn Clock>) -> Box<dyn Double> + Send + Sync>;

/// How the provider is made.
#[derive(Clone)]
pub(super) enum Making {
    /// From a configuration, through a registry.
    Configured {
        /// For reports.
        name: String,
        kind: &'static str,
        registry: Registry,
        configure: At<Value>,
        /// Reads a configuration and writes it down again.
        rewrite: fn(&Value) -> serde_json::Result<Written>,
    },
    /// By a closure.
    Direct { name: String, make: At<Result<Provider>> },
}

/// A configuration that was read.
#[derive(Debug)]
pub(super) struct Written {
    /// As it is written down.
    pub(super) json: Value,
    /// As people see it in a debugger, a line for each part.
    pub(super) debug: String,
}

fn rewrite<C: ProviderConfig>(config: &Value) -> serde_json::Result<Written> {
    let config: C = serde_json::from_value(config.clone())?;
    Ok(Written { json: serde_json::to_value(&config)?, debug: format!("{config:#?}") })
}

impl Making {
    pub(super) fn configured<C: ProviderConfig>(configure: impl Fn(&Place) -> Value + Send + Sync + 'static) -> Self {
        let registry = Registry::new().register::<C>();
        let name = C::KIND.to_owned();
        Self::Configured { name, kind: C::KIND, registry, configure: Arc::new(configure), rewrite: rewrite::<C> }
    }

    /// Calls it by another name than that of its kind.
    #[cfg(feature = "plugin")]
    pub(super) fn named(mut self, text: &str) -> Self {
        let (Self::Configured { name, .. } | Self::Direct { name, .. }) = &mut self;
        text.clone_into(name);
        self
    }

    pub(super) fn direct(name: &str, make: impl Fn(&Place) -> Result<Provider> + Send + Sync + 'static) -> Self {
        Self::Direct { name: name.to_owned(), make: Arc::new(make) }
    }
}

impl Subject {
    pub(super) fn new(making: Making) -> Self {
        let way = Way::Scripted { directly: false };
        Self { making, double: None, prepare: None, channel: None, way, record_to: None, run: String::new() }
    }

    pub(super) fn with_double<D: Double>(mut self, make: impl Fn(Arc<dyn Clock>) -> D + Send + Sync + 'static) -> Self {
        self.double = Some(Arc::new(move |clock| Box::new(make(clock))));
        self
    }

    pub(super) fn with_preparation(mut self, prepare: impl Fn(&Place) + Send + Sync + 'static) -> Self {
        self.prepare = Some(Arc::new(prepare));
        self
    }

    pub(super) fn with_channel(mut self, channel: String) -> Self {
        self.channel = Some(channel);
        self
    }

    pub(super) fn with_account(mut self, live: Live) -> Self {
        self.run = live::run_id(live.clock.now());
        self.way = Way::Live(live);
        self
    }

    pub(super) fn name(&self) -> &str {
        match &self.making {
            Making::Configured { name, .. } | Making::Direct { name, .. } => name,
        }
    }

    /// What the provider offers.
    pub(super) fn operations(&self) -> Result<OperationSet> {
        let found = self.in_a_lab(async |lab| {
            Ok(Operation::ALL.iter().copied().filter(|operation| lab.offers(*operation)).collect())
        })?;
        found.map_err(|Broken(how)| Error::unexpected(how))
    }

    /// Closes what earlier runs have left open in the account.
    pub(super) fn sweep(&self) -> Result<Vec<String>> {
        let Way::Live(account) = &self.way else {
            return Err(Error::unsupported("there is no account to sweep; name one with `Conformance::live`"));
        };
        if !account.limits.writes {
            return Err(Error::unsupported("sweeping closes things; allow it with `Live::allow_writes`"));
        }
        let now = account.clock.now();
        self.in_a_lab(async |lab| live::sweep(lab, now).await)?.map_err(|Broken(how)| Error::unexpected(how))?
    }

    /// Does something in a lab as the author made it, which is no check.
    fn in_a_lab<T>(&self, work: impl AsyncFnOnce(&Lab) -> Checked<T>) -> Result<Checked<T>> {
        let no_runtime = |error| Error::unexpected("no runtime could be made").with_source(error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
        // Nothing is recorded, and nothing replayed.
        let way = match &self.way {
            Way::Live(_) | Way::Process => self.way.clone(),
            Way::Scripted { .. } | Way::Replayed(_) => Way::Scripted { directly: true },
        };
        let session = Session::begin(&way, None, "no-rule", self.name(), &self.run);
        let session = match session {
            Ok(Some(session)) => Arc::new(session),
            Ok(None) => return Err(Error::unexpected("there is no lab")),
            Err(Broken(how)) => return Err(Error::unexpected(how)),
        };
        Ok(runtime.block_on(async {
            let lab = Lab::open(self, &session, None).await?;
            work(&lab).await
        }))
    }

    /// Checks a rule on a runtime of its own. A check that passes without having seen anything has proven nothing.
    pub(super) fn check(&self, rule: &Rule) -> Outcome {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Outcome::Broken(format!("no runtime could be made: {error}")),
        };
        let session = match Session::begin(&self.way, self.record_to.as_deref(), rule.id(), self.name(), &self.run) {
            Ok(Some(session)) => Arc::new(session),
            Ok(None) => return Outcome::Ignored("replayed, and there is no recording of this rule".to_owned()),
            Err(Broken(how)) => return Outcome::Broken(how),
        };
        let bench = Bench { subject: self, session: Arc::clone(&session) };
        let check = AssertUnwindSafe((rule.check)(&bench)).catch_unwind();
        let found = runtime.block_on(async { tokio::time::timeout(LONGEST_CHECK, check).await });
        let observed = session.observed.load(Ordering::Relaxed);
        let found = match found {
            Err(_) => Outcome::Broken(format!("the check did not end in {} s", LONGEST_CHECK.as_secs())),
            Ok(Err(_)) => Outcome::Broken("the check panicked".to_owned()),
            Ok(Ok(Err(Broken(how)))) => Outcome::Broken(how),
            Ok(Ok(Ok(Verdict::Nothing(reason)))) => Outcome::Ignored(session.lacked().map_or(reason, str::to_owned)),
            Ok(Ok(Ok(Verdict::Kept))) if observed == 0 => {
                Outcome::Broken("the check saw no call and no request, so that it proves nothing".to_owned())
            }
            Ok(Ok(Ok(Verdict::Kept))) => Outcome::Kept { observed },
        };
        runtime.block_on(end(&session, found))
    }
}

/// Does what is to be done when a check has ended, however it did.
async fn end(session: &Session, found: Outcome) -> Outcome {
    if let Some(missed) = session.missed() {
        return Outcome::Broken(match found {
            Outcome::Broken(how) => format!("{missed}\n{how}"),
            _ => missed,
        });
    }
    let written = match &found {
        Outcome::Ignored(_) => Ok(()),
        _ => session.write(),
    };
    let cleaned = match tokio::time::timeout(LONGEST_CHECK, session.clean_up()).await {
        Ok(cleaned) => cleaned,
        Err(_) => Err(Broken("what the check made in the account could not be closed in time".to_owned())),
    };
    match written.and(cleaned) {
        Ok(()) => found,
        Err(Broken(more)) => Outcome::Broken(match found {
            Outcome::Broken(how) => format!("{how}\n{more}"),
            _ => more,
        }),
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Where one check works: it makes as many labs as it likes.
pub(super) struct Bench<'a> {
    subject: &'a Subject,
    session: Arc<Session>,
}

impl Bench<'_> {
    /// A new lab with the provider in a fresh world, in which there is something to look at.
    pub(super) async fn open(&self) -> Checked<Lab> {
        let lab = self.open_bare().await?;
        stock::fill(&lab).await?;
        self.session.lacks_nothing_yet();
        Ok(lab)
    }

    /// A new lab with the provider in a fresh world, as the author made it.
    pub(super) async fn open_bare(&self) -> Checked<Lab> {
        Lab::open(self.subject, &self.session, None).await
    }

    /// A new lab in which every secret is this text.
    pub(super) async fn open_with_secret(&self, secret: &'static str) -> Checked<Lab> {
        Lab::open(self.subject, &self.session, Some(secret)).await
    }

    /// How the vendor refuses with a status; `None` without a double.
    pub(super) fn refusal(&self, status: StatusCode) -> Option<Reply> {
        let make = self.subject.double.as_ref().filter(|_| self.has_double())?;
        Some(make(Arc::new(ManualClock::default())).refusal(status))
    }

    /// How the provider is made.
    pub(super) fn making(&self) -> &Making {
        &self.subject.making
    }

    /// A channel that messages can be sent to, where the author named one.
    pub(super) fn channel(&self) -> Option<&str> {
        match self.session.limits() {
            Some(limits) => limits.channel.as_deref(),
            None => self.subject.channel.as_deref(),
        }
    }

    /// Counts what no layer and no transport sees, such as making a provider.
    pub(super) fn saw_a_call(&self) {
        self.session.observed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a double stands in for the vendor, so that its answers can be made to fail.
    pub(super) fn has_double(&self) -> bool {
        !self.session.is_live("live, and a real vendor is not made to fail")
            && !self.session.is_process("a plugin, whose requests do not pass here")
            && self.subject.double.is_some()
    }
}
