//! Who may come in: the address list before everything, then the session. And what every answer says to browsers.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use domain::telemetry::metric;
use ipnet::IpNet;

use super::{Console, error::ConsoleError, sign_in, sign_in::Cookies};

/// Nothing from elsewhere, nothing inline, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address.
    pub address: IpAddr,
    /// The browser speaks https.
    pub secure: bool,
}

/// Lets in who comes from a listed address.
pub async fn admit(
    State(console): State<Arc<Console>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut origin = origin(peer.ip(), request.headers(), &console.proxies);
    origin.secure |= console.secure_cookies;
    let mut response = if holds(&console.addresses, origin.address) {
        request.extensions_mut().insert(origin);
        next.run(request).await
    } else {
        metrics::counter!(metric::CONSOLE_REFUSED, "reason" => "address").increment(1);
        tracing::info!("the console was called from an address that is not in admin.allowed_addresses");
        ConsoleError::Address.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    // A person's file has a stricter one.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if origin.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Lets in who has signed in; others are led to the sign-in, and back after it.
pub async fn signed_in(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ConsoleError> {
    let origin = request.extensions().get::<Origin>().copied().ok_or(ConsoleError::Address)?;
    let cookies = Cookies::new(origin.secure);
    // A stream that is opened again and again by a forgotten page is no sign of life.
    let is_live = request.uri().path().ends_with("/events") || request.uri().path().ends_with("/figures");
    let session = match cookies.session(request.headers()) {
        Some(cookie) => console.sessions.find(cookie, !is_live),
        None => None,
    };
    let session = match session {
        Some(session) if console.still_valid(&session).await? => Some(session),
        Some(session) => {
            console.sessions.end(&session.id);
            None
        }
        None => None,
    };
    let Some(session) = session else {
        return Ok(if request.method() == Method::GET && !is_live {
            let wanted = request.uri().path_and_query().map_or("/console", |path| path.as_str());
            Redirect::to(&sign_in::address(wanted)).into_response()
        } else {
            ConsoleError::SignedOut.into_response()
        });
    };
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

/// The socket's peer; behind a trusted proxy the last address that no trusted proxy wrote down.
fn origin(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Origin {
    let peer = peer.to_canonical();
    if !holds(proxies, peer) {
        return Origin { address: peer, secure: false };
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut address = peer;
    for name in named.into_iter().rev() {
        // What cannot be read was not written by a proxy of ours.
        let Ok(before) = name.parse::<IpAddr>() else { break };
        address = before.to_canonical();
        if !holds(proxies, address) {
            break;
        }
    }
    let protocol = headers.get_all("x-forwarded-proto").iter().next_back().and_then(|value| value.to_str().ok());
    let secure = protocol.and_then(|text| text.rsplit(',').next()).is_some_and(|text| text.trim() == "https");
    Origin { address, secure }
}

fn holds(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], protocol: &str, expected: (&str, bool)) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("a header"));
        }
        headers.append("x-forwarded-proto", protocol.parse().expect("a header"));
        let proxies = ["10.1.0.0/16".parse().expect("a net")];
        let found = origin(peer.parse().expect("an address"), &headers, &proxies);
        assert_eq!(
            found,
            Origin { address: expected.0.parse().expect("an address"), secure: expected.1 },
            "{forwarded:?}"
        );
    }

    #[test]
    fn only_a_trusted_proxys_word_counts() {
        check("192.0.2.1", &["10.0.0.1"], "https", ("192.0.2.1", false));
        check("10.1.0.1", &["192.0.2.9"], "https", ("192.0.2.9", true));
        check("::ffff:10.1.0.1", &["192.0.2.9"], "http", ("192.0.2.9", false));
        check("10.1.0.1", &["127.0.0.1, 192.0.2.9, 10.1.0.2"], "http, https", ("192.0.2.9", true));
        check("10.1.0.1", &["127.0.0.1", "192.0.2.9"], "https, http", ("192.0.2.9", false));
        check("10.1.0.1", &["127.0.0.1, nonsense"], "http", ("10.1.0.1", false));
        check("10.1.0.1", &[], "http", ("10.1.0.1", false));
    }
}
