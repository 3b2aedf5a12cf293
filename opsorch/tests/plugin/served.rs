//! A provider served as a plugin, spoken to over raw pipes and through the host.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use opsorch::capability::{Reconciled, Reconciler, TicketReader, TicketWriter};
use opsorch::gate::{Approved, digest};
use opsorch::plugin::{PluginConfig, Protocol, progress};
use opsorch::{
    Action, Context, CreateTicket, Cursor, Error, ErrorKind, Operation, Page, Provider, Result, Scope, Submitted,
    Target, Ticket, TicketId, TicketQuery, UpdateTicket,
};
use serde_json::{Value, json};

use crate::support::{agent, assert_gone, get, get_within, plane_over, this_program, token};
use crate::trials;

trials!(
    a_write_whose_digest_does_not_match_its_input_is_refused,
    a_write_without_an_approval_is_refused,
    a_write_for_another_provider_is_refused,
    a_served_provider_works_through_the_host_in_both_protocols,
    a_host_of_the_line_protocol_is_understood,
    a_host_of_the_line_protocol_gets_the_whole_list_or_an_error,
    what_became_of_a_change_is_told,
    what_becomes_of_a_change_that_is_worked_on_is_unknown,
    nothing_but_the_protocol_reaches_standard_output,
    what_is_no_request_is_answered_and_survived,
    calls_are_worked_on_at_the_same_time,
    a_read_tells_how_far_it_is_and_can_be_cancelled,
    what_was_begun_is_finished_when_the_host_goes,
    a_thousand_calls_are_all_answered,
    it_does_not_run_by_hand,
);

/// A tracker with one ticket. It prints where no plugin should.
#[derive(Debug)]
pub(crate) struct Desk;

pub(crate) fn tracker() -> Provider {
    let provider = Provider::new("tracker").with_ticket_reader(Arc::new(Desk)).with_ticket_writer(Arc::new(Desk));
    provider.idempotent_by_key([Operation::TicketCreate]).with_reconciler(Arc::new(Desk))
}

#[async_trait]
impl Reconciler for Desk {
    async fn reconcile(&self, cx: &Context, action: &Action, key: &str) -> Result<Reconciled> {
        let Action::TicketCreate(input) = action else { return Ok(Reconciled::Unknown) };
        Ok(match input.title.as_str() {
            "lost" => Reconciled::Applied(Ticket::new("T-3", "lost", "todo").into()),
            "asked" => Reconciled::Applied(Ticket::new("T-4", key, cx.actor().identity.subject.as_str()).into()),
            _ => Reconciled::NotApplied,
        })
    }
}

#[async_trait]
impl TicketReader for Desk {
    /// One ticket, and then none; or as many as the text says, two at a time.
    async fn query(&self, _: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        let text = query.query.as_deref();
        let (all, most) = match text {
            Some("endless") => (usize::MAX, 1000),
            Some(many) => (many.parse().unwrap_or(3), 2),
            None => (1, 1),
        };
        let from: usize = query.cursor.as_ref().map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let limit = query.limit.map_or(most, |limit| most.min(limit.try_into().unwrap()));
        let to = all.min(from + limit);
        let tickets = (from..to).map(|index| Ticket::new(format!("T-{}", index + 1), "disk full", "todo")).collect();
        let more = to < all || (text.is_none() && from == 0);
        let page = Page::new(tickets).next(more.then(|| Cursor::new(to.to_string())));
        Ok(if text == Some("cut") { page.truncated("the vendor keeps three") } else { page })
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        match id.as_str() {
            "T-1" => Ok(Ticket::new("T-1", "disk full", "todo")),
            "prints" => {
                println!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"id\":\"forged\"}}}}");
                Ok(Ticket::new(id, "printed", "todo"))
            }
            "panics" => panic!("a bug of this provider"),
            "slow" => {
                progress("half way", Some(0.5));
                tokio::time::sleep(cx.remaining().unwrap_or_default() + Duration::from_secs(60)).await;
                Ok(Ticket::new(id, "slow", "todo"))
            }
            "brief" => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(Ticket::new(id, "brief", "todo"))
            }
            many if many.starts_with("M-") => {
                tokio::task::yield_now().await;
                Ok(Ticket::new(id, format!("title of {many}"), "todo"))
            }
            other => Err(Error::not_found(format!("there is no ticket {other}"))),
        }
    }
}

#[async_trait]
impl TicketWriter for Desk {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        if input.title == "lost" {
            return Err(Error::new(ErrorKind::Unavailable, "the vendor hung up"));
        }
        if input.title == "brief" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let people: Vec<_> = input.approved_by().iter().map(|person| person.identity.subject.clone()).collect();
        let ticket = Ticket::new("T-2", &input.title, "todo");
        Ok(if people.is_empty() { ticket } else { ticket.description(people.join(", ")) })
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        Ok(Ticket::new(&input.id, input.idempotency_key(), "todo"))
    }
}

