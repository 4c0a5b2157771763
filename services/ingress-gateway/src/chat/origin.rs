//! Which pages may use the web chat: the gateway's own and those of the allow-list.

use http::{
    HeaderMap, HeaderValue,
    header::{HOST, ORIGIN},
};
use url::Url;

/// The request comes from a page that may not use the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign;

/// The origin to allow in the answer: none for programs and for our own pages.
pub(crate) fn check(headers: &HeaderMap, allowed: impl Fn(&str) -> bool) -> Result<Option<HeaderValue>, Foreign> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        // Browsers name the origin of what can do harm; for the rest they say where it comes from.
        let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        return if cross_site { Err(Foreign) } else { Ok(None) };
    };
    let text = origin.to_str().map_err(|_| Foreign)?;
    if origins.next().is_some() {
        Err(Foreign)
    } else if is_own(text, headers) {
        Ok(None)
    } else if allowed(text) {
        Ok(Some(origin.clone()))
    } else {
        Err(Foreign)
    }
}

/// True when the page came from the host that is asked now. The scheme is the proxy's matter.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let Ok(origin) = Url::parse(origin) else { return false };
    let Ok(asked) = Url::parse(&format!("{}://{host}", origin.scheme())) else { return false };
    matches!(origin.scheme(), "http" | "https") && origin.origin() == asked.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(headers: &[(&'static str, &'static str)], expected: Result<Option<&str>, Foreign>) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let got = check(&map, |origin| origin == "https://app.example");
        assert_eq!(
            got.as_ref().map(|o| o.as_ref().and_then(|v| v.to_str().ok())),
            expected.as_ref().map(|o| *o),
            "{headers:?}"
        );
    }

    #[test]
    fn only_own_and_listed_pages_may_ask() {
        check_with(&[("host", "bot.example")], Ok(None));
        check_with(&[("host", "bot.example"), ("origin", "https://bot.example")], Ok(None));
        check_with(&[("host", "localhost:8000"), ("origin", "http://localhost:8000")], Ok(None));
        check_with(&[("host", "bot.example"), ("origin", "https://app.example")], Ok(Some("https://app.example")));
        check_with(&[("host", "localhost:8000"), ("origin", "http://localhost:9000")], Err(Foreign));
        check_with(&[("host", "bot.example"), ("origin", "https://bot.example.evil.example")], Err(Foreign));
        check_with(&[("host", "bot.example"), ("origin", "null")], Err(Foreign));
        check_with(&[("host", "bot.example"), ("origin", "")], Err(Foreign));
        check_with(&[("host", "bot.example"), ("sec-fetch-site", "cross-site")], Err(Foreign));
        check_with(&[("host", "bot.example"), ("sec-fetch-site", "same-origin")], Ok(None));
    }
}
