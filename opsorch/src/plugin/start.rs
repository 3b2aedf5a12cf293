//! How a plugin is started: from its configuration to the way to its processes.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::oneshot;

use super::call::Caller;
use super::changes::Changes;
use super::child::Launch;
use super::config::PluginConfig;
use super::link::Link;
use super::supervisor::{Inbox, Spoken, Supervisor};
use super::wire::Initialized;
use crate::secret::{Secret, SecretRef};
use crate::transport::Redactor;
use crate::{BuildEnv, Error, Result};

/// Values of the environment that are shorter than this are not taken for secrets, unless they are references to one.
const SHORT: usize = 8;

/// The most processes of one plugin.
const MOST_PROCESSES: u32 = 64;

/// A plugin that was started.
pub(super) struct Started {
    pub(super) spoken: Spoken,
    pub(super) link: Link,
    /// How often a process was started after the first of its place.
    pub(super) restarts: Arc<AtomicU64>,
}

/// What the replies of a plugin are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What operations answer.
    Data,
    /// Secrets: they are wiped after use, and nothing that the plugin says is logged.
    Secrets,
}

impl PluginConfig {
    /// Starts the program, and asks what it speaks.
    pub(super) async fn start(self, name: &str, env: &BuildEnv, content: Content) -> Result<Started> {
        self.check()?;
        let mut redactor = Redactor::default();
        let (config, secrets) = self.config.resolve(env).await?;
        secrets.iter().for_each(|secret| redactor.add(secret));
        let config = Secret::new(config.to_string());
        let variables = self.variables(env, &mut redactor).await?;
        let redactor = Arc::new(redactor);
        let path = std::path::absolute(&self.path)
            .map_err(|error| Error::invalid("path", format!("it cannot be made absolute: {error}")))?;
        let (sha256, limits, jail) = (self.sha256, self.limits, self.jail);
        let launch = Arc::new(Launch { path, args: self.args, env: variables, sha256, limits, jail });
        launch.check()?;
        let timeout = self.timeout.duration();
        let restarts = Arc::new(AtomicU64::new(0));
        let supervisor = |caller: &Caller, inbox: Inbox, declared: Option<Initialized>| Supervisor {
            name: name.to_owned(),
            launch: launch.clone(),
            protocol: self.protocol,
            config: config.clone(),
            timeout,
            restart: self.restart,
            redactor: redactor.clone(),
            content,
            restarts: restarts.clone(),
            ids: caller.ids(),
            generations: caller.generations(),
            declared,
            inbox,
        };
        let (caller, spoken) = run(|caller, inbox| supervisor(caller, inbox, None)).await?;
        let mut callers = vec![caller];
        for _ in 1..self.processes {
            let declared = spoken.declared().cloned();
            callers.push(run(|caller, inbox| supervisor(caller, inbox, declared)).await?.0);
        }
        let line_config = matches!(spoken, Spoken::Line).then_some(config);
        let (name, changes) = (name.to_owned(), Changes::default());
        let link = Link { name, callers, timeout, redactor, line_config, changes };
        Ok(Started { spoken, link, restarts })
    }

    /// Refuses what no configuration could say.
    fn check(&self) -> Result<()> {
        if !(1..=MOST_PROCESSES).contains(&self.processes) {
            return Err(Error::invalid("processes", format!("expected 1 to {MOST_PROCESSES}, got {}", self.processes)));
        }
        self.timeout.check("timeout")?;
        self.restart.window.check("restart.window")?;
        self.restart.pause.check("restart.pause")
    }

    async fn variables(&self, env: &BuildEnv, redactor: &mut Redactor) -> Result<Vec<(String, Secret)>> {
        let mut variables = Vec::new();
        for (name, reference) in &self.env {
            let value = env.secret(reference).await?;
            if !matches!(reference, SecretRef::Literal(_)) || value.expose().len() >= SHORT {
                redactor.add(&value);
            }
            variables.push((name.clone(), value));
        }
        Ok(variables)
    }
}

/// Starts a process and what supervises it, which ends by itself when the last caller is dropped, and the process with it.
async fn run(supervisor: impl FnOnce(&Caller, Inbox) -> Supervisor) -> Result<(Caller, Spoken)> {
    let (caller, messages) = Caller::new();
    let (ready, spoken) = oneshot::channel();
    tokio::spawn(supervisor(&caller, Inbox::new(messages)).run(ready));
    let spoken = spoken.await.map_err(|_| Error::unexpected("the task of the plugin ended early"))??;
    Ok((caller, spoken))
}
