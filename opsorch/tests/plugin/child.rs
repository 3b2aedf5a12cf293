//! The plugin: answers `ticket.get`, and misbehaves over the ticket `bad`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Write, stdin, stdout};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, exit};
use std::time::Duration;

use serde_json::{Value, json};

/// `child two|line BEHAVIOUR TOKEN [FILE]`.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [spoken, behaviour, token, rest @ ..] = arguments else { return ExitCode::from(64) };
    match spoken.as_str() {
        "serve" => return crate::served::child(behaviour),
        "transcript" => return crate::transcripts::child(behaviour, &rest[0]),
        _ => {}
    }
    let mut plugin = Plugin {
        two: spoken == "two",
        behaviour: behaviour.clone(),
        token: token.clone(),
        file: rest.first().cloned(),
        held: Vec::new(),
    };
    if behaviour == "exit-on-start" {
        return ExitCode::from(3);
    }
    if behaviour == "stderr" {
        // The way in which a careless plugin tells all it knows.
        let variables: Vec<_> = std::env::vars().collect();
        eprintln!("arguments {:?} environment {variables:?}", std::env::args().collect::<Vec<_>>());
    }
    if behaviour == "ready" {
        say("{\"ready\":true}\n");
    }
    for line in stdin().lock().lines() {
        let Ok(line) = line else { break };
        plugin.line(&serde_json::from_str(&line).unwrap(), &line);
    }
    if behaviour == "deaf" {
        sleep_for_ever();
    }
    ExitCode::SUCCESS
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}

fn say(text: impl AsRef<[u8]>) {
    let mut out = stdout().lock();
    // A host that is gone is no reason to panic.
    if out.write_all(text.as_ref()).and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}

struct Plugin {
    two: bool,
    behaviour: String,
    token: String,
    file: Option<String>,
    held: Vec<(Value, String)>,
}

