//! The conformance suite of providers: every rule of the contract, by its id.
//!
//! An author adds a test without the standard harness and says how a provider is made:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! ```no_run
//! # use opsorch::{BuildEnv, Provider, ProviderConfig, ProviderName, Result, async_trait};
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct NotesConfig { path: std::path::PathBuf }
//! # #[async_trait]
//! # impl ProviderConfig for NotesConfig {
//! #     const KIND: &'static str = "notes";
//! #     async fn build(self, name: &ProviderName, _: &BuildEnv) -> Result<Provider> { Ok(Provider::new(name)) }
//! # }
//! use opsorch_testkit::Conformance;
//! use serde_json::json;
//!
//! fn main() -> std::process::ExitCode {
//!     Conformance::of::<NotesConfig>(|place| json!({ "path": place.folder().join("notes.txt") })).main()
//! }
//! ```
//!
//! Each rule is one test, whose name begins with the rule's id: `cargo test --test conformance TK-003` runs one of them. A
//! rule that has nothing to look at, because the provider does not offer it, is shown as ignored with the reason. All
//! rules are listed by [`Conformance::rules`].

mod check;
mod lab;
mod listing;
mod report;
mod rule;
mod rules;
mod subject;
mod tap;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use opsorch::{Clock, Provider, ProviderConfig, Result};
use serde_json::Value;

pub use self::lab::Place;
pub use self::report::{Outcome, Report, RuleResult};
pub use self::rule::{Requirement, Rule};
use self::subject::{Making, Subject};
use crate::double::Double;

/// Runs the rules of the contract against one kind of provider. See the [module](self).
#[derive(Clone, Debug)]
pub struct Conformance {
    subject: Subject,
    deviations: Vec<Deviation>,
    switched_off: Vec<String>,
}

#[derive(Clone, Debug)]
struct Deviation {
    rule: String,
    reason: String,
}

impl Conformance {
    /// A kind of provider, by the type of its configuration. `configure` writes a configuration for a place: its folder, the
    /// address of the vendor's double, secrets.
    pub fn of<C: ProviderConfig>(configure: impl Fn(&Place) -> Value + Send + Sync + 'static) -> Self {
        Self::new(Making::configured::<C>(configure))
    }

    /// A provider that has no configuration, made by a closure each time.
    pub fn provider(name: &str, make: impl Fn(&Place) -> Result<Provider> + Send + Sync + 'static) -> Self {
        Self::new(Making::direct(name, make))
    }

    fn new(making: Making) -> Self {
        Self { subject: Subject::new(making), deviations: Vec::new(), switched_off: Vec::new() }
    }

    /// Puts a double of the vendor at [`Place::url`]: each rule gets a new one.
    pub fn double<D: Double>(mut self, make: impl Fn(Arc<dyn Clock>) -> D + Send + Sync + 'static) -> Self {
        self.subject = self.subject.with_double(make);
        self
    }

    /// Prepares each place before the provider is made, such as by writing the files that it reads.
    pub fn prepare(mut self, prepare: impl Fn(&Place) + Send + Sync + 'static) -> Self {
        self.subject = self.subject.with_preparation(prepare);
        self
    }

    /// Names a rule that is knowingly broken, and why. One that is kept after all is a failure, so that the list stays true.
    pub fn deviation(mut self, rule: impl Into<String>, reason: impl Into<String>) -> Self {
        self.deviations.push(Deviation { rule: rule.into(), reason: reason.into() });
        self
    }

    /// Leaves a rule out. It is for grading the suite itself: a suite without a rule must miss something.
    #[doc(hidden)]
    pub fn without(mut self, rule: impl Into<String>) -> Self {
        self.switched_off.push(rule.into());
        self
    }

    /// Every rule there is.
    pub fn rules() -> &'static [Rule] {
        rules::RULES
    }

    /// Runs every rule and returns what was found. Rules run one after the other.
    pub fn run(&self) -> Report {
        let results = self.selected().map(|rule| RuleResult::new(rule, self.outcome(rule)));
        Report::new(self.subject.name(), results.chain(self.unknown_deviations()).collect())
    }

    /// Runs as the `main` of a test without harness. It takes the arguments of the standard one, such as a filter and
    /// `--list`. That no rule is selected is a failure.
    pub fn main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let this = Arc::new(self);
        let mut trials: Vec<_> = this.selected().map(|rule| this.trial(rule)).collect();
        trials.extend(this.unknown_deviations().map(|unknown| {
            let failed = Failed::from(unknown.outcome.to_string());
            Trial::test(unknown.name(), move || Err(failed))
        }));
        let listed = arguments.list;
        let conclusion = libtest_mimic::run(&arguments, trials);
        let ran = conclusion.num_passed + conclusion.num_failed + conclusion.num_ignored;
        if ran == 0 && !listed {
            eprintln!("no rule was selected; the rules are listed with --list");
            return ExitCode::FAILURE;
        }
        conclusion.exit_code()
    }

    fn trial(self: &Arc<Self>, rule: &'static Rule) -> Trial {
        let this = Arc::clone(self);
        Trial::ignorable_test(rule.name(), move || match this.outcome(rule) {
            Outcome::Kept { .. } => Ok(Completion::Completed),
            Outcome::Ignored(reason) => Ok(Completion::ignored_with(reason)),
            outcome @ Outcome::Deviates { .. } => Ok(Completion::ignored_with(outcome)),
            broken @ Outcome::Broken(_) => Err(format!("{} {}\n{broken}", rule.requirement(), rule.sentence()).into()),
        })
    }

    fn selected(&self) -> impl Iterator<Item = &'static Rule> {
        rules::RULES.iter().filter(|rule| !self.switched_off.iter().any(|id| id == rule.id()))
    }

    fn outcome(&self, rule: &Rule) -> Outcome {
        let found = self.subject.check(rule);
        match (self.deviations.iter().find(|deviation| deviation.rule == rule.id()), found) {
            (None, found) => found,
            (Some(known), Outcome::Broken(how)) => Outcome::Deviates { reason: known.reason.clone(), how },
            (Some(_), found) => {
                Outcome::Broken(format!("it is listed as a deviation, which is stale: the rule is {found}; remove it"))
            }
        }
    }

    fn unknown_deviations(&self) -> impl Iterator<Item = RuleResult> {
        let unknown = self.deviations.iter().filter(|known| !rules::RULES.iter().any(|rule| rule.id() == known.rule));
        unknown.map(|deviation| RuleResult::unknown(&deviation.rule))
    }
}
