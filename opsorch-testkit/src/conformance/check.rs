//! The checks, by what they look at.

pub(super) mod ids;
pub(super) mod paging;
