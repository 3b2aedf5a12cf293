//! Alerts, from Alertmanager and from the rules.

use std::time::Duration;

use opsorch::{AlertQuery, AlertStatusLevel, ErrorKind, Fields, SeverityLevel};
use serde_json::{Value, json};

use super::{Desk, QUOTED, assert_invalid};

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn the_alert_that_fires_is_the_same_from_alertmanager_and_from_its_rule() {
    let desk = Desk::new().await;
    let (fired, raised) = (desk.target_down("alertmanager").await, desk.target_down("rules").await);
    for alert in [&fired, &raised] {
        assert_eq!((alert.status.level(), alert.severity.level()), (AlertStatusLevel::Firing, SeverityLevel::Critical));
        assert_eq!((alert.title.as_str(), alert.service.as_deref()), ("TargetDown", Some("dead")));
        assert_eq!(alert.description.as_deref(), Some("target 127.0.0.1:1 is down"));
        assert_eq!(alert.fields["labels"]["quoted"], QUOTED);
        assert_eq!(alert.fields["runbook"], "https://runbooks.example.org/target");
        assert_eq!(desk.alert(&alert.id).await.unwrap().fields["labels"], alert.fields["labels"]);
    }
    assert!(raised.created_at <= fired.created_at, "a condition holds before its alert fires");
    assert_eq!((&raised.fields["rule"]["query"], &raised.fields["value"]), (&json!("up == 0"), &json!(0.0)));

    // On its way to Alertmanager an alert gets the external labels; without them it would have the same id there.
    let mut labels: Fields = serde_json::from_value(fired.fields["labels"].clone()).unwrap();
    assert_eq!(labels.remove("cluster"), Some(json!("test")));
    assert_eq!(json!(labels), raised.fields["labels"]);
    assert_eq!(desk.raise(json!(labels)).await.id, raised.id);
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn every_filter_of_alerts_finds_and_leaves_out_in_both_sources() {
    let desk = Desk::new().await;
    for source in ["alertmanager", "rules"] {
        let alert = desk.target_down(source).await;
        let (id, began) = (&alert.id, alert.created_at.unwrap());
        let later = began + Duration::from_millis(1);
        let query = || AlertQuery::new().metadata("source", source);
        for (kind, meant, other) in [
            ("status", query().status("firing"), query().status("suppressed").status("pending").status("resolved")),
            ("severity", query().severity("critical"), query().severity("warning").severity("info")),
            ("service", query().service("dead"), query().service("api")),
            ("team", query().team("core"), query().team("core\",x=\"")),
            ("since", query().since(began), query().since(later)),
            ("until", query().until(later), query().until(began)),
            ("text", query().query("BACK\\SLASH"), query().query("back/slash")),
            ("all", query().service("dead").status("firing").query("down"), query().service("dead").status("pending")),
        ] {
            assert!(desk.finds(id, meant).await, "{kind} of {source}");
            assert!(!desk.finds(id, other).await, "{kind} of {source}");
        }
    }
    let id = desk.target_down("alertmanager").await.id;
    let matchers = |list: Value| AlertQuery::new().metadata("filter", list);
    assert!(desk.finds(&id, matchers(json!(["alertname=~\"Target.*\"", "cluster!=\"\""]))).await);
    assert!(!desk.finds(&id, matchers(json!(["alertname=~\"Target.*\"", "cluster=\"\""]))).await);
    assert_invalid(desk.alerts(matchers(json!(["alertname=~\"(\""]))).await, "metadata.filter");
    assert_invalid(desk.alerts(matchers(json!(["no matcher"]))).await, "metadata.filter");
    assert_eq!(*desk.alert(&"0000000000000000".into()).await.unwrap_err().kind(), ErrorKind::NotFound);
}
