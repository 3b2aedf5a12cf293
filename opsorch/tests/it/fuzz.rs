//! What comes from outside, in every state of disrepair: nothing panics, nothing takes long, and what is understood is
//! understood the same when it is written and read again.
//!
//! A few hundred cases each. `.ci/fuzz` makes many more, under a limit of memory and of time.

pub(crate) mod document;
#[cfg(feature = "http")]
mod surface;

use std::time::{Duration, Instant};

use opsorch::audit::{
    Bundle, BundleEntry, Checkpoint, Frontier, Hash, SigningKey, VerifierKey, consistency_nodes, inclusion_nodes,
    inclusion_proof, leaf_hash, verify, verify_consistency, verify_inclusion,
};
use opsorch::gate::{Pattern, Rules, canonical_json};
use opsorch::secret::{JsonSecrets, SecretRef, SecretStore};
use opsorch::*;
use opsorch_testkit::MemoryProvider;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::document::{document, text};
use crate::support::agent;
use crate::tracker::TrackerConfig;

/// Far more than any of these takes, also without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn settings() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// The result of work that does not take long.
pub(crate) fn soon<T>(work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
    done
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn owned(good: &[&str]) -> Vec<String> {
    good.iter().map(|text| (*text).to_owned()).collect()
}

/// What is read is the same when it is written and read again.
fn reads<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(document: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(document) else { return };
    let written = serde_json::to_vec(&value).unwrap();
    let again: T = serde_json::from_slice(&written).unwrap_or_else(|error| panic!("{value:?}: {error}"));
    assert_eq!(again, value, "{}", String::from_utf8_lossy(&written));
}

const SCHEMA: [&str; 8] = [
    r#"{"operation":"ticket.create","input":{"title":"disk full","description":"x","fields":{"points":3.5,"deep":{"a":[1]}}}}"#,
    r#"{"operation":"alert.silence","input":{"id":"a-1","until":"2026-01-02T00:00:00.5Z","reason":"maintenance"}}"#,
    r#"{"operation":"log.query","input":{"expression":{"search":"x","filters":[{"field":"a","operator":"!=","value":"b"}],"severityIn":["error"]},"start":"2026-01-01T00:00:00Z","end":"2026-01-01T01:00:00Z","limit":9}}"#,
    r#"{"operation":"metric.query","input":{"expression":{"metricName":"up","aggregation":"sum","groupBy":["a"]},"start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z","step":60}}"#,
    r#"{"operation":"ticket.query","input":{"statuses":["todo"],"scope":{"service":"api","team":"core"},"cursor":"x","limit":10}}"#,
    r#"{"id":"T-1","title":"disk full","status":"todo","createdAt":"2026-01-01T00:00:00.123456789Z","url":"https://x.example","fields":{"a":1e300},"metadata":{"b":[null]}}"#,
    r#"{"items":[{"id":"i-1","title":"down","status":"open","severity":"high","createdAt":"2026-01-01T00:00:00Z"}],"next":"c","truncated":"cut","failures":[]}"#,
    r#"{"sequence":3,"event":"approved","at":"2026-01-01T00:00:00Z","actor":{"kind":"user","identity":{"issuer":"x","subject":"alice"}},"operation":"ticket.create","request":"r"}"#,
];

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn the_schema_reads_any_document(document in document(owned(&SCHEMA))) {
        soon(|| {
            reads::<Action>(&document);
            reads::<Query>(&document);
            reads::<Response>(&document);
            reads::<Entry>(&document);
            reads::<Ticket>(&document);
            reads::<LogEntry>(&document);
            reads::<MetricSeries>(&document);
            reads::<Page<Incident>>(&document);
            if let Ok(value) = serde_json::from_slice::<Value>(&document)
                && let Ok(canonical) = canonical_json(&value)
            {
                let again: Value = serde_json::from_str(&canonical).unwrap();
                assert_eq!(canonical_json(&again).unwrap(), canonical);
            }
        });
    }

    #[test]
    fn the_small_languages_read_any_text(text in text(owned(&[
        "2 of sre and 1 of management", "1 of sre", "env:TOKEN", "secret:jira/token", "file:/run/secrets/x", "ticket.*", "sha256:00",
    ]))) {
        soon(|| {
            if let Ok(quorum) = text.parse::<Quorum>() {
                assert_eq!(quorum.to_string().parse::<Quorum>().unwrap(), quorum);
            }
            let _ = (text.parse::<SecretRef>(), text.parse::<Operation>(), text.parse::<Digest>(), text.parse::<Hash>());
            let _ = (text.parse::<Capability>(), text.parse::<Time>());
        });
    }

    #[test]
    fn a_pattern_is_matched_in_no_time(pattern in "[ab*]{0,200}|(a*){50,2000}b", value in "[ab]{0,400}|a{1000,20000}") {
        soon(|| Pattern::new(pattern).matches(&value));
    }
}

