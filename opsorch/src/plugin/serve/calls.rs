//! Calls of protocol 2: many at once.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use opsorch_schema::{
    Action, Actor, Effect, Operation, OperationSet, OutcomeStatus, ProviderName, Query, Response, Target,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::super::wire::{
    Approval, CANCELLED, Caller, Cancel, FRAME_BYTES, Failure, FromHost, HealthReport, HealthTrouble, Params, Progress,
    Reconcile, ReconcileReport,
};
use super::stdio::Stdio;
use crate::capability::Reconciled;
use crate::gate::{Permit, apply_for_host, digest};
use crate::{Context, Error, Provider, Result};

/// How long calls may go on after the host closed the input; the host kills after 2 s.
const LAST_CALLS: Duration = Duration::from_millis(1500);

/// So much is written before the next call is looked at: the host works on these replies meanwhile.
const SOON: usize = 1024;

/// No more is read while so much waits for a host that does not read.
const MOST_UNREAD: usize = 16 << 20;

tokio::task_local! {
    /// The call that a task works on, and where to say how far it is.
    static CALL: (u64, mpsc::Sender<Progress>);
}

/// Tells the host how far the present call is, `fraction` from 0 to 1. Outside of a call of protocol 2, and while the host
/// does not keep up, it does nothing.
pub fn progress(message: impl Into<String>, fraction: Option<f64>) {
    let _ = CALL.try_with(|(id, progress)| {
        let fraction = fraction.filter(|fraction| fraction.is_finite());
        progress.try_send(Progress { id: *id, message: message.into(), fraction })
    });
}

/// The calls of a host.
pub(super) struct Calls {
    provider: Arc<Provider>,
    /// What it offers, which is found out once.
    offered: OperationSet,
    /// What the host calls the provider.
    name: ProviderName,
    tasks: JoinSet<Done>,
    /// Reads that can be given up.
    reads: HashMap<u64, AbortHandle>,
    /// The keys of the changes that are worked on.
    changes: HashMap<u64, String>,
    progress: mpsc::Sender<Progress>,
    reports: mpsc::Receiver<Progress>,
    closing: bool,
}

/// A call that ended, and its reply.
struct Done {
    id: u64,
    line: Vec<u8>,
}

type Working = BoxFuture<'static, Done>;

impl Calls {
    pub(super) fn new(provider: Arc<Provider>, name: ProviderName) -> Self {
        let (progress, reports) = mpsc::channel(1024);
        let (tasks, offered) = (JoinSet::new(), provider.operations());
        let (reads, changes) = (HashMap::new(), HashMap::new());
        Self { provider, offered, name, tasks, reads, changes, progress, reports, closing: false }
    }

    pub(super) async fn serve(mut self, mut stdio: Stdio) -> Result<()> {
        loop {
            while let Some(line) = stdio.next_line()? {
                self.message(&mut stdio, &line);
                if stdio.unwritten() >= SOON {
                    stdio.write()?;
                }
            }
            self.collect(&mut stdio);
            stdio.write()?;
            if stdio.has_ended() || (self.closing && self.tasks.is_empty() && stdio.unwritten() == 0) {
                break;
            }
            let wants_input = stdio.unwritten() < MOST_UNREAD;
            tokio::select! {
                biased;
                ready = stdio.ready(wants_input) => ready?,
                Some(done) = self.tasks.join_next() => self.finish(&mut stdio, done),
                Some(report) = self.reports.recv() => report_line(&mut stdio, &report),
            }
        }
        // The host wants no more; what was begun is brought to an end, if it is quick.
        let _ = tokio::time::timeout(LAST_CALLS, async {
            while let Some(done) = self.tasks.join_next().await {
                self.finish(&mut stdio, done);
            }
            stdio.flush().await
        })
        .await;
        Ok(())
    }

