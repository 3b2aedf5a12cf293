//! What it costs that another process answers: the round trip of a call, and how many calls 64 callers get through.
//!
//! This program is the host and, called with `child`, the plugin. Beside each number stands its ratio to that of two bare
//! processes that hand a line of the same length to and fro, because pipes and schedulers differ.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opsorch::capability::TicketReader;
use opsorch::plugin::{PluginConfig, Protocol, serve};
use opsorch::{Actor, Context, OpsOrch, Page, Provider, Result, Ticket, TicketId, TicketQuery};
use opsorch_benches::results::{Goal, Number, Results};

const ROUND_TRIPS: usize = 20_000;
const CALLERS: usize = 64;
const TIME: Duration = Duration::from_secs(2);

/// What is aimed at: microseconds there and back, and calls a second of all callers.
const GOAL: f64 = 20.0;
const GOAL_RATE: f64 = 180_000.0;

/// A vendor that answers at once.
#[derive(Debug)]
struct Instantly;

#[async_trait]
impl TicketReader for Instantly {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Ok(Page::new(vec![Ticket::new("T-1", "disk full", "todo")]))
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        Ok(Ticket::new(id, "disk full", "todo"))
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("child") => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(Provider::new("tracker").with_ticket_reader(Arc::new(Instantly)))).unwrap();
        }
        Some("echo") => echo(),
        _ => measure(),
    }
}

/// Gives each line back.
fn echo() {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        out.write_all(format!("{}\n", line.unwrap()).as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

fn measure() {
    let bare = bare_round_trip();
    println!("{:<42} {:>8.1} us p50", "bare pipes, blocking", bare);
    let mut results = Results::of("plugin");
    for (protocol, name) in [(Protocol::Two, "protocol 2"), (Protocol::Legacy, "line protocol")] {
        for threads in [1, 2] {
            let runtime = runtime(threads);
            let ops = runtime.block_on(plane(protocol));
            let what = format!("{name}, host with {threads} thread(s)");
            alone(&runtime, &ops, bare, &what, &mut results);
            together(&runtime, &ops, bare, &what, &mut results);
        }
    }
    results.write();
}

/// One caller.
fn alone(runtime: &tokio::runtime::Runtime, ops: &OpsOrch, bare: f64, what: &str, results: &mut Results) {
    let (p50, p99) = runtime.block_on(round_trips(ops));
    println!("{what:<42} {p50:>8.1} us p50 {p99:>8.1} us p99 {:>6.1} times bare", p50 / bare);
    let number = Number::new(format!("{what}: there and back, median"), p50, "µs");
    results.add(number.beside("two bare processes", bare).goal(Goal::Most(GOAL)));
}

/// Many callers.
fn together(runtime: &tokio::runtime::Runtime, ops: &OpsOrch, bare: f64, what: &str, results: &mut Results) {
    let (before, own) = (processor("PPid:"), processor("Pid:"));
    let calls = throughput(runtime, ops);
    println!("{:<42} {calls:>8.0} calls/s, {CALLERS} callers {:>6.1} times bare", "", calls * bare / 1e6);
    // What does not depend on who else uses the machine.
    let each = |seconds: f64| seconds * 1e6 / (calls * TIME.as_secs_f64());
    let (host, plugin) = (each(processor("Pid:") - own), each(processor("PPid:") - before));
    let rate = 1e6 / host.max(plugin);
    println!("{:<42} {host:>8.1} us of processor a call, {plugin:.1} us in the plugin: {rate:.0} calls/s", "");
    let number = Number::new(format!("{what}: calls of {CALLERS} callers"), calls, "/s");
    results.add(number.beside("two bare processes, one after the other", 1e6 / bare).goal(Goal::Least(GOAL_RATE)));
    results.add(Number::new(format!("{what}: processor time of a call in the host"), host, "µs"));
    results.add(Number::new(format!("{what}: processor time of a call in the plugin"), plugin, "µs"));
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    match threads {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        _ => tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap(),
    }
}

async fn plane(protocol: Protocol) -> OpsOrch {
    let config = PluginConfig::new(std::env::current_exe().unwrap()).arg("child").protocol(protocol);
    OpsOrch::builder().without_layers().configure("tracker", config.operation("ticket.*")).build().await.unwrap()
}

/// The median in microseconds of what a line and back takes, without anything of this library.
fn bare_round_trip() -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.arg("echo").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let line = format!("{}\n", "x".repeat(200));
    let mut back = String::new();
    let mut times: Vec<Duration> = (0..ROUND_TRIPS)
        .map(|_| {
            let start = Instant::now();
            stdin.write_all(line.as_bytes()).unwrap();
            back.clear();
            stdout.read_line(&mut back).unwrap();
            start.elapsed()
        })
        .collect();
    drop(stdin);
    child.wait().unwrap();
    percentiles(&mut times).0
}

async fn round_trips(ops: &OpsOrch) -> (f64, f64) {
    let cx = Context::new(Actor::agent("bench"));
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        black_box(ops.tickets(&cx).get("T-1").await.unwrap());
        times.push(start.elapsed());
    }
    percentiles(&mut times)
}

fn percentiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).unwrap().as_secs_f64() * 1e6;
    (at(50), at(99))
}

/// Calls a second of callers that each wait for their reply.
fn throughput(runtime: &tokio::runtime::Runtime, ops: &OpsOrch) -> f64 {
    let start = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let ops = ops.clone();
            runtime.spawn(async move {
                let cx = Context::new(Actor::agent("bench"));
                let mut calls = 0_u32;
                while start.elapsed() < TIME {
                    black_box(ops.tickets(&cx).get("T-1").await.unwrap());
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let calls: u32 = runtime.block_on(async {
        let mut all = 0;
        for caller in callers {
            all += caller.await.unwrap();
        }
        all
    });
    f64::from(calls) / start.elapsed().as_secs_f64()
}

/// The processor time, in seconds, of the processes whose own or parent's number is this process's.
fn processor(field: &str) -> f64 {
    /// Ticks of the clock in `/proc/*/stat`, which Linux fixes.
    const TICKS: f64 = 100.0;
    let me = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let mine = all.filter(|path| {
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix(field).is_some_and(|number| number.trim() == me))
    });
    let ticks = mine.map(|path| {
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        let fields: Vec<f64> = stat.split(' ').skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
        fields.iter().sum::<f64>()
    });
    ticks.sum::<f64>() / TICKS
}
