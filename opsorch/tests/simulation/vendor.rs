//! A vendor that counts what it makes: twice if it is asked twice and does not know the key.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use opsorch::capability::{Reconciled, Reconciler, TicketCommenter, TicketReader, TicketWriter};
use opsorch::gate::Approved;
use opsorch::*;

use super::process::Process;
use super::rng::Rng;
use super::store::Shared;

/// What a vendor makes of idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// It honours them.
    Honoured,
    /// What was made is found by them, and it is certain of what was not.
    Found,
    /// What was made is found by them, later or never, and nothing is certain.
    FoundLater,
    /// It does not know them, but can be asked afterwards.
    Asked,
    Unknown,
}

/// Clones share one world.
#[derive(Clone, Debug)]
pub(crate) struct Vendor {
    pub(crate) name: &'static str,
    pub(crate) keys: Keys,
    store: Shared,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    /// How many calls in a hundred go wrong.
    trouble: usize,
    made: Vec<Made>,
    /// How many requests of a key have not come to their end.
    under_way: BTreeMap<String, usize>,
    /// How often a provider was called with a key.
    calls: BTreeMap<String, usize>,
    /// What must not be.
    wrong: Vec<String>,
    looked_up: BTreeMap<&'static str, usize>,
}

/// Something that was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) key: String,
    pub(crate) action: Action,
    response: Response,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    NotSent,
    RateLimited(Option<Duration>),
    Refused,
    /// Nothing is made, and nobody says so.
    Fails,
    LostReply,
    /// It is made, and no reply ever comes.
    Hangs,
    /// Neither.
    HangsEmpty,
    PanicsBefore,
    PanicsAfter,
}

impl Vendor {
    pub(crate) fn new(name: &'static str, keys: Keys, trouble: usize, rng: Rng, store: Shared) -> Self {
        let state = State {
            rng,
            trouble,
            made: Vec::new(),
            under_way: BTreeMap::new(),
            calls: BTreeMap::new(),
            wrong: Vec::new(),
            looked_up: BTreeMap::new(),
        };
        Self { name, keys, store, state: Arc::new(Mutex::new(state)) }
    }

    /// The vendor as a process knows it, which makes so many calls at the same time at most.
    pub(crate) fn provider(&self, process: &Process, at_once: usize) -> Provider {
        let client = Client { vendor: self.clone(), process: process.clone(), at_once, running: Arc::default() };
        let (client, changes) = (Arc::new(client), [Operation::TicketCreate, Operation::TicketComment]);
        let provider = Provider::new(self.name)
            .with_ticket_reader(client.clone())
            .with_ticket_writer(client.clone())
            .with_ticket_commenter(client.clone());
        match self.keys {
            Keys::Honoured => provider.idempotent_by_key(changes).with_reconciler(client),
            Keys::Found | Keys::FoundLater => provider.found_by_marker(changes).with_reconciler(client),
            Keys::Asked => provider.with_reconciler(client),
            Keys::Unknown => provider,
        }
    }

    pub(crate) fn made(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        self.state().calls.clone()
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    pub(crate) fn looked_up(&self) -> BTreeMap<&'static str, usize> {
        self.state().looked_up.clone()
    }

    /// The digest of an action here.
    pub(crate) fn digest(&self, action: &Action) -> Digest {
        let target = Provider::new(self.name).target(Some(action));
        gate::digest(&target, action).unwrap().0
    }

    /// How long a way takes, mostly not long.
    fn latency(&self) -> Duration {
        let mut state = self.state();
        let most = if state.rng.chance(8) { 40_000 } else { 300 };
        state.rng.millis(most)
    }

    fn fate(&self, is_calm: bool) -> Fate {
        let mut state = self.state();
        let trouble = state.trouble;
        if is_calm || !state.rng.chance(trouble) {
            return Fate::Fine;
        }
        let asked = Duration::from_secs(1 + state.rng.next() % 25);
        state.rng.weighted(&[
            (2, Fate::NotSent),
            (1, Fate::RateLimited(None)),
            (3, Fate::RateLimited(Some(asked))),
            (1, Fate::Refused),
            (5, Fate::Fails),
            (4, Fate::LostReply),
            (1, Fate::Hangs),
            (1, Fate::HangsEmpty),
            (1, Fate::PanicsBefore),
            (1, Fate::PanicsAfter),
        ])
    }

