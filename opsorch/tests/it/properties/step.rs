//! What can happen in a life, and what it is lived in.

use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::{Action, CommentTicket, CreateIncident, CreateTicket, ErrorKind, Message, Quorum, UpdateTicket};
use opsorch_testkit::Fault;
use proptest::prelude::*;

/// What a life is lived in.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) layers: Layers,
    pub(super) honours_keys: bool,
    pub(super) two_planes: bool,
}

/// What stands around the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layers {
    None,
    Default,
    Retry,
    /// Runs the rest twice, whatever comes back.
    Twice,
    /// Runs the rest twice at the same time.
    AtOnce,
}

pub(super) fn setting() -> impl Strategy<Value = Setting> {
    let layers =
        prop::sample::select(vec![Layers::None, Layers::Default, Layers::Retry, Layers::Twice, Layers::AtOnce]);
    (layers, any::<bool>(), prop::bool::weighted(0.7)).prop_map(|(layers, honours_keys, two_planes)| Setting {
        layers,
        honours_keys,
        two_planes,
    })
}

/// Something that happens, at one of the planes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) plane: usize,
    pub(super) act: Act,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Policy(Decision),
    Submit {
        actor: usize,
        kind: Kind,
        key: Option<u8>,
        /// With one key there are two different actions.
        variant: u8,
        polls: Option<usize>,
    },
    Answer {
        actor: usize,
        grant: usize,
        digest_of: usize,
        yes: bool,
    },
    /// By an actor, or by whoever asked.
    Redeem {
        actor: Option<usize>,
        grant: usize,
        polls: Option<usize>,
    },
    Withdraw {
        actor: usize,
        grant: usize,
    },
    Revoke {
        actor: usize,
        grant: usize,
    },
    Recover,
    /// Of a change that was begun.
    Reconcile(usize),
    /// Of the clock; back only when nothing is under way, since a clock that goes back revives leases.
    Jump(i64),
    /// A process stands still for so many seconds, beyond its leases, and this plane cleans up.
    Lapse(i64),
    /// Time passes for those who wait.
    Wait(u64),
    Faults(Vec<Fault>),
}

/// The kinds of changes in a life.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    CreateTicket,
    UpdateTicket,
    CommentTicket,
    CreateIncident,
    SendMessage,
}

impl Kind {
    /// The action of this kind that says so.
    pub(super) fn action(self, words: String) -> Action {
        match self {
            Self::CreateTicket => CreateTicket::new(words).into(),
            Self::UpdateTicket => UpdateTicket::new("T-1").title(words).into(),
            Self::CommentTicket => CommentTicket::new("T-1", words).into(),
            Self::CreateIncident => CreateIncident::new(words).into(),
            Self::SendMessage => Message::new("#ops", words).into(),
        }
    }
}

pub(super) fn steps(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..2usize, act()).prop_map(|(plane, act)| Step { plane, act }), length)
}

fn act() -> impl Strategy<Value = Act> {
    let actor = 0..6usize;
    let grant = 0..4usize;
    let jump = prop_oneof![-3600..0i64, 0..1000i64, 80_000..90_000i64];
    prop_oneof![
        2 => decision().prop_map(Act::Policy),
        10 => submit(),
        12 => (prop_oneof![3 => 0..3usize, 1 => actor.clone()], grant.clone(), prop_oneof![4 => Just(None), 1 => grant.clone().prop_map(Some)], prop::bool::weighted(0.9))
            .prop_map(|(actor, grant, other, yes)| Act::Answer { actor, grant, digest_of: other.unwrap_or(grant), yes }),
        10 => (prop::option::weighted(0.2, actor.clone()), grant.clone(), polls())
            .prop_map(|(actor, grant, polls)| Act::Redeem { actor, grant, polls }),
        1 => (actor.clone(), grant.clone()).prop_map(|(actor, grant)| Act::Withdraw { actor, grant }),
        1 => (actor, grant.clone()).prop_map(|(actor, grant)| Act::Revoke { actor, grant }),
        1 => Just(Act::Recover),
        4 => grant.prop_map(Act::Reconcile),
        1 => jump.prop_map(Act::Jump),
        4 => (61..600i64).prop_map(Act::Lapse),
        1 => (1..50_000u64).prop_map(Act::Wait),
        4 => prop::collection::vec(fault(), 1..4).prop_map(Act::Faults),
    ]
}

fn submit() -> impl Strategy<Value = Act> {
    use Kind::{CommentTicket, CreateIncident, CreateTicket, SendMessage, UpdateTicket};
    let kind = prop::sample::select(vec![CreateTicket, UpdateTicket, CommentTicket, CreateIncident, SendMessage]);
    (0..6usize, kind, prop::option::weighted(0.3, 0..3u8), 0..2u8, polls())
        .prop_map(|(actor, kind, key, variant, polls)| Act::Submit { actor, kind, key, variant, polls })
}

/// How often somebody looks before they give up; mostly they stay.
fn polls() -> impl Strategy<Value = Option<usize>> {
    prop::option::weighted(0.5, 0..6usize)
}

fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        1 => Just(Decision::Abstain),
        1 => Just(Decision::deny("no")),
        2 => Just(Decision::allow("yes")),
        1 => (1..3u32).prop_map(|people| Decision::require_approval(Quorum::of(people, "sre"), "ask")),
        1 => Just(Decision::require_approval(Quorum::of(1, "sre").and(1, "security"), "ask")),
        1 => Just(Decision::require_approval(Quorum::of(1, "sre").excluding_principal().redeemable_by("security"), "ask")),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::LostReply),
        2 => Just(Fault::NotSent),
        1 => Just(Fault::Panic),
        2 => Just(Fault::Error(ErrorKind::RateLimited { retry_after: None })),
        // Beyond the renewal of a lease.
        1 => Just(Fault::Error(ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(25)) })),
        2 => Just(Fault::Error(ErrorKind::Conflict)),
        1 => Just(Fault::Error(ErrorKind::Forbidden)),
        1 => Just(Fault::Error(ErrorKind::Unavailable)),
        1 => Just(Fault::Error(ErrorKind::Timeout)),
        // Beyond the limit of the default layers.
        3 => (1..60_000u64).prop_map(|millis| Fault::Delay(Duration::from_millis(millis))),
    ]
}
