//! What somebody who can write to a log, or to its folder, does to hide entries or to keep the search busy.

use std::time::{Duration, Instant};

use opsorch::{Context, LogOperatorLevel};

use super::*;

/// The entries of one file, in its order.
async fn entries(text: &str) -> Vec<LogEntry> {
    let mut items = Logs::new(&[("a.log", text)]).await.page(always()).await.items;
    items.reverse();
    items
}

#[tokio::test]
async fn a_json_line_that_is_not_quite_json_is_an_entry_of_its_own() {
    let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
    for user in [r#""\ud800""#, r#""\udc00\ud83d""#, "1e400", "NaN", "-Infinity", &deep, "\"\u{1}\"", "undefined", ""] {
        let text = format!(
            "{}\n{}\n",
            r#"{"ts":"2025-12-01T00:00:00Z","level":"info","service":"web","msg":"ok"}"#,
            format_args!(
                r#"{{"ts":"2025-12-01T00:00:01Z","level":"error","user":{user},"service":"shop","msg":"login"}}"#
            ),
        );
        let found = entries(&text).await;
        assert_eq!(found.len(), 2, "{user}: {found:?}");
        let [above, entry] = &found[..] else { unreachable!() };
        assert_eq!((above.message.as_str(), above.metadata.len()), ("ok", 1), "{user}");
        assert_eq!((entry.timestamp, entry.message.as_str()), (time("2025-12-01T00:00:01Z"), "login"), "{user}");
        assert_eq!((entry.service.as_deref(), entry.severity_raw.as_deref()), (Some("shop"), Some("error")), "{user}");
        let mark = if user.contains("\\u") { "lossy" } else { "malformed" };
        assert_eq!(entry.metadata.get(mark), Some(&true.into()), "{user}: {entry:?}");
        assert!(entry.fields.contains_key("user"), "{user}");
    }
}

#[tokio::test]
async fn the_beginning_of_a_json_line_that_is_cut_is_read() {
    let text = format!(
        "{}\n{{\"ts\":\"2025-12-01T00:00:01Z\",\"level\":\"error\",\"msg\":\"login\",\"user\":\"{}\"}}\n",
        r#"{"ts":"2025-12-01T00:00:00Z","level":"info","msg":"ok"}"#,
        "u".repeat(100_000)
    );
    let found = entries(&text).await;
    assert_eq!((found.len(), found[1].timestamp), (2, time("2025-12-01T00:00:01Z")));
    assert_eq!((found[1].message.as_str(), found[1].severity_raw.as_deref()), ("login", Some("error")));
    assert_eq!(found[1].metadata["cut"], true);
}

#[tokio::test]
async fn braces_without_any_member_are_an_entry_too() {
    let found = entries("2025-12-01 00:00:00 above\n{broken}\n{ not ended\n").await;
    let messages: Vec<_> = found.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(messages, ["above", "{broken}\n{ not ended"]);
}

#[tokio::test]
async fn the_user_of_a_request_does_not_hide_it() {
    let line = |user: &str, second: u32, status: u32| {
        format!(
            "192.0.2.1 - {user} [01/Dec/2025:00:00:{second:02} +0000] \"GET /{second} HTTP/1.1\" {status} 1 \"-\" \"x [y\"\n"
        )
    };
    let text = [
        line("-", 0, 200),
        line("x [y", 1, 500),
        line(&"u".repeat(600), 2, 500),
        line(&" [".repeat(20_000), 3, 500),
        line("a [31/Dec/2024:00:00:00 +0000] b", 4, 500),
    ];
    let logs = Logs::new(&[("access.log", &text.concat())]).await;
    let failed = always().filter("status", LogOperatorLevel::Equals, "500");
    assert_eq!(logs.page(failed).await.items.len(), 4);
    let span = LogQuery::new(time("2025-12-01T00:00:01Z"), time("2025-12-01T00:00:05Z"));
    assert_eq!(logs.page(span).await.items.len(), 4);
}

