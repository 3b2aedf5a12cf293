//! Fewer points with the same extremes.

use std::collections::BTreeSet;

use crate::{MetricPoint, Time};

/// How many points of a bucket are kept: its first, its least, its greatest and its last.
const KEPT: usize = 4;

/// At most so many of the points, in their order: none is made up, and the least and the greatest value are among them.
///
/// The span of the points is cut into buckets of the same length. Each keeps its first and its last point and those of
/// its least and greatest value, so that a line through the points looks as it did (the aggregation M4 of Jugel et al.,
/// *M4: A Visualization-Oriented Time Series Data Aggregation*, VLDB 2014). A gap stays one. Two points are returned
/// even where fewer are asked for, because fewer cannot show both extremes; with two or three there is no room for the
/// ends of the series.
///
/// ```
/// use opsorch_schema::signal::downsample;
/// use opsorch_schema::{MetricPoint, Time};
///
/// let value = |second| if second == 500 { 99.0 } else { 1.0 };
/// let point = |second| MetricPoint::new(Time::from_timestamp(second, 0).unwrap(), value(second)).unwrap();
/// let points: Vec<_> = (0..1000).map(point).collect();
/// let fewer = downsample(&points, 20);
/// assert!(fewer.len() <= 20);
/// assert!(fewer.contains(&points[500]), "the peak is still there");
/// ```
pub fn downsample(points: &[MetricPoint], most: usize) -> Vec<MetricPoint> {
    let most = most.max(2);
    if points.len() <= most {
        return points.to_vec();
    }
    let buckets = Buckets::new(points, most / KEPT);
    let mut extents: Vec<Option<Extent>> = vec![None; buckets.count];
    for (index, point) in points.iter().enumerate() {
        if let Some(extent) = extents.get_mut(buckets.index_of(point)) {
            match extent {
                Some(extent) => extent.add(index, point.value()),
                None => *extent = Some(Extent::new(index, point.value())),
            }
        }
    }
    let ends = most >= KEPT;
    let kept: BTreeSet<usize> = extents.into_iter().flatten().flat_map(|extent| extent.kept(ends)).collect();
    kept.into_iter().filter_map(|index| points.get(index).copied()).collect()
}

/// Parts of a span that are equally long.
struct Buckets {
    start: i128,
    /// One more than the nanoseconds from the first point to the last.
    span: i128,
    count: usize,
}

impl Buckets {
    fn new(points: &[MetricPoint], count: usize) -> Self {
        let (start, end) = points.iter().fold((i128::MAX, i128::MIN), |(start, end), point| {
            let time = nanoseconds(point.timestamp());
            (start.min(time), end.max(time))
        });
        Self { start, span: (end - start).saturating_add(1).max(1), count: count.max(1) }
    }

    fn index_of(&self, point: &MetricPoint) -> usize {
        // All times there are have fewer than 2^84 nanoseconds, and a list fewer than 2^60 points: the product may be
        // too large only where there is no such list.
        let since = nanoseconds(point.timestamp()) - self.start;
        let index = since.saturating_mul(i128::try_from(self.count).unwrap_or(i128::MAX)) / self.span;
        usize::try_from(index).unwrap_or(usize::MAX).min(self.count - 1)
    }
}

fn nanoseconds(time: Time) -> i128 {
    i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos())
}

/// Where the ends and the extremes of a bucket are.
#[derive(Clone, Copy)]
struct Extent {
    first: usize,
    least: (usize, f64),
    greatest: (usize, f64),
    last: usize,
}

impl Extent {
    fn new(index: usize, value: f64) -> Self {
        Self { first: index, least: (index, value), greatest: (index, value), last: index }
    }

    fn add(&mut self, index: usize, value: f64) {
        if value < self.least.1 {
            self.least = (index, value);
        }
        if value > self.greatest.1 {
            self.greatest = (index, value);
        }
        self.last = index;
    }

