//! A span of time in steps. A leap second has no place in them: it is taken for the end of the second before.

use chrono::{TimeDelta, Timelike};

use crate::Time;

/// From one point of a series to the next: a whole number of milliseconds, at least one.
///
/// ```
/// use opsorch_schema::Time;
/// use opsorch_schema::signal::Step;
///
/// let minute = Step::from_seconds(60).unwrap();
/// let time: Time = "2026-01-01T12:30:59.5Z".parse()?;
/// assert_eq!(minute.floor(time), "2026-01-01T12:30:00Z".parse::<Time>()?);
/// assert_eq!(minute.ceil(time), "2026-01-01T12:31:00Z".parse::<Time>()?);
/// assert_eq!(Step::from_seconds(0), None);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(i64);

impl Step {
    /// A millisecond, the finest there is.
    pub const MILLISECOND: Self = Self(1);

    /// A second.
    pub const SECOND: Self = Self(1000);

    /// A step of some milliseconds; `None` unless there is at least one.
    pub const fn from_millis(milliseconds: i64) -> Option<Self> {
        if milliseconds > 0 { Some(Self(milliseconds)) } else { None }
    }

    /// A step of some seconds; `None` for 0, by which a [`MetricQuery`](crate::MetricQuery) leaves it to the provider.
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        // A cast, because a `From` cannot be called here; every u32 is an i64.
        Self::from_millis(seconds as i64 * 1000)
    }

    /// How many milliseconds it has.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The last multiple of the step, counted from 1970, that is not after a time; the first time there is, if that is
    /// before it.
    pub fn floor(self, time: Time) -> Time {
        self.floor_from(Time::UNIX_EPOCH, time)
    }

    /// The first multiple of the step, counted from 1970, that is not before a time; the last time there is, if that is
    /// after it.
    pub fn ceil(self, time: Time) -> Time {
        let since = ceil_millis(without_leap(time) - Time::UNIX_EPOCH);
        // The quotient is rounded up by rounding its negative down.
        let steps = -(-since).div_euclid(self.0);
        self.times(steps).and_then(|since| Time::UNIX_EPOCH.checked_add_signed(since)).unwrap_or(Time::MAX_UTC)
    }

    /// As [`floor`](Self::floor), with steps that are counted from an origin.
    pub fn floor_from(self, origin: Time, time: Time) -> Time {
        let (origin, time) = (without_leap(origin), without_leap(time));
        let steps = floor_millis(time - origin).div_euclid(self.0);
        self.times(steps).and_then(|since| origin.checked_add_signed(since)).unwrap_or(Time::MIN_UTC)
    }

    /// How long so many steps are, unless that is longer than any difference of times.
    fn times(self, steps: i64) -> Option<TimeDelta> {
        steps.checked_mul(self.0).and_then(TimeDelta::try_milliseconds)
    }
}

/// A time at which a second has a thousand milliseconds. Chrono keeps a leap second as the nanoseconds above 10⁹.
fn without_leap(time: Time) -> Time {
    match time.nanosecond() {
        0..1_000_000_000 => time,
        _ => time.with_nanosecond(999_999_999).unwrap_or(time),
    }
}

/// The whole milliseconds of a difference of times, rounded towards the past.
fn floor_millis(delta: TimeDelta) -> i64 {
    // Differences of times are far from the ends of an i64, and `num_milliseconds` rounds towards zero.
    let whole = delta.num_milliseconds();
    whole - i64::from(TimeDelta::milliseconds(whole) > delta)
}

/// The whole milliseconds of a difference of times, rounded towards the future.
fn ceil_millis(delta: TimeDelta) -> i64 {
    let whole = delta.num_milliseconds();
    whole + i64::from(TimeDelta::milliseconds(whole) < delta)
}

/// A span of time and the moments in it at which a series is looked at: `start`, `start + step`, … until `end`.
///
/// ```
/// use opsorch_schema::Time;
/// use opsorch_schema::signal::{Step, Window};
///
/// let start: Time = "2026-01-01T00:00:00Z".parse()?;
/// let end: Time = "2026-01-01T05:00:00Z".parse()?;
/// let window = Window::new(start, end, Step::SECOND).unwrap();
/// assert_eq!(window.points(), 18_001);
/// // Prometheus returns at most 11 000 points: ask more coarsely, or in several windows.
/// assert_eq!(window.widened(11_000).step(), Step::from_seconds(2).unwrap());
/// assert_eq!(window.split(11_000).count(), 2);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    start: Time,
    end: Time,
    step: Step,
}

impl Window {
    /// The moments from a start until an end, both of which belong to it; `None` if the end is before the start.
    pub fn new(start: Time, end: Time, step: Step) -> Option<Self> {
        let (start, end) = (without_leap(start), without_leap(end));
        (start <= end).then_some(Self { start, end, step })
    }

