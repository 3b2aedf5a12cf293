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

mod calls;
mod check;
mod lab;
mod listing;
mod live;
mod maker;
mod replayed;
mod report;
mod rule;
mod rules;
mod session;
mod stock;
mod subject;
mod tap;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};
#[cfg(feature = "plugin")]
use opsorch::plugin::PluginConfig;
use opsorch::{Clock, OperationSet, Provider, ProviderConfig, Result};
use serde_json::Value;

pub use self::lab::Place;
pub use self::live::Live;
pub use self::report::{Outcome, Report, RuleResult};
pub use self::rule::{Requirement, Rule};
use self::session::Way;
use self::subject::{Making, Subject};
use crate::double::Double;

/// Runs the rules of the contract against one kind of provider. See the [module](self).
#[derive(Clone, Debug)]
pub struct Conformance {
    subject: Subject,
    deviations: Vec<Deviation>,
    reports: Option<PathBuf>,
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

    /// A plugin command in whatever language, by a name for reports: each place gets a process of its own, spoken to over the
    /// plugin protocol as in production.
    ///
    /// ```no_run
    /// use opsorch::plugin::PluginConfig;
    /// use opsorch_testkit::Conformance;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     Conformance::plugin("tracker", |_| PluginConfig::new("/usr/lib/opsorch/tracker")).main()
    /// }
    /// ```
    ///
    /// What the rules look at is made through the plugin's own writers, so that its world may begin empty. Its clock is that of
    /// the system, which no rule moves. Its requests to its vendor do not pass here: it may be given the address of a
    /// [double](Self::double), but the rules that break the vendor's answers are ignored, and nothing is recorded.
    #[cfg(feature = "plugin")]
    pub fn plugin(name: &str, configure: impl Fn(&Place) -> PluginConfig + Send + Sync + 'static) -> Self {
        let configure = move |place: &Place| serde_json::json!(configure(place));
        let mut suite = Self::new(Making::configured::<PluginConfig>(configure).named(name));
        suite.subject.way = Way::Process;
        suite
    }

    fn new(making: Making) -> Self {
        Self { subject: Subject::new(making), deviations: Vec::new(), reports: None, switched_off: Vec::new() }
    }

    /// Puts a double of the vendor at [`Place::url`]: each rule gets a new one. The rules about statuses, broken connections,
    /// deadlines and secrets need one.
    ///
    /// It asks for [`SECRET`](crate::double::SECRET) as its vendor asks for a credential. Requests reach it over HTTP, by the
    /// transport for production.
    pub fn double<D: Double>(mut self, make: impl Fn(Arc<dyn Clock>) -> D + Send + Sync + 'static) -> Self {
        self.subject = self.subject.with_double(make);
        self
    }

    /// Prepares each place before the provider is made, such as by writing the files that it reads.
    pub fn prepare(mut self, prepare: impl Fn(&Place) + Send + Sync + 'static) -> Self {
        self.subject = self.subject.with_preparation(prepare);
        self
    }

