//! Calls and answers as one value: every operation of the table, in both directions.

use std::collections::BTreeSet;

use opsorch_schema::*;
use proptest::prelude::*;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use crate::sample::{Sample, url};

/// A query for each read.
fn queries(end: &str) -> Vec<Query> {
    let id = format!("id{end}");
    let id = id.as_str();
    vec![
        Query::IncidentQuery(Sample::full(end)),
        Query::IncidentGet(id.into()),
        Query::IncidentTimelineGet(id.into()),
        Query::AlertQuery(Sample::full(end)),
        Query::AlertGet(id.into()),
        Query::LogQuery(Sample::full(end)),
        Query::MetricQuery(Sample::full(end)),
        Query::MetricDescribe(Sample::full(end)),
        Query::TicketQuery(Sample::full(end)),
        Query::TicketGet(id.into()),
        Query::ServiceQuery(Sample::full(end)),
        Query::ServiceGet(id.into()),
        Query::DeploymentQuery(Sample::full(end)),
        Query::DeploymentGet(id.into()),
        Query::TeamQuery(Sample::full(end)),
        Query::TeamGet(id.into()),
        Query::TeamMembers(id.into()),
        Query::TeamOncall(id.into()),
        Query::OrchestrationPlansQuery(Sample::full(end)),
        Query::OrchestrationPlansGet(id.into()),
        Query::OrchestrationRunsQuery(Sample::full(end)),
        Query::OrchestrationRunsGet(id.into()),
    ]
}

/// An action for each change.
fn actions(end: &str) -> Vec<Action> {
    vec![
        CreateIncident::full(end).into(),
        UpdateIncident::full(end).into(),
        TimelineAppend::full(end).into(),
        RaiseAlert::full(end).into(),
        AcknowledgeAlert::full(end).into(),
        ResolveAlert::full(end).into(),
        SilenceAlert::full(end).into(),
        CreateTicket::full(end).into(),
        UpdateTicket::full(end).into(),
        CommentTicket::full(end).into(),
        Message::full(end).into(),
        UpdateMessage::full(end).into(),
        RecordDeployment::full(end).into(),
        StartRun::full(end).into(),
        CompleteStep::full(end).into(),
        CancelRun::full(end).into(),
    ]
}

/// A response of each shape.
fn responses(end: &str) -> Vec<Response> {
    vec![
        Page::<Incident>::full(end).into(),
        Incident::full(end).into(),
        Page::<TimelineEntry>::full(end).into(),
        Page::<Alert>::full(end).into(),
        Alert::full(end).into(),
        Page::<LogEntry>::full(end).into(),
        Page::<MetricSeries>::full(end).into(),
        Page::<MetricDescriptor>::full(end).into(),
        Page::<Ticket>::full(end).into(),
        Ticket::full(end).into(),
        Comment::full(end).into(),
        MessageResult::full(end).into(),
        Page::<Service>::full(end).into(),
        Service::full(end).into(),
        Page::<Deployment>::full(end).into(),
        Deployment::full(end).into(),
        Page::<Team>::full(end).into(),
        Team::full(end).into(),
        Page::<TeamMember>::full(end).into(),
        Page::<Plan>::full(end).into(),
        Plan::full(end).into(),
        Page::<Run>::full(end).into(),
        Run::full(end).into(),
        Response::from(()),
    ]
}

#[test]
fn there_is_a_sample_of_every_operation() {
    let mut sampled: Vec<_> = queries("").iter().map(Query::operation).collect();
    sampled.extend(actions("").iter().map(Action::operation));
    assert_eq!(sampled, Operation::ALL);
}

#[test]
fn there_is_a_sample_of_every_output() {
    let outputs: BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.output_type()).collect();
    let names: BTreeSet<_> = responses("").iter().map(Response::name).collect();
    assert_eq!(names.len(), outputs.len(), "{outputs:?} are sampled by {names:?}");
}

proptest! {
    #[test]
    fn every_query_survives_being_written_and_read(end: String) {
        for query in queries(&end) {
            let text = serde_json::to_string(&query).unwrap();
            prop_assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
        }
    }

    #[test]
    fn every_action_survives_being_written_and_read(end: String) {
        for action in actions(&end) {
            let text = serde_json::to_string(&action).unwrap();
            prop_assert_eq!(serde_json::from_str::<Action>(&text).unwrap(), action);
        }
    }

    #[test]
    fn every_response_survives_being_written_and_read(end: String) {
        for response in responses(&end) {
            let text = serde_json::to_string(&response).unwrap();
            prop_assert_eq!(serde_json::from_str::<Response>(&text).unwrap(), response);
        }
    }
}

