//! Where an answer that was shortened goes on.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// What tells our cursors from those of providers.
const PREFIX: &str = "opsorch-mcp.";

/// Where an answer goes on. It holds positions and nothing to be trusted: the call that carries it passes the same doors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Resume {
    /// The provider's own cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<String>,
    /// How many items are asked for, where that was made less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u32>,
    /// How many items were there already, of a list that has no cursor.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) skip: usize,
    /// What tells whether they are the same items still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<String>,
    /// At which character of long texts, and which element of long arrays, it goes on.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) offset: usize,
    /// How many characters of a text, and elements of an array, there were.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) width: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks so
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Resume {
    /// Takes the cursor out of the arguments of a tool.
    pub(super) fn take(arguments: &mut Map<String, Value>) -> Result<Self> {
        match arguments.remove("cursor") {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::String(cursor)) => Self::read(cursor),
            Some(_) => Err(Error::invalid("cursor", "expected a text")),
        }
    }

    fn read(cursor: String) -> Result<Self> {
        let Some(position) = cursor.strip_prefix(PREFIX) else {
            return Ok(Self { page: Some(cursor), ..Self::default() });
        };
        let read = BASE64_URL_SAFE_NO_PAD.decode(position).ok().and_then(|json| serde_json::from_slice(&json).ok());
        read.ok_or_else(|| Error::invalid("cursor", "expected a cursor as this tool gave it, to the letter"))
    }

    /// The cursor as it is given to the caller.
    pub(super) fn written(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Takes away the items that were there already.
    pub(super) fn skip_seen(&self, items: &mut Vec<Value>) -> Result<()> {
        if self.skip == 0 {
            return Ok(());
        }
        let before = items.get(..self.skip).map(fingerprint);
        if before.is_none() || before != self.seen {
            return Err(Error::conflict("the list has changed meanwhile; begin again without a cursor"));
        }
        items.drain(..self.skip);
        Ok(())
    }
}

/// What tells these items from others.
pub(super) fn fingerprint(items: &[Value]) -> String {
    let json = serde_json::to_vec(items).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(json).get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_reads_what_it_writes_and_those_of_providers_stay_theirs() {
        let resume = Resume { page: Some("p".into()), limit: Some(3), offset: 512, width: 512, ..Resume::default() };
        assert_eq!(Resume::read(resume.written()).unwrap(), resume);
        assert_eq!(Resume::read("42".into()).unwrap().page.as_deref(), Some("42"));
        for wrong in ["opsorch-mcp.", "opsorch-mcp.!", "opsorch-mcp.e30x"] {
            assert!(Resume::read(wrong.into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_that_changed_is_not_resumed() {
        let items = vec![json!(1), json!(2), json!(3)];
        let resume = Resume { skip: 2, seen: Some(fingerprint(&items[..2])), ..Resume::default() };
        let mut same = items.clone();
        resume.skip_seen(&mut same).unwrap();
        assert_eq!(same, [json!(3)]);
        for mut other in [vec![json!(0), json!(1), json!(2)], vec![json!(1)]] {
            assert_eq!(*resume.skip_seen(&mut other).unwrap_err().kind(), crate::ErrorKind::Conflict);
        }
    }
}
