//! In whose name a change is made. PagerDuty asks for the e-mail address of a user in the header `From`.

use opsorch::{Actor, ActorKind, Context, Error, Result};

/// The longest address that mail knows (RFC 5321, section 4.5.3.1.3).
const LONGEST_ADDRESS: usize = 254;

/// Says in whose name a change is made: the acting person's, where that is known, else the configured one's.
#[derive(Clone, Debug)]
pub(in crate::pagerduty) struct Sender {
    configured: Option<String>,
    from_person: bool,
}

impl Sender {
    /// # Errors
    /// `Invalid` about `from_email` for what is no address.
    pub(in crate::pagerduty) fn new(configured: Option<String>, from_person: bool) -> Result<Self> {
        if configured.as_deref().is_some_and(|address| !is_address(address)) {
            return Err(Error::invalid("from_email", "expected an e-mail address, such as opsorch@example.com"));
        }
        Ok(Self { configured, from_person })
    }

    /// The address for a change.
    ///
    /// # Errors
    /// `Invalid` about `from_email` where nobody is known; nothing has been sent then.
    pub(in crate::pagerduty) fn from<'a>(&'a self, cx: &'a Context) -> Result<&'a str> {
        let person = person(cx.actor()).filter(|_| self.from_person);
        person.or(self.configured.as_deref()).ok_or_else(|| {
            let message = "PagerDuty wants to know who makes a change; configure the e-mail address of a user as `from_email`, \
                           or act as a person who is known by theirs";
            Error::invalid("from_email", message).not_applied()
        })
    }
}

/// The address of the person who acts, or for whom an agent or a service acts.
fn person(actor: &Actor) -> Option<&str> {
    let subject = actor.identity.subject.as_str();
    match actor.kind {
        ActorKind::User => Some(subject).filter(|subject| is_address(subject)),
        _ => actor.on_behalf_of.as_deref().and_then(person),
    }
}

/// Whether a text can stand in the header as an address. Whose it is, PagerDuty knows.
fn is_address(text: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"@<>,;:\"()[]\\".contains(&byte))
    };
    text.len() <= LONGEST_ADDRESS && text.split_once('@').is_some_and(|(name, host)| is_plain(name) && is_plain(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain() {
        for address in ["ada@example.com", "o'brien+ops@mail.example.org", "a@b"] {
            assert!(is_address(address), "{address}");
        }
        let long = format!("{}@example.com", "a".repeat(254));
        for other in ["", "ada", "@", "ada@", "@b", "a@b@c", "a b@c", "a@b\r\nX: y", "Ada <a@b>", "ä@b", &long] {
            assert!(!is_address(other), "{other}");
        }
    }

    #[test]
    fn an_agent_acts_in_the_name_of_the_person_whom_it_acts_for() {
        let ada = Actor::user("ada@example.com");
        assert_eq!(person(&ada), Some("ada@example.com"));
        assert_eq!(person(&Actor::agent("triage").on_behalf_of(ada)), Some("ada@example.com"));
        assert_eq!(person(&Actor::agent("robot@example.com")), None, "an agent is no user");
        assert_eq!(person(&Actor::user("ada")), None);
    }
}