    /// The first moment.
    pub fn start(&self) -> Time {
        self.start
    }

    /// The end of the span, which is a moment only if it is a whole number of steps after the start.
    pub fn end(&self) -> Time {
        self.end
    }

    /// From one moment to the next.
    pub fn step(&self) -> Step {
        self.step
    }

    /// How many moments there are; at least one.
    pub fn points(&self) -> u64 {
        (self.span() / self.step.0).unsigned_abs() + 1
    }

    /// The moments, the first one first.
    pub fn moments(&self) -> impl Iterator<Item = Time> + use<> {
        let window = *self;
        (0..self.points()).map(move |index| window.moment(index))
    }

    /// Which moment is the last one that is not after a time; `None` if the time is before the start or after the end.
    ///
    /// ```
    /// use opsorch_schema::Time;
    /// use opsorch_schema::signal::{Step, Window};
    ///
    /// let at = |second| Time::from_timestamp(second, 0).unwrap();
    /// let window = Window::new(at(100), at(200), Step::from_seconds(30).unwrap()).unwrap();
    /// assert_eq!(window.index_of(at(159)), Some(1));
    /// assert_eq!(window.index_of(at(99)), None);
    /// ```
    pub fn index_of(&self, time: Time) -> Option<u64> {
        let time = without_leap(time);
        let is_inside = (self.start..=self.end).contains(&time);
        is_inside.then(|| (floor_millis(time - self.start) / self.step.0).unsigned_abs())
    }

    /// The window with its ends moved outwards to multiples of the step since 1970, so that queries of different spans
    /// look at the same moments.
    pub fn aligned(self) -> Self {
        Self { start: self.step.floor(self.start), end: self.step.ceil(self.end), step: self.step }
    }

    /// The window with a step that makes at most so many points: the same step where it does, and otherwise the least
    /// multiple of which one fewer is as long as the span. A window has one point at least, however few may be made.
    pub fn widened(self, most: u64) -> Self {
        if self.points() <= most {
            return self;
        }
        let span = self.span().unsigned_abs();
        let step = self.step.0.unsigned_abs();
        let times = match most {
            // A single point needs a step that leads out of the span.
            0 | 1 => span / step + 1,
            _ => span.div_ceil((most - 1).saturating_mul(step)),
        };
        // It is longer than the span by one step at most, which is too much for an i64 only where the step nearly is.
        let widened = i64::try_from(times.saturating_mul(step)).unwrap_or(i64::MAX);
        Self { step: Step(widened), ..self }
    }

    /// The moments in windows of at most so many points, of which each but the last ends at its last moment. None is
    /// repeated and none lost; 0 is taken for 1.
    pub fn split(self, most: u64) -> impl Iterator<Item = Self> {
        let (points, most) = (self.points(), most.max(1));
        let firsts = std::iter::successors(Some(0), move |first: &u64| first.checked_add(most));
        firsts.take_while(move |first| *first < points).map(move |first| {
            let last = first.saturating_add(most - 1);
            let end = if last < points - 1 { self.moment(last) } else { self.end };
            Self { start: self.moment(first), end, step: self.step }
        })
    }

    /// The whole milliseconds from the start to the end.
    fn span(&self) -> i64 {
        (self.end - self.start).num_milliseconds()
    }

