//! What policy says of one concrete action.

use std::fmt;

use opsorch_schema::Quorum;

/// What a policy says of one concrete action on one concrete target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It has no opinion.
    Abstain,
    /// It may be done at once.
    Allow {
        /// The rule that says so.
        rule: String,
    },
    /// It may be done when these people agree.
    RequireApproval {
        /// Who must agree.
        quorum: Quorum,
        /// Why people are asked.
        reason: String,
    },
    /// It must not be done.
    Deny {
        /// Why.
        reason: String,
    },
}

impl Decision {
    /// It may be done at once, by this rule.
    pub fn allow(rule: impl Into<String>) -> Self {
        Self::Allow { rule: rule.into() }
    }

    /// It may be done when these people agree.
    pub fn require_approval(quorum: Quorum, reason: impl Into<String>) -> Self {
        Self::RequireApproval { quorum, reason: reason.into() }
    }

    /// It must not be done.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::Deny { reason: reason.into() }
    }

    /// Both decisions at once: the stricter holds, and two that require approval require both.
    ///
    /// ```
    /// use opsorch::Quorum;
    /// use opsorch::gate::Decision;
    ///
    /// let one = Decision::require_approval(Quorum::of(1, "sre"), "production");
    /// let other = Decision::require_approval(Quorum::of(1, "security"), "touches secrets");
    /// let both = one.and(Decision::allow("on call")).and(other);
    /// assert_eq!(both.to_string(), "requires 1 of security and 1 of sre: production; touches secrets");
    /// ```
    pub fn and(self, other: Self) -> Self {
        use Decision::*;
        match (self, other) {
            (Deny { reason: one }, Deny { reason: other }) => Deny { reason: join(one, &other) },
            (deny @ Deny { .. }, _) | (_, deny @ Deny { .. }) => deny,
            (RequireApproval { quorum, reason }, RequireApproval { quorum: also, reason: because }) => {
                RequireApproval { quorum: quorum.join(&also), reason: join(reason, &because) }
            }
            (require @ RequireApproval { .. }, _) | (_, require @ RequireApproval { .. }) => require,
            (Allow { rule }, Allow { rule: other }) => Allow { rule: join(rule, &other) },
            (allow @ Allow { .. }, _) | (_, allow @ Allow { .. }) => allow,
            (Abstain, Abstain) => Abstain,
        }
    }
}

/// Both texts, once each.
fn join(mut one: String, other: &str) -> String {
    if !one.split("; ").any(|part| part == other) {
        one.push_str("; ");
        one.push_str(other);
    }
    one
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abstain => f.write_str("abstains"),
            Self::Allow { rule } => write!(f, "allows: {rule}"),
            Self::RequireApproval { quorum, reason } => write!(f, "requires {quorum}: {reason}"),
            Self::Deny { reason } => write!(f, "denies: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decision() -> impl Strategy<Value = Decision> {
        prop_oneof![
            Just(Decision::Abstain),
            "[ab]".prop_map(Decision::allow),
            ("[ab]", 1..3u32, "[cd]").prop_map(|(role, n, why)| Decision::require_approval(Quorum::of(n, role), why)),
            "[ef]".prop_map(Decision::deny),
        ]
    }

    /// A decision without its words: what it permits.
    fn strictness(decision: &Decision) -> (u8, Option<Quorum>) {
        match decision {
            Decision::Abstain => (0, None),
            Decision::Allow { .. } => (1, None),
            Decision::RequireApproval { quorum, .. } => (2, Some(quorum.clone())),
            Decision::Deny { .. } => (3, None),
        }
    }

    proptest! {
        #[test]
        fn decisions_form_a_lattice(a in decision(), b in decision(), c in decision()) {
            let s = |decision: Decision| strictness(&decision);
            prop_assert_eq!(a.clone().and(a.clone()), a.clone());
            prop_assert_eq!(s(a.clone().and(b.clone())), s(b.clone().and(a.clone())));
            prop_assert_eq!(s(a.clone().and(b.clone()).and(c.clone())), s(a.clone().and(b.clone().and(c.clone()))));
        }

        #[test]
        fn adding_a_policy_never_loosens_what_others_decided(a in decision(), b in decision()) {
            let both = a.clone().and(b);
            prop_assert!(strictness(&both).0 >= strictness(&a).0);
        }
    }
}
