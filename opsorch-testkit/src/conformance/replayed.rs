//! Recordings of whole suites: a cassette for each rule, and the same rules from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::secret::Secret;
use opsorch::transport::{Reply, Request, Transport};
use opsorch::{Result, Time, async_trait};
use serde::{Deserialize, Serialize};

use super::live::Limits;
use super::rule::{Broken, Checked};
use crate::{Cassette, Recorder, Replay, Scrub};

/// What a replay has to know of the recording beside the exchanges. It is the note of the cassette.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// The rule.
    pub(super) rule: String,
    /// The time at which each of its labs began.
    pub(super) labs: Vec<Time>,
    /// The path of the vendor's address.
    pub(super) path: String,
    /// The run in a real account, and what was allowed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<LiveNote>,
}

/// What is known of a run in a real account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveNote {
    pub(super) run: String,
    pub(super) limits: Limits,
}

/// The file of a rule in a folder of recordings.
fn file(folder: &Path, rule: &str) -> PathBuf {
    folder.join(rule).with_extension("json")
}

/// Writes what a recorder kept, without these secrets.
pub(super) fn write(folder: &Path, recorder: &Recorder, note: &Note, secrets: &[Secret]) -> Checked {
    let not_written = |error: &dyn std::fmt::Display| Broken(format!("the recording could not be written: {error}"));
    let note_text = serde_json::to_string(note).map_err(|error| not_written(&error))?;
    fs::create_dir_all(folder).map_err(|error| not_written(&error))?;
    let recorder = recorder.clone().note(note_text).scrubbed_by(scrub(secrets)?);
    let cassette = recorder.cassette().map_err(|error| not_written(&error))?;
    cassette.write(file(folder, &note.rule)).map_err(|error| not_written(&error))
}

fn scrub(secrets: &[Secret]) -> Checked<Scrub> {
    let mut scrub = Scrub::new();
    for secret in secrets {
        scrub = scrub.secret(secret)?;
    }
    Ok(scrub)
}

/// Plays a cassette, and keeps what it has no answer for.
#[derive(Clone, Debug)]
pub(super) struct Player {
    replay: Replay,
    missed: Arc<Mutex<Vec<String>>>,
}

impl Player {
    /// The recording of a rule; `None` where there is none.
    pub(super) fn open(folder: &Path, rule: &str, secret: &Secret) -> Checked<Option<(Self, Note)>> {
        let file = file(folder, rule);
        if !file.exists() {
            return Ok(None);
        }
        let cassette = Cassette::read(&file).map_err(|error| Broken(error.to_string()))?;
        let note: Note = serde_json::from_str(cassette.note().unwrap_or_default()).map_err(|error| {
            Broken(format!("{}: its note is not that of a recorded rule: {error}; record it again", file.display()))
        })?;
        let replay = Replay::new(cassette, scrub(std::slice::from_ref(secret))?);
        Ok(Some((Self { replay, missed: Arc::default() }, note)))
    }

    /// What was asked for that is not recorded, with the nearest request that is.
    pub(super) fn missed(&self) -> Option<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

#[async_trait]
impl Transport for Player {
    async fn send(&self, request: Request) -> Result<Reply> {
        let answer = self.replay.send(request).await;
        if let Err(error) = &answer {
            self.missed.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }
        answer
    }
}
