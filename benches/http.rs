//! What the HTTP surface costs: the processor time of the server for each `POST /incidents/query`, how long callers wait,
//! its memory, and whether one slow answer holds up the next.
//!
//! `cargo bench -p opsorch-benches --bench http`. This program is the client and, called with `serve`, each of the servers,
//! which have one thread and tell their own processor time and memory. They take turns: a bare axum handler that returns the
//! same bytes, made before; a handler as one writes it by hand over the same vendor; and OpsOrch's router with a credential, a
//! limit of requests and the layers that are there by default. The vendor is in memory; what it costs itself, and through
//! [`OpsOrch::query`] without HTTP, stands beside.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// The allocator of `examples/control_plane.rs`. Every server here has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each server has its turn; the best counts, because everything else on the machine only slows it down.
const ROUNDS: usize = 9;
const CONNECTIONS: usize = 64;

/// The vendor that is waited for.
const WAIT: Duration = Duration::from_millis(20);

/// The requests after which memory is looked at.
const FEW: usize = 1_000;
const MANY: usize = 200_000;

/// What is aimed at: the processor time and the 99th percentile beside the bare handler's, the time of all callers that wait
/// beside one wait, and the megabytes that many requests may leave behind.
const GOAL: f64 = 1.3;
const GOAL_P99: f64 = 1.33;
const GOAL_CALLERS: f64 = 2.0;
const GOAL_MEMORY: f64 = 1.0;

/// A size of the answer: how many requests each connection makes in a round, and the microseconds that are aimed at.
struct Size {
    incidents: usize,
    each: usize,
    goal: f64,
}

const SIZES: [Size; 3] = [
    Size { incidents: 1, each: 400, goal: 10.0 },
    Size { incidents: 100, each: 100, goal: 80.0 },
    Size { incidents: 1_000, each: 16, goal: 800.0 },
];

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
    memory(&runtime, &mut results);
    callers(&runtime, &mut results);
    results.write();
}

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One row: what each of the servers takes for an answer of this size.
fn costs(runtime: &Runtime, size: &Size, results: &mut Results) {
    let [bare, by_hand, ours] = turns(runtime, size);
    keep(size, &bare, &ours, results);
    let (vendor, query) = alone(runtime, size);
    let (ratio, slower) = (ours.processor / bare.processor, ours.p99 / bare.p99);
    print!("{:>9} {:>9.1} | {vendor:>9.1} {query:>7.1} ", size.incidents, bare.bytes as f64 / 1e3);
    print!("| {:>7.1} {:>7.1} {:>7.1} ", bare.processor, by_hand.processor, ours.processor);
    print!("{:>7}{} {ratio:>6.2}{} ", size.goal, mark(ours.processor, size.goal), mark(ratio, GOAL));
    print!("| {:>7.0} {:>7.0} ", bare.p50, ours.p50);
    println!("| {:>7.0} {:>7.0} {slower:>6.2}{}", bare.p99, ours.p99, mark(slower, GOAL_P99));
}

