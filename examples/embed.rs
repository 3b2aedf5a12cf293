//! Embeds a control plane: reads incidents, and asks people before it opens tickets for them.

use opsorch::gate::Rules;
use opsorch::store::MemoryStore;
use opsorch::{Actor, Config, Context, CreateIncident, CreateTicket, IncidentQuery, OpsOrch, Submitted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> opsorch::Result<()> {
    let rules = r#"rule = [
        { name = "incidents", operations = ["incident.create"], decision = "allow" },
        { name = "tickets", operations = ["ticket.create"], decision = "require-approval", quorum = "1 of sre" },
    ]"#;
    let ops = OpsOrch::builder()
        .registry(opsorch_providers::registry()) // every kind that is compiled in
        .config(Config::parse(r#"providers.here = { kind = "local", path = "target/embed" }"#)?) // or Config::load
        .policy(Rules::parse(rules)?) // or Rules::load; without a policy every change is denied
        .store(MemoryStore::new()) // grants and the audit log; SqliteStore keeps them
        .build()
        .await?;
    let cx = Context::new(Actor::agent("triage"));
    let _ = ops.incidents(&cx).idempotency_key("alert-7").create(CreateIncident::new("disk full on db-1")).await?;
    for incident in ops.incidents(&cx).query(IncidentQuery::open()).await?.items {
        match ops.tickets(&cx).create(CreateTicket::new(&incident.title)).await? {
            Submitted::Done(ticket) => println!("{} → {}", incident.id, ticket.id),
            Submitted::Pending(asked) => println!("{} waits for {}", incident.id, asked.quorum),
        }
    }
    Ok(())
}
