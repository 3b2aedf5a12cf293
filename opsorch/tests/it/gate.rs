//! The gate: who decides, who answers, what runs.

use std::time::Duration;

use opsorch::gate::{Decision, People};
use opsorch::{
    Action, Actor, Context, CreateTicket, Error, ErrorKind, Event, GrantId, GrantState, Identity, Operation,
    OutcomeStatus, Quorum, Response, Submission, Submitted, Target, TicketQuery,
};
use opsorch_testkit::Fault;

use crate::support::{Switch, World, agent, allow, ask, one_sre, sre, ticket};

fn assert_denied(error: &Error, part: &str) {
    assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.message().contains(part), "expected {part:?} in: {error}");
}

#[tokio::test]
async fn what_policy_allows_is_done_at_once_between_an_intent_and_an_outcome() {
    let world = World::new(allow).await;
    let cx = Context::new(agent());
    let Submitted::Done(done) = world.ops.tickets(&cx).create(ticket()).await.unwrap() else { panic!("it waits") };
    assert_eq!(done.title, "disk full on db-1");
    assert_eq!(done.provider.unwrap().as_str(), "tracker");
    assert_eq!(world.events().await, [Event::Intent, Event::Outcome]);
    let entries = world.entries().await;
    assert_eq!(entries[1].intent, Some(0));
    let outcome = entries[1].outcome.as_ref().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Applied);
    assert_eq!(outcome.resource.as_ref().unwrap().id, done.id.as_str());
    world.assert_log_verifies().await;
}

#[tokio::test]
async fn without_a_policy_every_change_is_denied_and_reads_go_on() {
    let vendor = opsorch_testkit::MemoryProvider::new(opsorch::SystemClock);
    let ops = opsorch::OpsOrch::builder().provider(vendor.provider("tracker")).build().await.unwrap();
    let cx = Context::new(Actor::user("root").role("admin"));
    assert_denied(&ops.tickets(&cx).create(ticket()).await.unwrap_err(), "there is no policy");
    assert!(ops.tickets(&cx).query(TicketQuery::new()).await.unwrap().is_complete());
    assert_eq!(vendor.calls(Operation::TicketCreate), 0);
}

#[tokio::test]
async fn when_all_abstain_the_change_is_denied() {
    let abstain = |_: &Context, _: &Target, _: &Action| Decision::Abstain;
    let world = World::with(abstain, |builder| builder.policy(abstain)).await;
    let cx = Context::new(agent());
    assert_denied(&world.ops.tickets(&cx).create(ticket()).await.unwrap_err(), "no rule matches");
    assert_eq!(world.events().await, [Event::Refused]);
    assert_eq!(world.changes(), 0);
}

#[tokio::test]
async fn a_policy_that_panics_denies() {
    let panics = |_: &Context, _: &Target, _: &Action| -> Decision { panic!("a bug in a policy") };
    let world = World::with(panics, |builder| builder.policy(allow)).await;
    let cx = Context::new(agent());
    assert_denied(&world.ops.tickets(&cx).create(ticket()).await.unwrap_err(), "a policy panicked");
    assert_eq!(world.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_decide_in_time_denies() {
    struct Slow;
    #[opsorch::async_trait]
    impl opsorch::gate::Policy for Slow {
        async fn decide(&self, _: &Context, _: &Target, _: &Action) -> opsorch::Result<Decision> {
            std::future::pending().await
        }
        fn revision(&self) -> Option<&str> {
            None
        }
    }
    let world = World::with(Slow, |builder| builder.policy(allow)).await;
    let cx = Context::new(agent());
    assert_denied(&world.ops.tickets(&cx).create(ticket()).await.unwrap_err(), "did not decide in time");
}

#[tokio::test]
async fn approving_does_not_execute_and_redeeming_does_once() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    assert_eq!(request.state, GrantState::Requested);
    let approved = world.approve(&request, &sre("alice")).await.unwrap();
    assert_eq!((approved.state, world.changes()), (GrantState::Active, 0));

    let first = world.redeem(&request, &agent()).await.unwrap();
    let again = world.redeem(&request, &agent()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(world.changes(), 1);
    assert_eq!(world.events().await, [Event::Requested, Event::Approved, Event::Intent, Event::Outcome]);
    world.assert_log_verifies().await;
}

#[tokio::test]
async fn the_requester_cannot_answer() {
    let world = World::new(one_sre()).await;
    let alice = sre("alice");
    let request = world.ask(&alice).await;
    assert_denied(&world.approve(&request, &alice).await.unwrap_err(), "the requester does not answer");
    assert_denied(&world.redeem(&request, &sre("bob")).await.unwrap_err(), "only the requester redeems");
    assert_eq!(world.events().await, [Event::Requested, Event::Refused, Event::Refused]);
}

#[tokio::test]
async fn the_requester_cannot_answer_by_another_channel() {
    let people = People::new().person("alice", [Identity::new("local", "alice"), Identity::new("slack", "U1")]);
    let world = World::with(one_sre(), |builder| builder.people(people)).await;
    let request = world.ask(&sre("alice")).await;
    let on_slack = sre("U1").issuer("slack");
    assert_denied(&world.approve(&request, &on_slack).await.unwrap_err(), "the requester does not answer");
    world.approve(&request, &sre("U2").issuer("slack")).await.unwrap();
}

#[tokio::test]
async fn an_agent_cannot_answer_whatever_its_roles() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    let other = Actor::agent("reviewer").role("sre").on_behalf_of(sre("alice"));
    assert_denied(
        &world.approve(&request, &agent().role("sre")).await.unwrap_err(),
        "only a person answers, not an agent",
    );
    assert_denied(&world.approve(&request, &other).await.unwrap_err(), "only a person answers, not an agent");
}

#[tokio::test]
async fn a_service_cannot_answer_whatever_its_roles() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    let shared = Actor::service("bearer-token").role("sre");
    assert_denied(&world.approve(&request, &shared).await.unwrap_err(), "only a person answers, not a service");
}

