//! A child process: how it is started, and that nothing of it is left.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use sha2::{Digest as _, Sha256};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::config::{Jail, Limits};
use super::jail;
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result};

const SHELL: &str = "/bin/sh";

/// Sets limits and becomes the program. A shell exports variables of its own, which the program must not see.
const LIMIT_AND_EXEC: &str = "unset PWD OLDPWD SHLVL; exec \"$0\" \"$@\"";

/// Waits until the host is gone, however it went, and kills the process group that it was told.
const WATCH: &str = "read -r group && read -r _; kill -s KILL -- \"-$group\" 2>/dev/null";

/// How a plugin is started.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) path: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, Secret)>,
    pub(super) sha256: Option<String>,
    pub(super) limits: Option<Limits>,
    pub(super) jail: Option<Jail>,
}

impl Launch {
    /// Refuses what cannot work on this system.
    pub(super) fn check(&self) -> Result<()> {
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(Error::invalid("args", "an argument holds no NUL"));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.expose().contains('\0') {
                let message = "expected a name without `=`, and a name and a value without NUL";
                return Err(Error::invalid(format!("env.{}", opsorch_schema::visible(name)), message));
            }
        }
        let is_sum = |digits: &String| digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !self.sha256.as_ref().is_none_or(is_sum) {
            return Err(Error::invalid("sha256", "expected 64 hexadecimal digits"));
        }
        if self.limits.is_some() && !Path::new(SHELL).exists() {
            let message = "limits are set by /bin/sh, which this system does not have; take `limits` out";
            return Err(Error::unsupported(message));
        }
        match &self.jail {
            Some(jail) => jail::check(jail),
            None => Ok(()),
        }
    }

    /// Starts it, on a thread of its own, which lives as long as the child.
    pub(super) async fn start(self: &Arc<Self>) -> Result<Child> {
        let launch = self.clone();
        let (started, starting) = oneshot::channel();
        let (exit, exited) = oneshot::channel();
        std::thread::Builder::new()
            .name("opsorch-plugin".into())
            .spawn(move || launch.keep(started, exit))
            .map_err(|error| unavailable("no thread for a plugin could be started", error))?;
        let gone = |_| Error::unexpected("the thread of a plugin ended early");
        let Started { group, stdin, stdout, stderr } = starting.await.map_err(gone)??;
        let pipes = || -> io::Result<_> {
            let stdin = pipe::Sender::from_owned_fd(stdin)?;
            Ok((stdin, pipe::Receiver::from_owned_fd(stdout)?, pipe::Receiver::from_owned_fd(stderr)?))
        };
        match pipes() {
            Ok((stdin, stdout, stderr)) => {
                let exit = Exit::Ahead(exited);
                Ok(Child { stdin: Some(stdin), stdout, stderr: Some(stderr), exit, group: KillOnDrop(group) })
            }
            Err(error) => {
                group.signal(Signal::KILL);
                Err(unavailable("the pipes of a plugin cannot be used", error))
            }
        }
    }

    /// Starts the child, waits for its end, and sees to it that nothing is left. Runs on the child's own thread, so that the jail
    /// binds this thread and what it starts, and nobody else.
    fn keep(&self, started: oneshot::Sender<Result<Started>>, exit: oneshot::Sender<String>) {
        let mut watcher = Watcher::start();
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let group = Arc::new(Group(Mutex::new(Pid::from_raw(child.id().try_into().unwrap_or_default()))));
        if let Some(watcher) = &mut watcher {
            watcher.watch(child.id());
        }
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let message = match pipes {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                Ok(Started { group: group.clone(), stdin: stdin.into(), stdout: stdout.into(), stderr: stderr.into() })
            }
            _ => Err(Error::unexpected("a child process has no pipes")),
        };
        if started.send(message).is_err() {
            group.signal(Signal::KILL);
        }
        group.wait_and_kill_the_rest();
        drop(watcher);
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let _ = exit.send(status);
    }

    fn spawn(&self) -> Result<std::process::Child> {
        self.check_pin()?;
        let mut command = match &self.limits {
            None => Command::new(&self.path),
            Some(limits) => {
                let mut command = Command::new(SHELL);
                command.arg("-c").arg(limiting(limits)).arg(&self.path);
                command
            }
        };
        command.args(&self.args).env_clear().current_dir("/").process_group(0);
        command.envs(self.env.iter().map(|(name, value)| (name, value.expose())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(jail) = &self.jail {
            jail::enter(jail, &self.path)?;
        }
        command.spawn().map_err(|error| {
            let message = format!("the plugin `{}` cannot be started: {error}", self.path.display());
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        })
    }

    /// Compares the content of the program with what it was pinned to.
    fn check_pin(&self) -> Result<()> {
        let Some(pinned) = &self.sha256 else { return Ok(()) };
        let mut sum = Sha256::new();
        let copied = File::open(&self.path).and_then(|mut file| io::copy(&mut file, &mut Hasher(&mut sum)));
        copied.map_err(|error| unavailable("the program of a plugin cannot be read", error))?;
        let sum: [u8; 32] = sum.finalize().into();
        let found = opsorch_schema::Digest::from_sha256(sum);
        if found.as_str().strip_prefix("sha256:") == Some(pinned.to_ascii_lowercase().as_str()) {
            return Ok(());
        }
        let message = format!("the program is not the one that is pinned: its SHA-256 is {found}");
        Err(Error::new(ErrorKind::Forbidden, message))
    }
}

struct Hasher<'a>(&'a mut Sha256);

