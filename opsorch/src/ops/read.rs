//! The door for reads.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures_util::FutureExt;
use opsorch_schema::{Query, Response};

use super::{Ask, OpsOrch, fan_out};
use crate::layer::{Call, Next, Terminal};
use crate::observed::Seen;
use crate::{Context, Error, Observed, Provider, Result};

impl OpsOrch {
    /// The only door for reads.
    ///
    /// A query without [`Ask::on`] asks every provider that is routed for it, side by side; the items are merged, newest
    /// first, each saying which provider it came from, and a source that fails is listed in the page's `failures`. The
    /// page's cursor leads on through all of them; a source that failed is left out from there on, and is tried again where the
    /// same page is asked for again. Where an [identity rule](super::Builder::identity) says what is the same thing, it is given
    /// once, and the page's `duplicates` tell the others. Reading one thing by its id asks one provider.
    ///
    /// # Errors
    /// [`Denied`](crate::ErrorKind::Denied) by access; [`Invalid`](crate::ErrorKind::Invalid) if the provider is not there or
    /// not clear; [`Unsupported`](crate::ErrorKind::Unsupported); those of the provider, or of the first when every
    /// provider fails.
    pub async fn query(&self, cx: &Context, ask: impl Into<Ask>) -> Result<Response> {
        let Ask { query, on } = ask.into();
        let operation = query.operation();
        if let (None, Some(paging)) = (&on, fan_out::paging(&query)) {
            let routed = self.routed(operation);
            if routed.len() > 1 {
                // Asking one provider, which is the rule, must not carry the room for asking many.
                return Box::pin(self.ask_all(cx, &query, &routed, &paging)).await;
            }
        }
        let provider = self.one_provider(operation, on.as_ref())?;
        self.ask(cx, &provider, &query).await
    }

    /// The same as [`query`](Self::query), and how fresh the answer is: a layer may have kept it.
    ///
    /// ```
    /// use opsorch::{Actor, Context, OpsOrch, SystemClock, TicketQuery};
    /// use opsorch_testkit::MemoryProvider;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let ops = OpsOrch::builder().provider(MemoryProvider::new(SystemClock).provider("tracker")).build().await?;
    /// let cx = Context::new(Actor::agent("triage"));
    /// let (answer, observed) = ops.observe(&cx, TicketQuery::open()).await?;
    /// assert!(!observed.cached, "there is no layer that keeps answers");
    /// println!("{answer:?}, as of {}", observed.at);
    /// # Ok::<(), opsorch::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of [`query`](Self::query).
    pub async fn observe(&self, cx: &Context, ask: impl Into<Ask>) -> Result<(Response, Observed)> {
        let (asked, seen) = (self.core.gate.clock.now(), Seen::default());
        let response = self.query(&cx.clone().noting(seen.clone()), ask).await?;
        // A page at the end of all its sources asks none of them.
        let observed = seen.together().unwrap_or(Observed::new(asked));
        if let Some(outer) = cx.seen() {
            outer.add(observed);
        }
        Ok((response, observed))
    }

    /// Asks one provider, through the layers.
    pub(super) async fn ask(&self, cx: &Context, provider: &Provider, query: &Query) -> Result<Response> {
        let operation = query.operation();
        self.core.gate.check_access(cx, operation, &provider.target(None)).await?;
        if !provider.operations().contains(operation) {
            return Err(provider.lacks(operation));
        }
        let terminal = ReadTerminal { provider, query };
        let clock = &*self.core.gate.clock;
        let call = Call::read(query, provider, cx, clock);
        let seen = cx.seen().map(|seen| (seen, clock.now()));
        let mut response = Next::new(&self.core.layers, call, &terminal).run().await.map_err(|error: Error| {
            let named = error.context().any(|(name, _)| name == "provider");
            if named { error } else { error.with_context("provider", provider.name()) }
        })?;
        if let Some((seen, asked)) = seen {
            // An answer that a layer has kept is older, and counts.
            seen.add(Observed::new(asked));
        }
        response.set_provider(provider.name());
        Ok(response)
    }
}

/// Where a read's path ends.
struct ReadTerminal<'a> {
    provider: &'a Provider,
    query: &'a Query,
}

#[async_trait]
impl Terminal for ReadTerminal<'_> {
    async fn run(&self, cx: &Context) -> Result<Response> {
        // A provider that panics must not take the answers of the others with it.
        let answer = AssertUnwindSafe(self.provider.answer(cx, self.query)).catch_unwind();
        answer.await.unwrap_or_else(|_| Err(Error::unexpected("the provider panicked")))
    }
}
