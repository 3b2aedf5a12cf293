//! The numbers of a benchmark, kept for the table in `docs/performance.md`.
#![allow(clippy::exhaustive_structs, clippy::exhaustive_enums)]

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use opsorch::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

/// What one run of a benchmark measured, and where. Each benchmark has a file of its own, so that a run of one leaves the
/// numbers of the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The name of the benchmark, as `--bench` takes it.
    pub bench: String,
    /// When it began: a time of RFC 3339, in UTC.
    pub at: String,
    /// The machine that it ran on.
    pub machine: Machine,
    /// How many processes wanted a core when it began, on average over a minute: other work makes times longer.
    pub load: Option<f64>,
    /// What was measured.
    pub numbers: Vec<Number>,
}

/// What rates and times depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The model of the processor.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// The memory in GiB.
    pub memory: f64,
    /// The kernel.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
}

/// One number, beside what it is to be read with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// What was measured.
    pub name: String,
    /// The unit of the value, and of the baseline.
    pub unit: String,
    /// How much it was.
    pub value: f64,
    /// The same measure of something else, in the same run.
    pub baseline: Option<Baseline>,
    /// The value divided by the baseline. Of measures that take turns it is the median of the ratios of the turns.
    pub ratio: Option<f64>,
    /// What was aimed at.
    pub goals: Vec<Goal>,
    /// Whether all goals were met; `None` where there are none.
    pub met: Option<bool>,
}

/// What a number stands beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What it is.
    pub name: String,
    /// How much it was.
    pub value: f64,
}

/// What a value, or its ratio to the baseline, was to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// The value is at most this.
    Most(f64),
    /// The value is at least this.
    Least(f64),
    /// The ratio is at most this.
    MostTimes(f64),
    /// The ratio is at least this.
    LeastTimes(f64),
}

impl Results {
    /// No numbers yet, of a benchmark that begins now.
    pub fn of(bench: &str) -> Self {
        Self {
            bench: bench.to_owned(),
            at: SystemClock.now().to_rfc3339(),
            machine: Machine::this(),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
            numbers: Vec::new(),
        }
    }

    /// Adds a number.
    pub fn add(&mut self, number: Number) {
        self.numbers.push(number);
    }

    /// Writes the numbers to the file of the benchmark, in place of those of an earlier run.
    pub fn write(&self) {
        fs::create_dir_all(folder()).unwrap();
        let text = serde_json::to_string_pretty(self).unwrap();
        fs::write(folder().join(format!("{}.json", self.bench)), text + "\n").unwrap();
    }

    /// What the benchmarks wrote, sorted by their names.
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir(folder()).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        files.sort();
        files.iter().map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
    }
}

/// Where the files are.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/benches"))
}

/// Where criterion is told to write, so that no older numbers are read.
pub fn criterion_folder() -> PathBuf {
    folder().join("criterion")
}

/// The median in nanoseconds that criterion has just written down; `None` where it measured nothing, as under `cargo test`.
pub fn criterion_median(group: &str, function: &str) -> Option<f64> {
    let path = criterion_folder().join(group).join(function).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    estimates.pointer("/median/point_estimate")?.as_f64()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Machine {
    /// This one, as Linux describes it; what it does not say is empty.
    pub fn this() -> Self {
        let line = |path: &str, name: &str| {
            let text = read(path);
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
            value.unwrap_or_default().trim().to_owned()
        };
        let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        let kilobytes = line("/proc/meminfo", "MemTotal");
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kilobytes.trim_end_matches(" kB").parse().unwrap_or(0.0) / f64::from(1 << 20),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            rustc: String::from_utf8_lossy(&rustc).trim().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory, kernel, rustc } = self;
        write!(f, "{processor}, {cores} cores, {memory:.0} GiB of memory, {kernel}, {rustc}")
    }
}

impl Number {
    /// A number that stands by itself.
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        let (name, unit) = (name.into(), unit.to_owned());
        Self { name, unit, value, baseline: None, ratio: None, goals: Vec::new(), met: None }
    }

    /// Sets what it stands beside.
    pub fn beside(mut self, name: impl Into<String>, value: f64) -> Self {
        self.ratio = Some(self.value / value);
        self.baseline = Some(Baseline { name: name.into(), value });
        self
    }

    /// Sets the ratio to what it stands beside, where it is not that of the two numbers.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// Adds a goal. It comes after what it is about.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.met = Some(self.met.unwrap_or(true) && goal.is_met(self.value, self.ratio));
        self.goals.push(goal);
        self
    }
}

impl Goal {
    fn is_met(self, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::Most(most) => value <= most,
            Self::Least(least) => value >= least,
            Self::MostTimes(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::LeastTimes(least) => ratio.is_some_and(|ratio| ratio >= least),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_whether_all_its_goals_are_met() {
        let number = || Number::new("calls", 90.0, "µs").beside("bare", 60.0);
        assert_eq!(number().met, None);
        assert_eq!(number().goal(Goal::Most(100.0)).met, Some(true));
        assert_eq!(number().goal(Goal::Most(100.0)).goal(Goal::MostTimes(1.4)).met, Some(false));
        assert_eq!(number().goal(Goal::MostTimes(1.4)).goal(Goal::Most(100.0)).met, Some(false));
        assert_eq!(number().ratio(2.0).goal(Goal::LeastTimes(2.0)).met, Some(true));
        assert_eq!(number().goal(Goal::Least(91.0)).met, Some(false));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut results = Results::of("none");
        results.add(Number::new("calls", 90.5, "µs").beside("bare", 60.0).goal(Goal::MostTimes(2.0)));
        let read: Results = serde_json::from_str(&serde_json::to_string(&results).unwrap()).unwrap();
        assert_eq!((read.numbers, read.machine), (results.numbers, results.machine));
    }
}
