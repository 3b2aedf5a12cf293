//! The pages that a person opens. `base` is where the server is opened.

use std::fmt::Write;
use std::time::Duration;

use opsorch::Time;
use opsorch::transport::Url;

/// The page of Alertmanager with the alerts that match, silenced and inhibited ones too.
pub(in crate::prometheus) fn alertmanager(base: &Url, matchers: &[String]) -> Url {
    let mut page = below(base, "");
    let filter = match matchers {
        [] => String::new(),
        matchers => format!("&filter={}", encoded(&format!("{{{}}}", matchers.join(", ")))),
    };
    page.set_fragment(Some(&format!("/alerts?silenced=true&inhibited=true{filter}")));
    page
}

/// The page of Prometheus with the alerts of all rules.
pub(in crate::prometheus) fn alerts(base: &Url) -> Url {
    below(base, "alerts")
}

/// The page that draws a query: over a span, at a moment if the span is none, or now.
pub(in crate::prometheus) fn graph(base: &Url, promql: &str, span: Option<(Time, Time)>) -> Url {
    /// The numbers by which the page knows its tabs.
    const GRAPH: &str = "0";
    const TABLE: &str = "1";

    let mut url = below(base, "graph");
    let mut query = url.query_pairs_mut();
    query.append_pair("g0.expr", promql);
    query.append_pair("g0.tab", if span.is_some_and(|(start, end)| start == end) { TABLE } else { GRAPH });
    if let Some((start, end)) = span {
        if let Some(range) = (end - start).to_std().ok().filter(|range| !range.is_zero()) {
            query.append_pair("g0.range_input", &duration(range));
        }
        query.append_pair("g0.end_input", &end.format("%Y-%m-%d %H:%M:%S").to_string());
    }
    drop(query);
    url
}

/// A duration as PromQL writes it.
fn duration(range: Duration) -> String {
    match range.subsec_millis() {
        0 => format!("{}s", range.as_secs().max(1)),
        _ => format!("{}ms", range.as_millis()),
    }
}

/// An address below the one of a server.
fn below(base: &Url, segment: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(segment);
    }
    url
}

/// Everything but the unreserved characters of RFC 3986 is encoded: the page of Alertmanager reads its fragment as an
/// address of its own, in which `+` is no space.
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
            let page = alertmanager(&base, &[]);
            assert_eq!(page.as_str(), "https://example.org/am/#/alerts?silenced=true&inhibited=true");
        }
    }

    #[test]
    fn what_a_label_holds_cannot_change_the_page() {
        let base: Url = "http://am:9093".parse().unwrap();
        let page = alertmanager(&base, &["a=\"x&silenced=false#/y z+\"".to_owned()]);
        assert_eq!(
            page.as_str(),
            "http://am:9093/#/alerts?silenced=true&inhibited=true\
             &filter=%7Ba%3D%22x%26silenced%3Dfalse%23%2Fy%20z%2B%22%7D"
        );
    }
}
