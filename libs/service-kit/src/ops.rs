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
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
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
}
