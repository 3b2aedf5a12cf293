//! The changes that make things, as data: what the checks that hold for all of them need to know.

use std::time::Duration;

use opsorch::{
    Action, Clock as _, DeploymentStatus, Error, ErrorKind, IncidentStatus, Operation, Result, Severity, TicketStatus,
    Time,
};
use serde_json::{Map, Value, json};

use super::lab::{Lab, content, items, titled};
use super::listing::Listing;
use super::rule::{Broken, Checked};

/// A change that makes something.
#[derive(Debug)]
pub(super) struct Maker {
    /// The change.
    pub(super) create: Operation,
    /// What reads the thing.
    pub(super) get: Operation,
    /// What finds it.
    pub(super) query: Operation,
    /// What changes it.
    pub(super) update: Option<Operation>,
    /// What the input has to have.
    pub(super) required: &'static [Member],
    /// What the input may have; the provider may refuse it.
    pub(super) optional: &'static [Member],
    /// What an update may have; the provider may refuse it.
    pub(super) changeable: &'static [Member],
}

/// A member of an input.
#[derive(Debug)]
pub(super) struct Member {
    /// Its name, in the input and in the thing.
    pub(super) name: &'static str,
    of: Of,
}

/// What a member holds.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// A line that is different for each thing.
    Line,
    /// A name without blanks that is different for each thing.
    Name,
    /// Such a name, which is not to be seen in the thing.
    Key,
    /// This title.
    Title(&'static str),
    /// This text.
    Text(&'static str),
    /// This word, or another one that means the same.
    Word(fn(&str, &str) -> bool, &'static str),
    /// These texts.
    Texts(&'static [&'static str]),
    /// A service that is there.
    Service,
    /// A plan that is there.
    Plan,
    /// So many seconds ago.
    Ago(u64),
}

impl Member {
    const fn new(name: &'static str, of: Of) -> Self {
        Self { name, of }
    }

    /// What to give; `None` where the provider's world has nothing of the kind.
    pub(super) fn value(&self, world: &Surroundings, mark: &str) -> Option<Value> {
        Some(match self.of {
            Of::Line => json!(titled(world.tag(), format_args!("conformance {mark}"))),
            Of::Title(text) => json!(titled(world.tag(), text)),
            Of::Name | Of::Key => {
                json!(titled(world.tag(), format_args!("conformance-{mark}")).replace(' ', "-"))
            }
            Of::Text(text) | Of::Word(_, text) => json!(text),
            Of::Texts(texts) => json!(texts),
            Of::Service => json!(world.service.as_ref()?),
            Of::Plan => json!(world.plan.as_ref()?),
            Of::Ago(seconds) => json!(world.now - Duration::from_secs(seconds)),
        })
    }

    /// Whether a thing has what was given.
    pub(super) fn is_in(&self, thing: &Value, given: &Value) -> bool {
        let has = thing.get(self.name).unwrap_or(&Value::Null);
        match (self.of, has.as_str(), given.as_str()) {
            (Of::Key, ..) => true,
            (Of::Word(means_same, _), Some(has), Some(given)) => means_same(has, given),
            (Of::Ago(_), Some(has), Some(given)) => is_same_second(has, given),
            _ => has == given,
        }
    }
}

/// Whether two times are the same as far as vendors keep them.
fn is_same_second(one: &str, other: &str) -> bool {
    let time = |text: &str| text.parse::<Time>().ok();
    match (time(one), time(other)) {
        (Some(one), Some(other)) => one < other + Duration::from_secs(1) && other < one + Duration::from_secs(1),
        _ => false,
    }
}

macro_rules! same_meaning {
    ($word:ident) => {
        |one, other| $word::new(one).level() == $word::new(other).level()
    };
}

const TITLE: Member = Member::new("title", Of::Line);
const DESCRIPTION: Member = Member::new("description", Of::Text("what is wrong, at length"));
const SEVERITY: Member = Member::new("severity", Of::Word(same_meaning!(Severity), "high"));
const SERVICE: Member = Member::new("service", Of::Service);
const ENVIRONMENT: Member = Member::new("environment", Of::Text("production"));

/// Every change that makes something which can be read by its id.
const MAKERS: &[Maker] = &[
    Maker {
        create: Operation::IncidentCreate,
        get: Operation::IncidentGet,
        query: Operation::IncidentQuery,
        update: Some(Operation::IncidentUpdate),
        required: &[TITLE],
        optional: &[
            DESCRIPTION,
            SEVERITY,
            SERVICE,
            Member::new("status", Of::Word(same_meaning!(IncidentStatus), "acknowledged")),
        ],
        changeable: &[
            Member::new("title", Of::Title("another title")),
            Member::new("description", Of::Text("another description")),
            Member::new("severity", Of::Word(same_meaning!(Severity), "low")),
            Member::new("status", Of::Word(same_meaning!(IncidentStatus), "resolved")),
            SERVICE,
        ],
    },
    Maker {
        create: Operation::TicketCreate,
        get: Operation::TicketGet,
        query: Operation::TicketQuery,
        update: Some(Operation::TicketUpdate),
        required: &[TITLE],
        optional: &[DESCRIPTION],
        changeable: &[
            Member::new("title", Of::Title("another title")),
            Member::new("description", Of::Text("another description")),
            Member::new("status", Of::Word(same_meaning!(TicketStatus), "done")),
            Member::new("assignees", Of::Texts(&["alice"])),
        ],
    },
    Maker {
        create: Operation::AlertRaise,
        get: Operation::AlertGet,
        query: Operation::AlertQuery,
        update: None,
        required: &[Member::new("dedupKey", Of::Key), TITLE, SEVERITY],
        optional: &[DESCRIPTION, SERVICE],
        changeable: &[],
    },
    Maker {
        create: Operation::DeploymentRecord,
        get: Operation::DeploymentGet,
        query: Operation::DeploymentQuery,
        update: None,
        required: &[
            SERVICE,
            ENVIRONMENT,
            Member::new("version", Of::Name),
            Member::new("status", Of::Word(same_meaning!(DeploymentStatus), "success")),
        ],
        optional: &[
            Member::new("startedAt", Of::Ago(600)),
            Member::new("finishedAt", Of::Ago(300)),
            Member::new("url", Of::Text("https://ci.example.com/builds/4711")),
        ],
        changeable: &[],
    },
    Maker {
        create: Operation::OrchestrationRunsStart,
        get: Operation::OrchestrationRunsGet,
        query: Operation::OrchestrationRunsQuery,
        update: None,
        required: &[Member::new("planId", Of::Plan)],
        optional: &[],
        changeable: &[],
    },
];

impl Maker {
    /// The changes of a provider that make something, where it can be read.
    pub(super) fn offered(lab: &Lab) -> impl Iterator<Item = &'static Maker> {
        MAKERS.iter().filter(|maker| lab.offers(maker.create) && lab.offers(maker.get))
    }

    /// An input with what it has to have, and with these members; `None` where the world lacks something for it.
    pub(super) fn input(&self, world: &Surroundings, mark: &str, more: &Value) -> Option<Value> {
        let mut input = Map::new();
        for member in self.required {
            input.insert(member.name.to_owned(), member.value(world, mark)?);
        }
        input.extend(more.as_object().cloned().unwrap_or_default());
        Some(Value::Object(input))
    }

    /// Makes a thing with these members beside those it has to have; answers what was given, and what the provider said.
    /// `None` where the world lacks something for it.
    ///
    /// Some vendors have to know the service.
    pub(super) async fn make(
        &self,
        lab: &Lab,
        world: &Surroundings,
        mark: &str,
        more: &Value,
    ) -> Checked<Option<(Value, Result<Value>)>> {
        let Some(mut input) = self.input(world, mark, more) else { return Ok(None) };
        let first = change(lab, self.create, input.clone()).await?;
        let takes_service = self.optional.iter().any(|member| member.name == SERVICE.name);
        let with_service = world.service.as_ref().filter(|_| takes_service && input.get(SERVICE.name).is_none());
        if let (true, Some(service)) = (first.as_ref().is_err_and(is_refusal), with_service) {
            if let Some(input) = input.as_object_mut() {
                input.insert(SERVICE.name.to_owned(), json!(service));
            }
            let second = change(lab, self.create, input.clone()).await?;
            return Ok(Some((input, second)));
        }
        Ok(Some((input, first)))
    }

    /// Makes a thing, which the provider has to do, and answers it. `None` where the world lacks something for it.
    pub(super) async fn made(&self, lab: &Lab, world: &Surroundings, mark: &str) -> Checked<Option<Value>> {
        let Some((input, made)) = self.make(lab, world, mark, &json!({})).await? else { return Ok(None) };
        match made {
            Ok(made) => Ok(Some(made)),
            Err(error) => {
                Err(Broken(format!("{} of {input}: it is offered, but nothing is made: {error}", self.create)))
            }
        }
    }

    /// A thing, which has to be there, as it is now.
    pub(super) async fn read(&self, lab: &Lab, thing: &Value) -> Checked<Value> {
        let id = thing.get("id").cloned().unwrap_or_default();
        let read = lab.read(self.get, id.clone()).await?;
        read.map_err(|error| Broken(format!("{} answered {id}, but {} says: {error}", self.create, self.get)))
    }

    /// All things of its kind.
    pub(super) async fn all(&self, lab: &Lab) -> Checked<Vec<Value>> {
        match Listing::offered(lab).find(|listing| listing.query == self.query) {
            Some(listing) => listing.all(lab).await,
            None => Ok(Vec::new()),
        }
    }
}

