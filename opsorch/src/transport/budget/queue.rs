//! Who is next: lines of requests that wait for the same limits, in which callers take turns.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::bucket::{Bucket, Room};

/// The most requests that wait, and the most of one caller: a flood is refused before it fills the memory, and before it leaves
/// no place to others.
pub(super) const MOST_WAITING: usize = 50_000;
pub(super) const MOST_OF_ONE: usize = 10_000;

/// So many buckets are kept before those are looked for that hold nothing.
const MANY_BUCKETS: usize = 1024;

/// How late a leader may be before another one takes its place, and how long others wait before they look after it.
const LATE: Duration = Duration::from_millis(100);
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// What is held of a bucket whose turn somebody waits for.
const ALL: u64 = u64::MAX / 2;

/// A bucket: the number of its limit, and the key where the limit has a bucket for each.
pub(super) type Place = (usize, Option<Arc<str>>);

/// What a request counts to, and how much.
pub(super) type Charges = Arc<[(Place, u64)]>;

/// Requests that wait for the same: a class, and the key.
pub(super) type LineName = (&'static str, Option<Arc<str>>);

/// What clones share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    buckets: BTreeMap<Place, Bucket>,
    lines: HashMap<LineName, Line>,
    /// Lines with somebody in them; the first is served first.
    order: VecDeque<LineName>,
    callers: HashMap<Arc<str>, usize>,
    waiting: usize,
    entered: u64,
    leader: Option<Leader>,
    /// When somebody can be served, as far as is known.
    next: Option<Instant>,
}

/// In a line callers take turns: each request gets the number of a round, a caller's first the present one and each further one
/// the round after. Who comes with one request is served before the second of who comes with thousands.
#[derive(Debug)]
struct Line {
    charges: Charges,
    waiters: BTreeMap<Turn, Arc<Waiter>>,
    round: u64,
    /// The last round that a caller has a request in, and how many wait.
    callers: HashMap<Arc<str>, (u64, usize)>,
}

/// Round, then order of arrival.
type Turn = (u64, u64);

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    caller: Arc<str>,
    pub(super) woken: Notify,
    served: AtomicBool,
}

impl Waiter {
    pub(super) fn is_served(&self) -> bool {
        self.served.load(Ordering::Acquire)
    }
}

/// The one of those who wait that looks at the time, so that thousands need not.
#[derive(Debug)]
struct Leader {
    waiter: Arc<Waiter>,
    until: Option<Instant>,
}

/// A place in a line.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    line: LineName,
    turn: Turn,
    pub(super) waiter: Arc<Waiter>,
}

impl Queue {
    /// The bucket of a place; made if it is not there.
    pub(super) fn bucket(&mut self, place: &Place, new: impl FnOnce() -> Bucket) -> &mut Bucket {
        if self.buckets.len() >= MANY_BUCKETS && !self.buckets.contains_key(place) {
            let waited_for: HashSet<_> =
                self.lines.values().flat_map(|line| line.charges.iter().map(|(place, _)| place)).collect();
            self.buckets.retain(|place, bucket| place.1.is_none() || !bucket.is_idle() || waited_for.contains(place));
        }
        self.buckets.entry(place.clone()).or_insert_with(new)
    }

    /// Joins a line, at the place where the caller's turn is; `None` if too many wait.
    pub(super) fn join(
        &mut self,
        name: LineName,
        charges: Charges,
        caller: Arc<str>,
        now: Instant,
    ) -> Option<Standing> {
        let own = self.callers.entry(Arc::clone(&caller)).or_default();
        if self.waiting >= MOST_WAITING || *own >= MOST_OF_ONE {
            self.leave_one(&caller, 0);
            return None;
        }
        *own += 1;
        self.waiting += 1;
        self.entered += 1;
        let line = self.lines.entry(name.clone()).or_insert_with(|| Line::new(charges));
        let is_first = line.waiters.is_empty();
        let (round, waiting) = line.callers.entry(Arc::clone(&caller)).or_insert((line.round, 0));
        *round = (*round).max(line.round) + 1;
        *waiting += 1;
        let turn = (*round, self.entered);
        let waiter = Arc::new(Waiter { caller, woken: Notify::new(), served: AtomicBool::new(false) });
        line.waiters.insert(turn, Arc::clone(&waiter));
        if is_first {
            self.order.push_back(name.clone());
            self.serve(now);
        }
        Some(Standing { line: name, turn, waiter })
    }

    /// Leaves the line.
    pub(super) fn leave(&mut self, standing: &Standing, now: Instant) {
        if let Some(line) = self.lines.get_mut(&standing.line)
            && line.waiters.remove(&standing.turn).is_some()
        {
            line.forget(&standing.waiter.caller);
            self.leave_one(&standing.waiter.caller, 1);
        }
        self.step_down(&standing.waiter);
        self.serve(now);
    }

    /// Serves those whose turn it is and who need not wait. Lines that share a limit take turns. The first that has to wait
    /// for a limit holds what it needs, so that smaller requests do not always come first.
    pub(super) fn serve(&mut self, now: Instant) {
        self.settle(now);
        self.wake_leader();
    }

