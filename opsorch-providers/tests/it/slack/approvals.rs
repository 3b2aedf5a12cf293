//! People who approve in Slack, from the request to the change.

use std::time::Duration;

use opsorch::gate::{Decision, People};
use opsorch::{
    Action, Actor, ApprovalRequest, Context, ErrorKind, GrantState, Identity, ManualClock, Message, MessageResult,
    OpsOrch, Quorum, Result, Submitted, Target,
};
use opsorch_providers::slack::{SlackApprovals, SlackInteractions};
use serde_json::{Value, json};

use super::env;
use super::interactions::{asking, pressed};
use super::signing::{form, signed};
use super::simulated::slack::{Slack, Trouble, rate_limited};

struct Desk {
    slack: Slack,
    clock: ManualClock,
    ops: OpsOrch,
    interactions: SlackInteractions,
    cx: Context,
}

impl Desk {
    async fn new() -> Self {
        Self::asking("1 of sre").await
    }

    /// A control plane that asks people before every change.
    async fn asking(quorum: &'static str) -> Self {
        let clock = ManualClock::default();
        let slack = Slack::new(clock.clone());
        let env = env(&slack, &clock);
        let config = asking();
        let policy = move |_: &Context, _: &Target, _: &Action| {
            Decision::require_approval(quorum.parse::<Quorum>().unwrap(), "people look first")
        };
        let ada = [Identity::new("slack", "U0ADA"), Identity::new("local", "ada")];
        let ops = OpsOrch::builder()
            .approval_hook(SlackApprovals::new(&config, &env).await.unwrap())
            .configure("slack", config.clone())
            .transport(slack.clone())
            .clock(clock.clone())
            .without_layers()
            .policy(policy)
            .people(People::new().person("ada", ada))
            .build()
            .await
            .unwrap();
        let interactions = SlackInteractions::new(&config, &env).await.unwrap();
        Self { slack, clock, ops, interactions, cx: Context::new(Actor::agent("triage")) }
    }

    async fn request(&self, body: &str) -> ApprovalRequest {
        self.request_as(&self.cx, body).await
    }

    /// Asks for a message, and waits until people were told.
    async fn request_as(&self, cx: &Context, body: &str) -> ApprovalRequest {
        let submitted: Submitted<MessageResult> = self.ops.messages(cx).send(Message::new("#ops", body)).await.unwrap();
        let Submitted::Pending(request) = submitted else { panic!("the policy asks") };
        self.ops.idle().await;
        request
    }

    /// The buttons that are there now.
    fn buttons(&self) -> Vec<Value> {
        let blocks = self
            .slack
            .messages("C1")
            .into_iter()
            .flat_map(|message| message.fields["blocks"].as_array().cloned().unwrap());
        let actions = blocks.filter(|block| block["type"] == "actions");
        actions.flat_map(|block| block["elements"].as_array().cloned().unwrap()).collect()
    }

    /// Somebody presses a button with this text.
    async fn press(&self, user: &str, label: &str) -> Result<ApprovalRequest> {
        let button = self.buttons().into_iter().find(|button| button["text"]["text"] == label).unwrap();
        let (action, value) = (button["action_id"].as_str().unwrap(), button["value"].as_str().unwrap());
        self.press_value(user, action, value).await
    }

    async fn press_value(&self, user: &str, action: &str, value: &str) -> Result<ApprovalRequest> {
        // A second later, so that it is another request of Slack.
        self.clock.advance(Duration::from_secs(1));
        let answered =
            self.interactions.answer(&self.ops, &signed(&self.clock, &form(&pressed(user, action, value)))).await;
        self.ops.idle().await;
        answered
    }

