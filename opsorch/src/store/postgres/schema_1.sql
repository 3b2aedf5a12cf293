-- Version 1. Times are RFC 3339, UTC, with nanoseconds, so that they sort as text: PostgreSQL's own have microseconds.

-- One row for each grant: sealed text, with what is needed to find it.
CREATE TABLE grants (
    id           text COLLATE "C" PRIMARY KEY,
    version      bigint NOT NULL,
    state        text NOT NULL,
    requested_at text COLLATE "C" NOT NULL,
    body         text NOT NULL,
    seal         bytea NOT NULL
);
-- Those that the gate lists. Of the others there are ever more, and they are found by their ids.
CREATE INDEX waiting_grants ON grants (state, requested_at, id) WHERE state IN ('requested', 'active');

-- Idempotency keys that are remembered.
CREATE TABLE keys (
    key        text COLLATE "C" PRIMARY KEY,
    issuer     text NOT NULL,
    subject    text NOT NULL,
    digest     text NOT NULL,
    grant_id   text NOT NULL,
    expires_at text COLLATE "C" NOT NULL
);
CREATE INDEX keys_by_expiry ON keys (expires_at);

-- The log. The last two columns say what an entry is about, to find it; whoever can write to the database can write there
-- what they like, so what decides is read from the leaves, once they are known to be what was signed.
CREATE TABLE entries (
    sequence bigint PRIMARY KEY,
    -- The nodes of the tree that became full with it: its own hash first, then upwards.
    nodes    bytea NOT NULL,
    -- The signed head of all that was before it; in the first entry of each commit.
    head     text,
    -- What the change gave, for whoever asks again: sealed, and no part of the log.
    result   text,
    leaf     text NOT NULL,
    event    text NOT NULL,
    grant_id text COLLATE "C"
);
-- A grant has one intent for ever, and one outcome.
CREATE UNIQUE INDEX changes ON entries (grant_id, event) WHERE event IN ('intent', 'outcome');
CREATE INDEX addenda ON entries (grant_id) WHERE event = 'addendum';

-- The right edge of the tree, which is all that an append needs, and the newest signed head: one row, whose lock orders the
-- processes that append. There is room on its page for the next version of it, so that no index is touched.
CREATE TABLE tree (
    id       integer PRIMARY KEY CHECK (id = 0),
    schema   integer NOT NULL,
    frontier bytea NOT NULL,
    head     text
) WITH (fillfactor = 10);
INSERT INTO tree VALUES (0, 0, '\x0000000000000000', NULL);

-- The intents without an outcome.
CREATE TABLE leases (
    grant_id text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    instance text NOT NULL,
    until    text COLLATE "C" NOT NULL
);
