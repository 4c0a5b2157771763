//! What is measured of a request to the outside, as the semantic conventions for HTTP clients say. Never path or query:
//! they hold what a person said.

use std::time::Instant;

use domain::telemetry::metric;
use http::Method;
use url::Url;

/// Makes a request and measures it; `end` gives the status or a class of error.
pub(super) async fn observed<T, E>(
    method: &Method,
    url: &Url,
    exchange: impl Future<Output = Result<T, E>>,
    end: impl Fn(&Result<T, E>) -> Result<u16, &'static str>,
) -> Result<T, E> {
    let begun = Instant::now();
    let outcome = exchange.await;
    let (status, error) = match end(&outcome) {
        Ok(status) if status < 400 => (status.to_string(), String::new()),
        Ok(status) => (status.to_string(), status.to_string()),
        Err(class) => (String::new(), class.to_owned()),
    };
    metrics::histogram!(
        metric::HTTP_CLIENT_REQUEST_DURATION,
        "http_request_method" => method.to_string(),
        "server_address" => url.host_str().unwrap_or_default().to_owned(),
        "http_response_status_code" => status,
        "error_type" => error,
    )
    .record(begun.elapsed());
    outcome
}