    fn settle(&mut self, now: Instant) {
        self.buckets.values_mut().for_each(|bucket| bucket.forget(now));
        let mut held = HashMap::new();
        let mut waiting = VecDeque::new();
        self.next = None;
        while let Some(name) = self.order.pop_front() {
            let Some(line) = self.lines.get_mut(&name) else { continue };
            let Some((_, first)) = line.waiters.first_key_value() else {
                self.lines.remove(&name);
                continue;
            };
            let (first, charges) = (Arc::clone(first), Arc::clone(&line.charges));
            match room(&self.buckets, &charges, now, &mut held) {
                Room::Now => {
                    line.pop();
                    self.order.push_back(name);
                    self.leave_one(&first.caller, 1);
                    self.count(&charges, Bucket::send);
                    first.served.store(true, Ordering::Release);
                    first.woken.notify_one();
                }
                Room::At(time) => {
                    self.next = Some(self.next.map_or(time, |next| next.min(time)));
                    waiting.push_back(name);
                }
                Room::Later => waiting.push_back(name),
            }
        }
        self.order = waiting;
    }

    /// Looks at the time for all, unless somebody else does. Returns until when to wait, if that is known.
    pub(super) fn lead(&mut self, standing: &Standing, now: Instant) -> Option<Instant> {
        let is_another = |leader: &Leader| !Arc::ptr_eq(&leader.waiter, &standing.waiter);
        let is_late = self.next.is_some_and(|next| next + LATE < now);
        if !is_late && self.leader.as_ref().is_some_and(is_another) {
            // The leader may be a future that nobody polls. Of thousands a few look after it often, and the others seldom.
            let waiting = u64::try_from(self.waiting).unwrap_or(u64::MAX).max(1);
            let share = u32::try_from(standing.turn.1 % waiting).unwrap_or(u32::MAX);
            return Some(now + LOOK_AFTER * share.saturating_add(1));
        }
        self.settle(now);
        match standing.waiter.is_served() {
            true => self.step_down(&standing.waiter),
            false => self.leader = Some(Leader { waiter: Arc::clone(&standing.waiter), until: self.next }),
        }
        self.next
    }

    /// Looks at the time no more. Somebody else has to.
    pub(super) fn step_down(&mut self, waiter: &Arc<Waiter>) {
        if self.leader.as_ref().is_none_or(|leader| Arc::ptr_eq(&leader.waiter, waiter)) {
            self.leader = None;
            self.wake_leader();
        }
    }

    /// Applies something to every bucket that a request counts to.
    pub(super) fn count(&mut self, charges: &[(Place, u64)], change: impl Fn(&mut Bucket, u64)) {
        for (place, cost) in charges {
            if let Some(bucket) = self.buckets.get_mut(place) {
                change(bucket, *cost);
            }
        }
    }

    /// The limit that a request would wait for longest if nobody else waited, and until when.
    pub(super) fn longest<'a>(&self, charges: &'a [(Place, u64)], now: Instant) -> Option<(&'a Place, Instant)> {
        let time = |(place, cost): &'a (Place, u64)| match self.buckets.get(place)?.room(now, *cost, 0) {
            Room::At(time) => Some((place, time)),
            Room::Now | Room::Later => None,
        };
        charges.iter().filter_map(time).max_by_key(|(_, time)| *time)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    fn wake_leader(&mut self) {
        match &self.leader {
            Some(leader) if self.next.is_some() && leader.until.is_none_or(|until| self.next < Some(until)) => {
                leader.waiter.woken.notify_one();
            }
            Some(_) => {}
            None => {
                let first = self.order.front().and_then(|name| self.lines.get(name)?.waiters.first_key_value());
                if let Some((_, waiter)) = first {
                    waiter.woken.notify_one();
                }
            }
        }
    }

    fn leave_one(&mut self, caller: &Arc<str>, leaves: usize) {
        self.waiting -= leaves;
        if let Some(waiting) = self.callers.get_mut(caller) {
            *waiting -= leaves;
            if *waiting == 0 {
                self.callers.remove(caller);
            }
        }
    }
}

impl Line {
    fn new(charges: Charges) -> Self {
        Self { charges, waiters: BTreeMap::new(), round: 0, callers: HashMap::new() }
    }

    /// Takes out the first, whose round is the present one from now on.
    fn pop(&mut self) {
        if let Some(((round, _), waiter)) = self.waiters.pop_first() {
            self.round = round;
            self.forget(&waiter.caller);
        }
    }

    fn forget(&mut self, caller: &Arc<str>) {
        if let Some((_, waiting)) = self.callers.get_mut(caller) {
            *waiting -= 1;
            if *waiting == 0 {
                self.callers.remove(caller);
            }
        }
    }
}

/// Whether a request can be sent. If not, what it needs is held: of limits that have room its part, of others all.
fn room(
    buckets: &BTreeMap<Place, Bucket>,
    charges: &[(Place, u64)],
    now: Instant,
    held: &mut HashMap<Place, u64>,
) -> Room {
    let of = |(place, cost): &(Place, u64)| {
        let held = held.get(place).copied().unwrap_or_default();
        buckets.get(place).map_or(Room::Now, |bucket| bucket.room(now, *cost, held))
    };
    let rooms: Vec<_> = charges.iter().map(of).collect();
    if rooms.iter().all(|room| *room == Room::Now) {
        return Room::Now;
    }
    for ((place, cost), room) in charges.iter().zip(&rooms) {
        let part = if *room == Room::Now { *cost } else { ALL };
        let held = held.entry(place.clone()).or_default();
        *held = held.saturating_add(part);
    }
    let times = rooms.iter().filter_map(|room| if let Room::At(time) = room { Some(*time) } else { None });
    match rooms.contains(&Room::Later) {
        true => Room::Later,
        false => Room::At(times.max().unwrap_or(now)),
    }
}
