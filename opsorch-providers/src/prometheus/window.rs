//! When a range query is evaluated: the step, and the windows that a long span is asked in.

/// The most points that Prometheus returns for a series: above, it refuses the query.
/// (<https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries>)
const POINTS: i64 = 11_000;

/// The most windows that one query is asked in.
const WINDOWS: i64 = 10;

/// About how many points a series has where the caller leaves the step to us: as many as a graph can show.
const CHOSEN_POINTS: i64 = 250;

/// How a span is asked for, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// From one point to the next.
    pub(super) step: i64,
    /// The step that was asked for, where it would have been too many points.
    pub(super) widened_from: Option<i64>,
    /// First and last moment of each window, in order.
    pub(super) windows: Vec<(i64, i64)>,
}

impl Plan {
    /// Plans a span from `start` to `end`, which is not before it; a step of 0 seconds is chosen here. A query that
    /// means something else when its span is cut is asked `whole`.
    ///
    /// Prometheus evaluates at `start`, `start + step`, … and at no other moment, so that a window which begins one
    /// step after the last moment of the one before neither repeats nor loses a point, in any release.
    pub(super) fn new(start: i64, end: i64, step_seconds: u32, whole: bool) -> Self {
        let span = end - start;
        let most = if whole { POINTS } else { POINTS * WINDOWS };
        let asked = match step_seconds {
            0 => narrowest(span, CHOSEN_POINTS),
            seconds => i64::from(seconds) * 1000,
        };
        let step = asked.max(if span / asked < most { 0 } else { narrowest(span, most) });
        let reach = step * POINTS;
        let firsts = (0..=span / reach).map(|index| start + index * reach);
        let windows = firsts.map(|first| (first, end.min(first + reach - step))).collect();
        Self { step, widened_from: (step > asked).then_some(asked), windows }
    }
}

/// The least whole seconds that make at most so many points.
fn narrowest(span: i64, points: i64) -> i64 {
    let seconds = span / ((points - 1) * 1000) + i64::from(span % ((points - 1) * 1000) != 0);
    seconds.max(1) * 1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The moments that Prometheus evaluates for a window.
    fn moments((first, last): (i64, i64), step: i64) -> impl Iterator<Item = i64> {
        (0..=(last - first) / step).map(move |index| first + index * step)
    }

    proptest! {
        #[test]
        fn windows_are_the_span_with_no_moment_twice_and_none_lost(
            start in -10_000_000_000_i64..4_000_000_000_000,
            span in prop_oneof![0..2_000_i64, 0..200_000_000_i64, 0..400_000_000_000_i64],
            seconds in prop_oneof![Just(0), Just(1), 1..20_000_u32],
            whole: bool,
        ) {
            let plan = Plan::new(start, start + span, seconds, whole);
            let most = if whole { 1 } else { 10 };
            prop_assert!(plan.windows.len() <= most);
            for window in &plan.windows {
                prop_assert!(window.0 <= window.1);
                prop_assert!((window.1 - window.0) / plan.step < POINTS);
            }
            let asked: Vec<i64> = plan.windows.iter().flat_map(|window| moments(*window, plan.step)).collect();
            let expected: Vec<i64> = moments((start, start + span), plan.step).collect();
            prop_assert_eq!(asked, expected);
            match (plan.widened_from, seconds) {
                (None, 0) => prop_assert!(plan.step >= 1000 && span / plan.step < CHOSEN_POINTS),
                (None, seconds) => prop_assert_eq!(plan.step, i64::from(seconds) * 1000),
                (Some(asked), seconds) => prop_assert!(asked == i64::from(seconds) * 1000 && asked < plan.step),
            }
        }
    }

    #[test]
    fn the_boundary_of_11_000_points_is_one_window_and_one_more_is_two() {
        let one = Plan::new(0, 10_999_000, 1, false);
        assert_eq!(one.windows, [(0, 10_999_000)]);
        let two = Plan::new(0, 11_000_000, 1, false);
        assert_eq!(two.windows, [(0, 10_999_000), (11_000_000, 11_000_000)]);
        assert_eq!((two.step, two.widened_from), (1000, None));
        assert_eq!(Plan::new(0, 11_000_000, 1, true).widened_from, Some(1000));
    }

    #[test]
    fn a_step_is_widened_only_above_ten_windows() {
        assert_eq!(Plan::new(0, 109_999_000, 1, false).windows.len(), 10);
        let wide = Plan::new(0, 110_000_000, 1, false);
        assert_eq!((wide.step, wide.widened_from, wide.windows.len()), (2000, Some(1000), 6));
    }
}
