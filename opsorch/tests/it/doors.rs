//! The two doors over the whole table of operations: what is reachable, by whom it is done, what is refused.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::layer::{Call, Layer, Next};
use opsorch::*;
use opsorch_testkit::MemoryProvider;

use crate::support::{agent, allow};

/// A control plane over a seeded vendor, in which everything exists that the samples name.
struct Seeded {
    ops: OpsOrch,
    vendor: MemoryProvider,
    cx: Context,
}

impl Seeded {
    async fn new() -> Self {
        let vendor = seeded();
        let clock = ManualClock::default();
        let builder = OpsOrch::builder().provider(vendor.provider("world")).policy(allow).clock(clock);
        let this = Self { ops: builder.build().await.unwrap(), vendor, cx: Context::new(agent()) };
        // What no seed puts in: a message that can be updated, a run that goes on.
        for action in [Message::new("#ops", "hello").into(), Action::from(StartRun::new("plan-1"))] {
            done(this.ops.submit(&this.cx, action).await);
        }
        this
    }
}

/// A small world in which `alert-1` can be acted on.
fn seeded() -> MemoryProvider {
    let vendor = MemoryProvider::seeded(7, ManualClock::default());
    vendor.seed_alert(Alert::new("alert-1", "disk full", AlertStatusLevel::Firing, SeverityLevel::High));
    vendor
}

fn done<T>(submitted: Result<Submitted<T>>) -> T {
    match submitted.unwrap() {
        Submitted::Done(done) => done,
        Submitted::Pending(request) => panic!("it waits for {}", request.quorum),
    }
}

/// One sample for each read.
fn queries() -> Vec<Query> {
    let (now, hour) = (ManualClock::default().now(), Duration::from_secs(3600));
    let metric = MetricQuery::new("request_duration_seconds", now - hour, now);
    vec![
        IncidentQuery::new().into(),
        Query::IncidentGet("inc-1".into()),
        Query::IncidentTimelineGet("inc-1".into()),
        AlertQuery::new().into(),
        Query::AlertGet("alert-1".into()),
        LogQuery::new(now - hour, now).into(),
        metric.into(),
        Query::MetricDescribe(Scope::new()),
        TicketQuery::new().into(),
        Query::TicketGet("tkt-1".into()),
        ServiceQuery::new().into(),
        Query::ServiceGet("svc-api".into()),
        DeploymentQuery::new().into(),
        Query::DeploymentGet("dep-1".into()),
        TeamQuery::new().into(),
        Query::TeamGet("team-platform".into()),
        Query::TeamMembers("team-platform".into()),
        Query::TeamOncall("team-platform".into()),
        PlanQuery::new().into(),
        Query::OrchestrationPlansGet("plan-1".into()),
        RunQuery::new().into(),
        Query::OrchestrationRunsGet("run-1".into()),
    ]
}

/// One sample for each change.
fn actions() -> Vec<Action> {
    let tomorrow = ManualClock::default().now() + Duration::from_secs(24 * 60 * 60);
    vec![
        CreateIncident::new("disk full").into(),
        UpdateIncident::new("inc-1").title("disk nearly full").into(),
        TimelineAppend::new("inc-1", "note", "cleaning up").into(),
        RaiseAlert::new("disk/db-1", "disk full", SeverityLevel::High).into(),
        AcknowledgeAlert::new("alert-1").into(),
        ResolveAlert::new("alert-1").into(),
        SilenceAlert::new("alert-1", tomorrow).into(),
        CreateTicket::new("buy disks").into(),
        UpdateTicket::new("tkt-1").title("buy more disks").into(),
        CommentTicket::new("tkt-1", "ordered").into(),
        Message::new("#ops", "disks are ordered").into(),
        UpdateMessage::new("msg-1", "#ops", "disks have come").into(),
        RecordDeployment::new("api", "production", "v1.4.2", DeploymentStatusLevel::Success).into(),
        StartRun::new("plan-1").into(),
        CompleteStep::new("run-1", "freeze").into(),
        CancelRun::new("run-1").into(),
    ]
}

