//! Which of several providers makes a change, by rule.

use opsorch::gate::{Decision, Rules};
use opsorch::*;
use opsorch_testkit::MemoryProvider;
use serde_json::json;

use crate::support::{agent, allow, one_sre, sre};

/// Two providers that make everything, and the vendors behind them.
struct Two {
    ops: OpsOrch,
    production: MemoryProvider,
    staging: MemoryProvider,
    cx: Context,
}

impl Two {
    async fn new(policy: impl gate::Policy, rules: impl IntoIterator<Item = RoutingRule>) -> Self {
        let vendors = [1, 2].map(|seed| MemoryProvider::seeded(seed, SystemClock));
        let scoped = |index: usize, name: &str| {
            vendors[index].provider(name).scope(Scope::new().environment(name).service("shop"))
        };
        let builder =
            OpsOrch::builder().policy(policy).provider(scoped(0, "production")).provider(scoped(1, "staging"));
        let ops = rules.into_iter().fold(builder, Builder::routing).build().await.unwrap();
        let [production, staging] = vendors;
        Self { ops, production, staging, cx: Context::new(agent()) }
    }

    async fn where_to(&self, change: impl Into<Submission>) -> Result<String> {
        let submitted = self.ops.submit(&self.cx, change).await?;
        let Submitted::Done(response) = submitted else { panic!("nobody is asked") };
        let value = serde_json::to_value(&response).unwrap();
        Ok(value["value"]["provider"].as_str().unwrap().to_owned())
    }

    fn calls(&self, operation: Operation) -> (u64, u64) {
        (self.production.calls(operation), self.staging.calls(operation))
    }
}

fn incident(service: &str) -> CreateIncident {
    CreateIncident::new("disk full").service(service)
}

fn rules() -> [RoutingRule; 5] {
    [
        RoutingRule::new(Capability::Incident, "production").service("pay-*").service("shop"),
        RoutingRule::new(Capability::Incident, "staging").service("pay").team("core").environment("sta*"),
        RoutingRule::new(Capability::Ticket, "production").team("core"),
        RoutingRule::new(Capability::Ticket, "staging"),
        RoutingRule::new(Capability::Deployment, "staging").service("*").environment("staging"),
    ]
}

#[tokio::test]
async fn the_first_rule_that_matches_says_which_provider_it_is() {
    let two = Two::new(allow, rules()).await;
    let deployment = |environment: &str| RecordDeployment::new("pay", environment, "1", DeploymentStatusLevel::Success);
    let pay = || incident("pay").field("team", "core");
    for (change, expected) in [
        (Action::from(incident("pay-api")), "production"),
        (incident("shop").into(), "production"),
        (pay().metadata("environment", "staging").into(), "staging"),
        (CreateTicket::new("x").field("team", "core").into(), "production"),
        (CreateTicket::new("x").metadata("team", "core").into(), "production"),
        (CreateTicket::new("x").field("team", "web").metadata("team", "core").into(), "staging"),
        (CreateTicket::new("x").field("team", json!(["core"])).into(), "staging"),
        (CreateTicket::new("x").into(), "staging"),
        (deployment("staging").into(), "staging"),
    ] {
        assert_eq!(two.where_to(change.clone()).await.unwrap(), expected, "{change:?}");
    }
    for change in [
        Action::from(incident("pay")),
        incident("SHOP").into(),
        incident("").into(),
        CreateIncident::new("x").into(),
        pay().metadata("environment", "production").into(),
        deployment("production").into(),
    ] {
        let operation = change.operation();
        let error = two.ops.submit(&two.cx, change).await.unwrap_err();
        let expected = "no routing rule matches; name one of them: production, staging";
        assert_eq!(error.to_string(), format!("invalid on: several providers offer {operation}, and {expected}"));
    }
    let alert = RaiseAlert::new("k", "x", "high").service("shop");
    let error = two.ops.alerts(&two.cx).raise(alert).await.unwrap_err();
    let expected = "several providers offer alert.raise; name one of them: production, staging";
    assert_eq!(error.message(), expected, "there is no rule about alerts");
}

#[tokio::test]
async fn a_name_beats_the_rules() {
    let two = Two::new(allow, rules()).await;
    let named = Submission::from(incident("pay-api")).on("staging");
    assert_eq!(two.where_to(named).await.unwrap(), "staging");
    let error = two.ops.submit(&two.cx, Submission::from(incident("pay-api")).on("prod")).await.unwrap_err();
    assert!(error.message().starts_with("unknown provider `prod`"), "{error}");
}

