//! Hosts of a document's backend that lie on private addresses, so that a start tells of them before a person hears it.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use futures::future::join_all;
use openapi::{Document, is_public};
use url::Url;

/// Most hosts that are looked at.
const HOSTS_MAX: usize = 8;
/// How long the names may take.
const LOOKUP_WAIT: Duration = Duration::from_secs(2);

/// The hosts that the document's operations call and that have private addresses only; `source` is where the document
/// came from, for servers that are relative to it. A name that cannot be looked up is left out.
pub async fn of(document: &Document, source: &str) -> Vec<String> {
    let source = Url::parse(source).ok();
    let mut hosts = BTreeSet::new();
    for server in document.operations.iter().filter_map(|operation| operation.servers.first()) {
        let url = Url::parse(server).ok().or_else(|| source.as_ref()?.join(server).ok());
        let at = url.and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
        hosts.extend(at);
        if hosts.len() >= HOSTS_MAX {
            break;
        }
    }
    let looked = join_all(hosts.iter().map(async |(host, port)| {
        let name = (host.trim_matches(['[', ']']), *port);
        let looked = tokio::time::timeout(LOOKUP_WAIT, tokio::net::lookup_host(name)).await;
        let found: Vec<SocketAddr> = looked.ok().and_then(Result::ok).into_iter().flatten().collect();
        !found.is_empty() && found.iter().all(|address| !is_public(address.ip()))
    }));
    let private = looked.await;
    hosts.into_iter().zip(private).filter(|(_, private)| *private).map(|((host, _), _)| host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(server: &str, source: &str, expected: &[&str]) {
        let document = format!(
            r#"{{"openapi":"3.1.0","info":{{"title":"t","version":"1"}},"servers":[{{"url":"{server}"}}],
            "paths":{{"/things":{{"get":{{"responses":{{"200":{{"description":"ok"}}}}}}}}}}}}"#
        );
        let document = openapi::import("main", document.as_bytes(), &Default::default()).expect("a document");
        assert_eq!(of(&document, source).await, expected, "{server} {source}");
    }

    #[tokio::test]
    async fn hosts_on_private_addresses_are_found() {
        check("http://localhost:8080/api", "thing.yaml", &["localhost"]).await;
        check("http://127.0.0.1:8080", "thing.yaml", &["127.0.0.1"]).await;
        check("http://[::1]/", "thing.yaml", &["[::1]"]).await;
        check("http://192.168.1.20", "thing.yaml", &["192.168.1.20"]).await;
        check("/api", "http://127.0.0.1:8080/openapi.json", &["127.0.0.1"]).await;
        check("http://8.8.8.8/api", "thing.yaml", &[]).await;
        check("http://no-such-host.invalid/api", "thing.yaml", &[]).await;
        check("/api", "thing.yaml", &[]).await;
    }
}
