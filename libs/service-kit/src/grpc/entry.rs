//! The way into every handler: trace context, caller, deadline, panic barrier, metrics.

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use domain::telemetry::metric;
use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tonic::{
    Code, Status,
    body::Body,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};
use tower::{Layer, Service};
use tracing::{Instrument as _, field};

use super::auth::Auth;
use crate::telemetry;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Time left of the call that is being handled; none outside a call. Calls made on its behalf get no more.
pub fn remaining() -> Option<Duration> {
    DEADLINE.try_with(|deadline| deadline.saturating_duration_since(Instant::now())).ok()
}

#[derive(Clone)]
pub(super) struct EntryLayer {
    pub auth: Auth,
    pub deadline_max: Duration,
}

impl<S> Layer<S> for EntryLayer {
    type Service = Entry<S>;

    fn layer(&self, inner: S) -> Entry<S> {
        Entry { inner, entry: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Entry<S> {
    inner: S,
    entry: EntryLayer,
}

impl<S> Service<Request<Body>> for Entry<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The instance that was polled ready is the one to call.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "rpc",
            otel.name = %path,
            otel.kind = "server",
            rpc.system.name = "grpc",
            rpc.method = %path,
            rpc.status_code = field::Empty,
            otel.status_code = field::Empty,
            trace_id = field::Empty,
        );
        match request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
            Some(parent) => telemetry::set_parent(&span, parent),
            None => telemetry::record_trace_id(&span),
        }
        let entry = self.entry.clone();
        let recorded = span.clone();
        Box::pin(
            async move {
                let started = Instant::now();
                let service = path.rsplit_once('/').map_or("", |(service, _)| service);
                let (response, entered) = match entry.admit(request, service).await {
                    Ok(request) => (entry.handle(inner, request).await, true),
                    Err(status) => (status.into_http(), false),
                };
                let code = code(response.headers());
                recorded.record("rpc.status_code", code_name(code));
                if is_server_fault(code) {
                    recorded.record("otel.status_code", "ERROR");
                }
                // What a stranger may choose is no label.
                let method = if entered && code != Code::Unimplemented { path } else { "other".to_owned() };
                metrics::histogram!(
                    metric::RPC_SERVER_CALL_DURATION,
                    "rpc_method" => method,
                    "rpc_status_code" => code_name(code),
                )
                .record(started.elapsed());
                Ok(response)
            }
            .instrument(span),
        )
    }
}

impl EntryLayer {
    /// Health is open to all; reflection tells only what is public, to those whose address is allowed.
    async fn admit(&self, mut request: Request<Body>, service: &str) -> Result<Request<Body>, Status> {
        if service == "grpc.health.v1.Health" {
            return Ok(request);
        }
        self.auth.admit(peer(&request))?;
        if !service.starts_with("grpc.reflection.") {
            let caller = self.auth.authenticate(request.headers(), service).await?;
            request.extensions_mut().insert(caller);
        }
        Ok(request)
    }

    async fn handle<S>(&self, mut inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let wait = grpc_timeout(request.headers()).map_or(self.deadline_max, |asked| asked.min(self.deadline_max));
        let deadline = Instant::now() + wait;
        let call = DEADLINE.scope(deadline, async move { inner.call(request).await });
        match tokio::time::timeout_at(deadline, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                tracing::error!("a handler panicked");
                Status::internal("internal error").into_http()
            }
            Err(_elapsed) => Status::deadline_exceeded("the deadline of the call has passed").into_http(),
        }
    }
}

fn peer(request: &Request<Body>) -> Option<IpAddr> {
    let extensions = request.extensions();
    let plain = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    let tls = || extensions.get::<TlsConnectInfo<TcpConnectInfo>>().and_then(|info| info.get_ref().remote_addr());
    plain.or_else(tls).map(|address| address.ip())
}

/// Errors of a handler stand in the headers; what comes in the trailers of a stream is not seen here.
pub(super) fn code(headers: &HeaderMap) -> Code {
    headers.get("grpc-status").map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}

/// What the conventions for RPC count as an error of the server; anything else is its caller's matter.
fn is_server_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// A code as gRPC's specification writes it.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The header `grpc-timeout`: up to 8 digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<u64>().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_specification_says() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("4u", Some(Duration::from_micros(4))),
            ("5n", Some(Duration::from_nanos(5))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("1", None),
            ("1s", None),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-timeout"),
                text.parse().expect("a header"),
            )]);
            assert_eq!(grpc_timeout(&headers), expected, "{text}");
        }
    }
}