/// Asks through the typed handle. The compiler asks for a forgotten arm.
async fn ask_handle(ops: &OpsOrch, cx: &Context, query: Query) -> Result<Response> {
    macro_rules! by {
        ($handle:ident.$method:ident($input:expr)) => {
            ops.$handle(cx).$method($input).await.map(Response::from)
        };
    }
    match query {
        Query::IncidentQuery(input) => by!(incidents.query(input)),
        Query::IncidentGet(input) => by!(incidents.get(input)),
        Query::IncidentTimelineGet(input) => by!(incidents.timeline(input)),
        Query::AlertQuery(input) => by!(alerts.query(input)),
        Query::AlertGet(input) => by!(alerts.get(input)),
        Query::LogQuery(input) => by!(logs.query(input)),
        Query::MetricQuery(input) => by!(metrics.query(input)),
        Query::MetricDescribe(input) => by!(metrics.describe(input)),
        Query::TicketQuery(input) => by!(tickets.query(input)),
        Query::TicketGet(input) => by!(tickets.get(input)),
        Query::ServiceQuery(input) => by!(services.query(input)),
        Query::ServiceGet(input) => by!(services.get(input)),
        Query::DeploymentQuery(input) => by!(deployments.query(input)),
        Query::DeploymentGet(input) => by!(deployments.get(input)),
        Query::TeamQuery(input) => by!(teams.query(input)),
        Query::TeamGet(input) => by!(teams.get(input)),
        Query::TeamMembers(input) => by!(teams.members(input)),
        Query::TeamOncall(input) => by!(teams.oncall(input)),
        Query::OrchestrationPlansQuery(input) => by!(plans.query(input)),
        Query::OrchestrationPlansGet(input) => by!(plans.get(input)),
        Query::OrchestrationRunsQuery(input) => by!(runs.query(input)),
        Query::OrchestrationRunsGet(input) => by!(runs.get(input)),
    }
}

/// Submits through the typed handle. The compiler asks for a forgotten arm.
async fn submit_handle(ops: &OpsOrch, cx: &Context, action: Action) -> Result<Submitted<Response>> {
    macro_rules! by {
        ($handle:ident.$method:ident($input:expr)) => {
            ops.$handle(cx).$method($input).await?.try_map(|output| Ok(Response::from(output)))
        };
    }
    match action {
        Action::IncidentCreate(input) => by!(incidents.create(input)),
        Action::IncidentUpdate(input) => by!(incidents.update(input)),
        Action::IncidentTimelineAppend(input) => by!(incidents.append(input)),
        Action::AlertRaise(input) => by!(alerts.raise(input)),
        Action::AlertAcknowledge(input) => by!(alerts.acknowledge(input)),
        Action::AlertResolve(input) => by!(alerts.resolve(input)),
        Action::AlertSilence(input) => by!(alerts.silence(input)),
        Action::TicketCreate(input) => by!(tickets.create(input)),
        Action::TicketUpdate(input) => by!(tickets.update(input)),
        Action::TicketComment(input) => by!(tickets.comment(input)),
        Action::MessagingSend(input) => by!(messages.send(input)),
        Action::MessagingUpdate(input) => by!(messages.update(input)),
        Action::DeploymentRecord(input) => by!(deployments.record(input)),
        Action::OrchestrationRunsStart(input) => by!(runs.start(input)),
        Action::OrchestrationRunsStepsComplete(input) => by!(runs.complete_step(input)),
        Action::OrchestrationRunsCancel(input) => by!(runs.cancel(input)),
    }
}

/// The answer of either door for a sample of any operation.
async fn by_door(ops: &OpsOrch, cx: &Context, operation: Operation, on: Option<&str>) -> Result<()> {
    if let Some(query) = queries().into_iter().find(|query| query.operation() == operation) {
        let ask = Ask::from(query);
        return ops.query(cx, on.map_or(ask.clone(), |name| ask.on(name))).await.map(drop);
    }
    let action = actions().into_iter().find(|action| action.operation() == operation).unwrap();
    let submission = Submission::from(action);
    ops.submit(cx, on.map_or(submission.clone(), |name| submission.on(name))).await.map(drop)
}

/// Whether an operation finds things at every provider that is routed, or goes to one.
fn is_asked_of_all(operation: Operation) -> bool {
    operation.name().ends_with(".query") || operation == Operation::MetricDescribe
}

fn of(effect: Effect) -> BTreeSet<Operation> {
    Operation::ALL.iter().copied().filter(|operation| operation.effect() == effect).collect()
}

