//! `GET /health` in the forms that operators' monitors expect; one handler for all of them.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Map, json};

use crate::Readiness;

/// Form of the answer of `GET /health`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthFormat {
    /// `ok`
    Text,
    /// `{"status":"healthy","timestamp":<unix seconds>,"service":..}`
    Service,
    /// `{"status","timestamp" (ISO 8601),"database","cache"}`
    #[default]
    Api,
}

/// `/health`, `/health/ready` and `/readyz`, to merge into a public listener.
pub fn router(format: HealthFormat, readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/ready", get(ready))
        .route("/readyz", get(ready))
        .with_state((format, readiness))
}

/// 200 while the process can accept; it looks at what is known and waits for nothing.
async fn health(State((format, readiness)): State<(HealthFormat, Readiness)>) -> Response {
    let state = readiness.state();
    let can_accept = !state.draining && state.gates.get("database").is_none_or(Option::is_none);
    let code = if can_accept { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let status = if can_accept { "healthy" } else { "unhealthy" };
    let part = |names: &[&str]| match names.iter().find_map(|name| state.gates.get(name)) {
        Some(Some(_)) => "disconnected",
        Some(None) => "connected",
        None => "not used",
    };
    match format {
        HealthFormat::Text => (code, if can_accept { "ok" } else { "unavailable" }).into_response(),
        HealthFormat::Service => answer(
            code,
            &json!({ "status": status, "timestamp": jiff::Timestamp::now().as_second(), "service": readiness.service() }),
        ),
        HealthFormat::Api => answer(
            code,
            &json!({
                "status": status,
                "timestamp": jiff::Timestamp::now().to_string(),
                "database": part(&["database"]),
                "cache": part(&["cache", "redis", "coordination"]),
            }),
        ),
    }
}

async fn ready(State((_, readiness)): State<(HealthFormat, Readiness)>) -> Response {
    readiness_answer(&readiness)
}

/// `{"status":"ready","dependencies":{..}}`, 200 or 503.
pub(crate) fn readiness_answer(readiness: &Readiness) -> Response {
    let state = readiness.state();
    let dependencies: Map<String, serde_json::Value> = state
        .gates
        .iter()
        .map(|(name, closed)| ((*name).to_owned(), json!(closed.as_deref().unwrap_or("ready"))))
        .collect();
    let (code, status) = match (state.ready, state.draining) {
        (true, _) => (StatusCode::OK, "ready"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    answer(code, &json!({ "status": status, "dependencies": dependencies }))
}

fn answer(code: StatusCode, body: &serde_json::Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body.to_string())
        .into_response()
}
