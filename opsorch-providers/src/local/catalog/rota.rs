//! Who is on call when.

use chrono::TimeDelta;
use opsorch::{MemberId, Time};

/// People who take turns, and exceptions from that. A moment belongs to the turn that begins with it, and not to the
/// one that ends with it.
#[derive(Clone, Debug)]
pub(super) struct Rota {
    members: Vec<MemberId>,
    start: Time,
    every: TimeDelta,
    /// In the order of time; no two at the same time.
    overrides: Vec<Override>,
}

/// Somebody instead of those whose turn it is.
#[derive(Clone, Debug)]
pub(super) struct Override {
    pub(super) from: Time,
    pub(super) until: Time,
    pub(super) member: MemberId,
}

/// Somebody is on call until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) member: MemberId,
    pub(super) until: Time,
}

impl Rota {
    /// People who take turns of the same length, the first from `start` on. Overrides may come in any order, and must
    /// not overlap; the length is positive.
    pub(super) fn new(members: Vec<MemberId>, start: Time, every: TimeDelta, mut overrides: Vec<Override>) -> Self {
        overrides.sort_by_key(|one| one.from);
        Self { members, start, every, overrides }
    }

    /// Whose turn it is; `None` before the first one, unless an override says otherwise.
    pub(super) fn turn(&self, now: Time) -> Option<Turn> {
        let next = self.overrides.partition_point(|one| one.from <= now);
        let current = next.checked_sub(1).and_then(|last| self.overrides.get(last)).filter(|one| now < one.until);
        if let Some(current) = current {
            return Some(Turn { member: current.member.clone(), until: current.until });
        }
        let turn = self.rotation(now)?;
        let until = self.overrides.get(next).map_or(turn.until, |next| turn.until.min(next.from));
        Some(Turn { until, ..turn })
    }

    /// Whose turn it is without overrides.
    fn rotation(&self, now: Time) -> Option<Turn> {
        if now < self.start {
            return None;
        }
        let every = self.every.num_milliseconds().max(1);
        let turns = (now - self.start).num_milliseconds() / every;
        let index = usize::try_from(turns).ok()?.checked_rem(self.members.len())?;
        let passed = TimeDelta::milliseconds(turns.saturating_add(1).saturating_mul(every));
        let until = self.start.checked_add_signed(passed).unwrap_or(Time::MAX_UTC);
        Some(Turn { member: self.members.get(index)?.clone(), until })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::minutes(1_000_000 + minute)
    }

    fn rota() -> impl Strategy<Value = Rota> {
        let edges = prop::collection::btree_set(-50_i64..300, 0..10);
        (1_usize..5, -30_i64..30, 1_i64..40, edges).prop_map(|(people, start, every, edges)| {
            let members = (0..people).map(|number| MemberId::new(number.to_string())).collect();
            let edges: Vec<_> = edges.into_iter().collect();
            let mut overrides: Vec<_> = edges
                .windows(2)
                .step_by(2)
                .map(|edge| Override { from: at(edge[0]), until: at(edge[1]), member: "guest".into() })
                .collect();
            overrides.reverse();
            Rota::new(members, at(start), TimeDelta::minutes(every), overrides)
        })
    }

    /// The same by walking from turn to turn.
    fn walked(rota: &Rota, now: Time) -> Option<MemberId> {
        if let Some(one) = rota.overrides.iter().find(|one| one.from <= now && now < one.until) {
            return Some(one.member.clone());
        }
        let (mut from, mut index) = (rota.start, 0);
        while from + rota.every <= now {
            from += rota.every;
            index += 1;
        }
        (now >= rota.start).then(|| rota.members[index % rota.members.len()].clone())
    }

    proptest! {
        #[test]
        fn it_is_the_turn_of_who_is_found_by_walking(rota in rota(), minute in -60_i64..300) {
            prop_assert_eq!(rota.turn(at(minute)).map(|turn| turn.member), walked(&rota, at(minute)));
        }

        #[test]
        fn somebody_stays_on_call_until_the_turn_ends(rota in rota(), minute in -60_i64..300) {
            let now = at(minute);
            if let Some(turn) = rota.turn(now) {
                prop_assert!(turn.until > now);
                let last = turn.until - TimeDelta::nanoseconds(1);
                prop_assert_eq!(rota.turn(last), Some(turn.clone()));
                let next = rota.turn(turn.until).map(|turn| turn.until);
                prop_assert_ne!(next, Some(turn.until), "a turn is half-open");
            } else {
                prop_assert!(now < rota.start);
            }
        }

        #[test]
        fn everybody_has_as_many_turns_as_the_others(rota in rota(), rounds in 1_usize..5) {
            let rota = Rota { overrides: Vec::new(), ..rota };
            let mut now = rota.start;
            let mut order = Vec::new();
            for _ in 0..rounds * rota.members.len() {
                let turn = rota.turn(now).unwrap();
                prop_assert_eq!(turn.until - now, rota.every);
                order.push(turn.member);
                now = turn.until;
            }
            prop_assert!(order.chunks(rota.members.len()).all(|round| round == rota.members));
        }
    }

    #[test]
    fn the_end_of_time_is_a_time() {
        let rota = Rota::new(vec!["a".into()], at(0), TimeDelta::weeks(52), Vec::new());
        assert_eq!(rota.turn(Time::MAX_UTC).unwrap().until, Time::MAX_UTC);
    }
}