    pub(super) fn moment(&self, index: u64) -> Time {
        let since = i64::try_from(index).ok().and_then(|index| self.step.times(index));
        since.and_then(|since| self.start.checked_add_signed(since)).unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> Time {
        Time::from_timestamp_millis(milliseconds).unwrap()
    }

    /// Any time there is, leap seconds and both ends included.
    fn times() -> impl Strategy<Value = Time> {
        let seconds = Time::MIN_UTC.timestamp()..=Time::MAX_UTC.timestamp();
        let any =
            (seconds, 0..1_000_000_000_u32).prop_map(|(second, nano)| Time::from_timestamp(second, nano).unwrap());
        let leap = (-1_000_000_i64..1_000_000, 1_000_000_000..2_000_000_000_u32)
            .prop_map(|(minute, nano)| Time::from_timestamp(minute * 60 + 59, nano).unwrap());
        prop_oneof![any, leap, Just(Time::MIN_UTC), Just(Time::MAX_UTC), (0..100_000_i64).prop_map(at)]
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![1..=i64::MAX, 1..100_000_i64, Just(1), Just(i64::MAX)]
            .prop_map(|step| Step::from_millis(step).unwrap())
    }

    fn limits() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), 0..20_u64, Just(11_000), Just(u64::MAX)]
    }

    proptest! {
        #[test]
        fn floor_and_ceil_are_multiples_around_any_time(time in times(), step in steps()) {
            let (floor, ceil) = (step.floor(time), step.ceil(time));
            prop_assert!(floor <= time && time <= ceil);
            let is_whole = |time: Time| time.timestamp_subsec_nanos().is_multiple_of(1_000_000);
            let is_multiple = |time: Time| is_whole(time) && time.timestamp_millis() % step.as_millis() == 0;
            prop_assert!(floor == Time::MIN_UTC || is_multiple(floor));
            prop_assert!(ceil == Time::MAX_UTC || is_multiple(ceil));
            prop_assert!(floor == ceil || (ceil - floor).num_milliseconds() <= step.as_millis());
            prop_assert_eq!(step.floor(floor), floor);
            prop_assert_eq!(step.ceil(ceil), ceil);
            prop_assert_eq!(step.floor_from(time, time), without_leap(time));
        }

        #[test]
        fn steps_counted_from_an_origin_are_whole(origin in times(), time in times(), step in steps()) {
            let floor = step.floor_from(origin, time);
            prop_assert!(floor <= time);
            if floor != Time::MIN_UTC {
                prop_assert_eq!((floor - without_leap(origin)).num_milliseconds() % step.as_millis(), 0);
                prop_assert!((without_leap(time) - floor).num_milliseconds() <= step.as_millis());
            }
        }

        #[test]
        fn a_widened_step_fits_and_is_a_multiple_that_is_no_wider_than_it_has_to_be(
            one in times(), other in times(), step in steps(), most in limits(),
        ) {
            let window = Window::new(one.min(other), one.max(other), step).unwrap();
            let widened = window.widened(most);
            prop_assert!(widened.points() <= most.max(1));
            prop_assert_eq!((widened.start(), widened.end()), (window.start(), window.end()));
            let (narrow, wide) = (step.as_millis(), widened.step().as_millis());
            if wide != i64::MAX {
                prop_assert_eq!(wide % narrow, 0);
            }
            if wide > narrow {
                prop_assert!(window.points() > most);
                let narrower = i128::from(wide - narrow) * i128::from(most.max(2) - 1);
                prop_assert!(narrower < i128::from((window.end() - window.start()).num_milliseconds()) || most < 2);
            }
        }

        #[test]
        fn no_window_panics_at_the_ends_of_time(one in times(), other in times(), step in steps(), most in limits()) {
            let window = Window::new(one.min(other), one.max(other), step).unwrap();
            let aligned = window.aligned();
            prop_assert!(aligned.start() <= window.start() && window.end() <= aligned.end());
            prop_assert_eq!(aligned.aligned(), aligned);
            prop_assert!(window.moments().take(3).all(|moment| (window.start()..=window.end()).contains(&moment)));
            prop_assert!(window.split(most).take(3).all(|part| part.points() <= most.max(1)));
            prop_assert!(window.index_of(other).unwrap() < window.points());
        }

        #[test]
        fn parts_are_the_window_with_no_moment_twice_and_none_lost(
            start in -10_000_000_000_i64..4_000_000_000_000, span in 0..100_000_i64,
            step in 1..5000_i64, most in 0..50_u64,
        ) {
            let window = Window::new(at(start), at(start + span), Step::from_millis(step).unwrap()).unwrap();
            let expected: Vec<_> = (start..=start + span).step_by(usize::try_from(step).unwrap()).map(at).collect();
            prop_assert_eq!(window.points(), expected.len() as u64);
            prop_assert_eq!(window.moments().collect::<Vec<_>>(), expected.clone());
            let parts: Vec<_> = window.split(most).collect();
            prop_assert!(parts.iter().all(|part| part.points() <= most.max(1)));
            prop_assert_eq!(parts.last().unwrap().end(), window.end());
            prop_assert_eq!(parts.iter().flat_map(Window::moments).collect::<Vec<_>>(), expected.clone());
            for (index, moment) in expected.into_iter().enumerate() {
                prop_assert_eq!(window.index_of(moment), Some(index as u64));
            }
        }
    }

    #[test]
    fn the_limit_itself_fits() {
        let window = Window::new(at(0), at(10_999_000), Step::SECOND).unwrap();
        assert_eq!((window.points(), window.widened(11_000)), (11_000, window));
        let one_more = Window::new(at(0), at(11_000_000), Step::SECOND).unwrap();
        assert_eq!(one_more.widened(11_000).step().as_millis(), 2000);
    }

    #[test]
    fn the_multiple_above_is_found_where_there_is_none_below() {
        let step = Step::from_millis(8_334_601_228_800_001).unwrap();
        assert_eq!(step.floor(at(-1)), Time::MIN_UTC);
        assert_eq!(step.ceil(at(-1)), Time::UNIX_EPOCH);
    }

    #[test]
    fn an_end_before_the_start_is_no_window() {
        assert_eq!(Window::new(at(1), at(0), Step::SECOND), None);
        assert_eq!(Step::from_millis(-1), None);
        assert_eq!(Step::from_seconds(u32::MAX).unwrap().as_millis(), 4_294_967_295_000);
    }
}
