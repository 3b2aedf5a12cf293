//! Asking sources, within the deadline, and noting what they do not tell.

use futures_util::future::join_all;
use opsorch_schema::{
    Evidence, Gap, Incident, Investigate, InvestigationSection as Section, Operation, Page, ProviderName, Query,
    Response, Scope, SourceFailure, Window, WrongResponse,
};

use super::OpsOrch;
use crate::ops::Ask;
use crate::{Context, Error, ErrorKind, Result};

/// From where questions are put.
pub(super) struct Desk<'a> {
    pub(super) ops: &'a OpsOrch,
    pub(super) cx: &'a Context,
    pub(super) wanted: &'a Investigate,
    pub(super) scope: &'a Scope,
    pub(super) window: Window,
}

/// Reads the incident. Without it there is nothing to investigate, so that this may fail.
pub(super) async fn incident(ops: &OpsOrch, cx: &Context, wanted: &Investigate) -> Result<Evidence<Incident>> {
    let provider = ops.one_provider(Operation::IncidentGet, wanted.on.as_ref())?;
    ask(ops, cx, provider.name(), Query::IncidentGet(wanted.incident.clone()), None).await
}

impl Desk<'_> {
    /// Asks every source that is routed for it, side by side.
    pub(super) async fn ask_all<T>(
        &self,
        section: Section,
        operation: Operation,
        window: Option<Window>,
        query: impl Fn(&Scope) -> Query,
    ) -> Found<T>
    where
        Page<T>: TryFrom<Response, Error = WrongResponse>,
    {
        let routed = self.ops.routed(operation);
        if routed.is_empty() {
            return Found::from(self.nobody(section, operation));
        }
        let asks = routed.iter().map(|provider| self.ask_scoped(section, provider.name(), window, &query));
        join_all(asks).await.into_iter().collect()
    }

    /// Asks one source about the scope; if it knows no such scope, about the narrowest part of it.
    pub(super) async fn ask_scoped<T>(
        &self,
        section: Section,
        provider: &ProviderName,
        window: Option<Window>,
        query: impl Fn(&Scope) -> Query,
    ) -> Found<T>
    where
        Page<T>: TryFrom<Response, Error = WrongResponse>,
    {
        let whole = query(self.scope);
        let refused = match ask(self.ops, self.cx, provider, whole.clone(), window).await {
            Err(error) if *error.kind() == ErrorKind::Unsupported => error,
            answer => return self.found(section, provider, answer),
        };
        let part = query(&narrowest(self.scope));
        if part == whole {
            return self.found(section, provider, Err(refused));
        }
        let answer = ask(self.ops, self.cx, provider, part, window).await.map(|mut evidence: Evidence<Page<T>>| {
            let warning = format!("asked for a part of the scope, because the whole of it was refused: {refused}");
            evidence.answer.warnings.push(warning);
            evidence
        });
        self.found(section, provider, answer)
    }

    /// Asks one source as it is.
    pub(super) async fn ask_one<T>(
        &self,
        section: Section,
        provider: &ProviderName,
        query: Query,
        window: Option<Window>,
    ) -> Found<T>
    where
        Page<T>: TryFrom<Response, Error = WrongResponse>,
    {
        let answer = ask(self.ops, self.cx, provider, query, window).await;
        self.found(section, provider, answer)
    }

    /// That no source offers an operation.
    pub(super) fn nobody(&self, section: Section, operation: Operation) -> Gap {
        let error = self.ops.nobody_offers(operation);
        Gap::new(section, error.kind().code(), error.message())
    }

    /// An answer, with what is missing in it.
    fn found<T>(&self, section: Section, provider: &ProviderName, answer: Result<Evidence<Page<T>>>) -> Found<T> {
        let name = provider.as_str();
        let mut evidence = match answer {
            Ok(evidence) => evidence,
            Err(error) => return Found::from(gap(section, error.to_source_failure(name))),
        };
        if !matches!(evidence.query, Query::MetricDescribe(_)) {
            evidence.answer = bounded(evidence.answer, section, self.wanted.limit_for(section));
        }
        let page = &evidence.answer;
        let more = page.next.as_ref().map(|_| "it has more; ask it alone to page through it".to_owned());
        let incomplete = more.into_iter().chain(page.truncated.clone());
        let incomplete = incomplete.map(|message| Gap::new(section, Gap::INCOMPLETE, message).source(name));
        let failures = page.failures.iter().map(|failure| gap(section, failure.clone()));
        let gaps = incomplete.chain(failures).collect();
        Found { evidence: vec![evidence], gaps }
    }
}