    /// Names a channel that messages can be sent to, such as `#ops`. Rules of messages need one.
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.subject = self.subject.with_channel(channel.into());
        self
    }

    /// Runs the rules against a real account in place of the double, or of a closure's world.
    ///
    /// Rules that need changes, where they are not allowed, and those that break the vendor or move time are ignored.
    pub fn live(mut self, live: Live) -> Self {
        self.subject = self.subject.with_account(live);
        self
    }

    /// Closes what earlier runs have left open in the [account](Self::live) because they were killed: incidents, tickets and
    /// alerts that a run made which began more than an hour ago. Answers what was closed. A run has no title, so that one
    /// which was left is not found.
    ///
    /// # Errors
    /// `Unsupported` without an account in which writes are allowed; else what the provider answers, or what stays open.
    pub fn sweep(&self) -> Result<Vec<String>> {
        self.subject.sweep()
    }

    /// Records what each rule says to the vendor and hears from it, in `<folder>/<rule>.json`, a [`Cassette`](crate::Cassette)
    /// without the secrets that the provider was given. A rule that is ignored is not recorded.
    pub fn record_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.subject.record_to = Some(folder.into());
        self
    }

    /// Runs the rules from the recordings in this folder, at the times at which they were made. The vendor is not asked: a
    /// request that is not recorded is a failure, which shows the nearest one that is. A rule without a recording is ignored.
    ///
    /// Give the suite what it had when it was recorded, with its double; a recording of a [real account](Self::live) knows by
    /// itself what was allowed there.
    pub fn replay_from(mut self, folder: impl Into<PathBuf>) -> Self {
        self.subject.way = Way::Replayed(folder.into());
        self
    }

    /// Asks the double without a connection. It is for grading the suite itself, which takes thousands of checks.
    #[doc(hidden)]
    pub fn directly(mut self) -> Self {
        self.subject.way = Way::Scripted { directly: true };
        self
    }

    /// Names a rule that is knowingly broken, and why. One that is kept after all is a failure, so that the list stays true.
    pub fn deviation(mut self, rule: impl Into<String>, reason: impl Into<String>) -> Self {
        self.deviations.push(Deviation { rule: rule.into(), reason: reason.into() });
        self
    }

    /// Has [`main`](Self::main) leave a report in this folder: `<kind>.json`, `<kind>.xml` (JUnit) and `<kind>.md`.
    /// `env!("CARGO_TARGET_TMPDIR")` is a good place.
    pub fn report_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.reports = Some(folder.into());
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

    /// The operations that the provider offers.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn operations(&self) -> Result<OperationSet> {
        self.subject.operations()
    }

    /// Runs every rule and returns what was found. Rules run one after the other.
    pub fn run(&self) -> Report {
        let results = self.selected().map(|rule| RuleResult::new(rule, self.outcome(rule)));
        Report::new(self.subject.name(), results.chain(self.unknown_deviations()).collect())
    }

    /// Runs as the `main` of a test without harness. It takes the arguments of the standard one, such as a filter and
    /// `--list`. That every rule is ignored, or that there is no rule of an id, is a failure.
    pub fn main(self) -> ExitCode {
        self.main_with(&Arguments::from_args())
    }

    fn main_with(self, arguments: &Arguments) -> ExitCode {
        let this = Arc::new(self);
        let found = Arc::new(Mutex::new(this.unknown_deviations().collect()));
        let mut trials: Vec<_> = this.selected().map(|rule| this.trial(rule, &found)).collect();
        trials.extend(this.unknown_deviations().map(|unknown| {
            let failed = Failed::from(unknown.outcome.to_string());
            Trial::test(unknown.name, move || Err(failed))
        }));
        let conclusion = libtest_mimic::run(arguments, trials);
        if let Some(problem) = proves_nothing(arguments, &conclusion) {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
        let results = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        match this.write_report(results) {
            Ok(()) => conclusion.exit_code(),
            Err(error) => {
                eprintln!("the report could not be written: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn trial(self: &Arc<Self>, rule: &'static Rule, found: &Arc<Mutex<Vec<RuleResult>>>) -> Trial {
        let (this, found) = (Arc::clone(self), Arc::clone(found));
        Trial::ignorable_test(rule.name(), move || {
            let outcome = this.outcome(rule);
            found.lock().unwrap_or_else(PoisonError::into_inner).push(RuleResult::new(rule, outcome.clone()));
            match outcome {
                Outcome::Kept { .. } => Ok(Completion::Completed),
                Outcome::Ignored(reason) => Ok(Completion::ignored_with(reason)),
                known @ Outcome::Deviates { .. } => Ok(Completion::ignored_with(known)),
                broken @ Outcome::Broken(_) => {
                    Err(format!("{} {}\n{broken}", rule.requirement(), rule.sentence()).into())
                }
            }
        })
    }

    fn write_report(&self, mut results: Vec<RuleResult>) -> io::Result<()> {
        let Some(folder) = &self.reports else { return Ok(()) };
        results.sort_by(|one, other| one.id.cmp(&other.id));
        let report = Report::new(self.subject.name(), results);
        fs::create_dir_all(folder)?;
        let file = |extension: &str| folder.join(&report.subject).with_extension(extension);
        fs::write(file("json"), report.to_json())?;
        fs::write(file("xml"), report.to_junit())?;
        fs::write(file("md"), report.to_markdown())
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

/// Why a run that found nothing broken proves nothing. A filter that is no rule's id is meant for other tests.
fn proves_nothing(arguments: &Arguments, conclusion: &Conclusion) -> Option<&'static str> {
    let judged = conclusion.num_passed + conclusion.num_failed;
    match &arguments.filter {
        _ if arguments.list => None,
        None if judged == 0 => Some("every rule was ignored, so that nothing is proven"),
        Some(id) if id.starts_with("TK-") && judged + conclusion.num_ignored == 0 => {
            Some("there is no such rule; the rules are listed with --list")
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::MemoryProvider;

    fn memory() -> Conformance {
        Conformance::provider("memory", |place| Ok(MemoryProvider::seeded(7, place.clock()).provider("memory")))
    }

    /// Whether a run with these arguments succeeds.
    fn succeeds(suite: Conformance, arguments: &[&str]) -> bool {
        let arguments = Arguments::from_iter(["conformance", "--quiet"].iter().chain(arguments));
        format!("{:?}", suite.main_with(&arguments)) == format!("{:?}", ExitCode::SUCCESS)
    }

    #[test]
    fn a_rule_is_run_by_its_id() {
        assert!(succeeds(memory(), &["TK-001"]));
    }

    #[test]
    fn that_nothing_is_looked_at_is_a_failure() {
        let nothing = Conformance::provider("nothing", |_| Ok(Provider::new("nothing")));
        assert!(!succeeds(nothing, &[]));
        assert!(!succeeds(memory(), &["TK-000"]));
        assert!(succeeds(memory(), &["TK-000", "--list"]));
        assert!(succeeds(memory(), &["a_test_of_another_binary"]));
    }

    #[test]
    fn a_deviation_that_is_stale_or_names_no_rule_is_a_failure() {
        assert!(!succeeds(memory().deviation("TK-001", "the vendor ignores limits"), &["TK-001"]));
        assert!(!succeeds(memory().deviation("TK-000", "a slip of the pen"), &["TK-00"]));
    }

    #[test]
    fn a_report_is_left_for_people_and_for_machines() {
        let folder = tempfile::tempdir().unwrap();
        assert!(succeeds(memory().report_to(folder.path()), &["TK-001"]));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&read("memory.json")).unwrap();
        assert_eq!(json["results"][0]["id"], "TK-001");
        assert!(read("memory.xml").contains("tests=\"1\" failures=\"0\" skipped=\"0\""));
        assert!(read("memory.md").contains("| TK-001 | MUST: "));
    }

    #[test]
    fn what_a_rule_says_of_a_failure_survives_xml() {
        let broken = Outcome::Broken("<a> & \"b\"\n\u{1}".to_owned());
        let report = Report::new("x", vec![RuleResult::new(&rules::RULES[0], broken)]);
        assert!(report.to_junit().contains("&lt;a&gt; &amp; &quot;b&quot;&#10;\u{fffd}"), "{}", report.to_junit());
    }
}
