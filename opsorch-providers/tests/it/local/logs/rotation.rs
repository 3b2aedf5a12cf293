//! Files that are written, truncated and rotated while they are read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use proptest::prelude::*;

use super::gzip::compressed;
use super::*;

/// What happens to a log.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u32),
    /// A line that is finished by the next one.
    Half,
    Rename,
    Copy,
    /// Compresses the newest of those that are rotated and not compressed.
    Compress,
}

/// Who writes a log and rotates it as `logrotate` does.
struct Writer {
    folder: PathBuf,
    /// How many lines were begun, and how many are whole.
    begun: u32,
    whole: Arc<AtomicU32>,
}

impl Writer {
    fn new(folder: &Path) -> Self {
        let writer = Self { folder: folder.to_owned(), begun: 0, whole: Arc::default() };
        writer.write("");
        writer
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(lines) => {
                self.finish();
                for _ in 0..lines {
                    self.begun += 1;
                    self.write(&line(self.begun));
                    self.whole.store(self.begun, Ordering::SeqCst);
                }
            }
            Step::Half => {
                self.finish();
                self.begun += 1;
                self.write(&line(self.begun)[..100]);
            }
            Step::Rename => {
                self.finish();
                self.make_room();
                fs::rename(self.path(0), self.path(1)).unwrap();
                self.write("");
            }
            Step::Copy => {
                self.finish();
                self.make_room();
                fs::copy(self.path(0), self.path(1)).unwrap();
                OpenOptions::new().write(true).truncate(true).open(self.path(0)).unwrap();
            }
            Step::Compress => {
                let plain = (1..100).map(|number| self.path(number)).find(|path| path.exists());
                if let Some(plain) = plain {
                    let text = fs::read_to_string(&plain).unwrap();
                    fs::write(gz(&plain), compressed(&text)).unwrap();
                    fs::remove_file(&plain).unwrap();
                }
            }
        }
    }

    /// Ends a line that was begun.
    fn finish(&mut self) {
        if self.begun > self.whole.load(Ordering::SeqCst) {
            self.write(&line(self.begun)[100..]);
            self.whole.store(self.begun, Ordering::SeqCst);
        }
    }

    /// Renames the oldest first, so that none takes the place of another.
    fn make_room(&self) {
        for number in (1..100).rev() {
            for [from, to] in
                [[self.path(number), self.path(number + 1)], [gz(&self.path(number)), gz(&self.path(number + 1))]]
            {
                if from.exists() {
                    fs::rename(from, to).unwrap();
                }
            }
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(if number == 0 { "app.log".to_owned() } else { format!("app.log.{number}") })
    }

    fn write(&self, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(0));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }
}

fn gz(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.gz", path.file_name().unwrap().to_string_lossy()))
}

/// A line with its number, which is also its second. It is long enough that one is known by its content.
fn line(number: u32) -> String {
    let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
    format!("2025-12-01 {hour:02}:{minute:02}:{second:02} {number} {}\n", "x".repeat(300))
}

