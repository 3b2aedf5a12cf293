//! Calls of tools: from arguments through one of the two doors to an answer of bounded length.

use chrono::SecondsFormat;
use opsorch_schema::{
    ApprovalRequest, Capability, Effect, GrantId, GrantState, Investigate, Operation, ProviderName, Response,
    UnknownName,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::budget::{self, Budget};
use super::catalogue::{Does, Other};
use super::cursor::{Resume, fingerprint};
use super::inert::make_visible;
use super::names::{self, Input};
use crate::gate::Submitted;
use crate::http::beside::{Call, Caller, Listed, typed};
use crate::{Context, Error, Observed, OpsOrch, Provider, Result};

/// How often a page is asked for again with a lower limit, before its end is left out instead.
const ATTEMPTS: usize = 4;

type Arguments = Map<String, Value>;

/// What a tool answers.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) value: Value,
    /// What is to be said beside it: that it was shortened, and how to go on.
    pub(super) notes: Vec<String>,
    /// How fresh it is, of a read.
    pub(super) observed: Option<Observed>,
}

impl Answer {
    /// Says how fresh it is; in words too if it was kept, because not every client shows the rest to its agent.
    fn observed(mut self, observed: Option<Observed>) -> Self {
        if let Some(kept) = observed.filter(|observed| observed.cached) {
            let at = kept.at.to_rfc3339_opts(SecondsFormat::Secs, true);
            self.notes.push(format!("This is as of {at}: it was read for another call, and kept."));
        }
        Self { observed, ..self }
    }
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self { value, ..Self::default() }
    }
}

/// Who calls tools of which control plane, and how long answers get.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) ops: &'a OpsOrch,
    pub(super) caller: &'a Caller,
    pub(super) budget: Budget,
}

