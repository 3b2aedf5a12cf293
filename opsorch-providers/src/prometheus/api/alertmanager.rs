//! The HTTP API v2 of Alertmanager.

use opsorch::transport::Reply;
use opsorch::{AlertId, Context, Error, ErrorKind, Result};

use super::Server;
use crate::prometheus::wire::alertmanager::{Alert, Alerts, PostableSilence, PostedSilence, Silence, Status};

/// The alerts for which all of these parameters hold, such as `filter`.
pub(in crate::prometheus) async fn alerts(
    cx: &Context,
    alertmanager: &Server,
    parameters: &[(&str, &str)],
) -> Result<Vec<Alert>> {
    let reply = alertmanager.client.get("api/v2/alerts").query(parameters).send_any(cx).await?;
    let Alerts(alerts) = answered(reply)?.json()?;
    Ok(alerts)
}

/// The alert with this fingerprint. There is no request for one alert.
///
/// # Errors
/// `NotFound` if it is not among those that fire.
pub(in crate::prometheus) async fn alert(cx: &Context, alertmanager: &Server, id: &AlertId) -> Result<Alert> {
    let alert = alerts(cx, alertmanager, &[]).await?.into_iter().find(|alert| alert.fingerprint == id.as_str());
    alert.ok_or_else(|| {
        Error::not_found(format!("Alertmanager has no alert `{id}`; it forgets an alert that no longer fires"))
    })
}

/// The silences, expired ones too for as long as Alertmanager keeps them: those in effect first.
pub(in crate::prometheus) async fn silences(cx: &Context, alertmanager: &Server) -> Result<Vec<Silence>> {
    answered(alertmanager.client.get("api/v2/silences").send_any(cx).await?)?.json()
}

/// Makes a silence. It is never sent twice: Alertmanager would make two.
pub(in crate::prometheus) async fn post_silence(
    cx: &Context,
    alertmanager: &Server,
    silence: &PostableSilence,
) -> Result<PostedSilence> {
    answered(alertmanager.client.post("api/v2/silences").json(silence).send_any(cx).await?)?.json()
}

/// What it says of itself.
pub(in crate::prometheus) async fn status(cx: &Context, alertmanager: &Server) -> Result<Status> {
    answered(alertmanager.client.get("api/v2/status").send_any(cx).await?)?.json()
}

/// Refuses an answer that is none. Every path here is there in every Alertmanager since 0.16, so that 404 and 410 speak
/// of the address and not of an alert.
fn answered(reply: Reply) -> Result<Reply> {
    match reply.status.as_u16() {
        404 | 410 => {
            let hint = "there is no Alertmanager API v2 at this address; check the path in `alertmanager_url`, which \
                        ends before `/api/v2`";
            Err(reply.error(ErrorKind::Unexpected).with_context("hint", hint))
        }
        _ => reply.error_for_status(),
    }
}