#[tokio::test]
async fn a_person_without_the_role_cannot_answer() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    assert_denied(&world.approve(&request, &Actor::user("mallory")).await.unwrap_err(), "a role of 1 of sre");
    assert_denied(
        &world
            .redeem(&request, &agent())
            .await
            .map_err(|error| {
                assert_eq!(*error.kind(), ErrorKind::Conflict, "it still waits");
                Error::denied("checked")
            })
            .unwrap_err(),
        "checked",
    );
}

#[tokio::test]
async fn one_person_in_two_roles_fills_one_place() {
    let world = World::new(ask(Quorum::of(1, "sre").and(1, "security"))).await;
    let request = world.ask(&agent()).await;
    let alice = sre("alice").role("security");
    assert_eq!(world.approve(&request, &alice).await.unwrap().state, GrantState::Requested);
    assert_denied(&world.approve(&request, &alice).await.unwrap_err(), "has answered already");
    assert_eq!(world.approve(&request, &sre("bob")).await.unwrap().state, GrantState::Active);
}

#[tokio::test]
async fn one_person_on_two_channels_counts_once() {
    let people = People::new().person("alice", [Identity::new("local", "alice"), Identity::new("slack", "U1")]);
    let world = World::with(ask(Quorum::of(2, "sre")), |builder| builder.people(people)).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    assert_denied(&world.approve(&request, &sre("U1").issuer("slack")).await.unwrap_err(), "has answered already");
}

#[tokio::test]
async fn whom_the_agent_acts_for_may_answer_unless_the_policy_forbids_it() {
    let alice = sre("alice");
    let for_alice = agent().on_behalf_of(alice.clone());
    let world = World::new(one_sre()).await;
    let request = world.ask(&for_alice).await;
    assert_eq!(world.approve(&request, &alice).await.unwrap().state, GrantState::Active);

    let strict = World::new(ask(Quorum::of(1, "sre").excluding_principal())).await;
    let request = strict.ask(&for_alice).await;
    assert_denied(
        &strict.approve(&request, &alice).await.unwrap_err(),
        "excludes the person whom the requester acts for",
    );
}

