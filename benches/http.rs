//! What the HTTP surface costs: the processor time of the server for each `POST /incidents/query`, how long callers wait,
//! its memory, and whether one slow answer holds up the next.
//!
//! `cargo bench -p opsorch-benches --bench http`. The client is `wrk`, which Debian has under that name; this program, called with
//! `serve`, is each of the servers, which have one thread and tell their own processor time and memory. They take turns: a bare axum handler that returns the
//! same bytes, made before; a handler as one writes it by hand over the same vendor; and OpsOrch's router with a credential, a
//! limit of requests and the layers that are there by default. The vendor is in memory; what it costs itself, and through
//! [`OpsOrch::query`] without HTTP, stands beside.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use opsorch::capability::IncidentReader;
use opsorch::http::{Authentication, Options, RateLimit, Server, router_with};
use opsorch::secret::Secret;
use opsorch::transport::{Bytes, Url};
use opsorch::{
    Actor, Context, Incident, IncidentId, IncidentQuery, OpsOrch, Page, Provider, Result, SystemClock, Time,
};
use opsorch_benches::results::{Goal, Number, Results};
use opsorch_benches::{cpu_seconds, least};
use opsorch_testkit::MemoryProvider;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// The allocator of `examples/control_plane.rs`. Every server here has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each server has its turn, of a second each; the best counts, because everything else on the machine only slows it
/// down.
const ROUNDS: usize = 9;
const CONNECTIONS: usize = 64;

/// The vendor that is waited for.
const WAIT: Duration = Duration::from_millis(20);

/// The requests after which memory is looked at again.
const MANY: f64 = 200_000.0;

/// What is aimed at: the processor time and the 99th percentile beside the bare handler's, the time of all callers that wait
/// beside one wait, and the megabytes that many requests may leave behind.
const GOAL: f64 = 1.3;
const GOAL_P99: f64 = 1.33;
const GOAL_CALLERS: f64 = 2.0;
const GOAL_MEMORY: f64 = 1.0;

/// A size of the answer, and the microseconds that are aimed at.
struct Size {
    incidents: usize,
    goal: f64,
}

const SIZES: [Size; 3] =
    [Size { incidents: 1, goal: 10.0 }, Size { incidents: 100, goal: 80.0 }, Size { incidents: 1_000, goal: 800.0 }];

/// How many incidents are read for each measurement without HTTP.
const ALONE: usize = 200_000;

const HEADINGS: &str = "\
processor time in us for each request; latency in us with 64 connections; best of 9 rounds; ! is a goal missed
ratio: to the bare handler, 1.3 at most is the goal, 1.33 of the 99th percentile

                    |      without HTTP |                  server                |       p50       |           p99
incidents        KB |    vendor   query |    bare by hand opsorch     goal  ratio |    bare opsorch |    bare opsorch  ratio";

const TOKEN: &str = "the-credential-of-the-benchmark";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, serve, surface, number] = &arguments[..]
        && serve == "serve"
    {
        return serve_until_told(surface, number.parse().unwrap());
    }
    let runtime = one_thread();
    let mut results = Results::of("http");
    println!("{HEADINGS}");
    SIZES.iter().for_each(|size| costs(&runtime, size, &mut results));
    memory(&mut results);
    callers(&mut results);
    results.write();
}

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One row: what each of the servers takes for an answer of this size.
fn costs(runtime: &Runtime, size: &Size, results: &mut Results) {
    let [bare, by_hand, ours] = turns(size);
    let bytes = runtime.block_on(answer(size.incidents)).len();
    keep(size, &bare, &ours, results);
    let (vendor, query) = alone(runtime, size);
    let (ratio, slower) = (ours.processor / bare.processor, ours.p99 / bare.p99);
    print!("{:>9} {:>9.1} | {vendor:>9.1} {query:>7.1} ", size.incidents, bytes as f64 / 1e3);
    print!("| {:>7.1} {:>7.1} {:>7.1} ", bare.processor, by_hand.processor, ours.processor);
    print!("{:>7}{} {ratio:>6.2}{} ", size.goal, mark(ours.processor, size.goal), mark(ratio, GOAL));
    print!("| {:>7.0} {:>7.0} ", bare.p50, ours.p50);
    println!("| {:>7.0} {:>7.0} {slower:>6.2}{}", bare.p99, ours.p99, mark(slower, GOAL_P99));
}

