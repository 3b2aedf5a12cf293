//! The ids of deployments in Elastic Cloud: a name, and in base64 where they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::transport::Url;
use opsorch::{Error, Result};

/// Where a deployment is.
#[derive(Debug)]
pub(super) struct CloudId {
    pub(super) elasticsearch: Url,
    pub(super) kibana: Option<Url>,
}

impl CloudId {
    /// Reads `NAME:BASE64` of `HOST[:PORT]$ELASTICSEARCH[:PORT]$KIBANA[:PORT]`.
    ///
    /// # Errors
    /// `Invalid` for what is none. The id is not shown: it is no secret, but what stands in its place may be.
    pub(super) fn parse(id: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("cloud_id", "expected the cloud id that Elastic Cloud shows, such as `shop:bG9j…`");
        let encoded = id.trim().rsplit(':').next().unwrap_or_default();
        let decoded =
            STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
        let mut parts = decoded.split('$');
        let host = parts.next().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let address = |part: &str| host_address(part, host).ok_or_else(wrong);
        let elasticsearch = parts.next().filter(|part| is_id(part)).ok_or_else(wrong).and_then(address)?;
        let kibana = parts.next().filter(|part| is_id(part)).map(address).transpose()?;
        Ok(Self { elasticsearch, kibana })
    }
}

fn is_id(part: &str) -> bool {
    !part.is_empty() && part != "undefined"
}

/// The address of a part: its own port comes before that of the host.
fn host_address(part: &str, host: &str) -> Option<Url> {
    let with_port = |text: &str| match text.split_once(':') {
        Some((name, port)) => (name.to_owned(), Some(port.to_owned())),
        None => (text.to_owned(), None),
    };
    let ((part, own), (host, common)) = (with_port(part), with_port(host));
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if !is_name(&part) || !is_name(&host) {
        return None;
    }
    let port = own.or(common).unwrap_or_else(|| "443".to_owned());
    format!("https://{part}.{host}:{port}").parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn id(decoded: &str) -> String {
        format!("my deployment:{}", STANDARD.encode(decoded))
    }

    #[test]
    fn a_cloud_id_says_where_elasticsearch_and_kibana_are() {
        for (decoded, elasticsearch, kibana) in [
            (
                "us-east-1.aws.found.io$abc$def",
                "https://abc.us-east-1.aws.found.io/",
                Some("https://def.us-east-1.aws.found.io/"),
            ),
            ("example.org:9243$abc$", "https://abc.example.org:9243/", None),
            (
                "example.org:9243$abc:9200$def:5601",
                "https://abc.example.org:9200/",
                Some("https://def.example.org:5601/"),
            ),
            ("example.org$abc", "https://abc.example.org/", None),
            ("example.org$abc$undefined", "https://abc.example.org/", None),
        ] {
            let found = CloudId::parse(&id(decoded)).unwrap();
            assert_eq!(found.elasticsearch.as_str(), elasticsearch);
            assert_eq!(found.kibana.as_ref().map(Url::as_str), kibana);
        }
    }

    #[test]
    fn what_is_no_cloud_id_is_refused_without_being_shown() {
        for text in [
            "",
            "name:",
            "name:%%%",
            &id(""),
            &id("host$"),
            &id("$abc"),
            &id("host$a/b"),
            &id("evil.org/$abc"),
            &id("h:1:2$a"),
        ] {
            let error = CloudId::parse(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }
}
