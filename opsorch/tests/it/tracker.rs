//! A kind of provider over HTTP, as an adapter author would write it: tickets behind a bearer token.

use std::sync::Arc;

use opsorch::capability::{TicketReader, TicketWriter};
use opsorch::gate::Approved;
use opsorch::secret::SecretRef;
use opsorch::transport::{Auth, Client, Url};
use opsorch::{
    BuildEnv, Context, CreateTicket, Page, Provider, ProviderConfig, ProviderName, Result, Ticket, TicketId,
    TicketQuery, UpdateTicket, async_trait,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration of the kind `tracker`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrackerConfig {
    url: Url,
    token: SecretRef,
}

#[async_trait]
impl ProviderConfig for TrackerConfig {
    const KIND: &'static str = "tracker";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let client = Client::new(env.transport()?, self.url)?.auth(Auth::bearer(env.secret(&self.token).await?))?;
        let tracker = Arc::new(Tracker { client });
        Ok(Provider::new(name).with_ticket_reader(tracker.clone()).with_ticket_writer(tracker))
    }
}

#[derive(Debug)]
struct Tracker {
    client: Client,
}

/// A ticket as the vendor writes it.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    title: String,
    state: String,
}

impl From<Row> for Ticket {
    fn from(row: Row) -> Self {
        Self::new(row.id, row.title, row.state)
    }
}

#[async_trait]
impl TicketReader for Tracker {
    async fn query(&self, cx: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        let rows: Vec<Row> = self.client.get("tickets").fetch(cx).await?;
        Ok(Page::new(rows.into_iter().map(Ticket::from).collect()))
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        let row: Row = self.client.get(["tickets", id.as_str()]).fetch(cx).await?;
        Ok(row.into())
    }
}

#[async_trait]
impl TicketWriter for Tracker {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        let request = self.client.post("tickets").json(&*input).header("idempotency-key", input.idempotency_key());
        let row: Row = request.fetch(cx).await?;
        Ok(row.into())
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        let row: Row = self.client.patch(["tickets", input.id.as_str()]).json(&*input).fetch(cx).await?;
        Ok(row.into())
    }
}
