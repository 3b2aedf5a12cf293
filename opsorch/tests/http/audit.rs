//! The log over HTTP: what a stranger to this server needs to check it.

use opsorch::audit::{Bundle, Checkpoint, ConsistencyProof, InclusionProof, VerifierKey, leaf_hash, verify};
use opsorch::{CreateTicket, audit};
use serde_json::Value;

use crate::support::{Api, World};

/// A log of some entries.
async fn written() -> (World, Api) {
    let world = World::new().await;
    let cx = opsorch::Context::new(opsorch::Actor::agent("triage"));
    for _ in 0..3 {
        let _ = world.ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap();
    }
    let api = world.open();
    (world, api)
}

async fn keys(api: &Api) -> Vec<VerifierKey> {
    let reply = api.get("/v1/audit/keys").await;
    reply.expect(200).text().lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn entries_are_read_a_page_at_a_time() {
    let (world, api) = written().await;
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let page = api.get(&format!("/v1/audit/entries?from={from}&limit=4")).await.expect(200).json();
        let items = page["items"].as_array().unwrap().clone();
        if items.is_empty() {
            break;
        }
        found.extend(items);
        from = page["next"].as_u64().unwrap();
    }
    assert_eq!(Value::from(found), serde_json::to_value(world.ops.audit().entries(0, 100).await.unwrap()).unwrap());
}

#[tokio::test]
async fn a_bundle_verifies_offline_with_the_keys() {
    let (_, api) = written().await;
    let reply = api.get("/v1/audit/bundle?from=1&to=4").await;
    let bundle = Bundle::from_json(reply.expect(200).text()).unwrap();
    assert_eq!(bundle.entries.len(), 4);
    let report = verify(&bundle, &keys(&api).await, &[]);
    assert!(report.is_intact(), "{report}");
}

#[tokio::test]
async fn proofs_lead_from_an_entry_and_an_old_head_to_the_new_head() {
    let (_, api) = written().await;
    let keys = keys(&api).await;
    let head = Checkpoint::open(api.get("/v1/audit/checkpoint").await.expect(200).text(), &keys).unwrap();
    assert_eq!(head.size(), 6);
    let proof = api.get("/v1/audit/proofs/inclusion?sequence=2&size=6").await;
    let proof: InclusionProof = serde_json::from_slice(&proof.expect(200).body).unwrap();
    let bundle = Bundle::from_json(api.get("/v1/audit/bundle?from=2&to=2").await.expect(200).text()).unwrap();
    let leaf = leaf_hash(bundle.entries[0].entry.as_bytes());
    audit::verify_inclusion(leaf, 2, 6, &proof.hashes, head.root()).unwrap();

    let proof = api.get("/v1/audit/proofs/consistency?from=2&to=6").await;
    let proof: ConsistencyProof = serde_json::from_slice(&proof.expect(200).body).unwrap();
    assert!(!proof.hashes.is_empty());
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let (_, api) = written().await;
    for path in [
        "entries?from=-1",
        "entries?from=1&from=2",
        "entries?page=2",
        "bundle?from=4&to=1",
        "bundle?from=0&to=1000",
        "bundle?to=18446744073709551615",
        "proofs/inclusion?sequence=6&size=6",
        "proofs/inclusion?sequence=1",
        "proofs/consistency?from=7&to=6",
    ] {
        api.get(&format!("/v1/audit/{path}")).await.expect(400);
    }
    api.get("/v1/audit/grants/grant-of-nobody").await.expect(404);
    let empty = World::new().await.open();
    empty.get("/v1/audit/checkpoint").await.expect(404);
}
