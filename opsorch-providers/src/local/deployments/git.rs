//! The tags of git repositories, as `git` tells them.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use opsorch::{
    Context, Deployment, DeploymentQuery, DeploymentStatusLevel, Error, ErrorKind, Fields, Result, SourceFailure, Time,
    visible,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// How long one repository has to answer, where the caller waits much longer.
const LONGEST: Duration = Duration::from_secs(10);

/// What lets a repository be another one than that of the folder: `git rev-parse --local-env-vars` names them.
const OF_A_REPOSITORY: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// The largest answer: some 50 000 tags.
const LARGEST_ANSWER: u64 = 8 << 20;

/// What is read of an error message.
const LARGEST_COMPLAINT: u64 = 4 << 10;

/// What an answer says of each tag: its name, when it was made, the commit, the subject and who made it.
const FORMAT: &str = "--format=%(refname:strip=2)%00%(creatordate:unix)%00%(objectname)%00%(*objectname)%00\
    %(contents:subject)%00%(taggername) %(taggeremail)";

/// What the id of a deployment that is a tag begins with.
const PREFIX: &str = "git:";

/// A git repository on this host whose tags are deployments.
///
/// ```
/// use opsorch_providers::local::{GitTags, LocalConfig};
///
/// let api = GitTags::new("/srv/api", "api", "production").tags("v*");
/// assert_eq!(LocalConfig::new("data").git(api.clone()).git, [api]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GitTags {
    /// The folder of the repository: the one with `.git` in it, or a bare repository.
    pub path: PathBuf,
    /// The service that is deployed.
    pub service: String,
    /// Where it goes, such as `production`.
    pub environment: String,
    /// Which tags are deployments, as a pattern such as `v*`, in which `*` does not stand for `/`; by default all
    /// without `/`.
    #[serde(default = "every")]
    pub tags: String,
}

fn every() -> String {
    "*".to_owned()
}

impl GitTags {
    /// The tags of a repository, as deployments of a service to an environment.
    pub fn new(path: impl Into<PathBuf>, service: impl Into<String>, environment: impl Into<String>) -> Self {
        Self { path: path.into(), service: service.into(), environment: environment.into(), tags: every() }
    }

    /// Sets which tags are deployments, by a pattern such as `v*`.
    pub fn tags(mut self, pattern: impl Into<String>) -> Self {
        self.tags = pattern.into();
        self
    }