    fn kept(self, ends: bool) -> impl Iterator<Item = usize> {
        let extremes = [self.least.0, self.greatest.0];
        extremes.into_iter().chain([self.first, self.last].into_iter().filter(move |_| ends))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(nanosecond: i64, value: f64) -> MetricPoint {
        MetricPoint::new(Time::from_timestamp_nanos(nanosecond), value).unwrap()
    }

    /// Points in order of time, with times that repeat, gaps and values that repeat.
    fn points() -> impl Strategy<Value = Vec<MetricPoint>> {
        let time = prop_oneof![0..1000_i64, 0..1_000_000_000_i64, any::<i64>()];
        let value =
            prop_oneof![(-5..5_i32).prop_map(f64::from), any::<f64>().prop_filter("finite", |value| value.is_finite())];
        prop::collection::vec((time, value), 0..300).prop_map(|mut samples| {
            samples.sort_by_key(|(time, _)| *time);
            samples.into_iter().map(|(time, value)| point(time, value)).collect()
        })
    }

    fn extremes<'a>(points: impl IntoIterator<Item = &'a MetricPoint>) -> Option<(f64, f64)> {
        let values = points.into_iter().map(MetricPoint::value);
        values.fold(None, |found, value| match found {
            None => Some((value, value)),
            Some((least, greatest)) => Some((value.min(least), value.max(greatest))),
        })
    }

    /// Whether all of `some` are in `all`, in the same order, each at most as often.
    fn is_part(some: &[MetricPoint], all: &[MetricPoint]) -> bool {
        let mut all = all.iter();
        some.iter().all(|point| all.any(|other| other == point))
    }

    proptest! {
        #[test]
        fn extremes_are_the_raw_ones_and_no_point_is_made_up(points in points(), most in 0..350_usize) {
            let fewer = downsample(&points, most);
            prop_assert!(fewer.len() <= most.max(2));
            prop_assert!(is_part(&fewer, &points));
            prop_assert_eq!(extremes(&fewer), extremes(&points));
            prop_assert_eq!(fewer.is_empty(), points.is_empty());
            if points.len() <= most {
                prop_assert_eq!(fewer, points);
            } else if most >= KEPT {
                prop_assert_eq!((fewer.first(), fewer.last()), (points.first(), points.last()));
            }
        }

        #[test]
        fn each_bucket_keeps_its_ends_and_its_extremes(points in points(), most in KEPT..100) {
            if points.len() <= most {
                return Ok(());
            }
            let fewer = downsample(&points, most);
            let buckets = Buckets::new(&points, most / KEPT);
            for bucket in 0..most / KEPT {
                let of = |points: &[MetricPoint]| -> Vec<_> {
                    points.iter().copied().filter(|point| buckets.index_of(point) == bucket).collect()
                };
                let (raw, kept) = (of(&points), of(&fewer));
                prop_assert_eq!(extremes(&raw), extremes(&kept));
                prop_assert_eq!((raw.first(), raw.last()), (kept.first(), kept.last()));
            }
        }

        #[test]
        fn points_without_order_stay_within_the_limit(
            samples in prop::collection::vec((any::<i64>(), -9..9_i32), 0..200), most in 2..60_usize,
        ) {
            let points: Vec<_> = samples.into_iter().map(|(time, value)| point(time, value.into())).collect();
            let fewer = downsample(&points, most);
            prop_assert!(fewer.len() <= most && is_part(&fewer, &points));
            prop_assert_eq!(extremes(&fewer), extremes(&points));
        }
    }

    #[test]
    fn the_ends_of_time_are_no_problem() {
        let at = |time| MetricPoint::new(time, 1.0).unwrap();
        let points: Vec<_> =
            std::iter::repeat_n(at(Time::MIN_UTC), 50).chain(std::iter::repeat_n(at(Time::MAX_UTC), 50)).collect();
        assert_eq!(downsample(&points, 8), [points[0], points[0], points[99], points[99]]);
    }
}
