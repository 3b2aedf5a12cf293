//! The pages that a person opens.

use std::fmt::Write;

use opsorch::transport::Url;

/// The page of Alertmanager with the alerts that match, silenced and inhibited ones too.
pub(in crate::prometheus) fn alertmanager_page(base: &Url, matchers: &[String]) -> Url {
    let mut page = base.clone();
    if !page.path().ends_with('/') {
        page.set_path(&format!("{}/", base.path()));
    }
    let filter = match matchers {
        [] => String::new(),
        matchers => format!("&filter={}", encoded(&format!("{{{}}}", matchers.join(", ")))),
    };
    page.set_fragment(Some(&format!("/alerts?silenced=true&inhibited=true{filter}")));
    page
}

/// Everything but the unreserved characters of RFC 3986 is encoded: the page reads its fragment as an address of its own,
/// in which `+` is no space.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_the_path_of_its_server() {
        for base in ["https://example.org/am", "https://example.org/am/"] {
            let base: Url = base.parse().unwrap();
            let page = alertmanager_page(&base, &[]);
            assert_eq!(page.as_str(), "https://example.org/am/#/alerts?silenced=true&inhibited=true");
        }
    }

    #[test]
    fn what_a_label_holds_cannot_change_the_page() {
        let base: Url = "http://am:9093".parse().unwrap();
        let page = alertmanager_page(&base, &["a=\"x&silenced=false#/y z+\"".to_owned()]);
        assert_eq!(
            page.as_str(),
            "http://am:9093/#/alerts?silenced=true&inhibited=true\
             &filter=%7Ba%3D%22x%26silenced%3Dfalse%23%2Fy%20z%2B%22%7D"
        );
    }
}
