//! A change that waits for its turn longer than its process vouches for it.

use opsorch::capability::TicketWriter;
use opsorch::gate::Approved;
use opsorch::{CreateTicket, ManualClock, OpsOrch, OutcomeStatus, Provider, Ticket, UpdateTicket};

use super::*;
use crate::support::{allow, ticket};

/// Makes tickets with one request each.
#[derive(Debug)]
struct Tracker(Client);

#[async_trait]
impl TicketWriter for Tracker {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        self.0.post("tickets").send(cx).await?;
        Ok(Ticket::new("T-1", &input.title, "todo"))
    }

    async fn update(&self, _: &Context, _: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        unreachable!("no test updates")
    }
}

/// Whether a change that has to wait half a minute is sent when the clock moves by so much meanwhile.
async fn is_sent(moved: Duration) -> bool {
    let (vendor, clock) = (Vendor::new(), ManualClock::default());
    let client = vendor.client(Budget::new().limit(Limit::new("requests", 1, MINUTE / 2)));
    get(&client, &agent("a"), "first").await.unwrap();
    let provider = Provider::new("tracker").with_ticket_writer(Arc::new(Tracker(client)));
    let builder = OpsOrch::builder().provider(provider).policy(allow).clock(clock.clone()).without_layers();
    // Nothing renews the lease while the change waits.
    let settings = opsorch::gate::GateSettings::default().lease(2 * MINUTE);
    let ops = builder.settings(settings).build().await.unwrap();
    let change = tokio::spawn({
        let ops = ops.clone();
        async move { ops.tickets(&agent("b")).create(ticket()).await }
    });
    sleep(SECOND).await;
    clock.advance(moved);
    let result = change.await.unwrap();
    let entries = ops.audit().entries(0, 10).await.unwrap();
    let status = entries[1].outcome.as_ref().map(|outcome| outcome.status);
    let expected = if result.is_ok() { OutcomeStatus::Applied } else { OutcomeStatus::NotApplied };
    assert_eq!(status, Some(expected));
    assert_eq!(result.is_ok(), vendor.paths().contains(&"tickets".to_owned()));
    result.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_lease_lapsed_while_it_waited_for_its_turn_is_not_sent() {
    assert!(!is_sent(2 * MINUTE).await, "another process may have it made anew by now");
    assert!(is_sent(MINUTE).await, "its process still vouches for it");
}
