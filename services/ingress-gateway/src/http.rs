//! The public listener: limits per connection, a drain at the end, and what is counted of each request.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{Method, StatusCode};
use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use domain::telemetry::metric;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use service_kit::telemetry;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use tracing::{Instrument as _, field};

/// Longest request head, in bytes; a longer one is answered 431.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// See [`Limits::write_timeout`].
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after a failed accept: out of file descriptors does not get better at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub header_read_timeout: Duration,
    /// Longest that a client may take nothing of an answer; it is cut then.
    pub write_timeout: Duration,
    pub connections_max: usize,
}

/// Serves HTTP/1.1 until `shutdown`, then ends each connection after the request it is in.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: Limits, shutdown: CancellationToken) {
    let free = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let permit = free.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = connection(stream, peer, app.clone(), limits, shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, limits: Limits, shutdown: CancellationToken) {
    let Ok(app) = app.into_make_service_with_connect_info::<SocketAddr>().oneshot(peer).await;
    // Only costs latency if it fails.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let stream = Box::pin(stream);
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // A client's matter: it went away, was too slow, or spoke no HTTP.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Counts and times a request, in a span that its log lines carry.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = method_name(request.method());
    let span = tracing::info_span!(
        "http",
        otel.name = route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        error.type = field::Empty,
        trace_id = field::Empty,
        account = field::Empty,
    );
    match request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        Some(parent) => telemetry::set_parent(&span, parent),
        None => telemetry::record_trace_id(&span),
    }
    let started = Instant::now();
    let active = Active::start();
    let response = next.run(request).instrument(span.clone()).await;
    drop(active);
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("error.type", response.status().as_str());
        span.record("otel.status_code", "ERROR");
    }
    record(method, route.unwrap_or_else(|| "unknown".to_owned()), response.status(), started.elapsed());
    response
}

/// The same under three names: ours, that of dashboards from before, and that of the semantic conventions.
fn record(method: &'static str, path: String, status: StatusCode, took: Duration) {
    let status_text = status.as_u16().to_string();
    metrics::counter!(metric::HTTP_REQUESTS, "method" => method, "path" => path.clone(), "status" => status_text.clone())
        .increment(1);
    metrics::histogram!(metric::HTTP_REQUEST_DURATION, "method" => method, "path" => path.clone()).record(took);
    metrics::counter!(metric::APP_REQUESTS, "status" => status_text.clone()).increment(1);
    metrics::histogram!(metric::APP_REQUEST_DURATION).record(took);
    metrics::histogram!(
        metric::HTTP_SERVER_REQUEST_DURATION,
        "http_request_method" => method,
        "http_route" => path,
        "error_type" => if status.is_server_error() { status_text.clone() } else { String::new() },
        "http_response_status_code" => status_text,
    )
    .record(took);
}

/// A method as label: what a stranger may choose freely is none.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// A request under way; one that is dropped by its client ends too.
struct Active;

impl Active {
    fn start() -> Self {
        metrics::gauge!(metric::HTTP_REQUESTS_ACTIVE).increment(1.0);
        Self
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        metrics::gauge!(metric::HTTP_REQUESTS_ACTIVE).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use ::http::header::HeaderName;
    use axum::{body::Body, middleware::from_fn, routing::get};
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tokio::{io::AsyncWriteExt as _, sync::oneshot};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
        let (held, given_up) = oneshot::channel::<()>();
        let held = Arc::new(Mutex::new(Some(held)));
        let endless = move || {
            let held = held.lock().expect("no panic").take();
            let chunks = std::iter::repeat(vec![0; 64 * 1024]).map(move |chunk| {
                let _ = &held;
                Ok::<_, io::Error>(chunk)
            });
            std::future::ready(Body::from_stream(futures::stream::iter(chunks)))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
        let second = Duration::from_secs(1);
        let limits = Limits { header_read_timeout: second, write_timeout: second / 10, connections_max: 1 };
        tokio::spawn(serve(listener, Router::new().route("/", get(endless)), limits, CancellationToken::new()));
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("asked");
        // The answer is dropped, with what it held.
        tokio::time::timeout(30 * second, given_up).await.expect("in time").expect_err("nothing is said");
        drop(client);
    }

    /// What is logged inside of a request with these headers.
    async fn logged(headers: &[(HeaderName, &'static str)]) -> String {
        let (reader, writer) = io::pipe().expect("a pipe");
        let lines = tracing_subscriber::fmt::layer().json().with_writer(move || writer.try_clone().expect("a writer"));
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber =
            tracing_subscriber::registry().with(lines).with(tracing_opentelemetry::layer().with_tracer(tracer));
        let logging = tracing::subscriber::set_default(subscriber);
        let app = Router::new().route("/", get(async || tracing::info!("inside"))).layer(from_fn(observe));
        let mut request = Request::new(Body::empty());
        request.headers_mut().extend(headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("text"))));
        let Ok(response) = app.oneshot(request).await;
        assert_eq!(response.status(), 200);
        drop(logging);
        io::read_to_string(reader).expect("lines")
    }

    #[tokio::test]
    async fn log_lines_of_a_request_carry_a_trace_id() {
        let own = logged(&[]).await;
        let (_, id) = own.split_once(r#""trace_id":""#).unwrap_or_else(|| panic!("no trace id in {own}"));
        assert!(id.bytes().take(32).all(|byte| byte.is_ascii_hexdigit()), "{own}");
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let given = logged(&[(HeaderName::from_static("traceparent"), parent)]).await;
        assert!(given.contains(r#""trace_id":"0af7651916cd43dd8448eb211c80319c""#), "{given}");
    }
}
