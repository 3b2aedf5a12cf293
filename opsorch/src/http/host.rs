//! For whom a request is meant, and whose page sent it.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};

/// The names that are answered to.
#[derive(Clone, Debug)]
pub(super) enum Hosts {
    /// All of them.
    Any,
    /// These, bare addresses, and `localhost`.
    Named(Vec<String>),
}

impl Default for Hosts {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl Hosts {
    pub(super) fn add(&mut self, name: String) {
        if let Self::Named(names) = self {
            names.push(name);
        }
    }

    /// Whether a request is meant for us. One that does not say for whom it is comes from no browser.
    pub(super) fn permit(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Self::Named(names) = self else { return true };
        let mut given = headers.get_all(HOST).iter();
        let said = given.next();
        if given.next().is_some() || !said.is_none_or(|host| host.to_str().is_ok_and(|host| is_ours(names, host))) {
            return false;
        }
        uri.authority().is_none_or(|authority| is_ours(names, authority.as_str()))
    }
}

/// Whether a host, with or without a port, is one of these names, an address or `localhost`.
fn is_ours(names: &[String], host: &str) -> bool {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if let Some(literal) = host.strip_prefix('[') {
        return literal.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'))
        });
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok()
        || names.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

/// Whether the page that sent a request may: there is none, it is of our own origin, or of the origin that is allowed. Where
/// that is every origin, the request must carry a credential, which a page of another origin does not have by itself.
pub(super) fn permits_origin(allowed: &HeaderValue, uri: &Uri, headers: &HeaderMap, has_credential: bool) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    if origins.next().is_some() {
        return false;
    }
    if origin == allowed || (allowed == "*" && has_credential) {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let of_origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    of_origin.zip(host).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_named_hosts_are_ours_and_nothing_else() {
        let names = ["ops.example.org".to_owned()];
        for ours in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.0.0.7:1",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:80",
            "a.localhost",
            "ops.example.org",
            "OPS.example.org:8443",
            "ops.example.org.",
        ] {
            assert!(is_ours(&names, ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "ops.example.org.evil.example",
            "xops.example.org",
            "[evil]",
            "[::1",
            "[::1].evil.example",
            "evil.example:127",
            "127.0.0.1@evil.example",
        ] {
            assert!(!is_ours(&names, other), "{other}");
        }
    }

    #[test]
    fn a_page_of_another_origin_needs_a_credential_or_a_permission() {
        let headers = |origin: &'static str| {
            HeaderMap::from_iter([
                (HOST, HeaderValue::from_static("localhost:8080")),
                (ORIGIN, HeaderValue::from_static(origin)),
            ])
        };
        let (any, one) = (HeaderValue::from_static("*"), HeaderValue::from_static("https://console.example"));
        let uri = Uri::from_static("/incidents/query");
        let permits = |allowed, origin, credential| permits_origin(allowed, &uri, &headers(origin), credential);
        assert!(permits(&any, "http://localhost:8080", false), "our own");
        assert!(permits(&one, "https://console.example", false), "the one that is allowed");
        assert!(permits(&any, "https://evil.example", true), "it has a credential, so it was given one");
        for origin in ["https://evil.example", "null", "http://localhost:8081", "https://console.example.evil"] {
            assert!(!permits(&any, origin, false), "{origin}");
            assert!(!permits(&one, origin, true), "{origin}");
        }
        assert!(permits_origin(&one, &uri, &HeaderMap::new(), false), "no page sent it");
    }
}
