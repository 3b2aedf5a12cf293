//! What the labs of one check share: where answers come from, what may be done, and what is left to do in the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opsorch::secret::{Secret, SecretRef, SecretSource};
use opsorch::transport::{Reply, Request, ReqwestTransport, Transport, Url};
use opsorch::{Clock, Error, ManualClock, OperationSet, Result, SystemClock, Time, async_trait};

use super::lab::{CANARY, Hand};
use super::live::{self, Limits, Live};
use super::replayed::{self, LiveNote, Note, Player};
use super::rule::{Broken, Checked};
use crate::{Recorder, Scrub};

/// Where the vendor's answers come from.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// A double at a port of this machine, or no vendor at all.
    Scripted {
        /// The double is asked without a connection.
        directly: bool,
    },
    /// As [`Scripted`](Self::Scripted), but the provider is a process of its own: it tells the time by the system, and its
    /// requests do not pass here.
    #[cfg_attr(not(feature = "plugin"), allow(dead_code))]
    Process,
    /// A real account.
    Live(Live),
    /// The recordings in this folder.
    Replayed(PathBuf),
}

/// One check of a rule.
#[derive(Debug)]
pub(super) struct Session {
    rule: String,
    way: Way,
    pub(super) observed: Arc<AtomicU64>,
    /// The run in a real account, also in one that is replayed.
    live: Option<LiveNote>,
    /// To the vendor: the network, with a recorder before it, or a recording.
    to_vendor: Arc<dyn Transport>,
    network: Arc<dyn Transport>,
    recording: Option<(PathBuf, Recorder)>,
    playing: Option<(Player, Note)>,
    secrets: Arc<Mutex<Vec<Secret>>>,
    opened: Mutex<Opened>,
    /// What the way does not permit that the check wanted.
    lacks: Mutex<Option<&'static str>>,
}

/// The labs so far.
#[derive(Debug)]
struct Opened {
    begun: Vec<Time>,
    path: String,
    hands: Vec<Arc<Hand>>,
}

/// What a lab is made with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) clock: ManualClock,
    /// What everything begins with that it makes.
    pub(super) tag: Option<String>,
    /// What tells its idempotency keys from those of other labs.
    pub(super) key: String,
}

impl Session {
    /// Begins a check; `None` where it is to be replayed and is not recorded.
    pub(super) fn begin(
        way: &Way,
        record_to: Option<&Path>,
        rule: &str,
        subject: &str,
        run: &str,
    ) -> Checked<Option<Self>> {
        let network: Arc<dyn Transport> = match way {
            Way::Live(Live { transport: Some(transport), .. }) => Arc::clone(transport),
            _ => Arc::new(Network::default()),
        };
        let (mut playing, mut live) = (None, None);
        match way {
            Way::Scripted { .. } | Way::Process => {}
            Way::Live(account) => {
                live = Some(LiveNote { run: run.to_owned(), limits: account.limits.clone() });
            }
            Way::Replayed(folder) => {
                let Some((player, note)) = Player::open(folder, rule, &Secret::new(CANARY))? else { return Ok(None) };
                live.clone_from(&note.live);
                playing = Some((player, note));
            }
        }
        let recording = record_to.filter(|_| playing.is_none()).map(|folder| {
            (folder.to_owned(), Recorder::new(Arc::clone(&network), format!("{subject}, conformance"), Scrub::new()))
        });
        let to_vendor: Arc<dyn Transport> = match (&playing, &recording) {
            (Some((player, _)), _) => Arc::new(player.clone()),
            (None, Some((_, recorder))) => Arc::new(recorder.clone()),
            (None, None) => Arc::clone(&network),
        };
        Ok(Some(Self {
            rule: rule.to_owned(),
            way: way.clone(),
            observed: Arc::default(),
            live,
            to_vendor,
            network,
            recording,
            playing,
            secrets: Arc::default(),
            opened: Mutex::new(Opened { begun: Vec::new(), path: "/".to_owned(), hands: Vec::new() }),
            lacks: Mutex::default(),
        }))
    }

    /// Begins a lab.
    pub(super) fn start(&self) -> Start {
        let mut opened = lock(&self.opened);
        let number = opened.begun.len();
        let recorded = self.playing.as_ref().and_then(|(_, note)| note.labs.get(number).copied());
        let now = match (&self.way, recorded) {
            (_, Some(recorded)) => recorded,
            (Way::Live(live), None) => live.clock.now(),
            (Way::Process, None) => SystemClock.now(),
            (_, None) => ManualClock::default().now(),
        };
        opened.begun.push(now);
        let tag = self.live.as_ref().map(|live| live::tag(&live.run, &self.rule, number + 1));
        let key = tag.clone().unwrap_or_else(|| format!("{}-{}", self.rule, number + 1));
        Start { clock: ManualClock::new(now), tag, key }
    }

    /// Whether a double is to be started for the vendor.
    pub(super) fn is_scripted(&self) -> bool {
        matches!(self.way, Way::Scripted { .. } | Way::Process)
    }