    /// Makes it, once for each key if it honours them.
    fn make(&self, key: String, action: Action) -> Response {
        let digest = self.digest(&action);
        let grant = key.strip_suffix("-1").unwrap_or(digest.as_str());
        let has_intent = self.store.book().begun.contains(grant);
        let mut state = self.state();
        if !has_intent {
            state.wrong.push(format!("`{key}` was made without an intent: {action:?}"));
        }
        if let Some(made) = state.made.iter().find(|made| self.keys == Keys::Honoured && made.key == key) {
            return made.response.clone();
        }
        let id = state.made.len().to_string();
        let response = match &action {
            Action::TicketCreate(input) => Ticket::new(id, &input.title, "todo").into(),
            Action::TicketComment(input) => Comment::new(id, &input.id, &input.body).into(),
            other => unreachable!("no history has {other:?}"),
        };
        state.made.push(Made { key, action, response: Response::clone(&response) });
        response
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// One process's way to a vendor.
#[derive(Clone, Debug)]
struct Client {
    vendor: Vendor,
    process: Process,
    at_once: usize,
    running: Arc<Mutex<usize>>,
}

impl Client {
    async fn change<A, T>(&self, input: Approved<'_, A>) -> Result<T>
    where
        A: Clone + Into<Action>,
        T: TryFrom<Response, Error = WrongResponse>,
    {
        self.process.live().await;
        let _running = self.run();
        let (key, action) = (input.idempotency_key().to_owned(), A::clone(&input).into());
        *self.vendor.state().calls.entry(key.clone()).or_default() += 1;
        let fate = self.vendor.fate(self.process.is_calm());
        let lost = || Error::new(ErrorKind::Unavailable, "the connection broke");
        match fate {
            Fate::NotSent => return Err(lost().not_applied()),
            Fate::PanicsBefore => resume_unwind(Box::new("a provider with a bug")),
            _ => {}
        }
        // What was sent arrives, whether or not anybody waits for it.
        let reply = tokio::spawn(self.vendor.clone().work(fate, key, action, self.on_its_way(&input))).await;
        self.process.live().await;
        match fate {
            Fate::Hangs | Fate::HangsEmpty => std::future::pending().await,
            Fate::PanicsAfter => resume_unwind(Box::new("a provider with a bug")),
            Fate::LostReply => Err(lost()),
            _ => Ok(reply.unwrap()?.try_into()?),
        }
    }

    /// A request that has not come to its end.
    fn on_its_way<A>(&self, input: &Approved<'_, A>) -> OnItsWay {
        let key = input.idempotency_key().to_owned();
        *self.vendor.state().under_way.entry(key.clone()).or_default() += 1;
        OnItsWay { vendor: self.vendor.clone(), key }
    }

    /// A call that takes one of the places of its process.
    fn run(&self) -> Running {
        let mut running = self.running.lock().unwrap();
        *running += 1;
        if *running > self.at_once {
            let wrong = format!("{} makes {running} calls at once, of {}", self.process.name(), self.at_once);
            self.vendor.state().wrong.push(wrong);
        }
        Running(Arc::clone(&self.running))
    }
}

impl Vendor {
    async fn work(self, fate: Fate, key: String, action: Action, _on_its_way: OnItsWay) -> Result<Response> {
        tokio::time::sleep(self.latency()).await;
        let no = |kind: ErrorKind| Err(Error::new(kind, "the vendor says no"));
        match fate {
            Fate::RateLimited(retry_after) => return no(ErrorKind::RateLimited { retry_after }),
            Fate::Refused => return no(ErrorKind::Forbidden),
            Fate::Fails => return no(ErrorKind::Unavailable),
            Fate::HangsEmpty => return no(ErrorKind::Timeout),
            _ => {}
        }
        let made = self.make(key, action);
        tokio::time::sleep(self.latency()).await;
        Ok(made)
    }
}

struct OnItsWay {
    vendor: Vendor,
    key: String,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        *self.vendor.state().under_way.get_mut(&self.key).unwrap() -= 1;
    }
}

struct Running(Arc<Mutex<usize>>);

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.lock().unwrap() -= 1;
    }
}

#[async_trait]
impl Reconciler for Client {
    async fn reconcile(&self, _: &Context, action: &Action, key: &str) -> Result<Reconciled> {
        self.process.live().await;
        tokio::time::sleep(self.vendor.latency()).await;
        self.process.live().await;
        let answer = {
            let mut state = self.vendor.state();
            let trouble = state.trouble;
            let fails = state.rng.chance(trouble / 2) && !self.process.is_calm();
            let sees = self.vendor.keys != Keys::FoundLater || state.rng.chance(50);
            let made = state.made.iter().find(|made| made.key == key && made.action == *action).filter(|_| sees);
            let may_come = state.under_way.get(key).is_some_and(|requests| *requests > 0);
            let (answer, word) = match made {
                _ if fails => (Err(Error::new(ErrorKind::Unavailable, "the search is down")), "failed"),
                Some(made) => (Ok(Reconciled::Applied(made.response.clone())), "found"),
                None if may_come || self.vendor.keys == Keys::FoundLater => (Ok(Reconciled::Unknown), "not certain"),
                None => (Ok(Reconciled::NotApplied), "certainly not made"),
            };
            *state.looked_up.entry(word).or_default() += 1;
            answer
        };
        tokio::time::sleep(self.vendor.latency()).await;
        self.process.live().await;
        answer
    }
}

#[async_trait]
impl TicketReader for Client {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        self.process.live().await;
        let _running = self.run();
        let fate = self.vendor.fate(self.process.is_calm());
        tokio::time::sleep(self.vendor.latency()).await;
        self.process.live().await;
        match fate {
            Fate::Hangs | Fate::HangsEmpty => std::future::pending().await,
            Fate::PanicsBefore => resume_unwind(Box::new("a provider with a bug")),
            Fate::Fine => Ok(Page::new(Vec::new())),
            _ => Err(Error::new(ErrorKind::Unavailable, "the connection broke")),
        }
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        Err(Error::not_found(format!("there is no ticket {id}")))
    }
}

#[async_trait]
impl TicketWriter for Client {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        self.change(input).await
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        self.change(input).await
    }
}

#[async_trait]
impl TicketCommenter for Client {
    async fn comment(&self, _: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        self.change(input).await
    }
}
