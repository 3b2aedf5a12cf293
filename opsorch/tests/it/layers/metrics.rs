//! What is counted, and how it is printed.

use opsorch::layer::MetricsLayer;

use super::*;

async fn metered(metrics: &MetricsLayer) -> World {
    World::with(allow, |builder| builder.layer(metrics.clone()).audit_sink(metrics.clone())).await
}

/// The value of a line, by what stands before it.
fn value(metrics: &MetricsLayer, series: &str) -> Option<f64> {
    let text = metrics.exposition();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn count(metrics: &MetricsLayer, operation: &str, error: &str) -> Option<f64> {
    let labels = format!(r#"operation_name="{operation}",provider_name="tracker",error_type="{error}""#);
    value(metrics, &format!("opsorch_call_duration_seconds_count{{{labels}}}"))
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_operation_provider_and_error() {
    let metrics = MetricsLayer::new();
    let world = metered(&metrics).await;
    world.vendor.faults().next(READ, Fault::Error(ErrorKind::Timeout));
    for _ in 0..3 {
        let _ = read(&world, &cx()).await;
    }
    assert_eq!(count(&metrics, "ticket.query", "timeout"), Some(1.0));
    assert_eq!(count(&metrics, "ticket.query", ""), Some(2.0));
    assert_eq!(count(&metrics, "ticket.get", ""), None);
}

#[tokio::test(start_paused = true)]
async fn durations_fall_into_cumulative_buckets() {
    let metrics = MetricsLayer::new();
    let world = metered(&metrics).await;
    for delay in [millis(60), millis(300), seconds(20)] {
        world.vendor.faults().next(READ, Fault::Delay(delay));
        read(&world, &cx()).await.unwrap();
    }
    let labels = r#"operation_name="ticket.query",provider_name="tracker",error_type="""#;
    let bucket =
        |bound| value(&metrics, &format!(r#"opsorch_call_duration_seconds_bucket{{{labels},le="{bound}"}}"#)).unwrap();
    let counts = ["0.05", "0.075", "0.25", "0.5", "10", "+Inf"].map(bucket);
    assert_eq!(counts, [0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
    let sum = value(&metrics, &format!("opsorch_call_duration_seconds_sum{{{labels}}}")).unwrap();
    assert!((20.36..20.37).contains(&sum), "{sum}");
}

#[tokio::test(start_paused = true)]
async fn a_call_on_its_way_is_active_and_one_that_was_dropped_cancelled() {
    let metrics = MetricsLayer::new();
    let world = metered(&metrics).await;
    world.vendor.faults().next(READ, Fault::Delay(seconds(60)));
    let active = || value(&metrics, r#"opsorch_call_active{operation_name="ticket.query",provider_name="tracker"}"#);
    let cx = cx();
    let beside = async {
        tokio::time::sleep(seconds(1)).await;
        active()
    };
    let (call, seen) = tokio::join!(tokio::time::timeout(seconds(2), read(&world, &cx)), beside);
    assert!(call.is_err());
    assert_eq!((seen, active()), (Some(1.0), Some(0.0)));
    assert_eq!(count(&metrics, "ticket.query", "cancelled"), Some(1.0));
}

#[tokio::test]
async fn entries_of_the_log_are_counted_by_event() {
    let metrics = MetricsLayer::new();
    let world = metered(&metrics).await;
    let _ = world.ops.tickets(&cx()).create(CreateTicket::new("disk full")).await.unwrap();
    world.ops.idle().await;
    let entries = |event| {
        value(&metrics, &format!(r#"opsorch_audit_entries_total{{event="{event}",operation_name="ticket.create"}}"#))
    };
    assert_eq!((entries("intent"), entries("outcome"), entries("denied")), (Some(1.0), Some(1.0), None));
    assert_eq!(value(&metrics, "opsorch_audit_size"), Some(world.entries().await.len() as f64));
}

#[test]
fn each_metric_says_what_it_is() {
    let text = MetricsLayer::new().exposition();
    let helps = text.lines().filter(|line| line.starts_with("# HELP")).count();
    let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!((helps, types), (5, 5));
    assert!(text.ends_with("opsorch_audit_size 0\n"), "{text}");
}
