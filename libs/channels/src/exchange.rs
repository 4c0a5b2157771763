//! One request to a platform and its answer: the client that all platforms' rooms share, and what its failures mean.

use std::time::Duration;

use http::{HeaderMap, header::RETRY_AFTER};
use url::Url;

use crate::{BuildError, SendOutcome};

/// A connection that does not stand by then counts as not sent; always shorter than a send's deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Answers are read up to here; an honest one has a few hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// No platform means more than this.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The client of one account. It follows no redirect and repeats nothing: a repeat is the store's decision.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("dragoman/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A host gets `https://`; a path ends in `/`, so that paths can be joined to it.
pub(crate) fn base_url(text: &str) -> Result<Url, BuildError> {
    let wrong = || BuildError::BaseUrl(text.to_owned());
    let with_scheme = if text.contains("://") { text.trim().to_owned() } else { format!("https://{}", text.trim()) };
    let mut url = Url::parse(&with_scheme).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The answer's body up to its limit; what is missing cannot change the meaning of the status.
pub(crate) async fn read(mut response: reqwest::Response) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        answer.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - answer.len())]);
        if answer.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    answer
}

/// No status came: nothing happened if no connection stood, else nobody knows.
pub(crate) fn failure(error: &reqwest::Error) -> SendOutcome {
    let reason = cause(error);
    if error.is_connect() || error.is_builder() {
        SendOutcome::NotSent { reason }
    } else {
        SendOutcome::Unknown { reason }
    }
}

/// The innermost cause: the outer ones name the URL.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Too much came from the account: it waits as long as the platform says, if it does. "At once", or a time that is past by
/// our clock, says nothing: taken at its word, it would be asked again without a pause.
pub(crate) fn too_fast(said: Option<Duration>) -> SendOutcome {
    match said.filter(|wait| !wait.is_zero()) {
        Some(wait) => SendOutcome::RetryAfter { wait, account_wide: true },
        None => SendOutcome::TooFast { account_wide: true },
    }
}

/// `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|value| {
        let value = value.trim();
        value.parse().ok().map(Duration::from_secs).or_else(|| {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            let seconds = at.as_second().saturating_sub(jiff::Timestamp::now().as_second());
            Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        })
    });
    wait.map(|wait| wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_may_be_a_host() {
        for (text, expected) in [
            ("xyz.api.infobip.com", "https://xyz.api.infobip.com/"),
            ("https://xyz.api.infobip.com/", "https://xyz.api.infobip.com/"),
            ("http://127.0.0.1:9000/fake", "http://127.0.0.1:9000/fake/"),
        ] {
            assert_eq!(base_url(text).expect(text).as_str(), expected);
        }
        for bad in ["", "ftp://x", "https://"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