#[tokio::test]
async fn what_exists_is_where_it_is_whatever_the_rules_say() {
    let rules = [Capability::Incident, Capability::Messaging].map(|capability| RoutingRule::new(capability, "staging"));
    let two = Two::new(allow, rules).await;
    assert_eq!(two.where_to(CreateIncident::new("x")).await.unwrap(), "staging");
    let mut answer = Message::new("ops", "x");
    answer.thread_ref = Some("msg-1".into());
    for change in [
        Action::from(UpdateIncident::new("inc-1").service("shop")),
        TimelineAppend::new("inc-1", "note", "x").into(),
        answer.into(),
        UpdateMessage::new("msg-1", "ops", "x").into(),
    ] {
        let operation = change.operation();
        let error = two.ops.submit(&two.cx, change).await.unwrap_err();
        let why = ", and routing rules are about what is new; name one of them: production, staging";
        assert!(error.message().ends_with(why) || operation == Operation::MessagingSend, "{operation}: {error}");
        assert_eq!(two.calls(operation), (0, 0));
    }
    let error = two.ops.incidents(&two.cx).get("inc-1").await.unwrap_err();
    let expected = "several providers offer incident.get; name one of them: production, staging";
    assert_eq!(error.message(), expected);
}

#[tokio::test]
async fn choosing_a_service_gains_no_right() {
    let policy = Rules::parse(
        r#"
        [[rule]]
        name = "staging is free"
        operations = ["*"]
        environments = ["staging"]
        decision = "allow"

        [[rule]]
        name = "payments are free"
        operations = ["*"]
        services = ["payments"]
        decision = "allow"
        "#,
    );
    let two = Two::new(policy.unwrap(), rules()).await;
    // What the caller writes says where it goes. What may happen there is said by the provider's own attributes.
    for service in ["pay-payments", "shop"] {
        let labelled = incident(service).field("environment", "staging").metadata("service", "payments");
        let error = two.ops.incidents(&two.cx).create(labelled).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
    }
    let sent =
        CreateTicket::new("x").field("team", "core").field("service", "payments").field("environment", "staging");
    assert_eq!(*two.ops.tickets(&two.cx).create(sent).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(two.production.requests(), []);
    assert_eq!(two.where_to(CreateTicket::new("x")).await.unwrap(), "staging");
    let refused = two.ops.audit().entries(0, 10).await.unwrap();
    let refused: Vec<_> = refused.iter().filter(|entry| entry.event == Event::Refused).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|entry| entry.provider.as_ref().unwrap().as_str() == "production"));
}

