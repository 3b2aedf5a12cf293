//! Every call that a provider offers, as plain as it can be, and what becomes of it when its vendor is in trouble.

use std::time::Duration;

use opsorch::transport::{Method, Request};
use opsorch::{
    AcknowledgeAlert, Action, CancelRun, Clock as _, CommentTicket, CompleteStep, Context, CreateIncident,
    CreateTicket, Message, Operation, Query, RaiseAlert, RecordDeployment, ResolveAlert, Response, Result,
    SeverityLevel, SilenceAlert, StartRun, TimelineAppend, UpdateIncident, UpdateMessage, UpdateTicket,
};
use opsorch::{DeploymentStatusLevel, Error};
use serde_json::{Value, json};

use super::lab::{Lab, content, items};
use super::listing::{LISTINGS, Listing, member, span};
use super::maker::Surroundings;
use super::rule::{Broken, Checked, Verdict, nothing};
use super::subject::Bench;
use super::tap::Trouble;
use crate::double;

/// A channel for messages where the author named none.
const CHANNEL: &str = "#conformance";

/// A call that a provider offers.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Read(Query),
    Change(Action),
}

impl Call {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Read(query) => query.operation(),
            Self::Change(action) => action.operation(),
        }
    }

    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Change(_))
    }

    pub(super) fn is_read(&self) -> bool {
        !self.is_change()
    }

    /// Whether it reads one thing by its id.
    pub(super) fn is_get(&self) -> bool {
        LISTINGS.iter().any(|listing| listing.get == Some(self.operation()))
    }

    /// Makes the call.
    pub(super) async fn make(&self, lab: &Lab, cx: &Context) -> Result<Response> {
        match self {
            Self::Read(query) => lab.ask_within(cx, query.clone()).await,
            Self::Change(action) => lab.change_within(cx, action.clone()).await,
        }
    }
}

/// A lab with a vendor that can be put into trouble, and the calls that reach it.
#[derive(Debug)]
pub(super) struct Drill {
    pub(super) lab: Lab,
    pub(super) calls: Vec<Call>,
}

/// What became of a call that met a trouble.
#[derive(Debug)]
pub(super) struct Met<'a> {
    pub(super) call: &'a Call,
    pub(super) result: Result<Response>,
    /// The requests that it sent.
    pub(super) requests: Vec<Request>,
}

impl Drill {
    /// A drill with the vendor's double; `None` where there is none.
    pub(super) async fn open(bench: &Bench<'_>) -> Checked<Option<Self>> {
        if !bench.has_double() {
            return Ok(None);
        }
        let lab = bench.open().await?;
        let calls = calls(&lab, bench.channel().unwrap_or(CHANNEL)).await?;
        Ok(Some(Self { lab, calls }))
    }

    /// Makes the calls that are meant while the vendor is in trouble; those that do not meet it are left out.
    pub(super) async fn under(&self, trouble: &Trouble, is_meant: impl Fn(&Call) -> bool) -> Vec<Met<'_>> {
        let mut all = Vec::new();
        for call in self.calls.iter().filter(|call| is_meant(call)) {
            let before = self.lab.requests().len();
            self.lab.trouble(trouble.clone());
            let result = call.make(&self.lab, self.lab.context()).await;
            if self.lab.tap().met() > 0 {
                let requests = self.lab.requests().split_off(before);
                all.push(Met { call, result, requests });
            }
        }
        self.lab.trouble(None);
        all
    }
}

impl Met<'_> {
    /// The error, which there has to be.
    pub(super) fn error(&self, because: &str) -> Checked<&Error> {
        let call = self.call.operation();
        match &self.result {
            Err(error) if error.message() == "the provider panicked" => {
                Err(Broken(format!("{call}, {because}: the provider panicked")))
            }
            Err(error) => Ok(error),
            Ok(response) => Err(Broken(format!("{call}, {because}: expected an error, got {}", content(response)))),
        }
    }
}

impl Met<'_> {
    /// Whether a request of a read names the one thing that is read.
    pub(super) fn names_its_id(&self) -> bool {
        let Call::Read(query) = self.call else { return false };
        let input = json!(query);
        let Some(id) = input.get("input").and_then(Value::as_str) else { return false };
        self.requests.iter().any(|request| {
            let address = [request.url.path(), request.url.query().unwrap_or_default()];
            let mut texts = address.map(double::decode).to_vec();
            texts.push(String::from_utf8_lossy(&request.body).into_owned());
            texts.iter().any(|text| text.contains(id))
        })
    }
}

/// What a check of calls says in the end.
pub(super) fn looked_at(calls: usize) -> Checked<Verdict> {
    if calls == 0 {
        nothing!("no such call that the provider offers reaches its vendor");
    }
    Ok(Verdict::Kept)
}

/// What a check says that needs a vendor to put into trouble.
pub(super) fn no_double() -> Checked<Verdict> {
    nothing!("the suite was given no double of the vendor")
}

