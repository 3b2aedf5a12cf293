//! Writes an adapter, and uses it through the gate: tickets in a text file whose lines are `status title`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use opsorch::capability::{TicketReader, TicketWriter};
use opsorch::gate::{Approved, Decision};
use opsorch::{
    Action, Actor, BuildEnv, Config, Context, CreateTicket, Cursor, Error, ErrorKind, OpsOrch, Page, Provider,
    ProviderConfig, ProviderName, Registry, Result, Submitted, Target, Ticket, TicketId, TicketQuery, TicketStatus,
    TicketStatusLevel, UpdateTicket, async_trait,
};

/// The configuration of a provider: `{ kind = "todo", path = "todo.txt" }`.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TodoConfig {
    path: PathBuf,
}

#[async_trait]
impl ProviderConfig for TodoConfig {
    const KIND: &'static str = "todo";

    async fn build(self, name: &ProviderName, _: &BuildEnv) -> Result<Provider> {
        let file = Arc::new(TodoFile(Mutex::new(self.path)));
        Ok(Provider::new(name).with_ticket_reader(file.clone()).with_ticket_writer(file))
    }
}

#[async_trait]
impl TicketReader for TodoFile {
    async fn query(&self, _: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        // All that is honoured. Whatever else was asked for, also what the schema gains later, is refused.
        let mut honoured = TicketQuery::new();
        honoured.statuses = query.statuses.iter().filter(|status| is_known(status)).cloned().collect();
        (honoured.limit, honoured.cursor) = (query.limit.filter(|limit| *limit > 0), query.cursor.clone());
        refuse(*query != honoured)?;
        let wanted = |level| query.statuses.is_empty() || query.statuses.iter().any(|status| status.level() == level);
        let end = query.cursor.as_ref().map_or(Ok(usize::MAX), |cursor| cursor.as_str().parse());
        let end = end.map_err(|_| Error::invalid("cursor", "expected the `next` of an earlier page"))?;
        let tickets = (1..end).zip(self.lines()?).map(ticket);
        let mut found: Vec<Ticket> = tickets.filter(|ticket| wanted(ticket.status.level())).collect();
        let page = found.split_off(found.len().saturating_sub(query.page_size() as usize));
        let next = page.first().filter(|_| !found.is_empty()).map(|oldest| Cursor::new(oldest.id.as_str()));
        Ok(Page::new(page.into_iter().rev().collect()).next(next))
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        let found = (1..).zip(self.lines()?).map(ticket).find(|ticket| ticket.id == *id);
        found.ok_or_else(|| Error::not_found("there is no such line"))
    }
}

#[async_trait]
impl TicketWriter for TodoFile {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        refuse(*input != CreateTicket::new(&input.title))?;
        self.add(TicketStatusLevel::Todo.word(), &input.title).map(ticket)
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        let mut honoured = UpdateTicket::new(&input.id);
        (honoured.title, honoured.status) = (input.title.clone(), input.status.clone().filter(is_known));
        refuse(*input != honoured)?;
        let status = honoured.status.map(|status| status.level().word());
        self.change(input.id.as_str(), status, honoured.title).map(ticket)
    }
}

/// A line as a ticket: its id is its number, and the word of its status is kept as it stands there.
fn ticket((number, line): (usize, Line)) -> Ticket {
    Ticket::new(number.to_string(), line.title, line.status)
}

fn is_known(status: &TicketStatus) -> bool {
    status.level() != TicketStatusLevel::Unknown
}

fn refuse(there_is_more: bool) -> Result<()> {
    (!there_is_more).then_some(()).ok_or_else(|| Error::unsupported("a line has a known status and a title, no more"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let ops = OpsOrch::builder()
        .registry(Registry::new().register::<TodoConfig>())
        .config(Config::parse(r#"providers.todo = { kind = "todo", path = "target/todo.txt" }"#)?)
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("everything, in this example"))
        .build()
        .await?;
    let cx = Context::new(Actor::user("alice"));
    if let Submitted::Done(ticket) = ops.tickets(&cx).create(CreateTicket::new("write an adapter")).await? {
        let update = UpdateTicket::new(&ticket.id).status(TicketStatusLevel::InProgress);
        if let Submitted::Done(ticket) = ops.tickets(&cx).update(update).await? {
            println!("line {} is {} now", ticket.id, ticket.status);
        }
    }
    for ticket in ops.tickets(&cx).query(TicketQuery::open().limit(3)).await?.items {
        println!("{}: {} ({})", ticket.id, ticket.title, ticket.status);
    }
    if let Err(refused) = ops.tickets(&cx).query(TicketQuery::new().assignee("alice")).await {
        println!("{refused}");
    }
    Ok(())
}

/// The path of the file, which stands for a vendor and its client. It is small, so that it may hold up the runtime.
#[derive(Debug)]
struct TodoFile(Mutex<PathBuf>);

#[derive(Clone, Debug)]
struct Line {
    status: String,
    title: String,
}

impl TodoFile {
    fn lines(&self) -> Result<Vec<Line>> {
        read(&self.lock())
    }

    /// Adds a line, and returns it with its number.
    fn add(&self, status: &str, title: &str) -> Result<(usize, Line)> {
        self.edit(|lines| {
            lines.push(Line { status: status.to_owned(), title: title.to_owned() });
            Ok(lines.len())
        })
    }

    /// Changes what is given of a line, and returns it with its number.
    fn change(&self, id: &str, status: Option<&str>, title: Option<String>) -> Result<(usize, Line)> {
        self.edit(|lines| {
            let line = (1..).zip(lines).find(|(number, _)| number.to_string() == id);
            let (number, line) = line.ok_or_else(|| Error::not_found("there is no such line"))?;
            line.status = status.map_or_else(|| line.status.clone(), str::to_owned);
            line.title = title.unwrap_or_else(|| line.title.clone());
            Ok(number)
        })
    }

    /// Replaces the file as a whole, so that an error always means that nothing was changed.
    fn edit(&self, work: impl FnOnce(&mut Vec<Line>) -> Result<usize>) -> Result<(usize, Line)> {
        let path = self.lock();
        let mut lines = read(&path)?;
        let number = work(&mut lines)?;
        if lines.iter().any(|line| line.title.contains(['\n', '\r'])) {
            return Err(Error::invalid("title", "expected one line"));
        }
        let text: String = lines.iter().map(|line| format!("{} {}\n", line.status, line.title)).collect();
        let new = path.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &*path)).map_err(failed)?;
        Ok((number, lines.swap_remove(number - 1)))
    }

    fn lock(&self) -> MutexGuard<'_, PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Vec<Line>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(failed)?,
    };
    let parts = text.lines().map(|line| line.split_once(' ').unwrap_or(("todo", line)));
    Ok(parts.map(|(status, title)| Line { status: status.to_owned(), title: title.to_owned() }).collect())
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the file cannot be used").with_source(error).not_applied()
}
