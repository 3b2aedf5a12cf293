//! Where a series has no points.

use super::Window;
use crate::{MetricPoint, Time};

/// Moments of a window, one after the other, at which a series has no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The first moment without a point.
    pub first: Time,
    /// The last one.
    pub last: Time,
    /// How many there are; at least one.
    pub missing: u64,
}

/// The moments of a window at which a series has no point, as stretches, the oldest first. A point belongs to the last
/// moment that is not after it; one outside the window fills no gap. The points are in order of time, as in a
/// [`MetricSeries`](crate::MetricSeries).
///
/// ```
/// use opsorch_schema::signal::{Step, Window, gaps};
/// use opsorch_schema::{MetricPoint, Time};
///
/// let at = |second| Time::from_timestamp(second, 0).unwrap();
/// let window = Window::new(at(0), at(300), Step::from_seconds(60).unwrap()).unwrap();
/// let samples = [(0, 1.0), (61, 1.5), (120, f64::NAN), (180, f64::INFINITY), (240, 2.0), (300, 2.5)];
/// let point = |(second, value)| MetricPoint::new(at(second), value);
/// let points: Vec<_> = samples.into_iter().filter_map(point).collect();
///
/// let gaps = gaps(&window, &points);
/// assert_eq!((gaps[0].first, gaps[0].last, gaps[0].missing), (at(120), at(180), 2));
/// assert_eq!(gaps.len(), 1);
/// ```
pub fn gaps(window: &Window, points: &[MetricPoint]) -> Vec<Gap> {
    let (mut gaps, mut next) = (Vec::new(), 0);
    let mut fill = |index: u64| {
        if next < index {
            let (first, last) = (window.moment(next), window.moment(index - 1));
            gaps.push(Gap { first, last, missing: index - next });
        }
        next = next.max(index.saturating_add(1));
    };
    points.iter().filter_map(|point| window.index_of(point.timestamp())).for_each(&mut fill);
    fill(window.points());
    gaps
}

/// How many samples are no points, because their value is no finite number. Each leaves a gap.
///
/// ```
/// use opsorch_schema::Time;
/// use opsorch_schema::signal::Dropped;
///
/// let mut dropped = Dropped::default();
/// let samples = [1.0, f64::NAN, f64::NEG_INFINITY];
/// let points: Vec<_> = samples.into_iter().filter_map(|value| dropped.point(Time::UNIX_EPOCH, value)).collect();
/// assert_eq!((points.len(), dropped.nan, dropped.infinite), (1, 1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Those that are not a number.
    pub nan: u64,
    /// Those that are infinite.
    pub infinite: u64,
}

impl Dropped {
    /// The point that a sample is, or none, and then it is counted.
    #[inline]
    pub fn point(&mut self, timestamp: Time, value: f64) -> Option<MetricPoint> {
        let point = MetricPoint::new(timestamp, value);
        if point.is_none() {
            match value.is_nan() {
                true => self.nan += 1,
                false => self.infinite += 1,
            }
        }
        point
    }

    /// Counts what others counted too.
    pub fn add(&mut self, other: Self) {
        self.nan += other.nan;
        self.infinite += other.infinite;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signal::Step;

    fn at(second: i64) -> Time {
        Time::from_timestamp(second, 0).unwrap()
    }

    proptest! {
        #[test]
        fn moments_are_in_a_gap_or_have_a_point_and_never_both(
            start in 0..50_i64, span in 0..100_i64, step in 1..20_u32,
            samples in prop::collection::btree_map(
                0..200_i64, prop::sample::select(vec![1.0, f64::NAN, f64::INFINITY]), 0..60,
            ),
        ) {
            let window = Window::new(at(start), at(start + span), Step::from_seconds(step).unwrap()).unwrap();
            let mut dropped = Dropped::default();
            let points: Vec<_> =
                samples.iter().filter_map(|(second, value)| dropped.point(at(*second), *value)).collect();
            prop_assert_eq!(points.len() as u64 + dropped.nan + dropped.infinite, samples.len() as u64);
            let found = gaps(&window, &points);
            let mut missing = 0;
            for moment in window.moments() {
                let second = moment.timestamp();
                let last = (second + i64::from(step) - 1).min(start + span);
                let has_point = samples.range(second..=last).any(|(_, value)| value.is_finite());
                let is_in_gap = found.iter().any(|gap| (gap.first..=gap.last).contains(&moment));
                prop_assert_ne!(has_point, is_in_gap, "at {}", moment);
                missing += u64::from(is_in_gap);
            }
            prop_assert_eq!(found.iter().map(|gap| gap.missing).sum::<u64>(), missing);
            prop_assert!(found.windows(2).all(|pair| pair[0].last < pair[1].first));
        }
    }

    #[test]
    fn a_series_without_points_is_one_gap() {
        let window = Window::new(at(0), at(90), Step::from_seconds(60).unwrap()).unwrap();
        assert_eq!(gaps(&window, &[]), [Gap { first: at(0), last: at(60), missing: 2 }]);
    }

    #[test]
    fn all_of_time_in_milliseconds_is_a_gap_found_at_once() {
        let window = Window::new(Time::MIN_UTC, Time::MAX_UTC, Step::MILLISECOND).unwrap();
        let [before, after] = gaps(&window, &[MetricPoint::new(at(0), 1.0).unwrap()])[..] else { panic!() };
        assert_eq!((before.first, before.missing + 1 + after.missing), (Time::MIN_UTC, window.points()));
    }
}
