//! Which metrics are worth a look.

use futures_util::future::join_all;
use opsorch_schema::{
    Evidence, Gap, InvestigationSection as Section, MetricDescriptor, MetricQuery, MetricSeries, Operation, Page,
    ProviderName, Query, Scope,
};

use super::desk::{Desk, Found};

/// How many metrics of each source are read when none is named.
const KEY_METRICS: usize = 6;

/// How many points a series has at most: enough to draw, little enough to read.
const POINTS: i64 = 120;

/// What names of metrics that tell about health have in them: the golden signals of the SRE book (chapter 6), errors
/// first. A metric belongs to the first signal that its name has a word of.
const SIGNALS: [&[&str]; 4] = [
    &["error", "fail", "5xx", "exception"],
    &["latency", "duration", "response_time"],
    &["request", "throughput", "traffic"],
    &["cpu", "memory", "disk", "queue", "saturation"],
];

/// Reads the metrics that were named, else those whose names speak of health.
pub(super) async fn key_metrics(desk: &Desk<'_>) -> Found<MetricSeries> {
    let routed = desk.ops.routed(Operation::MetricQuery);
    if routed.is_empty() {
        return Found::from(desk.nobody(Section::Metrics, Operation::MetricQuery));
    }
    if !desk.wanted.metrics.is_empty() {
        let each =
            |name: &ProviderName| desk.wanted.metrics.iter().map(|metric| (name.clone(), metric.clone())).collect();
        return read(desk, routed.iter().flat_map(|provider| -> Vec<_> { each(provider.name()) }).collect()).await;
    }
    if desk.scope.is_empty() {
        return Found::not_asked(
            Section::Metrics,
            "without a scope no metric is more telling than another; set `metrics`",
        );
    }
    let described: Found<MetricDescriptor> = desk
        .ask_all(Section::Metrics, Operation::MetricDescribe, None, |scope| Query::MetricDescribe(scope.clone()))
        .await;
    let mut gaps = described.gaps;
    let chosen = described.evidence.iter().flat_map(|evidence| choose(evidence, &mut gaps)).collect();
    let mut found = read(desk, chosen).await;
    gaps.append(&mut found.gaps);
    Found { gaps, ..found }
}

/// The metrics of a source that are read: for each signal in turn the first by name, then the second, …
fn choose(described: &Evidence<Page<MetricDescriptor>>, gaps: &mut Vec<Gap>) -> Vec<(ProviderName, String)> {
    let names: Vec<&str> = described.answer.items.iter().map(|metric| metric.name.as_str()).collect();
    let mut ranked: Vec<(usize, usize, &str)> = Vec::new();
    let mut seen = [0; SIGNALS.len()];
    for name in &names {
        let lower = name.to_ascii_lowercase();
        let signal = SIGNALS.iter().position(|words| words.iter().any(|word| lower.contains(word)));
        if let Some((signal, seen)) = signal.and_then(|signal| Some((signal, seen.get_mut(signal)?))) {
            ranked.push((*seen, signal, name));
            *seen += 1;
        }
    }
    if ranked.is_empty() && !names.is_empty() {
        let message = format!("none of its {} metrics has a name that speaks of health; set `metrics`", names.len());
        gaps.push(Gap::new(Section::Metrics, Gap::NOT_ASKED, message).source(described.provider.as_str()));
    }
    ranked.sort_unstable();
    ranked.into_iter().take(KEY_METRICS).map(|(_, _, name)| (described.provider.clone(), name.to_owned())).collect()
}

async fn read(desk: &Desk<'_>, chosen: Vec<(ProviderName, String)>) -> Found<MetricSeries> {
    let seconds = (desk.window.end - desk.window.start).num_seconds();
    let step = u32::try_from(seconds / POINTS + 1).unwrap_or(u32::MAX);
    let asks = chosen.iter().map(|(provider, metric)| {
        let query = move |scope: &Scope| {
            let mut query = MetricQuery::new(metric, desk.window.start, desk.window.end).step(step);
            (query.scope, query.limit) = (scope.clone(), Some(desk.wanted.limit_for(Section::Metrics)));
            query.into()
        };
        desk.ask_scoped(Section::Metrics, provider, Some(desk.window), query)
    });
    join_all(asks).await.into_iter().collect()
}
