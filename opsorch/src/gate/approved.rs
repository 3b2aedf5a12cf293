//! The proof that a change may be made: the approved input itself.

use std::fmt;
use std::ops::Deref;

use opsorch_schema::{Action, Actor, Digest, GrantId, ProviderName, Target};

/// An input that the gate let through. It *is* the input: it dereferences to it, and there is no way to put
/// another one in its place.
///
/// Writers take it; only the gate makes it. It is borrowed, so it cannot be kept for later, and it can be neither
/// copied nor cloned. What compiles:
///
/// ```
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn title(input: Approved<'_, CreateTicket>) -> String {
///     input.title.clone()
/// }
/// ```
///
/// What does not: making one,
///
/// ```compile_fail
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn make(input: &CreateTicket) -> Approved<'_, CreateTicket> {
///     Approved { input, permit: loop {} }
/// }
/// ```
///
/// cloning one (its input can be),
///
/// ```compile_fail
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn twice<'a>(input: &Approved<'a, CreateTicket>) -> Approved<'a, CreateTicket> {
///     Clone::clone(input)
/// }
/// ```
///
/// ```
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn copy_of_the_input<'a>(input: &Approved<'a, CreateTicket>) -> CreateTicket {
///     Clone::clone(&**input)
/// }
/// ```
///
/// keeping one beyond the call,
///
/// ```compile_fail
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn keep(input: Approved<'_, CreateTicket>) -> Box<dyn std::any::Any> {
///     Box::new(input)
/// }
/// ```
///
/// ```
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn keep_a_copy(input: Approved<'_, CreateTicket>) -> Box<dyn std::any::Any> {
///     Box::new((*input).clone())
/// }
/// ```
///
/// swapping the input,
///
/// ```compile_fail
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn swap(mut input: Approved<'_, CreateTicket>) {
///     input.title = "something else".into();
/// }
/// ```
///
/// ```
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn change_a_copy(input: Approved<'_, CreateTicket>) {
///     let mut copy = (*input).clone();
///     copy.title = "something else".into();
/// }
/// ```
///
/// or reading one from outside:
///
/// ```compile_fail
/// use opsorch::gate::Approved;
/// use opsorch::CreateTicket;
///
/// fn read(text: &'static str) -> Approved<'static, CreateTicket> {
///     serde_json::from_str(text).unwrap()
/// }
/// ```
///
/// ```
/// use opsorch::CreateTicket;
///
/// fn read(text: &'static str) -> CreateTicket {
///     serde_json::from_str(text).unwrap()
/// }
/// ```
pub struct Approved<'a, A> {
    input: &'a A,
    permit: &'a Permit,
}

impl<'a, A> Approved<'a, A> {
    /// The key under which the vendor may recognise a repetition of this change: at most 68 characters, letters, digits
    /// and `-`. Every attempt of one change has the same key, and no other change has it: it comes from the grant, or from
    /// the caller's own key together with the caller and the action.
    pub fn idempotency_key(&self) -> &str {
        &self.permit.idempotency_key
    }

    /// The people who agreed, with the roles they held then; empty where policy alone allowed it.
    pub fn approved_by(&self) -> &[Actor] {
        &self.permit.approved_by
    }

    /// The provider for which it was approved.
    pub fn provider(&self) -> &ProviderName {
        &self.permit.target.provider
    }

    /// What was redeemed, for a provider that hands the change to another process.
    #[cfg(feature = "plugin")]
    pub(crate) fn permit(&self) -> &Permit {
        self.permit
    }

    /// The same permission for a part of the same input, for the terminal, which takes an action apart.
    pub(super) fn narrow<B>(&self, part: &'a B) -> Approved<'a, B> {
        Approved { input: part, permit: self.permit }
    }
}

impl<'a> Approved<'a, Action> {
    /// Made by the gate's terminal, after the intent was committed, for one attempt.
    pub(super) fn new(input: &'a Action, permit: &'a Permit) -> Self {
        Self { input, permit }
    }

    /// The action, for as long as the attempt lasts.
    pub(super) fn action(&self) -> &'a Action {
        self.input
    }
}

impl<A> Deref for Approved<'_, A> {
    type Target = A;

    fn deref(&self) -> &A {
        self.input
    }
}

impl<A: fmt::Debug> fmt::Debug for Approved<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Approved").field(self.input).finish()
    }
}

/// What a redeemed grant says beside the action.
///
/// Made by the gate, and by `plugin::serve` from what its host wrote: there the host is the gate.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) idempotency_key: String,
    pub(crate) approved_by: Vec<Actor>,
    pub(crate) target: Target,
    #[cfg_attr(not(feature = "plugin"), allow(dead_code))]
    pub(crate) grant: GrantId,
    #[cfg_attr(not(feature = "plugin"), allow(dead_code))]
    pub(crate) digest: Digest,
}
