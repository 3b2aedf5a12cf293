//! Every way in which a plugin can go wrong. In each: a typed error in time, the next call works, a sibling is not delayed,
//! and no process is left.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use opsorch::plugin::{PluginConfig, Protocol, Restart};
use opsorch::{ErrorKind, OpsOrch, Result, Ticket};

use crate::support::{
    CALL, agent, assert_gone, eventually, get, get_within, plane, plane_over, plugin, processes, token, zombies,
};

/// How long the bad call may take.
const PATIENCE: Duration = Duration::from_millis(400);

const ROWS: &[(&str, Outcome, Outcome)] = {
    use Outcome::{Fails, Unspoken, Works};
    &[
        // What the plugin does, and what becomes of the call in protocol 2 and in the line protocol.
        ("hang", Fails(ErrorKind::Timeout), Fails(ErrorKind::Timeout)),
        ("trickle", Fails(ErrorKind::Timeout), Fails(ErrorKind::Timeout)),
        ("crash-before", Fails(ErrorKind::Unavailable), Fails(ErrorKind::Unavailable)),
        ("crash-during", Fails(ErrorKind::Unavailable), Fails(ErrorKind::Unavailable)),
        ("crash-after", Works, Works),
        ("garbage", Fails(ErrorKind::Timeout), Fails(ErrorKind::Timeout)),
        ("log", Works, Works),
        ("ready", Works, Works),
        ("huge", Fails(ErrorKind::Unexpected), Fails(ErrorKind::Unexpected)),
        ("half", Fails(ErrorKind::Timeout), Fails(ErrorKind::Timeout)),
        ("invalid-utf-8", Fails(ErrorKind::Unexpected), Fails(ErrorKind::Unexpected)),
        ("wrong-id", Fails(ErrorKind::Timeout), Unspoken),
        ("twice", Works, Works),
        ("nan", Fails(ErrorKind::Unexpected), Fails(ErrorKind::Unexpected)),
        ("closed", Fails(ErrorKind::Unavailable), Fails(ErrorKind::Unavailable)),
        ("fork", Fails(ErrorKind::Unavailable), Fails(ErrorKind::Unavailable)),
    ]
};

enum Outcome {
    Works,
    Fails(ErrorKind),
    /// The protocol has no such thing.
    Unspoken,
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = others();
    for (behaviour, two, line) in ROWS {
        for (protocol, name, outcome) in [(Protocol::Two, "2", two), (Protocol::Legacy, "line", line)] {
            if !matches!(outcome, Outcome::Unspoken) {
                let name = format!("torture::{behaviour}, protocol {name}");
                trials.push(crate::trial(&name, move || row(protocol, behaviour, outcome)));
            }
        }
    }
    trials
}

