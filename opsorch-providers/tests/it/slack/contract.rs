//! Whether what is sent, and what the workspace in memory answers, is what Slack's own description says.
//!
//! The description is not part of this repository: the variable `OPSORCH_CONTRACTS` names the folder that it is in.

use std::path::PathBuf;

use opsorch::gate::Decision;
use opsorch::{Action, Actor, Block, Context, ManualClock, Message, OpsOrch, Target, UpdateMessage};
use opsorch_testkit::Contract;

use super::simulated::slack::{Slack, Trouble};
use super::{config, done};

#[tokio::test(start_paused = true)]
#[ignore = "set OPSORCH_CONTRACTS to the folder of Slack's description, and run it with --ignored"]
async fn what_is_said_is_what_slack_describes() {
    let folder = PathBuf::from(std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names a folder"));
    let contract = Contract::open(folder.join("slack.json")).unwrap();
    let clock = ManualClock::default();
    let slack = Slack::new(clock.clone());
    let guarded = contract.guard(slack.clone());
    let exchanges = guarded.exchanges();
    let ops = OpsOrch::builder()
        .configure("slack", config())
        .transport(guarded)
        .clock(clock)
        .without_layers()
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
        .build()
        .await
        .unwrap();
    let cx = Context::new(Actor::user("ada"));
    ops.health(&cx, "slack").await.unwrap();
    let message = Message::new("#ops", "disk **full**\n\n```\ndf -h\n```\n\n# Why\n\n| a | b |\n|-|-|\n| 1 | 2 |");
    let sent = done(ops.messages(&cx).send(message).await.unwrap());
    let laid_out = Message::new("#ops", "disk full").block(Block::header("Disk full")).block(Block::divider());
    done(ops.messages(&cx).send(laid_out.block(Block::section("full").field("region", "eu"))).await.unwrap());
    let reply = Message::new("#ops", "looking").thread_ref(sent.id.as_str()).metadata("reply_broadcast", true);
    done(ops.messages(&cx).send(reply.metadata("unfurl_links", false)).await.unwrap());
    done(ops.messages(&cx).update(UpdateMessage::new(&sent.id, "#ops", "solved")).await.unwrap());
    for person in ["@ada", "ada@example.com", "U0ADA,U0BOB"] {
        done(ops.messages(&cx).send(Message::new(person, "hello")).await.unwrap());
    }
    for (channel, method) in [("#ops", "chat.postMessage"), ("C1", "chat.postMessage")] {
        slack.trouble(method, Trouble::Lost);
        assert!(ops.messages(&cx).send(Message::new(channel, "lost ".repeat(3_000))).await.is_err());
        let entries = ops.audit().entries(0, 1_000).await.unwrap();
        let grant = entries.iter().rev().find_map(|entry| entry.grant.clone()).unwrap();
        ops.reconcile(&cx, &grant).await.unwrap();
    }
    assert!(exchanges.count() > 30, "{}", exchanges.count());
    exchanges.assert_kept();
}
