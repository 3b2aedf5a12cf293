-- Version 1. Times are RFC 3339, UTC, with nanoseconds, so that they sort as text.

-- One row for each grant: sealed text, with what is needed to find it.
CREATE TABLE grants (
    id           TEXT PRIMARY KEY NOT NULL,
    version      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    body         TEXT NOT NULL,
    seal         BLOB NOT NULL
) STRICT;
CREATE INDEX grants_by_state ON grants (state, requested_at DESC, id DESC);

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

-- The log. What an entry is about is read from its leaf, so that no column can contradict what was signed.
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,
    leaf     TEXT NOT NULL,
    hash     BLOB NOT NULL,
    event    TEXT AS (leaf ->> '$.event') VIRTUAL,
    grant_id TEXT AS (leaf ->> '$.grant') VIRTUAL
) STRICT;
CREATE INDEX entries_by_grant ON entries (grant_id, event) WHERE grant_id IS NOT NULL;
CREATE UNIQUE INDEX one_intent ON entries (grant_id) WHERE event = 'intent';
CREATE UNIQUE INDEX one_outcome ON entries (grant_id) WHERE event = 'outcome';

-- The full nodes of the log's tree.
CREATE TABLE nodes (
    level INTEGER NOT NULL,
    place INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- The signed head of each commit.
CREATE TABLE checkpoints (
    size   INTEGER PRIMARY KEY,
    signed TEXT NOT NULL
) STRICT;

-- The right edge of the tree, in one row: all that an append needs.
CREATE TABLE tree (
    id       INTEGER PRIMARY KEY CHECK (id = 0),
    frontier BLOB NOT NULL
) STRICT;
INSERT INTO tree VALUES (0, zeroblob(8));

-- One row for each intent, for ever, so that no grant has two. The index that UNIQUE makes is what SQLite looks the
-- deferred reference up by, for each entry that is inserted; without it that would read the whole table.
CREATE TABLE intents (
    grant_id    TEXT PRIMARY KEY NOT NULL REFERENCES grants (id),
    sequence    INTEGER NOT NULL UNIQUE REFERENCES entries (sequence) DEFERRABLE INITIALLY DEFERRED,
    instance    TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    open        INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX open_intents ON intents (lease_until) WHERE open = 1;

-- What changes gave, for whoever asks again.
CREATE TABLE outcomes (
    grant_id TEXT PRIMARY KEY NOT NULL REFERENCES intents (grant_id),
    result   TEXT NOT NULL
) STRICT;
