//! Many calls at once, and what else protocol 2 has.

use std::time::Duration;

use futures_util::future::join_all;
use opsorch::plugin::{Protocol, Restart};
use opsorch::{ErrorKind, Operation};

use crate::support::{agent, assert_gone, eventually, get, get_within, plane_over, plugin, processes, provider, token};
use crate::trials;

trials!(
    a_thousand_calls_in_flight_with_shuffled_replies_are_all_correct,
    what_the_plugin_says_it_offers_is_what_it_offers,
    a_call_that_is_given_up_is_cancelled,
    health_is_asked_and_understood,
    the_end_is_announced,
    an_unknown_protocol_is_found_out,
    durations_and_numbers_that_make_no_sense_are_refused,
    several_processes_answer_at_once,
);

async fn a_thousand_calls_in_flight_with_shuffled_replies_are_all_correct() {
    let token = token();
    let ops = plane_over(plugin(Protocol::Two, "shuffle", &token)).await.unwrap();
    for round in 0..3 {
        let ids: Vec<String> = (0..1000).map(|call| format!("T-{round}-{call}")).collect();
        let tickets = join_all(ids.iter().map(|id| get(&ops, id))).await;
        for (id, ticket) in ids.iter().zip(tickets) {
            assert_eq!(ticket.unwrap().title, format!("title of {id}"));
        }
    }
    drop(ops);
    assert_gone(&token).await;
}

async fn what_the_plugin_says_it_offers_is_what_it_offers() {
    let token = token();
    let mut config = plugin(Protocol::Two, "well", &token);
    config.operations = None;
    let all = provider(config.clone()).await.unwrap();
    assert_eq!(all.operations().to_string(), "ticket.query, ticket.get, ticket.create, ticket.update");
    let one = provider(config.clone().operation("ticket.get")).await.unwrap();
    assert_eq!(one.operations().iter().collect::<Vec<_>>(), [Operation::TicketGet]);
    let error = provider(config.clone().operation("log.*")).await.unwrap_err();
    assert!(error.to_string().contains("it offers: ticket.query"), "{error}");

    let ops = plane_over(config.operation("ticket.get")).await.unwrap();
    assert!(get(&ops, "T-1").await.is_ok());
    let error = ops.tickets(&agent()).query(opsorch::TicketQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), opsorch::ErrorKind::Unsupported, "{error}");

    let mut line = plugin(Protocol::Legacy, "well", &token);
    line.operations = None;
    let error = provider(line).await.unwrap_err();
    assert!(error.to_string().contains("name its operations"), "{error}");
    drop((all, one, ops));
    assert_gone(&token).await;
}

async fn a_call_that_is_given_up_is_cancelled() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let file = directory.path().join("notes");
    let config = plugin(Protocol::Two, "shuffle", &token).arg(file.to_str().unwrap());
    let ops = plane_over(config).await.unwrap();
    // The plugin holds its replies back, but goes on reading.
    assert!(get_within(&ops, "T-1", Duration::from_millis(100)).await.is_err());
    let noted = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("the call is not cancelled", || noted().contains("cancel {\"id\":1}")).await;
    // It answered the ping: it does not hang, and is not given up.
    let ids: Vec<String> = (0..999).map(|call| format!("T-{call}")).collect();
    let tickets = join_all(ids.iter().map(|id| get(&ops, id))).await;
    assert!(tickets.iter().all(Result::is_ok));
    drop(ops);
    assert_gone(&token).await;
}

async fn health_is_asked_and_understood() {
    let token = token();
    let ops = plane_over(plugin(Protocol::Two, "well", &token)).await.unwrap();
    let health = ops.health(&agent(), "tracker").await.unwrap();
    assert_eq!(health.version.as_deref(), Some("1.2"));
    assert_eq!(health.problems[0].message, "the token may only read");
    assert!(health.operations.contains(Operation::TicketGet));
    drop(ops);
    assert_gone(&token).await;
}

async fn the_end_is_announced() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let file = directory.path().join("notes");
    let ops = plane_over(plugin(Protocol::Two, "well", &token).arg(file.to_str().unwrap())).await.unwrap();
    assert!(get(&ops, "T-1").await.is_ok());
    drop(ops);
    assert_gone(&token).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "shutdown null\n");
}

async fn an_unknown_protocol_is_found_out() {
    for spoken in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = plane_over(plugin(spoken, "well", &token).protocol(Protocol::Auto)).await.unwrap();
        assert_eq!(get(&ops, "T-1").await.unwrap().title, "title of T-1");
        drop(ops);
        assert_gone(&token).await;
    }
    let token = token();
    let error = plane_over(plugin(Protocol::Legacy, "well", &token).protocol(Protocol::Two)).await.unwrap_err();
    assert!(error.to_string().contains("protocol = \"legacy\""), "{error}");
    assert_gone(&token).await;
}

async fn durations_and_numbers_that_make_no_sense_are_refused() {
    let well = || plugin(Protocol::Two, "well", "unused");
    let restart = |window, pause| well().restart(Restart::new(5, window, pause));
    let (second, for_ever) = (Duration::from_secs(1), Duration::MAX);
    for (config, field) in [
        (well().timeout(for_ever), "timeout"),
        (well().timeout(Duration::ZERO), "timeout"),
        (restart(for_ever, second), "restart.window"),
        (restart(second, for_ever), "restart.pause"),
        (well().processes(0), "processes"),
        (well().processes(65), "processes"),
    ] {
        let error = provider(config).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
    }
    let longest = provider(well().timeout(Duration::from_secs(24 * 60 * 60))).await;
    assert!(longest.is_ok(), "a day is allowed");
}

async fn several_processes_answer_at_once() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = plane_over(plugin(protocol, "hang", &token).processes(3)).await.unwrap();
        eventually("three processes", || processes(&token).len() == 3).await;
        let occupied = get_within(&ops, "bad", Duration::from_secs(2));
        let others = async {
            // One process hangs; what comes meanwhile goes to the others.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let start = std::time::Instant::now();
            for id in ["T-1", "T-2", "T-3", "T-4"] {
                assert_eq!(get(&ops, id).await.unwrap().title, format!("title of {id}"));
            }
            assert!(start.elapsed() < Duration::from_millis(1500), "they wait for nobody");
        };
        let (hung, ()) = tokio::join!(occupied, others);
        assert_eq!(*hung.unwrap_err().kind(), ErrorKind::Timeout);
        drop(ops);
        assert_gone(&token).await;
    }
}
