//! Pins, limits and jails; and that no child outlives a host that is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use opsorch::ErrorKind;
use opsorch::plugin::{Jail, Limits, PluginConfig, Protocol};
use sha2::{Digest, Sha256};

use crate::support::{assert_gone, get, plane_over, plugin, processes, this_program, token};
use crate::trials;

trials!(
    no_child_outlives_a_host_that_is_killed,
    no_child_outlives_a_runtime,
    a_program_that_is_not_the_pinned_one_is_not_started,
    limits_hold_and_add_nothing_to_the_environment,
    a_jail_holds_for_files_and_connections,
    a_jail_that_cannot_be_is_refused,
);

/// `host TOKEN`: a host with two plugins that do not end by themselves.
pub(crate) fn host(arguments: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let two = plane_over(plugin(Protocol::Two, "deaf", &arguments[0])).await.unwrap();
        let line = plane_over(plugin(Protocol::Legacy, "deaf", &arguments[0])).await.unwrap();
        assert!(get(&two, "T-1").await.is_ok() && get(&line, "T-1").await.is_ok());
        println!("ready");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

async fn no_child_outlives_a_host_that_is_killed() {
    let token = token();
    let mut command = Command::new(this_program());
    let mut host = command.args(["host", &token]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), processes(&token).len()), ("ready\n", 3));
    host.kill().unwrap();
    host.wait().unwrap();
    assert_gone(&token).await;
}

async fn no_child_outlives_a_runtime() {
    let token = token();
    let word = token.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ops = runtime.block_on(plane_over(plugin(Protocol::Two, "deaf", &word))).unwrap();
        assert_eq!(processes(&word).len(), 1);
        drop(runtime);
        drop(ops);
    });
    thread.join().unwrap();
    assert_gone(&token).await;
}

async fn a_program_that_is_not_the_pinned_one_is_not_started() {
    let token = token();
    let sum: [u8; 32] = Sha256::digest(std::fs::read(this_program()).unwrap()).into();
    let right: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let ops = plane_over(plugin(Protocol::Two, "well", &token).sha256(&right)).await.unwrap();
    assert!(get(&ops, "T-1").await.is_ok());
    drop(ops);

    let wrong = right.replace(|digit: char| digit != '0', "1");
    let error = plane_over(plugin(Protocol::Two, "well", &token).sha256(wrong)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains(&right), "{error}");
    assert_gone(&token).await;

    let error = plane_over(plugin(Protocol::Two, "well", &token).sha256("12")).await.unwrap_err();
    assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
}

async fn limits_hold_and_add_nothing_to_the_environment() {
    let token = token();
    let limits = Limits::new().memory_mib(4096).cpu_seconds(77).open_files(33);
    let ops = plane_over(plugin(Protocol::Two, "look", &token).limits(limits)).await.unwrap();
    let found = get(&ops, "/proc/self/limits").await.unwrap().title;
    for (name, value) in [("Max cpu time", "77"), ("Max open files", "33"), ("Max address space", "4294967296")] {
        let line = found.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.split_whitespace().filter(|word| *word == value).count(), 2, "{line}");
    }
    assert_eq!(get(&ops, "environment:").await.unwrap().title, "");
    drop(ops);
    assert_gone(&token).await;
}

async fn a_jail_holds_for_files_and_connections() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let [readable, writable, other] = ["readable", "writable", "other"].map(|name| directory.path().join(name));
    [&readable, &writable, &other].into_iter().for_each(|file| std::fs::write(file, "content").unwrap());
    let (open, shut) = (listener(), listener());
    let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
    let jail = Jail::new().read(&readable).write(&writable).connect(port(&open));
    let ops = match plane_over(plugin(Protocol::Two, "look", &token).jail(jail)).await {
        Ok(ops) => ops,
        Err(error) => {
            // The promise is then that it is refused, and clearly.
            assert_eq!(*error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("Landlock"), "{error}");
            eprintln!("this system has no Landlock: the jail is refused, and was not tried");
            return;
        }
    };
    let free = plane_over(plugin(Protocol::Two, "look", &token)).await.unwrap();
    let file = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let looks = [
        (file(&readable), "content", true),
        (format!("write:{}", file(&readable)), "written", false),
        (format!("write:{}", file(&writable)), "written", true),
        (file(&other), "content", false),
        (format!("tcp:{}", port(&open)), "connected", true),
        (format!("tcp:{}", port(&shut)), "connected", false),
    ];
    for (look, good, allowed) in looks {
        let inside = get(&ops, &look).await.unwrap().title;
        assert_eq!(inside, if allowed { good } else { "refused: permission denied" }, "{look}");
        if !look.starts_with("write:") {
            assert!(get(&free, &look).await.unwrap().title.starts_with(|c: char| c != 'r'), "{look} without a jail");
        }
    }
    assert!(std::fs::read("/etc/passwd").is_ok(), "the host itself is free");
    drop((ops, free));
    assert_gone(&token).await;
}

fn listener() -> std::net::TcpListener {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap()
}

async fn a_jail_that_cannot_be_is_refused() {
    for jail in [Jail::new().read("/no/such/file"), Jail::new().write("relative")] {
        let config = PluginConfig::new(this_program()).jail(jail);
        let error = plane_over(config).await.unwrap_err();
        assert!(error.to_string().contains("jail."), "{error}");
    }
}