impl Plugin {
    fn line(&mut self, call: &Value, text: &str) {
        let method = call["method"].as_str().unwrap();
        let id = &call["id"];
        if self.behaviour == "stderr" {
            eprintln!("got {text}");
        }
        match method {
            "initialize" if self.two => say(format!(
                "{}\n",
                json!({ "jsonrpc": "2.0", "id": 0, "result": {
                "version": 2, "name": "child", "limits": { "callsInFlight": 2000 }, "health": true, "reconcile": true,
                "idempotentByKey": self.if_so(self.honours_keys(), &["ticket.create", "space.travel"]),
                "foundByMarker": self.if_so(self.behaviour.starts_with("marks"), &["ticket.create", "space.travel"]),
                "operations": ["ticket.query", "ticket.get", "ticket.create", "ticket.update", "space.travel"],
            } })
            )),
            "initialize" => say("{\"error\":\"unknown method: initialize\"}\n"),
            "ping" => say(format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "result": {} }))),
            "cancel" | "shutdown" => self.note(method, &call["params"]),
            "health" => self.reply(
                id,
                &json!({ "operations": ["ticket.get"], "version": "1.2", "problems": [
                { "operations": ["ticket.create"], "message": "the token may only read" },
            ] }),
            ),
            "ticket.create" => self.create(id, call),
            "reconcile" => self.reconcile(id, call),
            _ => self.get(call),
        }
    }

    /// One version of it does; the next, which `forgets`, does not.
    fn honours_keys(&self) -> bool {
        self.behaviour == "crash-once" || (self.behaviour == "forgets" && self.is_first())
    }

    fn if_so<'a>(&self, so: bool, operations: &'a [&'a str]) -> &'a [&'a str] {
        if so { operations } else { &[] }
    }

    /// Whether no change came yet, to this process or to one before it.
    fn is_first(&self) -> bool {
        !self.file.as_ref().is_some_and(|file| std::fs::exists(file).unwrap())
    }

    fn input(&self, call: &Value) -> String {
        let input = if self.two { &call["params"]["input"] } else { &call["payload"]["id"] };
        input.as_str().unwrap_or("list").to_owned()
    }

    fn get(&mut self, call: &Value) {
        let (id, ticket) = (call["id"].clone(), self.input(call));
        match self.behaviour.as_str() {
            "shuffle" => {
                self.held.push((id, ticket));
                if self.held.len() == 1000 {
                    self.let_go();
                }
            }
            _ if ticket == "bad" => self.misbehave(&id),
            "look" => self.look(&id, &ticket),
            _ => self.ticket(&id, &ticket),
        }
    }

    /// Answers what was held in an order that has nothing to do with that of the calls.
    fn let_go(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|(id, _)| id.as_u64().unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        held.iter().for_each(|(id, ticket)| self.ticket(id, ticket));
    }

    fn ticket(&self, id: &Value, ticket: &str) {
        self.reply(id, &json!({ "id": ticket, "title": format!("title of {ticket}"), "status": "todo" }));
    }

    fn text(&self, id: &Value, result: &Value) -> String {
        match self.two {
            true => json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string(),
            false => json!({ "result": result }).to_string(),
        }
    }

    fn reply(&self, id: &Value, result: &Value) {
        say(format!("{}\n", self.text(id, result)));
    }

    fn note(&self, what: &str, more: &Value) {
        if let Some(file) = &self.file {
            let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
            file.write_all(format!("{what} {more}\n").as_bytes()).unwrap();
        }
    }

    /// A vendor that makes the change, durably, and then has an accident.
    fn create(&mut self, id: &Value, call: &Value) {
        let is_first = self.is_first();
        self.note(&format!("create {}", std::process::id()), call);
        match self.behaviour.as_str() {
            "crash-before" => exit(3),
            "crash-once" | "forgets" | "marks-and-crashes" if is_first => exit(3),
            "marks" if is_first => say(format!(
                "{}\n",
                json!({ "jsonrpc": "2.0", "id": id, "error": {
                    "code": -32000, "message": "the vendor hung up", "data": { "code": "unavailable", "mayHaveApplied": true },
                } })
            )),
            "marks-and-is-mute" => {
                self.held.push((id.clone(), call["params"]["approval"]["idempotencyKey"].to_string()))
            }
            "hang" => sleep_for_ever(),
            _ => self.ticket(id, "T-new"),
        }
    }

    /// A vendor that has made what is titled `made`, and knows nothing of what is titled `lost`. It knows nothing either of
    /// what another process works on.
    fn reconcile(&self, id: &Value, call: &Value) {
        self.note("reconcile", &call["params"]);
        let (input, key) = (&call["params"]["input"], call["params"]["idempotencyKey"].to_string());
        self.reply(
            id,
            &match input["title"].as_str() {
                _ if self.held.iter().any(|(_, held)| *held == key) => json!({ "outcome": "unknown" }),
                Some("made") => {
                    json!({ "outcome": "applied", "output": { "id": "T-made", "title": "made", "status": "todo" } })
                }
                Some("lost") => json!({ "outcome": "notApplied" }),
                Some("odd") => json!({ "outcome": "applied", "output": { "id": 7 } }),
                _ => json!({ "outcome": "unknown" }),
            },
        );
    }

    fn misbehave(&self, id: &Value) {
        let good = self.text(id, &json!({ "id": "bad", "title": "title of bad", "status": "todo" }));
        let half = &good[..good.len() / 2];
        // What a reply begins with, up to the result.
        let start =
            if self.two { format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":") } else { "{\"result\":".into() };
        match self.behaviour.as_str() {
            "hang" => sleep_for_ever(),
            "marks-and-is-mute" => self.note("held", id),
            "ready" => say(format!("{{\"ready\":true}}\n{good}\n")),
            "trickle" => loop {
                say(" ");
                std::thread::sleep(Duration::from_millis(20));
            },
            "slow" => {
                std::thread::sleep(Duration::from_millis(500));
                say(format!("{good}\n"));
            }
            "crash-before" => exit(3),
            "crash-during" => {
                say(half);
                exit(3)
            }
            "crash-after" => {
                say(format!("{good}\n"));
                exit(3)
            }
            "garbage" => say(b"\x00\xff\xfe}}]]\n{]\n\x1b[31m{{{\n"),
            "log" => say(format!("2026/05/01 starting\n{{\"level\":\"info\",\"msg\":\"x\"}}\n{good}\n{{ done\n")),
            "huge" => {
                say(format!("{start}\""));
                let chunk = [b'x'; 1 << 16];
                (0..1600).for_each(|_| say(chunk));
                say("\"}\n");
            }
            "half" => say(half),
            "invalid-utf-8" => {
                say([start.as_bytes(), b"{\"id\":\"\xff\",\"title\":\"t\",\"status\":\"s\"}}\n"].concat())
            }
            "nan" => {
                say(format!("{start}{{\"id\":\"b\",\"title\":\"t\",\"status\":\"s\",\"fields\":{{\"x\":NaN}}}}}}\n"))
            }
            "wrong-id" => self.ticket(&json!(987_654), "bad"),
            "twice" => say(format!("{good}\n{good}\n")),
            "closed" => {
                // The pipe ends here, the process does not.
                rustix::stdio::dup2_stdout(File::open("/dev/null").unwrap()).unwrap();
                sleep_for_ever()
            }
            "fork" => {
                Command::new("sleep").arg0(&self.token).arg("1000").spawn().unwrap();
                exit(3)
            }
            _ => say(format!("{good}\n")),
        }
    }

    /// Looks at the system: `/a/file`, `tcp:PORT`, or the name of something.
    fn look(&self, id: &Value, what: &str) {
        let seen = match what.split_once(':') {
            Some(("tcp", port)) => {
                std::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap())).map(|_| "connected".to_owned())
            }
            Some(("write", path)) => std::fs::write(path, "x").map(|()| "written".to_owned()),
            Some(("environment", _)) => {
                let mut all: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                all.sort();
                Ok(all.join(" "))
            }
            _ => std::fs::read_to_string(what),
        };
        let title = seen.unwrap_or_else(|error| format!("refused: {}", error.kind()));
        self.reply(id, &json!({ "id": what, "title": title, "status": "todo" }));
    }
}
