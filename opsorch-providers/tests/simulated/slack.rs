//! Slack, as far as it is asked here: methods, their limits and their words.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use opsorch::transport::{HeaderMap, HeaderValue, Reply, Request, StatusCode, Transport};
use opsorch::{Clock, Error, ErrorKind, Result, Time, async_trait};
use opsorch_testkit::double::{Chat, Double, Posted, SECRET, body, json, path};
use serde_json::{Value, json};

/// The bot of the app that the token belongs to.
pub const BOT: &str = "B0BOT";

/// A workspace. Clones are the same one.
#[derive(Clone)]
pub struct Slack(Arc<Mutex<World>>);

/// What there is, and what happened.
pub struct World {
    pub chat: Chat,
    pub users: Vec<Value>,
    /// What was asked: the method's name, its arguments, and the content type.
    pub asked: Vec<Asked>,
    /// How many things a page of a list has.
    pub page: usize,
    pub scopes: &'static str,
    troubles: VecDeque<(&'static str, Trouble)>,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub http: String,
    pub method: String,
    pub arguments: Value,
    pub content_type: Option<String>,
}

/// What goes wrong with the next call of a method.
pub enum Trouble {
    /// It is answered so.
    Answer(Reply),
    /// It is done, and its answer is lost.
    Lost,
    /// Nothing.
    Fine,
}

impl Slack {
    pub fn new(clock: impl Clock) -> Self {
        Self::at(Arc::new(clock))
    }

    pub fn at(clock: Arc<dyn Clock>) -> Self {
        let mut chat = Chat::new(Shared(clock));
        chat.open("ops");
        let users = vec![
            user("U0ADA", "ada", "Ada L", "ada@example.com"),
            user("U0BOB", "bob", "bobby", "bob@example.com"),
            user("U0BEN", "ben", "bobby", "ben@example.com"),
        ];
        let (asked, troubles) = (Vec::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(World { chat, users, asked, page: 2, scopes: "chat:write,users:read", troubles })))
    }

    pub fn with<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut self.0.lock().unwrap())
    }

    /// The next call of a method goes wrong.
    pub fn trouble(&self, method: &'static str, trouble: Trouble) {
        self.with(|world| world.troubles.push_back((method, trouble)));
    }

    /// The next call of a method is refused with this word.
    pub fn refuse(&self, method: &'static str, word: &str) {
        self.trouble(method, Trouble::Answer(refused(word)));
    }

    /// The arguments of all calls of a method.
    pub fn calls(&self, method: &str) -> Vec<Value> {
        self.with(|world| {
            let calls = world.asked.iter().filter(|asked| asked.method == method);
            calls.map(|asked| asked.arguments.clone()).collect()
        })
    }

    /// All messages of a channel, the oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Posted> {
        self.with(|world| {
            let roots: Vec<String> = world.chat.history(channel).rev().map(|message| message.ts.clone()).collect();
            let threads = roots.iter().flat_map(|ts| world.chat.thread(channel, ts).cloned().collect::<Vec<_>>());
            threads.collect()
        })
    }

    fn respond(&self, request: &Request) -> (Reply, bool) {
        let mut world = self.0.lock().unwrap();
        let method = path(request).pop().unwrap_or_default();
        let arguments = match request.method.as_str() {
            "GET" => Value::Object(
                request.url.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect(),
            ),
            _ => body(request),
        };
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_type = header("content-type");
        let asked = Asked { http: request.method.to_string(), method, arguments, content_type };
        world.asked.push(asked.clone());
        if header("authorization") != Some(format!("Bearer {SECRET}")) {
            return (refused("invalid_auth"), false);
        }
        let place = world.troubles.iter().position(|(method, _)| *method == asked.method);
        match place.and_then(|place| world.troubles.remove(place)) {
            Some((_, Trouble::Answer(reply))) => (reply, false),
            Some((_, Trouble::Lost)) => (world.call(&asked), true),
            Some((_, Trouble::Fine)) | None => (world.call(&asked), false),
        }
    }
}

/// A clock behind a pointer.
#[derive(Debug)]
struct Shared(Arc<dyn Clock>);

impl Clock for Shared {
    fn now(&self) -> Time {
        self.0.now()
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slack")
    }
}

impl Double for Slack {
    fn answer(&mut self, request: &Request) -> Reply {
        self.respond(request).0
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        match status.as_u16() {
            401 => refused("invalid_auth"),
            403 => refused("missing_scope"),
            404 => refused("channel_not_found"),
            409 => refused("is_archived"),
            400 => refused("invalid_arguments"),
            422 => refused("msg_too_long"),
            500 => refused("internal_error"),
            503 => refused("service_unavailable"),
            429 => json(status, &json!({ "ok": false, "error": "ratelimited" })),
            _ => Reply::new(status).body("<html>Bad gateway</html>"),
        }
    }
}

#[async_trait]
impl Transport for Slack {
    async fn send(&self, request: Request) -> Result<Reply> {
        match self.respond(&request) {
            (reply, false) => Ok(reply),
            (_, true) => Err(Error::new(ErrorKind::Timeout, "the answer is lost")),
        }
    }
}

