//! The operations listener of every service: probes and metrics.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Readiness,
    health::{self, HealthFormat},
    telemetry,
};

/// Serves `/livez`, `/readyz`, `/startupz`, `/ready`, `/health` and `/metrics` until `shutdown`.
///
/// The listener goes on answering "not ready" while a service drains: cancel `shutdown` after the drain.
pub async fn serve(listener: TcpListener, readiness: Readiness, shutdown: CancellationToken) {
    let app = router(readiness);
    let served = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    // A client that keeps its connection open must not hold the exit.
    tokio::select! {
        result = served => if let Err(error) = result { tracing::error!(%error, "the operations listener failed") },
        () = shutdown.cancelled() => {}
    }
}

/// Answers probes on `listener`, alive and not ready, while `connect` waits for the database. Gives what `connect`
/// made and the listener back; none when `shutdown` came first.
///
/// # Errors
/// Those of `connect`, and of a listener that cannot be used.
pub async fn while_connecting<T>(
    service: &'static str,
    listener: TcpListener,
    connect: impl Future<Output = anyhow::Result<T>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<(T, TcpListener)>> {
    let readiness = Readiness::new(service);
    readiness.register("database").set_reason("waiting for the database");
    // A second handle of the same socket: who comes between the two servers waits in its queue.
    let listener = listener.into_std()?;
    let probes = TcpListener::from_std(listener.try_clone()?)?;
    let connected = CancellationToken::new();
    let connecting = async {
        let outcome = tokio::select! {
            outcome = connect => outcome.map(Some),
            () = shutdown.cancelled() => Ok(None),
        };
        connected.cancel();
        outcome
    };
    let (made, ()) = tokio::join!(connecting, serve(probes, readiness, connected.clone()));
    let Some(made) = made? else {
        return Ok(None);
    };
    Ok(Some((made, TcpListener::from_std(listener)?)))
}

fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/startupz", get(startupz))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness.clone())
        .merge(health::router(HealthFormat::Service, readiness))
}

/// Liveness looks at the process alone: the runtime answers and its loops go round.
async fn livez(State(readiness): State<Readiness>) -> Response {
    match readiness.state().stalled.as_slice() {
        [] => "ok".into_response(),
        stalled => (StatusCode::SERVICE_UNAVAILABLE, format!("stalled: {}", stalled.join(", "))).into_response(),
    }
}

async fn startupz(State(readiness): State<Readiness>) -> Response {
    match readiness.state().started {
        true => "ok".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting").into_response(),
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    health::readiness_answer(&readiness)
}

async fn metrics() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render_metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::oneshot,
    };
    use tower::ServiceExt as _;

    use super::*;

    async fn check(readiness: &Readiness, path: &str, code: u16, body: &str) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router(readiness.clone()).oneshot(request).await.expect("an answer");
        assert_eq!(response.status().as_u16(), code, "{path}");
        let text = to_bytes(response.into_body(), 65_536).await.expect("a body");
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(body), "{path}: {text}");
    }

    #[tokio::test]
    async fn probes_follow_the_gates() {
        let readiness = Readiness::new("conversation-worker");
        let gate = readiness.register("database");
        gate.set_reason("migrations are missing");
        check(&readiness, "/livez", 200, "ok").await;
        check(&readiness, "/startupz", 503, "starting").await;
        check(&readiness, "/readyz", 503, "migrations are missing").await;
        check(&readiness, "/health", 503, "unhealthy").await;
        gate.set(true);
        check(&readiness, "/startupz", 200, "ok").await;
        check(&readiness, "/ready", 200, r#"{"status":"ready","dependencies":{"database":"ready"}}"#).await;
        check(&readiness, "/health", 200, r#""service":"conversation-worker""#).await;
        check(&readiness, "/metrics", 200, "").await;
        readiness.drain();
        check(&readiness, "/readyz", 503, "stopping").await;
        check(&readiness, "/livez", 200, "ok").await;
    }

    async fn ask(address: SocketAddr, path: &str) -> u16 {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code")
    }

    #[tokio::test]
    async fn probes_are_answered_while_the_database_is_waited_for() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("free");
        let address = listener.local_addr().expect("bound");
        let (database, waited_for) = oneshot::channel();
        let connect = async { Ok(waited_for.await?) };
        let shutdown = CancellationToken::new();
        let probing = async {
            assert_eq!(ask(address, "/livez").await, 200);
            assert_eq!(ask(address, "/readyz").await, 503);
            assert_eq!(ask(address, "/startupz").await, 503);
            database.send("the database").expect("it waits");
        };
        let (outcome, ()) = tokio::join!(while_connecting("x", listener, connect, &shutdown), probing);
        let (made, listener) = outcome.expect("no error").expect("connected");
        assert_eq!(made, "the database");
        tokio::spawn(serve(listener, Readiness::new("x"), shutdown));
        assert_eq!(ask(address, "/readyz").await, 200, "the same listener goes on");
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_the_database() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("free");
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let outcome = while_connecting("x", listener, std::future::pending::<anyhow::Result<()>>(), &shutdown).await;
        assert!(outcome.expect("no error").is_none());
    }
}
