//! Suites against a real account: a desk behind HTTP that outlives them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsorch::secret::StaticSecrets;
use opsorch::transport::{Method, Reply, Request, Transport};
use opsorch::{Clock, Error, ManualClock, Operation, Result, async_trait};
use opsorch_testkit::Conformance;
use opsorch_testkit::conformance::{Live, Outcome, Report};
use opsorch_testkit::double::{Double, SECRET, Server};
use serde_json::Value;

use crate::desk::{self, DeskDouble};
use crate::flaw::desk_flaw;

/// A desk with people's tickets, and what was asked of it.
pub struct Account {
    server: Server,
    clock: ManualClock,
    asked: Arc<Mutex<Vec<(Request, Reply)>>>,
}

struct Watched {
    desk: DeskDouble,
    asked: Arc<Mutex<Vec<(Request, Reply)>>>,
}

impl Double for Watched {
    fn answer(&mut self, request: &Request) -> Reply {
        let reply = self.desk.answer(request);
        self.asked.lock().unwrap().push((request.clone(), reply.clone()));
        reply
    }
}

impl Account {
    pub fn open() -> Self {
        let (clock, asked) = (ManualClock::default(), Arc::default());
        let desk = DeskDouble::new(Arc::new(clock.clone()));
        let server = block_on(Server::start(Watched { desk, asked: Arc::clone(&asked) }));
        Self { server, clock, asked }
    }

    pub fn live(&self) -> Live {
        Live::new(self.server.url(), StaticSecrets::new([("DESK_TOKEN", SECRET)])).clock(self.clock.clone())
    }

    /// The requests for changes, with their bodies, and what was answered.
    fn changes(&self) -> Vec<(Request, Value, Reply)> {
        let asked = self.asked.lock().unwrap();
        let changes = asked.iter().filter(|(request, _)| request.method != Method::GET);
        let body = |request: &Request| serde_json::from_slice(&request.body).unwrap_or_default();
        changes.map(|(request, reply)| (request.clone(), body(request), reply.clone())).collect()
    }

    /// The tickets that were opened, by their number and subject.
    fn opened(&self) -> Vec<(String, String)> {
        let is_opened = |request: &Request| request.method == Method::POST && request.url.path() == "/tickets";
        let opened =
            self.changes().into_iter().filter(|(request, _, reply)| is_opened(request) && reply.status.is_success());
        let ticket = |reply: Reply| -> Value { serde_json::from_slice(&reply.body).unwrap() };
        let opened = opened.map(|(_, _, reply)| ticket(reply));
        opened.map(|it| (it["id"].to_string(), it["subject"].as_str().unwrap().to_owned())).collect()
    }

    fn state(&self, id: &str) -> String {
        let ticket: Value = serde_json::from_slice(&self.ask("GET", &format!("tickets/{id}"), "").body).unwrap();
        ticket["state"].as_str().unwrap().to_owned()
    }

    /// Asks as a person would.
    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let mut request = Request::new(method.parse().unwrap(), self.server.url().join(path).unwrap());
        request.headers.insert("authorization", format!("Bearer {SECRET}").parse().unwrap());
        let request = request.body(body.to_owned());
        block_on(async { opsorch::transport::ReqwestTransport::new()?.send(request).await }).unwrap()
    }

    fn leave(&self, subject: &str) -> String {
        let reply = self.ask("POST", "tickets", &serde_json::json!({ "subject": subject }).to_string());
        serde_json::from_slice::<Value>(&reply.body).unwrap()["id"].to_string()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn outcome<'a>(report: &'a Report, id: &str) -> &'a Outcome {
    &report.results.iter().find(|result| result.id == id).unwrap().outcome
}

#[test]
fn an_account_is_only_read_unless_writes_are_allowed() {
    let account = Account::open();
    let report = desk::sound().live(account.live()).run();
    assert!(report.broken().is_empty(), "{report:#?}");
    assert!(account.changes().is_empty());
    assert!(matches!(outcome(&report, "TK-002"), Outcome::Kept { .. }));
    let ignored = |why: &str| Outcome::Ignored(why.to_owned());
    assert_eq!(*outcome(&report, "TK-050"), ignored("live, and writes are not allowed"));
    assert_eq!(*outcome(&report, "TK-101"), ignored("live, and a real vendor is not made to fail"));
    assert_eq!(*outcome(&report, "TK-063"), ignored("live, where time passes by itself"));
}