const CONFIGS: [&str; 3] = [
    r#"
[providers.jira]
kind = "tracker"
attributes = { environment = "production", team = "core" }
capabilities = ["ticket"]
read_only = true
url = "https://jira.example.org"
token = "env:JIRA_TOKEN"

[routes]
ticket = ["jira"]

[[policy.rule]]
name = "production asks"
operations = ["ticket.*"]
environments = ["production"]
decision = "require-approval"
quorum = "1 of sre"

[[access]]
operations = ["*"]
roles = ["viewer"]
"#,
    r#"
[people]
alice = [{ issuer = "https://id.example.org", subject = "alice" }, { issuer = "slack", subject = "U0123" }]

[store]
kind = "sqlite"
path = "/var/lib/opsorch/ops.db"

[secrets]
kind = "directory"
path = "/run/secrets"

[gate]
grant_ttl = "10m"
"#,
    "[[rule]]\nname = \"people\"\noperations = [\"incident.create\"]\nactors = [\"user\"]\ndecision = \"allow\"\n",
];

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn a_configuration_reads_any_text(text in text(owned(&CONFIGS))) {
        let registry = Registry::new().register::<TrackerConfig>();
        soon(|| {
            if let Ok(config) = Config::parse(&text) {
                let _ = config.check(&registry);
            }
            if let Ok(rules) = Rules::parse(&text) {
                assert!(rules.is_empty() || rules.len() < text.len());
            }
        });
    }

    #[test]
    fn variables_hold_any_text(text in text(owned(&[
        r#"{"url":"https://jira.example.org","token":"env:JIRA_TOKEN","deep":{"a":[1,2,{"b":null}]}}"#, "jira", "/usr/bin/plugin", "5s",
    ]))) {
        let names = ["TICKET_PROVIDER", "TICKET_CONFIG", "LOG_PLUGIN", "LOG_CONFIG", "PLUGIN_TIMEOUT", "SECRET_PROVIDER", "SECRET_CONFIG"];
        let registry = Registry::new().register::<TrackerConfig>();
        soon(|| {
            for name in names {
                if let Ok(config) = Config::from_vars([(format!("OPSORCH_{name}"), text.clone())]) {
                    let _ = config.check(&registry);
                }
            }
        });
    }

    #[test]
    fn the_file_of_secrets_holds_any_bytes(document in document(owned(&[
        r#"{"jira":"s3cr3t","providers/ticket/default":{"provider":"jira","config":{"url":"https://x.example","n":1}},"empty":""}"#,
    ]))) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        std::fs::write(&path, &document).unwrap();
        soon(|| runtime().block_on(async {
            let secrets = JsonSecrets::new(&path);
            for name in secrets.names().await.unwrap_or_default() {
                let _ = secrets.get(&name).await;
            }
            let config = Config::new().with_stored(&secrets).await;
            let _ = config.map(|config| config.check(&Registry::new().register::<TrackerConfig>()));
        }));
    }
}

