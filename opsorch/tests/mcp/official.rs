//! The official clients, as a process beside this one: `.ci/mcp/run` installs and starts them.

use std::process::Command;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::http::{ApiKey, Authentication, Options, Role, Server};
use opsorch::mcp;
use opsorch::{Action, Context, OpsOrch, Quorum, SystemClock, Target};
use opsorch_testkit::MemoryProvider;
use tokio::net::TcpListener;

use crate::support::user;

/// Asks people before a ticket is opened, and nobody otherwise.
fn policy(_: &Context, _: &Target, action: &Action) -> Decision {
    match action {
        Action::TicketCreate(_) => Decision::require_approval(Quorum::of(1, "approver"), "a test"),
        _ => Decision::allow("a test"),
    }
}

/// Somebody who agrees to everything.
async fn agree(ops: OpsOrch) {
    let cx = Context::new(user(Role::Approver));
    loop {
        for request in ops.approvals(&cx).list().await.unwrap() {
            // One that was approved already is refused, and stays so.
            let _ = ops.approvals(&cx).approve(&request.id, &request.digest).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "it needs the official client: .ci/mcp/run"]
async fn the_official_clients_list_and_call_every_tool_over_http() {
    let script = std::env::var("OPSORCH_MCP_CLIENT").expect("OPSORCH_MCP_CLIENT names the script");
    let vendor = MemoryProvider::seeded(7, SystemClock);
    let builder = OpsOrch::builder().provider(vendor.provider("tracker")).policy(policy);
    let ops = builder.build().await.unwrap();
    let (secret, key) = ApiKey::generate(user(Role::Operator)).unwrap();
    let auth = Authentication::builder().api_key(key).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let server = Server::new(listener, mcp::router(&ops, auth, Options::new())).run(std::future::pending());
    let mut client = Command::new("node");
    client.arg(script).args(["http", &url]).env("OPSORCH_TOKEN", secret.expose());
    tokio::select! {
        status = tokio::task::spawn_blocking(move || client.status()) => assert!(status.unwrap().unwrap().success()),
        () = server => unreachable!("it runs until it is told otherwise"),
        () = agree(ops.clone()) => unreachable!("it goes on"),
    }
}
