//! What happens in a history, and what it happens in: a function of the seed.

use std::time::Duration;

use opsorch::gate::{Decision, GateSettings};
use opsorch::{Action, Actor, CommentTicket, CreateTicket, Quorum};

use super::rng::Rng;
use super::vendor::Keys;

/// What a history happens in.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The layers of every process, the outermost first.
    pub(crate) layers: Vec<LayerKind>,
    pub(crate) vendors: Vec<Keys>,
    pub(crate) processes: usize,
    /// How many calls of a vendor in a hundred go wrong, and of the store.
    pub(crate) trouble: (usize, usize),
    pub(crate) settings: GateSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerKind {
    Trace,
    Metrics,
    Retry(u32),
    Timeout(Duration),
    Breaker,
    /// A game day.
    Fault(u64),
    Concurrency(usize),
    /// Runs the rest twice, whatever comes back.
    Twice,
    /// Runs the rest twice at the same time.
    AtOnce,
}

/// Something that happens, so long after the one before.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) process: usize,
    pub(crate) actor: usize,
    pub(crate) act: Act,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// `what` is the same for those who submit the same.
    Submit {
        vendor: usize,
        comment: bool,
        key: Option<u8>,
        patience: Option<Duration>,
    },
    Read {
        vendor: usize,
    },
    /// The n-th request from the last.
    Approve(usize),
    Deny(usize),
    Withdraw(usize),
    Revoke(usize),
    /// By the requester or by the actor, so many times at once.
    Redeem {
        grant: usize,
        by_requester: bool,
        times: usize,
        patience: Option<Duration>,
    },
    Recover,
    /// Of the n-th intent from the last.
    Reconcile(usize),
    Policy(Mood),
    /// The process stands still, or somebody corrects the clock.
    Jump(Duration),
    /// All processes stand still beyond their leases, and this one is the first to clear up.
    Lapse,
    Crash,
    Restart,
}

/// What policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Comments are allowed, tickets are asked about.
    Usual,
    Lenient,
    /// Two people.
    Strict,
    Denies,
}

impl Mood {
    pub(crate) fn decide(self, actor: &Actor, action: &Action) -> Decision {
        if actor.identity == actors()[MALLORY].identity {
            return Decision::deny("not Mallory");
        }
        let is_comment = matches!(action, Action::TicketComment(_));
        match self {
            Self::Lenient => Decision::allow("lenient"),
            Self::Usual if is_comment => Decision::allow("a comment"),
            Self::Usual => Decision::require_approval(Quorum::of(1, "sre"), "usual"),
            Self::Strict => Decision::require_approval(Quorum::of(1, "sre").and(1, "security"), "strict"),
            Self::Denies => Decision::deny("nothing today"),
        }
    }
}

/// Who takes part. The last one may do nothing.
pub(crate) fn actors() -> Vec<Actor> {
    vec![
        Actor::user("alice").role("sre"),
        Actor::user("bob").role("sre").role("security"),
        Actor::user("carol").role("security"),
        Actor::agent("triage").role("sre"),
        Actor::user("mallory").role("sre"),
    ]
}

pub(crate) const MALLORY: usize = 4;

/// What a submission is for: with the same key there are two different actions.
pub(crate) fn action(comment: bool, words: &str) -> Action {
    match comment {
        true => CommentTicket::new("T-1", words).into(),
        false => CreateTicket::new(words).into(),
    }
}

pub(crate) fn setting(rng: &mut Rng) -> Setting {
    let settings = GateSettings::default()
        // No key is forgotten, so that it stands for one change all history long.
        .key_ttl(Duration::from_secs(365 * 24 * 60 * 60))
        .lease(Duration::from_secs(rng.pick(&[5, 20, 60])))
        .request_ttl(Duration::from_secs(rng.pick(&[600, 86_400])))
        .grant_ttl(Duration::from_secs(rng.pick(&[30, 900])));
    let all = [(2, Keys::Honoured), (4, Keys::Found), (1, Keys::FoundLater), (2, Keys::Asked), (2, Keys::Unknown)];
    Setting {
        layers: layers(rng),
        vendors: (0..=rng.below(2)).map(|_| rng.weighted(&all)).collect(),
        processes: 1 + rng.below(2),
        trouble: (rng.pick(&[0, 15, 40, 70]), rng.pick(&[0, 0, 3, 10])),
        settings,
    }
}

fn layers(rng: &mut Rng) -> Vec<LayerKind> {
    let mut layers = vec![LayerKind::Trace, LayerKind::Metrics];
    if rng.chance(8) {
        layers.push(rng.pick(&[LayerKind::Twice, LayerKind::AtOnce]));
    }
    if rng.chance(65) {
        layers.push(LayerKind::Retry(2 + u32::try_from(rng.below(3)).unwrap()));
    }
    if rng.chance(30) {
        layers.push(LayerKind::Breaker);
    }
    if rng.chance(75) {
        let timeout = Duration::from_millis(rng.pick(&[200, 2_000, 30_000]));
        layers.push(LayerKind::Timeout(timeout));
    }
    if rng.chance(15) {
        layers.push(LayerKind::Fault(rng.next()));
    }
    if rng.chance(50) {
        layers.push(LayerKind::Concurrency(1 + rng.below(3)));
    }
    layers
}

pub(crate) fn steps(rng: &mut Rng, setting: &Setting) -> Vec<Step> {
    (0..10 + rng.below(30)).map(|_| step(rng, setting)).collect()
}

fn step(rng: &mut Rng, setting: &Setting) -> Step {
    // Some at once, some after others are done, some when leases are about to lapse.
    let most = rng.weighted(&[(3, 0), (5, 400), (4, 5_000), (2, 70_000)]);
    let (after, process) = (rng.millis(most), rng.below(setting.processes));
    let (mut actor, mut act) = (rng.weighted(&[(5, 0), (5, 1), (5, 2), (4, 3), (1, MALLORY)]), act(rng, setting));
    if let Act::Submit { vendor, comment, key: Some(key), .. } = &mut act {
        // Mostly a key comes again from whom it came from, for the same.
        let own = usize::from(*key);
        if rng.chance(85) {
            (actor, *vendor, *comment) = (own, own % setting.vendors.len(), own < 2);
        }
    }
    Step { after, process, actor, act }
}

fn act(rng: &mut Rng, setting: &Setting) -> Act {
    let (vendor, grant) = (rng.below(setting.vendors.len()), rng.below(3));
    let patience = rng.chance(20).then(|| rng.millis(2_000));
    let (comment, keyed, key) = (rng.chance(50), rng.chance(60), u8::try_from(rng.below(3)).unwrap());
    let submit = Act::Submit { vendor, comment, key: keyed.then_some(key), patience };
    let (by_requester, times) = (rng.chance(85), 1 + rng.below(3));
    let mood = rng.weighted(&[(4, Mood::Usual), (4, Mood::Lenient), (3, Mood::Strict), (1, Mood::Denies)]);
    let jump = Duration::from_secs(rng.pick(&[1, 7, 21, 61, 300, 1_000, 90_000]));
    rng.weighted(&[
        (30, submit),
        (3, Act::Read { vendor }),
        (22, Act::Approve(grant)),
        (1, Act::Deny(grant)),
        (1, Act::Withdraw(grant)),
        (2, Act::Revoke(grant)),
        (18, Act::Redeem { grant, by_requester, times, patience }),
        (2, Act::Recover),
        (4, Act::Reconcile(grant)),
        (5, Act::Policy(mood)),
        (3, Act::Jump(jump)),
        (5, Act::Lapse),
        (3, Act::Crash),
        (5, Act::Restart),
    ])
}