    /// Whether the double is asked without a connection; what is recorded needs one.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self.way, Way::Scripted { directly: true }) && self.recording.is_none()
    }

    /// The vendor's address, where there is one. A double has its own.
    pub(super) fn url(&self, of_double: Option<Url>) -> Option<Url> {
        let url = match &self.way {
            Way::Scripted { .. } | Way::Process => of_double,
            Way::Live(live) => Some(live.url.clone()),
            // Nobody is asked there.
            Way::Replayed(_) => {
                let path = self.playing.as_ref().map_or("/", |(_, note)| note.path.as_str());
                format!("https://replay.invalid{path}").parse().ok()
            }
        }?;
        lock(&self.opened).path = url.path().to_owned();
        Some(url)
    }

    pub(super) fn to_vendor(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.to_vendor)
    }

    pub(super) fn network(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.network)
    }

    /// Where secrets come from; a text stands in for all of them.
    pub(super) fn secrets(&self, instead: Option<&'static str>) -> Given {
        let source: Arc<dyn SecretSource> = match (&self.way, instead) {
            (Way::Live(live), None) => Arc::clone(&live.secrets),
            (_, instead) => Arc::new(Same(instead.unwrap_or(CANARY))),
        };
        Given { source, given: Arc::clone(&self.secrets) }
    }

    /// What may be done in the account, if it is one.
    pub(super) fn limits(&self) -> Option<&Limits> {
        self.live.as_ref().map(|live| &live.limits)
    }

    /// Whether an operation may be used that is among the offered.
    pub(super) fn allows(&self, operation: opsorch::Operation, offered: &OperationSet) -> bool {
        let Some(limits) = self.limits() else { return true };
        let allowed = limits.allow(operation, offered);
        if !allowed && offered.contains(operation) {
            self.lack(match limits.writes {
                false => "live, and writes are not allowed",
                true => "live, and what it needs cannot be taken back",
            });
        }
        allowed
    }

    /// Whether this is a real account, which the check would have to know for this reason.
    pub(super) fn is_live(&self, lacks: &'static str) -> bool {
        if self.live.is_some() {
            self.lack(lacks);
        }
        self.live.is_some()
    }

    /// Whether the provider is a process of its own, which the check would have to know for this reason.
    pub(super) fn is_process(&self, lacks: &'static str) -> bool {
        let is_process = matches!(self.way, Way::Process);
        if is_process {
            self.lack(lacks);
        }
        is_process
    }

    /// Forgets what the check wanted so far: it was for what is not the rule's.
    pub(super) fn lacks_nothing_yet(&self) {
        *lock(&self.lacks) = None;
    }

    /// What the check wanted last that is not permitted here.
    pub(super) fn lacked(&self) -> Option<&'static str> {
        *lock(&self.lacks)
    }

    fn lack(&self, what: &'static str) {
        *lock(&self.lacks) = Some(what);
    }

    /// Ends a check that was not ignored: what was recorded is written.
    pub(super) fn write(&self) -> Checked {
        let Some((folder, recorder)) = &self.recording else { return Ok(()) };
        let opened = lock(&self.opened);
        let (labs, path) = (opened.begun.clone(), opened.path.clone());
        let note = Note { rule: self.rule.clone(), labs, path, live: self.live.clone() };
        replayed::write(folder, recorder, &note, &lock(&self.secrets))
    }

    /// Closes what a lab has made in a real account.
    pub(super) async fn clean_up(&self) -> Checked {
        if !matches!(self.way, Way::Live(_)) {
            return Ok(());
        }
        let mut left = Vec::new();
        let hands = lock(&self.opened).hands.clone();
        for hand in hands {
            left.extend(live::clean_up(&hand).await);
        }
        match left.is_empty() {
            true => Ok(()),
            false => Err(Broken(format!("the check leaves something open in the account: {}", left.join("; ")))),
        }
    }

    /// Remembers who made something, until it is closed.
    pub(super) fn remember(&self, hand: &Arc<Hand>) {
        lock(&self.opened).hands.push(Arc::clone(hand));
    }

    /// What was asked for in a replay that is not recorded.
    pub(super) fn missed(&self) -> Option<String> {
        self.playing.as_ref().and_then(|(player, _)| player.missed())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Secrets of a source, and a note of what it gave.
#[derive(Clone, Debug)]
pub(super) struct Given {
    source: Arc<dyn SecretSource>,
    given: Arc<Mutex<Vec<Secret>>>,
}

#[async_trait]
impl SecretSource for Given {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let secret = self.source.resolve(reference).await?;
        let mut given = lock(&self.given);
        if !given.iter().any(|known| known.matches(secret.expose())) {
            given.push(secret.clone());
        }
        Ok(secret)
    }
}

/// The same text for every name.
#[derive(Debug)]
struct Same(&'static str);

#[async_trait]
impl SecretSource for Same {
    async fn resolve(&self, _: &SecretRef) -> Result<Secret> {
        Ok(Secret::new(self.0))
    }
}

/// The network, over a client that is made when it is needed first: reading the system's certificates takes a while. Each
/// check has its own, because connections belong to the runtime that opened them.
#[derive(Debug, Default)]
struct Network(Mutex<Option<ReqwestTransport>>);

impl Network {
    fn client(&self) -> Result<ReqwestTransport, Error> {
        let mut client = lock(&self.0);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(ReqwestTransport::new()?).clone()),
        }
    }
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: Request) -> Result<Reply> {
        self.client()?.send(request).await
    }
}
