//! One count of requests: how many there were in the last period, and how many there may be.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::headers::Said;

/// Into how many parts a period is divided: what is answered within one part is kept as one, so that a bucket stays small
/// whatever its size.
const PARTS: u32 = 1024;

/// The requests that count to a limit.
///
/// A request counts from when it is sent until a period after it was *answered*: the vendor counted it at some moment between, so
/// that no window of the vendor's holds more than the size, however long requests travel.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// `None` while nobody knows it.
    size: Option<u64>,
    period: Option<Duration>,
    under_way: u64,
    /// Oldest first.
    answered: VecDeque<Answered>,
    /// The cost of these.
    spent: u64,
    /// What the vendor counted beyond ours: other programs with the same credential.
    others: Option<Others>,
    shut: Option<Instant>,
}

#[derive(Debug)]
struct Answered {
    first: Instant,
    last: Instant,
    cost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Others {
    cost: u64,
    until: Instant,
}

/// Whether a request can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Now.
    Now,
    /// At this time, unless something changes before.
    At(Instant),
    /// When one that is under way is answered, or one that comes first has gone.
    Later,
}

impl Bucket {
    pub(super) fn new(size: Option<u64>, period: Option<Duration>) -> Self {
        Self { size, period, ..Self::default() }
    }

    /// Whether a request of this cost can be sent beside what is held for others. What costs more than the whole size goes
    /// when it is alone.
    pub(super) fn room(&self, now: Instant, cost: u64, held: u64) -> Room {
        if let Some(shut) = self.shut.filter(|shut| *shut > now) {
            return Room::At(shut);
        }
        let Some(size) = self.size else { return Room::Now };
        let (used, cost) = (self.used(), cost.min(size));
        match (used + cost).checked_sub(size).filter(|wanted| *wanted > 0) {
            Some(wanted) => self.freed(wanted).map_or(Room::Later, Room::At),
            None if used.saturating_add(held).saturating_add(cost) <= size => Room::Now,
            None => Room::Later,
        }
    }

    /// A request is sent.
    pub(super) fn send(&mut self, cost: u64) {
        self.under_way += cost;
    }

    /// A request was not sent after all.
    pub(super) fn take_back(&mut self, cost: u64) {
        self.under_way = self.under_way.saturating_sub(cost);
    }

    /// A request was answered, or nobody waits for its answer any more.
    pub(super) fn answer(&mut self, now: Instant, cost: u64) {
        self.take_back(cost);
        // Without a period nothing is known of when it stops counting.
        let Some(period) = self.period.filter(|period| !period.is_zero()) else { return };
        self.spent += cost;
        match self.answered.back_mut() {
            Some(last) if now.duration_since(last.first) < period / PARTS => {
                last.last = now;
                last.cost += cost;
            }
            _ => self.answered.push_back(Answered { first: now, last: now, cost }),
        }
    }

    /// Nothing is sent before this time.
    pub(super) fn shut(&mut self, until: Instant) {
        self.shut = self.shut.max(Some(until));
    }

    /// Forgets what counts no more.
    pub(super) fn forget(&mut self, now: Instant) {
        self.others = self.others.filter(|others| others.until > now);
        self.shut = self.shut.filter(|shut| *shut > now);
        let period = self.period.unwrap_or_default();
        while let Some(oldest) = self.answered.pop_front_if(|oldest| oldest.last + period <= now) {
            self.spent -= oldest.cost;
        }
    }

    /// Whether it holds nothing that a new one would not.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.answered.is_empty() && self.others.is_none() && self.shut.is_none()
    }

    /// Believes what the vendor says in the answer to a request that was sent at this time.
    ///
    /// The vendor has counted all that was answered before that request was sent, and may have counted all the rest. So at most
    /// what it counted beyond the former is of others, and at least what it counted beyond all of ours. If it counted less than
    /// the former, the oldest count no more: its window began anew.
    pub(super) fn learn(&mut self, now: Instant, sent: Instant, cost: u64, said: &Said) {
        if let Some(limit) = said.limit {
            self.size = Some(limit);
        }
        if let Some(period) = said.period.or_else(|| self.period.is_none().then_some(said.reset).flatten()) {
            self.period = Some(period);
        }
        let (Some(size), Some(remaining)) = (self.size, said.remaining) else {
            // That nothing is left needs no size to be understood.
            if let (Some(0), Some(reset)) = (said.remaining, said.reset) {
                self.shut(now + reset);
            }
            return;
        };
        let counted = size.saturating_sub(remaining);
        let surely = cost + self.answered.iter().filter(|it| it.last < sent).map(|it| it.cost).sum::<u64>();
        self.drop_oldest(surely.saturating_sub(counted), sent);
        let ours = self.under_way + self.spent;
        let known = self.others.map_or(0, |others| others.cost);
        let others =
            known.clamp(counted.saturating_sub(ours), counted.saturating_sub(surely).max(counted.saturating_sub(ours)));
        let until = now + said.reset.or(self.period).unwrap_or_default();
        self.others = (others > 0).then_some(Others { cost: others, until });
    }

    /// Forgets so much of what was answered before this time.
    fn drop_oldest(&mut self, mut surplus: u64, before: Instant) {
        while surplus > 0 {
            let Some(oldest) = self.answered.front_mut().filter(|it| it.last < before) else { return };
            let dropped = oldest.cost.min(surplus);
            oldest.cost -= dropped;
            self.spent -= dropped;
            surplus -= dropped;
            if oldest.cost == 0 {
                self.answered.pop_front();
            }
        }
    }

    fn used(&self) -> u64 {
        self.under_way + self.spent + self.others.map_or(0, |others| others.cost)
    }

    /// When so much will count no more; `None` if that depends on what is under way.
    fn freed(&self, mut wanted: u64) -> Option<Instant> {
        let period = self.period.unwrap_or_default();
        let mut others = self.others;
        for it in &self.answered {
            let until = it.last + period;
            if let Some(others) = others.take_if(|others| others.until <= until) {
                wanted = wanted.saturating_sub(others.cost);
                if wanted == 0 {
                    return Some(others.until);
                }
            }
            wanted = wanted.saturating_sub(it.cost);
            if wanted == 0 {
                return Some(until);
            }
        }
        others.filter(|others| others.cost >= wanted).map(|others| others.until)
    }
}
