//! A vendor that counts: it makes what it is asked to make, twice if it is asked twice and does not know the key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use opsorch::capability::{IncidentWriter, MessageSender, Reconciled, Reconciler, TicketCommenter, TicketWriter};
use opsorch::gate::Approved;
use opsorch::*;
use opsorch_testkit::Fault;

/// Clones share one world.
#[derive(Clone, Debug)]
pub(super) struct Vendor(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    honours_keys: bool,
    faults: VecDeque<Fault>,
    made: Vec<Made>,
    /// The keys of all requests, in order.
    requests: Vec<String>,
    /// How many requests of a key take their time.
    under_way: BTreeMap<String, usize>,
    /// Keys of which something was made or may have been; nobody may come again with one that is not recognised.
    touched: BTreeSet<String>,
    /// Those who came again nevertheless.
    repeated: Vec<String>,
}

/// Something that a vendor made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) key: String,
    pub(super) action: Action,
    response: Response,
}

impl Vendor {
    pub(super) fn new(honours_keys: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            honours_keys,
            faults: VecDeque::new(),
            made: Vec::new(),
            requests: Vec::new(),
            under_way: BTreeMap::new(),
            touched: BTreeSet::new(),
            repeated: Vec::new(),
        })))
    }

    pub(super) fn provider(&self) -> Provider {
        let this = Arc::new(self.clone());
        let changes = Operation::ALL.iter().copied().filter(|operation| operation.effect() == Effect::Write);
        let honours_keys = self.state().honours_keys;
        Provider::new("vendor")
            .idempotent_by_key(changes.filter(|_| honours_keys))
            .with_ticket_writer(this.clone())
            .with_ticket_commenter(this.clone())
            .with_incident_writer(this.clone())
            .with_message_sender(this.clone())
            .with_reconciler(this)
    }

    /// What goes wrong with the requests to come, whatever they ask for.
    pub(super) fn next(&self, faults: Vec<Fault>) {
        self.state().faults.extend(faults);
    }

    pub(super) fn made(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Requests that came after one that made the change or may have, to a vendor that does not recognise them.
    pub(super) fn repeated(&self) -> Vec<String> {
        self.state().repeated.clone()
    }

    async fn change<A, T>(&self, input: Approved<'_, A>) -> Result<T>
    where
        A: Clone + Into<Action>,
        T: TryFrom<Response, Error = WrongResponse>,
    {
        let (key, action) = (input.idempotency_key().to_owned(), A::clone(&input).into());
        let fault = self.begin(&key);
        let lost = || Error::new(ErrorKind::Unavailable, "the connection broke");
        match fault {
            Some(Fault::NotSent) => return Err(lost().not_applied()),
            Some(Fault::Error(kind)) => return Err(Error::new(kind, "the vendor says no")),
            Some(Fault::Panic) => panic!("a provider with a bug"),
            // What the vendor has begun it ends, whether or not anybody waits for it.
            Some(Fault::Delay(delay)) => {
                *self.state().under_way.entry(key.clone()).or_default() += 1;
                let this = self.clone();
                let work = async move {
                    tokio::time::sleep(delay).await;
                    let mut state = this.state();
                    *state.under_way.get_mut(&key).unwrap() -= 1;
                    state.make(key, action)
                };
                return Ok(tokio::spawn(work).await.unwrap().try_into()?);
            }
            _ => {}
        }
        let response = self.state().make(key, action);
        if fault == Some(Fault::LostReply) { Err(lost()) } else { Ok(response.try_into()?) }
    }

    /// Notes a request, if it is one, and takes its fault.
    fn begin(&self, key: &str) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.faults.pop_front();
        if fault == Some(Fault::NotSent) {
            return fault;
        }
        state.requests.push(key.to_owned());
        if !state.honours_keys && state.touched.contains(key) {
            state.repeated.push(key.to_owned());
        }
        let refused = matches!(&fault, Some(Fault::Error(kind)) if !Error::new(kind.clone(), "").may_have_applied());
        if !refused {
            state.touched.insert(key.to_owned());
        }
        fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn make(&mut self, key: String, action: Action) -> Response {
        let known = self.made.iter().find(|made| self.honours_keys && made.key == key);
        if let Some(made) = known {
            return made.response.clone();
        }
        let id = format!("{}", self.made.len());
        let response = match &action {
            Action::TicketCreate(input) => Ticket::new(id, &input.title, "todo").into(),
            Action::TicketUpdate(input) => Ticket::new(input.id.clone(), "as it is now", "todo").into(),
            Action::TicketComment(input) => Comment::new(id, &input.id, &input.body).into(),
            Action::IncidentCreate(input) => Incident::new(id, &input.title, "open", "high").into(),
            Action::MessagingSend(input) => MessageResult::new(id, &input.channel).into(),
            other => unreachable!("no life has {other:?}"),
        };
        self.made.push(Made { key, action, response: Response::clone(&response) });
        response
    }
}

/// Tells the truth, and nothing before it is certain.
#[async_trait]
impl Reconciler for Vendor {
    async fn reconcile(&self, _: &Context, action: &Action, key: &str) -> Result<Reconciled> {
        let state = self.state();
        let made = state.made.iter().find(|made| made.key == key && made.action == *action);
        let under_way = state.under_way.get(key).is_some_and(|requests| *requests > 0);
        Ok(match made {
            Some(made) => Reconciled::Applied(made.response.clone()),
            None if under_way => Reconciled::Unknown,
            None => Reconciled::NotApplied,
        })
    }
}

#[async_trait]
impl TicketWriter for Vendor {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        self.change(input).await
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        self.change(input).await
    }
}

#[async_trait]
impl TicketCommenter for Vendor {
    async fn comment(&self, _: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        self.change(input).await
    }
}

#[async_trait]
impl IncidentWriter for Vendor {
    async fn create(&self, _: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident> {
        self.change(input).await
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident> {
        self.change(input).await
    }
}

#[async_trait]
impl MessageSender for Vendor {
    async fn send(&self, _: &Context, input: Approved<'_, Message>) -> Result<MessageResult> {
        self.change(input).await
    }
}