    /// Everything that the first message says now.
    fn said(&self) -> String {
        self.slack.messages("C1").first().map(|message| json!(message.fields["blocks"]).to_string()).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_request_shows_exactly_what_would_run_and_its_digest() {
    let desk = Desk::new().await;
    let request = desk.request("disk full <!channel> ```").await;
    let messages = desk.slack.messages("C1");
    assert_eq!(messages.len(), 1);
    let blocks = messages[0].fields["blocks"].as_array().unwrap();
    let literal = blocks.iter().find(|block| block["type"] == "rich_text").unwrap();
    assert_eq!(literal["elements"][0]["type"], "rich_text_preformatted", "nothing in it is markup");
    assert_eq!(literal["elements"][0]["elements"], json!([{ "type": "text", "text": request.shown }]));
    let said = desk.said();
    for part in [
        request.digest.as_str(),
        request.id.as_str(),
        "messaging.send",
        "slack (slack)",
        "agent triage@local",
        "1 of sre",
        "2026-01-02 00:00:00 UTC",
        "people look first",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(messages[0].text, "Approval needed: messaging.send on slack");
    let value = json!({ "grant": request.id, "digest": request.digest });
    for (button, label) in desk.buttons().iter().zip(["Approve", "Deny"]) {
        assert_eq!(button["text"]["text"], label);
        assert_eq!(serde_json::from_str::<Value>(button["value"].as_str().unwrap()).unwrap(), value);
    }
}

#[tokio::test]
async fn approving_lets_the_requester_redeem_and_runs_nothing_by_itself() {
    let desk = Desk::new().await;
    let request = desk.request("disk full").await;
    let answered = desk.press("U0ADA", "Approve").await.unwrap();
    assert_eq!(answered.state, GrantState::Active);
    assert_eq!(desk.slack.messages("C1").len(), 1, "nothing was sent yet");
    assert!(desk.buttons().is_empty());
    let said = desk.said();
    assert!(said.contains("Approved, not run yet") && said.contains("approved by user U0ADA@slack"), "{said}");

    desk.ops.approvals(&desk.cx).redeem(&request.id).await.unwrap();
    desk.ops.idle().await;
    assert_eq!(desk.slack.messages("C1")[1].text, "disk full");
    assert!(desk.said().contains("Approved and run"), "{}", desk.said());
}

#[tokio::test]
async fn one_no_ends_the_request() {
    let desk = Desk::new().await;
    desk.request("disk full").await;
    assert_eq!(desk.press("U0BOB", "Deny").await.unwrap().state, GrantState::Denied);
    let said = desk.said();
    assert!(said.contains("Denied") && said.contains("denied by user bob@https://id.example.com"), "{said}");
    assert!(desk.buttons().is_empty());
}

#[tokio::test]
async fn two_people_are_two_people_and_one_is_one() {
    let desk = Desk::asking("2 of sre").await;
    desk.request("disk full").await;
    assert_eq!(desk.press("U0ADA", "Approve").await.unwrap().state, GrantState::Requested);
    assert!(desk.said().contains("approved by user U0ADA@slack"));
    assert_eq!(*desk.press("U0ADA", "Approve").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(desk.press("U0BOB", "Approve").await.unwrap().state, GrantState::Active);
}

#[tokio::test]
async fn the_requester_does_not_approve_their_own_request_in_slack() {
    let desk = Desk::new().await;
    let ada = Context::new(Actor::user("ada").role("sre"));
    desk.request_as(&ada, "disk full").await;
    let error = desk.press("U0ADA", "Approve").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
    assert_eq!(desk.press("U0BOB", "Approve").await.unwrap().state, GrantState::Active);
}

#[tokio::test]
async fn a_button_serves_its_own_request_only() {
    let desk = Desk::new().await;
    let first = desk.request("disk full").await;
    let second = desk.request("drop the database").await;
    // The grant of one with the digest of the other, and a grant that nobody asked for.
    for (grant, digest, kind) in [
        (second.id.as_str(), &first.digest, ErrorKind::Denied),
        (first.id.as_str(), &second.digest, ErrorKind::Denied),
        ("01890000-0000-7000-8000-000000000000", &first.digest, ErrorKind::NotFound),
    ] {
        let value = json!({ "grant": grant, "digest": digest }).to_string();
        let error = desk.press_value("U0ADA", "opsorch_approve", &value).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
    }
    let approvals = desk.ops.approvals(&desk.cx).list().await.unwrap();
    assert!(approvals.iter().all(|request| request.state == GrantState::Requested));
}

#[tokio::test]
async fn a_stranger_answers_nothing() {
    let desk = Desk::new().await;
    desk.request("disk full").await;
    assert_eq!(*desk.press("U0EVE", "Approve").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(*desk.press("U0EVE", "Deny").await.unwrap_err().kind(), ErrorKind::Denied, "also to end it");
    assert_eq!(desk.buttons().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_action_is_in_the_thread_before_there_are_buttons() {
    let desk = Desk::new().await;
    let request = desk.request(&"rm -rf / ".repeat(4_000)).await;
    let posted = desk.slack.calls("chat.postMessage");
    assert!(posted.len() > 3);
    assert!(
        posted.iter().all(|post| !post["blocks"].to_string().contains("opsorch_approve")),
        "not while parts are missing"
    );
    let mut shown = String::new();
    for post in &posted[1..] {
        for block in post["blocks"].as_array().unwrap().iter().filter(|block| block["type"] == "rich_text") {
            shown += block["elements"][0]["elements"][0]["text"].as_str().unwrap();
        }
    }
    assert_eq!(shown, request.shown, "all of it");
    assert_eq!(desk.slack.calls("chat.update").len(), 1);
    assert_eq!(desk.buttons().len(), 2);
    assert_eq!(desk.press("U0BOB", "Approve").await.unwrap().state, GrantState::Active);
}

#[tokio::test(start_paused = true)]
async fn without_the_whole_action_there_are_no_buttons() {
    let desk = Desk::new().await;
    desk.slack.trouble("chat.postMessage", Trouble::Fine);
    desk.slack.refuse("chat.postMessage", "internal_error");
    desk.request(&"rm -rf / ".repeat(4_000)).await;
    assert!(desk.buttons().is_empty());

    let desk = Desk::new().await;
    desk.request(&"rm -rf / ".repeat(40_000)).await;
    assert!(desk.buttons().is_empty());
    assert!(desk.said().contains("too long to be shown"), "{}", desk.said());
}

#[tokio::test(start_paused = true)]
async fn an_answer_elsewhere_does_not_bring_buttons_for_half_an_action() {
    let desk = Desk::asking("2 of sre").await;
    desk.slack.trouble("chat.postMessage", Trouble::Fine);
    desk.slack.refuse("chat.postMessage", "internal_error");
    let request = desk.request(&"rm -rf / ".repeat(4_000)).await;
    let bob = Context::new(Actor::user("bob").role("sre"));
    let asked = desk.ops.approvals(&bob).approve(&request.id, &request.digest).await.unwrap();
    desk.ops.idle().await;
    assert!(desk.said().contains("approved by user bob@local"), "{}", desk.said());
    assert!(desk.buttons().is_empty());

    // Nor after a restart.
    let later = SlackApprovals::new(&asking(), &env(&desk.slack, &desk.clock)).await.unwrap();
    opsorch::gate::ApprovalHook::answered(&later, &asked, &asked.answers[0]).await;
    assert_eq!(desk.slack.calls("chat.update").len(), 2);
    assert!(desk.buttons().is_empty());
}

#[tokio::test]
async fn a_message_that_another_app_copied_is_not_taken_for_it() {
    let desk = Desk::new().await;
    let request = desk.request("disk full").await;
    desk.slack.with(|world| {
        let metadata = world.chat.history("C1").next().unwrap().fields["metadata"].clone();
        let copy = world.chat.post("C1", "B0OTHER", "Approval needed").unwrap();
        copy.fields.insert("metadata".into(), metadata);
        copy.fields.insert("blocks".into(), json!([]));
    });
    let later = SlackApprovals::new(&asking(), &env(&desk.slack, &desk.clock)).await.unwrap();
    let mut withdrawn = request.clone();
    withdrawn.state = GrantState::Withdrawn;
    opsorch::gate::ApprovalHook::closed(&later, &withdrawn).await;
    assert!(desk.said().contains("Withdrawn"), "{}", desk.said());
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_as_long_as_slack_asks() {
    let desk = Desk::new().await;
    desk.slack.trouble("chat.postMessage", Trouble::Answer(rate_limited(5)));
    desk.request("disk full").await;
    assert_eq!(desk.slack.calls("chat.postMessage").len(), 2);
    assert_eq!(desk.buttons().len(), 2);
}

#[tokio::test]
async fn a_message_of_an_earlier_process_is_found_and_updated() {
    let desk = Desk::new().await;
    let request = desk.request("disk full").await;
    let env = env(&desk.slack, &desk.clock);
    let later = SlackApprovals::new(&asking(), &env).await.unwrap();
    let mut withdrawn = request.clone();
    withdrawn.state = GrantState::Withdrawn;
    opsorch::gate::ApprovalHook::closed(&later, &withdrawn).await;
    assert!(desk.said().contains("Withdrawn") && desk.buttons().is_empty());
    assert_eq!(desk.slack.messages("C1").len(), 1);
}

#[tokio::test]
async fn an_older_state_does_not_replace_a_newer_one() {
    let desk = Desk::new().await;
    let request = desk.request("disk full").await;
    let env = env(&desk.slack, &desk.clock);
    let hook = SlackApprovals::new(&asking(), &env).await.unwrap();
    let mut withdrawn = request.clone();
    withdrawn.state = GrantState::Withdrawn;
    // Notifications overlap; whichever begins last, the final state is shown.
    tokio::join!(
        opsorch::gate::ApprovalHook::closed(&hook, &withdrawn),
        opsorch::gate::ApprovalHook::requested(&hook, &request)
    );
    assert!(desk.slack.messages("C1").iter().any(|message| message.fields["blocks"].to_string().contains("Withdrawn")));
}

#[tokio::test]
async fn a_slack_that_fails_stops_nothing() {
    let desk = Desk::new().await;
    desk.slack.refuse("chat.postMessage", "channel_not_found");
    let request = desk.request("disk full").await;
    let bob = Context::new(Actor::user("bob").role("sre"));
    let approved = desk.ops.approvals(&bob).approve(&request.id, &request.digest).await.unwrap();
    assert_eq!(approved.state, GrantState::Active);
}
