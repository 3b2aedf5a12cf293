//! The jail: Landlock, which binds a thread and what it starts.

use std::path::Path;

use super::config::Jail;
use crate::{Error, Result};

/// Refuses a jail that this system cannot enforce, and paths that do not exist.
pub(super) fn check(jail: &Jail) -> Result<()> {
    for (field, paths) in [("jail.read", &jail.read), ("jail.write", &jail.write)] {
        for (index, path) in paths.iter().enumerate() {
            let refuse = |message| Err(Error::invalid(format!("{field}[{index}]"), message));
            if !path.is_absolute() {
                return refuse("expected an absolute path");
            }
            if !path.exists() {
                return refuse("there is no such file or directory");
            }
        }
    }
    // A thread that enters a jail stays in it, so another one tries.
    let jail = jail.clone();
    let tried = std::thread::spawn(move || enter(&jail, Path::new("/"))).join();
    tried.unwrap_or_else(|_| Err(Error::unexpected("entering a jail panicked")))
}

#[cfg(target_os = "linux")]
pub(super) use landlocked::enter;

#[cfg(target_os = "linux")]
mod landlocked {
    use std::path::Path;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetError, path_beneath_rules,
    };

    use super::Jail;
    use crate::{Error, Result};

    /// The version of Landlock that can confine TCP (Linux 6.7).
    const VERSION: ABI = ABI::V4;

    /// What every program needs: itself, its libraries, names and time zones. Those that do not exist are passed over.
    const READ_AND_EXECUTE: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"];
    const READ: [&str; 7] = [
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/etc/localtime",
        "/dev/zero",
        "/dev/random",
        "/dev/urandom",
    ];
    const READ_AND_WRITE: [&str; 1] = ["/dev/null"];

    /// Confines this thread, and what it starts from now on, for ever.
    pub(in super::super) fn enter(jail: &Jail, program: &Path) -> Result<()> {
        confine(jail, program).map_err(|error| {
            let message = format!(
                "a jail needs Landlock of Linux 6.7 or later, switched on, and this system refuses it ({error}); take `jail` out"
            );
            Error::unsupported(message).with_source(error)
        })
    }

    fn confine(jail: &Jail, program: &Path) -> std::result::Result<(), RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let write = AccessFs::from_all(VERSION) & !AccessFs::Execute;
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(VERSION))?
            .handle_access(AccessNet::from_all(VERSION))?
            .create()?
            .add_rules(path_beneath_rules(READ_AND_EXECUTE, AccessFs::from_read(VERSION)))?
            .add_rules(path_beneath_rules(READ, read))?
            .add_rules(path_beneath_rules(READ_AND_WRITE, read | AccessFs::WriteFile))?
            .add_rules(path_beneath_rules(&jail.read, read))?
            .add_rules(path_beneath_rules(&jail.write, write))?;
        if program.is_file() {
            ruleset = ruleset.add_rules(path_beneath_rules([program], AccessFs::from_read(VERSION)))?;
        }
        for port in &jail.connect {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        ruleset.restrict_self().map(drop)
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn enter(_: &Jail, _: &Path) -> Result<()> {
    Err(Error::unsupported("a jail needs Linux with Landlock, and this system is another; take `jail` out"))
}
