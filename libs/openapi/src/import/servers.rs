//! Base URLs of an operation.

use serde_json::Value;

use super::{Context, Dialect};
use crate::{refs::At, schema::scalar_text};

const MAX_SERVERS: usize = 10;

/// The backend's configured URL, else the servers of operation, path or document, best first.
pub(super) fn read(context: &Context<'_>, item: At<'_>, at: At<'_>) -> Vec<String> {
    if let Some(backend) = &context.options.backend_url {
        return vec![backend.as_str().trim_end_matches('/').to_owned()];
    }
    let mut servers = match context.dialect {
        Dialect::Two => swagger(context, at),
        Dialect::Three => {
            let non_empty =
                |at: At<'_>| at.value.get("servers").and_then(Value::as_array).filter(|list| !list.is_empty()).cloned();
            let list =
                non_empty(at).or_else(|| non_empty(item)).or_else(|| non_empty(context.root)).unwrap_or_default();
            list.iter().take(MAX_SERVERS).filter_map(with_variables).map(|url| absolute(context, &url)).collect()
        }
    };
    if servers.is_empty() {
        let own = absolute(context, "/");
        if own != "/" {
            servers.push(own);
        }
    }
    for server in &mut servers {
        server.truncate(server.trim_end_matches('/').len());
    }
    servers.retain(|server| !server.is_empty());
    servers
}

/// The URL with the default of each variable; `None` when one has none.
fn with_variables(server: &Value) -> Option<String> {
    let mut url = server.get("url")?.as_str()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        let default = variable.get("default").or_else(|| variable.get("enum").and_then(|values| values.get(0)));
        if let Some(default) = default {
            url = url.replace(&format!("{{{name}}}"), &scalar_text(default));
        }
    }
    (!url.contains('{') && url.len() <= 2_000).then_some(url)
}

fn swagger(context: &Context<'_>, at: At<'_>) -> Vec<String> {
    let root = context.root.value;
    let base = root.get("basePath").and_then(Value::as_str).unwrap_or("/");
    let base = if base.starts_with('/') { base.to_owned() } else { format!("/{base}") };
    let Some(host) = root.get("host").and_then(Value::as_str).filter(|host| !host.is_empty()) else {
        return vec![absolute(context, &base)];
    };
    let schemes = at.value.get("schemes").or_else(|| root.get("schemes")).and_then(Value::as_array);
    let mut schemes: Vec<&str> = schemes
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|scheme| matches!(*scheme, "http" | "https"))
        .collect();
    schemes.sort_by_key(|scheme| *scheme != "https");
    if schemes.is_empty() {
        schemes.push(context.source.as_ref().map_or("https", |url| url.scheme()));
    }
    schemes.iter().take(2).map(|scheme| format!("{scheme}://{host}{base}")).collect()
}

/// Joined with the document's address where that is a web address, else as it is.
pub(super) fn absolute(context: &Context<'_>, url: &str) -> String {
    match &context.source {
        Some(source) => source.join(url).map_or_else(|_| url.to_owned(), String::from),
        None => url.to_owned(),
    }
}
