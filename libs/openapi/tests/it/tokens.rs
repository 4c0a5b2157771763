//! OAuth2 client credentials against a strict token server and a strict backend.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use openapi::{Backend, CallError, Credential, Operation};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{DEADLINE, arguments, backend, one_operation, serve};

#[derive(Default)]
struct Server {
    issued: AtomicUsize,
    wrong: AtomicUsize,
    valid: Mutex<HashSet<String>>,
    expires_in: Mutex<Option<Value>>,
    fail: Mutex<Option<StatusCode>>,
    /// The next token is given out only when this rings.
    hold: Mutex<Option<Arc<Notify>>>,
}

async fn token(State(server): State<Arc<Server>>, headers: HeaderMap, body: String) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    // client:secret
    let right = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Basic Y2xpZW50OnNlY3JldA==");
    if !right || form.get("grant_type").map(String::as_str) != Some("client_credentials") {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    if let Some(status) = *server.fail.lock().expect("a lock") {
        return (status, "<html>").into_response();
    }
    let hold = server.hold.lock().expect("a lock").clone();
    if let Some(hold) = hold {
        hold.notified().await;
    }
    let n = server.issued.fetch_add(1, Ordering::SeqCst);
    let token = format!("{}-{n}", form.get("scope").map_or("none", String::as_str).replace(' ', "+"));
    server.valid.lock().expect("a lock").insert(token.clone());
    let mut answer = json!({ "access_token": token, "token_type": "Bearer" });
    if let Some(expires_in) = server.expires_in.lock().expect("a lock").clone() {
        answer["expires_in"] = expires_in;
    }
    Json(answer).into_response()
}

/// Takes a valid token of its own scope only, and counts every other.
async fn resource(server: &Server, headers: &HeaderMap, scope: &str) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if !server.valid.lock().expect("a lock").contains(token) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if !token.starts_with(&format!("{scope}-")) {
        server.wrong.fetch_add(1, Ordering::SeqCst);
        return StatusCode::FORBIDDEN.into_response();
    }
    Json(json!({ "token": token })).into_response()
}

struct World {
    server: Arc<Server>,
    backend: Arc<Backend>,
    read: Operation,
    write: Operation,
}

async fn world() -> World {
    let server = Arc::new(Server::default());
    let router = Router::new()
        .route("/token", post(token))
        .route(
            "/read",
            get(async |State(server): State<Arc<Server>>, headers: HeaderMap| {
                resource(&server, &headers, "read").await
            }),
        )
        .route(
            "/write",
            get(async |State(server): State<Arc<Server>>, headers: HeaderMap| {
                resource(&server, &headers, "read+write").await
            }),
        )
        .with_state(server.clone());
    let base = serve(router).await;
    let credential = Credential::OAuth2 {
        client_id: "client".to_owned(),
        client_secret: "secret".into(),
        token_url: Some(base.join("token").expect("a URL")),
        scopes: Vec::new(),
    };
    let backend = Arc::new(backend(Some(base), [("oauth", credential)]));
    let secured = |path: &str, scopes: Value| {
        let mut operation = one_operation(path, "get", json!({ "security": [{ "oauth": scopes }] }));
        operation.schemes.insert("oauth".to_owned(), openapi::SecurityScheme::Oauth2 { token_url: None });
        operation
    };
    World {
        server,
        backend,
        read: secured("/read", json!(["read"])),
        write: secured("/write", json!(["write", "read"])),
    }
}

impl World {
    async fn call(&self, operation: &Operation) -> Result<u16, CallError> {
        let prepared = self.backend.prepare(operation, &arguments(json!({}))).expect("prepared");
        self.backend.send(prepared, None, DEADLINE).await.map(|response| response.status)
    }

    fn issued(&self) -> usize {
        self.server.issued.load(Ordering::SeqCst)
    }

    /// Fifty calls at once, half of each scope, while the token server holds its answer.
    async fn fifty(&self) -> Vec<u16> {
        let hold = Arc::new(Notify::new());
        *self.server.hold.lock().expect("a lock") = Some(hold.clone());
        let calls =
            futures::future::join_all((0..50).map(|i| self.call(if i % 2 == 0 { &self.read } else { &self.write })));
        let release = async {
            // One permit for each of the two fetches; a third would wait for its deadline and fail its call.
            hold.notify_one();
            tokio::task::yield_now().await;
            while self.issued() % 2 == 1 || self.issued() == 0 {
                hold.notify_one();
                tokio::task::yield_now().await;
            }
        };
        let (answers, ()) = futures::join!(calls, release);
        *self.server.hold.lock().expect("a lock") = None;
        answers.into_iter().map(|answer| answer.expect("an answer")).collect()
    }
}

