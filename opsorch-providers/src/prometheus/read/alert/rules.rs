//! Alerts as the rules of Prometheus raise them, before and beside Alertmanager.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use opsorch::{Alert, AlertId, AlertQuery, AlertStatusLevel, Context, Error, Page, Result};

use super::filter::Filter;
use super::order::{self, Part};
use crate::prometheus::api::Server;
use crate::prometheus::api::prometheus::{Answer, ask};
use crate::prometheus::map::alert::AlertMap;
use crate::prometheus::map::page;
use crate::prometheus::wire::rules as wire;

/// How many broken rules a page names.
const NAMED: usize = 5;

/// How much of a rule's error is shown, in characters.
const SHOWN: usize = 200;

/// A Prometheus with rules, and what their labels mean.
#[derive(Clone, Debug)]
pub(in crate::prometheus) struct Rules {
    server: Server,
    map: AlertMap,
}

impl Rules {
    pub(in crate::prometheus) fn new(server: Server, map: AlertMap) -> Self {
        Self { server, map }
    }

    pub(super) async fn query(&self, cx: &Context, query: &AlertQuery) -> Result<Page<Alert>> {
        let (filter, part) = (Filter::of(query, &self.map.labels)?, Part::of(query)?);
        let Answer { data, warnings, .. } = self.rules(cx).await?;
        let mut alerts = self.alerts(&data);
        alerts.retain(|alert| filter.matches(alert));
        let page = order::page(alerts, &part).url(Some(page::alerts(&self.server.page)));
        Ok(warnings.into_iter().chain(broken(&data)).fold(page, Page::warning))
    }

    pub(super) async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        let rules = self.rules(cx).await?;
        let alert = self.alerts(&rules.data).into_iter().find(|alert| alert.id == *id);
        alert.ok_or_else(|| Error::not_found(format!("no rule of Prometheus raises an alert `{id}` now")))
    }

    /// The rules, each with its alerts: one answer, so that the two belong together.
    async fn rules(&self, cx: &Context) -> Result<Answer<wire::Rules>> {
        ask(cx, self.server.client.get("api/v1/rules").query(&[("type", "alert")]), "query").await
    }

    /// The alerts of these rules. Several rules may raise the same one; as Alertmanager does, it is taken once: the one
    /// that fires before the one that is pending, then the one that began first.
    fn alerts(&self, rules: &wire::Rules) -> Vec<Alert> {
        let page = page::alerts(&self.server.page);
        let mut alerts = BTreeMap::<AlertId, Alert>::new();
        for group in &rules.groups {
            let raised = group.rules.iter().flat_map(|rule| rule.alerts.iter().map(move |active| (rule, active)));
            for (rule, active) in raised {
                let alert = self.map.of_rule(group, rule, active, &page);
                match alerts.get(&alert.id) {
                    Some(known) if rank(known) >= rank(&alert) => {}
                    _ => _ = alerts.insert(alert.id.clone(), alert),
                }
            }
        }
        alerts.into_values().collect()
    }
}

/// The greater, the more it says.
fn rank(alert: &Alert) -> impl Ord + use<> {
    (alert.status.level() == AlertStatusLevel::Firing, Reverse(alert.created_at))
}

/// What is to be said of rules that cannot be evaluated: nobody knows whether their alerts would fire.
fn broken(rules: &wire::Rules) -> Vec<String> {
    let all = rules.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    let broken: Vec<_> = all.filter(|(_, rule)| rule.health.as_deref() == Some("err")).collect();
    let named = broken.iter().take(NAMED).map(|(group, rule)| {
        let error: String = rule.last_error.as_deref().unwrap_or("no reason given").chars().take(SHOWN).collect();
        format!(
            "rule `{}` of group `{}` cannot be evaluated, so its alerts may be missing: {error}",
            rule.name, group.name
        )
    });
    let others = broken.len().saturating_sub(NAMED);
    let rest = (others > 0).then(|| format!("{others} more rules cannot be evaluated"));
    named.chain(rest).collect()
}
