//! Log files.

mod gzip;
mod hostile;
mod laws;
mod rotation;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use opsorch::{Cursor, LogEntry, LogOperatorLevel, LogQuery, LogSeverityLevel, Page, Time};
use opsorch_providers::local::LocalConfig;
use proptest::prelude::*;

use super::{Desk, assert_invalid, assert_unsupported, folder, time};

/// A folder of logs, and a desk that reads `*.log` in it.
struct Logs {
    folder: tempfile::TempDir,
    desk: Desk,
}

impl Logs {
    async fn new(files: &[(&str, &str)]) -> Self {
        let folder = folder();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let pattern = folder.path().join("*.log*").to_string_lossy().into_owned();
        let config = LocalConfig::new(folder.path().join("data")).metrics(false).log(pattern);
        Self { desk: Desk::of(config).await, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn append(&self, name: &str, text: &str) {
        let file = OpenOptions::new().append(true).open(self.path().join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Says when a file was changed last.
    fn set_modified(&self, name: &str, at: &str) {
        let file = OpenOptions::new().write(true).open(self.path().join(name)).unwrap();
        file.set_modified(time(at).into()).unwrap();
    }

    async fn page(&self, query: LogQuery) -> Page<LogEntry> {
        self.desk.ops.logs(&self.desk.cx).query(query).await.unwrap()
    }

    async fn find(&self, query: LogQuery) -> Vec<String> {
        self.page(query).await.items.into_iter().map(|entry| entry.message).collect()
    }

    /// All pages of a query, and what each said was missing.
    async fn pages(&self, query: &LogQuery, mut between: impl FnMut()) -> (Vec<LogEntry>, Vec<String>) {
        let (mut entries, mut missing) = (Vec::new(), Vec::new());
        let mut next = query.clone();
        loop {
            let page = self.page(next.clone()).await;
            assert!(page.items.len() <= query.page_size() as usize);
            entries.extend(page.items);
            missing.extend(page.truncated);
            match page.next {
                Some(cursor) => next.cursor = Some(cursor),
                None => return (entries, missing),
            }
            between();
        }
    }
}

fn always() -> LogQuery {
    LogQuery::new(Time::UNIX_EPOCH, time("2100-01-01T00:00:00Z"))
}

#[tokio::test]
async fn files_of_all_formats_are_merged_by_time_newest_first() {
    let json = r#"{"ts":"2025-12-01T00:00:03Z","msg":"json","level":"error","service":"shop"}"#;
    let logs = Logs::new(&[
        ("a.log", "2025-12-01 00:00:01 plain\n2025-12-01 00:00:05 ERROR late\n\tat main\n"),
        ("b.log", &format!("{json}\n")),
        ("c.log", "Dec  1 00:00:04 host sshd[7]: login\n"),
        ("d.log", "<14>1 2025-12-01T00:00:02Z host app - - - started\n"),
    ])
    .await;
    let page = logs.page(always()).await;
    assert!(page.is_complete());
    let messages: Vec<_> = page.items.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(messages, ["ERROR late\n\tat main", "login", "json", "started", "plain"]);
    assert_eq!(page.items[0].severity.as_ref().unwrap().level(), LogSeverityLevel::Error);
    assert_eq!(page.items[4].severity, None, "nothing is guessed");
    assert!(page.items[0].labels["file"].ends_with("a.log"));
    assert_eq!(page.items[1].labels["app"], "sshd");
    assert_eq!(page.items[2].service.as_deref(), Some("shop"));
}

#[tokio::test]
async fn every_filter_is_honoured() {
    let logs = Logs::new(&[(
        "a.log",
        concat!(
            "{\"ts\":\"2025-12-01T00:00:00Z\",\"msg\":\"paid\",\"level\":\"info\",\"order\":{\"id\":7},\"service\":\"shop\"}\n",
            "{\"ts\":\"2025-12-01T00:00:01Z\",\"msg\":\"Refused\",\"level\":\"ERR\",\"order\":{\"id\":8}}\n",
            "{\"ts\":\"2025-12-01T00:00:02Z\",\"msg\":\"odd\",\"level\":\"purple\"}\n",
        ),
    )])
    .await;
    let all = always;
    assert_eq!(logs.find(all().search("REFUSED")).await, ["Refused"]);
    assert_eq!(logs.find(all().search("\"id\":7")).await, ["paid"], "the line as it stands is searched");
    assert_eq!(logs.find(all().severity("error").severity("Purple")).await, ["odd", "Refused"]);
    assert_eq!(logs.find(all().filter("order.id", "=", "8")).await, ["Refused"]);
    assert_eq!(logs.find(all().filter("order.id", "!=", "8")).await, ["odd", "paid"]);
    assert_eq!(logs.find(all().filter("message", LogOperatorLevel::Contains, "ai")).await, ["paid"]);
    assert_eq!(logs.find(all().filter("file", "contains", "a.log").filter("service", "=", "shop")).await, ["paid"]);
    assert_eq!(logs.find(all().service("shop")).await, ["paid"]);
    assert_eq!(logs.find(all().service("sho")).await, [""; 0]);
    let span = |start, end| LogQuery::new(time(start), time(end));
    assert_eq!(logs.find(span("2025-12-01T00:00:00Z", "2025-12-01T00:00:02Z")).await, ["Refused", "paid"]);
    assert_eq!(logs.find(span("2025-12-01T00:00:01Z", "2025-12-01T00:00:01Z")).await, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let logs = Logs::new(&[]).await;
    let reader = logs.desk.ops.logs(&logs.desk.cx);
    assert_unsupported(reader.query(always().filter("a", "regex", "b.*")).await, "regex");
    assert_unsupported(reader.query(always().filter("a", "~~", "b")).await, "~~");
    assert_unsupported(reader.query(always().team("sre")).await, "scope.team");
    assert_unsupported(reader.query(always().environment("test")).await, "scope.environment");
    assert_unsupported(reader.query(always().metadata("index", "x")).await, "metadata");
    assert_invalid(reader.query(always().limit(0)).await, "limit");
    let backwards = LogQuery::new(time("2026-01-01T00:00:01Z"), time("2026-01-01T00:00:00Z"));
    assert_invalid(reader.query(backwards).await, "end");
    for cursor in [
        "",
        "1",
        "2",
        "1,1-1-1-1",
        "2,1-1-1-1-1",
        "2,1-1-1-1-1-1-1",
        "2,../../etc/passwd",
        "2,1-1-1-1-1-x",
        "2,-1-1-1-1-1",
        "2,",
        "2,1-1-1-1-1-11111111111111111",
    ] {
        assert_invalid(reader.query(always().after(Cursor::new(cursor))).await, "cursor");
    }
}

#[tokio::test]
async fn a_few_lines_out_of_order_at_the_start_of_the_span_are_found() {
    let logs =
        Logs::new(&[("a.log", "2025-12-01 00:00:10 in\n2025-12-01 00:00:09 before\n2025-12-01 00:00:11 in\n")]).await;
    let query = LogQuery::new(time("2025-12-01T00:00:10Z"), time("2025-12-01T00:01:00Z"));
    assert_eq!(logs.find(query).await, ["in", "in"]);
}

#[tokio::test]
async fn a_line_with_an_old_time_hides_nothing_above_it() {
    let injected = [
        "1970-01-01 00:00:00 x\n".to_owned(),
        "1970-01-01 00:00:00 x\n".repeat(999),
        format!("1970-01-01 00:00:00 {}\n", "x".repeat(1 << 20)),
        format!("1970-01-01 00:00:00 x\n{}", "  more\n".repeat(30_000)),
        // Entries without a time have that of the line above, but only that line says it.
        format!("1970-01-01 00:00:00 x\n{}", "{\"msg\":\"untimed\"}\n".repeat(2000)),
    ];
    let query = LogQuery::new(time("2025-12-01T00:00:00Z"), time("2025-12-02T00:00:00Z"));
    for old in injected {
        let text =
            format!("2025-12-01 00:00:01 ERROR intrusion\n2025-12-01 00:00:02 b\n{old}2025-12-01 00:00:03 fine\n");
        let page = Logs::new(&[("a.log", &text)]).await.page(query.clone()).await;
        let messages: Vec<_> = page.items.iter().map(|entry| entry.message.as_str()).collect();
        assert_eq!(messages, ["fine", "b", "ERROR intrusion"]);
        assert!(page.is_complete());
    }
}

#[tokio::test]
async fn reading_a_file_ends_after_a_thousand_old_entries_in_a_row() {
    let old = "1970-01-01 00:00:00 x\n".repeat(1000);
    let logs = Logs::new(&[("a.log", &format!("2025-12-01 00:00:01 far\n{old}2025-12-01 00:00:03 near\n"))]).await;
    let query = LogQuery::new(time("2025-12-01T00:00:00Z"), time("2025-12-02T00:00:00Z"));
    assert_eq!(logs.find(query).await, ["near"]);
    assert_eq!(logs.find(always().search("ar")).await, ["near", "far"], "a span that includes the old times");
}

#[tokio::test]
async fn a_cursor_stays_valid_while_files_grow_and_are_renamed() {
    let logs = Logs::new(&[("a.log", &numbered(0..9))]).await;
    let mut added = 9;
    let (entries, missing) = logs
        .pages(&always().limit(2), || {
            let newest = if added == 9 { "a.log" } else { "a.log.1" };
            logs.append(newest, &numbered(added..added + 1));
            if added == 9 {
                fs::rename(logs.path().join("a.log"), logs.path().join("a.log.1")).unwrap();
                fs::write(logs.path().join("a.log"), numbered(50..60)).unwrap();
            }
            added += 1;
        })
        .await;
    let messages: Vec<_> = entries.into_iter().map(|entry| entry.message).collect();
    assert_eq!(messages, (0..9).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(missing, [""; 0]);
}

#[tokio::test]
async fn a_file_that_was_truncated_replaced_or_removed_between_pages_is_noticed() {
    type Change = fn(&Path);
    let changes: [(Change, &str); 4] = [
        (|path| fs::write(path, "").unwrap(), "truncated"),
        // Truncated in place, and grown beyond where it was.
        (|path| fs::write(path, numbered(100..200)).unwrap(), "truncated"),
        (
            |path| {
                fs::rename(path, path.with_extension("old")).unwrap();
                fs::write(path, numbered(20..29)).unwrap();
            },
            "went away",
        ),
        (|path| fs::remove_file(path).unwrap(), "went away"),
    ];
    for (change, word) in changes {
        let logs = Logs::new(&[("a.log", &numbered(0..9))]).await;
        let first = logs.page(always().limit(2)).await;
        change(&logs.path().join("a.log"));
        let page = logs.page(always().limit(2).after(first.next.unwrap())).await;
        assert!(page.items.is_empty() && page.next.is_none(), "{page:?}");
        assert!(page.truncated.unwrap().contains(word));
    }
}

#[tokio::test]
async fn links_folders_and_what_cannot_be_decompressed_are_left_out() {
    let logs =
        Logs::new(&[("a.log", &numbered(0..1)), ("b.log.xz", &numbered(1..2)), ("secret", &numbered(2..3))]).await;
    fs::create_dir(logs.path().join("c.log")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(logs.path().join("secret"), logs.path().join("d.log")).unwrap();
    let page = logs.page(always()).await;
    assert!(page.is_complete());
    assert_eq!(page.items.len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_a_link_is_left_out_unless_the_pattern_names_it() {
    use std::os::unix::fs::symlink;

    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    for (name, number) in [("srv/shop/logs", 0), ("srv/shop/logs/deep", 1), ("outside/logs", 2), ("outside", 3)] {
        fs::create_dir_all(path(name)).unwrap();
        fs::write(path(name).join("a.log"), numbered(number..number + 1)).unwrap();
    }
    fs::create_dir(path("srv/evil")).unwrap();
    symlink("../../outside", path("srv/evil/logs")).unwrap();
    symlink(path("outside"), path("srv/linked")).unwrap();
    // Followed, two of them are more paths than anybody can wait for.
    symlink("..", path("srv/shop/logs/loop")).unwrap();
    symlink(".", path("srv/shop/logs/self")).unwrap();
    symlink("srv", path("named")).unwrap();
    for (pattern, expected) in [
        ("srv/*/logs/*.log", vec!["0"]),
        ("srv/[!s]*/logs/a.log", vec![]),
        ("srv/**/*.log", vec!["1", "0"]),
        ("named/*/logs/*.log", vec!["0"]),
        ("named/./shop//logs/*/a.log", vec!["1"]),
        ("srv/*/../evil/logs/a.log", vec![]),
        ("srv/evil/logs/*.log", vec!["3"]),
        ("srv/evil/logs/a.log", vec!["3"]),
    ] {
        let pattern = path(pattern).to_string_lossy().into_owned();
        let config = LocalConfig::new(path("data")).metrics(false).log(pattern.clone());
        let desk = Desk::of(config).await;
        let page = desk.ops.logs(&desk.cx).query(always()).await.unwrap();
        let messages: Vec<_> = page.items.iter().map(|entry| entry.message.as_str()).collect();
        assert_eq!(messages, expected, "{pattern}");
        assert!(page.is_complete(), "{pattern}: {page:?}");
    }
}

#[tokio::test]
async fn a_file_of_two_patterns_is_read_once() {
    let folder = folder();
    fs::write(folder.path().join("a.log"), numbered(0..3)).unwrap();
    let pattern = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let config = LocalConfig::new(folder.path().join("data")).log(pattern("*.log")).log(pattern("a.*"));
    let desk = Desk::of(config.metrics(false)).await;
    assert_eq!(desk.ops.logs(&desk.cx).query(always()).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn more_files_than_are_read_are_said_to_be_missing() {
    let logs = Logs::new(&[]).await;
    for index in 0..=1000 {
        fs::write(logs.path().join(format!("{index:04}.log")), "2025-12-01 00:00:00 x\n").unwrap();
    }
    let query = always().limit(2000);
    let page = logs.page(query.clone()).await;
    assert_eq!(page.items.len(), 1000);
    assert!(page.truncated.unwrap().contains("1000"));
    let paged = logs.page(query.limit(5)).await;
    assert_eq!((paged.items.len(), paged.next.is_some()), (5, true));
}

#[tokio::test]
async fn a_line_that_is_being_written_comes_once_and_whole() {
    let logs = Logs::new(&[("a.log", &numbered(0..2)), ("b.log", "")]).await;
    logs.append("a.log", "2025-12-01 00:00:02 unfin");
    let first = logs.page(always().limit(1)).await;
    assert_eq!(first.items[0].message, "1");
    logs.append("a.log", "ished\n2025-12-01 00:00:03 mo");
    assert_eq!(logs.find(always()).await, ["unfinished", "1", "0"]);
    assert_eq!(
        logs.find(always().after(first.next.unwrap())).await,
        ["0"],
        "what is newer than a page is in no later one"
    );
}

#[tokio::test]
async fn a_line_that_is_not_finished_for_five_minutes_is_as_it_is() {
    let logs = Logs::new(&[("a.log", "2025-12-01 00:00:00 crash")]).await;
    // The clock stands at 2026-01-01 00:00:00.
    logs.set_modified("a.log", "2025-12-31T23:55:00Z");
    assert_eq!(logs.find(always()).await, [""; 0]);
    logs.set_modified("a.log", "2025-12-31T23:54:59Z");
    assert_eq!(logs.find(always()).await, ["crash"]);
}

#[tokio::test]
async fn a_year_that_is_not_written_is_one_before_the_file_was_changed() {
    let logs = Logs::new(&[("a.log", "Dec 30 00:00:00 host app: old\n")]).await;
    logs.set_modified("a.log", "2023-12-30T00:00:01Z");
    let page = logs.page(always()).await;
    assert_eq!(page.items[0].timestamp, time("2023-12-30T00:00:00Z"));
}

/// Lines with their number, a second apart.
fn numbered(numbers: std::ops::Range<u32>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        let (minute, second) = (number / 60, number % 60);
        writeln!(text, "2025-12-01 00:{minute:02}:{second:02} {number}").unwrap();
        text
    })
}

/// A line of a file: after how many seconds, what it says, and how many lines continue it.
fn lines() -> impl Strategy<Value = Vec<(u32, String, usize)>> {
    prop::collection::vec((0_u32..3, "[abAB]{1,3}", 0_usize..3), 0..30)
}

/// The text of a file, and the entries in it as (second, message).
fn file(lines: &[(u32, String, usize)]) -> (String, Vec<(u32, String)>) {
    let (mut text, mut entries, mut second) = (String::new(), Vec::new(), 0);
    for (after, said, continued) in lines {
        second += after;
        let message = format!("{said}{}", "\n  more".repeat(*continued));
        writeln!(text, "2025-12-01 00:{:02}:{:02} {message}", second / 60, second % 60).unwrap();
        entries.push((second, message));
    }
    (text, entries)
}
