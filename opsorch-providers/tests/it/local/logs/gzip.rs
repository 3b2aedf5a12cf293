//! Compressed files.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use opsorch::{LogQuery, Page};
use proptest::prelude::*;

use super::*;

/// A text as `gzip` writes it.
pub(super) fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

impl Logs {
    async fn with_bytes(name: &str, bytes: &[u8]) -> Self {
        let logs = Self::new(&[]).await;
        fs::write(logs.path().join(name), bytes).unwrap();
        logs
    }
}

fn messages(page: &Page<LogEntry>) -> Vec<&str> {
    page.items.iter().map(|entry| entry.message.as_str()).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.rev().map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_log_and_what_it_was_rotated_to_are_read_as_one() {
    let logs = Logs::new(&[("app.log", &numbered(20..30)), ("app.log.1", &numbered(10..20))]).await;
    fs::write(logs.path().join("app.log.2.gz"), compressed(&numbered(0..10))).unwrap();
    for limit in [1, 3, 100] {
        let (entries, missing) = logs.pages(&always().limit(limit), || {}).await;
        let found: Vec<_> = entries.iter().map(|entry| entry.message.clone()).collect();
        assert_eq!(found, numbers(0..30));
        assert_eq!(missing, [""; 0]);
        assert!(entries[29].labels["file"].ends_with("app.log.2.gz") && entries[28].metadata["offset"] == 22);
    }
}

#[tokio::test]
async fn a_compressed_file_that_was_not_changed_since_is_not_even_decompressed() {
    let logs = Logs::with_bytes("a.log.gz", b"this is no gzip").await;
    logs.set_modified("a.log.gz", "2025-12-01T00:00:00Z");
    let since = |start| LogQuery::new(time(start), time("2100-01-01T00:00:00Z"));
    // The time of a line may be the local time of a zone that is ahead.
    assert!(logs.page(since("2025-12-02T00:00:01Z")).await.is_complete());
    let page = logs.page(since("2025-12-01T23:59:59Z")).await;
    assert!(page.failures[0].source.ends_with("a.log.gz"), "{page:?}");
}

#[tokio::test]
async fn a_compressed_file_is_not_decompressed_before_it_is_its_turn() {
    let logs = Logs::new(&[("a.log", &numbered(0..10))]).await;
    fs::write(logs.path().join("a.log.1.gz"), "this is no gzip").unwrap();
    logs.set_modified("a.log.1.gz", "2025-11-01T00:00:00Z");
    let first = logs.page(always().limit(9)).await;
    assert!(first.failures.is_empty() && first.truncated.is_none());
    let second = logs.page(always().after(first.next.unwrap())).await;
    assert_eq!((messages(&second), second.failures.len()), (vec!["0"], 1));
}

#[tokio::test]
async fn a_file_that_was_cut_gives_whole_entries_up_to_there_and_is_named() {
    let bytes = compressed(&numbered(0..300));
    let mut most = 0;
    for cut in (0..bytes.len()).step_by(23) {
        let logs = Logs::with_bytes("a.log.gz", &bytes[..cut]).await;
        let page = logs.page(always().limit(1000)).await;
        let count = u32::try_from(page.items.len()).unwrap();
        assert_eq!(messages(&page), numbers(0..count), "cut at {cut}");
        let [failure] = &page.failures[..] else { panic!("cut at {cut}: {page:?}") };
        assert!(failure.source.ends_with("a.log.gz") && failure.message.contains("damaged") && !failure.retryable);
        most = most.max(count);
    }
    assert!(most > 0);
}

#[tokio::test]
async fn what_was_compressed_in_parts_is_read_as_a_whole() {
    let parts = [compressed(&numbered(0..5)), compressed(""), compressed(&numbered(5..9))];
    let logs = Logs::with_bytes("a.log.gz", &parts.concat()).await;
    let page = logs.page(always()).await;
    assert_eq!((messages(&page), page.is_complete()), (numbers(0..9).iter().map(String::as_str).collect(), true));
}

#[tokio::test]
async fn a_file_that_is_just_being_compressed_is_read_once() {
    let text = numbered(0..200);
    let bytes = compressed(&text);
    for cut in [10, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
        let logs = Logs::new(&[("a.log.1", &text)]).await;
        fs::write(logs.path().join("a.log.1.gz"), &bytes[..cut]).unwrap();
        for limit in [7, 1000] {
            let (entries, missing) = logs.pages(&always().limit(limit), || {}).await;
            assert_eq!((entries.len(), missing), (200, vec![]), "{cut} of {}", bytes.len());
        }
        assert!(logs.page(always().limit(1000)).await.is_complete());
    }
}

#[tokio::test]
async fn a_file_larger_than_what_is_held_of_it_is_read_to_its_beginning() {
    let line = |number: u32| {
        format!(
            "2025-12-01 {:02}:{:02}:{:02} {number} {}\n",
            number / 3600,
            number / 60 % 60,
            number % 60,
            "x".repeat(1000)
        )
    };
    let text: String = (0..7000).map(line).collect();
    let logs = Logs::with_bytes("a.log.gz", &compressed(&text)).await;
    let (entries, missing) = logs.pages(&always().limit(1800), || {}).await;
    let found: Vec<_> = entries.iter().map(|entry| entry.message.split_once(' ').unwrap().0.to_owned()).collect();
    assert_eq!((found, missing), (numbers(0..7000), vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn compressing_files_changes_nothing_but_their_names(
        files in prop::collection::vec((lines(), any::<bool>()), 1..4),
        limit in 1_u32..8,
        search in prop::option::of("[ab]"),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let query = search.iter().fold(always().limit(limit), |query, text| query.search(text));
        let [plain, mixed] = [false, true].map(|compress| runtime.block_on(async {
            let logs = Logs::new(&[]).await;
            for (index, (lines, is_compressed)) in files.iter().enumerate() {
                let (text, _) = file(lines);
                let name = format!("{index}.log");
                if compress && *is_compressed {
                    fs::write(logs.path().join(name + ".gz"), compressed(&text)).unwrap();
                } else {
                    fs::write(logs.path().join(name), text).unwrap();
                }
            }
            let (entries, missing) = logs.pages(&query, || {}).await;
            assert_eq!(missing, [""; 0]);
            entries.into_iter().map(|entry| (entry.timestamp, entry.message)).collect::<Vec<_>>()
        }));
        prop_assert_eq!(plain, mixed);
    }

    #[test]
    fn damaged_bytes_are_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = compressed(&numbered(0..50));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let page = runtime.block_on(async { Logs::with_bytes("a.log.gz", &bytes).await.page(always()).await });
        let whole = numbers(0..50);
        prop_assert!(!page.failures.is_empty() || messages(&page) == whole.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