impl Desk<'_> {
    /// Calls a tool.
    pub(super) async fn call(self, does: Does, arguments: Arguments) -> Result<Answer> {
        match does {
            Does::Operation(operation) => self.operation(operation, arguments).await,
            Does::Other(other) => {
                self.caller.principal.require(other.role())?;
                self.other(other, arguments).await
            }
        }
    }

    fn cx(&self) -> &Context {
        &self.caller.cx
    }

    async fn operation(self, operation: Operation, arguments: Arguments) -> Result<Answer> {
        let done = match operation.effect() {
            Effect::Write => self.propose(operation, arguments).await,
            _ => self.read(operation, arguments).await,
        };
        match done {
            Ok(done) => done,
            // Who may not ask at all is told that, and not what is wrong with the question.
            Err(Malformed(refused)) => self.ops.check_access(self.cx(), operation).await.and(Err(refused)),
        }
    }

    /// Proposes a change.
    async fn propose(self, operation: Operation, mut arguments: Arguments) -> Result<Result<Answer>, Malformed> {
        let on = take_text(&mut arguments, "on")?;
        let (reason, key) = (take_text(&mut arguments, "justification")?, take_text(&mut arguments, "idempotencyKey")?);
        let mut call = typed(operation, input(operation, arguments)?)?.on(on.map(ProviderName::new));
        if let Call::Change(submission) = &mut call {
            (submission.reason, submission.idempotency_key) = (reason, key);
        }
        let submitted = call.pass(self.ops, self.cx()).await;
        Ok(submitted.and_then(|submitted| {
            let value = match submitted.0 {
                Submitted::Done(response) => json!({ "status": "done", "result": content(&response)? }),
                Submitted::Pending(request) => told(&request, Some("waiting"))?,
            };
            self.bounded(value, "the rest is read with the tools that read")
        }))
    }

    /// Reads, as much as fits.
    async fn read(self, operation: Operation, mut arguments: Arguments) -> Result<Result<Answer>, Malformed> {
        let on = take_text(&mut arguments, "on")?.map(ProviderName::new);
        let mut resume = Resume::take(&mut arguments)?;
        let mut attempts = 0;
        loop {
            let asked = paged(operation, arguments.clone(), &resume)?;
            let call = typed(operation, input(operation, asked)?)?.on(on.clone());
            let (mut value, observed) = match call.pass(self.ops, self.cx()).await {
                Ok((Submitted::Done(response), observed)) => match content(&response) {
                    Ok(value) => (value, observed),
                    Err(error) => return Ok(Err(error)),
                },
                Ok((Submitted::Pending(_), _)) => return Ok(Err(Error::unexpected("a read waits for nobody"))),
                Err(error) => return Ok(Err(error)),
            };
            make_visible(&mut value);
            if !names::is_list(operation) {
                return Ok(self.narrowed(value, &resume).map(|answer| answer.observed(observed)));
            }
            let fit = self.budget.items(&value);
            if !names::is_paged(operation) || attempts == ATTEMPTS || resume.skip > 0 {
                return Ok(self.first_items(value, &resume).map(|answer| answer.observed(observed)));
            }
            let had = value.get("items").and_then(Value::as_array).map_or(0, Vec::len);
            if resume.offset > 0 || self.budget.fits(&value) || had <= 1 {
                return Ok(self.narrowed(value, &resume).map(|answer| answer.observed(observed)));
            }
            // Asked again for as many as fit, the provider gives a cursor that leads on without gap or repeat.
            resume.limit = Some(u32::try_from(fit.clamp(1, had - 1)).unwrap_or(1));
            attempts += 1;
        }
    }

    /// The first items of a list that has no cursor of its own, and a cursor of ours to the others.
    fn first_items(self, mut page: Value, resume: &Resume) -> Result<Answer> {
        let all = match page.get_mut("items") {
            Some(Value::Array(items)) => {
                let all = items.clone();
                resume.skip_seen(items)?;
                all
            }
            _ => Vec::new(),
        };
        let fit = self.budget.items(&page);
        let mut answer = Answer::from(page);
        if self.budget.fits(&answer.value) || resume.offset > 0 {
            return self.narrowed(answer.value, resume);
        }
        let fit = fit.max(1);
        let end = resume.skip.saturating_add(fit);
        if let Some(Value::Array(items)) = answer.value.get_mut("items") {
            items.truncate(fit);
        }
        if end < all.len() {
            let seen = all.get(..end).map(fingerprint);
            let next = Resume { skip: end, seen, page: resume.page.clone(), limit: resume.limit, ..Resume::default() }
                .written();
            if let Value::Object(page) = &mut answer.value {
                page.insert("next".into(), next.into());
            }
            let note = format!("Items {} to {end} of {} are shown; `next` leads on.", resume.skip, all.len());
            answer.notes.push(note);
        }
        if self.budget.fits(&answer.value) {
            return Ok(answer);
        }
        let narrowed = self.narrowed(answer.value, resume)?;
        answer.notes.extend(narrowed.notes);
        Ok(Answer { value: narrowed.value, ..answer })
    }

    /// The value, with long texts and arrays in part if it would not fit otherwise.
    fn narrowed(self, value: Value, resume: &Resume) -> Result<Answer> {
        if resume.offset == 0 && self.budget.fits(&value) {
            return Ok(value.into());
        }
        let narrowed = self.budget.narrow(&value, resume)?;
        let mut notes = vec![format!("This answer is shown in part: {}.", some(&narrowed.cuts))];
        if let Some(next) = narrowed.next {
            let cursor = next.written();
            notes.push(format!(
                "Call the tool again with the same arguments and the cursor `{cursor}` for the next part."
            ));
        }
        Ok(Answer { value: narrowed.value, notes, ..Answer::default() })
    }

    /// What came of a change, which is not asked for twice.
    fn bounded(self, mut value: Value, rest: &str) -> Result<Answer> {
        make_visible(&mut value);
        if self.budget.fits(&value) {
            return Ok(value.into());
        }
        match self.budget.narrow(&value, &Resume::default()) {
            Ok(narrowed) => {
                let note = format!("This answer is shown in part: {}; {rest}.", some(&narrowed.cuts));
                Ok(Answer { value: narrowed.value, notes: vec![note], ..Answer::default() })
            }
            Err(_) => {
                let short = json!({ "status": value.get("status"), "next": "It is too long to be shown." });
                let notes = vec![format!("The result is too long to be shown; {rest}.")];
                Ok(Answer { value: short, notes, ..Answer::default() })
            }
        }
    }

    async fn other(self, other: Other, mut arguments: Arguments) -> Result<Answer> {
        let approvals = self.ops.approvals(self.cx());
        match other {
            Other::Investigate => self.investigate(arguments).await,
            Other::ListProviders => {
                let resume = own_cursor(&mut arguments)?;
                let capability = capability(&mut arguments)?;
                expect_nothing(&arguments)?;
                let wanted = |provider: &Provider| {
                    capability.is_none_or(|wanted| provider.operations().iter().any(|one| one.capability() == wanted))
                };
                let providers: Vec<_> = self.ops.providers().filter(|provider| wanted(provider)).collect();
                let items: Vec<_> = providers.iter().map(|provider| Listed::of(provider)).collect();
                self.first_items(json!({ "items": json_of(&items)? }), &resume)
            }
            Other::ListApprovals => {
                let resume = own_cursor(&mut arguments)?;
                expect_nothing(&arguments)?;
                let mut list = json!({ "items": json_of(&approvals.list().await?)? });
                make_visible(&mut list);
                self.first_items(list, &resume)
            }
            Other::GetApproval => {
                let resume = own_cursor(&mut arguments)?;
                let mut value = told(&approvals.get(&grant(arguments)?).await?, None)?;
                make_visible(&mut value);
                self.narrowed(value, &resume)
            }
            Other::WithdrawApproval => {
                let value = told(&approvals.withdraw(&grant(arguments)?).await?, None)?;
                self.bounded(value, "the rest is read with `get-approval`")
            }
            Other::RedeemApproval => {
                let response = approvals.redeem(&grant(arguments)?).await?;
                let value = json!({ "status": "done", "result": content(&response)? });
                self.bounded(value, "the rest is read with the tools that read")
            }
        }
    }

    async fn investigate(self, mut arguments: Arguments) -> Result<Answer> {
        let resume = own_cursor(&mut arguments)?;
        let wanted: Investigate = parsed(Value::Object(arguments))?;
        let found = self.ops.investigate(self.cx(), wanted).await?;
        let mut value = json_of(&found)?;
        make_visible(&mut value);
        let mut notes = Vec::new();
        if !self.budget.fits(&value) {
            budget::shorten(&mut value, self.budget);
            notes.push(
                "Not all items are shown, to keep the answer short; `gaps` says which, and how to read them.".into(),
            );
        }
        let mut answer = self.narrowed(value, &resume)?;
        answer.notes.splice(..0, notes);
        Ok(answer)
    }
}

