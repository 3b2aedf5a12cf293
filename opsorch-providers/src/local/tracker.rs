//! Incidents and tickets over the file.

use std::sync::Arc;

use super::store::Store;

mod read;
mod write;

/// Answers questions about the document and changes it.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    store: Arc<Store>,
}

impl Tracker {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}
