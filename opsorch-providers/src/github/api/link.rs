//! Where the next page is.

use opsorch::transport::{Reply, Url};

/// What the header `Link` (RFC 8288) of an answer says of the next page: the parameters `page` and `after`.
///
/// GitHub asks that its links are followed as they are. Only their position is taken here, and the request is built anew on
/// our own base: a link is text of the answer, an address in it would be asked with our credential, and a cursor that holds
/// one could be made by anybody.
pub(in crate::github) fn next_page(reply: &Reply) -> Option<(Option<u32>, Option<String>)> {
    let links = reply.header("link")?;
    let link = links.split(',').find(|link| link.split(';').skip(1).any(is_next))?;
    let (_, rest) = link.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    // It may be relative to the base.
    let url = Url::parse("https://api.github.com").ok()?.join(address).ok()?;
    let value = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    let (page, after) = (value("page").and_then(|page| page.parse().ok()), value("after"));
    (page.is_some() || after.is_some()).then_some((page, after))
}

fn is_next(parameter: &str) -> bool {
    let parameter = parameter.trim();
    matches!(parameter, "rel=\"next\"" | "rel=next")
}

#[cfg(test)]
mod tests {
    use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn only_the_position_of_the_next_page_is_taken() {
        for (link, expected) in [
            (
                r#"<https://api.github.com/repositories/1/issues?per_page=100&page=2>; rel="next""#,
                Some((Some(2), None)),
            ),
            (
                r#"<https://evil.example/x?page=1>; rel="prev", <https://evil.example/x?after=Y3Vyc29y%3D&per_page=100&page=3>; rel="next""#,
                Some((Some(3), Some("Y3Vyc29y=".to_owned()))),
            ),
            (r#"</api/v3/repos/o/r/issues?after=abc>; rel=next"#, Some((None, Some("abc".to_owned())))),
            (r#"<https://api.github.com/x?page=9>; rel="last""#, None),
            (r#"<https://api.github.com/x>; rel="next""#, None),
            ("nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static("link"), HeaderValue::from_static(link))]);
            assert_eq!(next_page(&Reply::new(StatusCode::OK).headers(headers)), expected, "{link}");
        }
        assert_eq!(next_page(&Reply::new(StatusCode::OK)), None);
    }
}
