//! Signing in with a token, and out.

use std::{net::IpAddr, sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use domain::{Tenant, telemetry::metric};
use serde_json::json;
use service_kit::grpc::Caller;
use store::{
    StoreError,
    audit::{Actor, AuditEntry},
};

use super::{
    Console,
    error::ConsoleError,
    frame,
    guard::Origin,
    keys::Keys,
    posted::{self, Fields, Posted},
    query::Query,
    session::{Scope, Session, random},
};

/// Attempts of one address that may come at once; they come back within [`ATTEMPTS_PER`].
const ATTEMPTS: u32 = 10;
const ATTEMPTS_PER: Duration = Duration::from_secs(60);
/// How long a sign-in page may stand open.
const ENTRY_LIFETIME_S: u32 = 60 * 60;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    entry: String,
    next: String,
    error: Option<&'static str>,
}

/// The sign-in page that leads to `wanted` afterwards.
pub fn address(wanted: &str) -> String {
    if wanted == "/console" {
        return "/console/sign-in".to_owned();
    }
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    format!("/console/sign-in?next={next}")
}

/// `GET /console/sign-in`
pub async fn page(
    State(console): State<Arc<Console>>,
    Extension(origin): Extension<Origin>,
    query: Query,
) -> Result<Response, ConsoleError> {
    shown(&console, origin, own_path(query.get("next")), StatusCode::OK, None)
}

/// `POST /console/sign-in`
pub async fn enter(
    State(console): State<Arc<Console>>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Result<Response, ConsoleError> {
    let headers = request.headers().clone();
    let fields = posted::read(request).await?;
    let next = own_path(fields.get("next")).to_owned();
    if !is_own_form(&console, origin, &headers, &fields) {
        return shown(
            &console,
            origin,
            &next,
            StatusCode::FORBIDDEN,
            Some("This page was open for too long. Try again."),
        );
    }
    if let Err(wait) = console.coordination.allow(&limit_key(origin.address), ATTEMPTS, ATTEMPTS_PER).await {
        count("limited");
        let message = "Too many attempts from your address. Wait a minute.";
        let mut response = shown(&console, origin, &next, StatusCode::TOO_MANY_REQUESTS, Some(message))?;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return Ok(response);
    }
    let hash = fields.get("token").and_then(Keys::hash);
    let caller = match hash {
        Some(hash) => console.keys.find(hash).await?.map(|caller| (hash, caller)),
        None => None,
    };
    let Some((hash, caller)) = caller else {
        count("refused");
        // The address goes to the audit of who did sign in only: logs hold none.
        tracing::warn!("a sign-in to the console was refused: the token is not known");
        return shown(&console, origin, &next, StatusCode::UNAUTHORIZED, Some("This token is not known."));
    };
    let actor = Actor { name: caller.name.clone(), from: Some(origin.address) };
    let entry = AuditEntry::of(&actor, &caller.tenant, "console.sign_in", &caller.name, json!({}));
    console.store.append_audit(&entry).await?;
    count("entered");
    let scope = console.scope(&caller);
    let cookie = console.sessions.open(&caller.name, hash, caller.tenant, scope);
    let cookies = Cookies::new(origin.secure);
    let lifetime = console.sessions.max().as_secs();
    let set = [cookies.set(cookies.session, &cookie, lifetime), cookies.set(cookies.entry, "", 0)];
    Ok(with_cookies(Redirect::to(&next).into_response(), &set))
}

/// `POST /console/sign-out`
pub async fn leave(
    State(console): State<Arc<Console>>,
    Extension(origin): Extension<Origin>,
    Extension(session): Extension<Session>,
    _posted: Posted,
) -> Result<Response, ConsoleError> {
    console.sessions.end(&session.id);
    let actor = Actor { name: session.operator.clone(), from: Some(origin.address) };
    let entry = AuditEntry::of(&actor, &session.tenant, "console.sign_out", &session.operator, json!({}));
    console.store.append_audit(&entry).await?;
    let cookies = Cookies::new(origin.secure);
    Ok(with_cookies(Redirect::to("/console/sign-in").into_response(), &[cookies.set(cookies.session, "", 0)]))
}

impl Console {
    /// Which tenants somebody may see: the key's own, and what the configuration adds.
    fn scope(&self, caller: &Caller) -> Scope {
        let more = self.tenants.get(&caller.name).map_or(&[][..], Vec::as_slice);
        if more.iter().any(|tenant| tenant == "*") {
            return Scope::All;
        }
        let mut tenants = vec![caller.tenant.clone()];
        for tenant in more.iter().filter_map(|name| Tenant::new(name.as_str()).ok()) {
            if !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
        }
        Scope::Some(tenants)
    }

    /// True while the key of a session still opens the console as it did.
    pub(super) async fn still_valid(&self, session: &Session) -> Result<bool, StoreError> {
        if !self.sessions.must_check(&session.id) {
            return Ok(true);
        }
        let caller = self.keys.find(session.key).await?;
        Ok(caller.is_some_and(|caller| caller.name == session.operator && caller.tenant == session.tenant))
    }
}

/// The console's cookies.
pub struct Cookies {
    session: &'static str,
    entry: &'static str,
    secure: bool,
}

impl Cookies {
    /// With names that browsers take over https only, where that is spoken.
    pub fn new(secure: bool) -> Self {
        let [session, entry] = if secure {
            ["__Host-dragoman_console", "__Host-dragoman_entry"]
        } else {
            ["dragoman_console", "dragoman_entry"]
        };
        Self { session, entry, secure }
    }

    /// The session's cookie of a request.
    pub fn session<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        find(headers, self.session)
    }

    fn set(&self, name: &str, value: &str, lifetime_s: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=Strict{secure}")
    }
}

fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn with_cookies(mut response: Response, cookies: &[String]) -> Response {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn shown(
    console: &Console,
    origin: Origin,
    next: &str,
    status: StatusCode,
    error: Option<&'static str>,
) -> Result<Response, ConsoleError> {
    let cookies = Cookies::new(origin.secure);
    let entry = random();
    let page = SignInPage { entry: console.sessions.sign("entry", &entry), next: next.to_owned(), error };
    let response = (status, frame::html(&page)?).into_response();
    Ok(with_cookies(response, &[cookies.set(cookies.entry, &entry, ENTRY_LIFETIME_S.into())]))
}

/// A sign-in, too, comes from our own page: else a stranger could sign an operator in as somebody else.
fn is_own_form(console: &Console, origin: Origin, headers: &HeaderMap, fields: &Fields) -> bool {
    let entry = find(headers, Cookies::new(origin.secure).entry);
    let signature = fields.get("csrf").unwrap_or_default();
    entry.is_some_and(|entry| console.sessions.verify("entry", entry, signature))
}

/// A path of the console, whatever was asked for.
fn own_path(next: Option<&str>) -> &str {
    match next {
        Some(next)
            if (next == "/console" || next.starts_with("/console/t/"))
                && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') =>
        {
            next
        }
        _ => "/console",
    }
}

/// One key per IPv4 address, and per IPv6 network of a household.
fn limit_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("console-sign-in:{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("console-sign-in:{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

fn count(end: &'static str) {
    metrics::counter!(metric::CONSOLE_SIGN_INS, "end" => end).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_our_own_pages_only() {
        for (next, expected) in [
            ("/console/t/acme/audit?before=3", "/console/t/acme/audit?before=3"),
            ("/console", "/console"),
            ("//evil.example/console/t/", "/console"),
            ("https://evil.example", "/console"),
            ("/console/t/\\evil", "/console"),
            ("/console/t/a\r\nset-cookie: x", "/console"),
            ("/console/sign-out", "/console"),
        ] {
            assert_eq!(own_path(Some(next)), expected, "{next:?}");
        }
        assert_eq!(own_path(None), "/console");
        assert_eq!(address("/console/t/a?b=c&d"), "/console/sign-in?next=%2Fconsole%2Ft%2Fa%3Fb%3Dc%26d");
    }

    #[test]
    fn cookies_are_kept_from_scripts_and_other_sites() {
        let plain = Cookies::new(false);
        let set = plain.set(plain.session, "v", 60);
        assert_eq!(set, "dragoman_console=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
        let secure = Cookies::new(true);
        assert!(secure.set(secure.session, "v", 60).starts_with("__Host-dragoman_console=v; Path=/;"));
        assert!(secure.set(secure.session, "v", 60).ends_with("; Secure"));
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; dragoman_consoles=x; dragoman_console=v".parse().expect("a header"));
        assert_eq!(plain.session(&headers), Some("v"));
        assert_eq!(secure.session(&headers), None);
    }
}
