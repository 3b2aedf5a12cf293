//! Whether the token works, and what it may do.

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::{Context, ErrorKind, Operation, OperationSet, Result};

use super::api::Slack;
use super::wire::Identity;

const MESSAGES: [Operation; 2] = [Operation::MessagingSend, Operation::MessagingUpdate];

/// What sending and replacing need.
const SCOPE: &str = "chat:write";

/// Asks Slack whose token this is.
#[derive(Debug)]
pub(super) struct Checkup {
    slack: Slack,
}

impl Checkup {
    pub(super) fn new(slack: Slack) -> Self {
        Self { slack }
    }
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let messages = OperationSet::from_iter(MESSAGES);
        let problem = match self.slack.read::<Identity>(cx, "auth.test", &[]).await {
            Ok(said) if said.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope == SCOPE)) => {
                return Ok(Health::new(messages));
            }
            Ok(_) => format!("the token lacks the scope `{SCOPE}`; add it to the app and install it again"),
            Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Forbidden) => {
                error.to_string()
            }
            Err(error) => return Err(error),
        };
        Ok(Health::new(OperationSet::new()).problem(HealthProblem::new(messages, problem)))
    }
}