/// Arguments that are no input of the operation.
struct Malformed(Error);

impl From<Error> for Malformed {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// The arguments, with the place in the list where it goes on.
fn paged(operation: Operation, mut arguments: Arguments, resume: &Resume) -> Result<Arguments> {
    if let Some(cursor) = &resume.page {
        if !names::is_paged(operation) {
            return Err(foreign_cursor());
        }
        arguments.insert("cursor".into(), cursor.as_str().into());
    }
    if let Some(limit) = resume.limit.filter(|_| names::is_paged(operation)) {
        arguments.insert("limit".into(), limit.into());
    }
    Ok(arguments)
}

/// The cursor of a tool that has none but ours.
fn own_cursor(arguments: &mut Arguments) -> Result<Resume> {
    let resume = Resume::take(arguments)?;
    if resume.page.is_some() { Err(foreign_cursor()) } else { Ok(resume) }
}

fn foreign_cursor() -> Error {
    Error::invalid("cursor", "expected a cursor as this tool gave it, to the letter")
}

/// The input of an operation, from what is left of the arguments.
fn input(operation: Operation, mut arguments: Arguments) -> Result<Value> {
    let name = match Input::of(operation) {
        Input::Fields => return Ok(Value::Object(arguments)),
        Input::Id => "id",
        Input::Scope => "scope",
    };
    let argument = arguments.remove(name);
    expect_nothing(&arguments)?;
    match argument {
        Some(value) => Ok(value),
        None if name == "scope" => Ok(json!({})),
        None => Err(Error::invalid(name, "expected an id, got nothing")),
    }
}

fn take_text(arguments: &mut Arguments, name: &str) -> Result<Option<String>> {
    match arguments.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(name, "expected a text")),
    }
}

fn expect_nothing(arguments: &Arguments) -> Result<()> {
    match arguments.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::invalid(name, "the tool has no such argument")),
    }
}

fn capability(arguments: &mut Arguments) -> Result<Option<Capability>> {
    let name = take_text(arguments, "capability")?;
    name.map(|name| name.parse().map_err(|unknown: UnknownName| Error::invalid("capability", unknown.to_string())))
        .transpose()
}

fn grant(mut arguments: Arguments) -> Result<GrantId> {
    let id = take_text(&mut arguments, "id")?.ok_or_else(|| Error::invalid("id", "expected an id, got nothing"))?;
    expect_nothing(&arguments)?;
    Ok(GrantId::new(id))
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        Error::invalid(if path == "." { "arguments".to_owned() } else { path }, error.into_inner().to_string())
    })
}

fn json_of<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::unexpected("the answer cannot be written as JSON").with_source(error))
}

/// What an operation answered; an empty object where there is nothing to say.
fn content(response: &Response) -> Result<Value> {
    match json_of(response)?.get_mut("value").map(Value::take) {
        None | Some(Value::Null) => Ok(json!({})),
        Some(value) => Ok(value),
    }
}

/// What is told of a change that was proposed: what waits, for whom, and what to do.
fn told(request: &ApprovalRequest, status: Option<&str>) -> Result<Value> {
    let id = &request.id;
    let next = match request.state {
        GrantState::Requested => format!("People are asked. Poll get-approval with the id {id}."),
        GrantState::Active => format!("It is approved. Call redeem-approval with the id {id} to make the change."),
        GrantState::Spent => format!("It was redeemed. redeem-approval with the id {id} tells what came of it."),
        state => format!("It is over: {state}. Propose it again if it is still needed."),
    };
    let mut told = json!({ "approval": json_of(request)?, "next": next });
    if let Value::Object(told) = &mut told {
        if let Some(status) = status {
            told.insert("status".into(), status.into());
        }
        if request.state == GrantState::Requested {
            told.insert("waitsFor".into(), request.quorum.to_string().into());
        }
    }
    Ok(told)
}

/// The first of many, to be read.
fn some(cuts: &[String]) -> String {
    const MOST: usize = 8;
    let shown = cuts.get(..MOST.min(cuts.len())).unwrap_or_default().join("; ");
    if cuts.len() > MOST { format!("{shown}; and {} more", cuts.len() - MOST) } else { shown }
}