fn number(entry: &LogEntry) -> u32 {
    entry.message.split_once(' ').unwrap().0.parse().unwrap()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u32..6).prop_map(Step::Append),
        2 => Just(Step::Half),
        2 => Just(Step::Rename),
        2 => Just(Step::Copy),
        2 => Just(Step::Compress),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..12)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_between_pages_each_line_that_was_there_comes_once_in_order(
        before in steps(),
        between in prop::collection::vec(steps(), 1..8),
        limit in 1_u32..5,
    ) {
        let (found, expected, missing) = block_on(async {
            let logs = Logs::new(&[]).await;
            let mut writer = Writer::new(logs.path());
            before.into_iter().for_each(|step| writer.step(step));
            let whole = writer.whole.load(Ordering::SeqCst);
            let mut between = between.into_iter();
            let happen = || between.next().unwrap_or_default().into_iter().for_each(|step| writer.step(step));
            let (entries, missing) = logs.pages(&always().limit(limit), happen).await;
            (entries.iter().map(number).collect::<Vec<_>>(), (1..=whole).rev().collect::<Vec<_>>(), missing)
        });
        prop_assert_eq!(found, expected);
        prop_assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn whatever_happens_during_a_page_each_line_that_was_there_comes_once_in_order(
        before in steps(),
        during in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..12),
        limit in 1_u32..5,
    ) {
        let (found, whole, missing) = block_on(async {
            let logs = Logs::new(&[]).await;
            let mut writer = Writer::new(logs.path());
            before.into_iter().for_each(|step| writer.step(step));
            let whole = writer.whole.load(Ordering::SeqCst);
            // What happens, happens at the same time as one page is read, whenever that may be.
            let (happen, steps) = mpsc::channel::<Vec<Step>>();
            let thread = std::thread::spawn(move || steps.into_iter().flatten().for_each(|step| writer.step(step)));
            let mut during = during.into_iter();
            happen.send(during.next().unwrap_or_default()).unwrap();
            let next = || happen.send(during.next().unwrap_or_default()).unwrap();
            let (entries, missing) = logs.pages(&always().limit(limit), next).await;
            drop(happen);
            thread.join().unwrap();
            (entries.iter().map(number).collect::<Vec<_>>(), whole, missing)
        });
        let once: BTreeSet<_> = found.iter().copied().collect();
        prop_assert_eq!(once.len(), found.len(), "repeated: {:?}", found);
        prop_assert!((1..=whole).all(|number| once.contains(&number)), "lost: {:?} of {}", found, whole);
        prop_assert!(found.is_sorted_by(|newer, older| newer > older), "{:?}", found);
        prop_assert_eq!(missing, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_file_whose_number_is_that_of_a_new_one_is_found_by_its_content() {
    let logs = Logs::new(&[("app.log", &(1..20).map(line).collect::<String>())]).await;
    let first = logs.page(always().limit(5)).await;
    // Rotated by a copy, and grown beyond where it was: the file with the old number has another content.
    fs::copy(logs.path().join("app.log"), logs.path().join("app.log.1")).unwrap();
    fs::write(logs.path().join("app.log"), (100..200).map(line).collect::<String>()).unwrap();
    let second = logs.page(always().after(first.next.unwrap())).await;
    assert!(second.is_complete(), "{second:?}");
    assert_eq!(second.items.iter().map(number).collect::<Vec<_>>(), (1..15).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_is_just_being_copied_is_read_once() {
    let text: String = (1..20).map(line).collect();
    for copied in [300, 301, 1000, text.len()] {
        let logs = Logs::new(&[("app.log", &text), ("app.log.1", &text[..copied])]).await;
        let (entries, missing) = logs.pages(&always().limit(4), || {}).await;
        assert_eq!(entries.iter().map(number).collect::<Vec<_>>(), (1..20).rev().collect::<Vec<_>>(), "{copied}");
        assert_eq!(missing, [""; 0]);
    }
}

#[tokio::test]
async fn a_file_that_begins_as_another_is_no_copy_of_it() {
    let text: String = (1..20).map(line).collect();
    let other = format!("{}{}", &text[..1000], "other\n");
    let logs =
        Logs::new(&[("app.log", &text), ("app.log.1", &other), ("web.log", &text), ("web.log.1", "# title\n")]).await;
    let page = logs.page(always().limit(1000)).await;
    assert_eq!(page.items.len(), 19 + 4 + 19 + 1);
}

#[tokio::test]
async fn a_file_that_is_rotated_away_is_said_to_be_missing() {
    let logs = Logs::new(&[("app.log", &line(9)), ("app.log.1", &(1..9).map(line).collect::<String>())]).await;
    let first = logs.page(always().limit(3)).await;
    // It begins as the other did, but goes on otherwise.
    fs::write(logs.path().join("app.log.2"), [1, 2, 50, 51, 52, 53, 54, 55].map(line).concat()).unwrap();
    fs::remove_file(logs.path().join("app.log.1")).unwrap();
    let second = logs.page(always().after(first.next.unwrap())).await;
    assert_eq!(second.items, []);
    assert!(second.truncated.unwrap().contains("went away"));
}