/// What there is in a provider's world that inputs can name.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// A service that something belongs to.
    pub(super) service: Option<String>,
    /// A plan.
    pub(super) plan: Option<String>,
    now: Time,
    tag: Option<String>,
}

impl Surroundings {
    /// Looks around.
    pub(super) async fn of(lab: &Lab) -> Checked<Self> {
        let service = match first(lab, Operation::ServiceQuery, "name").await? {
            None => first(lab, Operation::IncidentQuery, "service").await?,
            service => service,
        };
        let plan = first(lab, Operation::OrchestrationPlansQuery, "id").await?;
        Ok(Self { service, plan, now: lab.place().clock().now(), tag: lab.tag().map(str::to_owned) })
    }

    /// What everything begins with that is made in a real account.
    fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
}

/// A text that the first thing has which has it at all.
async fn first(lab: &Lab, query: Operation, member: &str) -> Checked<Option<String>> {
    if !lab.offers(query) {
        return Ok(None);
    }
    let page = lab.read(query, json!({ "limit": 20 })).await??;
    Ok(items(&page)?.iter().find_map(|item| item.get(member)?.as_str().map(str::to_owned)))
}

/// Has the provider make a change with an input in JSON, and answers in JSON.
pub(super) async fn change(lab: &Lab, operation: Operation, input: Value) -> Checked<Result<Value>> {
    let action = action(operation, input)?;
    Ok(lab.change(action).await.map(|response| content(&response)))
}

/// A change with an input in JSON.
pub(super) fn action(operation: Operation, input: Value) -> Checked<Action> {
    Action::from_parts(operation, input.clone())
        .map_err(|error| Broken(format!("the suite made a wrong {operation} of {input}: {error}")))
}

/// Whether a provider says that it cannot do what an input asks for, which it may.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Invalid { .. } | ErrorKind::NotFound)
}

/// Whether a provider says that there is no such thing.
pub(super) fn is_not_found<T>(answer: &Result<T>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::NotFound)
}