impl World {
    fn call(&mut self, asked: &Asked) -> Reply {
        let arguments = &asked.arguments;
        let is_write = asked.http == "POST" && asked.content_type.as_deref() == Some("application/json; charset=utf-8");
        let is_read = asked.http == "GET";
        let answer = match (asked.method.as_str(), is_write, is_read) {
            ("chat.postMessage", true, _) => self.post(arguments),
            ("chat.update", true, _) => self.update(arguments),
            ("conversations.open", true, _) => self.open(arguments),
            ("chat.getPermalink", _, true) => self.permalink(arguments),
            ("conversations.list", _, true) => Ok(self.list(arguments)),
            ("conversations.history", _, true) => self.history(arguments),
            ("conversations.replies", _, true) => self.replies(arguments),
            ("users.list", _, true) => Ok(self.page("members", self.users.clone(), arguments)),
            ("users.lookupByEmail", _, true) => self.lookup(arguments),
            ("auth.test", _, true) => Ok(json!({ "bot_id": BOT, "user_id": "U0BOT", "team_id": "T0TEAM" })),
            _ => panic!("nobody should ask for {asked:?}"),
        };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(word) => return refused(word),
        };
        answer["ok"] = json!(true);
        let reply = json(StatusCode::OK, &answer);
        let mut headers = reply.headers.clone();
        headers.insert("x-oauth-scopes", HeaderValue::from_static(self.scopes));
        reply.headers(headers)
    }

    fn post(&mut self, arguments: &Value) -> Answer {
        limits(arguments)?;
        let channel = text(arguments, "channel").trim_start_matches('#').to_owned();
        let found = self.chat.channel(&channel).ok_or("channel_not_found")?;
        if found.archived {
            return Err("is_archived");
        }
        let id = found.id.clone();
        let (said, thread) = (text(arguments, "text"), arguments.get("thread_ts").and_then(Value::as_str));
        let posted = match thread {
            Some(ts) => self.chat.reply(&id, ts, BOT, said).ok_or("thread_not_found")?,
            None => self.chat.post(&id, BOT, said).ok_or("channel_not_found")?,
        };
        keep(posted, arguments);
        let ts = posted.ts.clone();
        Ok(json!({ "channel": id, "ts": ts, "message": { "ts": ts, "text": said, "type": "message", "bot_id": BOT } }))
    }

    fn update(&mut self, arguments: &Value) -> Answer {
        limits(arguments)?;
        let (id, ts) = (text(arguments, "channel"), text(arguments, "ts"));
        if self.chat.channel(id).is_none_or(|channel| channel.id != id) {
            return Err("channel_not_found");
        }
        let message = self.chat.message(id, ts).ok_or("message_not_found")?;
        if message.author != BOT {
            return Err("cant_update_message");
        }
        self.chat.edit(id, ts, |message| {
            message.text = text(arguments, "text").to_owned();
            keep(message, arguments);
        });
        Ok(json!({ "channel": id, "ts": ts, "text": text(arguments, "text") }))
    }

    fn open(&mut self, arguments: &Value) -> Answer {
        let users: Vec<&str> = text(arguments, "users").split(',').collect();
        if users.len() > 8 {
            return Err("too_many_users");
        }
        if users.contains(&"U0BOT") {
            return Err("cannot_dm_bot");
        }
        if users.iter().any(|id| !self.users.iter().any(|user| user["id"] == *id)) {
            return Err("user_not_found");
        }
        let id = self.chat.open(&format!("dm-{}", users.join("-"))).id.clone();
        Ok(json!({ "channel": { "id": id } }))
    }

    fn permalink(&self, arguments: &Value) -> Answer {
        let (channel, ts) = (text(arguments, "channel"), text(arguments, "message_ts"));
        self.chat.message(channel, ts).ok_or("message_not_found")?;
        let permalink = format!("https://acme.slack.com/archives/{channel}/p{}", ts.replace('.', ""));
        Ok(json!({ "channel": channel, "permalink": permalink }))
    }

    fn list(&self, arguments: &Value) -> Value {
        let without_archived = text(arguments, "exclude_archived") == "true";
        let channels = self.chat.channels().filter(|channel| !(without_archived && channel.archived));
        let channels = channels.map(|channel| json!({ "id": channel.id, "name": channel.name })).collect();
        self.page("channels", channels, arguments)
    }

    fn history(&self, arguments: &Value) -> Answer {
        let channel = self.channel(arguments)?;
        let messages = self.chat.history(&channel).filter(|message| is_since(message, arguments)).map(shown).collect();
        Ok(self.page("messages", messages, arguments))
    }

    fn replies(&self, arguments: &Value) -> Answer {
        let (channel, ts) = (self.channel(arguments)?, text(arguments, "ts"));
        let message = self.chat.message(&channel, ts).ok_or("thread_not_found")?;
        let messages = match message.thread {
            // Of a reply there is the reply alone.
            Some(_) => vec![shown(message)],
            None => {
                self.chat.thread(&channel, ts).filter(|it| it.ts == ts || is_since(it, arguments)).map(shown).collect()
            }
        };
        Ok(self.page("messages", messages, arguments))
    }

    fn channel(&self, arguments: &Value) -> Result<String, &'static str> {
        let id = text(arguments, "channel");
        let found = self.chat.channel(id).filter(|channel| channel.id == id);
        found.map(|channel| channel.id.clone()).ok_or("channel_not_found")
    }

    fn lookup(&self, arguments: &Value) -> Answer {
        let email = text(arguments, "email");
        let user = self.users.iter().find(|user| user["profile"]["email"] == email).ok_or("users_not_found")?;
        Ok(json!({ "user": user }))
    }

    /// A page, with an empty one before the last: Slack has those too.
    fn page(&self, name: &str, all: Vec<Value>, arguments: &Value) -> Value {
        let limit: usize = text(arguments, "limit").parse().unwrap_or(100);
        let (size, cursor) = (self.page.min(limit), text(arguments, "cursor"));
        let (from, is_gap) = match cursor.split_once(':') {
            Some((from, gap)) => (from.parse().unwrap(), gap == "gap"),
            None => (0, false),
        };
        let items: Vec<Value> = if is_gap { Vec::new() } else { all.iter().skip(from).take(size).cloned().collect() };
        let end = from + items.len();
        let next = match (end < all.len(), is_gap) {
            (true, false) => format!("{end}:gap"),
            (true, true) => format!("{end}:on"),
            (false, _) => String::new(),
        };
        json!({ name: items, "response_metadata": { "next_cursor": next } })
    }
}