#[test]
fn the_order_of_the_keys_does_not_matter() {
    let action: Action = serde_json::from_str(r#"{"input":{"title":"t"},"operation":"ticket.create"}"#).unwrap();
    assert_eq!(action, CreateTicket::new("t").into());
}

#[test]
fn a_query_is_no_action_and_an_action_is_no_query() {
    for query in queries("") {
        let error = serde_json::from_value::<Action>(serde_json::to_value(&query).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is a read, not a change", query.operation()));
    }
    for action in actions("") {
        let error = serde_json::from_value::<Query>(serde_json::to_value(&action).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is a change, not a read", action.operation()));
    }
}

#[test]
fn a_field_that_nobody_knows_is_refused_wherever_it_stands() {
    let calls = queries("").iter().map(|query| serde_json::to_value(query).unwrap()).collect::<Vec<_>>();
    for mut call in calls {
        if let Some(input) = call["input"].as_object_mut() {
            input.insert("brandNew".into(), Value::Null);
            assert!(serde_json::from_value::<Query>(call).unwrap_err().to_string().contains("`brandNew`"));
        } else {
            call["brandNew"] = Value::Null;
            assert!(serde_json::from_value::<Query>(call).unwrap_err().to_string().contains("`brandNew`"));
        }
    }
    for action in actions("") {
        for place in ["", "/input"] {
            let mut call = serde_json::to_value(&action).unwrap();
            call.pointer_mut(place).unwrap()["brandNew"] = Value::Null;
            assert!(serde_json::from_value::<Action>(call).unwrap_err().to_string().contains("`brandNew`"));
        }
    }
}

#[test]
fn an_operation_that_nobody_knows_is_refused() {
    let call = json!({ "operation": "ticket.delete", "input": "T-1" });
    let error = serde_json::from_value::<Action>(call).unwrap_err().to_string();
    assert!(error.starts_with("unknown operation `ticket.delete`"), "{error}");
}

#[test]
fn every_operation_has_schemas_without_code_in_them() {
    for operation in Operation::ALL {
        let mut generator = SchemaGenerator::default();
        let input = resolved(operation.input_schema(&mut generator).to_value(), &generator);
        let output = resolved(operation.output_schema(&mut generator).to_value(), &generator);
        assert!(matches!(input["type"].as_str(), Some("object" | "string")), "{operation}: {input}");
        assert!(matches!(output["type"].as_str(), Some("object" | "null")), "{operation}: {output}");
        let definitions = Value::Object(generator.definitions().clone()).to_string();
        assert!(!definitions.contains("```"), "{operation}: {definitions}");
    }
}

fn resolved(schema: Value, generator: &SchemaGenerator) -> Value {
    let reference = schema["$ref"].as_str().map(|reference| reference.trim_start_matches("#/$defs/").to_owned());
    reference.map_or(schema, |name| generator.definitions()[&name].clone())
}

#[test]
fn the_provider_is_noted_on_every_item() {
    let name = ProviderName::new("jira-eu");
    for mut response in responses("") {
        response.set_provider(&name);
        let value = serde_json::to_value(&response).unwrap()["value"].clone();
        let items = match value.get("items") {
            Some(items) => items.as_array().unwrap().clone(),
            None if value.is_null() => continue,
            None => vec![value],
        };
        assert!(!items.is_empty());
        assert!(items.iter().all(|item| item["provider"] == "jira-eu"), "{}", response.name());
    }
}

#[test]
fn an_item_says_what_merging_needs() {
    let ticket = Ticket::full("");
    assert_eq!(Item::key(&ticket), "10012");
    assert_eq!(Item::time(&ticket), ticket.created_at);
    assert_eq!(Item::url(&ticket), Some(&url("browse/OPS-12")));
    assert_eq!(Item::provider(&ticket), Some(&ProviderName::new("jira")));
    let entry = LogEntry::minimal();
    assert_eq!(Item::key(&entry), "connection refused");
    assert_eq!(Item::time(&entry), Some(entry.timestamp));
    assert_eq!(Item::key(&MetricSeries::full("")), "http_requests_total");
    assert_eq!(Item::time(&Team::full("")), None);
}

#[test]
fn a_response_names_the_one_thing_that_a_change_touched() {
    let resource = Response::from(Comment::full("")).resource().unwrap();
    assert_eq!((resource.id.as_str(), resource.url), ("C-1", Some(url("browse/OPS-12#C-1"))));
    assert_eq!(Response::from(Page::<Ticket>::full("")).resource(), None);
    assert_eq!(Response::from(()).resource(), None);
}

#[test]
fn a_response_is_not_taken_for_another() {
    let error = Page::<Ticket>::try_from(Response::from(Ticket::minimal())).unwrap_err();
    assert_eq!(error.to_string(), "expected the response Tickets, got Ticket");
    assert_eq!(Ticket::try_from(Response::from(Ticket::minimal())), Ok(Ticket::minimal()));
}
