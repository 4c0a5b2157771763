//! One endpoint over HTTP: what is sent, and what its refusals mean.

use std::{error::Error as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::{ConfigError, LlmError, Provider};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Error bodies are read up to here; an honest one has a few hundred bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// No endpoint means more than this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// An action of a provider. It follows no redirect and repeats nothing by itself.
pub(crate) struct Endpoint {
    client: reqwest::Client,
    url: Url,
    models_url: Url,
    authorization: Option<(HeaderName, HeaderValue)>,
    /// Kept to take it out of what an endpoint may echo.
    key: String,
}

/// An answer that is no 2xx.
pub(crate) struct Refusal {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The body, in lower case.
    pub words: String,
    /// Code, type and parameter of an error body.
    pub code: String,
}

impl Endpoint {
    pub fn new(provider: &Provider, action: &[&str]) -> Result<Self, ConfigError> {
        provider.check()?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("dragoman/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            url: provider.url(action)?,
            models_url: provider.url(&["models"])?,
            authorization: provider.authorization()?,
            key: provider.key().map(|key| key.expose_secret().trim().to_owned()).unwrap_or_default(),
        })
    }

    /// Posts and waits for the headers of a 2xx answer.
    pub async fn post(
        &self,
        body: impl Serialize,
        ends: Instant,
    ) -> Result<Result<reqwest::Response, Refusal>, LlmError> {
        let request = self.authorized(self.client.post(self.url.clone())).json(&body);
        drop(body); // only its bytes wait for the answer
        self.exchange(request, ends).await
    }

    /// Asks for the list of models: true if the endpoint is there and takes the key.
    pub async fn probe(&self, timeout: Duration) -> Result<(), LlmError> {
        let request = self.authorized(self.client.get(self.models_url.clone()));
        match self.exchange(request, Instant::now() + timeout).await? {
            Ok(_) => Ok(()),
            // Not every server lists its models, and not for every key; that it says so is a sign of life.
            Err(refusal) if matches!(refusal.status, 403..=405) => Ok(()),
            Err(refusal) => Err(self.error(&refusal)),
        }
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.authorization {
            Some((name, value)) => request.header(name.clone(), value.clone()),
            None => request,
        }
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        ends: Instant,
    ) -> Result<Result<reqwest::Response, Refusal>, LlmError> {
        let late = |_| LlmError::Away("no answer in time".to_owned());
        let response =
            tokio::time::timeout_at(ends, request.send()).await.map_err(late)?.map_err(|error| self.away(&error))?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = tokio::time::timeout_at(ends, beginning(response)).await.unwrap_or_default();
        Ok(Err(Refusal::read(status, retry_after, &body)))
    }

    /// What a refusal means to the caller.
    pub fn error(&self, refusal: &Refusal) -> LlmError {
        let Refusal { status, retry_after, .. } = *refusal;
        let reason = || {
            let code = self.without_key(&refusal.code);
            if code.is_empty() { "no error code given".to_owned() } else { code }
        };
        match status {
            // Told with 429, but no pause will help: the account is out of money.
            429 if refusal.words.contains("insufficient_quota") => LlmError::Refused { status, reason: reason() },
            429 => LlmError::Busy { retry_after },
            503 if retry_after.is_some() => LlmError::Busy { retry_after },
            408 | 409 | 425 | 500.. => LlmError::Away(format!("status {status}")),
            _ => LlmError::Refused { status, reason: reason() },
        }
    }

    /// An error object inside a 200: by the status that it tells, if it tells one.
    pub fn told_error(&self, error: &Value) -> LlmError {
        let status = ["code", "status", "status_code"].into_iter().find_map(|key| {
            let value = error.get(key)?;
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            u16::try_from(number).ok().filter(|status| (400..600).contains(status))
        });
        let code = code_of(error);
        match status {
            Some(status) => {
                let words = error.to_string().to_ascii_lowercase();
                self.error(&Refusal { status, retry_after: None, words, code })
            }
            None => LlmError::Nonsense(format!("an error with status 200: {}", self.without_key(&code))),
        }
    }

    /// No answer came, or it broke off before it meant anything.
    pub fn away(&self, error: &reqwest::Error) -> LlmError {
        LlmError::Away(self.reason(error))
    }

    /// The innermost causes without the URL.
    pub fn reason(&self, error: &reqwest::Error) -> String {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        if error.is_timeout() {
            return "no connection in time".to_owned();
        }
        let last = causes.split_off(causes.len().saturating_sub(2)).join(": ");
        if last.is_empty() { "the request failed".to_owned() } else { self.without_key(&last) }
    }

    /// A server may put anything into an error, the key that it was shown included.
    fn without_key(&self, text: &str) -> String {
        if self.key.is_empty() { text.to_owned() } else { text.replace(&self.key, "[key]") }
    }
}

impl Refusal {
    fn read(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        // Google wraps the object into a list.
        let value = value.get(0).unwrap_or(&value);
        let code = code_of(value.get("error").unwrap_or(value));
        let words = String::from_utf8_lossy(body).to_ascii_lowercase();
        Self { status: status.as_u16(), retry_after, words, code }
    }

