//! The page of Kibana, or of OpenSearch Dashboards, that shows what a query finds.
//!
//! Both keep their state behind the `#`, in Rison, a JSON for addresses. The conditions stand there as the query that is
//! sent to the cluster, so that nothing is said in a second language.

use opsorch::Time;
use opsorch::transport::Url;
use serde_json::{Value, json};

use super::api::Distribution;

/// The longest address that is given: what is longer is cut on its way by browsers and chats.
const LONGEST: usize = 8_000;

/// Where a person opens Kibana or OpenSearch Dashboards.
#[derive(Clone, Debug)]
pub(super) struct Dashboards {
    pub(super) url: Url,
    pub(super) data_view: Option<String>,
}

impl Dashboards {
    /// The page for these conditions in a span; `None` where its address would be too long.
    pub(super) fn page(
        &self,
        distribution: Distribution,
        (start, end): (Time, Time),
        timestamp: &str,
        conditions: &[Value],
    ) -> Option<Url> {
        let filters = if conditions.is_empty() { json!([]) } else { json!([self.filter(conditions)]) };
        let write = |time: Time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let time = json!({ "from": write(start), "to": write(end) });
        let query = json!({ "language": "kuery", "query": "" });
        let sort = json!([[timestamp, "desc"]]);
        let (path, state) = match distribution {
            Distribution::Elasticsearch => {
                let mut app = json!({ "filters": filters, "query": query, "sort": sort });
                if let (Some(id), Some(app)) = (&self.data_view, app.as_object_mut()) {
                    app.insert("dataSource".to_owned(), json!({ "dataViewId": id, "type": "dataView" }));
                    app.insert("index".to_owned(), json!(id));
                }
                ("app/discover", format!("/?_g={}&_a={}", rison(&json!({ "time": time })), rison(&app)))
            }
            Distribution::OpenSearch => {
                let mut metadata = json!({ "view": "discover" });
                if let (Some(id), Some(metadata)) = (&self.data_view, metadata.as_object_mut()) {
                    metadata.insert("indexPattern".to_owned(), json!(id));
                }
                let app = json!({ "discover": { "columns": ["_source"], "sort": sort }, "metadata": metadata });
                let (global, query) = (json!({ "time": time }), json!({ "filters": filters, "query": query }));
                (
                    "app/data-explorer/discover",
                    format!("?_a={}&_g={}&_q={}", rison(&app), rison(&global), rison(&query)),
                )
            }
        };
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{path}", self.url.path().trim_end_matches('/')));
        url.set_fragment(Some(&state));
        (url.as_str().len() <= LONGEST).then_some(url)
    }

    fn filter(&self, conditions: &[Value]) -> Value {
        let query = json!({ "bool": { "filter": conditions } });
        let mut meta =
            json!({ "alias": "opsorch", "disabled": false, "negate": false, "type": "custom", "key": "query" });
        if let (Some(id), Some(meta)) = (&self.data_view, meta.as_object_mut()) {
            meta.insert("index".to_owned(), json!(id));
        }
        json!({ "$state": { "store": "appState" }, "meta": meta, "query": query })
    }
}

/// Writes a value in Rison, encoded for what stands behind a `#`.
fn rison(value: &Value) -> String {
    match value {
        Value::Null => "!n".to_owned(),
        Value::Bool(true) => "!t".to_owned(),
        Value::Bool(false) => "!f".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(values) => format!("!({})", values.iter().map(rison).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{}:{}", quoted(name), rison(value)));
            format!("({})", members.collect::<Vec<_>>().join(","))
        }
    }
}

/// A text in quotes, of which `!` and `'` are escaped; a plain word needs none.
fn quoted(text: &str) -> String {
    let is_word = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte))
        && !text.starts_with(|first: char| first.is_ascii_digit());
    if is_word {
        return text.to_owned();
    }
    let mut quoted = String::from("'");
    for byte in text.replace('!', "!!").replace('\'', "!'").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'*' | b'\'' | b':' | b'@' => {
                quoted.push(char::from(byte));
            }
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rison_is_written_as_kibana_reads_it() {
        let value = json!({ "a": [1, true, null, "word"], "b c": "it's 100%! #&+", "d": "", "e": "1x" });
        assert_eq!(rison(&value), "(a:!(1,!t,!n,word),'b%20c':'it!'s%20100%25!!%20%23%26%2B',d:'',e:'1x')");
    }
}
