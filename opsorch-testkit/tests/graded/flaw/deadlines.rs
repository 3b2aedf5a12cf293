//! Faults in when an adapter ends.

use std::time::Duration;

use opsorch::Context;

use super::Fault::Desk;
use super::Flaw;
use crate::desk::DeskFlaw;

pub const FLAWS: &[Flaw] = &[
    Flaw {
        name: "hangs past the deadline",
        caught_by: &["TK-130"],
        fault: Desk(DeskFlaw::Context(|cx| if is_over(cx) { cx.clone() } else { without_deadline(cx) })),
    },
    Flaw { name: "goes on when its caller is gone", caught_by: &["TK-131"], fault: Desk(DeskFlaw::Detached) },
    Flaw {
        name: "asks although no time is left",
        caught_by: &["TK-132"],
        fault: Desk(DeskFlaw::Context(|cx| {
            if is_over(cx) { without_deadline(cx).timeout(Duration::from_secs(1)) } else { cx.clone() }
        })),
    },
];

fn is_over(cx: &Context) -> bool {
    cx.remaining().is_some_and(|left| left.is_zero())
}

fn without_deadline(cx: &Context) -> Context {
    Context::new(cx.actor().clone())
}