/// The best turns of a bare handler, one by hand and OpsOrch's.
fn turns(size: &Size) -> [Round; 3] {
    let mut servers = ["bare", "by-hand", "opsorch"].map(|surface| Process::start(surface, size.incidents));
    let mut best = [Round::WORST; 3];
    for _ in 0..ROUNDS {
        for (server, best) in servers.iter_mut().zip(&mut best) {
            *best = best.or(&round(server, size.incidents));
        }
    }
    best
}

fn keep(size: &Size, bare: &Round, ours: &Round, results: &mut Results) {
    let request = format!("`POST /incidents/query`, {} incidents", size.incidents);
    let number = Number::new(format!("{request}: processor time of the server"), ours.processor, "µs");
    let number = number.beside("a bare handler of the same bytes", bare.processor);
    results.add(number.goal(Goal::MostTimes(GOAL)).goal(Goal::Most(size.goal)));
    let number = Number::new(format!("{request}: 99th percentile of {CONNECTIONS} connections"), ours.p99, "µs");
    results.add(number.beside("a bare handler of the same bytes", bare.p99).goal(Goal::MostTimes(GOAL_P99)));
}

fn mark(value: f64, goal: f64) -> char {
    if value > goal { '!' } else { ' ' }
}

/// What the vendor takes by itself, and through the control plane, without HTTP.
fn alone(runtime: &Runtime, size: &Size) -> (f64, f64) {
    let memory = world(size.incidents);
    let ops = runtime.block_on(plane(memory.provider("tracker")));
    let (cx, query) = (Context::new(Actor::service("bench")), asked(size.incidents));
    let repeats = ALONE / size.incidents;
    let each = |seconds: f64| seconds * 1e6 / repeats as f64;
    let vendor = least(ROUNDS, || {
        for _ in 0..repeats {
            black_box(runtime.block_on(IncidentReader::query(&memory, &cx, black_box(&query))).unwrap());
        }
    });
    let through = least(ROUNDS, || {
        for _ in 0..repeats {
            black_box(runtime.block_on(ops.query(&cx, opsorch::Query::from(query.clone()))).unwrap());
        }
    });
    (each(vendor), each(through))
}

/// What many requests leave behind. The vendor here keeps nothing, where the one in memory keeps a list of its calls.
fn memory(results: &mut Results) {
    println!("\nmemory in MB after one second and after {MANY} requests; growth of {GOAL_MEMORY} at most is the goal");
    for (name, surface, number) in [("bare", "bare", 1), ("opsorch", "waiting", 0)] {
        let mut server = Process::start(surface, number);
        let mut requests = load(server.port, 1).requests;
        let few = server.spent().memory;
        while requests < MANY {
            requests += load(server.port, 1).requests;
        }
        let many = server.spent().memory;
        let growth = many - few;
        println!("{name:>9} {few:>9.2} {many:>9.2} {growth:>+9.2}{}", mark(growth, GOAL_MEMORY));
        let number = Number::new(format!("memory that {MANY} requests leave behind, {name}"), growth, "MB");
        results.add(number.goal(Goal::Most(GOAL_MEMORY)));
    }
}

/// Whether callers of a vendor that takes its time wait for each other.
fn callers(results: &mut Results) {
    let server = Process::start("waiting", usize::try_from(WAIT.as_millis()).unwrap());
    let wait = WAIT.as_secs_f64() * 1e3;
    let slowest = (0..ROUNDS).map(|_| load(server.port, 1).p99 / 1e3).fold(f64::INFINITY, f64::min);
    let (times, missed) = (slowest / wait, mark(slowest / wait, GOAL_CALLERS));
    println!("\n{CONNECTIONS} callers of a vendor that takes {wait} ms: {slowest:.1} ms for 99 of 100");
    println!(
        "{times:.2} times one answer{missed}; {GOAL_CALLERS} at most is the goal, one after another it were {CONNECTIONS}"
    );
    let number = Number::new(format!("{CONNECTIONS} callers of a vendor that waits, 99 of 100"), slowest, "ms");
    results.add(number.beside("one wait", wait).goal(Goal::MostTimes(GOAL_CALLERS)));
}