#[tokio::test]
async fn every_read_is_reachable_by_query() {
    let world = Seeded::new().await;
    let mut reached = BTreeSet::new();
    for query in queries() {
        let operation = query.operation();
        let response = world.ops.query(&world.cx, query).await.unwrap();
        assert_eq!(world.vendor.calls(operation), 1, "{operation}");
        let json = serde_json::to_value(&response).unwrap();
        let items = json["value"]["items"].as_array().cloned().unwrap_or_else(|| vec![json["value"].clone()]);
        assert!(!items.is_empty(), "{operation} finds something");
        assert!(items.iter().all(|item| item["provider"] == "world"), "{operation}: {json}");
        reached.insert(operation);
    }
    assert_eq!(reached, of(Effect::Read));
}

#[tokio::test]
async fn every_change_is_reachable_by_submit_and_has_an_intent_and_an_outcome() {
    let mut reached = BTreeSet::new();
    for action in actions() {
        let world = Seeded::new().await;
        let operation = action.operation();
        let (calls, entries) = (world.vendor.calls(operation), world.ops.audit().entries(0, 99).await.unwrap().len());
        done(world.ops.submit(&world.cx, action).await);
        assert_eq!(world.vendor.calls(operation), calls + 1, "{operation}");
        let written = world.ops.audit().entries(entries as u64, 99).await.unwrap();
        let written: Vec<_> = written.iter().map(|entry| (entry.event, entry.operation)).collect();
        assert_eq!(written, [(Event::Intent, operation), (Event::Outcome, operation)]);
        reached.insert(operation);
    }
    assert_eq!(reached, of(Effect::Write));
}

#[tokio::test]
async fn typed_handles_give_what_the_doors_give() {
    let world = Seeded::new().await;
    for query in queries() {
        let by_handle = ask_handle(&world.ops, &world.cx, query.clone()).await.unwrap();
        assert_eq!(by_handle, world.ops.query(&world.cx, query).await.unwrap());
    }
    for action in actions() {
        // Two worlds that are the same, because a change is made once.
        let (one, other) = (Seeded::new().await, Seeded::new().await);
        let by_handle = done(submit_handle(&one.ops, &one.cx, action.clone()).await);
        assert_eq!(by_handle, done(other.ops.submit(&other.cx, action).await));
    }
}

#[tokio::test]
async fn a_typed_handle_hands_on_provider_key_and_reason() {
    let world = Seeded::new().await;
    let tickets = world.ops.tickets(&world.cx).on("world").idempotency_key("k-1").reason("a test");
    done(tickets.create(CreateTicket::new("buy disks")).await);
    done(tickets.create(CreateTicket::new("buy disks")).await);
    assert_eq!(world.vendor.calls(Operation::TicketCreate), 1, "the key was handed on");

    let asking = crate::support::World::new(crate::support::one_sre()).await;
    let cx = Context::new(agent());
    let submitted = asking.ops.tickets(&cx).reason("the disk is full").create(CreateTicket::new("x")).await.unwrap();
    assert_eq!(submitted.pending().unwrap().reason.as_deref(), Some("the disk is full"));
    let error = asking.ops.tickets(&cx).on("nobody").get("tkt-1").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "on"), "{error}");
}

#[tokio::test]
async fn what_a_provider_lacks_is_unsupported_and_says_what_it_offers() {
    let vendor = seeded();
    let builder = OpsOrch::builder().policy(allow);
    let builder = builder.provider(vendor.provider("reads").read_only());
    let ops = builder.provider(vendor.provider("tickets").only(&[Capability::Ticket])).build().await.unwrap();
    let cx = Context::new(agent());
    for operation in Operation::ALL.iter().copied() {
        for provider in ops.providers().filter(|provider| !provider.operations().contains(operation)) {
            let error = by_door(&ops, &cx, operation, Some(provider.name().as_str())).await.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
            let (name, offers) = (provider.name(), provider.operations());
            let expected = format!("provider `{name}` does not offer {operation}; it offers: {offers}");
            assert_eq!(error.message(), expected);
            assert!(!error.may_have_applied());
        }
    }
    assert_eq!(vendor.requests(), [], "nothing was sent");
    assert_eq!(ops.audit().entries(0, 99).await.unwrap(), [], "nothing was begun");
    let offered: Vec<_> = ops.providers().map(|provider| provider.operations().to_string()).collect();
    assert!(!offered[0].contains("create") && offered[0].contains("run"), "{offered:?}");
    assert_eq!(offered[1], "ticket.query, ticket.get, ticket.create, ticket.update, ticket.comment");
}

