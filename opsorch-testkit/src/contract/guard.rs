//! A contract around a double, or around a transport.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use opsorch::Result;
use opsorch::transport::{Reply, Request, StatusCode, Transport};

use super::{Contract, Violation};
use crate::double::Double;

/// A double or a transport, each of whose exchanges is checked against a [`Contract`]: see [`Contract::guard`].
///
/// Nothing is changed and nothing is refused; what was found stands in its [`exchanges`](Self::exchanges). What a double
/// says as a [`refusal`](Double::refusal) is no exchange.
#[derive(Clone, Debug)]
pub struct Guarded<T> {
    contract: Contract,
    inner: T,
    exchanges: Exchanges,
}

/// What a [`Guarded`] saw. Clones see the same.
#[derive(Clone, Default)]
pub struct Exchanges(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    count: usize,
    violations: Vec<Violation>,
}

impl<T> Guarded<T> {
    pub(super) fn new(contract: Contract, inner: T) -> Self {
        Self { contract, inner, exchanges: Exchanges::default() }
    }

    /// A handle of what was seen, to be asked after the test.
    pub fn exchanges(&self) -> Exchanges {
        self.exchanges.clone()
    }

    fn saw(&self, request: &Request, reply: &Reply) {
        let violations = self.contract.check(request, reply).err().unwrap_or_default();
        let mut seen = self.exchanges.seen();
        seen.count += 1;
        seen.violations.extend(violations);
    }
}

impl<D: Double> Double for Guarded<D> {
    fn answer(&mut self, request: &Request) -> Reply {
        let reply = self.inner.answer(request);
        self.saw(request, &reply);
        reply
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        self.inner.refusal(status)
    }
}

#[async_trait]
impl<T: Transport> Transport for Guarded<T> {
    async fn send(&self, request: Request) -> Result<Reply> {
        let reply = self.inner.send(request.clone()).await?;
        self.saw(&request, &reply);
        Ok(reply)
    }
}

impl Exchanges {
    /// How many there were.
    pub fn count(&self) -> usize {
        self.seen().count
    }

    /// What was wrong with them.
    pub fn violations(&self) -> Vec<Violation> {
        self.seen().violations.clone()
    }

    /// Ends a test.
    ///
    /// # Panics
    /// With the violations, where there are some; and where there was no exchange, as then nothing was checked.
    #[track_caller]
    pub fn assert_kept(&self) {
        let seen = self.seen();
        assert!(seen.count > 0, "no exchange was seen: the contract was not checked");
        let violations: Vec<String> = seen.violations.iter().map(|violation| format!("\n  {violation}")).collect();
        assert!(violations.is_empty(), "the contract is broken in {} places:{}", violations.len(), violations.concat());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen();
        f.debug_struct("Exchanges").field("count", &seen.count).field("violations", &seen.violations).finish()
    }
}