/// A turn of one server: microseconds.
#[derive(Clone, Copy)]
struct Round {
    processor: f64,
    p50: f64,
    p99: f64,
}

impl Round {
    const WORST: Self = Self { processor: f64::INFINITY, p50: f64::INFINITY, p99: f64::INFINITY };

    fn or(&self, other: &Self) -> Self {
        Self {
            processor: self.processor.min(other.processor),
            p50: self.p50.min(other.p50),
            p99: self.p99.min(other.p99),
        }
    }
}

fn round(server: &mut Process, incidents: usize) -> Round {
    let before = server.spent().processor;
    let Load { requests, p50, p99 } = load(server.port, incidents);
    let processor = (server.spent().processor - before) * 1e6 / requests;
    Round { processor, p50, p99 }
}

/// What came of a second of requests: how many were answered, and how long that took, in microseconds.
struct Load {
    requests: f64,
    p50: f64,
    p99: f64,
}

/// Asks for a second, over all connections at once.
fn load(port: u16, incidents: usize) -> Load {
    let script = NamedTempFile::new().unwrap();
    let body = asked_body(incidents);
    writeln!(&script, "wrk.method, wrk.body = 'POST', '{body}'").unwrap();
    writeln!(&script, "wrk.headers['authorization'] = 'Bearer {TOKEN}'").unwrap();
    writeln!(&script, "wrk.headers['content-type'] = 'application/json'\n{REPORT}").unwrap();
    let connections = CONNECTIONS.to_string();
    let wrk = Command::new("wrk")
        .args(["--threads", "1", "--duration", "1s", "--connections", &connections, "--script"])
        .arg(script.path())
        .arg(format!("http://127.0.0.1:{port}/incidents/query"))
        .output();
    let said = String::from_utf8(wrk.expect("wrk is installed: apt-get install wrk").stdout).unwrap();
    let numbers: Vec<f64> = said.lines().last().unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
    let [requests, failed, p50, p99] = numbers[..] else { panic!("wrk said: {said}") };
    assert_eq!(failed, 0.0, "{said}");
    Load { requests, p50, p99 }
}

/// Makes `wrk` end with a line of numbers.
const REPORT: &str = "
function done(summary, latency)
    local errors, failed = summary.errors, 0
    for _, count in pairs(errors) do failed = failed + count end
    print(summary.requests .. ' ' .. failed .. ' ' .. latency:percentile(50) .. ' ' .. latency:percentile(99))
end
";

/// A server in a process of its own, which ends with this value.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    port: u16,
}

/// What a process has used until now: seconds of all cores, and megabytes.
struct Spent {
    processor: f64,
    memory: f64,
}