#[tokio::test]
async fn what_nobody_offers_is_unsupported() {
    let ops = OpsOrch::builder().policy(allow).build().await.unwrap();
    let cx = Context::new(agent());
    for operation in Operation::ALL.iter().copied() {
        let error = by_door(&ops, &cx, operation, None).await.unwrap_err();
        let expected =
            format!("unsupported: no provider is configured for {operation} (capability: {})", operation.capability());
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn an_unknown_provider_lists_the_known() {
    let vendor = seeded();
    let builder =
        OpsOrch::builder().policy(allow).provider(vendor.provider("jira")).provider(vendor.provider("github"));
    let ops = builder.build().await.unwrap();
    let cx = Context::new(agent());
    for operation in Operation::ALL.iter().copied() {
        let error = by_door(&ops, &cx, operation, Some("jirra")).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid on: unknown provider `jirra`, expected one of: github, jira");
    }
    assert_eq!(vendor.requests(), []);
}

#[tokio::test]
async fn with_several_providers_a_read_of_one_thing_and_a_change_need_a_name() {
    let (one, other) = (seeded(), seeded());
    let builder = OpsOrch::builder().policy(allow).provider(one.provider("one")).provider(other.provider("other"));
    let ops = builder.build().await.unwrap();
    let cx = Context::new(agent());
    for operation in Operation::ALL.iter().copied().filter(|operation| !is_asked_of_all(*operation)) {
        let error = by_door(&ops, &cx, operation, None).await.unwrap_err();
        let expected = format!("invalid on: several providers offer {operation}; name one of them: one, other");
        assert_eq!(error.to_string(), expected);
        assert!(!error.may_have_applied());
    }
    assert_eq!((one.requests(), other.requests()), (vec![], vec![]));

    for operation in Operation::ALL.iter().copied() {
        // Whatever it answers: it went to the one that was named.
        let _ = by_door(&ops, &cx, operation, Some("other")).await;
        assert_eq!((one.calls(operation), other.calls(operation)), (0, 1), "{operation}");
    }
}

#[tokio::test]
async fn the_only_one_that_is_routed_needs_no_name() {
    let (one, other) = (seeded(), seeded());
    let builder = OpsOrch::builder().policy(allow).provider(one.provider("one")).provider(other.provider("other"));
    let ops = builder.route(Capability::Ticket, ["other"]).build().await.unwrap();
    let cx = Context::new(agent());
    assert_eq!(ops.tickets(&cx).get("tkt-1").await.unwrap().provider.unwrap().as_str(), "other");
    assert_eq!(done(ops.tickets(&cx).create(CreateTicket::new("x")).await).provider.unwrap().as_str(), "other");
    assert_eq!(one.requests(), []);
}

/// Answers with somebody else's answer.
#[derive(Debug)]
struct Answers(Response);

#[async_trait]
impl Layer for Answers {
    async fn call(&self, _: Call<'_>, _: Next<'_>) -> Result<Response> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_response_of_another_operation_is_an_error() {
    let cx = Context::new(agent());
    let service = Response::from(Service::new("svc-1", "api"));
    let builder = OpsOrch::builder().provider(seeded().provider("one")).layer(Answers(service.clone()));
    let ops = builder.build().await.unwrap();
    for query in queries() {
        let operation = query.operation();
        let answer = ask_handle(&ops, &cx, query).await;
        if operation == Operation::ServiceGet {
            assert!(answer.is_ok());
            continue;
        }
        let error = answer.unwrap_err();
        assert_eq!(error.to_string(), "unexpected: the answer does not belong to this operation", "{operation}");
        let source = error.source().unwrap().to_string();
        assert!(source.ends_with(", got Service"), "{operation}: {source}");
    }

    let vendor = seeded();
    let builder = OpsOrch::builder().provider(vendor.provider("one")).provider(vendor.provider("other"));
    let ops = builder.layer(Answers(service)).build().await.unwrap();
    for query in queries().into_iter().filter(|query| is_asked_of_all(query.operation())) {
        let error = ops.query(&cx, query).await.unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("unexpected: the answer does not belong to this operation"), "{message}");
    }
}