/// The best turns of a bare handler, one by hand and OpsOrch's.
fn turns(runtime: &Runtime, size: &Size) -> [Round; 3] {
    let mut servers = ["bare", "by-hand", "opsorch"].map(|surface| Process::start(surface, size.incidents));
    let mut best = [Round::WORST; 3];
    for _ in 0..ROUNDS {
        for (server, best) in servers.iter_mut().zip(&mut best) {
            *best = best.or(&runtime.block_on(round(server, size)));
        }
    }
    assert_eq!(best[0].bytes, best[2].bytes, "the same answer");
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
    let repeats = size.each * CONNECTIONS;
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
fn memory(runtime: &Runtime, results: &mut Results) {
    println!("\nmemory in MB after {FEW} and {MANY} requests; growth of {GOAL_MEMORY} at most is the goal");
    for (name, surface, number) in [("bare", "bare", 1), ("opsorch", "waiting", 0)] {
        let mut server = Process::start(surface, number);
        let (few, many) = runtime.block_on(async {
            let connections = connect(server.port, asked_body(1)).await;
            let (connections, _) = ask(connections, FEW / CONNECTIONS).await;
            let few = server.spent().memory;
            ask(connections, (MANY - FEW) / CONNECTIONS).await;
            (few, server.spent().memory)
        });
        let growth = many - few;
        println!("{name:>9} {few:>9.2} {many:>9.2} {growth:>+9.2}{}", mark(growth, GOAL_MEMORY));
        let number = Number::new(format!("memory that {MANY} requests leave behind, {name}"), growth, "MB");
        results.add(number.goal(Goal::Most(GOAL_MEMORY)));
    }
}

/// Whether callers of a vendor that takes its time wait for each other.
fn callers(runtime: &Runtime, results: &mut Results) {
    let server = Process::start("waiting", usize::try_from(WAIT.as_millis()).unwrap());
    let all = |_| {
        runtime.block_on(async {
            let connections = connect(server.port, asked_body(1)).await;
            let started = Instant::now();
            ask(connections, 1).await;
            started.elapsed().as_secs_f64()
        })
    };
    let (wait, time) = (WAIT.as_secs_f64(), (0..ROUNDS).map(all).fold(f64::INFINITY, f64::min));
    println!("\n{CONNECTIONS} callers of a vendor that takes {} ms: {:.1} ms for all", wait * 1e3, time * 1e3);
    let (times, missed) = (time / wait, mark(time / wait, GOAL_CALLERS));
    println!(
        "{times:.2} times one answer{missed}; {GOAL_CALLERS} at most is the goal, one after another it were {CONNECTIONS}"
    );
    let number = Number::new(format!("{CONNECTIONS} callers of a vendor that waits, all"), time * 1e3, "ms");
    results.add(number.beside("one wait", wait * 1e3).goal(Goal::MostTimes(GOAL_CALLERS)));
}

/// What a turn of a server came to: microseconds, and the length of an answer.
#[derive(Clone, Copy)]
struct Round {
    processor: f64,
    p50: f64,
    p99: f64,
    bytes: usize,
}

impl Round {
    const WORST: Self = Self { processor: f64::INFINITY, p50: f64::INFINITY, p99: f64::INFINITY, bytes: 0 };

    fn or(&self, other: &Self) -> Self {
        Self {
            processor: self.processor.min(other.processor),
            p50: self.p50.min(other.p50),
            p99: self.p99.min(other.p99),
            bytes: other.bytes,
        }
    }
}

async fn round(server: &mut Process, size: &Size) -> Round {
    let connections = connect(server.port, asked_body(size.incidents)).await;
    let before = server.spent().processor;
    let (connections, mut times) = ask(connections, size.each).await;
    let processor = (server.spent().processor - before) * 1e6 / times.len() as f64;
    times.sort();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
    Round { processor, p50: at(50), p99: at(99), bytes: connections[0].bytes }
}

/// A connection of HTTP/1.1 that is kept, and asks one question after the other.
struct Connection {
    stream: TcpStream,
    request: Arc<str>,
    reply: Vec<u8>,
    /// The length of the last body.
    bytes: usize,
}

impl Connection {
    async fn ask(&mut self) {
        self.stream.write_all(self.request.as_bytes()).await.unwrap();
        self.reply.clear();
        let body_at = loop {
            assert_ne!(self.stream.read_buf(&mut self.reply).await.unwrap(), 0, "the server hung up");
            if let Some(end) = self.reply.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.reply[..body_at]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        self.bytes = length.parse().unwrap();
        while self.reply.len() < body_at + self.bytes {
            assert_ne!(self.stream.read_buf(&mut self.reply).await.unwrap(), 0, "the server hung up");
        }
    }
}

/// Connections that have asked once, so that nothing is made for the first time later.
async fn connect(port: u16, body: String) -> Vec<Connection> {
    let request: Arc<str> = format!(
        "POST /incidents/query HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        connections.push(Connection { stream, request: Arc::clone(&request), reply: Vec::new(), bytes: 0 });
    }
    ask(connections, 1).await.0
}

/// All connections ask at once, so many times each: how long each answer took.
async fn ask(connections: Vec<Connection>, each: usize) -> (Vec<Connection>, Vec<Duration>) {
    let mut asking: JoinSet<_> = connections
        .into_iter()
        .map(|mut connection| async move {
            let mut times = Vec::with_capacity(each);
            for _ in 0..each {
                let started = Instant::now();
                connection.ask().await;
                times.push(started.elapsed());
            }
            (connection, times)
        })
        .collect();
    let (mut connections, mut all) = (Vec::new(), Vec::new());
    while let Some(done) = asking.join_next().await {
        let (connection, times) = done.unwrap();
        connections.push(connection);
        all.extend(times);
    }
    (connections, all)
}

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
            let request = axum::http::Request::post("/incidents/query")
                .header("authorization", format!("Bearer {TOKEN}"))
                .body(Body::from(asked_body(number)))
                .unwrap();
            let reply = control_plane(world(number).provider("tracker")).await.oneshot(request).await.unwrap();
            let reply = axum::body::to_bytes(reply.into_body(), usize::MAX).await.unwrap();
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
