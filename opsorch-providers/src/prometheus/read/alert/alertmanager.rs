//! Alerts that Alertmanager has.

use opsorch::transport::Reply;
use opsorch::{Alert, AlertId, AlertQuery, AlertStatusLevel, Context, Error, ErrorKind, Page, Result};

use super::filter::Filter;
use super::order;
use crate::prometheus::api::Server;
use crate::prometheus::map::alert::AlertMap;
use crate::prometheus::map::matcher::equals;
use crate::prometheus::map::page::alertmanager_page;
use crate::prometheus::wire::alertmanager as wire;

/// An Alertmanager, and what its labels mean.
#[derive(Clone, Debug)]
pub(in crate::prometheus) struct Alertmanager {
    server: Server,
    map: AlertMap,
}

impl Alertmanager {
    pub(in crate::prometheus) fn new(server: Server, map: AlertMap) -> Self {
        Self { server, map }
    }

    pub(super) async fn query(&self, cx: &Context, query: &AlertQuery, matchers: &[String]) -> Result<Page<Alert>> {
        let filter = Filter::of(query, &self.map.labels)?;
        let scope = filter.labels.iter().map(|(name, value)| equals(name, value));
        let sent: Vec<String> = scope.chain(matchers.iter().cloned()).collect();
        let mut parameters: Vec<(&str, &str)> = sent.iter().map(|matcher| ("filter", matcher.as_str())).collect();
        if !filter.wants(AlertStatusLevel::Firing) {
            parameters.push(("active", "false"));
        }
        if !filter.wants(AlertStatusLevel::Suppressed) {
            parameters.extend([("silenced", "false"), ("inhibited", "false")]);
        }
        let found = self.list(cx, &parameters).await.map_err(|error| blame(error, matchers))?;
        let alerts = found.into_iter().map(|alert| self.mapped(alert)).filter(|alert| filter.matches(alert)).collect();
        Ok(order::page(alerts, query)?.url(Some(alertmanager_page(&self.server.page, &sent))))
    }

    pub(super) async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        Ok(self.mapped(self.find(cx, id).await?))
    }

    /// An alert in the words of the schema.
    pub(in crate::prometheus) fn mapped(&self, alert: wire::Alert) -> Alert {
        self.map.of_alertmanager(alert, &self.server.page)
    }

    /// An alert that is gone, as far as a silence of it tells.
    pub(in crate::prometheus) fn remembered(&self, id: &AlertId, silence: &wire::Silence) -> Alert {
        self.map.of_silence(id, silence, &self.server.page)
    }

    /// The alert with this fingerprint. There is no request for one alert.
    ///
    /// # Errors
    /// `NotFound` if it is not among those that fire.
    pub(in crate::prometheus) async fn find(&self, cx: &Context, id: &AlertId) -> Result<wire::Alert> {
        let alert = self.list(cx, &[]).await?.into_iter().find(|alert| alert.fingerprint == id.as_str());
        alert.ok_or_else(|| {
            Error::not_found(format!("Alertmanager has no alert `{id}`; it forgets an alert that no longer fires"))
        })
    }

    /// The silences, expired ones too for as long as Alertmanager keeps them: those in effect first.
    pub(in crate::prometheus) async fn silences(&self, cx: &Context) -> Result<Vec<wire::Silence>> {
        answered(self.server.client.get("api/v2/silences").send_any(cx).await?)?.json()
    }

    /// Makes a silence. It is never sent twice: Alertmanager would make two.
    pub(in crate::prometheus) async fn post_silence(
        &self,
        cx: &Context,
        silence: &wire::PostableSilence,
    ) -> Result<wire::PostedSilence> {
        answered(self.server.client.post("api/v2/silences").json(silence).send_any(cx).await?)?.json()
    }

    async fn list(&self, cx: &Context, parameters: &[(&str, &str)]) -> Result<Vec<wire::Alert>> {
        answered(self.server.client.get("api/v2/alerts").query(parameters).send_any(cx).await?)?.json()
    }
}

/// Refuses an answer that is none. Every path here is there in every Alertmanager since 0.16, so 404 and 410 speak of the
/// address and not of an alert.
fn answered(reply: Reply) -> Result<Reply> {
    match reply.status.as_u16() {
        404 | 410 => {
            let hint = "there is no Alertmanager API v2 at this address; check the path in `alertmanager_url`, which ends \
                        before `/api/v2`";
            Err(reply.error(ErrorKind::Unexpected).with_context("hint", hint))
        }
        _ => reply.error_for_status(),
    }
}

/// What a matcher of the caller's own is refused for is the caller's to mend.
fn blame(error: Error, matchers: &[String]) -> Error {
    match error.kind() {
        ErrorKind::Invalid { .. } if !matchers.is_empty() => {
            let message = "Alertmanager refused the query; is each matcher one that it can read?";
            Error::invalid("metadata.filter", message).with_context("cause", error)
        }
        _ => error,
    }
}