pub(crate) fn child(_: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(opsorch::plugin::serve(tracker())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// A host that writes what it likes.
pub(crate) struct Raw {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Raw {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(this_program());
        command.args(["child", "serve", "-", "raw"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn initialized() -> Self {
        let mut raw = Self::start();
        let params = json!({ "versions": [2], "host": { "name": "raw", "version": "0" }, "provider": "tracker" });
        let reply =
            raw.ask(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string());
        assert_eq!(reply["result"]["version"], 2, "{reply}");
        raw
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        serde_json::from_str(&self.read()).unwrap()
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn close(mut self) {
        self.stdin = None;
        assert_eq!(self.read(), "");
        assert!(self.child.wait().unwrap().success());
    }
}

fn create(title: &str, approval: Option<Value>) -> String {
    let mut params = json!({
        "input": { "title": title }, "timeoutMs": 1000,
        "context": { "requestId": "r", "actor": {
            "identity": { "issuer": "local", "subject": "triage" }, "kind": "agent", "authentication": "test",
        } },
    });
    if let Some(approval) = approval {
        params["approval"] = approval;
    }
    json!({ "jsonrpc": "2.0", "id": 1, "method": "ticket.create", "params": params }).to_string()
}

fn approval(title: &str, provider: &str) -> Value {
    let target = Target::new(provider, "plugin", "f", Scope::new());
    let (digest, _) = digest(&target, &Action::TicketCreate(CreateTicket::new(title))).unwrap();
    json!({ "grant": "g", "digest": digest, "target": target, "idempotencyKey": "k" })
}

#[track_caller]
fn assert_denied(reply: &Value) {
    assert_eq!(reply["error"]["data"]["code"], "denied", "{reply}");
    assert_eq!(reply["error"]["data"]["mayHaveApplied"], false, "{reply}");
}

async fn a_write_whose_digest_does_not_match_its_input_is_refused() {
    let mut raw = Raw::initialized();
    assert_denied(&raw.ask(&create("something else", Some(approval("disk full", "tracker")))));
    let mut other_target = approval("disk full", "tracker");
    other_target["target"]["fingerprint"] = "g".into();
    assert_denied(&raw.ask(&create("disk full", Some(other_target))));
    let reply = raw.ask(&create("disk full", Some(approval("disk full", "tracker"))));
    assert_eq!(reply["result"]["title"], "disk full", "{reply}");
    raw.close();
}

async fn a_write_without_an_approval_is_refused() {
    let mut raw = Raw::initialized();
    assert_denied(&raw.ask(&create("disk full", None)));
    let reply = raw.ask(&create("disk full", Some(json!({ "grant": "g" }))));
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
    raw.close();
}

async fn a_write_for_another_provider_is_refused() {
    let mut raw = Raw::initialized();
    assert_denied(&raw.ask(&create("disk full", Some(approval("disk full", "tracker-eu")))));
    raw.close();
}

fn served(protocol: Protocol, token: &str) -> PluginConfig {
    let config = PluginConfig::new(this_program()).arg("child").arg("serve").arg("-").arg(token);
    config.protocol(protocol).operation("ticket.*").timeout(crate::support::CALL)
}

async fn a_served_provider_works_through_the_host_in_both_protocols() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = plane_over(served(protocol, &token)).await.unwrap();
        assert_eq!(get(&ops, "T-1").await.unwrap().title, "disk full");
        let error = get(&ops, "T-9").await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("there is no ticket T-9"), "{error}");
        assert_eq!(*get(&ops, "panics").await.unwrap_err().kind(), {
            if protocol == Protocol::Two { ErrorKind::Unexpected } else { ErrorKind::Unavailable }
        });
        let page = ops.tickets(&agent()).query(TicketQuery::new()).await.unwrap();
        assert_eq!((page.items.len(), page.is_complete()), (1, protocol == Protocol::Legacy));
        let created = ops.tickets(&agent()).create(CreateTicket::new("disk full")).await.unwrap();
        assert!(matches!(created, Submitted::Done(ticket) if ticket.title == "disk full"));
        let updated = ops.tickets(&agent()).update(UpdateTicket::new("T-1").title("x")).await.unwrap();
        let Submitted::Done(ticket) = updated else { panic!("nobody is asked") };
        assert_eq!((ticket.id.as_str(), ticket.provider.as_ref().unwrap().as_str()), ("T-1", "tracker"));
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn a_host_of_the_line_protocol_is_understood() {
    let mut raw = Raw::start();
    let unknown = raw.ask(r#"{"method":"ticket.fly","config":{},"payload":null}"#);
    assert_eq!(unknown["error"], json!({ "code": "unsupported", "message": "unknown method: ticket.fly" }));
    let list = raw.ask(r#"{"method":"ticket.query","config":{},"payload":{"scope":{}}}"#);
    assert_eq!(list, json!({ "result": [{ "id": "T-1", "title": "disk full", "status": "todo" }] }));
    let params = raw.ask(r#"{"method":"ticket.get","params":{"id":"T-1"}}"#);
    assert_eq!(params["result"]["id"], "T-1");
    let missing = raw.ask(r#"{"method":"ticket.get","config":{},"payload":{"id":"T-9"}}"#);
    assert_eq!(missing["error"]["code"], "not_found");
    let updated = raw.ask(r#"{"method":"ticket.update","config":{},"payload":{"id":"T-1","input":{"title":"x"}}}"#);
    assert_eq!(updated["result"]["id"], "T-1");
    let garbage = raw.ask("{]");
    assert_eq!(garbage["error"]["code"], "bad_request");
    raw.close();
}

async fn a_host_of_the_line_protocol_gets_the_whole_list_or_an_error() {
    let mut raw = Raw::start();
    let mut list = |text: &str, limit: Option<u32>| {
        let payload = json!({ "query": text, "scope": {}, "limit": limit });
        raw.ask(&json!({ "method": "ticket.query", "config": {}, "payload": payload }).to_string())
    };
    let ids = |reply: &Value| -> Vec<String> {
        let items = reply["result"].as_array().unwrap_or_else(|| panic!("{reply}"));
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["T-1", "T-2", "T-3", "T-4", "T-5", "T-6", "T-7"];
    assert_eq!(ids(&list("7", None)), all, "page after page");
    assert_eq!(ids(&list("7", Some(7))), all);
    assert_eq!(ids(&list("7", Some(50))), all);
    assert_eq!(ids(&list("7", Some(3))), all[..3], "no more than asked for");
    assert_eq!(ids(&list("endless", Some(2500))).len(), 2500);
    let endless = list("endless", None);
    assert_eq!(endless["error"]["code"], "bad_request", "{endless}");
    assert!(endless["error"]["message"].as_str().unwrap().contains("say a limit"), "{endless}");
    let cut = list("cut", Some(50));
    assert_eq!(cut["error"]["code"], "unsupported", "{cut}");
    assert!(cut["error"]["message"].as_str().unwrap().contains("the vendor keeps three"), "{cut}");
    assert_eq!(ids(&list("cut", Some(3))), all[..3], "who has what was asked for misses nothing");
    raw.close();
}

async fn what_became_of_a_change_is_told() {
    let mut raw = Raw::initialized();
    let mut ask = |operation: &str, input: Value| {
        let actor = json!({
            "identity": { "issuer": "local", "subject": "triage" }, "kind": "agent", "authentication": "test",
        });
        let params = json!({
            "operation": operation, "input": input, "idempotencyKey": "k-7", "timeoutMs": 1000,
            "context": { "requestId": "r", "actor": actor },
        });
        raw.ask(&json!({ "jsonrpc": "2.0", "id": 9, "method": "reconcile", "params": params }).to_string())
    };
    let applied = ask("ticket.create", json!({ "title": "asked" }));
    assert_eq!(
        applied["result"],
        json!({ "outcome": "applied", "output": { "id": "T-4", "title": "k-7", "status": "triage" } })
    );
    assert_eq!(ask("ticket.create", json!({ "title": "x" }))["result"], json!({ "outcome": "notApplied" }));
    assert_eq!(ask("ticket.update", json!({ "id": "T-1" }))["result"], json!({ "outcome": "unknown" }));
    assert_eq!(ask("ticket.get", json!("T-1"))["error"]["code"], -32602, "a read has no outcome");
    raw.close();
}

async fn what_becomes_of_a_change_that_is_worked_on_is_unknown() {
    let mut raw = Raw::initialized();
    let change = create("brief", Some(approval("brief", "tracker")));
    let mut params: Value = serde_json::from_str(&change).unwrap();
    params = params["params"].take();
    let mut look = |key: &str| {
        (params["operation"], params["idempotencyKey"]) = ("ticket.create".into(), key.into());
        json!({ "jsonrpc": "2.0", "id": 9, "method": "reconcile", "params": params }).to_string()
    };
    // In one piece, so that the change is under way when it is asked.
    let asked = raw.ask(&format!("{change}\n{}", look("k")));
    assert_eq!((&asked["id"], &asked["result"]), (&json!(9), &json!({ "outcome": "unknown" })), "{asked}");
    let made: Value = serde_json::from_str(&raw.read()).unwrap();
    assert_eq!((&made["id"], &made["result"]["title"]), (&json!(1), &json!("brief")), "{made}");
    assert_eq!(raw.ask(&look("k"))["result"], json!({ "outcome": "notApplied" }), "then the vendor is asked");
    raw.say(&change.replace("\"id\":1", "\"id\":2"));
    assert_eq!(
        raw.ask(&look("other"))["result"],
        json!({ "outcome": "notApplied" }),
        "another change is another one's"
    );
    assert_eq!(serde_json::from_str::<Value>(&raw.read()).unwrap()["id"], 2);
    raw.close();
}

async fn nothing_but_the_protocol_reaches_standard_output() {
    let token = token();
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let ops = plane_over(served(protocol, &token)).await.unwrap();
        assert_eq!(get(&ops, "prints").await.unwrap().title, "printed");
        drop(ops);
    }
    assert_gone(&token).await;
}

async fn what_is_no_request_is_answered_and_survived() {
    let mut raw = Raw::initialized();
    assert_eq!(raw.ask("nonsense")["error"]["code"], -32700);
    assert_eq!(raw.ask(r#"{"jsonrpc":"2.0","id":7,"method":"ticket.fly"}"#)["error"]["code"], -32601);
    assert_eq!(raw.ask(r#"{"jsonrpc":"2.0","id":8,"method":"log.query"}"#)["error"]["code"], -32601);
    assert_eq!(raw.ask(r#"{"jsonrpc":"2.0","id":9,"method":"ticket.get"}"#)["error"]["code"], -32602);
    assert_eq!(raw.ask(r#"{"jsonrpc":"2.0","id":10,"method":"ping"}"#)["result"], json!({}));
    raw.say(r#"{"jsonrpc":"2.0","method":"cancel","params":{"id":99}}"#);
    raw.say("");
    assert_eq!(raw.ask(r#"{"jsonrpc":"2.0","id":11,"method":"health"}"#)["error"]["code"], -32601);
    raw.close();
}

async fn calls_are_worked_on_at_the_same_time() {
    let token = token();
    let ops = plane_over(served(Protocol::Two, &token)).await.unwrap();
    let slow = get_within(&ops, "slow", Duration::from_millis(500));
    let quick = async {
        for _ in 0..10 {
            assert!(get(&ops, "T-1").await.is_ok());
        }
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert_eq!(*slow.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(get(&ops, "T-1").await.is_ok(), "a slow call is no hang");
    drop(ops);
    assert_gone(&token).await;
}

async fn a_read_tells_how_far_it_is_and_can_be_cancelled() {
    let mut raw = Raw::initialized();
    let progress = raw.ask(&get_line(7, "slow"));
    assert_eq!(progress["method"], "progress", "{progress}");
    assert_eq!(progress["params"], json!({ "id": 7, "message": "half way", "fraction": 0.5 }));
    let cancelled = raw.ask(r#"{"jsonrpc":"2.0","method":"cancel","params":{"id":7}}"#);
    assert_eq!((&cancelled["id"], &cancelled["error"]["code"]), (&json!(7), &json!(-32800)), "{cancelled}");
    raw.close();
}

async fn what_was_begun_is_finished_when_the_host_goes() {
    let mut raw = Raw::initialized();
    raw.say(&get_line(7, "brief"));
    raw.say(r#"{"jsonrpc":"2.0","method":"shutdown"}"#);
    raw.stdin = None;
    let reply: Value = serde_json::from_str(&raw.read()).unwrap();
    assert_eq!(reply["result"]["id"], "brief", "{reply}");
    raw.close();
}

fn get_line(id: u64, ticket: &str) -> String {
    let actor = json!({
        "identity": { "issuer": "local", "subject": "triage" }, "kind": "agent", "authentication": "test",
    });
    let params = json!({ "input": ticket, "timeoutMs": 1000, "context": { "requestId": "r", "actor": actor } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "ticket.get", "params": params }).to_string()
}

async fn a_thousand_calls_are_all_answered() {
    let token = token();
    let ops = plane_over(served(Protocol::Two, &token)).await.unwrap();
    let ids: Vec<String> = (0..1000).map(|call| format!("M-{call}")).collect();
    for (id, ticket) in ids.iter().zip(join_all(ids.iter().map(|id| get(&ops, id))).await) {
        assert_eq!(ticket.unwrap().title, format!("title of {id}"));
    }
    drop(ops);
    assert_gone(&token).await;
}

async fn it_does_not_run_by_hand() {
    let mut command = Command::new(this_program());
    let output = command.args(["child", "serve", "-", "raw"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("this program is a plugin"));
}
