//! What is measured of a request to the outside, as the semantic conventions for HTTP clients say. Never path or query:
//! they hold what a person said.

use std::time::Instant;

use domain::telemetry::metric;
use http::Method;
use tracing::{Instrument as _, field};
use url::Url;

/// Makes a request in a span and measures it; `end` gives the status or a class of error. The span knows the template of
/// the URL, if there is one, and not the URL: that holds values of people. No trace context goes with the request, since
/// what the receiver makes of it is not ours.
pub(super) async fn observed<T, E>(
    method: &Method,
    url: &Url,
    template: &str,
    exchange: impl Future<Output = Result<T, E>>,
    end: impl Fn(&Result<T, E>) -> Result<u16, &'static str>,
) -> Result<T, E> {
    let span = tracing::info_span!(
        "http_client",
        otel.name = format!("{method} {template}").trim_end(),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = %method,
        http.response.status_code = field::Empty,
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.template = (!template.is_empty()).then_some(template),
        error.type = field::Empty,
    );
    let begun = Instant::now();
    let outcome = exchange.instrument(span.clone()).await;
    let (status, error) = match end(&outcome) {
        Ok(status) if status < 400 => (status.to_string(), String::new()),
        Ok(status) => (status.to_string(), status.to_string()),
        Err(class) => (String::new(), class.to_owned()),
    };
    if !status.is_empty() {
        span.record("http.response.status_code", status.parse::<u16>().unwrap_or_default());
    }
    if !error.is_empty() {
        span.record("error.type", error.as_str());
        span.record("otel.status_code", "ERROR");
    }
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
