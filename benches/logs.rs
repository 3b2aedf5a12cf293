//! What reading a large log file costs: the newest errors, errors that are rare, and a compressed file.
//!
//! `cargo bench -p opsorch-benches --bench logs`. The file has 2 GiB, or as many MiB as `OPSORCH_BENCH_LOG_MIB` says.
//! The memory is the peak of this process, on Linux; the file is written through a buffer of 1 MiB.
#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use opsorch::gate::Decision;
use opsorch::{Action, Actor, BuildEnv, Context, LogEntry, LogQuery, OpsOrch, Page, ProviderConfig, Target, Time};
use opsorch_benches::Random;
use opsorch_benches::results::{Goal, Number, Results};
use opsorch_providers::local::LocalConfig;

const MIB: u64 = 1 << 20;

/// The beginning of the logs, in seconds since 1970, and how many lines they have in each second.
const BEGIN: u64 = 1_764_547_200;
const LINES_PER_SECOND: u64 = 50;

#[tokio::main]
async fn main() {
    let mut results = Results::of("logs");
    let size = std::env::var("OPSORCH_BENCH_LOG_MIB").map_or(2048, |size| size.parse().unwrap()) * MIB;
    // The temporary folder of the system may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plain = folder.path().join("app.log");
    let started = Instant::now();
    let lines = write(&mut File::create(&plain).unwrap(), size);
    println!("written: {} MiB, {lines} lines, 0.1 % errors     {:>8.1} s", size / MIB, started.elapsed().as_secs_f64());
    let memory = peak_memory();

    let reader = Reader::open(&plain).await;
    let (page, took) = reader.page(errors().limit(100)).await;
    assert!(!page.items.is_empty());
    report("newest 100 errors", took, &format!("{} found, {memory} → {} MiB at most", page.items.len(), peak_memory()));
    let file = format!("a file of {} MiB", size / MIB);
    results.add(Number::new(format!("newest 100 errors of {file}"), took.as_secs_f64(), "s").goal(Goal::Most(1.0)));
    results.add(Number::new("memory for it, at most", peak_memory() as f64, "MiB").goal(Goal::Most(50.0)));

    let (mut pages, mut total, mut longest, mut query) =
        (0, Duration::ZERO, Duration::ZERO, errors().search("first line"));
    loop {
        let (page, took) = reader.page(query.clone()).await;
        (pages, total, longest) = (pages + 1, total + took, longest.max(took));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break assert_eq!(page.items.len(), 1),
        }
    }
    let rate = size as f64 / MIB as f64 / total.as_secs_f64();
    let detail = format!(
        "{pages} pages, the longest {:.2} s, {rate:.0} MiB/s, {} MiB at most",
        longest.as_secs_f64(),
        peak_memory()
    );
    report("one error at the beginning", total, &detail);
    results.add(Number::new(format!("one error at the beginning of {file}"), rate, "MiB/s"));
    results.add(Number::new("the longest of its pages", longest.as_secs_f64(), "s"));

    let compressed = folder.path().join("app.log.1.gz");
    let mut encoder = GzEncoder::new(File::create(&compressed).unwrap(), Compression::fast());
    write(&mut encoder, size / 8);
    encoder.finish().unwrap();
    let (page, took) = Reader::open(&compressed).await.page(errors().limit(100)).await;
    let stored = fs::metadata(&compressed).unwrap().len();
    let detail = format!(
        "{} found, {} MiB of {} MiB, {} MiB at most",
        page.items.len(),
        stored / MIB,
        size / 8 / MIB,
        peak_memory()
    );
    report("newest 100 errors, compressed", took, &detail);
    let what = format!("newest 100 errors of {} MiB, compressed", size / 8 / MIB);
    results.add(Number::new(what, took.as_secs_f64(), "s"));
    results.write();
}

fn report(what: &str, took: Duration, detail: &str) {
    println!("{what:<45} {:>8.3} s   {detail}", took.as_secs_f64());
}

fn errors() -> LogQuery {
    LogQuery::new(Time::UNIX_EPOCH, "2100-01-01T00:00:00Z".parse().unwrap()).severity("error")
}

struct Reader(OpsOrch, Context);

impl Reader {
    async fn open(path: &Path) -> Self {
        let config = LocalConfig::new(path.with_extension("data")).metrics(false).log(path.to_string_lossy());
        let provider = config.build(&"here".into(), &BuildEnv::new()).await.unwrap();
        let builder = OpsOrch::builder().provider(provider).without_layers();
        let policy = |_: &Context, _: &Target, _: &Action| Decision::allow("a benchmark");
        Self(builder.policy(policy).build().await.unwrap(), Context::new(Actor::agent("bench")))
    }

    async fn page(&self, query: LogQuery) -> (Page<LogEntry>, Duration) {
        let started = Instant::now();
        let page = self.0.logs(&self.1).query(query).await.unwrap();
        assert!(page.is_complete() || page.next.is_some());
        (page, started.elapsed())
    }
}

/// Writes lines of one service, the first of which is an error with words of its own; returns how many.
fn write(to: &mut impl Write, size: u64) -> u64 {
    let mut to = BufWriter::with_capacity(1 << 20, to);
    let (mut written, mut lines, mut numbers) = (0, 0, Random::new(0x9e37_79b9_7f4a_7c15));
    let (mut second, mut stamp) = (0, String::new());
    while written < size {
        let random = numbers.number();
        let at = BEGIN + lines / LINES_PER_SECOND;
        if at != second {
            (second, stamp) = (at, Time::from_timestamp(i64::try_from(at).unwrap(), 0).unwrap().to_rfc3339());
        }
        let (severity, text) = match lines {
            0 => ("ERROR", "first line"),
            _ if random % 1000 == 0 => ("ERROR", "request failed"),
            _ => (" INFO", "request done"),
        };
        let line = format!(
            "{stamp} {severity} shop-api {text} id={random:016x} user={} took={}ms\n",
            random % 9973,
            random % 700
        );
        to.write_all(line.as_bytes()).unwrap();
        written += u64::try_from(line.len()).unwrap();
        lines += 1;
    }
    to.flush().unwrap();
    lines
}

/// The most memory that this process has had, in MiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or_default() / 1024
}