/// Puts a question to one source, and does not wait beyond the deadline, whether there is a layer that sees to it or not.
async fn ask<A: TryFrom<Response, Error = WrongResponse>>(
    ops: &OpsOrch,
    cx: &Context,
    provider: &ProviderName,
    query: Query,
    window: Option<Window>,
) -> Result<Evidence<A>> {
    let operation = query.operation();
    let answer = ops.observe(cx, Ask::from(query.clone()).on(provider));
    let answer = match cx.deadline() {
        Some(deadline) => tokio::time::timeout_at(deadline, answer).await.unwrap_or_else(|_| {
            let error = Error::new(ErrorKind::Timeout, "no answer before the deadline of the investigation");
            Err(error.with_context("operation", operation).with_context("provider", provider))
        }),
        None => answer.await,
    };
    let (answer, observed) = answer?;
    let mut evidence = Evidence::new(provider, query, observed.at, answer.try_into()?);
    evidence.window = window;
    Ok(evidence)
}

/// The part of a scope that says most: the service, else the team.
fn narrowest(scope: &Scope) -> Scope {
    match scope {
        Scope { service: Some(service), .. } => Scope::new().service(service),
        Scope { team: Some(team), .. } => Scope::new().team(team),
        other => other.clone(),
    }
}

/// No more items than wanted, whatever the source sends. Of a timeline the newest stay, of everything else the first.
fn bounded<T>(mut page: Page<T>, section: Section, limit: u32) -> Page<T> {
    let (found, limit) = (page.items.len(), usize::try_from(limit).unwrap_or(usize::MAX));
    if found <= limit {
        return page;
    }
    if section == Section::Timeline {
        page.items.drain(..found - limit);
        return page.truncated(format!("the newest {limit} of {found} entries"));
    }
    page.items.truncate(limit);
    page.truncated(format!("the first {limit} of {found} items"))
}

fn gap(section: Section, failure: SourceFailure) -> Gap {
    Gap::new(section, failure.code, failure.message).source(failure.source).retryable(failure.retryable)
}

/// What was found for a section.
pub(super) struct Found<T> {
    pub(super) evidence: Vec<Evidence<Page<T>>>,
    pub(super) gaps: Vec<Gap>,
}

impl<T> Found<T> {
    /// Nothing, because there was nothing to ask with.
    pub(super) fn not_asked(section: Section, message: &str) -> Self {
        Self::from(Gap::new(section, Gap::NOT_ASKED, message))
    }

    /// Adds what else was found.
    pub(super) fn extend(&mut self, other: Self) {
        self.evidence.extend(other.evidence);
        self.gaps.extend(other.gaps);
    }

    /// Hands over the evidence, and adds the gaps to those of other sections.
    pub(super) fn file(self, gaps: &mut Vec<Gap>) -> Vec<Evidence<Page<T>>> {
        gaps.extend(self.gaps);
        self.evidence
    }
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { evidence: Vec::new(), gaps: Vec::new() }
    }
}

impl<T> From<Gap> for Found<T> {
    fn from(gap: Gap) -> Self {
        Self { evidence: Vec::new(), gaps: vec![gap] }
    }
}

impl<T> FromIterator<Self> for Found<T> {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        parts.into_iter().fold(Self::default(), |mut all, part| {
            all.extend(part);
            all
        })
    }
}
