//! Approvals: what waits for people, and what they answered.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Action, Actor, GrantId, Quorum, Target, Time};

/// The SHA-256 of what would happen, exactly: operation, target and input in canonical JSON (RFC 8785).
///
/// Written as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Writes 32 bytes of a SHA-256 as a digest.
    pub fn from_sha256(bytes: [u8; 32]) -> Self {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in bytes {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half }));
            }
        }
        Self(text)
    }

    /// The digest as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        let valid = digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected a digest: `sha256:` and 64 lower-case hexadecimal digits".into())
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a grant is on its way from requested to spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GrantState {
    /// It waits for people.
    Requested,
    /// The quorum is met; it can be redeemed once.
    Active,
    /// It was redeemed.
    Spent,
    /// Somebody said no.
    Denied,
    /// Nobody used it in time.
    Expired,
    /// The requester took it back.
    Withdrawn,
    /// It was taken away after it had become active.
    Revoked,
}

impl GrantState {
    /// All states, in order.
    pub const ALL: &'static [Self] =
        &[Self::Requested, Self::Active, Self::Spent, Self::Denied, Self::Expired, Self::Withdrawn, Self::Revoked];

    /// Whether no way leads out of this state.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Requested | Self::Active)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Spent => "spent",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for GrantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What somebody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// Do it.
    Yes,
    /// Do not. One No ends the request.
    No,
}

/// One person's answer to one request. It names the grant and the digest, so that it serves no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Answer {
    /// The grant that was answered.
    pub grant: GrantId,
    /// The digest of what was shown.
    pub digest: Digest,
    /// Who answered, with the roles held then.
    pub actor: Actor,
    /// What was answered.
    pub verdict: Verdict,
    /// Why, in the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: Time,
}

impl Answer {
    /// An answer to a grant with this digest.
    pub fn new(grant: GrantId, digest: Digest, actor: Actor, verdict: Verdict, at: Time) -> Self {
        Self { grant, digest, actor, verdict, note: None, at }
    }

    /// Adds the person's own words.
    pub fn note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }
}

/// A change that waits, or waited, for people: exactly what would run, and what was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// The grant that is asked for.
    pub id: GrantId,
    /// The digest of what would happen. Answers repeat it.
    pub digest: Digest,
    /// What would run, as it is.
    pub action: Action,
    /// The same as text to show to a person: canonical, untruncated, invisible characters made [visible].
    pub shown: String,
    /// What it would act on.
    pub target: Target,
    /// Who asked.
    pub requester: Actor,
    /// Why, in the requester's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why people are asked, in the policy's words.
    pub policy_reason: String,
    /// The revision of the policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_revision: Option<String>,
    /// Who must agree.
    pub quorum: Quorum,
    /// Where it is.
    pub state: GrantState,
    /// What was answered so far.
    pub answers: Vec<Answer>,
    /// When it was asked.
    pub requested_at: Time,
    /// When the present state lapses by itself.
    pub expires_at: Time,
}

impl ApprovalRequest {
    /// A request that was just made: nobody has answered, and its other fields are empty.
    pub fn new(
        id: GrantId,
        digest: Digest,
        action: Action,
        target: Target,
        requester: Actor,
        quorum: Quorum,
        requested_at: Time,
    ) -> Self {
        Self {
            id,
            digest,
            action,
            shown: String::new(),
            target,
            requester,
            reason: None,
            policy_reason: String::new(),
            policy_revision: None,
            quorum,
            state: GrantState::Requested,
            answers: Vec::new(),
            requested_at,
            expires_at: requested_at,
        }
    }
}

/// The text with every character that a reader cannot see, or that moves others around, written as `\u{…}`.
///
/// Covers controls (but not the line feed and the tab), format characters such as bidirectional overrides,
/// zero-width and tag characters, variation selectors, fillers, unusual white space, private-use characters and
/// noncharacters. Combining marks stay, because languages are written with them; and letters of different scripts that
/// look alike stay too.
///
/// ```
/// assert_eq!(opsorch_schema::visible("safe\u{202e}exe"), "safe\\u{202e}exe");
/// assert_eq!(opsorch_schema::visible("grün ✓"), "grün ✓");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_invisible(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether [`visible`] writes the character out: Unicode's Cc, Cf, Zl, Zp and Zs (but for the plain space, tab and line feed),
/// default-ignorable and private-use characters, and noncharacters.
pub fn is_invisible(character: char) -> bool {
    match character {
        ' ' | '\n' | '\t' => false,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' => {
            true
        }
        '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{16fe4}' => true,
        '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{13440}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}' => true,
        other => other.is_control() || other.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_writes_and_nothing_else() {
        let digest = Digest::from_sha256([0xa5; 32]);
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        for wrong in ["", "sha256:", "a5a5", &digest.as_str().to_uppercase(), &format!("{digest}0")] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_hides_is_shown() {
        for hidden in [
            '\u{0}',
            '\u{1b}',
            '\r',
            '\u{a0}',
            '\u{200b}',
            '\u{202e}',
            '\u{2066}',
            '\u{e0041}',
            '\u{feff}',
            '\u{3000}',
            '\u{16fe4}',
            '\u{ffff}',
        ] {
            let text = format!("a{hidden}b");
            assert_eq!(visible(&text), format!("a{}b", hidden.escape_unicode()));
        }
    }
}
