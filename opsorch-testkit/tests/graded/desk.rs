//! A small adapter over HTTP, as one should be: the tickets of a desk.

mod broken;
mod double;

use std::sync::Arc;

use opsorch::capability::{Reconciled, Reconciler, TicketCommenter, TicketReader, TicketWriter};
use opsorch::gate::Approved;
use opsorch::secret::SecretRef;
use opsorch::transport::{Auth, Client, Transport, Url};
use opsorch::*;
use opsorch_testkit::Conformance;
use opsorch_testkit::conformance::Place;
use serde_json::{Value, json};

use self::broken::BrokenDeskConfig;
pub use self::broken::DeskFlaw;
pub use self::double::DeskDouble;

/// The suite over the adapter as it should be.
pub fn sound() -> Conformance {
    Conformance::of::<DeskConfig>(|place| json!({ "url": place.url(), "token": place.secret("DESK_TOKEN") }))
        .double(DeskDouble::new)
}

/// The suite over the adapter as it should be at a desk that knows no idempotency keys.
pub fn sound_with_markers() -> Conformance {
    let config = |place: &Place| json!({ "url": place.url(), "token": place.secret("DESK_TOKEN"), "marks": true });
    Conformance::of::<DeskConfig>(config).double(DeskDouble::new)
}

/// The suite over the adapter with a fault, which is also known by its name. Thousands of checks: without connections.
pub fn broken(name: &'static str, flaw: DeskFlaw) -> Conformance {
    let config = move |place: &Place| json!({ "url": place.url(), "token": place.secret("DESK_TOKEN"), "flaw": name });
    let suite = Conformance::of::<BrokenDeskConfig>(config).directly();
    match flaw {
        DeskFlaw::OpenDouble => suite.double(DeskDouble::open),
        _ => suite.double(DeskDouble::new),
    }
}

/// `[providers.NAME]` with `kind = "desk"`.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeskConfig {
    url: Url,
    token: SecretRef,
    /// The reference of a new ticket is the idempotency key, by which it is found.
    #[serde(default)]
    marks: bool,
}

#[async_trait]
impl ProviderConfig for DeskConfig {
    const KIND: &'static str = "desk";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let auth = Auth::bearer(env.secret(&self.token).await?);
        let desk = Arc::new(Desk::new(env.transport()?, self.url, auth)?.marks(self.marks));
        let provider = match self.marks {
            true => Provider::new(name).found_by_marker([Operation::TicketCreate]).with_reconciler(desk.clone()),
            false => Provider::new(name).idempotent_by_key(KEYED),
        };
        Ok(provider.with_ticket_reader(desk.clone()).with_ticket_writer(desk.clone()).with_ticket_commenter(desk))
    }
}

/// What the desk makes once for each key.
const KEYED: [Operation; 3] = [Operation::TicketCreate, Operation::TicketUpdate, Operation::TicketComment];

/// The most tickets that the desk gives at once.
const AT_ONCE: usize = 3;

/// The client of a desk.
#[derive(Debug)]
pub struct Desk {
    client: Client,
    marks: bool,
}

impl Desk {
    pub fn new(transport: Arc<dyn Transport>, url: Url, auth: Auth) -> Result<Self> {
        Ok(Self { client: Client::new(transport, url)?.auth(auth)?, marks: false })
    }

    pub fn marks(self, marks: bool) -> Self {
        Self { marks, ..self }
    }

    /// The tickets that have something.
    async fn having(&self, cx: &Context, name: &'static str, value: &str) -> Result<Vec<Ticket>> {
        let page: WirePage = self.client.get("tickets").query(&[(name, value)]).fetch(cx).await?;
        Ok(page.tickets.into_iter().map(Ticket::from).collect())
    }
}

