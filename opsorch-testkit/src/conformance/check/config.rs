//! Configurations: what they take, what they keep, and what making a provider of them does.

use std::sync::{Arc, Mutex, PoisonError};

use opsorch::secret::{Secret, SecretRef, SecretSource};
use opsorch::{Effect, Error, ErrorKind, Operation, OperationSet, Provider, Registry, Result, async_trait};
use serde_json::{Value, json};

use crate::conformance::lab::{CANARY, Lab, NAME};
use crate::conformance::rule::{Broken, Checked, Verdict, ensure, nothing};
use crate::conformance::subject::{Bench, Making, Written};

/// A key that no configuration has.
const NO_KEY: &str = "noSuchKey4711";

pub(in crate::conformance) async fn it_reads_as_it_was_written(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open_bare().await?;
    let Some(kind) = Kind::of(bench, &lab) else { return Ok(no_configuration()) };
    let rewrite = |config: &Value| {
        (kind.rewrite)(config)
            .map_err(|error| Broken(format!("a configuration cannot be read and written down: {error}")))
    };
    let first = rewrite(&kind.config)?;
    let second = rewrite(&first.json)?;
    // The lines of a map may come in any order.
    let lines = |written: &Written| {
        let mut lines: Vec<_> = written.debug.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let lost = lines(&first).into_iter().find(|line| !lines(&second).contains(line));
    ensure!(
        lines(&first) == lines(&second),
        "a configuration that is written down and read again is another one; the first difference is {lost:?}"
    );
    let (one, other) = (kind.build(bench, &kind.config, &lab).await?, kind.build(bench, &first.json, &lab).await?);
    ensure!(
        one.target(None) == other.target(None) && one.operations() == other.operations(),
        "a configuration that is written down and read again makes another provider"
    );
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_unknown_key_is_refused(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open_bare().await?;
    let Some(kind) = Kind::of(bench, &lab) else { return Ok(no_configuration()) };
    let mut config = kind.config.clone();
    let Some(members) = config.as_object_mut() else { return Ok(no_configuration()) };
    members.insert(NO_KEY.to_owned(), json!("x"));
    bench.saw_a_call();
    let found = kind.registry.check(&NAME.into(), kind.name, &config);
    let names_it = found.as_ref().is_err_and(|error| is_invalid(error) && error.to_string().contains(NO_KEY));
    ensure!(names_it, "a configuration with the key `{NO_KEY}`: expected `invalid`, naming the key, got {found:?}");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_missing_secret_is_named(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open_bare().await?;
    let Some(kind) = Kind::of(bench, &lab) else { return Ok(no_configuration()) };
    let all = Arc::new(Vault::default());
    kind.build_with(bench, &lab, &all).await?;
    let references = all.asked();
    if references.is_empty() {
        nothing!("the configuration names no secret; write one with `Place::secret`");
    }
    for missing in references {
        let built = kind.build_with(bench, &lab, &Arc::new(Vault::without(&missing))).await;
        let Err(error) = built else {
            return Err(Broken(format!("there is no secret {missing}, and a provider is made all the same")));
        };
        let names_it = is_invalid(&error) && error.to_string().contains(&missing.to_string());
        ensure!(names_it, "there is no secret {missing}: expected `invalid`, naming the reference, got {error:?}");
        let shows = format!("{error} {error:?}").contains(CANARY);
        ensure!(!shows, "there is no secret {missing}, and the error shows another one");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn making_it_sends_nothing(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open_bare().await?;
    let Some(kind) = Kind::of(bench, &lab) else { return Ok(no_configuration()) };
    kind.build(bench, &kind.config, &lab).await?;
    let sent = lab.requests();
    let first = sent.first().map(|request| format!("{} {}", request.method, request.url.path()));
    ensure!(first.is_none(), "a provider is made without asking its vendor, which may be down; it sent {first:?}");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn it_offers_the_same_each_time(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open_bare().await?;
    let Some(kind) = Kind::of(bench, &lab) else { return Ok(no_configuration()) };
    let first = kind.build(bench, &kind.config, &lab).await?.operations();
    for _ in 0..2 {
        let again = kind.build(bench, &kind.config, &lab).await?.operations();
        ensure!(again == first, "of one configuration, one provider offers {first}, and the next one {again}");
    }
    // Both as labs have them: in a real account they may only read.
    let (here, other) = (offered(&lab), offered(&bench.open_bare().await?));
    ensure!(other == here, "a provider in another place offers {other} instead of {here}");
    let reads = |set: OperationSet| all(|operation| set.contains(operation) && operation.effect() == Effect::Read);
    ensure!(here == first || here == reads(first), "of one configuration, one provider offers {first}, another {here}");
    Ok(Verdict::Kept)
}

/// The kind of a provider that has a configuration.
struct Kind<'a> {
    name: &'static str,
    registry: &'a Registry,
    rewrite: fn(&Value) -> serde_json::Result<Written>,
    config: Value,
}

impl<'a> Kind<'a> {
    fn of(bench: &'a Bench<'_>, lab: &Lab) -> Option<Self> {
        match bench.making() {
            Making::Configured { kind, registry, configure, rewrite, .. } => {
                Some(Self { name: kind, registry, rewrite: *rewrite, config: configure(lab.place()) })
            }
            Making::Direct { .. } => None,
        }
    }

    /// Makes a provider in a lab, whose requests are seen.
    async fn build(&self, bench: &Bench<'_>, config: &Value, lab: &Lab) -> Result<Provider> {
        bench.saw_a_call();
        self.registry.build(&NAME.into(), self.name, config, &lab.env()).await
    }

    /// Makes a provider with secrets from elsewhere.
    async fn build_with(&self, bench: &Bench<'_>, lab: &Lab, secrets: &Arc<Vault>) -> Result<Provider> {
        bench.saw_a_call();
        let env = lab.env().with_secrets(Arc::clone(secrets) as _);
        self.registry.build(&NAME.into(), self.name, &self.config, &env).await
    }
}

/// A canary for every name but one, and a note of what it was asked for.
#[derive(Debug, Default)]
struct Vault {
    missing: Option<SecretRef>,
    asked: Mutex<Vec<SecretRef>>,
}

impl Vault {
    fn without(missing: &SecretRef) -> Self {
        Self { missing: Some(missing.clone()), asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<SecretRef> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SecretSource for Vault {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(reference.clone());
        match self.missing.as_ref() == Some(reference) {
            true => Err(Error::invalid(reference.to_string(), "there is no such secret")),
            false => Ok(Secret::new(CANARY)),
        }
    }
}

fn is_invalid(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid { .. })
}

fn no_configuration() -> Verdict {
    Verdict::Nothing("the provider is made by a closure, without a configuration".to_owned())
}

fn offered(lab: &Lab) -> OperationSet {
    all(|operation| lab.offers(operation))
}

fn all(are: impl Fn(Operation) -> bool) -> OperationSet {
    Operation::ALL.iter().copied().filter(|operation| are(*operation)).collect()
}
