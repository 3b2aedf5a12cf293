//! Faults of configurations.

use super::Fault::Suite;
use super::Flaw;
use crate::configured::{Eager, Forgetful, Lenient, Moody, Trusting, Vague, suite};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "writes less than it read", caught_by: &["TK-090"], fault: Suite(suite::<Forgetful>) },
    Flaw { name: "takes unknown keys", caught_by: &["TK-091"], fault: Suite(suite::<Lenient>) },
    Flaw { name: "goes on without its secret", caught_by: &["TK-092"], fault: Suite(suite::<Trusting>) },
    Flaw { name: "hides which secret is missing", caught_by: &["TK-092"], fault: Suite(suite::<Vague>) },
    Flaw { name: "asks its vendor when it is made", caught_by: &["TK-093"], fault: Suite(suite::<Eager>) },
    Flaw { name: "offers what it offers by chance", caught_by: &["TK-095"], fault: Suite(suite::<Moody>) },
];