impl Process {
    fn start(surface: &str, number: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["serve", surface, &number.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut process = Self { child, stdin, stdout, port: 0 };
        process.port = process.line().parse().unwrap();
        process
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn spent(&mut self) -> Spent {
        self.stdin.as_ref().unwrap().write_all(b"\n").unwrap();
        let line = self.line();
        let (processor, memory) = line.split_once(' ').unwrap();
        Spent { processor: processor.parse().unwrap(), memory: memory.parse().unwrap() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        self.child.wait().unwrap();
    }
}

/// A server: says its port, then at each line what it has used, and ends with its input.
fn serve_until_told(surface: &str, number: usize) {
    let runtime = one_thread();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let router = runtime.block_on(router(surface, number));
    println!("{}", listener.local_addr().unwrap().port());
    std::thread::spawn(|| {
        std::io::stdin().lock().lines().for_each(|_| println!("{} {}", cpu_seconds(), resident()));
        std::process::exit(0);
    });
    runtime.block_on(async {
        if matches!(surface, "bare" | "by-hand") {
            let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
            axum::serve(listener, router).await.unwrap();
        } else {
            Server::new(listener, router).run(std::future::pending()).await;
        }
    });
}

/// The memory of this process in megabytes, as Linux counts it.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")).unwrap();
    kilobytes.trim().parse::<f64>().unwrap() / 1e3
}

/// The router of a surface; `number` is of incidents, or of the milliseconds that the vendor takes.
async fn router(surface: &str, number: usize) -> Router {
    match surface {
        "bare" => {
            let reply = answer(number).await;
            let handler = |_: Bytes| async move { ([(CONTENT_TYPE, "application/json")], reply) };
            Router::new().route("/incidents/query", post(handler))
        }
        "by-hand" => Router::new().route("/incidents/query", post(by_hand)).with_state(world(number)),
        "waiting" => {
            let wait = Duration::from_millis(number.try_into().unwrap());
            control_plane(Provider::new("tracker").with_incident_reader(Arc::new(Waiting(wait)))).await
        }
        _ => control_plane(world(number).provider("tracker")).await,
    }
}

/// The body that the control plane answers with.
async fn answer(incidents: usize) -> Bytes {
    let request = axum::http::Request::post("/incidents/query")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Body::from(asked_body(incidents)))
        .unwrap();
    let reply = control_plane(world(incidents).provider("tracker")).await.oneshot(request).await.unwrap();
    axum::body::to_bytes(reply.into_body(), usize::MAX).await.unwrap()
}

/// A handler as one writes it without this library.
async fn by_hand(State(memory): State<MemoryProvider>, Json(query): Json<IncidentQuery>) -> Json<Vec<Incident>> {
    let cx = Context::new(Actor::service("bench"));
    Json(IncidentReader::query(&memory, &cx, &query).await.unwrap().items)
}

async fn control_plane(vendor: Provider) -> Router {
    let auth = Authentication::builder().bearer_token(Secret::new(TOKEN)).build().unwrap();
    let unreached = RateLimit::new(1_000_000, Duration::from_secs(1)).unwrap();
    router_with(&plane(vendor).await, auth, Options::new().rate_limit(unreached))
}

async fn plane(vendor: Provider) -> OpsOrch {
    OpsOrch::builder().provider(vendor).build().await.unwrap()
}

/// A vendor that takes its time, and keeps nothing.
#[derive(Debug)]
struct Waiting(Duration);

#[async_trait]
impl IncidentReader for Waiting {
    async fn query(&self, _: &Context, _: &IncidentQuery) -> Result<Page<Incident>> {
        if !self.0.is_zero() {
            tokio::time::sleep(self.0).await;
        }
        Ok(Page::new(vec![incident(1)]))
    }

    async fn get(&self, _: &Context, id: &IncidentId) -> Result<Incident> {
        let mut incident = incident(1);
        incident.id = id.clone();
        Ok(incident)
    }
}

fn world(incidents: usize) -> MemoryProvider {
    let memory = MemoryProvider::new(SystemClock);
    (1..=incidents).for_each(|number| memory.seed_incident(incident(number)));
    memory
}

/// An incident with what most vendors say about one.
fn incident(number: usize) -> Incident {
    let opened = Time::from_timestamp_secs(1_767_225_600).unwrap();
    let url: Url = format!("https://tracker.example.org/incidents/inc-{number}").parse().unwrap();
    Incident::new(format!("inc-{number}"), format!("checkout answers slowly in zone {}", number % 9), "open", "high")
        .description("The 99th percentile of checkout has been above two seconds for ten minutes.")
        .service("checkout")
        .url(url)
        .created_at(opened)
        .updated_at(opened)
        .field("priority", "P2")
        .field("escalation", "payments")
}

fn asked(incidents: usize) -> IncidentQuery {
    IncidentQuery::new().limit(u32::try_from(incidents).unwrap())
}

fn asked_body(incidents: usize) -> String {
    format!(r#"{{"limit":{incidents}}}"#)
}
