//! What every type looks like as JSON, to the letter, and the laws that hold for all of them.
//!
//! `tests/golden/<type>.json` holds a full and a minimal value. A change there is a change of the wire.

use std::fmt::Debug;

use opsorch_schema::*;
use proptest::prelude::*;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::sample::Sample;

/// What happens to a field that nobody knows.
#[derive(PartialEq)]
enum Unknown {
    Refused,
    Ignored,
}

/// What a test needs of a type.
trait Wire: Sample + Serialize + DeserializeOwned + JsonSchema + PartialEq + Debug {}
impl<T: Sample + Serialize + DeserializeOwned + JsonSchema + PartialEq + Debug> Wire for T {}

macro_rules! wire {
    ($($unknown:ident { $($name:ident: $type:ty,)+ })+) => {$($(
        mod $name {
            use super::*;

            #[test]
            fn it_is_written_and_read_to_the_letter() {
                golden::<$type>(include_str!(concat!("../golden/", stringify!($name), ".json")));
            }

            #[test]
            fn its_sample_sets_every_field_of_its_schema() {
                every_field_is_set::<$type>();
            }

            #[test]
            fn null_is_absent_and_what_is_required_is_required() {
                null_is_absent::<$type>();
            }

            #[test]
            fn a_field_that_nobody_knows_is_refused_in_questions_and_ignored_in_answers() {
                unknown_field::<$type>(Unknown::$unknown);
            }

            proptest! {
                #[test]
                fn any_text_survives(end: String) {
                    let value = <$type>::full(&end);
                    let text = serde_json::to_string(&value).unwrap();
                    prop_assert_eq!(serde_json::from_str::<$type>(&text).unwrap(), value);
                }
            }
        }
    )+)+};
}

wire! {
    Refused {
        scope: Scope,
        incident_query: IncidentQuery,
        create_incident: CreateIncident,
        update_incident: UpdateIncident,
        timeline_append: TimelineAppend,
        alert_query: AlertQuery,
        raise_alert: RaiseAlert,
        acknowledge_alert: AcknowledgeAlert,
        resolve_alert: ResolveAlert,
        silence_alert: SilenceAlert,
        log_query: LogQuery,
        log_expression: LogExpression,
        log_filter: LogFilter,
        metric_query: MetricQuery,
        metric_expression: MetricExpression,
        metric_filter: MetricFilter,
        ticket_query: TicketQuery,
        create_ticket: CreateTicket,
        update_ticket: UpdateTicket,
        comment_ticket: CommentTicket,
        message: Message,
        block: Block,
        update_message: UpdateMessage,
        service_query: ServiceQuery,
        deployment_query: DeploymentQuery,
        record_deployment: RecordDeployment,
        team_query: TeamQuery,
        plan_query: PlanQuery,
        run_query: RunQuery,
        start_run: StartRun,
        complete_step: CompleteStep,
        cancel_run: CancelRun,
    }
    Ignored {
        incident: Incident,
        timeline_entry: TimelineEntry,
        alert: Alert,
        log_entry: LogEntry,
        metric_series: MetricSeries,
        metric_point: MetricPoint,
        metric_descriptor: MetricDescriptor,
        ticket: Ticket,
        comment: Comment,
        message_result: MessageResult,
        service: Service,
        deployment: Deployment,
        team: Team,
        team_member: TeamMember,
        plan: Plan,
        step: Step,
        run: Run,
        step_state: StepState,
        page: Page<Service>,
        source_failure: SourceFailure,
    }
}

fn golden<T: Wire>(expected: &str) {
    let values = [T::full(""), T::minimal()];
    let written = serde_json::to_string_pretty(&values).unwrap() + "\n";
    assert_eq!(written, expected);
    assert_eq!(serde_json::from_str::<Vec<T>>(expected).unwrap(), values);
}

fn every_field_is_set<T: Wire>() {
    let schema = schema_for!(T);
    let known = schema.get("properties").and_then(Value::as_object).unwrap();
    let full = object(&T::full(""));
    for name in known.keys() {
        assert!(full.contains_key(name), "the full sample lacks {name}");
    }
    for name in full.keys() {
        assert!(known.contains_key(name), "the schema lacks {name}");
    }
    for name in required::<T>() {
        assert!(object(&T::minimal()).contains_key(&name), "the minimal sample lacks {name}");
    }
}

