//! Routes, keys and bodies: what is decided before a model sees anything.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{Server, chat, embeddings};
use crate::{
    faults::{After, Before},
    serve,
};

/// No silence outlasts this: a forgotten one must not hang a test run.
const LONGEST: Duration = Duration::from_secs(600);

/// Extension of a response that must not be sent: the caller has to give up.
#[derive(Clone, Copy, Debug)]
struct Silence;

/// A response that never comes.
pub(super) fn silence() -> Response {
    let mut response = StatusCode::GATEWAY_TIMEOUT.into_response();
    response.extensions_mut().insert(Silence);
    response
}

/// Which door a request came through.
#[derive(Clone, Debug)]
pub(super) enum Door {
    OpenAi,
    /// The model of the deployment.
    Azure(String),
}

pub(super) fn router(server: Server) -> Router {
    let limit = server.0.config.max_body_bytes;
    Router::new()
        .route("/v1/chat/completions", post(openai_chat))
        .route("/v1/embeddings", post(openai_embeddings))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{model}", get(get_model))
        .route("/openai/models", get(azure_models))
        .route("/openai/deployments/{deployment}/chat/completions", post(azure_chat))
        .route("/openai/deployments/{deployment}/embeddings", post(azure_embeddings))
        .fallback(async |method: Method, uri: Uri| {
            let message = format!("Invalid URL ({method} {})", uri.path());
            error(StatusCode::NOT_FOUND, &message, "invalid_request_error", None)
        })
        .layer(DefaultBodyLimit::max(limit))
        .with_state(server)
}

/// OpenAI's error body.
pub(super) fn error(status: StatusCode, message: &str, kind: &str, code: Option<&str>) -> Response {
    (status, Json(json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))).into_response()
}

fn azure_error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
}

/// Shows a key as OpenAI's message does: the beginning and the end of it.
fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    if chars.len() < 12 {
        return "*".repeat(chars.len());
    }
    let (begin, end) = (chars[..8].iter().collect::<String>(), chars[chars.len() - 4..].iter().collect::<String>());
    format!("{begin}{}{end}", "*".repeat(chars.len() - 12))
}

fn authorized(server: &Server, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let Some(key) = &server.0.config.api_key else { return Ok(()) };
    let kind = "invalid_request_error";
    let refuse = |message: &str, code| Box::new(error(StatusCode::UNAUTHORIZED, message, kind, code));
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(given) if given == key => Ok(()),
        Some(given) => {
            let message = format!(
                "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
                masked(given)
            );
            Err(refuse(&message, Some("invalid_api_key")))
        }
        None => Err(refuse(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            None,
        )),
    }
}

/// The model of a deployment, if key, version and name are right.
fn deployed(
    server: &Server,
    headers: &HeaderMap,
    query: Option<&str>,
    deployment: Option<&str>,
) -> Result<Door, Box<Response>> {
    let refuse = |status, code: &str, message: &str| Box::new(azure_error(status, code, message));
    let not_found = || refuse(StatusCode::NOT_FOUND, "404", "Resource not found");
    let azure = server.0.config.azure.as_ref().ok_or_else(not_found)?;
    if let Some(key) = &server.0.config.api_key
        && headers.get("api-key").is_none_or(|given| given.as_bytes() != key.as_bytes())
    {
        let message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
        return Err(refuse(StatusCode::UNAUTHORIZED, "401", message));
    }
    let version =
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "api-version");
    if version.is_none_or(|(_, value)| value != azure.api_version) {
        return Err(not_found());
    }
    let Some(deployment) = deployment else { return Ok(Door::OpenAi) };
    let known = azure.deployments.iter().find(|(name, _)| name == deployment);
    known.map(|(_, model)| Door::Azure(model.clone())).ok_or_else(|| {
        let message = "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.";
        refuse(StatusCode::NOT_FOUND, "DeploymentNotFound", message)
    })
}

