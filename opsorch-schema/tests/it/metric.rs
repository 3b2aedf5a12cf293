//! Values of metrics are finite, and no digit of them is lost.

use opsorch_schema::{MetricPoint, MetricSeries};
use proptest::prelude::*;

use crate::sample::time;

#[test]
fn what_is_not_a_finite_number_is_no_point() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(MetricPoint::new(time(1), value), None);
    }
    for value in ["null", "1e999", "\"NaN\"", "NaN"] {
        let text = format!(r#"{{"timestamp":"2026-01-02T03:04:05Z","value":{value}}}"#);
        assert!(serde_json::from_str::<MetricPoint>(&text).is_err(), "{value}");
    }
}

#[test]
fn a_whole_number_is_a_value() {
    let text = r#"{"name":"up","points":[{"timestamp":"2026-01-02T03:04:05Z","value":1}]}"#;
    assert_eq!(serde_json::from_str::<MetricSeries>(text).unwrap().points[0].value(), 1.0);
}

#[test]
fn a_point_is_small() {
    assert!(size_of::<MetricPoint>() <= 24, "{}", size_of::<MetricPoint>());
}

proptest! {
    #[test]
    fn every_finite_value_survives(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
        let point = MetricPoint::new(time(1), value).unwrap();
        let text = serde_json::to_string(&point).unwrap();
        let read: MetricPoint = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.value().to_bits(), value.to_bits());
    }
}
