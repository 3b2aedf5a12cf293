//! Idempotency keys of callers: what a key that was seen before stands for now.

use opsorch_schema::{Digest, GrantId, GrantState, Identity, Time};

use super::Submitted;
use super::grant::Grant;
use super::run::{Gate, Path};
use super::running::Finish;
use crate::store::KeyUse;
use crate::{Context, Error, Result};

/// How long a caller's idempotency key may be, in characters.
const LONGEST_KEY: usize = 255;

/// How many changes one key may stand for, one after the other, each in the place of one that was certainly not made.
const MOST_CHANGES: usize = 16;

/// Where a submission under a key goes.
#[allow(clippy::large_enum_variant)]
pub(super) enum Place {
    /// The key stands for a change.
    Taken(Finish),
    /// It stands for none, or for one that was certainly not made.
    Free(KeyPlace),
}

/// Under which name the store keeps what the key stands for next.
///
/// It is the key itself, or the grant that the new one comes in the place of: of any number of submissions that come in the
/// place of one change the store lets one begin.
#[derive(Debug)]
pub(super) struct KeyPlace {
    name: String,
    expires_at: Time,
    pub(super) in_place_of: Option<GrantId>,
}

impl KeyPlace {
    pub(super) fn used(&self, owner: Identity, digest: Digest, grant: GrantId) -> KeyUse {
        KeyUse::new(&self.name, owner, digest, grant, self.expires_at)
    }
}

/// The name for what comes in the place of a change. Blanks are in no key of a caller.
fn in_place_of(former: &GrantId) -> String {
    format!("in place of {former}")
}

/// What a change that was begun before is now.
#[allow(clippy::large_enum_variant)]
pub(super) enum Resumed {
    Known(Finish),
    /// The vendor is certain that it was not made, and will not be: it may be made anew. Until then this is the answer.
    NotMade(Finish),
}

impl Resumed {
    pub(super) fn into_finish(self) -> Finish {
        match self {
            Self::Known(finish) | Self::NotMade(finish) => finish,
        }
    }
}

impl Gate {
    /// What a caller's key stands for, or where the store is to keep what it will stand for.
    pub(super) async fn place_of_key(&self, cx: &Context, path: &Path, key: &str, digest: &Digest) -> Result<Place> {
        check_key(key)?;
        let now = self.clock.now();
        let expires_at = now + self.settings.key_ttl;
        let Some(first) = self.store.key(key, now).await.map_err(Error::not_applied)? else {
            return Ok(Place::Free(KeyPlace { name: key.to_owned(), expires_at, in_place_of: None }));
        };
        let (newest, changes) = self.newest_use(first).await?;
        match self.resume_one(cx, path, &newest, digest).await? {
            Resumed::NotMade(_) if changes < MOST_CHANGES => Ok(Place::Free(KeyPlace {
                name: in_place_of(&newest.grant),
                // As long as the former is remembered, so is this.
                expires_at: expires_at.max(newest.expires_at),
                in_place_of: Some(newest.grant),
            })),
            resumed => Ok(Place::Taken(resumed.into_finish())),
        }
    }

    /// What the use of a key, or whatever came in its place, stands for now.
    pub(super) async fn resume(&self, cx: &Context, path: &Path, seen: KeyUse, digest: &Digest) -> Finish {
        let (newest, _) = self.newest_use(seen).await?;
        self.resume_one(cx, path, &newest, digest).await?.into_finish()
    }

    /// The last of the changes that a key stood for, and how many there were.
    async fn newest_use(&self, mut seen: KeyUse) -> Result<(KeyUse, usize)> {
        let mut changes = 1;
        // Rows are not sealed, and could go round in a circle.
        while changes < MOST_CHANGES {
            let Some(next) = self.store.key(&in_place_of(&seen.grant), self.clock.now()).await? else { break };
            (seen, changes) = (next, changes + 1);
        }
        Ok((seen, changes))
    }

    async fn resume_one(&self, cx: &Context, path: &Path, seen: &KeyUse, digest: &Digest) -> Result<Resumed> {
        if seen.owner != cx.actor().identity {
            return Err(Error::conflict("this idempotency key was used by another actor; choose another one"));
        }
        if seen.digest != *digest {
            let message = "this idempotency key was used for another change; choose another one";
            return Err(Error::conflict(message).with_context("grant", &seen.grant));
        }
        let grant = self.load(&seen.grant).await?;
        // The key's row is not sealed, and the grant is: a row that was pointed at another grant gives nothing away.
        if grant.digest != *digest || grant.requester.identity != seen.owner {
            let message = "the store says that this idempotency key belongs to another change; it is refused";
            return Err(Error::denied(message).with_context("grant", &seen.grant));
        }
        match grant.state {
            GrantState::Requested | GrantState::Active if !grant.has_lapsed(self.clock.now()) => {
                Ok(Resumed::Known(Ok(Submitted::Pending(self.waiting(&grant)?))))
            }
            GrantState::Spent => self.ended(cx, path, &grant).await,
            state => Err(Error::denied(format!("the change that this key stands for is {state}; use another key"))
                .with_context("grant", &grant.id)),
        }
    }

    /// What a spent grant's change gave. Where nobody knows, and the provider finds what it made, the vendor is asked.
    pub(super) async fn ended(&self, cx: &Context, path: &Path, grant: &Grant) -> Result<Resumed> {
        let finish = self.running_or_settled(&grant.id).await;
        if finish.is_ok() || path.provider.finder(grant.action.operation()).is_none() {
            return Ok(Resumed::Known(finish));
        }
        if let Err(error) = self.reconcile(cx, &grant.id, &path.provider).await {
            let code = error.kind().code();
            tracing::debug!(grant = %grant.id, code, "a vendor could not say what became of a change");
        }
        match self.stored_outcome(&grant.id).await? {
            Some(stored) if stored.is_certainly_not_made() => Ok(Resumed::NotMade(self.settled(&grant.id).await)),
            Some(_) => Ok(Resumed::Known(self.settled(&grant.id).await)),
            None => Ok(Resumed::Known(finish)),
        }
    }
}

/// Refuses a key that is empty, too long, or not made of visible ASCII, which vendors take as a header.
fn check_key(key: &str) -> Result<()> {
    let valid = (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if valid {
        return Ok(());
    }
    let message = format!("expected 1 to {LONGEST_KEY} visible ASCII characters, got {} bytes", key.len());
    Err(Error::invalid("idempotencyKey", message))
}
