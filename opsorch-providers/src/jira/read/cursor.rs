//! Where the next page begins.

use opsorch::{Cursor, Error, Result};
use sha2::{Digest, Sha256};

/// A place in the list that a query finds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// Cloud: where its token says. The issues that were written lately are the same for all pages of a query.
    Token { token: Option<String>, recent: Vec<u64> },
    /// Data Center: after so many issues, of which this was the last.
    Offset { start: u64, last: Option<String> },
}

impl Place {
    /// The beginning.
    pub(super) fn first(recent: Vec<u64>, is_cloud: bool) -> Self {
        match is_cloud {
            true => Self::Token { token: None, recent },
            false => Self::Offset { start: 0, last: None },
        }
    }

    /// `DIGEST.RECENT.TOKEN` or `DIGEST.START.LAST`: a place belongs to the query that it was found by.
    pub(super) fn cursor(&self, jql: &str) -> Cursor {
        let (first, second) = match self {
            Self::Token { token, recent } => {
                let recent: Vec<_> = recent.iter().map(u64::to_string).collect();
                (recent.join("-"), token.clone())
            }
            Self::Offset { start, last } => (start.to_string(), last.clone()),
        };
        Cursor::new(format!("{}.{first}.{}", mark(jql), second.unwrap_or_default()))
    }

    /// # Errors
    /// `Invalid` for a cursor that is none, or that of another query.
    pub(super) fn parse(cursor: &Cursor, jql: &str, is_cloud: bool) -> Result<Self> {
        let foreign = || Error::invalid("cursor", "expected the `next` of a page of this query, got something else");
        let rest =
            cursor.as_str().strip_prefix(&mark(jql)).and_then(|rest| rest.strip_prefix('.')).ok_or_else(foreign)?;
        let (first, second) = rest.split_once('.').ok_or_else(foreign)?;
        let second = (!second.is_empty()).then(|| second.to_owned());
        if !is_cloud {
            return Ok(Self::Offset { start: first.parse().map_err(|_| foreign())?, last: second });
        }
        let ids = first.split('-').filter(|id| !id.is_empty()).map(str::parse);
        let recent = ids.collect::<Result<_, _>>().map_err(|_| foreign())?;
        Ok(Self::Token { token: Some(second.ok_or_else(foreign)?), recent })
    }
}

fn mark(jql: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(jql).into();
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
