//! The line protocol: one call after the other.

use std::sync::Arc;

use bytes::Bytes;
use opsorch_schema::{Actor, Digest, GrantId, Operation, Scope, Target};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::line;
use super::super::wire::FRAME_BYTES;
use super::stdio::Stdio;
use super::{Source, calls};
use crate::gate::Permit;
use crate::{Context, Error, Provider, Result};

/// The most items of a list whose host did not say how many it wants.
const MOST_ITEMS: usize = 10_000;

/// The most pages that one line costs.
const MOST_PAGES: usize = 1000;

/// A line from a host of the line protocol.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    method: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    #[serde(default)]
    payload: Option<Value>,
    #[serde(default)]
    params: Option<Value>,
}

/// The provider that was built last, and from which configuration.
type Built = Option<(Map<String, Value>, Arc<Provider>)>;

/// Answers one line after the other.
pub(super) async fn serve(mut stdio: Stdio, source: Source, first: Bytes) -> Result<()> {
    let mut built = None;
    let mut next = Some(first);
    while let Some(line) = next {
        if !line.trim_ascii().is_empty() {
            let reply = match answer(&source, &mut built, &line).await {
                Ok(reply) => reply,
                Err(error) => {
                    json!({ "error": { "code": line::code(error.kind()), "message": error.message() } }).to_string()
                }
            };
            stdio.push(&reply);
            stdio.flush().await?;
        }
        next = stdio.line().await?;
    }
    Ok(())
}

async fn answer(source: &Source, built: &mut Built, line: &[u8]) -> Result<String> {
    let line: Line = serde_json::from_slice(line)
        .map_err(|error| Error::invalid("line", format!("expected a call on one line: {error}")))?;
    let (operation, input) = line::asked(&line.method, line.payload.or(line.params).unwrap_or_default())?;
    let config = line.config.unwrap_or_default();
    let provider = match built {
        Some((known, provider)) if *known == config => provider.clone(),
        _ => {
            let provider = Arc::new(source.provider("plugin", config.clone()).await?);
            *built = Some((config, provider.clone()));
            provider
        }
    };
    let output = match line::is_paged(operation) {
        true => whole(&provider, operation, input).await?,
        false => call(&provider, operation, input).await?,
    };
    let reply = json!({ "result": line::result(operation, output)? }).to_string();
    match reply.len() < FRAME_BYTES {
        true => Ok(reply),
        false => {
            Err(Error::unsupported(format!("the result has {} bytes, the most are 8 MiB; ask for less", reply.len())))
        }
    }
}

/// Everything that a query finds, up to its limit: a line has no cursor, so that page after page is fetched here.
async fn whole(provider: &Provider, operation: Operation, mut input: Value) -> Result<Value> {
    let asked = input.get("limit").and_then(Value::as_u64).filter(|limit| *limit > 0);
    let limit = asked.map_or(MOST_ITEMS, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut output = call(provider, operation, input.clone()).await?;
    let mut items = items_of(&mut output);
    for _ in 0..MOST_PAGES {
        let next = output.get("next").cloned().filter(|next| !next.is_null() && items.len() < limit);
        let (Some(next), Value::Object(members)) = (next, &mut input) else { break };
        members.insert("cursor".into(), next);
        if asked.is_some() {
            members.insert("limit".into(), (limit - items.len()).into());
        }
        let mut page = call(provider, operation, input.clone()).await?;
        items.append(&mut items_of(&mut page));
        keep_what_is_missing(&output, &mut page);
        output = page;
    }
    if asked.is_none() && (items.len() > limit || output.get("next").is_some_and(|next| !next.is_null())) {
        let message = format!("there are more than {} items; say a limit, or narrow the query", items.len());
        return Err(Error::invalid("limit", message));
    }
    if items.len() >= limit {
        // The host has as many as it asked for, and knows that there may be more.
        items.truncate(limit);
        output = json!({ "failures": output.get("failures"), "url": output.get("url") });
    }
    Ok(with_items(output, items))
}

/// What an earlier page says of items that no cursor leads to holds for the list.
fn keep_what_is_missing(earlier: &Value, page: &mut Value) {
    for member in ["truncated", "failures", "url"] {
        if let (Some(said), Value::Object(page)) = (earlier.get(member), &mut *page) {
            page.insert(member.into(), said.clone());
        }
    }
}

fn items_of(page: &mut Value) -> Vec<Value> {
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn with_items(mut page: Value, items: Vec<Value>) -> Value {
    if let Value::Object(members) = &mut page {
        members.insert("items".into(), items.into());
    }
    page
}

async fn call(provider: &Provider, operation: Operation, input: Value) -> Result<Value> {
    let cx = Context::new(Actor::service("opsorch"));
    let permit = Permit {
        // The line protocol has no grant. The key is of this line alone, so that no vendor takes two changes for one.
        idempotency_key: format!("line-{}", uuid::Uuid::now_v7()),
        approved_by: Vec::new(),
        target: Target::new(provider.name().clone(), operation.capability().name(), "", Scope::new()),
        grant: GrantId::new("line"),
        digest: Digest::from_sha256([0; 32]),
    };
    let response = calls::make(provider, &cx, operation, input, Some(&permit)).await?;
    serde_json::from_slice(&calls::content(&response)?)
        .map_err(|error| Error::unexpected("an answer cannot be read back").with_source(error))
}