/// The body, once it is known to be JSON within the limit.
async fn body(server: &Server, request: Request) -> Result<(Value, usize), Box<Response>> {
    let kind = "invalid_request_error";
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.unwrap_or_default().starts_with("application/json") {
        let message =
            format!("Invalid Content-Type header ({}), expected application/json.", content_type.unwrap_or("none"));
        return Err(Box::new(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message, kind, None)));
    }
    let Ok(bytes) = axum::body::to_bytes(request.into_body(), server.0.config.max_body_bytes).await else {
        return Err(Box::new(error(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large.", kind, None)));
    };
    // What is no JSON is refused with the same words as what is no object.
    Ok((serde_json::from_slice(&bytes).unwrap_or(Value::Null), bytes.len()))
}

async fn openai_chat(State(server): State<Server>, request: Request) -> Response {
    acted(&server.clone(), "POST /v1/chat/completions", async move {
        if let Err(refused) = authorized(&server, request.headers()) {
            return *refused;
        }
        let path = request.uri().path().to_owned();
        match body(&server, request).await {
            Ok((body, bytes)) => chat::answer(&server, &Door::OpenAi, path, body, bytes),
            Err(refused) => *refused,
        }
    })
    .await
}

async fn azure_chat(
    State(server): State<Server>,
    Path(deployment): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    acted(&server.clone(), "POST /v1/chat/completions", async move {
        let door = match deployed(&server, request.headers(), query.as_deref(), Some(&deployment)) {
            Ok(door) => door,
            Err(refused) => return *refused,
        };
        let path = request.uri().path().to_owned();
        match body(&server, request).await {
            Ok((body, bytes)) => chat::answer(&server, &door, path, body, bytes),
            Err(refused) => *refused,
        }
    })
    .await
}

async fn openai_embeddings(State(server): State<Server>, request: Request) -> Response {
    acted(&server.clone(), "POST /v1/embeddings", async move {
        if let Err(refused) = authorized(&server, request.headers()) {
            return *refused;
        }
        match body(&server, request).await {
            Ok((body, _)) => embeddings::answer(&server, &Door::OpenAi, &body),
            Err(refused) => *refused,
        }
    })
    .await
}

async fn azure_embeddings(
    State(server): State<Server>,
    Path(deployment): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    acted(&server.clone(), "POST /v1/embeddings", async move {
        let door = match deployed(&server, request.headers(), query.as_deref(), Some(&deployment)) {
            Ok(door) => door,
            Err(refused) => return *refused,
        };
        match body(&server, request).await {
            Ok((body, _)) => embeddings::answer(&server, &door, &body),
            Err(refused) => *refused,
        }
    })
    .await
}

/// What `act` answers, unless there is an order that something goes wrong.
async fn acted(server: &Server, operation: &str, act: impl Future<Output = Response>) -> Response {
    let fault = server.0.faults.take(operation);
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, retry_after } => return refuse(status, retry_after),
            Before::Cut => return serve::cut(),
        }
    }
    let answer = act.await;
    if answer.extensions().get::<Silence>().is_some() {
        tokio::time::sleep(LONGEST).await;
        return serve::cut();
    }
    if let Some(fault) = &fault {
        match fault.after().await {
            After::Answer => {}
            After::Refuse(status) => return refuse(status, None),
            After::Cut => return serve::cut(),
        }
    }
    answer
}

/// OpenAI's words for a status.
pub(super) fn refuse(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (message, kind, code) = match status {
        StatusCode::UNAUTHORIZED => ("Incorrect API key provided.", "invalid_request_error", Some("invalid_api_key")),
        StatusCode::FORBIDDEN => {
            ("Project does not have access to model.", "invalid_request_error", Some("model_not_found"))
        }
        StatusCode::TOO_MANY_REQUESTS => ("Rate limit reached for requests.", "requests", Some("rate_limit_exceeded")),
        StatusCode::SERVICE_UNAVAILABLE => ("The engine is currently overloaded.", "server_error", None),
        status if status.is_client_error() => ("Invalid request.", "invalid_request_error", None),
        _ => ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    };
    let mut response = error(status, message, kind, code);
    if let Some(wait) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

fn models(server: &Server) -> Vec<Value> {
    let config = &server.0.config;
    let names = config.models.iter().chain(config.embedding_models.iter().map(|(name, _)| name));
    names
        .map(|name| json!({"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}))
        .collect()
}

async fn list_models(State(server): State<Server>, headers: HeaderMap) -> Response {
    acted(&server, "GET /v1/models", async {
        match authorized(&server, &headers) {
            Ok(()) => Json(json!({"object": "list", "data": models(&server)})).into_response(),
            Err(refused) => *refused,
        }
    })
    .await
}

async fn azure_models(State(server): State<Server>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    acted(&server, "GET /v1/models", async {
        match deployed(&server, &headers, query.as_deref(), None) {
            Ok(_) => Json(json!({"object": "list", "data": models(&server)})).into_response(),
            Err(refused) => *refused,
        }
    })
    .await
}

async fn get_model(State(server): State<Server>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    if let Err(refused) = authorized(&server, &headers) {
        return *refused;
    }
    match models(&server).into_iter().find(|model| model["id"] == name.as_str()) {
        Some(model) => Json(model).into_response(),
        None => {
            let message = format!("The model '{name}' does not exist");
            error(StatusCode::NOT_FOUND, &message, "invalid_request_error", Some("model_not_found"))
        }
    }
}

/// A body that ends when its stream does, with an error if the stream gives one.
pub(super) fn streamed(
    content_type: &'static str,
    pieces: impl futures::Stream<Item = Result<bytes::Bytes, std::io::Error>> + Send + 'static,
) -> Response {
    let mut response = Body::from_stream(pieces).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
