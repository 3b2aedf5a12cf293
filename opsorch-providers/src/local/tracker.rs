//! Incidents and tickets over the file.

use super::database::Database;

mod incidents;
mod tickets;

/// How many entries of a timeline are read.
const LONGEST_TIMELINE: u32 = 10_000;

/// Answers questions about incidents and tickets, and changes them.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    database: Database,
}

impl Tracker {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }
}