#[tokio::test]
async fn a_message_is_no_offset() {
    let text = "2025-12-01 00:00:01 +2359 a\n2025-12-01 00:00:02 -2359 b\n2025-12-01 00:00:03 +0123 c\n\
                2025-12-01 00:00:04 +14:15 d\n2025-12-01 00:00:05 +01 e\n2025-12-01 00:00:06 -15:00 f\n";
    for (entry, second) in entries(text).await.iter().zip(1_u32..) {
        assert_eq!(entry.timestamp, time(&format!("2025-12-01T00:00:{second:02}Z")), "{entry:?}");
        assert!(entry.message.starts_with(['+', '-']), "{entry:?}");
    }
}

#[tokio::test]
async fn what_stands_before_a_time_does_not_make_the_line_a_part_of_the_one_above() {
    for before in ["\0", "\u{feff}", "\u{1b}[31m", "\u{1b}[0m\u{1b}[1;38;5;9m", "\0\0\0\u{feff}\u{1b}[2m"] {
        for line in ["2025-12-01 00:00:01 ERROR x", r#"{"ts":"2025-12-01T00:00:01Z","msg":"x","level":"error"}"#] {
            let found = entries(&format!("2025-12-01 00:00:00 above\n{before}{line}\u{1b}[0m\n")).await;
            assert_eq!(found.len(), 2, "{before:?} {found:?}");
            assert_eq!(found[1].timestamp, time("2025-12-01T00:00:01Z"));
            assert_eq!(found[1].severity.as_ref().unwrap().level(), LogSeverityLevel::Error);
        }
    }
}

#[tokio::test]
async fn a_zone_that_is_only_named_is_noted() {
    for (line, at, zone) in [
        ("2025-12-01 00:00:05 CET ERROR x", "2025-12-01T00:00:05Z", Some("CET")),
        ("2025-12-01T00:00:05CEST ERROR x", "2025-12-01T00:00:05Z", Some("CEST")),
        ("[2025-12-01 00:00:05 PST] ERROR x", "2025-12-01T00:00:05Z", Some("PST")),
        ("2025-12-01 00:00:05.123 UTC [7] ERROR x", "2025-12-01T00:00:05.123Z", None),
        ("2025-12-01 00:00:05+01 ERROR x", "2025-11-30T23:00:05Z", None),
        ("2025-12-01 00:00:05 ERROR x", "2025-12-01T00:00:05Z", None),
    ] {
        let found = entries(&format!("2025-11-01 00:00:00 above\n{line}\n")).await;
        assert_eq!(found.len(), 2, "{line}: {found:?}");
        assert_eq!(found[1].timestamp, time(at), "{line}");
        assert_eq!(found[1].metadata.get("zone"), zone.map(Into::into).as_ref(), "{line}");
        assert_eq!(found[1].severity_raw.as_deref(), Some("ERROR"), "{line}");
    }
}

#[tokio::test]
async fn a_cursor_that_names_a_file_twice_is_refused() {
    let logs = Logs::new(&[("a.log", &numbered(0..9))]).await;
    let next = logs.page(always().limit(1)).await.next.unwrap();
    let twice = format!("{next},{}", next.as_str().trim_start_matches("2,"));
    let answer = logs.desk.ops.logs(&logs.desk.cx).query(always().after(Cursor::new(twice))).await;
    assert_invalid(answer, "cursor");
}

