//! The one error type.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opsorch_schema::SourceFailure;

/// A result with the one error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, to branch on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller sent something that cannot be meant; `field` is the path to it.
    Invalid {
        /// The path to the offending part, such as `providers.jira.url`.
        field: String,
    },
    /// The credential is missing, wrong or expired.
    Unauthenticated,
    /// The credential is good, but not for this.
    Forbidden,
    /// The gate refused: policy, approval or access.
    Denied,
    /// It does not exist, or may not be seen.
    NotFound,
    /// It contradicts the present state: used already, changed meanwhile, in use.
    Conflict,
    /// Too many calls.
    RateLimited {
        /// How long the vendor asks to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// The other side could not be reached, or cannot answer now.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The provider does not offer this, or cannot honour a part of it.
    Unsupported,
    /// Something that should not happen: an answer that makes no sense, a broken invariant.
    Unexpected,
}

impl ErrorKind {
    /// The kind as one word in snake case, for logs, audit entries and wire formats.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether an error of this kind says that the other side declined: it looked, and did nothing.
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Unavailable | Self::Timeout | Self::Unexpected)
    }

    fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable | Self::Timeout)
    }
}

/// The one error type: a kind to branch on, a message and context to read, a source to dig into.
///
/// It answers what an operations tool must know before it tries again: [`Error::is_retryable`] and
/// [`Error::may_have_applied`]. It never holds a secret.
///
/// ```
/// use opsorch::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Timeout, "no answer within 30 s").with_context("provider", "jira");
/// assert!(error.is_retryable());
/// assert!(error.may_have_applied(), "nobody knows what the other side did");
/// assert_eq!(error.to_string(), "timeout: no answer within 30 s (provider: jira)");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    applied: Applied,
}

/// What is known of the effect of a change that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applied {
    /// As the kind says: refusals did nothing, everything else may have.
    ByKind,
    No,
    Maybe,
}

impl Error {
    /// An error of a kind. The message says what was expected, what came, and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            context: Vec::new(),
            source: None,
            applied: Applied::ByKind,
        }))
    }

    /// An [`ErrorKind::Invalid`] about the field with this path.
    pub fn invalid(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid { field: field.into() }, message)
    }

    /// An [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// An [`ErrorKind::Denied`].
    pub fn denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Denied, message)
    }

    /// An [`ErrorKind::Unexpected`].
    pub fn unexpected(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unexpected, message)
    }

    /// Adds something to read, such as the provider or the path.
    pub fn with_context(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// Adds the error that caused this one.
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Says that the change was certainly not made, for instance because nothing was sent.
    pub fn not_applied(mut self) -> Self {
        self.0.applied = Applied::No;
        self
    }

    /// Says that the change, or a part of it, may have been made although this kind of error sounds like a refusal.
    pub fn maybe_applied(mut self) -> Self {
        self.0.applied = Applied::Maybe;
        self
    }

    /// What went wrong, to branch on.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The message, without kind and context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was added to read, in the order it was added.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether the same call may succeed later. For a change, look at [`Error::may_have_applied`] first.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// Whether a change that ended in this error may have been made all the same.
    ///
    /// It may, unless nothing was sent or the other side refused. For a read the answer means nothing.
    pub fn may_have_applied(&self) -> bool {
        match self.0.applied {
            Applied::ByKind => !self.0.kind.is_refusal(),
            Applied::No => false,
            Applied::Maybe => true,
        }
    }

    /// This error as the failure of one source among several.
    pub fn to_source_failure(&self, source: impl Into<String>) -> SourceFailure {
        SourceFailure::new(source, self.0.kind.code(), self.to_string()).retryable(self.is_retryable())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::Invalid { field } => write!(f, "invalid {field}: {}", self.0.message)?,
            kind => write!(f, "{}: {}", kind.code().replace('_', " "), self.0.message)?,
        }
        for (index, (name, value)) in self.0.context.iter().enumerate() {
            let separator = if index == 0 { " (" } else { ", " };
            write!(f, "{separator}{name}: {value}")?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("context", &self.0.context)
            .field("may_have_applied", &self.may_have_applied())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<opsorch_schema::WrongResponse> for Error {
    fn from(error: opsorch_schema::WrongResponse) -> Self {
        Self::unexpected("the answer does not belong to this operation").with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_did_nothing_and_everything_else_may_have() {
        let refusals = [
            ErrorKind::Invalid { field: "title".into() },
            ErrorKind::Unauthenticated,
            ErrorKind::Forbidden,
            ErrorKind::Denied,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::RateLimited { retry_after: None },
            ErrorKind::Unsupported,
        ];
        for kind in refusals {
            assert!(!Error::new(kind.clone(), "x").may_have_applied(), "{kind:?}");
            assert!(Error::new(kind, "x").maybe_applied().may_have_applied());
        }
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Unexpected] {
            assert!(Error::new(kind.clone(), "x").may_have_applied(), "{kind:?}");
            assert!(!Error::new(kind, "x").not_applied().may_have_applied());
        }
    }

    #[test]
    fn an_invalid_field_is_named() {
        let error = Error::invalid("providers.jira.url", "expected an absolute URL, got `jira`");
        assert_eq!(error.to_string(), "invalid providers.jira.url: expected an absolute URL, got `jira`");
    }

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