#[tokio::test]
async fn fifty_parallel_calls_share_one_fetch_for_each_scope_and_never_mix_tokens() {
    let world = world().await;
    assert_eq!(world.fifty().await, [200; 50]);
    assert_eq!(world.issued(), 2, "one fetch for each set of scopes");
    assert_eq!(world.server.wrong.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_calls() {
    let world = world().await;
    assert_eq!(world.call(&world.read).await, Ok(200));
    world.server.valid.lock().expect("a lock").clear();
    let answers = futures::future::join_all((0..50).map(|_| world.call(&world.read))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(200)), "{answers:?}");
    assert_eq!(world.issued(), 2);
}

#[tokio::test]
async fn a_backend_that_refuses_every_token_is_asked_twice_and_then_believed() {
    let world = world().await;
    let mut stranger = world.read.clone();
    stranger.path = "/elsewhere".to_owned();
    assert_eq!(world.call(&stranger).await, Ok(404));
    assert_eq!(world.issued(), 1, "only a 401 renews");
    let refusing = serve(Router::new().fallback(async || StatusCode::UNAUTHORIZED)).await;
    let mut operation = world.read.clone();
    operation.servers = vec![refusing.as_str().trim_end_matches('/').to_owned()];
    let token_url = world.backend_token_url();
    let credential = Credential::OAuth2 {
        client_id: "client".to_owned(),
        client_secret: "secret".into(),
        token_url: Some(token_url),
        scopes: Vec::new(),
    };
    let backend = backend(None, [("oauth", credential)]);
    let prepared = backend.prepare(&operation, &arguments(json!({}))).expect("prepared");
    assert_eq!(backend.send(prepared, None, DEADLINE).await.map(|response| response.status), Ok(401));
    assert_eq!(world.issued(), 3, "one token, and one more after the 401");
}

impl World {
    fn backend_token_url(&self) -> url::Url {
        let prepared = self.backend.prepare(&self.read, &arguments(json!({}))).expect("prepared");
        prepared.url.join("/token").expect("a URL")
    }
}

#[tokio::test]
async fn odd_lifetimes_still_give_a_token_that_is_used_again() {
    for expires_in in [json!(0), json!(-1), json!("3600"), json!(null), json!("soon")] {
        let world = world().await;
        *world.server.expires_in.lock().expect("a lock") = Some(expires_in.clone());
        for _ in 0..3 {
            assert_eq!(world.call(&world.read).await, Ok(200), "{expires_in}");
        }
        assert_eq!(world.issued(), 1, "{expires_in}");
    }
}

#[tokio::test]
async fn a_failing_token_server_is_told_from_wrong_credentials() {
    let world = world().await;
    for (status, refused) in [(StatusCode::BAD_GATEWAY, false), (StatusCode::BAD_REQUEST, true)] {
        *world.server.fail.lock().expect("a lock") = Some(status);
        let fresh = World { backend: Arc::new(fresh_backend(&world, "secret")), ..world_like(&world) };
        let outcome = fresh.call(&fresh.read).await;
        assert_eq!(matches!(outcome, Err(CallError::Credentials(_))), refused, "{status}: {outcome:?}");
        assert_eq!(matches!(outcome, Err(CallError::NotSent(_))), !refused, "{status}: {outcome:?}");
    }
    *world.server.fail.lock().expect("a lock") = None;
    let wrong = World { backend: Arc::new(fresh_backend(&world, "guess")), ..world_like(&world) };
    assert_eq!(
        wrong.call(&wrong.read).await,
        Err(CallError::Credentials("the token server refused: invalid_client".to_owned()))
    );
    assert_eq!(world.issued(), 0);
}

fn fresh_backend(world: &World, secret: &str) -> Backend {
    let token_url = world.backend_token_url();
    let base = token_url.join("/").expect("a URL");
    backend(
        Some(base),
        [(
            "oauth",
            Credential::OAuth2 {
                client_id: "client".to_owned(),
                client_secret: secret.into(),
                token_url: Some(token_url),
                scopes: Vec::new(),
            },
        )],
    )
}

fn world_like(world: &World) -> World {
    World {
        server: world.server.clone(),
        backend: world.backend.clone(),
        read: world.read.clone(),
        write: world.write.clone(),
    }
}
