//! When a range query is evaluated: the step, and the windows that a long span is asked in.

use opsorch::Time;
use opsorch::signal::{Step, Window};

/// The most points that Prometheus returns for a series: above, it refuses the query.
/// (<https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries>)
const POINTS: u64 = 11_000;

/// The most windows that one query is asked in.
const WINDOWS: u64 = 10;

/// About how many points a series has where the caller leaves the step to us: as many as a graph can show.
const CHOSEN_POINTS: u64 = 250;

/// How a span is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// From one point to the next.
    pub(super) step: Step,
    /// The step that was asked for, where it would have been too many points.
    pub(super) widened_from: Option<Step>,
    /// The windows, in order.
    pub(super) windows: Vec<Window>,
}

impl Plan {
    /// Plans a span, in steps that are chosen here where none is asked for; `None` if it ends before it starts. A query
    /// that means something else when its span is cut is asked `whole`.
    ///
    /// Prometheus evaluates at `start`, `start + step`, … and at no other moment, so that a window which begins one
    /// step after the last moment of the one before neither repeats nor loses a point, in any release.
    pub(super) fn new(start: Time, end: Time, step: Option<Step>, whole: bool) -> Option<Self> {
        let asked = match step {
            Some(step) => Window::new(start, end, step)?,
            None => Window::new(start, end, Step::SECOND)?.widened(CHOSEN_POINTS),
        };
        let window = asked.widened(if whole { POINTS } else { POINTS * WINDOWS });
        let widened_from = Some(asked.step()).filter(|asked| window.step() > *asked);
        Some(Self { step: window.step(), widened_from, windows: window.split(POINTS).collect() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> Time {
        Time::from_timestamp_millis(milliseconds).unwrap()
    }

    fn plan(end: i64, seconds: u32, whole: bool) -> Plan {
        Plan::new(at(0), at(end), Step::from_seconds(seconds), whole).unwrap()
    }

    proptest! {
        #[test]
        fn windows_are_the_span_with_no_moment_twice_and_none_lost(
            start in -10_000_000_000_i64..4_000_000_000_000,
            span in prop_oneof![0..2_000_i64, 0..200_000_000_i64, 0..400_000_000_000_i64],
            seconds in prop_oneof![Just(0), Just(1), 1..20_000_u32],
            whole: bool,
        ) {
            let (start, end) = (at(start), at(start + span));
            let plan = Plan::new(start, end, Step::from_seconds(seconds), whole).unwrap();
            let most = if whole { 1 } else { 10 };
            prop_assert!(plan.windows.len() <= most);
            prop_assert!(plan.windows.iter().all(|window| window.points() <= POINTS && window.step() == plan.step));
            let asked: Vec<_> = plan.windows.iter().flat_map(Window::moments).collect();
            let expected: Vec<_> = Window::new(start, end, plan.step).unwrap().moments().collect();
            prop_assert_eq!(asked, expected);
            prop_assert_eq!(plan.windows.last().unwrap().end(), end);
            match (plan.widened_from, Step::from_seconds(seconds)) {
                (None, None) => {
                    prop_assert!(plan.step >= Step::SECOND && span / plan.step.as_millis() < CHOSEN_POINTS.cast_signed());
                }
                (None, Some(step)) => prop_assert_eq!(plan.step, step),
                (Some(asked), step) => prop_assert!(Some(asked) == step && asked < plan.step),
            }
        }
    }

    #[test]
    fn the_boundary_of_11_000_points_is_one_window_and_one_more_is_two() {
        let ends = |plan: &Plan| -> Vec<_> { plan.windows.iter().map(|it| (it.start(), it.end())).collect() };
        assert_eq!(ends(&plan(10_999_000, 1, false)), [(at(0), at(10_999_000))]);
        let two = plan(11_000_000, 1, false);
        assert_eq!(ends(&two), [(at(0), at(10_999_000)), (at(11_000_000), at(11_000_000))]);
        assert_eq!((two.step, two.widened_from), (Step::SECOND, None));
        assert_eq!(plan(11_000_000, 1, true).widened_from, Some(Step::SECOND));
    }

    #[test]
    fn a_step_is_widened_only_above_ten_windows() {
        assert_eq!(plan(109_999_000, 1, false).windows.len(), 10);
        let wide = plan(110_000_000, 1, false);
        assert_eq!((wide.step.as_millis(), wide.widened_from, wide.windows.len()), (2000, Some(Step::SECOND), 6));
    }
}
