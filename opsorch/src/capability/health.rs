//! Whether a provider would work, before somebody needs it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, OperationSet, Result};

/// Asks the vendor which operations work with this credential. It changes nothing.
#[async_trait]
pub trait HealthCheck: Debug + Send + Sync + 'static {
    /// Says which operations work, and what is in the way of the others. An error means that nothing was learned, such
    /// as when the vendor does not answer.
    async fn check(&self, cx: &Context) -> Result<Health>;
}

/// What a [`HealthCheck`] found.
///
/// ```
/// use opsorch::capability::{Health, HealthProblem};
/// use opsorch::{Operation, OperationSet};
///
/// let works = OperationSet::from_iter([Operation::TicketQuery, Operation::TicketGet]);
/// let lacks = OperationSet::from_iter([Operation::TicketCreate]);
/// let health = Health::new(works)
///     .problem(HealthProblem::new(lacks, "the token lacks the scope `write:issues`; make one that has it"))
///     .version("10.3.24");
/// assert!(!health.is_healthy());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The operations that work.
    pub operations: OperationSet,
    /// What is in the way of others, such as a scope that the credential lacks.
    pub problems: Vec<HealthProblem>,
    /// The version that the vendor says it has.
    pub version: Option<String>,
}

impl Health {
    /// These operations work.
    pub fn new(operations: OperationSet) -> Self {
        Self { operations, problems: Vec::new(), version: None }
    }

    /// Adds something that is in the way.
    pub fn problem(mut self, problem: HealthProblem) -> Self {
        self.problems.push(problem);
        self
    }

    /// Sets the version that the vendor says it has.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Whether nothing is in the way.
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something that keeps operations from working.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HealthProblem {
    /// What does not work because of it.
    pub operations: OperationSet,
    /// What it is, and what to do about it.
    pub message: String,
}

impl HealthProblem {
    /// These operations do not work, for this reason.
    pub fn new(operations: OperationSet, message: impl Into<String>) -> Self {
        Self { operations, message: message.into() }
    }
}
