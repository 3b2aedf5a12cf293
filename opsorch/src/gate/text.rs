//! What people write: bounded, and with nothing hidden in it.

use opsorch_schema::visible;

use crate::{Error, Result};

/// How long a reason or a note may be, in bytes.
const LONGEST_NOTE: usize = 4096;

/// Refuses a text that is too long; makes what hides in it visible.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<String> {
    if text.len() > LONGEST_NOTE {
        let message = format!("expected at most {LONGEST_NOTE} bytes, got {}", text.len());
        return Err(Error::invalid(field, message));
    }
    Ok(visible(text).into_owned())
}