/// A ticket in the desk's words.
#[derive(serde::Serialize, serde::Deserialize, Clone)]
struct WireTicket {
    id: usize,
    subject: String,
    text: Option<String>,
    state: String,
    workers: Vec<String>,
    opened_by: Option<String>,
    opened_at: Time,
    changed_at: Time,
    page: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// Some tickets, the newest first, and the number below which the next ones are.
#[derive(serde::Serialize, serde::Deserialize)]
struct WirePage {
    tickets: Vec<WireTicket>,
    next: Option<usize>,
}

#[derive(serde::Serialize, serde::Deserialize, Clone)]
struct WireComment {
    id: usize,
    ticket: usize,
    text: String,
    written_at: Time,
}

/// The desk's words for the levels; every other word means something that we do not know.
const STATES: &[(&str, TicketStatusLevel)] = &[
    ("open", TicketStatusLevel::Todo),
    ("doing", TicketStatusLevel::InProgress),
    ("review", TicketStatusLevel::InReview),
    ("on_hold", TicketStatusLevel::Blocked),
    ("closed", TicketStatusLevel::Done),
    ("abandoned", TicketStatusLevel::Cancelled),
];

/// The desk's word for a status, or the word as it is.
fn state(status: &TicketStatus) -> &str {
    let known = STATES.iter().find(|(_, level)| *level == status.level());
    known.map_or(status.as_str(), |(state, _)| state)
}

impl From<WireTicket> for Ticket {
    fn from(wire: WireTicket) -> Self {
        let known = STATES.iter().find(|(state, _)| *state == wire.state);
        let status = known.map_or_else(|| TicketStatus::new(&wire.state), |(_, level)| TicketStatus::from(*level));
        let mut ticket = Ticket::new(wire.id.to_string(), wire.subject, status)
            .status_raw(wire.state)
            .created_at(wire.opened_at)
            .updated_at(wire.changed_at)
            .url(wire.page);
        (ticket.description, ticket.reporter, ticket.assignees) = (wire.text, wire.opened_by, wire.workers);
        ticket
    }
}

#[async_trait]
impl TicketReader for Desk {
    async fn query(&self, cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        // All that is honoured. Whatever else was asked for, also what the schema gains later, is refused.
        let mut honoured = TicketQuery::new();
        honoured.statuses = query.statuses.clone();
        (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
        refuse(*query != honoured, "the desk finds tickets by status only; leave out the other conditions")?;

        let states: Vec<_> = query.statuses.iter().map(|status| ("state", state(status).to_owned())).collect();
        let limit = query.page_size() as usize;
        let mut before = query.cursor.as_ref().map(position).transpose()?;
        let mut tickets: Vec<Ticket> = Vec::new();
        while tickets.len() < limit {
            let mut pairs = states.clone();
            pairs.push(("count", AT_ONCE.min(limit - tickets.len()).to_string()));
            pairs.extend(before.map(|before| ("before", before.to_string())));
            let page: WirePage = self.client.get("tickets").query(&pairs).fetch(cx).await?;
            tickets.extend(page.tickets.into_iter().map(Ticket::from));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        Ok(Page::new(tickets).next(before.map(|before| Cursor::new(before.to_string()))))
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        self.client.get(["tickets", id.as_str()]).fetch(cx).await.map(|wire: WireTicket| wire.into())
    }
}

/// The number below which a page begins.
fn position(cursor: &Cursor) -> Result<usize> {
    cursor.as_str().parse().map_err(|_| Error::invalid("cursor", "expected the `next` of an earlier page"))
}

#[async_trait]
impl TicketWriter for Desk {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        let mut honoured = CreateTicket::new(&input.title);
        honoured.description = input.description.clone();
        refuse(*input != honoured, "a ticket of the desk has a title and a description; leave out the rest")?;
        let key = input.idempotency_key();
        let request = self.client.post("tickets");
        let (request, reference) = match self.marks {
            true => (request, Some(key)),
            false => (request.header("idempotency-key", key), None),
        };
        let body = json!({ "subject": input.title, "text": input.description, "reference": reference });
        request.json(&body).fetch(cx).await.map(|wire: WireTicket| wire.into())
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        let mut honoured = UpdateTicket::new(&input.id);
        (honoured.title, honoured.description) = (input.title.clone(), input.description.clone());
        (honoured.status, honoured.assignees) = (input.status.clone(), input.assignees.clone());
        refuse(*input != honoured, "a ticket of the desk has no further fields; leave out the rest")?;
        let mut body = serde_json::Map::new();
        let mut set = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
        set("subject", input.title.as_ref().map(|title| json!(title)));
        set("text", input.description.as_ref().map(|text| json!(text)));
        set("state", input.status.as_ref().map(|status| json!(state(status))));
        set("workers", input.assignees.as_ref().map(|people| json!(people)));
        let request = self.client.patch(["tickets", input.id.as_str()]);
        let request = request.header("idempotency-key", input.idempotency_key()).json(&body);
        request.fetch(cx).await.map(|wire: WireTicket| wire.into())
    }
}

#[async_trait]
impl Reconciler for Desk {
    /// A desk lists a ticket as soon as it has it, and takes no request that it has not answered for.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let Action::TicketCreate(_) = action else { return Ok(Reconciled::Unknown) };
        let found = self.having(cx, "reference", idempotency_key).await?;
        Ok(found.into_iter().next().map_or(Reconciled::NotApplied, |ticket| Reconciled::Applied(ticket.into())))
    }
}

#[async_trait]
impl TicketCommenter for Desk {
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        refuse(*input != CommentTicket::new(&input.id, &input.body), "a comment of the desk has no further fields")?;
        let request = self.client.post(["tickets", input.id.as_str(), "comments"]);
        let request = request.header("idempotency-key", input.idempotency_key()).json(&json!({ "text": input.body }));
        let wire: WireComment = request.fetch(cx).await?;
        Ok(Comment::new(wire.id.to_string(), wire.ticket.to_string(), wire.text).created_at(wire.written_at))
    }
}

/// Says that something cannot be honoured.
fn refuse(is_asked_for: bool, message: &'static str) -> Result<()> {
    if is_asked_for { Err(Error::unsupported(message)) } else { Ok(()) }
}