/// Whether a request asks for a change.
pub(super) fn is_change(request: &Request) -> bool {
    !matches!(request.method, Method::GET | Method::HEAD)
}

/// The calls that are offered, of what is there.
async fn calls(lab: &Lab, channel: &str) -> Checked<Vec<Call>> {
    let mut calls = reads(lab).await?;
    calls.extend(changes(lab, channel).await?.into_iter().map(Call::Change));
    calls.retain(|call| lab.offers(call.operation()));
    Ok(calls)
}

async fn reads(lab: &Lab) -> Checked<Vec<Call>> {
    let mut calls = Vec::new();
    for listing in Listing::offered(lab) {
        calls.push((listing.query, listing.with(lab, json!({}))));
        if let Some(id) = first(lab, listing.query).await?.map(|thing| member(&thing, "id").clone()) {
            calls.extend(listing.get.iter().chain(listing.below).map(|read| (*read, id.clone())));
        }
    }
    calls.push((Operation::MetricDescribe, json!({})));
    if lab.offers(Operation::MetricDescribe) && lab.offers(Operation::MetricQuery) {
        let described = items(&lab.read(Operation::MetricDescribe, json!({})).await??)?;
        if let Some(metric) = described.first() {
            let (_, end) = span(lab);
            let start = end - Duration::from_secs(25 * 60 * 60);
            let expression = json!({ "metricName": member(metric, "name") });
            let query = json!({ "expression": expression, "start": start, "end": end, "step": 3600 });
            calls.push((Operation::MetricQuery, query));
        }
    }
    let query = |(read, input): (Operation, Value)| {
        Query::from_parts(read, input.clone())
            .map(Call::Read)
            .map_err(|error| Broken(format!("the suite made a wrong {read} of {input}: {error}")))
    };
    calls.into_iter().map(query).collect()
}

async fn changes(lab: &Lab, channel: &str) -> Checked<Vec<Action>> {
    let world = Surroundings::of(lab).await?;
    let service = world.service.clone().unwrap_or_else(|| "api".to_owned());
    let mut changes: Vec<Action> = vec![
        CreateIncident::new("a drill").into(),
        CreateIncident::new("a drill of a service").service(&service).into(),
        RaiseAlert::new("conformance-drill", "a drill", SeverityLevel::Low).into(),
        CreateTicket::new("a drill").into(),
        Message::new(channel, "a drill").into(),
        RecordDeployment::new(&service, "production", "v4711", DeploymentStatusLevel::Success).into(),
    ];
    if let Some(id) = id_of(lab, Operation::IncidentQuery).await? {
        changes.push(UpdateIncident::new(&*id).title("a drill, updated").into());
        changes.push(TimelineAppend::new(&*id, "note", "a drill").into());
    }
    if let Some(id) = id_of(lab, Operation::AlertQuery).await? {
        let until = lab.place().clock().now() + Duration::from_secs(60 * 60);
        changes.push(AcknowledgeAlert::new(&*id).into());
        changes.push(ResolveAlert::new(&*id).into());
        changes.push(SilenceAlert::new(&*id, until).into());
    }
    if let Some(id) = id_of(lab, Operation::TicketQuery).await? {
        changes.push(UpdateTicket::new(&*id).title("a drill, updated").into());
        changes.push(CommentTicket::new(&*id, "a drill").into());
    }
    if lab.offers(Operation::MessagingUpdate)
        && let Ok(sent) = lab.change(Message::new(channel, "before a drill")).await
    {
        let sent = content(&sent);
        let text = |name: &str| member(&sent, name).as_str().unwrap_or_default().to_owned();
        changes.push(UpdateMessage::new(text("id"), text("channel"), "a drill, updated").into());
    }
    changes.extend(world.plan.map(|plan| StartRun::new(plan).into()));
    if let Some(run) = first(lab, Operation::OrchestrationRunsQuery).await? {
        let id = member(&run, "id").as_str().unwrap_or_default();
        let step = run.get("steps").and_then(|steps| steps.get(0)).map(|step| member(step, "stepId"));
        changes.extend(step.and_then(Value::as_str).map(|step| CompleteStep::new(id, step).into()));
        changes.push(CancelRun::new(id).into());
    }
    Ok(changes)
}

async fn id_of(lab: &Lab, query: Operation) -> Checked<Option<String>> {
    Ok(first(lab, query).await?.and_then(|thing| member(&thing, "id").as_str().map(str::to_owned)))
}

/// The first thing that a query finds, if it is offered.
async fn first(lab: &Lab, query: Operation) -> Checked<Option<Value>> {
    if !lab.offers(query) {
        return Ok(None);
    }
    let listing = Listing::by(query)?;
    let page = listing.page(lab, json!({ "limit": 1 })).await?;
    Ok(items(&page)?.into_iter().next())
}
