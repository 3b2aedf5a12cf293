-- What is kept, each as JSON: incidents, tickets, alerts, messages, deployments, plans and runs.
CREATE TABLE records (
    kind   TEXT    NOT NULL,
    number INTEGER NOT NULL,
    id     TEXT    NOT NULL,
    at     INTEGER NOT NULL, -- nanoseconds since 1970; the least number where there is no time
    key    TEXT,             -- a name that one record of its kind has at a time
    body   TEXT    NOT NULL,
    PRIMARY KEY (kind, number)
) STRICT;
CREATE UNIQUE INDEX records_by_id ON records (kind, id);
CREATE UNIQUE INDEX records_by_key ON records (kind, key) WHERE key IS NOT NULL;
CREATE INDEX records_by_time ON records (kind, at, number);

-- What is added to a record without writing it anew: the timeline of an incident, the comments on a ticket.
CREATE TABLE entries (
    kind   TEXT    NOT NULL,
    parent TEXT    NOT NULL,
    number INTEGER NOT NULL,
    body   TEXT    NOT NULL,
    PRIMARY KEY (kind, parent, number)
) STRICT;

-- The changes made of late, so that a repetition is recognised.
CREATE TABLE changes (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    key       TEXT    NOT NULL UNIQUE,
    operation TEXT    NOT NULL,
    input     TEXT    NOT NULL, -- SHA-256 of the canonical JSON
    id        TEXT    NOT NULL, -- what was made or changed
    at        INTEGER NOT NULL
) STRICT;
