//! A provider of every capability, in memory.

mod alert;
mod deployment;
mod incident;
mod log;
mod marked;
mod matching;
mod messaging;
mod metric;
mod orchestration;
mod sample;
mod service;
mod table;
mod team;
mod ticket;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opsorch::gate::Approved;
use opsorch::{Action, Clock, Effect, Operation, Page, Provider, ProviderName, Response, Result, WrongResponse};

use self::world::World;
use crate::{Faults, Recorded};

/// A small world of every capability, which implements every trait of [`opsorch::capability`].
///
/// * It behaves: what is created is read, updated and listed; every filter of every query is honoured, or refused
///   with [`Unsupported`](opsorch::ErrorKind::Unsupported); pages are in the promised order and resume without gap or
///   repeat.
/// * It is deterministic: ids count up (`inc-1`, `inc-2`, …) and times come from the clock it is given.
/// * It honours idempotency keys: the same key again answers what the first call answered, and changes nothing.
/// * It fails on demand: see [`faults`](Self::faults).
///
/// A query's [`Scope`](opsorch::Scope) looks at the service, team and environment that an item names. Where the item
/// has no such property, an entry of that name in its `fields` counts (of a plan in its `tags`, of a log entry or a
/// series in its `labels`); what is still missing comes from the tags of its service in the catalogue.
///
/// Clones are handles of the same world.
///
/// ```
/// use opsorch::capability::IncidentReader;
/// use opsorch::{Actor, Context, Incident, IncidentQuery, ManualClock};
/// use opsorch_testkit::MemoryProvider;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let memory = MemoryProvider::new(ManualClock::default());
/// memory.seed_incident(Incident::new("inc-7", "disk full", "open", "high"));
///
/// let cx = Context::new(Actor::agent("triage"));
/// let page = IncidentReader::query(&memory, &cx, &IncidentQuery::open()).await?;
/// assert_eq!(page.items[0].title, "disk full");
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryProvider {
    world: Arc<Mutex<World>>,
    faults: Faults,
    keys: Keys,
}

/// What becomes of idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// The same key again is the same change.
    Honoured,
    /// The key stays with what was made, and keeps nobody from making it again.
    Marks,
}

impl MemoryProvider {
    /// The kind of the provider.
    pub const KIND: &'static str = "memory";

    /// An empty world, in which it is as late as the clock says.
    pub fn new(clock: impl Clock) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(Arc::new(clock)))),
            faults: Faults::default(),
            keys: Keys::Honoured,
        }
    }

    /// This world as a provider with a name, which offers every operation. It declares that it honours idempotency
    /// keys; `.idempotent_by_key([])` takes that back, for tests of what happens with a vendor that does not.
    pub fn provider(&self, name: impl Into<ProviderName>) -> Provider {
        self.offered(name).idempotent_by_key(changes())
    }

    /// Every operation, under this name.
    fn offered(&self, name: impl Into<ProviderName>) -> Provider {
        let this = Arc::new(self.clone());
        Provider::new(name)
            .kind(Self::KIND)
            .with_incident_reader(this.clone())
            .with_incident_writer(this.clone())
            .with_timeline_reader(this.clone())
            .with_timeline_writer(this.clone())
            .with_alert_reader(this.clone())
            .with_alert_raiser(this.clone())
            .with_alert_responder(this.clone())
            .with_alert_silencer(this.clone())
            .with_log_reader(this.clone())
            .with_metric_reader(this.clone())
            .with_ticket_reader(this.clone())
            .with_ticket_writer(this.clone())
            .with_ticket_commenter(this.clone())
            .with_message_sender(this.clone())
            .with_message_editor(this.clone())
            .with_service_reader(this.clone())
            .with_deployment_reader(this.clone())
            .with_deployment_recorder(this.clone())
            .with_team_reader(this.clone())
            .with_on_call_reader(this.clone())
            .with_plan_reader(this.clone())
            .with_run_reader(this.clone())
            .with_run_writer(this.clone())
            .with_run_canceller(this)
    }

    /// What goes wrong with the calls to come.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How often the operation was called, whatever became of it.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.faults.calls(operation)
    }

    /// The requests that reached this vendor, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.faults.requests()
    }

    /// Answers a read of one thing.
    async fn read<T>(&self, operation: Operation, work: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        self.faults.around(operation, None, whole, || work(&mut self.world())).await
    }

    /// Answers a read of a page.
    async fn page<T>(&self, operation: Operation, work: impl FnOnce(&mut World) -> Result<Page<T>>) -> Result<Page<T>> {
        self.faults.around(operation, None, cut, || work(&mut self.world())).await
    }

    /// Makes a change, once for each idempotency key. Work that fails has changed nothing.
    async fn change<A, T>(&self, input: Approved<'_, A>, work: impl FnOnce(&mut World, &A) -> Result<T>) -> Result<T>
    where
        A: Clone + Into<Action>,
        T: Clone + Into<Response> + TryFrom<Response, Error = WrongResponse>,
    {
        let action: Action = A::clone(&input).into();
        let key = input.idempotency_key().to_owned();
        let operation = action.operation();
        let _under_way = self.under_way(&key);
        let work = || match self.keys {
            Keys::Honoured => self.world().once(&key, action, |world| work(world, &input)),
            Keys::Marks => self.world().marked(&key, action, |world| work(world, &input)),
        };
        self.faults.around(operation, Some(key.clone()), whole, work).await
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changes() -> impl Iterator<Item = Operation> {
    Operation::ALL.iter().copied().filter(|operation| operation.effect() == Effect::Write)
}

fn whole<T>(answer: T, _: usize) -> T {
    answer
}

fn cut<T>(mut page: Page<T>, items: usize) -> Page<T> {
    page.items.truncate(items);
    page.truncated(format!("the source cut the page after {items} items"))
}

/// A method that puts something into the world, for each type that has an id.
macro_rules! seeds {
    ($($seed:ident $table:ident: $type:ident;)+) => {
        /// What the world holds before the test begins, or what others do in it meanwhile.
        impl MemoryProvider {
            $(
                #[doc = concat!("Puts in a [`", stringify!($type), "`](opsorch::", stringify!($type), ").")]
                /// One with the same id is replaced.
                pub fn $seed(&self, item: opsorch::$type) {
                    self.world().$table.put(item);
                }
            )+
        }
    };
}
seeds! {
    seed_incident incidents: Incident;
    seed_timeline_entry timeline: TimelineEntry;
    seed_alert alerts: Alert;
    seed_ticket tickets: Ticket;
    seed_comment comments: Comment;
    seed_service services: Service;
    seed_deployment deployments: Deployment;
    seed_team teams: Team;
    seed_plan plans: Plan;
    seed_run runs: Run;
    seed_metric metrics: MetricDescriptor;
}