fn null_is_absent<T: Wire>() {
    let full = object(&T::full(""));
    for name in full.keys() {
        let mut absent = full.clone();
        absent.remove(name);
        let mut null = full.clone();
        null.insert(name.clone(), Value::Null);
        if required::<T>().contains(name) {
            assert!(read::<T>(absent).is_err(), "{name} may be absent");
            assert!(read::<T>(null).is_err(), "{name} may be null");
        } else {
            let absent = read::<T>(absent).unwrap();
            assert_ne!(absent, T::full(""), "{name} was not read");
            assert_eq!(read::<T>(null).unwrap(), absent, "{name}");
        }
    }
}

fn unknown_field<T: Wire>(unknown: Unknown) {
    let mut value = object(&T::full(""));
    value.insert("brandNew".into(), Value::from(1));
    match read::<T>(value) {
        Ok(value) => assert!(unknown == Unknown::Ignored && value == T::full("")),
        Err(error) => assert!(unknown == Unknown::Refused && error.to_string().contains("`brandNew`"), "{error}"),
    }
}

fn object<T: Wire>(value: &T) -> Map<String, Value> {
    serde_json::to_value(value).unwrap().as_object().unwrap().clone()
}

fn read<T: Wire>(object: Map<String, Value>) -> serde_json::Result<T> {
    serde_json::from_value(object.into())
}

fn required<T: Wire>() -> Vec<String> {
    let schema = schema_for!(T);
    let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Any JSON that is finite, a few levels deep.
fn json() -> impl Strategy<Value = Value> {
    let number = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_vendor_says_beyond_the_schema_survives(key: String, value in json()) {
        let ticket = Ticket::minimal().field(&key, value.clone()).metadata(&key, value);
        let text = serde_json::to_string(&ticket).unwrap();
        prop_assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), ticket);
    }
}

#[test]
fn a_change_tells_leave_it_from_empty_it() {
    let leave: UpdateTicket = serde_json::from_str(r#"{"id":"T-1"}"#).unwrap();
    let empty: UpdateTicket = serde_json::from_str(r#"{"id":"T-1","description":"","assignees":[]}"#).unwrap();
    assert_eq!((leave.description, leave.assignees), (None, None));
    assert_eq!((empty.description.as_deref(), empty.assignees), (Some(""), Some(Vec::new())));
}

#[test]
fn the_zero_time_of_go_is_no_time() {
    let text = r#"{"id":"D-1","status":"running","startedAt":"2026-01-02T03:04:05-07:00","finishedAt":"0001-01-01T00:00:00Z"}"#;
    let deployment: Deployment = serde_json::from_str(text).unwrap();
    assert_eq!(deployment.started_at.unwrap().to_rfc3339(), "2026-01-02T10:04:05+00:00");
    assert_eq!(deployment.finished_at, None);
}

#[test]
fn a_link_that_cannot_be_opened_does_not_cost_the_item() {
    for link in ["", "/alerting/alerts#1", "https://"] {
        let text = format!(r#"{{"id":"A-1","title":"t","status":"firing","severity":"high","url":"{link}"}}"#);
        assert_eq!(serde_json::from_str::<Alert>(&text).unwrap().url, None, "{link}");
    }
}

#[test]
fn a_scope_that_nobody_knows_is_refused_in_a_query_and_ignored_in_a_run() {
    let error = serde_json::from_str::<TeamQuery>(r#"{"scope":{"servce":"api"}}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `servce`"), "{error}");
    let text = r#"{"id":"R-1","planId":"P-1","status":"created","scope":{"region":"eu","team":"platform"}}"#;
    assert_eq!(serde_json::from_str::<Run>(text).unwrap().scope, Scope::new().team("platform"));
}

#[test]
fn a_time_that_is_not_rfc_3339_is_refused() {
    for time in ["", "2026-01-02", "2026-01-02T03:04:05", "1767323045"] {
        let text = format!(r#"{{"since":"{time}"}}"#);
        assert!(serde_json::from_str::<IncidentQuery>(&text).is_err(), "{time}");
    }
}

#[test]
fn a_page_has_the_default_size_unless_the_query_says_another() {
    assert_eq!(IncidentQuery::new().page_size(), DEFAULT_LIMIT);
    assert_eq!(MetricQuery::new("up", crate::sample::time(1), crate::sample::time(2)).page_size(), DEFAULT_LIMIT);
    assert_eq!(TeamQuery::new().limit(3).page_size(), 3);
}
