//! Which addresses may be called: a backend's name must not lead into our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// True for an address of the open internet.
///
/// False for private, loopback, link-local, CGNAT, unique-local, documentation, benchmark, multicast and reserved
/// ranges, and for IPv6 forms that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

/// Only 2000::/3 is given out (RFC 4291); the transition ranges inside it lead to IPv4 addresses.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    let teredo_and_special = a == 0x2001 && b < 0x0200;
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    let six_to_four = a == 0x2002;
    global && !teredo_and_special && !documentation && !six_to_four
}

/// Refused by [`check_url`] or by the resolver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0} is not an http or https address")]
    Scheme(String),
    #[error("{0} is a private address; allow private hosts for this document to call it")]
    Private(String),
    #[error("addresses with a user name or password are not called")]
    UserInfo,
}

/// Why a call of this address would be refused, as far as its text tells: a name that is looked up may still lead to a
/// private address.
pub fn refusal(url: &Url, allow_private: bool) -> Option<String> {
    if let Err(refused) = check_url(url, allow_private) {
        return Some(refused.to_string());
    }
    let name = url.domain()?.trim_end_matches('.').to_ascii_lowercase();
    let local = name == "localhost" || name.ends_with(".localhost");
    (local && !allow_private).then(|| Refused::Private(name).to_string())
}

/// Literal addresses never reach the resolver, so they are judged here.
pub(crate) fn check_url(url: &Url, allow_private: bool) -> Result<(), Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::UserInfo);
    }
    let literal = match url.host() {
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
        _ => None,
    };
    match literal {
        Some(address) if !allow_private && !is_public(address) => Err(Refused::Private(address.to_string())),
        _ => Ok(()),
    }
}

/// Resolves by the system and drops every address that may not be called.
#[derive(Clone, Debug)]
pub(crate) struct GuardedResolver {
    pub allow_private: bool,
    /// This one host may be private.
    pub allowed_host: Option<String>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let free =
            self.allow_private || self.allowed_host.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(&host));
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| free || is_public(address.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Refused::Private(host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_our_own_network_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
        ] {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
    }

    #[test]
    fn every_way_to_write_a_private_address_is_refused() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://127.0.0.1./",
            "http://[::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[::]/",
            "http://169.254.169.254/latest/meta-data",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "https://10.1/",
            "http://192.168.257/",
            "http://１２７.０.０.１/",
            "http://0/",
            "http://%31%32%37.0.0.1/",
            "http://example.com@127.0.0.1/",
            "http://user:pass@example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "ftp://8.8.8.8/",
        ] {
            let refused = Url::parse(text).map_or(true, |url| check_url(&url, false).is_err());
            assert!(refused, "{text}");
        }
        for text in ["http://8.8.8.8/", "https://example.com/x", "http://[2606:4700::1111]/"] {
            assert_eq!(check_url(&Url::parse(text).expect(text), false), Ok(()), "{text}");
        }
        assert_eq!(check_url(&Url::parse("http://127.0.0.1:1/").expect("a URL"), true), Ok(()));
    }
}