#[tokio::test]
async fn access_is_asked_about_the_provider_that_was_chosen() {
    #[derive(Debug)]
    struct StagingOnly;
    impl gate::Access for StagingOnly {
        fn permits(&self, _: &Context, _: Operation, target: &Target) -> bool {
            target.provider.as_str() == "staging"
        }
    }
    let vendor = MemoryProvider::new(SystemClock);
    let builder = OpsOrch::builder().policy(allow).access(StagingOnly);
    let builder = builder.provider(vendor.provider("production")).provider(vendor.provider("staging"));
    let ops = rules().into_iter().fold(builder, Builder::routing).build().await.unwrap();
    let cx = Context::new(agent());
    assert_eq!(*ops.incidents(&cx).create(incident("shop")).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(vendor.requests(), []);
}

#[tokio::test]
async fn what_is_approved_is_for_the_provider_that_was_chosen() {
    let two = Two::new(one_sre(), rules()).await;
    let ticket = || CreateTicket::new("x").field("team", "core");
    let tickets = two.ops.tickets(&two.cx).idempotency_key("k-1");
    let Submitted::Pending(request) = tickets.create(ticket()).await.unwrap() else { panic!("a person is asked") };
    assert_eq!(request.target.provider.as_str(), "production");
    let named = |name: &str| Submission::from(ticket()).on(name);
    let digest = |submitted: Submitted<Response>| match submitted {
        Submitted::Pending(request) => request.digest,
        Submitted::Done(response) => panic!("{response:?}"),
    };
    assert_eq!(digest(two.ops.submit(&two.cx, named("production")).await.unwrap()), request.digest);
    assert_ne!(digest(two.ops.submit(&two.cx, named("staging")).await.unwrap()), request.digest);

    // The same key for what would go elsewhere is refused, and changes neither.
    let elsewhere = tickets.create(CreateTicket::new("x")).await.unwrap_err();
    assert_eq!(*elsewhere.kind(), ErrorKind::Conflict, "{elsewhere}");
    let same_text = two.ops.submit(&two.cx, named("staging").idempotency_key("k-1")).await.unwrap_err();
    assert_eq!(*same_text.kind(), ErrorKind::Conflict, "{same_text}");

    let person = Context::new(sre("alice"));
    two.ops.approvals(&person).approve(&request.id, &request.digest).await.unwrap();
    two.ops.approvals(&two.cx).redeem(&request.id).await.unwrap();
    assert_eq!(two.calls(Operation::TicketCreate), (1, 0));
}

/// Two providers of everything, one that only reads, and what the text says.
fn builder(text: &str) -> Result<Builder> {
    #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Memory {}
    #[async_trait]
    impl ProviderConfig for Memory {
        const KIND: &'static str = "memory";
        async fn build(self, name: &ProviderName, _: &BuildEnv) -> Result<Provider> {
            Ok(MemoryProvider::new(SystemClock).provider(name))
        }
    }
    let providers =
        "[providers]\na = { kind = 'memory' }\nb = { kind = 'memory' }\nr = { kind = 'memory', read_only = true }\n";
    let config = Config::parse(&format!("{providers}{text}"))?;
    Ok(OpsOrch::builder().policy(allow).registry(Registry::new().register::<Memory>()).config(config))
}

async fn build(text: &str) -> Result<OpsOrch> {
    builder(text)?.build().await
}

#[tokio::test]
async fn rules_stand_in_a_configuration() {
    let text =
        "[routes]\nticket = ['a', 'b']\n[[routing]]\ncapability = 'ticket'\nteams = ['core', 'pay-*']\nprovider = 'b'";
    let ops = build(text).await.unwrap();
    let cx = Context::new(agent());
    let ticket = CreateTicket::new("x").field("team", "pay-core");
    let Submitted::Done(ticket) = ops.tickets(&cx).create(ticket).await.unwrap() else { panic!("nobody is asked") };
    assert_eq!(ticket.provider.unwrap().as_str(), "b");
}

#[tokio::test]
async fn a_rule_that_cannot_be_meant_is_refused() {
    let rule = |capability: &str, rest: &str| format!("[[routing]]\ncapability = '{capability}'\n{rest}\n");
    let ticket = |rest: &str| rule("ticket", rest);
    for (text, message) in [
        (ticket("provider = 'c'"), "invalid routing[0].provider: unknown provider `c`, expected one of: a, b, r"),
        (rule("tickets", "provider = 'a'"), "invalid routing[0].capability: expected one of `incident`"),
        (
            rule("log", "provider = 'a'"),
            "invalid routing[0].capability: no change of `log` says where it belongs; expected one of: incident, alert, \
             ticket, messaging, deployment",
        ),
        (ticket("service = 'x'\nprovider = 'a'"), "invalid routing[0].service: unknown key `service`, expected one of"),
        (ticket(""), "invalid routing[0].provider: this key is missing"),
        (ticket("provider = 'r'"), "invalid routing[0].provider: `r` makes nothing new of `ticket`; it offers: "),
        (
            format!("[routes]\nticket = ['a', 'r']\n{}", ticket("provider = 'b'")),
            "invalid routing[0].provider: `b` is not in routes.ticket, which names: a, r",
        ),
        (
            ticket("provider = 'a'") + &ticket("teams = ['core']\nprovider = 'b'"),
            "invalid routing[1]: it is never reached, because routing[0] matches everything that it matches",
        ),
        (
            ticket("teams = ['a', 'p*']\nprovider = 'a'")
                + &rule("incident", "provider = 'b'")
                + &ticket("teams = ['pay-*', 'a']\nservices = ['x']\nprovider = 'b'"),
            "invalid routing[2]: it is never reached, because routing[0] matches everything that it matches",
        ),
    ] {
        let error = build(&text).await.unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    for text in [
        ticket("teams = ['*']\nprovider = 'a'") + &ticket("provider = 'b'"), // one says nothing of a team
        ticket("teams = ['p*']\nprovider = 'a'") + &ticket("teams = ['pay', 'core']\nprovider = 'b'"),
        ticket("teams = ['core']\nservices = ['x']\nprovider = 'a'") + &ticket("teams = ['core']\nprovider = 'b'"),
    ] {
        build(&text).await.unwrap();
    }
}

#[tokio::test]
async fn rules_of_the_code_beat_those_of_the_configuration_for_their_capability() {
    let rule = |capability: &str| format!("[[routing]]\ncapability = '{capability}'\nprovider = 'a'\n");
    let builder = builder(&(rule("ticket") + &rule("incident"))).unwrap();
    let ops = builder.routing(RoutingRule::new(Capability::Ticket, "b")).build().await.unwrap();
    let cx = Context::new(agent());
    let Submitted::Done(ticket) = ops.tickets(&cx).create(CreateTicket::new("x")).await.unwrap() else { panic!() };
    let Submitted::Done(incident) = ops.incidents(&cx).create(incident("x")).await.unwrap() else { panic!() };
    let name = |provider: Option<ProviderName>| provider.unwrap().to_string();
    assert_eq!((name(ticket.provider), name(incident.provider)), ("b".into(), "a".into()));
}

#[tokio::test]
async fn a_provider_that_is_installed_for_a_capability_ends_its_rules() {
    let two = Two::new(allow, rules()).await;
    let new = MemoryProvider::new(SystemClock);
    let provider = new.provider("desk").only(&[Capability::Ticket]);
    two.ops.install(Capability::Ticket, provider).unwrap();
    assert_eq!(two.where_to(CreateTicket::new("x").field("team", "core")).await.unwrap(), "desk");
    assert_eq!(two.where_to(incident("shop")).await.unwrap(), "production", "the others stay");
}

#[tokio::test]
async fn where_only_one_is_routed_no_rule_is_needed_and_none_leads_elsewhere() {
    let vendor = MemoryProvider::new(SystemClock);
    let builder = OpsOrch::builder().provider(vendor.provider("a")).provider(vendor.provider("b"));
    let builder = builder.policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"));
    let ops = builder.route(Capability::Incident, ["b"]).build().await.unwrap();
    let cx = Context::new(agent());
    let Submitted::Done(made) = ops.incidents(&cx).create(incident("x")).await.unwrap() else { panic!("it waits") };
    assert_eq!(made.provider.unwrap().as_str(), "b");
}
