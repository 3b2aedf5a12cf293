//! What the tests share: a plugin that is this program, a control plane over it, and a look at what processes there are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsorch::gate::Decision;
use opsorch::plugin::{PluginConfig, Protocol, Restart};
use opsorch::secret::StaticSecrets;
use opsorch::{Action, Actor, BuildEnv, Builder, Context, OpsOrch, Provider, ProviderConfig, Result, Target, Ticket};

pub(crate) const CALL: Duration = Duration::from_secs(8);

/// A word that is in the command line of a test's processes, and of no others.
pub(crate) fn token() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("test-{}-{next}", std::process::id())
}

pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// This program as a plugin: what it does, in words, and the word to find it by.
pub(crate) fn plugin(protocol: Protocol, behaviour: &str, token: &str) -> PluginConfig {
    let spoken = if protocol == Protocol::Two { "two" } else { "line" };
    PluginConfig::new(this_program())
        .arg("child")
        .arg(spoken)
        .arg(behaviour)
        .arg(token)
        .protocol(protocol)
        .operation("ticket.*")
        .timeout(CALL)
        .restart(Restart::new(50, Duration::from_secs(60), Duration::from_secs(1)))
}

/// A plugin that is started without arguments: a script that becomes this program.
pub(crate) fn script(behaviour: &str) -> (tempfile::TempPath, String) {
    use std::os::unix::fs::PermissionsExt;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let program = this_program();
    let text = format!("#!/bin/sh\nexec '{}' child line {behaviour} environment\n", program.display());
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let path = file.into_temp_path();
    let name = path.to_str().unwrap().to_owned();
    (path, name)
}

/// A control plane that allows everything, without layers that would try again.
pub(crate) fn plane() -> Builder {
    OpsOrch::builder()
        .without_layers()
        .secrets(StaticSecrets::new([("CANARY", crate::secrets::CANARY)]))
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
}

pub(crate) async fn plane_over(config: PluginConfig) -> Result<OpsOrch> {
    plane().configure("tracker", config).build().await
}

/// The provider by itself.
pub(crate) async fn provider(config: PluginConfig) -> Result<Provider> {
    let secrets = StaticSecrets::new([("CANARY", crate::secrets::CANARY)]);
    config.build(&"tracker".into(), &BuildEnv::new().with_secrets(Arc::new(secrets))).await
}

pub(crate) fn agent() -> Context {
    Context::new(Actor::agent("triage"))
}

pub(crate) async fn get(ops: &OpsOrch, id: &str) -> Result<Ticket> {
    ops.tickets(&agent()).get(id).await
}

pub(crate) async fn get_within(ops: &OpsOrch, id: &str, time: Duration) -> Result<Ticket> {
    ops.tickets(&agent().timeout(time)).get(id).await
}

/// The processes whose command line has a word, but for this one.
pub(crate) fn processes(token: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|process: &u32| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        *process != std::process::id() && String::from_utf8_lossy(&line).contains(token)
    })
    .collect()
}

/// The children of this process that ended and were not waited for.
pub(crate) fn zombies() -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
    let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let mine = format!("Z {} ", std::process::id());
    stats.filter(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(&mine))).collect()
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until no process of a test is left.
pub(crate) async fn assert_gone(token: &str) {
    let token = token.to_owned();
    eventually("a process is left", move || processes(&token).is_empty()).await;
}
