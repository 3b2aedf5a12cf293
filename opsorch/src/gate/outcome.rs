//! What a change gave, as it is kept for whoever asks again.

use opsorch_schema::Response;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// A response, or what is left of an error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredOutcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<Response>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<StoredError>,
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
            Ok(response) => Self { response: Some(response.clone()), error: None },
            Err(error) => {
                let (code, message) = (error.kind().code().to_owned(), error.to_string());
                let may_have_applied = error.may_have_applied();
                Self { response: None, error: Some(StoredError { code, message, may_have_applied }) }
            }
        }
    }

    /// `None` if it cannot be written, in which case whoever asks again is sent to the audit log.
    pub(super) fn to_json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    pub(super) fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::unexpected("the stored outcome of a change cannot be read").with_source(error))
    }

    /// Whether nobody knows what became of the change.
    pub(super) fn is_unknown(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.may_have_applied)
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