    /// Everything that ended meanwhile, for one write.
    fn collect(&mut self, stdio: &mut Stdio) {
        while let Some(done) = self.tasks.try_join_next() {
            self.finish(stdio, done);
        }
        while let Ok(report) = self.reports.try_recv() {
            report_line(stdio, &report);
        }
    }

    fn finish(&mut self, stdio: &mut Stdio, done: Result<Done, tokio::task::JoinError>) {
        // A read that was given up has no reply.
        if let Ok(Done { id, line }) = done {
            self.reads.remove(&id);
            self.changes.remove(&id);
            stdio.push_bytes(&line);
        }
    }

    fn message(&mut self, stdio: &mut Stdio, line: &Bytes) {
        let Ok(FromHost { id, method, params }) = serde_json::from_slice::<FromHost<'_>>(line) else {
            if !line.trim_ascii().is_empty() {
                stdio.push(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not a request"}}"#);
            }
            return;
        };
        match (id, &*method) {
            (None, "cancel") => self.cancel(stdio, params),
            (None, "shutdown") => self.closing = true,
            (None, _) => {}
            (Some(id), "ping") => stdio.push(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
            (Some(id), "health") => {
                let provider = self.provider.clone();
                let cx = Context::new(Actor::service("opsorch"));
                self.start(stdio, id, false, async move { health(&provider, &cx).await });
            }
            (Some(id), "reconcile") => self.reconcile(stdio, id, params),
            (Some(id), name) => match name.parse::<Operation>() {
                Ok(operation) if self.offered.contains(operation) => {
                    self.call(stdio, id, operation, params);
                }
                _ => stdio.push_bytes(&reply(id, Err(not_offered()))),
            },
        }
    }

    fn cancel(&mut self, stdio: &mut Stdio, params: Option<&RawValue>) {
        let cancel = params.and_then(|params| serde_json::from_str::<Cancel>(params.get()).ok());
        if let Some((id, read)) = cancel.and_then(|cancel| self.reads.remove_entry(&cancel.id)) {
            read.abort();
            stdio.push_bytes(&reply(id, Err(Failure::of_protocol(CANCELLED, "cancelled"))));
        }
    }

    fn call(&mut self, stdio: &mut Stdio, id: u64, operation: Operation, params: Option<&RawValue>) {
        let params = match serde_json::from_str::<Params>(params.map_or("null", RawValue::get)) {
            Ok(params) => params,
            Err(error) => return stdio.push_bytes(&reply(id, Err(misfits(&error)))),
        };
        let (provider, name) = (self.provider.clone(), self.name.clone());
        let is_change = operation.effect() == Effect::Write;
        if let Some(approval) = params.approval.as_ref().filter(|_| is_change) {
            self.changes.insert(id, approval.idempotency_key.clone());
        }
        let work = async move {
            let response = answer(&provider, &name, operation, params).await;
            response.and_then(|response| content(&response)).map_err(|error| failure(&error, is_change))
        };
        self.start(stdio, id, is_change, work);
    }

    /// Looks what became of a change. Of one that is still worked on no vendor can say it.
    fn reconcile(&mut self, stdio: &mut Stdio, id: u64, params: Option<&RawValue>) {
        let params = match serde_json::from_str::<Reconcile>(params.map_or("null", RawValue::get)) {
            Ok(params) => params,
            Err(error) => return stdio.push_bytes(&reply(id, Err(misfits(&error)))),
        };
        let (provider, is_running) =
            (self.provider.clone(), self.changes.values().any(|key| *key == params.idempotency_key));
        self.start(stdio, id, false, async move { reconcile(&provider, params, is_running).await });
    }

    /// Begins to work; what is ready at once is answered at once, everything else gets a task.
    fn start(
        &mut self,
        stdio: &mut Stdio,
        id: u64,
        is_change: bool,
        work: impl Future<Output = Result<Vec<u8>, Failure>> + Send + 'static,
    ) {
        let work = AssertUnwindSafe(CALL.scope((id, self.progress.clone()), work)).catch_unwind();
        let mut working: Working = Box::pin(work.map(move |result| {
            let result = result.unwrap_or_else(|_| {
                let error = Error::unexpected("the provider panicked");
                Err(Failure::new(&error, is_change))
            });
            Done { id, line: reply(id, result) }
        }));
        if let Some(done) = working.as_mut().now_or_never() {
            return self.finish(stdio, Ok(done));
        }
        let task = self.tasks.spawn(working);
        if !is_change {
            self.reads.insert(id, task);
        }
    }
}

fn report_line(stdio: &mut Stdio, report: &Progress) {
    if let Ok(params) = serde_json::to_string(report) {
        stdio.push(&format!(r#"{{"jsonrpc":"2.0","method":"progress","params":{params}}}"#));
    }
}

fn failure(error: &Error, is_change: bool) -> Failure {
    let failure = Failure::new(error, is_change);
    match error.kind() {
        crate::ErrorKind::Invalid { field } if field == "input" => Failure { code: -32602, ..failure },
        _ => failure,
    }
}

/// A reply as a line. One that is too long becomes an error.
fn reply(id: u64, result: Result<Vec<u8>, Failure>) -> Vec<u8> {
    let failure = match result {
        Ok(result) if result.len() + 64 <= FRAME_BYTES => {
            let mut line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#).into_bytes();
            line.extend_from_slice(&result);
            line.push(b'}');
            return line;
        }
        Ok(result) => {
            let message = format!("the result has {} bytes, more than a frame of 8 MiB; ask for less", result.len());
            Failure::new(&Error::unexpected(message), false)
        }
        Err(failure) => failure,
    };
    let error = serde_json::to_string(&failure).unwrap_or_else(|_| r#"{"code":-32603,"message":""}"#.into());
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into_bytes()
}

/// Makes a call that a host of protocol 2 sent.
async fn answer(provider: &Provider, name: &ProviderName, operation: Operation, params: Params) -> Result<Response> {
    let Params { input, context, timeout_ms, approval } = params;
    let cx = context_of(context, timeout_ms);
    let permit = match (operation.effect(), approval) {
        (Effect::Write, Some(approval)) => Some(permit(name, operation, &input, approval)?),
        _ => None,
    };
    make(provider, &cx, operation, input, permit.as_ref()).await
}

fn context_of(caller: Caller<Actor, String>, timeout_ms: Option<u64>) -> Context {
    let mut cx = Context::of_request(caller.actor, &caller.request_id);
    if let Some(trace) = &caller.trace_id {
        cx = cx.trace_id(trace);
    }
    match timeout_ms {
        Some(timeout) => cx.timeout(Duration::from_millis(timeout)),
        None => cx,
    }
}

/// Reads an approval, and refuses one that is of another input, operation or provider.
fn permit(
    name: &ProviderName,
    operation: Operation,
    input: &Value,
    approval: Approval<Target, Vec<Actor>, String>,
) -> Result<Permit> {
    let action = Action::from_parts(operation, input.clone()).map_err(misfit)?;
    let (found, _) = digest(&approval.target, &action)?;
    if found != approval.digest {
        let message = "the digest of the approval is not that of this input and target; the change is not made";
        return Err(Error::denied(message).not_applied());
    }
    if approval.target.provider != *name {
        return Err(Error::denied("the approval is for another provider; the change is not made").not_applied());
    }
    Ok(Permit {
        idempotency_key: approval.idempotency_key,
        approved_by: approval.approved_by.unwrap_or_default(),
        target: approval.target,
        grant: approval.grant,
        digest: approval.digest,
    })
}

/// Makes a call; a change needs a permit.
pub(super) async fn make(
    provider: &Provider,
    cx: &Context,
    operation: Operation,
    input: Value,
    permit: Option<&Permit>,
) -> Result<Response> {
    match (operation.effect(), permit) {
        (Effect::Read, _) => provider.answer(cx, &Query::from_parts(operation, input).map_err(misfit)?).await,
        (_, Some(permit)) => {
            let action = Action::from_parts(operation, input).map_err(misfit)?;
            apply_for_host(provider, cx, &action, permit).await
        }
        (_, None) => Err(Error::denied("a change needs an approval; it is not made").not_applied()),
    }
}

fn misfit(error: serde_json::Error) -> Error {
    Error::invalid("input", format!("it does not fit the operation: {error}")).not_applied()
}

/// The output in a response, as JSON: what stands beside the name of its type.
pub(super) fn content(response: &Response) -> Result<Vec<u8>> {
    const BEFORE: &[u8] = b",\"value\":";
    let mut text = serde_json::to_vec(response).map_err(|_| unwritable())?;
    let start = text.windows(BEFORE.len()).position(|window| window == BEFORE).ok_or_else(unwritable)?;
    text.drain(..start + BEFORE.len());
    text.pop();
    Ok(text)
}

fn unwritable() -> Error {
    Error::unexpected("the answer cannot be written as JSON").maybe_applied()
}

async fn health(provider: &Provider, cx: &Context) -> Result<Vec<u8>, Failure> {
    let Some(check) = provider.health_check() else { return Err(not_offered()) };
    let health = check.check(cx).await.map_err(|error| Failure::new(&error, false))?;
    let names = |operations: OperationSet| operations.iter().map(|one| one.name().to_owned()).collect();
    let report = HealthReport {
        operations: names(health.operations),
        problems: health
            .problems
            .iter()
            .map(|problem| HealthTrouble { operations: names(problem.operations), message: problem.message.clone() })
            .collect(),
        version: health.version,
    };
    Ok(json!(report).to_string().into_bytes())
}

/// Looks what became of a change.
async fn reconcile(provider: &Provider, params: Reconcile, is_running: bool) -> Result<Vec<u8>, Failure> {
    let Some(vendor) = provider.reconciler() else { return Err(not_offered()) };
    let Reconcile { operation, input, idempotency_key, context, timeout_ms } = params;
    let action = Action::from_parts(operation, input).map_err(|error| misfits(&error))?;
    let cx = context_of(context, timeout_ms);
    let failed = |error: &Error| Failure::new(error, false);
    let found = match is_running {
        true => Reconciled::Unknown,
        false => vendor.reconcile(&cx, &action, &idempotency_key).await.map_err(|error| failed(&error))?,
    };
    let (outcome, output) = match found {
        Reconciled::Applied(response) => {
            let output = content(&response).map_err(|error| failed(&error))?;
            let output = serde_json::from_slice(&output).map_err(|_| failed(&unwritable()))?;
            (OutcomeStatus::Applied, Some(output))
        }
        Reconciled::NotApplied => (OutcomeStatus::NotApplied, None),
        Reconciled::Unknown => (OutcomeStatus::Unknown, None),
    };
    Ok(json!(ReconcileReport { outcome, output }).to_string().into_bytes())
}

fn not_offered() -> Failure {
    Failure::of_protocol(-32601, "this plugin does not offer that")
}

fn misfits(error: &serde_json::Error) -> Failure {
    Failure::of_protocol(-32602, format!("the params do not fit: {error}"))
}

#[cfg(test)]
mod tests {
    use opsorch_schema::{Page, Ticket};

    use super::*;

    #[test]
    fn the_output_is_taken_out_of_a_response_whatever_it_holds() {
        let ticket = Ticket::new("T-1", ",\"value\":", "todo").description("\"}");
        for response in [Response::Done(()), ticket.clone().into(), Page::new(vec![ticket]).into()] {
            let whole = serde_json::to_value(&response).unwrap();
            let content: Value = serde_json::from_slice(&content(&response).unwrap()).unwrap();
            assert_eq!(content, whole["value"]);
        }
    }
}