async fn row(protocol: Protocol, behaviour: &str, outcome: &Outcome) {
    let token = token();
    let ops = beside_a_sibling(plugin(protocol, behaviour, &token), &token).await;
    let cx = agent();
    let patience = agent().timeout(if matches!(outcome, Outcome::Fails(ErrorKind::Timeout)) { PATIENCE } else { CALL });
    let start = Instant::now();
    let tickets = ops.tickets(&patience).on("bad");
    let (result, ()) = tokio::join!(tickets.get("bad"), assert_sibling_is_not_delayed(&ops));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    match (outcome, result) {
        (Outcome::Works, result) => assert_eq!(result.unwrap().title, "title of bad"),
        (Outcome::Fails(kind), result) => {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
        (Outcome::Unspoken, _) => unreachable!(),
    }
    let mut next = ops.tickets(&cx).on("bad").get("T-2").await;
    if behaviour == "crash-after" && next.as_ref().is_err_and(opsorch::Error::is_retryable) {
        // It was sent before anybody could see that the process ends; the usual layers ask again, as is done here.
        next = ops.tickets(&cx).on("bad").get("T-2").await;
    }
    assert_eq!(next.unwrap().title, "title of T-2", "the next call works");
    drop(ops);
    assert_gone(&token).await;
    eventually("a zombie is left", || zombies().is_empty()).await;
}

/// A control plane over a plugin that goes wrong and one that does not.
async fn beside_a_sibling(bad: PluginConfig, token: &str) -> OpsOrch {
    let sibling = plugin(bad.protocol, "well", token);
    plane().configure("bad", bad).configure("sibling", sibling).build().await.unwrap()
}

async fn assert_sibling_is_not_delayed(ops: &OpsOrch) {
    let start = Instant::now();
    let ticket = ops.tickets(&agent()).on("sibling").get("T-1").await;
    assert_eq!(ticket.unwrap().title, "title of T-1");
    let delay = start.elapsed();
    assert!(delay < Duration::from_secs(4), "the sibling took {delay:?}");
}

async fn get_bad(ops: &OpsOrch, id: &str, time: Duration) -> Result<Ticket> {
    ops.tickets(&agent().timeout(time)).on("bad").get(id).await
}

fn others() -> Vec<Trial> {
    vec![
        crate::trial("torture::standard input ignored", stdin_ignored),
        crate::trial("torture::SIGTERM and end of file ignored", deaf_to_signals),
        crate::trial("torture::exit on start", exit_on_start),
        crate::trial("torture::crash loop", crash_loop),
        crate::trial("torture::no such program", no_such_program),
        crate::trial("torture::dropped callers", dropped_callers),
        crate::trial("torture::hang, and no caller waits for the timeout", impatient_callers),
        crate::trial("torture::standard input ignored, and every caller dropped", stdin_ignored_and_dropped),
        crate::trial("torture::slow in the line protocol, and a caller with little time", slow_line),
        crate::trial("torture::a line about being ready before the reply to initialize", ready_before_the_greeting),
    ]
}

async fn stdin_ignored() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = beside_a_sibling(plugin(protocol, "hang", &token), &token).await;
        let (first, wide) = ("bad".to_owned(), "x".repeat(20_000));
        let calls = (0..50).map(|call| if call == 0 { first.clone() } else { format!("{wide}{call}") });
        let calls: Vec<_> = calls
            .map(|id| {
                let ops = &ops;
                async move { get_bad(ops, &id, PATIENCE).await }
            })
            .collect();
        let all = futures_util::future::join_all(calls);
        let (results, ()) = tokio::join!(all, assert_sibling_is_not_delayed(&ops));
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(_) if index > 0 => {}
                result => assert_eq!(*result.unwrap_err().kind(), ErrorKind::Timeout),
            }
        }
        assert_eq!(get_bad(&ops, "T-2", CALL).await.unwrap().title, "title of T-2");
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn deaf_to_signals() {
    let token = token();
    let deaf = |protocol| {
        let PluginConfig { path, args, .. } = plugin(protocol, "deaf", &token);
        let config = PluginConfig::new("/bin/sh").arg("-c").arg("trap '' TERM; exec \"$0\" \"$@\"");
        let config = args.iter().fold(config.arg(path.to_str().unwrap()), |config, arg| config.arg(arg));
        config.protocol(protocol).operation("ticket.*")
    };
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let ops = plane_over(deaf(protocol)).await.unwrap();
        assert!(get(&ops, "T-1").await.is_ok());
        assert!(!processes(&token).is_empty());
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn exit_on_start() {
    let token = token();
    let error = plane_over(plugin(Protocol::Two, "exit-on-start", &token)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("exit status: 3"), "{error}");

    // In the line protocol nothing is said before the first call.
    let ops = beside_a_sibling(plugin(Protocol::Legacy, "exit-on-start", &token), &token).await;
    for _ in 0..3 {
        assert_eq!(*get_bad(&ops, "T-1", CALL).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_sibling_is_not_delayed(&ops).await;
    }
    drop(ops);
    assert_gone(&token).await;
}

async fn crash_loop() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let restart = Restart::new(3, Duration::from_secs(60), Duration::from_millis(700));
        let ops = beside_a_sibling(plugin(protocol, "crash-before", &token).restart(restart), &token).await;
        for _ in 0..3 {
            let error = get_bad(&ops, "bad", CALL).await.unwrap_err();
            assert!(error.to_string().contains("exit status: 3"), "{error}");
        }
        assert_sibling_is_not_delayed(&ops).await;
        let start = Instant::now();
        let error = get_bad(&ops, "T-1", CALL).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("crashed 3 times within 60s"), "{error}");
        assert!(start.elapsed() < Duration::from_millis(600), "it does not wait");
        // After the pause it is tried again.
        loop {
            match get_bad(&ops, "T-1", CALL).await {
                Ok(ticket) => break assert_eq!(ticket.title, "title of T-1"),
                Err(error) => assert!(error.to_string().contains("is not started for"), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(ops.providers().next().unwrap().restarts(), Some(3), "it is counted for who watches it");
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn no_such_program() {
    let config = PluginConfig::new("/nonexistent/plugin").operation("ticket.*");
    let error = plane_over(config).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("/nonexistent/plugin"), "{error}");
}

/// Callers who go away leave nothing behind, and take nothing from others.
async fn dropped_callers() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = plane_over(plugin(protocol, "well", &token)).await.unwrap();
        for call in 0..200 {
            let (mine, other) = (format!("T-{call}"), format!("O-{call}"));
            {
                let mut gone = std::pin::pin!(get(&ops, &other));
                let _ = futures_util::poll!(gone.as_mut());
            }
            assert_eq!(get(&ops, &mine).await.unwrap().title, format!("title of {mine}"));
        }
        drop(ops);
        assert_gone(&token).await;
    }
}

/// A hang is found out even if every caller gives up before the timeout, as behind a layer with less patience.
async fn impatient_callers() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = plane_over(plugin(protocol, "hang", &token).timeout(Duration::from_secs(1))).await.unwrap();
        let impatient = |id: &'static str| tokio::time::timeout(Duration::from_millis(300), get(&ops, id));
        assert!(impatient("bad").await.is_err());
        let start = Instant::now();
        while !matches!(impatient("T-2").await, Ok(Ok(_))) {
            assert!(start.elapsed() < Duration::from_secs(10), "it hangs for ever");
        }
        drop(ops);
        assert_gone(&token).await;
    }
}

