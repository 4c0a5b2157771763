//! What browsers load: the chat widget, a page that shows it, and the description of this API with a reader for it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use swagger_ui_dist::{ApiDefinition, OpenApiSource, generate_routes};
use tower::ServiceExt as _;

use crate::{Shared, respond};

/// The description of this API.
pub(crate) const OPENAPI: &str = include_str!("../openapi.json");
const WIDGET: &str = include_str!("../web/widget.js");
const CHAT_PAGE: &str = include_str!("../web/chat.html");
const DOCS_PAGE: &str = include_str!("../web/docs.html");
const DOCS_SCRIPT: &str = include_str!("../web/docs.js");
/// Where the reader's own router has its files.
const READER: &str = "/reader";
/// How long browsers may keep what changes with a release only.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Nothing but our own scripts; styles of the widget are made by its script, which needs no permission.
const STRICT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data: blob:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// The reader of the description sets styles and pictures of its own.
const READER_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let has_chat = shared.accounts.default_web().is_some();
    let chat = move || async move {
        match has_chat {
            true => page(CHAT_PAGE, STRICT),
            false => respond::problem(StatusCode::NOT_FOUND, "no web chat is configured"),
        }
    };
    let reader = generate_routes(ApiDefinition {
        uri_prefix: READER,
        api_definition: OpenApiSource::Uri("/openapi.json"),
        title: None,
    });
    Router::new()
        .route("/widget.js", get(async || script(WIDGET)))
        .route("/chat", get(chat))
        .route("/openapi.json", get(openapi))
        .route("/docs", get(async || page(DOCS_PAGE, READER_POLICY)))
        .route("/docs/{file}", get(move |Path(file): Path<String>| reader_file(reader.clone(), file)))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// One of the reader's files.
async fn reader_file(reader: Router, file: String) -> Response {
    if file == "docs.js" {
        return script(DOCS_SCRIPT);
    }
    if !matches!(file.as_str(), "swagger-ui.css" | "swagger-ui-bundle.js") {
        return respond::problem(StatusCode::NOT_FOUND, "there is no such file");
    }
    let Ok(request) = Request::builder().uri(format!("{READER}/{file}")).body(Body::empty()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(mut response) = reader.oneshot(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
    plain(response)
}

/// A script that pages of other sites may load.
fn script(text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, KEPT);
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    plain(response)
}

fn page(text: &'static str, policy: HeaderValue) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    plain(response)
}

/// What a browser takes for nothing but what it is said to be.
fn plain(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use coordination::Coordination;
    use domain::SystemClock;
    use serde_json::Value;
    use service_kit::config::{self, Args};
    use store::{Role, Store, StoreConfig};

    use super::*;
    use crate::{App, Config, DEFAULTS, Parts, SERVICE};

    #[test]
    fn the_description_names_only_what_it_has() {
        let document: Value = serde_json::from_str(OPENAPI).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
        let mut operations = Vec::new();
        check(&document, &document, &mut operations);
        let count = operations.len();
        operations.sort_unstable();
        operations.dedup();
        assert_eq!(operations.len(), count, "each operation has a name of its own");
    }

    /// The router of a gateway with all kinds of accounts.
    async fn router_of_all() -> (testkit::Sqlite, Router) {
        service_kit::install_crypto();
        let database = testkit::Sqlite::new().expect("a folder");
        let store = StoreConfig {
            url: database.url(),
            max_connections: 1,
            connect_wait: Duration::from_secs(5),
            role: Role::Gateway,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        let account = "[coordination]\nkind = \"memory\"\n[tenants.acme.accounts.\"web:main\"]\nchannel = \"web\"\n";
        std::fs::write(&file, account).expect("written");
        let args = Args { config: Some(file), ..Args::default() };
        let config: Config = config::load(SERVICE, DEFAULTS, &args, std::iter::empty()).expect("a configuration");
        let parts = Parts {
            store: Store::connect(&store).await.expect("a database"),
            coordination: Coordination::memory(),
            clock: Arc::new(SystemClock),
        };
        (database, App::new(config, parts).expect("an app").router())
    }

    /// "GET /health" and so on, as the router has them: its paths from its own description of itself, their methods from
    /// what it says to one that nobody has.
    async fn routes(router: &Router) -> BTreeSet<String> {
        let described = format!("{router:?}");
        let (_, paths) = described.split_once("paths: {").expect("axum's description of a router has its paths");
        let paths = paths.split('"').skip(1).step_by(2).take_while(|path| path.starts_with('/'));
        let mut routes = BTreeSet::new();
        for path in paths.filter(|path| !path.contains("__private")) {
            let uri = path.replace(['{', '}', '*'], "");
            let request = Request::builder().method("NOBODYS").uri(&uri).body(Body::empty()).expect("a request");
            let Ok(response) = router.clone().oneshot(request).await;
            let allowed = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or("");
            for method in allowed.split(',').filter(|method| !matches!(*method, "" | "HEAD")) {
                routes.insert(format!("{method} {path}"));
            }
        }
        routes
    }

    #[tokio::test]
    async fn every_route_is_described_and_every_description_has_its_route() {
        let (_database, router) = router_of_all().await;
        let document: Value = serde_json::from_str(OPENAPI).expect("JSON");
        let described: BTreeSet<String> = document["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .flat_map(|(path, methods)| methods.as_object().expect("methods").keys().map(move |method| (path, method)))
            .map(|(path, method)| format!("{} {path}", method.to_uppercase()))
            .collect();
        assert_eq!(routes(&router).await, described);
    }

    fn check<'a>(document: &Value, value: &'a Value, operations: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    let pointer = target.strip_prefix('#').expect("within the document");
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                operations.extend(fields.get("operationId").and_then(Value::as_str));
                fields.values().for_each(|value| check(document, value, operations));
            }
            Value::Array(items) => items.iter().for_each(|value| check(document, value, operations)),
            _ => {}
        }
    }
}