    /// What is wrong with it: the field and the reason.
    pub(in crate::local) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let names = [("service", &self.service), ("environment", &self.environment)];
        if self.path == Path::new("") {
            return Some(("path", "expected the path of a repository, got an empty one"));
        }
        if let Some((field, _)) = names.into_iter().find(|(_, name)| name.trim().is_empty() || name.contains(':')) {
            return Some((field, "expected a name without `:`, which ids are divided by"));
        }
        if self.tags.is_empty() || self.tags.starts_with('-') || self.tags.contains(char::is_control) {
            return Some(("tags", "expected a pattern such as `v*`, which does not begin with `-`"));
        }
        None
    }

    /// What the ids of its tags begin with. No two repositories may have the same.
    pub(in crate::local) fn prefix(&self) -> String {
        format!("{PREFIX}{}:{}:", self.service, self.environment)
    }

    pub(super) fn is_of(&self, id: &str) -> bool {
        id.starts_with(&self.prefix())
    }

    /// Whether a query can find any of its tags.
    pub(super) fn is_wanted(&self, query: &DeploymentQuery) -> bool {
        query.scope.service.as_ref().is_none_or(|service| *service == self.service)
            && query.scope.environment.as_ref().is_none_or(|environment| *environment == self.environment)
    }

    /// Its tags.
    ///
    /// # Errors
    /// `Unavailable` if git is not installed, or refuses; `Timeout` after 10 s, or shortly before the deadline, so that
    /// others can still answer; `Unsupported` if the answer is larger than 8 MiB.
    pub(super) async fn read(&self, cx: &Context) -> Result<Vec<Deployment>> {
        let limit = cx.remaining().map_or(LONGEST, |remaining| (remaining / 4 * 3).min(LONGEST));
        let answer = tokio::time::timeout(limit, self.ask()).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("git did not answer within {} ms", limit.as_millis())))
        });
        let answer = answer.map_err(|error| error.with_context("repository", self.path.display()))?;
        Ok(answer.lines().filter_map(|line| self.tag(line)).collect())
    }

    async fn ask(&self) -> Result<String> {
        let mut child = self.command().spawn().map_err(not_started)?;
        let (answer, complaint) = (child.stdout.take(), child.stderr.take());
        let (answer, complaint) =
            tokio::try_join!(read_at_most(answer, LARGEST_ANSWER + 1), read_at_most(complaint, LARGEST_COMPLAINT))
                .map_err(|error| {
                    Error::new(ErrorKind::Unavailable, "the answer of git cannot be read").with_source(error)
                })?;
        if answer.len() as u64 > LARGEST_ANSWER {
            let message = format!("the tags are more than {LARGEST_ANSWER} bytes; narrow them with `tags`");
            return Err(Error::unsupported(message));
        }
        expect_success(ended(&mut child).await?, &complaint)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// No shell reads this, nothing in it comes from a caller, and it neither asks a terminal nor a network.
    fn command(&self) -> Command {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut command = Command::new("git");
        for name in OF_A_REPOSITORY {
            command.env_remove(name);
        }
        command
            // So that a folder that is no repository is not taken for a part of one above it.
            .env("GIT_CEILING_DIRECTORIES", path.parent().map_or(OsStr::new(""), Path::as_os_str))
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            // Also where the repository's own configuration allows some.
            .env("GIT_ALLOW_PROTOCOL", "")
            .env("LC_ALL", "C")
            .args(["-c", "protocol.allow=never", "-c", "core.fsmonitor=false", "-C"])
            .arg(&path)
            .args(["for-each-ref", FORMAT, "--"])
            .arg(format!("refs/tags/{}", self.tags))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The deployment of a line of the answer.
    fn tag(&self, line: &str) -> Option<Deployment> {
        let mut parts = line.split('\0');
        let (name, at, object) = (parts.next()?, parts.next()?, parts.next()?);
        let (target, subject, tagger) = (parts.next()?, parts.next()?, parts.next()?.trim());
        let commit = if target.is_empty() { object } else { target };
        let mut deployment = Deployment::new(format!("{}{name}", self.prefix()), DeploymentStatusLevel::Success)
            .service(&self.service)
            .environment(&self.environment)
            .version(name)
            .status_raw("tag");
        // A tag of something that is no commit has no time.
        deployment.started_at = at.parse().ok().and_then(|seconds| Time::from_timestamp(seconds, 0));
        let fields = [("commit", commit), ("subject", subject), ("tagger", tagger)];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        deployment.fields = fields.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Fields>();
        Some(deployment)
    }
}

/// Whether an id is that of a tag.
pub(super) fn is_tag(id: &str) -> bool {
    id.starts_with(PREFIX)
}

/// The tags of all repositories, which are asked at the same time, and those that did not answer.
pub(super) async fn tags(
    cx: &Context,
    repositories: impl Iterator<Item = &GitTags>,
) -> (Vec<Deployment>, Vec<SourceFailure>) {
    let mut asked = JoinSet::new();
    for (index, git) in repositories.enumerate() {
        let (cx, git) = (cx.clone(), git.clone());
        asked.spawn(async move { (index, git.read(&cx).await.map_err(|error| failure(&git, &error))) });
    }
    let mut answers = Vec::new();
    while let Some(answer) = asked.join_next().await {
        let interrupted = |_| (usize::MAX, Err(SourceFailure::new("git", "unexpected", "asking git was interrupted")));
        answers.push(answer.unwrap_or_else(interrupted));
    }
    answers.sort_by_key(|(index, _)| *index);
    let (mut tags, mut failures) = (Vec::new(), Vec::new());
    for (_, answer) in answers {
        match answer {
            Ok(found) => tags.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    (tags, failures)
}

fn failure(git: &GitTags, error: &Error) -> SourceFailure {
    error.to_source_failure(format!("git {}", git.path.display()))
}

async fn read_at_most(from: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut read).await?;
    }
    Ok(read)
}

async fn ended(child: &mut Child) -> Result<ExitStatus> {
    let ended = child.wait().await;
    ended.map_err(|error| Error::new(ErrorKind::Unavailable, "git cannot be waited for").with_source(error))
}

fn expect_success(status: ExitStatus, complaint: &[u8]) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(complaint);
    let first = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Err(Error::new(ErrorKind::Unavailable, format!("git refused: {}", visible(first))))
}

fn not_started(error: io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "git is not installed; install it, or configure no `git`".to_owned(),
        kind => format!("git cannot be started: {kind}"),
    };
    Error::new(ErrorKind::Unavailable, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> GitTags {
        GitTags::new("/srv/api", "api", "production")
    }

    #[test]
    fn git_that_is_not_installed_is_said_with_what_to_do() {
        let error = not_started(io::ErrorKind::NotFound.into());
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("not installed"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_complaint_is_one_line_and_moves_no_terminal() {
        use std::os::unix::process::ExitStatusExt;
        let error = expect_success(ExitStatus::from_raw(128 << 8), b"\nfatal: \x1b[2Jno\nmore").unwrap_err();
        assert!(error.message().starts_with("git refused: fatal: ") && !error.message().contains('\x1b'), "{error}");
        assert!(!error.message().contains("more"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_is_a_timeout_that_names_the_repository() {
        let cx = Context::new(opsorch::Actor::agent("triage")).timeout(Duration::ZERO);
        let error = api().read(&cx).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("/srv/api"), "{error}");
    }

    #[test]
    fn a_tag_of_what_is_no_commit_has_no_time() {
        assert_eq!(api().tag("key\0object"), None, "half a line is none");
        let tag = api().tag("key\0\0object\0\0\0 ").unwrap();
        assert_eq!((tag.started_at, tag.fields.len()), (None, 1));
    }

    #[tokio::test]
    async fn what_is_read_has_an_end() {
        assert_eq!(read_at_most(Some(tokio::io::repeat(7)), 100).await.unwrap().len(), 100);
    }
}
