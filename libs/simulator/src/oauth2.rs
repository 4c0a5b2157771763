//! A strict OAuth2 token server for client credentials (RFC 6749, section 4.4), at `POST /oauth2/token`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::{Clock, Micros, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    faults::{After, Before, Fault, Faults},
    serve,
};

/// Path of the token endpoint.
pub const TOKEN_PATH: &str = "/oauth2/token";

/// A client that may get tokens.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// Scopes it may ask for.
    pub scopes: Vec<String>,
}

/// How the answer tells a token's lifetime: servers differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExpiresIn {
    /// A number of seconds, as the standard says.
    #[default]
    Number,
    /// The number as a string.
    Text,
    /// Not told.
    Absent,
    /// Told wrong: this number.
    Always(i64),
}

/// Configuration of [`Server`].
#[derive(Clone)]
pub struct Config {
    /// Clients.
    pub clients: Vec<Client>,
    /// How long a token is good.
    pub lifetime: Duration,
    /// How that is told.
    pub expires_in: ExpiresIn,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// One client, tokens good for an hour, the machine's clock.
    pub fn client(id: &str, secret: &str, scope: &str) -> Self {
        let client = Client { id: id.to_owned(), secret: secret.to_owned(), scopes: vec![scope.to_owned()] };
        Self {
            clients: vec![client],
            lifetime: Duration::from_secs(3600),
            expires_in: ExpiresIn::Number,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The server. Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

struct Shared {
    config: Config,
    faults: Faults,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    issued: u64,
    refused: u64,
    tokens: HashMap<String, Grant>,
}

struct Grant {
    scopes: Vec<String>,
    until: Micros,
}

impl Server {
    /// A server that has given no token yet.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Shared { config, faults: Faults::default(), inner: Mutex::default() }))
    }

    /// The token endpoint.
    pub fn router(&self) -> Router {
        Router::new().route(TOKEN_PATH, post(token)).with_state(self.clone())
    }

    /// Serves until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Orders for requests that go wrong; the operation is `POST /oauth2/token`.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The next `times` requests are refused as `invalid_client`.
    pub fn reject(&self, times: usize) {
        self.0.faults.times("", times, Fault::Status { status: 401, retry_after: None });
    }

    /// Every token given so far is worth nothing from now on.
    pub fn expire_all(&self) {
        self.lock().tokens.clear();
    }

    /// Tokens given so far.
    pub fn issued(&self) -> u64 {
        self.lock().issued
    }

    /// Requests refused so far.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// True for an unexpired token with this scope.
    pub fn admits(&self, token: &str, scope: &str) -> bool {
        let now = self.0.config.clock.now();
        let inner = self.lock();
        inner.tokens.get(token).is_some_and(|grant| now < grant.until && grant.scopes.iter().any(|own| own == scope))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, (StatusCode, &'static str, &'static str)> {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
            return Err((BAD, "invalid_request", "the body must be application/x-www-form-urlencoded"));
        }
        let mut fields: HashMap<String, String> = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err((BAD, "invalid_request", "a parameter is given twice"));
            }
        }
        let basic =
            basic(headers).map_err(|()| (StatusCode::UNAUTHORIZED, "invalid_client", "Basic cannot be read"))?;
        let (id, secret) = match (basic, fields.get("client_id"), fields.get("client_secret")) {
            (Some(_), _, Some(_)) => {
                return Err((BAD, "invalid_request", "the secret is given in two places"));
            }
            (Some((id, _)), Some(other), None) if id != *other => {
                return Err((BAD, "invalid_request", "two clients are named"));
            }
            (Some(pair), _, None) => pair,
            (None, Some(id), Some(secret)) => (id.clone(), secret.clone()),
            (None, _, _) => return Err((StatusCode::UNAUTHORIZED, "invalid_client", "no client")),
        };
        let config = &self.0.config;
        let client = config.clients.iter().find(|client| client.id == id && client.secret == secret);
        let client = client.ok_or((StatusCode::UNAUTHORIZED, "invalid_client", "unknown client or wrong secret"))?;
        match fields.get("grant_type").map(String::as_str) {
            Some("client_credentials") => {}
            Some(_) => return Err((BAD, "unsupported_grant_type", "only client_credentials")),
            None => return Err((BAD, "invalid_request", "grant_type is missing")),
        }
        let scopes: Vec<String> = match fields.get("scope").map(|text| text.trim()) {
            None | Some("") => client.scopes.clone(),
            Some(text) => text.split(' ').map(str::to_owned).collect(),
        };
        if !scopes.iter().all(|scope| client.scopes.contains(scope)) {
            return Err((BAD, "invalid_scope", "a scope is unknown"));
        }
        let token = format!("sim_{}", uuid::Uuid::new_v4().simple());
        let scope = scopes.join(" ");
        let until = config.clock.now() + config.lifetime;
        let mut inner = self.lock();
        inner.issued += 1;
        inner.tokens.insert(token.clone(), Grant { scopes, until });
        let mut answer = json!({"access_token": token, "token_type": "Bearer", "scope": scope});
        match &config.expires_in {
            ExpiresIn::Number => answer["expires_in"] = json!(config.lifetime.as_secs()),
            ExpiresIn::Text => answer["expires_in"] = json!(config.lifetime.as_secs().to_string()),
            ExpiresIn::Always(number) => answer["expires_in"] = json!(number),
            ExpiresIn::Absent => {}
        }
        Ok(answer)
    }
}

/// Id and secret of an `Authorization: Basic` header; `Err` when it cannot be read (RFC 6749: form-encoded parts).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, ()> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| ())?;
    let encoded = text.strip_prefix("Basic ").ok_or(())?;
    let bytes = STANDARD.decode(encoded).map_err(|_| ())?;
    let text = String::from_utf8(bytes).map_err(|_| ())?;
    let (id, secret) = text.split_once(':').ok_or(())?;
    let plain = |part: &str| {
        let pair = format!("v={}", part.replace('&', "%26").replace('=', "%3D"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Ok(Some((plain(id), plain(secret))))
}

async fn token(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = server.0.faults.take("POST /oauth2/token");
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, .. } => {
                server.lock().refused += 1;
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return error(status, "invalid_client", "refused on command");
            }
            Before::Cut => return serve::cut(),
        }
    }
    let answer = server.issue(&headers, &body);
    if let Some(fault) = &fault {
        match fault.after().await {
            After::Answer => {}
            After::Refuse(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return error(status, "server_error", "failed on command");
            }
            After::Cut => return serve::cut(),
        }
    }
    match answer {
        Ok(body) => ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response(),
        Err((status, code, text)) => {
            server.lock().refused += 1;
            error(status, code, text)
        }
    }
}

fn error(status: StatusCode, code: &str, text: &str) -> Response {
    let body = axum::Json(json!({"error": code, "error_description": text}));
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = header::HeaderValue::from_static("Basic realm=\"simulator\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
