//! The operators' pages: server-rendered, with one small module of script and server-sent events.
//!
//! A page is reached in this order: the address list, the session, the session's tenants. Everything that changes
//! something is posted with the session's token ([`posted`]), and what an operator does or looks at is written to
//! `audit_logs`. Personal data is masked ([`mask`]) until an operator asks for it, which is written down, too.

mod audit;
mod catalogue;
mod conversation;
mod conversations;
mod error;
mod figures;
mod files;
mod frame;
mod guard;
mod keys;
mod letters;
mod mask;
mod overview;
mod platforms;
mod posted;
mod query;
mod room;
mod session;
mod sign_in;
mod switches;
mod timeline;
mod times;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::header,
    middleware,
    response::Redirect,
    routing::{get, post},
};
use coordination::Coordination;
use file_store::FileStore;
use ipnet::IpNet;
use service_kit::grpc::ClientError;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::{Config, catalog::Catalog, dead_letters::DeadLetters, switches::Switchboard};
use figures::Board;
use keys::Keys;
use session::Sessions;

/// Largest form, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// What the pages are made of.
pub(crate) struct Console {
    store: Store,
    files: Option<FileStore>,
    coordination: Coordination,
    letters: DeadLetters,
    switchboard: Switchboard,
    catalog: Catalog,
    board: Board,
    keys: Keys,
    sessions: Sessions,
    addresses: Vec<IpNet>,
    proxies: Vec<IpNet>,
    secure_cookies: bool,
    tenants: BTreeMap<String, Vec<String>>,
    stop: CancellationToken,
}

impl Console {
    /// # Errors
    /// [`ClientError`]: the catalogue's configuration cannot work.
    pub fn new(
        config: &Config,
        letters: DeadLetters,
        switchboard: Switchboard,
        files: Option<FileStore>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, ClientError> {
        let catalog = Catalog::new(&config.catalog)?;
        Ok(Arc::new(Self {
            store: letters.store.clone(),
            files,
            coordination: letters.coordination.clone(),
            board: Board::new(letters.store.clone(), catalog.clone()),
            keys: Keys::new(&config.grpc.keys, letters.store.clone()),
            letters,
            switchboard,
            catalog,
            sessions: Sessions::new(config.console.session_idle, config.console.session_max),
            addresses: config.admin.allowed_addresses.clone(),
            proxies: config.admin.trusted_proxies.clone(),
            secure_cookies: config.console.secure_cookies,
            tenants: config.console.tenants.clone(),
            stop,
        }))
    }
}

/// `/console` and what is below it; `/` leads there.
pub(crate) fn router(console: Arc<Console>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text) })
    };
    // No page without a session but those of `open`.
    let rooms = Router::new()
        .route("/console", get(overview::home))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/t/{tenant}", get(overview::page))
        .route("/console/t/{tenant}/figures", get(overview::figures))
        .route("/console/t/{tenant}/events", get(overview::events))
        .route("/console/t/{tenant}/dead-letters", get(letters::list))
        .route("/console/t/{tenant}/dead-letters/confirm", get(letters::confirm))
        .route("/console/t/{tenant}/dead-letters/replay", post(letters::replay))
        .route("/console/t/{tenant}/dead-letters/discard", post(letters::discard))
        .route("/console/t/{tenant}/dead-letters/{id}", get(letters::one))
        .route("/console/t/{tenant}/conversations", get(conversations::list))
        .route("/console/t/{tenant}/conversations/{id}", get(conversation::page))
        .route("/console/t/{tenant}/conversations/{id}/reveal", post(conversation::reveal))
        .route("/console/t/{tenant}/conversations/{id}/files/{sha256}", get(files::open))
        .route("/console/t/{tenant}/conversations/{id}/files/{sha256}/content", get(files::give))
        .route("/console/t/{tenant}/catalogue", get(catalogue::list))
        .route("/console/t/{tenant}/catalogue/operation", get(catalogue::operation))
        .route("/console/t/{tenant}/catalogue/remove-example", post(catalogue::remove_example))
        .route("/console/t/{tenant}/catalogue/search", get(catalogue::ask).post(catalogue::search))
        .route("/console/t/{tenant}/platforms", get(platforms::list))
        .route("/console/t/{tenant}/platforms/reveal", post(platforms::reveal))
        .route("/console/t/{tenant}/switches", get(switches::list))
        .route("/console/t/{tenant}/switches/confirm", get(switches::confirm))
        .route("/console/t/{tenant}/switches/change", post(switches::change))
        .route("/console/t/{tenant}/audit", get(audit::list))
        .route_layer(middleware::from_fn_with_state(console.clone(), guard::signed_in));
    let open = Router::new()
        .route("/", get(|| async { Redirect::to("/console") }))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/console/assets/console.css", file("text/css; charset=utf-8", include_str!("../assets/console.css")))
        .route(
            "/console/assets/console.js",
            file("text/javascript; charset=utf-8", include_str!("../assets/console.js")),
        );
    rooms
        .merge(open)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(console.clone(), guard::admit))
        .with_state(console)
}
