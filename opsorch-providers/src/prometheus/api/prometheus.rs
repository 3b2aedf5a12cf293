//! The HTTP API v1 of Prometheus.

use opsorch::transport::{Reply, RequestBuilder};
use opsorch::{Context, Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use crate::prometheus::wire::{Envelope, Failure};

/// What a server warns of that cut its answer (Prometheus 3.5 and later).
pub(in crate::prometheus) const CUT: &str = "results truncated due to limit";

/// What Prometheus answered.
#[derive(Debug)]
pub(in crate::prometheus) struct Answer<T> {
    /// What was asked for; Go writes `null` for a list that is empty.
    pub(in crate::prometheus) data: T,
    /// Its warnings, and its hints beginning with `info: `.
    pub(in crate::prometheus) warnings: Vec<String>,
    /// The bytes of the answer.
    pub(in crate::prometheus) size: usize,
}

/// Sends a request to Prometheus and reads the envelope that all of its answers come in.
///
/// # Errors
/// Those of the transport; `Invalid` about `field` where Prometheus does not understand or cannot run the query,
/// `Timeout` and `Unavailable` where it gave up, else what the status means. Where nothing of Prometheus is to be
/// heard, such as at a wrong address or before a proxy's page, `Unexpected` says so.
pub(in crate::prometheus) async fn ask<T: DeserializeOwned + Default>(
    cx: &Context,
    request: RequestBuilder<'_>,
    field: &str,
) -> Result<Answer<T>> {
    ask_with(cx, request, field, |body| serde_json::from_slice(body).ok()).await
}

/// As [`ask`], with a reader of one's own.
pub(in crate::prometheus) async fn ask_with<T: DeserializeOwned + Default>(
    cx: &Context,
    request: RequestBuilder<'_>,
    field: &str,
    read: fn(&[u8]) -> Option<Envelope<T>>,
) -> Result<Answer<T>> {
    let reply = request.send_any(cx).await?;
    if !reply.status.is_success() {
        return Err(refusal(reply, field));
    }
    // What cannot be read is read again, by a reader that is slow and can say where something is wrong.
    let envelope = read(&reply.body).map_or_else(|| reply.json(), Ok);
    match envelope.map_err(|error| explain_page(error, &reply))? {
        Envelope { status, data, mut warnings, infos } if status == "success" => {
            warnings.extend(infos.into_iter().map(|info| format!("info: {info}")));
            Ok(Answer { data: data.unwrap_or_default(), warnings: few(warnings), size: reply.body.len() })
        }
        _ => Err(refusal(reply, field)),
    }
}

/// As many warnings as are read. Those that say that something was cut come first.
fn few(mut warnings: Vec<String>) -> Vec<String> {
    const MOST: usize = 20;
    const LONGEST: usize = 500;
    warnings.sort_by_key(|warning| !warning.contains(CUT));
    let more = warnings.len().saturating_sub(MOST);
    warnings.truncate(MOST);
    for warning in &mut warnings {
        if let Some((end, _)) = warning.char_indices().nth(LONGEST) {
            warning.truncate(end);
            warning.push('…');
        }
    }
    warnings.extend((more > 0).then(|| format!("there are {more} more warnings")));
    warnings
}

fn refusal(reply: Reply, field: &str) -> Error {
    let failure: Option<Failure> = serde_json::from_slice(&reply.body).ok();
    let kind = match failure.as_ref().map(|failure| failure.error_type.as_str()) {
        Some("bad_data" | "execution") => ErrorKind::Invalid { field: field.to_owned() },
        Some("timeout") => ErrorKind::Timeout,
        Some("canceled" | "internal" | "unavailable") => ErrorKind::Unavailable,
        None if reply.status.as_u16() == 404 => {
            let hint =
                "there is no Prometheus API at this address; check the path in `url`, which ends before `/api/v1`";
            return reply.error(ErrorKind::Unexpected).with_context("hint", hint);
        }
        _ => match reply.clone().error_for_status() {
            Err(error) => return explain_page(error, &reply),
            Ok(_) => ErrorKind::Unexpected,
        },
    };
    reply.error(kind)
}

/// Says what an answer is that begins as HTML does.
fn explain_page(error: Error, reply: &Reply) -> Error {
    match reply.body.trim_ascii_start().starts_with(b"<") {
        true => error
            .with_context("hint", "the answer is a page, as of a proxy that asks to log in; check `url` and `auth`"),
        false => error,
    }
}
