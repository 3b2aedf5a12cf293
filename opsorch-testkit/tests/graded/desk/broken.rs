//! The desk's adapter with one fault.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use opsorch::capability::{Reconciled, Reconciler, TicketCommenter, TicketReader, TicketWriter};
use opsorch::gate::Approved;
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::{Auth, Method, Reply, Request, Transport, Url};
use opsorch::*;

use super::Desk;
use crate::flaw::desk_flaw;

/// Where a fault of the desk's adapter, or of its double, sits.
#[derive(Clone, Copy)]
pub enum DeskFlaw {
    /// In what it makes of a request before it is sent.
    Request(fn(Request) -> Request),
    /// In what it takes an answer for, or the absence of one.
    Reply(fn(&Request, Result<Reply>) -> Result<Reply>),
    /// In how it sends.
    Send(fn(Arc<dyn Transport>, Request) -> BoxFuture<'static, Result<Reply>>),
    /// In the errors that it gives to callers.
    Error(fn(Error) -> Error),
    /// In what it says was made under an idempotency key: it knows all tickets, and those that have the key.
    Search(fn(&[Ticket], &[Ticket], &CreateTicket) -> Reconciled),
    /// In the context that it works with.
    Context(fn(&Context) -> Context),
    /// It reads on a task that nobody ends.
    Detached,
    /// It asks at the address in a cursor, before it refuses it.
    FollowsCursors,
    /// It shows its secret in `Debug`.
    Debug,
    /// The double lets everyone in.
    OpenDouble,
}

/// A desk whose adapter has the fault of this name.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokenDeskConfig {
    url: Url,
    token: SecretRef,
    flaw: String,
}

#[async_trait]
impl ProviderConfig for BrokenDeskConfig {
    const KIND: &'static str = "broken-desk";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let token = env.secret(&self.token).await?;
        let flaw = desk_flaw(&self.flaw).ok_or_else(|| Error::invalid("flaw", "there is no such flaw"))?;
        let transport = Arc::new(Broken { inner: env.transport()?, flaw });
        let marks = matches!(flaw, DeskFlaw::Search(_));
        let desk = Arc::new(Desk::new(transport, self.url, Auth::bearer(token.clone()))?.marks(marks));
        let this = Arc::new(BrokenDesk { desk, flaw, token, network: env.transport()? });
        let provider = match marks {
            true => Provider::new(name).found_by_marker([Operation::TicketCreate]).with_reconciler(this.clone()),
            false => Provider::new(name).idempotent_by_key(super::KEYED),
        };
        Ok(provider.with_ticket_reader(this.clone()).with_ticket_writer(this.clone()).with_ticket_commenter(this))
    }
}

/// A transport with the faults that an adapter could have towards its vendor.
struct Broken {
    inner: Arc<dyn Transport>,
    flaw: DeskFlaw,
}

#[async_trait]
impl Transport for Broken {
    async fn send(&self, request: Request) -> Result<Reply> {
        match self.flaw {
            DeskFlaw::Request(change) => self.inner.send(change(request)).await,
            DeskFlaw::Reply(change) => change(&request, self.inner.send(request.clone()).await),
            DeskFlaw::Send(send) => send(Arc::clone(&self.inner), request).await,
            _ => self.inner.send(request).await,
        }
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broken")
    }
}

/// The adapter with the faults that it could have towards its callers.
struct BrokenDesk {
    desk: Arc<Desk>,
    flaw: DeskFlaw,
    token: Secret,
    network: Arc<dyn Transport>,
}

impl fmt::Debug for BrokenDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            DeskFlaw::Debug => write!(f, "BrokenDesk({})", self.token.expose()),
            _ => f.write_str("BrokenDesk"),
        }
    }
}

impl BrokenDesk {
    fn context(&self, cx: &Context) -> Context {
        match self.flaw {
            DeskFlaw::Context(change) => change(cx),
            _ => cx.clone(),
        }
    }

    fn answer<T>(&self, result: Result<T>) -> Result<T> {
        match self.flaw {
            DeskFlaw::Error(change) => result.map_err(change),
            _ => result,
        }
    }
}

#[async_trait]
impl TicketReader for BrokenDesk {
    async fn query(&self, cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        let (cx, query) = (self.context(cx), query.clone());
        if let DeskFlaw::Detached = self.flaw {
            let desk = Arc::clone(&self.desk);
            return tokio::spawn(async move { desk.query(&cx, &query).await }).await.unwrap();
        }
        let address = query.cursor.as_ref().and_then(|cursor| Url::parse(cursor.as_str()).ok());
        if let (DeskFlaw::FollowsCursors, Some(address)) = (self.flaw, address) {
            // What comes of it is of no interest.
            _ = self.network.send(Request::new(Method::GET, address)).await;
        }
        self.answer(self.desk.query(&cx, &query).await)
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        self.answer(self.desk.get(&self.context(cx), id).await)
    }
}

#[async_trait]
impl TicketWriter for BrokenDesk {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        self.answer(self.desk.create(&self.context(cx), input).await)
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        self.answer(self.desk.update(&self.context(cx), input).await)
    }
}

#[async_trait]
impl Reconciler for BrokenDesk {
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let (DeskFlaw::Search(say), Action::TicketCreate(input)) = (self.flaw, action) else {
            return Ok(Reconciled::Unknown);
        };
        let all = self.desk.query(cx, &TicketQuery::new()).await?.items;
        let marked = self.desk.having(cx, "reference", idempotency_key).await?;
        Ok(say(&all, &marked, input))
    }
}

#[async_trait]
impl TicketCommenter for BrokenDesk {
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        self.answer(self.desk.comment(&self.context(cx), input).await)
    }
}
