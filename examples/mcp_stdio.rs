//! The control plane for an AI agent, over the Model Context Protocol on stdin and stdout.
//!
//! `cargo run --features mcp --example mcp_stdio [-- opsorch.toml]`: with a configuration, its providers; without one, a small
//! made-up world to try it on. A client such as an editor or a chat starts it: the command is all it needs.

use opsorch::gate::Rules;
use opsorch::http::Role;
use opsorch::mcp::McpServer;
use opsorch::{Actor, Config, OpsOrch, Result, SystemClock};
use opsorch_testkit::MemoryProvider;

/// Whatever an agent wants to change, a person looks at first.
const POLICY: &str = r#"
[[rule]]
name = "agents ask"
operations = ["*"]
actors = ["agent"]
decision = "require-approval"
quorum = "1 of approver"
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let builder = OpsOrch::builder().policy(Rules::parse(POLICY)?);
    let builder = match std::env::args().nth(1) {
        Some(file) => builder.registry(opsorch_providers::registry()).config(Config::load(file)?),
        None => builder.provider(MemoryProvider::seeded(7, SystemClock).provider("sample")),
    };
    let ops = builder.build().await?;

    // Whoever starts this process is who the agent acts for. Nothing but the protocol goes to stdout.
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".into());
    McpServer::new(&ops).serve_stdio(Actor::user(user).role(Role::Operator)).await
}