/// What cannot be written to a plugin that does not read keeps no process alive.
async fn stdin_ignored_and_dropped() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let token = token();
        let ops = plane_over(plugin(protocol, "hang", &token).timeout(Duration::from_secs(1))).await.unwrap();
        let wide = "x".repeat(20_000);
        let calls = (0..20).map(|call| if call == 0 { "bad".to_owned() } else { format!("{wide}{call}") });
        let calls = calls.map(|id| {
            let ops = &ops;
            async move { get(ops, &id).await }
        });
        let all = futures_util::future::join_all(calls);
        assert!(tokio::time::timeout(Duration::from_millis(300), all).await.is_err());
        drop(ops);
        assert_gone(&token).await;
    }
}

/// A caller with little time does not cost the others the process.
async fn slow_line() {
    let token = token();
    let config = plugin(Protocol::Legacy, "slow", &token);
    let config = config.restart(Restart::new(1, Duration::from_secs(60), Duration::from_secs(60)));
    let ops = plane_over(config).await.unwrap();
    let error = get_within(&ops, "bad", Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert_eq!(get(&ops, "T-2").await.unwrap().title, "title of T-2", "the late reply is nobody's");
    drop(ops);
    assert_gone(&token).await;
}

/// A line that a plugin prints when it starts is no reply: not to `initialize`, and not to the first call.
async fn ready_before_the_greeting() {
    for (protocol, known) in [(Protocol::Two, false), (Protocol::Legacy, false), (Protocol::Legacy, true)] {
        let token = token();
        let config = plugin(protocol, "ready", &token);
        let config = if known { config } else { config.protocol(Protocol::Auto) };
        let ops = plane_over(config.restart(Restart::new(1, Duration::from_secs(60), Duration::from_secs(60))))
            .await
            .unwrap();
        let has_health = ops.health(&agent(), "tracker").await.is_ok();
        assert_eq!(has_health, protocol == Protocol::Two, "it is what it says of itself");
        for id in ["T-1", "T-2", "T-3"] {
            assert_eq!(get(&ops, id).await.unwrap().title, format!("title of {id}"));
        }
        drop(ops);
        assert_gone(&token).await;
    }
}
