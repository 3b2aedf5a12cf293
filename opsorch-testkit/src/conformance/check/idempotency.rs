//! Idempotency keys: a change that is asked for twice is made once.

use opsorch::gate::Decision;
use opsorch::layer::{Call, Layer, Next};
use opsorch::{
    Action, Actor, Builder, Context, Error, Operation, OpsOrch, Provider, Response, Result, Submission, Submitted,
    Target, async_trait,
};
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, content, items};
use crate::conformance::listing::identity;
use crate::conformance::maker::{Maker, Surroundings, action};
use crate::conformance::rule::{Broken, Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

pub(in crate::conformance) async fn one_key_makes_one_thing(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let (first, second) = (Plane::around(&lab).await?, Plane::around(&lab).await?);
    for Making { action, maker } in makings(bench, &lab, "under one key").await? {
        let operation = action.operation();
        let made = expect_made(operation, first.submit(&action, "one").await)?;
        if !first.may_repeat(operation) {
            continue;
        }
        let before = count(&lab, maker, &action).await?;
        let again = expect_made(operation, second.submit(&action, "one").await)?;
        ensure!(
            made.get("id") == again.get("id"),
            "{operation} under one idempotency key made {}, and asked again it made {}",
            identity(&made),
            identity(&again)
        );
        let after = count(&lab, maker, &action).await?;
        ensure!(before == after, "{operation} asked again under one idempotency key: {before} things became {after}");
        looked = true;
    }
    looked_at_keys(looked)
}

pub(in crate::conformance) async fn another_key_makes_another_thing(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let plane = Plane::around(&lab).await?;
    for Making { action, .. } in makings(bench, &lab, "under two keys").await? {
        let operation = action.operation();
        // A repetition of these is the same thing whatever the key: that is what they are for.
        if operation.is_idempotent() || operation == Operation::IncidentTimelineAppend {
            continue;
        }
        let first = expect_made(operation, plane.submit(&action, "one").await)?;
        let second = expect_made(operation, plane.submit(&action, "another").await)?;
        ensure!(
            first.get("id") != second.get("id"),
            "{operation} under another idempotency key is another change, but both answer {}",
            identity(&first)
        );
        looked = true;
    }
    looked_at_keys(looked)
}

pub(in crate::conformance) async fn a_lost_answer_makes_one_thing(bench: &Bench<'_>) -> Checked<Verdict> {
    if !bench.has_double() {
        return Ok(no_double());
    }
    let (lab, mut looked) = (bench.open().await?, false);
    let (first, second) = (Plane::around(&lab).await?, Plane::around(&lab).await?);
    for Making { action, maker } in makings(bench, &lab, "with a lost answer").await? {
        let operation = action.operation();
        let before = count(&lab, maker, &action).await?;
        lab.lose_the_next_answer();
        let lost = first.submit(&action, "lost").await;
        if !first.may_repeat(operation) {
            continue;
        }
        let made = second.submit(&action, "lost").await;
        ensure!(made.is_ok(), "{operation} asked again after its answer was lost ({lost:?}): {made:?}");
        let after = count(&lab, maker, &action).await?;
        ensure!(
            after <= before + 1,
            "{operation}: its answer was lost, and asked again under the same key it made another: {before} things \
             became {after}"
        );
        looked = true;
    }
    looked_at_keys(looked)
}

pub(in crate::conformance) async fn what_was_made_is_found_by_its_marker(bench: &Bench<'_>) -> Checked<Verdict> {
    if !bench.has_double() {
        return Ok(no_double());
    }
    let (lab, mut looked) = (bench.open().await?, false);
    let plane = Plane::retrying(&lab).await?;
    for Making { action, maker } in makings(bench, &lab, "with a marker").await? {
        let operation = action.operation();
        if !plane.finds(operation) {
            continue;
        }
        let before = count(&lab, maker, &action).await?;
        lab.lose_the_next_answer();
        let made = plane.submit(&action, "marked").await;
        let after = count(&lab, maker, &action).await?;
        ensure!(
            after <= before + 1,
            "{operation}: its answer was lost, the provider said that it was not made, and so it was made again: \
             {before} things became {after}"
        );
        let denied = made.as_ref().is_err_and(|error| !error.may_have_applied());
        ensure!(
            !denied,
            "{operation}: it was made, its answer was lost, and attempted again the error denies it: {made:?}"
        );
        looked = true;
    }
    looked_at_markers(looked)
}

pub(in crate::conformance) async fn nothing_else_is_found_by_a_marker(bench: &Bench<'_>) -> Checked<Verdict> {
    if !bench.has_double() {
        return Ok(no_double());
    }
    let (lab, mut looked) = (bench.open().await?, false);
    let plane = Plane::retrying(&lab).await?;
    for Making { action, .. } in makings(bench, &lab, "with markers").await? {
        let operation = action.operation();
        if !plane.finds(operation) {
            continue;
        }
        let first = expect_made(operation, plane.submit(&action, "one").await)?;
        lab.lose_the_next_request();
        if let Ok(second) = plane.submit(&action, "another").await {
            ensure!(
                first.get("id") != second.get("id"),
                "{operation}: it was lost on its way, and what was made under another idempotency key was found in its \
                 place: {}",
                identity(&first)
            );
        }
        looked = true;
    }
    looked_at_markers(looked)
}

pub(in crate::conformance) async fn a_lost_answer_is_told(bench: &Bench<'_>) -> Checked<Verdict> {
    if !bench.has_double() {
        return Ok(no_double());
    }
    let (lab, mut looked) = (bench.open().await?, false);
    let plane = Plane::around(&lab).await?;
    for Making { action, maker } in makings(bench, &lab, "with a lost answer").await? {
        let operation = action.operation();
        let before = count(&lab, maker, &action).await?;
        lab.lose_the_next_answer();
        let lost = plane.submit(&action, "lost").await;
        let after = count(&lab, maker, &action).await?;
        ensure!(
            after <= before + 1,
            "{operation}: its answer was lost, and the provider sent it again by itself: {before} things became {after}"
        );
        let denied = lost.as_ref().is_err_and(|error| !error.may_have_applied());
        ensure!(
            !denied || after == before,
            "{operation}: it was made, its answer was lost, and the error denies it: {lost:?}"
        );
        looked = true;
    }
    if !looked {
        nothing!("the provider makes nothing");
    }
    Ok(Verdict::Kept)
}

fn no_double() -> Verdict {
    Verdict::Nothing("no double stands in for the vendor, so that no answer can be lost".to_owned())
}

/// A change that makes something, and what is known of the thing.
struct Making {
    action: Action,
    maker: Option<&'static Maker>,
}

/// The changes that are offered of which a second one is a second thing. They are tried before they are given out.
async fn makings(bench: &Bench<'_>, lab: &Lab, mark: &str) -> Checked<Vec<Making>> {
    let world = Surroundings::of(lab).await?;
    let (mut makings, mut made) = (Vec::new(), Vec::new());
    for maker in Maker::offered(lab) {
        let Some((input, answer)) = maker.make(lab, &world, &format!("{mark}, tried"), &json!({})).await? else {
            continue;
        };
        let Ok(thing) = answer else { continue };
        made.push((maker.create, thing));
        // What had to be said beside the least has to be said again.
        let least = maker.input(&world, mark, &json!({})).unwrap_or_default();
        let mut whole = input;
        if let (Some(whole), Some(least)) = (whole.as_object_mut(), least.as_object()) {
            whole.extend(least.clone());
        }
        makings.push(Making { action: action(maker.create, whole)?, maker: Some(maker) });
    }
    for (operation, input) in below(bench, lab, &made) {
        if lab.offers(operation) {
            makings.push(Making { action: action(operation, input)?, maker: None });
        }
    }
    Ok(makings)
}

/// Changes that add something to what was made, and messages.
fn below(bench: &Bench<'_>, lab: &Lab, made: &[(Operation, Value)]) -> Vec<(Operation, Value)> {
    let id_of = |create| made.iter().find(|(operation, _)| *operation == create).and_then(|(_, thing)| thing.get("id"));
    let entry = |id: &Value| {
        (Operation::IncidentTimelineAppend, json!({ "id": id, "kind": "note", "body": "said under a key" }))
    };
    let comment = |id: &Value| (Operation::TicketComment, json!({ "id": id, "body": "said under a key" }));
    let body = lab.titled("said under a key");
    let message = |channel| (Operation::MessagingSend, json!({ "channel": channel, "body": body }));
    let entry = id_of(Operation::IncidentCreate).map(entry);
    let comment = id_of(Operation::TicketCreate).map(comment);
    entry.into_iter().chain(comment).chain(bench.channel().map(message)).collect()
}

/// How many things of its kind there are, as far as they can be counted.
async fn count(lab: &Lab, maker: Option<&Maker>, action: &Action) -> Checked<usize> {
    match (maker, action) {
        (Some(maker), _) => Ok(maker.all(lab).await?.len()),
        (None, Action::IncidentTimelineAppend(input)) if lab.offers(Operation::IncidentTimelineGet) => {
            Ok(items(&lab.read(Operation::IncidentTimelineGet, json!(input.id)).await??)?.len())
        }
        _ => Ok(0),
    }
}

/// A control plane around the provider of a lab, with a memory of its own: what another one did it does not know.
struct Plane {
    ops: OpsOrch,
    provider: Provider,
}

impl Plane {
    async fn around(lab: &Lab) -> Checked<Self> {
        Self::with(lab, |builder| builder).await
    }

    /// One that attempts a change again where nobody knows what became of it.
    async fn retrying(lab: &Lab) -> Checked<Self> {
        Self::with(lab, |builder| builder.layer(Again)).await
    }

    async fn with(lab: &Lab, adjust: impl FnOnce(Builder) -> Builder) -> Checked<Self> {
        let provider = lab.ops().providers().next().map(|provider| (*provider).clone());
        let provider = provider.ok_or_else(|| Broken("the lab has no provider".to_owned()))?;
        let builder = OpsOrch::builder()
            .provider(provider.clone())
            .clock(lab.place().clock())
            .without_layers()
            .layer(lab.hand().watch())
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("the conformance suite"));
        Ok(Self { ops: adjust(builder).build().await?, provider })
    }

    /// Makes a change under a key of its operation. The key that the vendor sees follows from the caller, this key and the
    /// action: it is the same from every plane.
    async fn submit(&self, action: &Action, key: &str) -> Result<Value> {
        let cx = Context::new(Actor::service("conformance"));
        let key = format!("{}-{key}", action.operation());
        let submission = Submission::from(action.clone()).idempotency_key(key);
        match self.ops.submit(&cx, submission).await? {
            Submitted::Done(response) => Ok(content(&response)),
            Submitted::Pending(_) => Err(Error::unexpected("the suite's policy asks nobody")),
        }
    }

    /// Whether the provider declares that its vendor honours the key.
    fn may_repeat(&self, operation: Operation) -> bool {
        self.provider.is_idempotent_by_key(operation)
    }

    /// Whether it declares that it finds what was made by its marker, and is asked because the vendor knows no keys.
    fn finds(&self, operation: Operation) -> bool {
        self.provider.is_found_by_marker(operation) && !self.may_repeat(operation)
    }
}

/// Runs the rest once more if nobody knows what became of it.
#[derive(Debug)]
struct Again;

#[async_trait]
impl Layer for Again {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        match next.run().await {
            Err(error) if error.may_have_applied() => next.run().await,
            done => done,
        }
    }
}

fn expect_made(operation: Operation, made: Result<Value>) -> Checked<Value> {
    made.map_err(|error| Broken(format!("{operation} under an idempotency key: expected it to be made, got {error}")))
}

fn looked_at_markers(looked: bool) -> Checked<Verdict> {
    if !looked {
        nothing!("nothing that is made here is declared to be found by its marker");
    }
    Ok(Verdict::Kept)
}

fn looked_at_keys(looked: bool) -> Checked<Verdict> {
    if !looked {
        nothing!("the provider declares no change that it makes once for each idempotency key");
    }
    Ok(Verdict::Kept)
}