#[test]
fn what_is_made_in_an_account_says_so_and_is_closed_again() {
    let account = Account::open();
    let report = desk::sound().live(account.live().allow_writes()).run();
    assert!(report.broken().is_empty(), "{report:#?}");
    assert!(matches!(outcome(&report, "TK-050"), Outcome::Kept { .. }), "{:?}", outcome(&report, "TK-050"));
    let opened = account.opened();
    assert!(opened.len() > 10, "{opened:?}");
    for (id, subject) in &opened {
        assert!(["closed", "abandoned"].contains(&account.state(id).as_str()), "{id} is {}", account.state(id));
        assert!(subject.starts_with("opsorch-conformance-") || subject == "answered otherwise", "{subject}");
    }
}

#[test]
fn nothing_is_changed_that_the_suite_did_not_make() {
    let account = Account::open();
    desk::sound().live(account.live().allow_writes()).run();
    let made: BTreeSet<_> = account.opened().into_iter().map(|(id, _)| id).collect();
    for (request, ..) in account.changes() {
        let id = request.url.path_segments().unwrap().nth(1).map(str::to_owned);
        let is_ours = id.as_ref().is_none_or(|id| made.contains(id) || id.starts_with("no-such-"));
        assert!(is_ours, "{} {}", request.method, request.url);
    }
}

#[test]
fn two_runs_make_things_of_different_names() {
    let account = Account::open();
    let names = |from: usize| -> BTreeSet<String> {
        let opened = account.opened();
        opened[from..].iter().map(|(_, subject)| subject.split(' ').next().unwrap().to_owned()).collect()
    };
    desk::sound().live(account.live().allow_writes()).run();
    let (first, count) = (names(0), account.opened().len());
    account.clock.advance(Duration::from_millis(1));
    desk::sound().live(account.live().allow_writes()).run();
    assert!(first.is_disjoint(&names(count)));
}

#[test]
fn what_a_broken_adapter_made_is_closed_too() {
    let account = Account::open();
    let name = "does not tell its vendor the key";
    let report = desk::broken(name, desk_flaw(name).unwrap()).live(account.live().allow_writes()).run();
    assert!(!report.broken().is_empty());
    let open: Vec<_> = account.opened().into_iter().filter(|(id, _)| account.state(id) != "closed").collect();
    assert!(open.is_empty(), "{open:?}");
}

/// A way to a vendor that takes everything but changes of what is there.
#[derive(Debug)]
struct NoUpdates(opsorch::transport::ReqwestTransport);

#[async_trait]
impl Transport for NoUpdates {
    async fn send(&self, request: Request) -> Result<Reply> {
        match request.method == Method::PATCH {
            true => Err(Error::unexpected("no updates today").not_applied()),
            false => self.0.send(request).await,
        }
    }
}

#[test]
fn what_cannot_be_closed_is_told() {
    let account = Account::open();
    let transport = NoUpdates(block_on(async { opsorch::transport::ReqwestTransport::new().unwrap() }));
    let report = desk::sound().live(account.live().allow_writes().transport(transport)).run();
    let Outcome::Broken(how) = outcome(&report, "TK-051") else { panic!("{report:#?}") };
    assert!(how.contains("leaves something open in the account: ticket.create made"), "{how}");
}

#[test]
fn the_sweeper_closes_what_killed_runs_have_left_open() {
    let account = Account::open();
    let stamp = |time: opsorch::Time| time.to_string().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let (now, hour) = (account.clock.now(), Duration::from_secs(60 * 60));
    let leave = |begun, rest: &str| account.leave(&format!("opsorch-conformance-{}-17-tk-050-1 {rest}", stamp(begun)));
    let old = leave(now - hour * 2, "disk full");
    let young = leave(now - hour / 2, "disk full");
    let somebodys = account.leave("disk full");
    let suite = desk::sound().live(account.live().allow_writes());
    let closed = suite.sweep().unwrap();
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert!(closed[0].starts_with(&format!("ticket {old}: opsorch-conformance-")), "{closed:?}");
    assert_eq!([&old, &young, &somebodys].map(|id| account.state(id)), ["closed", "open", "open"]);
    assert!(suite.sweep().unwrap().is_empty());
}

#[test]
fn nothing_is_swept_without_leave() {
    let account = Account::open();
    assert!(desk::sound().sweep().unwrap_err().to_string().contains("there is no account"));
    let error = desk::sound().live(account.live()).sweep().unwrap_err();
    assert!(error.to_string().contains("allow_writes"), "{error}");
    assert!(account.changes().is_empty());
}

#[test]
fn what_an_account_permits_is_what_is_offered() {
    let account = Account::open();
    let offered = |suite: Conformance| suite.operations().unwrap().contains(Operation::TicketCreate);
    assert!(!offered(desk::sound().live(account.live())));
    assert!(offered(desk::sound().live(account.live().allow_writes())));
}