impl io::Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unavailable(message: &'static str, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{message}: {error}")).with_source(error)
}

fn limiting(limits: &Limits) -> String {
    let mut script = String::new();
    if let Some(mib) = limits.memory_mib {
        script += &format!("ulimit -v {} && ", u64::from(mib) * 1024);
    }
    if let Some(seconds) = limits.cpu_seconds {
        script += &format!("ulimit -t {seconds} && ");
    }
    if let Some(files) = limits.open_files {
        script += &format!("ulimit -n {files} && ");
    }
    script + "{ " + LIMIT_AND_EXEC + "; }"
}

struct Started {
    group: Arc<Group>,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// A child that runs. Dropping it kills its process group.
#[derive(Debug)]
pub(super) struct Child {
    /// `None` once it was closed.
    pub(super) stdin: Option<pipe::Sender>,
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) exit: Exit,
    group: KillOnDrop,
}

impl Child {
    pub(super) fn kill(&self) {
        self.group.0.signal(Signal::KILL);
    }

    pub(super) fn terminate(&self) {
        self.group.0.signal(Signal::TERM);
    }
}

/// The end of a child.
#[derive(Debug)]
pub(super) enum Exit {
    Ahead(oneshot::Receiver<String>),
    Past(String),
}

impl Exit {
    /// Waits for it; says how it ended.
    pub(super) async fn wait(&mut self) -> &str {
        if let Self::Ahead(exited) = self {
            *self = Self::Past(exited.await.unwrap_or_else(|_| "nobody knows how".into()));
        }
        match self {
            Self::Past(status) => status,
            Self::Ahead(_) => "",
        }
    }
}

#[derive(Debug)]
struct KillOnDrop(Arc<Group>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
}

/// The process group of a child; `None` once the child was waited for, when its number may become another's.
#[derive(Debug)]
struct Group(Mutex<Option<Pid>>);

impl Group {
    fn signal(&self, signal: Signal) {
        let group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = *group {
            // A group without a process in it is what is wanted.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Waits until the leader has ended, without taking its number away, and kills what it left in its group.
    fn wait_and_kill_the_rest(&self) {
        let leader = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leader) = leader {
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(leader), ended), Err(rustix::io::Errno::INTR)) {}
        }
        self.signal(Signal::KILL);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A shell that kills the child's group when the host is gone, even if the host was killed: then the system closes the pipe that
/// the shell reads from. Where there is no shell, there is no watcher.
struct Watcher(std::process::Child);

impl Watcher {
    fn start() -> Option<Self> {
        let mut command = Command::new(SHELL);
        command.arg("-c").arg(WATCH).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(shell) => Some(Self(shell)),
            Err(error) => {
                tracing::debug!(target: "opsorch::plugin", %error, "no watcher: a plugin may outlive a host that is killed");
                None
            }
        }
    }

    fn watch(&mut self, group: u32) {
        if let Some(stdin) = &mut self.0.stdin {
            // A watcher that is gone cannot be told.
            let _ = io::Write::write_all(stdin, format!("{group}\n").as_bytes());
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Killed before its pipe is closed: it must not kill a group whose number may be another's by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
