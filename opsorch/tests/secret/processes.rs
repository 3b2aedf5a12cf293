//! Real processes on one encrypted file: writing at once, death at any moment, and what is left in memory.
//!
//! This program is the test and, called with `child`, the process that it starts and kills. It has no harness, so that
//! a child is nothing but a child.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use opsorch::secret::{EncryptedFile, JsonSecrets, Key, Secret, SecretRef, SecretSource, SecretStore};

/// How often a process is killed.
const ROUNDS: u32 = 150;

/// How long a process may live, in microseconds, after it said that it is ready.
const LONGEST_LIFE: u64 = 40_000;

/// How many processes write at once, and how many secrets each of them.
const WRITERS: usize = 6;
const WRITES: usize = 25;

/// The environment variable of a child's key.
const KEY: &str = "OPSORCH_TEST_KEY";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["child", what, path, name] => child(what, Path::new(path), name),
        ref filter => {
            let wanted = |name: &str| filter.iter().all(|word| word.starts_with('-') || name.contains(word));
            let tests: [(&str, fn()); 4] = [
                ("processes_that_write_at_once_lose_nothing", processes_that_write_at_once_lose_nothing),
                ("processes_that_write_json_at_once_lose_nothing", processes_that_write_json_at_once_lose_nothing),
                ("a_killed_writer_leaves_the_old_or_the_new_file", a_killed_writer_leaves_the_old_or_the_new_file),
                ("a_dropped_secret_is_not_in_memory", a_dropped_secret_is_not_in_memory),
            ];
            for (name, test) in tests.into_iter().filter(|(name, _)| wanted(name)) {
                println!("test {name} …");
                test();
                println!("test {name} … ok");
            }
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn start(what: &str, path: &Path, name: &str, key: &Key) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", what]).arg(path).arg(name).env(KEY, key.to_secret().expose());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

fn child(what: &str, path: &Path, name: &str) {
    let key = Key::from_secret(&Secret::new(std::env::var(KEY).unwrap())).unwrap();
    let file = EncryptedFile::new(path, key);
    match what {
        "write" => write_many(&file, name),
        "write-json" => write_many(&JsonSecrets::new(path), name),
        "overwrite" => overwrite_until_killed(&file),
        "remember" => remember_and_forget(&file),
        other => panic!("{other}"),
    }
}

fn write_many(store: &dyn SecretStore, name: &str) {
    run(async {
        for number in 0..WRITES {
            store.put(&format!("{name}/{number}"), &Secret::new(format!("{name} {number}"))).await.unwrap();
        }
    });
}

fn write_at_once(what: &str, path: &Path, store: &dyn SecretStore, key: &Key) {
    let children: Vec<Child> = (0..WRITERS).map(|number| start(what, path, &format!("w{number}"), key)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    run(async {
        assert_eq!(store.names().await.unwrap().len(), WRITERS * WRITES);
        for (writer, number) in (0..WRITERS).flat_map(|writer| (0..WRITES).map(move |number| (writer, number))) {
            let secret = store.get(&format!("w{writer}/{number}")).await.unwrap();
            assert_eq!(secret.expose(), format!("w{writer} {number}"));
        }
    });
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    (directory, path)
}

fn processes_that_write_at_once_lose_nothing() {
    let ((_directory, path), key) = (place(), Key::generate().unwrap());
    let store = EncryptedFile::new(&path, key.clone());
    write_at_once("write", &path, &store, &key);
    assert_eq!(
        run(store.generation()).unwrap(),
        (WRITERS * WRITES) as u64,
        "each change was made on the one before it"
    );
}

fn processes_that_write_json_at_once_lose_nothing() {
    let ((_directory, path), key) = (place(), Key::generate().unwrap());
    write_at_once("write-json", &path, &JsonSecrets::new(&path), &key);
}

/// A value of 10 KiB that is seen to be whole, and which it is.
fn value(number: u64) -> String {
    format!("{number:010}").repeat(1024)
}

fn overwrite_until_killed(file: &EncryptedFile) {
    run(async {
        let mut number = file.generation().await.unwrap();
        loop {
            number += 1;
            file.put("a", &Secret::new(value(number))).await.unwrap();
            println!("{number}");
            std::io::stdout().flush().unwrap();
        }
    });
}

fn a_killed_writer_leaves_the_old_or_the_new_file() {
    let ((_directory, path), key) = (place(), Key::generate().unwrap());
    let store = EncryptedFile::new(&path, key.clone());
    run(store.put("kept", &Secret::new("from the beginning"))).unwrap();
    let (mut seen, mut inside, mut random) = (1, 0, 88_172_645_463_325_252_u64);
    for round in 0..ROUNDS {
        let mut child = start("overwrite", &path, "a", &key);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        // Xorshift: moments that differ, and are the same in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % LONGEST_LIFE));
        child.kill().unwrap();
        child.wait().unwrap();
        output.read_to_string(&mut line).unwrap();
        let told: u64 = line.lines().last().unwrap().parse().unwrap();

        run(async {
            let generation = store.generation().await.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(
                generation == told || generation == told + 1,
                "round {round}: {told} was told, {generation} is there"
            );
            inside += u32::from(generation == told + 1);
            assert!(generation > seen, "round {round}");
            seen = generation;
            assert!(store.get("a").await.unwrap().matches(&value(generation)), "round {round}");
            assert_eq!(store.get("kept").await.unwrap().expose(), "from the beginning");
        });
    }
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert!(files <= 3, "the file, its lock and at most one draft, got {files}");
    println!("{seen} changes, {inside} of {ROUNDS} processes died between a change and its report");
}

fn a_dropped_secret_is_not_in_memory() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let ((_directory, path), key) = (place(), Key::generate().unwrap());
    let mut child = start("remember", &path, "a", &key);
    assert!(child.wait().unwrap().success());
}

/// Holds a secret that nobody else knows, puts it through a store, drops it, and looks for it in its own memory.
fn remember_and_forget(file: &EncryptedFile) {
    // Only the mask of it is kept; the letters come from random bytes.
    let masked: Vec<u8> = Key::generate().unwrap().expose().iter().map(|byte| (b'a' + byte % 26) ^ MASK).collect();
    let mut text = String::with_capacity(masked.len());
    masked.iter().for_each(|byte| text.push(char::from(byte ^ MASK)));
    let secret = Secret::new(text);
    let (hits, bytes) = find(&masked);
    assert!(hits > 0 && bytes > 100_000, "a secret that is alive is found: {hits} in {bytes} bytes");

    run(async {
        file.put("a", &secret).await.unwrap();
        let reference: SecretRef = "secret:a".parse().unwrap();
        let found = file.resolve(&reference).await.unwrap();
        assert!(found.clone().matches(secret.expose()));
        file.rotate().await.unwrap();
        assert!(file.get("a").await.unwrap().matches(secret.expose()));
    });
    drop(secret);
    let (hits, bytes) = find(&masked);
    assert_eq!(hits, 0, "of {bytes} bytes");
}

const MASK: u8 = 0x80;

/// How often the unmasked bytes are in the memory that this process can write, and how much that is.
fn find(masked: &[u8]) -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = fs::File::open("/proc/self/mem").unwrap();
    let (mut hits, mut total) = (0, 0);
    let mut page = vec![0; 1 << 20];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (mut from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while from < to {
            let length = usize::try_from(to - from).unwrap().min(page.len());
            memory.seek(SeekFrom::Start(from)).unwrap();
            let Ok(read) = memory.read(&mut page[..length]) else { break };
            hits += page[..read].windows(masked.len()).filter(|window| is(window, masked)).count();
            // What is read is a copy too.
            page[..read].fill(0);
            total += read;
            // One that lies across two readings is found in the second.
            from += if read == length && from + (length as u64) < to {
                (read - masked.len()) as u64
            } else {
                (to - from).max(1)
            };
        }
    }
    (hits, total)
}

fn is(window: &[u8], masked: &[u8]) -> bool {
    window[0] ^ MASK == masked[0] && window.iter().zip(masked).all(|(byte, masked)| byte ^ MASK == *masked)
}