/// A log of three entries: its key, its last checkpoint, and all of it.
fn log() -> (SigningKey, String, Bundle) {
    let secret =
        opsorch::secret::Secret::new("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz");
    let key = SigningKey::from_secret(&secret).unwrap();
    let (mut tree, mut nodes) = (Frontier::default(), audit::MemoryNodes::default());
    let stored = |sequence| format!(r#"{{"sequence":{sequence},"event":"approved"}}"#);
    let leaves: Vec<_> = (0..3).map(|sequence| leaf_hash(stored(sequence).as_bytes())).collect();
    leaves.iter().for_each(|leaf| {
        tree.push(*leaf);
        nodes.push(*leaf);
    });
    let signed = key.sign(&Checkpoint::new(key.name(), 3, tree.root()).unwrap());
    let entries = (0..3_u64).zip(leaves).map(|(sequence, leaf)| {
        let proof = audit::InclusionProof::new(3, inclusion_proof(sequence, 3, &nodes).unwrap());
        BundleEntry::new(sequence, stored(sequence), leaf).proof(proof)
    });
    let bundle = Bundle::new(key.name()).checkpoints([signed.clone()]).entries(entries);
    (key, signed, bundle)
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn a_checkpoint_reads_any_text(text in text(vec![log().1, log().0.verifier().to_string()])) {
        let (key, signed, _) = log();
        soon(|| {
            if let Ok(checkpoint) = text.parse::<Checkpoint>() {
                assert_eq!(checkpoint.to_string(), text);
            }
            if let Ok(checkpoint) = Checkpoint::open(&text, &[key.verifier()]) {
                assert_eq!(checkpoint, Checkpoint::open(&signed, &[key.verifier()]).unwrap(), "nobody else can sign");
            }
            let _ = text.parse::<VerifierKey>();
            let _ = Frontier::from_bytes(text.as_bytes());
        });
    }

    #[test]
    fn a_bundle_reads_any_text(text in text(vec![log().2.to_json().unwrap()])) {
        let (key, _, whole) = log();
        soon(|| {
            let Ok(bundle) = Bundle::from_json(&text) else { return };
            assert_eq!(Bundle::from_json(&bundle.to_json().unwrap()).unwrap(), bundle);
            if verify(&bundle, &[key.verifier()], &[]).is_intact() {
                let is_known = |entry: &BundleEntry| whole.entries.iter().any(|known| known.entry == entry.entry);
                assert!(bundle.entries.iter().all(is_known), "what is intact was written so: {bundle:?}");
            }
        });
    }

    #[test]
    fn a_proof_is_checked_whatever_it_says(sizes in prop::array::uniform2(size()), hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let [one, other] = sizes;
        let hashes: Vec<_> = hashes.into_iter().map(|bytes| leaf_hash(&bytes)).collect();
        let root = leaf_hash(b"a root");
        soon(|| {
            assert!(verify_inclusion(root, one, other, &hashes, leaf_hash(b"another")).is_err());
            let is_trivial = one == other && hashes.is_empty();
            assert_eq!(verify_consistency(one, root, other, root, &hashes).is_ok(), is_trivial && one > 0);
            assert!(inclusion_nodes(one, other).map_or(0, |nodes| nodes.len()) <= 128);
            assert!(consistency_nodes(one, other).map_or(0, |nodes| nodes.len()) <= 128);
        });
    }

    #[test]
    fn a_cursor_over_several_providers_is_any_text(document in document(cursors())) {
        use base64::Engine as _;
        let wrapped = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&document);
        let texts = [format!("all1.{wrapped}"), String::from_utf8_lossy(&document).into_owned()];
        soon(|| runtime().block_on(async {
            let (ops, cx) = two().await;
            for text in texts {
                let page = ops.tickets(&cx).query(TicketQuery::new().limit(2).after(Cursor::new(text))).await;
                match page {
                    Ok(page) => assert!(page.items.len() <= 2),
                    Err(error) => assert!(!error.to_string().contains("panicked"), "{error}"),
                }
            }
        }));
    }
}

/// Numbers about which trees could be wrong.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..70_u64,
        any::<u64>(),
        (0..64_u32, -1..2_i64).prop_map(|(bit, by)| (1_u64 << bit).wrapping_add_signed(by))
    ]
}

/// Two providers with three tickets each.
async fn two() -> (OpsOrch, Context) {
    let mut builder = OpsOrch::builder().without_layers();
    for name in ["a", "b"] {
        let vendor = MemoryProvider::new(ManualClock::default());
        (0..3).for_each(|number| vendor.seed_ticket(Ticket::new(format!("{name}-{number}"), "disk full", "todo")));
        builder = builder.provider(vendor.provider(name));
    }
    (builder.build().await.unwrap(), Context::new(agent()))
}

/// What good cursors hold.
fn cursors() -> Vec<String> {
    use base64::Engine as _;
    runtime().block_on(async {
        let (ops, cx) = two().await;
        let page = ops.tickets(&cx).query(TicketQuery::new().limit(2)).await.unwrap();
        let next = page.next.unwrap();
        let places = next.as_str().strip_prefix("all1.").unwrap();
        let places = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(places).unwrap();
        vec![String::from_utf8(places).unwrap()]
    })
}
