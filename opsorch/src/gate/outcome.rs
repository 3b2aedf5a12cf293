//! What a change gave, as it is kept for whoever asks again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch_schema::{GrantId, Response};
use serde::{Deserialize, Serialize};

use super::keys::{GateKeys, Purpose};
use crate::{Error, ErrorKind, Result};

/// A response, or what is left of an error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredOutcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<Response>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<StoredError>,
    /// The vendor was asked, and is certain of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    looked_up: bool,
}

/// What is sealed: the outcome and whose it is, so that one grant's does not serve another.
fn bound(grant: &GrantId, text: &str) -> String {
    format!("{grant}\n{text}")
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredError {
    code: String,
    message: String,
    may_have_applied: bool,
}

impl StoredOutcome {
    pub(super) fn new(result: &Result<Response>) -> Self {
        match result {
            Ok(response) => Self { response: Some(response.clone()), error: None, looked_up: false },
            Err(error) => {
                let (code, message) = (error.kind().code().to_owned(), error.to_string());
                let may_have_applied = error.may_have_applied();
                Self { response: None, error: Some(StoredError { code, message, may_have_applied }), looked_up: false }
            }
        }
    }

    /// What the vendor said when it was asked.
    pub(super) fn looked_up(result: &Result<Response>) -> Self {
        Self { looked_up: true, ..Self::new(result) }
    }

    /// The outcome as text, sealed for its grant; `None` if it cannot be written, in which case whoever asks again is sent
    /// to the audit log.
    pub(super) fn sealed(&self, grant: &GrantId, keys: &GateKeys) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        let seal = STANDARD.encode(keys.seal(Purpose::Outcome, &bound(grant, &text)));
        Some(format!("{seal} {text}"))
    }

    /// Reads what [`sealed`](Self::sealed) wrote, and refuses anything else.
    pub(super) fn open(stored: &str, grant: &GrantId, keys: &GateKeys) -> Result<Self> {
        let forged =
            || Error::denied("the stored outcome is not what the gate wrote; look at the audit log").maybe_applied();
        let (seal, text) = stored.split_once(' ').ok_or_else(forged)?;
        let seal = STANDARD.decode(seal).map_err(|_| forged())?;
        if !keys.verify(Purpose::Outcome, &bound(grant, text), &seal) {
            return Err(forged());
        }
        serde_json::from_str(text).map_err(|error| forged().with_source(error))
    }

    /// Whether nobody knows what became of the change.
    pub(super) fn is_unknown(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.may_have_applied)
    }

    /// Whether the vendor was asked, and is certain that the change was not made.
    pub(super) fn is_certainly_not_made(&self) -> bool {
        self.looked_up && self.error.as_ref().is_some_and(|error| !error.may_have_applied)
    }

    pub(super) fn into_result(self) -> Result<Response> {
        match (self.response, self.error) {
            (Some(response), _) => Ok(response),
            (None, Some(stored)) => Err(stored.into_error()),
            (None, None) => Err(Error::unexpected("the stored outcome of a change is empty")),
        }
    }
}

impl StoredError {
    fn into_error(self) -> Error {
        let kind = match self.code.as_str() {
            "invalid" => ErrorKind::Invalid { field: "action".into() },
            "unauthenticated" => ErrorKind::Unauthenticated,
            "forbidden" => ErrorKind::Forbidden,
            "denied" => ErrorKind::Denied,
            "not_found" => ErrorKind::NotFound,
            "conflict" => ErrorKind::Conflict,
            "rate_limited" => ErrorKind::RateLimited { retry_after: None },
            "unavailable" => ErrorKind::Unavailable,
            "timeout" => ErrorKind::Timeout,
            "unsupported" => ErrorKind::Unsupported,
            _ => ErrorKind::Unexpected,
        };
        let error = Error::new(kind, format!("the change ended before with: {}", self.message));
        if self.may_have_applied { error.maybe_applied() } else { error.not_applied() }
    }
}
