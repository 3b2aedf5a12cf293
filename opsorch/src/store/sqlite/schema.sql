-- Version 1. Times are RFC 3339, UTC, with nanoseconds, so that they sort as text. A commit takes the longer the more pages
-- it touches, so what is written together lies together.

-- One row for each grant: sealed text, with what is needed to find it. With rowids, because rows of this size are appended
-- to such a table without moving their neighbours.
CREATE TABLE grants (
    id           TEXT PRIMARY KEY NOT NULL,
    version      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    body         TEXT NOT NULL,
    seal         BLOB NOT NULL
) STRICT;
-- Those that the gate lists. Of the others there are ever more, and they are found by their ids.
CREATE INDEX waiting_grants ON grants (state, requested_at, id) WHERE state = 'requested' OR state = 'active';

-- Idempotency keys that are remembered.
CREATE TABLE keys (
    key        TEXT PRIMARY KEY NOT NULL,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    grant_id   TEXT NOT NULL REFERENCES grants (id),
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_expiry ON keys (expires_at);

-- The log. What an entry is about can be found by columns that are read from its leaf. Whoever can write to the file can
-- make columns and indexes anew, so what decides is read from the leaves, once they are known to be what was signed.
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,
    -- The nodes of the tree that became full with it: its own hash first, then upwards.
    nodes    BLOB NOT NULL,
    -- The signed head of all that was before it; in the first entry of each commit.
    head     TEXT,
    -- What the change gave, for whoever asks again: sealed, and no part of the log.
    result   TEXT,
    leaf     TEXT NOT NULL,
    event    TEXT AS (leaf ->> '$.event') VIRTUAL,
    grant_id TEXT AS (leaf ->> '$.grant') VIRTUAL
) STRICT;
-- A grant has one intent for ever, and one outcome.
CREATE UNIQUE INDEX changes ON entries (grant_id, event) WHERE event = 'intent' OR event = 'outcome';
CREATE INDEX addenda ON entries (grant_id) WHERE event = 'addendum';

-- The right edge of the tree, which is all that an append needs, and the newest signed head: one row.
CREATE TABLE tree (
    id       INTEGER PRIMARY KEY CHECK (id = 0),
    frontier BLOB NOT NULL,
    head     TEXT
) STRICT;
INSERT INTO tree VALUES (0, zeroblob(8), NULL);

-- The intents without an outcome.
CREATE TABLE leases (
    grant_id TEXT PRIMARY KEY NOT NULL REFERENCES grants (id),
    sequence INTEGER NOT NULL,
    instance TEXT NOT NULL,
    until    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