#[tokio::test]
async fn a_cursor_into_the_middle_of_a_line_goes_on_at_its_end() {
    let text = numbered(0..50);
    let logs = Logs::new(&[("a.log", &text)]).await;
    fs::write(logs.path().join("b.log.gz"), gzip::compressed(&text)).unwrap();
    let (line, length) = (text.find("2025-12-01 00:00:30").unwrap(), "2025-12-01 00:00:30 30\n".len());
    let next = logs.page(always().limit(4)).await.next.unwrap();
    for within in 0..length {
        // Without the hash of the bytes before it, which would give it away.
        let forged = next.as_str().split(',').map(|position| match position.split('-').collect::<Vec<_>>()[..] {
            [device, inode, family, _, head, _] => {
                format!("{device}-{inode}-{family}-{:x}-{head}-", line + within)
            }
            _ => position.to_owned(),
        });
        let forged = Cursor::new(forged.collect::<Vec<_>>().join(","));
        let found = logs.find(always().limit(1000).after(forged)).await;
        let last = if within == 0 { 29 } else { 30 };
        let expected: Vec<_> = (0..=last).rev().flat_map(|number| [number.to_string(), number.to_string()]).collect();
        assert_eq!(found, expected, "{within}");
    }
}

#[tokio::test]
async fn a_line_that_was_not_ended_for_long_and_grows_between_pages_is_not_lost() {
    let logs = Logs::new(&[("a.log", "2025-12-01 00:00:00 crash"), ("b.log", &numbered(1..3))]).await;
    logs.set_modified("a.log", "2025-12-01T00:00:00Z");
    let first = logs.page(always().limit(1)).await;
    assert_eq!(first.items[0].message, "2");
    logs.append("a.log", "ed\n2025-12-01 00:00:05 later\n");
    assert_eq!(logs.find(always().after(first.next.unwrap())).await, ["1", "crashed"]);
}

/// Asks with so much time, and looks that the answer comes within it.
async fn within(logs: &Logs, time: Duration, query: LogQuery) -> Page<LogEntry> {
    let cx: Context = logs.desk.cx.clone().timeout(time);
    let started = Instant::now();
    let page = logs.desk.ops.logs(&cx).query(query).await.unwrap();
    assert!(started.elapsed() < time);
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_an_end_is_named_and_the_other_files_are_read() {
    let logs = Logs::new(&[("here.log", &numbered(0..3))]).await;
    for name in ["evil.log", "evil2.log"] {
        fs::File::create(logs.path().join(name)).unwrap().set_len(1 << 40).unwrap();
    }
    let page = within(&logs, Duration::from_secs(60), always()).await;
    assert_eq!(page.items.len(), 3, "{page:?}");
    assert_eq!(page.failures.len(), 2, "{page:?}");
    for failure in page.failures {
        assert!(failure.source.contains("evil") && failure.message.contains("longer than 64 MiB"), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_file_of_nothing_is_named_and_the_other_files_are_read() {
    const NOTHING: [u8; 20] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // A block that stores no byte, and is not the last: a file of these gives nothing at all.
    let stored = [&NOTHING[..10], &[0, 0, 0, 0xff, 0xff].repeat(2 << 20)].concat();
    for bytes in [NOTHING.repeat((8 << 20) / NOTHING.len()), stored] {
        let logs = Logs::new(&[("here.log", &numbered(0..3))]).await;
        fs::write(logs.path().join("evil.log.gz"), bytes).unwrap();
        let page = within(&logs, Duration::from_secs(60), always()).await;
        assert_eq!((page.items.len(), page.failures.len()), (3, 1), "{page:?}");
        assert!(page.failures[0].message.contains("hardly anything"), "{page:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_exchanged_for_a_pipe_is_not_waited_for() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let logs = Logs::new(&[("a.log", &numbered(0..3))]).await;
    let path = |name: &str| logs.path().join(name);
    let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
    assert!(made.success());
    let stop = Arc::new(AtomicBool::new(false));
    let [log, pipe, keep] = ["a.log", "pipe", "keep"].map(path);
    let thread = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [(&log, &keep), (&pipe, &log), (&log, &pipe), (&keep, &log)] {
                    fs::rename(from, to).unwrap();
                }
            }
        }
    });
    for _ in 0..200 {
        within(&logs, Duration::from_secs(60), always()).await;
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}