    /// True when the endpoint does not know, or does not want, this setting.
    pub fn is_about(&self, setting: &str) -> bool {
        const UNKNOWN: [&str; 8] = [
            "unsupported",
            "not support",
            "n't support",
            "not permitted",
            "not allowed",
            "extra_forbidden",
            "unrecognized",
            "unknown",
        ];
        matches!(self.status, 400 | 422)
            && self.words.contains(setting)
            && UNKNOWN.iter().any(|word| self.words.contains(word))
    }

    /// Azure refuses a prompt that its filter does not like with status 400.
    pub fn is_filter(&self) -> bool {
        self.status == 400 && self.code.split(' ').any(|word| word == "content_filter")
    }
}

/// `code`, `type` and `param` of an error object, as words that can hold nobody's text.
fn code_of(error: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    for key in ["code", "type", "status", "param"] {
        let word: String = match error.get(key) {
            Some(Value::String(text)) => {
                text.chars().filter(|c| c.is_ascii_alphanumeric() || "_.[]-".contains(*c)).take(80).collect()
            }
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" ")
}

async fn beginning(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR_BYTES - body.len())]);
        if body.len() == MAX_ERROR_BYTES {
            break;
        }
    }
    body
}

/// `retry-after-ms` (OpenAI, Azure), else `Retry-After` in seconds, whole or not, or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).map(|ms| ms / 1_000.0);
    let seconds = milliseconds.or_else(|| text(header::RETRY_AFTER.as_str())?.parse::<f64>().ok());
    if let Some(seconds) = seconds {
        let wait = Duration::try_from_secs_f64(seconds).ok()?;
        return Some(wait.min(MAX_RETRY_AFTER));
    }
    // Against the endpoint's own clock where it tells it: the clocks may differ.
    let at = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let now = text(header::DATE.as_str()).and_then(at).unwrap_or_else(jiff::Timestamp::now);
    let wait = at(text(header::RETRY_AFTER.as_str())?)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    fn endpoint() -> Endpoint {
        rustls::crypto::ring::default_provider().install_default().ok();
        let provider = Provider::OpenAiCompatible {
            base_url: "https://example.org/v1".parse().expect("a URL"),
            api_key: Some(SecretString::from("sk-secret")),
            model: "m".to_owned(),
        };
        Endpoint::new(&provider, &["chat", "completions"]).expect("an endpoint")
    }

    fn check(status: u16, wait: Option<u64>, body: Value, expected: LlmError) {
        let status = StatusCode::from_u16(status).expect("a status");
        let refusal = Refusal::read(status, wait.map(Duration::from_secs), body.to_string().as_bytes());
        assert_eq!(endpoint().error(&refusal), expected, "{status} {body}");
    }

    fn refused(status: u16, reason: &str) -> LlmError {
        LlmError::Refused { status, reason: reason.to_owned() }
    }

    #[test]
    fn refusals_are_told_apart_and_show_no_key() {
        let openai = |code: &str| json!({"error": {"message": "Incorrect API key provided: sk-secret", "type": "invalid_request_error", "param": null, "code": code}});
        check(401, None, openai("invalid_api_key"), refused(401, "invalid_api_key invalid_request_error"));
        check(401, None, openai("sk-secret"), refused(401, "[key] invalid_request_error"));
        check(404, None, json!("gone"), refused(404, "no error code given"));
        check(302, None, json!(null), refused(302, "no error code given"));
        check(429, None, openai("insufficient_quota"), refused(429, "insufficient_quota invalid_request_error"));
        check(429, Some(3), openai("x"), LlmError::Busy { retry_after: Some(Duration::from_secs(3)) });
        check(503, Some(3), json!({}), LlmError::Busy { retry_after: Some(Duration::from_secs(3)) });
        for status in [408, 500, 502, 503, 529] {
            check(status, None, json!({}), LlmError::Away(format!("status {status}")));
        }
        let google = json!([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}]);
        check(400, None, google, refused(400, "400 INVALID_ARGUMENT"));
    }

    #[test]
    fn an_error_inside_a_200_counts_by_the_status_it_tells() {
        for (error, class) in [
            (json!({"code": 429, "message": "slow down"}), "busy"),
            (json!({"code": "502"}), "away"),
            (json!({"code": 401}), "refused"),
            (json!({"code": "server_error", "message": "sk-secret"}), "nonsense"),
            (json!("text"), "nonsense"),
        ] {
            let told = endpoint().told_error(&error);
            assert_eq!(told.class(), class, "{error}");
            assert!(!told.to_string().contains("sk-"), "{told}");
        }
    }

    #[test]
    fn retry_after_is_read_in_all_forms_and_limited() {
        for (name, value, expected_ms) in [
            ("retry-after", "120", Some(120_000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT", Some(30_000)),
            ("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("retry-after", "99999999", Some(24 * 3_600_000)),
            ("retry-after", "1e300", None),
            ("retry-after", "nan", None),
            ("retry-after", "soon", None),
            ("retry-after", "-3", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, "Wed, 21 Oct 2026 07:28:00 GMT".parse().expect("a header"));
            headers.insert(name, value.parse().expect("a header"));
            assert_eq!(retry_after(&headers), expected_ms.map(Duration::from_millis), "{name}: {value}");
        }
    }
}