type Answer = Result<Value, &'static str>;

pub fn refused(word: &str) -> Reply {
    json(StatusCode::OK, &json!({ "ok": false, "error": word }))
}

/// A 429 that asks for so many seconds.
pub fn rate_limited(seconds: u32) -> Reply {
    let reply = json(StatusCode::TOO_MANY_REQUESTS, &json!({ "ok": false, "error": "ratelimited" }));
    let mut headers: HeaderMap = reply.headers.clone();
    headers.insert("retry-after", seconds.into());
    reply.headers(headers)
}

pub fn user(id: &str, name: &str, display_name: &str, email: &str) -> Value {
    json!({ "id": id, "name": name, "deleted": false, "profile": { "display_name": display_name, "email": email } })
}

/// The limits of a message, as Slack says or is known to have them.
fn limits(arguments: &Value) -> Result<(), &'static str> {
    let length = |value: &Value| value.as_str().unwrap_or_default().chars().count();
    let blocks = arguments["blocks"].as_array().cloned().unwrap_or_default();
    if text(arguments, "text").is_empty() && blocks.is_empty() {
        return Err("no_text");
    }
    if length(&arguments["text"]) > 40_000 {
        return Err("msg_too_long");
    }
    let mut sum = 0;
    for block in &blocks {
        let fields = block["fields"].as_array().cloned().unwrap_or_default();
        let size = length(&block["text"]["text"]);
        let literal = length(&block["elements"][0]["elements"][0]["text"]);
        let is_legal = match block["type"].as_str() {
            Some("header") => (1..=150).contains(&size),
            Some("section") => {
                let sizes = || fields.iter().map(|field| length(&field["text"]));
                size <= 3_000
                    && (size > 0 || !fields.is_empty())
                    && fields.len() <= 10
                    && sizes().all(|size| (1..=2_000).contains(&size))
            }
            Some("rich_text") => literal > 0,
            Some("divider") => true,
            Some("actions") => (1..=25).contains(&block["elements"].as_array().map_or(0, Vec::len)),
            _ => false,
        };
        if !is_legal {
            return Err("invalid_blocks");
        }
        sum += size + literal + fields.iter().map(|field| length(&field["text"])).sum::<usize>();
    }
    match (blocks.len(), sum) {
        (51.., _) => Err("invalid_blocks"),
        (_, 13_201..) => Err("msg_blocks_too_long"),
        _ => Ok(()),
    }
}

fn keep(message: &mut Posted, arguments: &Value) {
    for name in ["blocks", "metadata"] {
        message.fields.insert(name.to_owned(), arguments[name].clone());
    }
}

fn is_since(message: &Posted, arguments: &Value) -> bool {
    let parse = |text: &str| text.parse::<f64>().unwrap_or_default();
    parse(&message.ts) >= parse(text(arguments, "oldest"))
}

fn shown(message: &Posted) -> Value {
    let mut shown: BTreeMap<&str, Value> = BTreeMap::from([("ts", json!(message.ts)), ("text", json!(message.text))]);
    shown.extend(message.thread.as_ref().map(|ts| ("thread_ts", json!(ts))));
    shown.insert("bot_id", json!(message.author));
    shown.extend(message.fields.get("metadata").map(|metadata| ("metadata", metadata.clone())));
    json!(shown)
}

fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}