#[tokio::test]
async fn one_no_ends_the_request() {
    let world = World::new(ask(Quorum::of(2, "sre"))).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    let cx = Context::new(sre("bob"));
    let denied = world.ops.approvals(&cx).deny(&request.id, &request.digest, "not today").await.unwrap();
    assert_eq!(denied.state, GrantState::Denied);
    assert_eq!(*world.approve(&request, &sre("carol")).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(*world.redeem(&request, &agent()).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(world.changes(), 0);
}

#[tokio::test]
async fn an_answer_serves_one_grant_only() {
    let world = World::new(one_sre()).await;
    let (one, cx) = (world.ask(&agent()).await, Context::new(agent()));
    let other = CreateTicket::new("delete the database");
    let Submitted::Pending(other) = world.ops.tickets(&cx).create(other).await.unwrap() else { panic!("it was done") };
    let alice = Context::new(sre("alice"));
    let error = world.ops.approvals(&alice).approve(&other.id, &one.digest).await.unwrap_err();
    assert_denied(&error, "another digest");
    world.approve(&one, &sre("alice")).await.unwrap();
    assert_eq!(world.ops.approvals(&alice).get(&other.id).await.unwrap().state, GrantState::Requested);
}

#[tokio::test]
async fn the_same_action_again_is_a_new_request() {
    let world = World::new(one_sre()).await;
    let (one, other) = (world.ask(&agent()).await, world.ask(&agent()).await);
    assert_eq!(one.digest, other.digest);
    assert_ne!(one.id, other.id);
    world.approve(&one, &sre("alice")).await.unwrap();
    assert_eq!(*world.redeem(&other, &agent()).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_request_lapses_after_a_day_and_a_grant_after_a_quarter_of_an_hour() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(*world.approve(&request, &sre("alice")).await.unwrap_err().kind(), ErrorKind::Conflict);

    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    world.clock.advance(Duration::from_secs(15 * 60));
    assert_denied(&world.redeem(&request, &agent()).await.unwrap_err(), "expired");
    assert_eq!(world.changes(), 0);
    let events = world.events().await;
    assert_eq!(events.iter().filter(|event| **event == Event::Expired).count(), 2, "{events:?}");
}

#[tokio::test]
async fn a_grant_can_be_withdrawn_by_its_requester_and_revoked_by_an_approver() {
    let world = World::new(one_sre()).await;
    let (agent_cx, alice) = (Context::new(agent()), Context::new(sre("alice")));
    let request = world.ask(&agent()).await;
    assert_denied(&world.ops.approvals(&alice).withdraw(&request.id).await.unwrap_err(), "only the requester");
    world.ops.approvals(&agent_cx).withdraw(&request.id).await.unwrap();

    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    assert_denied(&world.ops.approvals(&agent_cx).revoke(&request.id, "mine").await.unwrap_err(), "only a person");
    world.ops.approvals(&alice).revoke(&request.id, "changed my mind").await.unwrap();
    assert_eq!(*world.redeem(&request, &agent()).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(world.changes(), 0);
}

#[tokio::test]
async fn policy_is_asked_again_and_the_stricter_decision_holds() {
    let switch = Switch::new(Decision::require_approval(Quorum::of(1, "sre"), "a test"));
    let world = World::new(switch.policy()).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();

    switch.set(Decision::deny("the office is on fire"));
    assert_denied(&world.redeem(&request, &agent()).await.unwrap_err(), "the office is on fire");
    switch.set(Decision::require_approval(Quorum::of(2, "sre"), "more"));
    assert_denied(&world.redeem(&request, &agent()).await.unwrap_err(), "do not meet 2 of sre");
    assert_eq!(world.changes(), 0);
    switch.set(Decision::allow("it is fine now"));
    world.redeem(&request, &agent()).await.unwrap();
    assert_eq!(world.changes(), 1);
}

#[tokio::test]
async fn an_approval_does_not_outlive_a_change_of_configuration() {
    let store = opsorch::store::MemoryStore::new();
    let keys = opsorch::gate::GateKeys::generate("example.com/log").unwrap();
    let vendor = opsorch_testkit::MemoryProvider::new(opsorch::SystemClock);
    let build = |fingerprint: &str| {
        let provider = vendor.provider("tracker").fingerprint(fingerprint);
        let builder = opsorch::OpsOrch::builder().provider(provider).policy(one_sre());
        builder.store(store.clone()).keys(keys.clone()).build()
    };
    let before = build("sha256:a").await.unwrap();
    let (cx, alice) = (Context::new(agent()), Context::new(sre("alice")));
    let Submitted::Pending(request) = before.tickets(&cx).create(ticket()).await.unwrap() else { panic!("done") };
    before.approvals(&alice).approve(&request.id, &request.digest).await.unwrap();

    let after = build("sha256:b").await.unwrap();
    assert_denied(&after.approvals(&cx).redeem(&request.id).await.unwrap_err(), "configuration has changed");
    assert_eq!(vendor.calls(Operation::TicketCreate), 0);
    before.approvals(&cx).redeem(&request.id).await.unwrap();
}

#[tokio::test]
async fn a_role_that_the_policy_names_redeems() {
    let world = World::new(ask(Quorum::of(1, "sre").redeemable_by("release"))).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    assert_denied(&world.redeem(&request, &sre("bob")).await.unwrap_err(), "only the requester redeems");
    world.redeem(&request, &Actor::service("pipeline").role("release")).await.unwrap();
}

#[tokio::test]
async fn what_is_shown_is_everything_with_nothing_hidden() {
    let world = World::new(one_sre()).await;
    let cx = Context::new(agent());
    let sneaky = CreateTicket::new("restart \u{202e}1-bd").description("x".repeat(20_000));
    let Submitted::Pending(request) = world.ops.tickets(&cx).create(sneaky).await.unwrap() else { panic!("done") };
    assert!(request.shown.contains("restart \\u{202e}1-bd"), "{:.200}", request.shown);
    assert!(request.shown.contains(&"x".repeat(20_000)));
    assert!(request.shown.contains("ticket.create") && request.shown.contains("tracker"));
}

#[tokio::test]
async fn an_unknown_grant_is_not_found() {
    let world = World::new(one_sre()).await;
    let cx = Context::new(sre("alice"));
    let error = world.ops.approvals(&cx).redeem(&GrantId::new("nonsense")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_key_seen_before_gives_the_first_result_and_another_input_is_a_conflict() {
    let world = World::new(allow).await;
    let cx = Context::new(agent());
    let tickets = world.ops.tickets(&cx).idempotency_key("deploy-42");
    let first = tickets.create(ticket()).await.unwrap();
    assert_eq!(tickets.create(ticket()).await.unwrap(), first);
    assert_eq!(world.changes(), 1);
    let seen_by_the_vendor = world.vendor.requests()[0].idempotency_key.clone().unwrap();
    assert!(seen_by_the_vendor.starts_with("key-") && seen_by_the_vendor.len() == 68, "{seen_by_the_vendor}");

    let other = tickets.create(CreateTicket::new("another")).await.unwrap_err();
    assert_eq!(*other.kind(), ErrorKind::Conflict);
    let stranger = Context::new(Actor::agent("stranger"));
    let error = world.ops.tickets(&stranger).idempotency_key("deploy-42").create(ticket()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict);

    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert!(matches!(tickets.create(ticket()).await.unwrap(), Submitted::Done(_)));
    assert_eq!(world.changes(), 2, "a key is remembered for a day");
}

#[tokio::test]
async fn a_key_of_a_change_that_waits_gives_the_same_request_until_it_was_made() {
    let world = World::new(one_sre()).await;
    let cx = Context::new(agent());
    let submit = || world.ops.submit(&cx, Submission::from(Action::from(ticket())).idempotency_key("k"));
    let (Submitted::Pending(one), Submitted::Pending(same)) = (submit().await.unwrap(), submit().await.unwrap()) else {
        panic!("nobody was asked")
    };
    assert_eq!(one, same);
    world.approve(&one, &sre("alice")).await.unwrap();
    let made = world.redeem(&one, &agent()).await.unwrap();
    assert_eq!(submit().await.unwrap(), Submitted::Done(made));
    assert_eq!(world.changes(), 1);
}

#[tokio::test]
async fn a_bad_key_or_a_number_that_readers_disagree_about_is_refused_before_anything_happens() {
    let world = World::new(allow).await;
    let cx = Context::new(agent());
    for key in ["", "two words", "ünïcode", &"x".repeat(256)] {
        let error = world.ops.tickets(&cx).idempotency_key(key).create(ticket()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "idempotencyKey"), "{error}");
    }
    let error = world.ops.tickets(&cx).create(ticket().field("count", 1_u64 << 53)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "action"), "{error}");
    let huge = ticket().description("x".repeat(1 << 20));
    assert!(matches!(world.ops.tickets(&cx).create(huge).await.unwrap_err().kind(), ErrorKind::Invalid { .. }));
    assert_eq!((world.changes(), world.events().await), (0, vec![]));
}

#[tokio::test]
async fn an_error_that_may_have_applied_is_unknown_and_one_that_was_refused_is_not() {
    for (fault, status) in [
        (Fault::LostReply, OutcomeStatus::Unknown),
        (Fault::Error(ErrorKind::Timeout), OutcomeStatus::Unknown),
        (Fault::Panic, OutcomeStatus::Unknown),
        (Fault::NotSent, OutcomeStatus::NotApplied),
        (Fault::Error(ErrorKind::Forbidden), OutcomeStatus::NotApplied),
    ] {
        let world = World::with(allow, |builder| builder.without_layers()).await;
        world.vendor.faults().next(Operation::TicketCreate, fault.clone());
        let cx = Context::new(agent());
        let error = world.ops.tickets(&cx).create(ticket()).await.unwrap_err();
        assert_eq!(error.may_have_applied(), status == OutcomeStatus::Unknown, "{fault:?}: {error}");
        assert_eq!(world.outcome().await, status, "{fault:?}");
        world.assert_log_verifies().await;
    }
}

#[tokio::test]
async fn two_policies_that_ask_need_both_quorums() {
    let world = World::with(one_sre(), |builder| builder.policy(ask(Quorum::of(1, "security")))).await;
    let request = world.ask(&agent()).await;
    assert_eq!(request.quorum, Quorum::of(1, "sre").and(1, "security"));
    assert_eq!(world.approve(&request, &sre("alice")).await.unwrap().state, GrantState::Requested);
    let bob = Actor::user("bob").role("security");
    assert_eq!(world.approve(&request, &bob).await.unwrap().state, GrantState::Active);
}

#[tokio::test]
async fn access_is_asked_in_both_doors_and_refusals_are_entries() {
    use opsorch::gate::{AccessRule, AccessRules};
    let rules =
        AccessRules::new([AccessRule::new(["*.query"]).role("viewer"), AccessRule::new(["*"]).role("operator")]);
    let world = World::with(allow, |builder| builder.access(rules)).await;
    let viewer = Context::new(Actor::user("vera").role("viewer"));
    assert!(world.ops.tickets(&viewer).query(TicketQuery::new()).await.is_ok());
    assert_denied(&world.ops.tickets(&viewer).create(ticket()).await.unwrap_err(), "may not use ticket.create");
    let stranger = Context::new(Actor::user("sam"));
    assert_denied(
        &world.ops.tickets(&stranger).query(TicketQuery::new()).await.unwrap_err(),
        "may not use ticket.query",
    );
    assert_eq!(world.events().await, [Event::Refused, Event::Refused]);
    let operator = Context::new(Actor::user("olga").role("operator"));
    assert!(matches!(world.ops.tickets(&operator).create(ticket()).await.unwrap(), Submitted::Done(_)));
}

#[tokio::test]
async fn sixty_four_racing_redeemers_make_one_change_and_get_one_answer() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    let racers = (0..64).map(|_| {
        let (ops, id) = (world.ops.clone(), request.id.clone());
        tokio::spawn(async move { ops.approvals(&Context::new(agent())).redeem(&id).await })
    });
    let mut answers: Vec<Response> = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        answers.push(racer.await.unwrap().unwrap());
    }
    answers.dedup();
    assert_eq!((answers.len(), world.changes()), (1, 1));
    world.assert_log_verifies().await;
}

#[tokio::test]
async fn a_grant_that_expires_while_policy_is_asked_again_is_not_redeemed() {
    let clock = opsorch::ManualClock::default();
    let slow = {
        let clock = clock.clone();
        let asked = std::sync::atomic::AtomicU32::new(0);
        move |_: &Context, _: &Target, _: &Action| {
            if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 {
                clock.advance(Duration::from_secs(3600));
            }
            Decision::require_approval(Quorum::of(1, "sre"), "a test")
        }
    };
    let world = World::with(slow, |builder| builder.clock(clock)).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    assert_denied(&world.redeem(&request, &agent()).await.unwrap_err(), "expired");
    assert_eq!(world.changes(), 0);
}

#[tokio::test]
async fn nobody_can_choose_the_key_that_the_vendor_sees_of_another_change() {
    let world = World::new(one_sre()).await;
    let request = world.ask(&agent()).await;
    let guessed = format!("{}-1", request.id);
    let mallory = Context::new(Actor::agent("mallory"));
    let Submitted::Pending(theirs) =
        world.ops.tickets(&mallory).idempotency_key(&guessed).create(CreateTicket::new("squat")).await.unwrap()
    else {
        panic!("nobody was asked")
    };
    for request in [&theirs, &request] {
        world.approve(request, &sre("alice")).await.unwrap();
        let requester = request.requester.clone();
        world.redeem(request, &requester).await.unwrap();
    }
    let keys: Vec<_> = world.vendor.requests().into_iter().filter_map(|request| request.idempotency_key).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}

#[tokio::test]
async fn the_policy_of_a_configuration_and_that_of_the_code_both_count() {
    let file = "[[policy.rule]]\nname = 'frozen'\noperations = ['*']\ndecision = 'deny'";
    let config = opsorch::Config::parse(file).unwrap();
    let world = World::with(allow, |builder| builder.config(config)).await;
    let cx = Context::new(agent());
    assert_denied(&world.ops.tickets(&cx).create(ticket()).await.unwrap_err(), "frozen");
}
